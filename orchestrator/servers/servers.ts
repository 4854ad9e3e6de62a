import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, runProgram, type Say } from './cache.js';
import { embeddedKafka, startKafka } from './kafka.js';
import { accepts } from './leash.js';
import { embeddedMariadb, installedMariadb, type RunningServer, startMariadb } from './mariadb.js';
import { embeddedPostgres, installedPostgres, type PostgresHome, startPostgres } from './postgres.js';
import { startRedis } from './redis.js';

/**
 * Real servers for the demo chain and for tests, looked for in one order, each with a line that says what was chosen and why:
 * 1. a URL in the environment; 2. the standard local port, only with SHADOWLINE_USE_LOCAL=1; 3. a binary that is installed, started on a free port with
 * a temporary data folder; 4. the embedded default, fetched once into the user's cache folder.
 */
export type ServerKind = 'mysql' | 'kafka' | 'redis' | 'postgres';

export interface Servers {
  mysql: RunningServer;
  /** Undefined when it could not be had; `omissions` says why. */
  kafka: RunningServer | undefined;
  redis: RunningServer | undefined;
  /** Only when it was asked for. */
  postgres: RunningServer | undefined;
  omissions: string[];
  /** Temporary folder of the servers' data and logs. */
  dir: string;
  /** Stops what was started here and removes the folder. Idempotent. */
  stop(): Promise<void>;
}

const fromEnvironment: Record<ServerKind, { url: string; variable: string; port: number }> = {
  mysql: { variable: 'SHADOWLINE_MYSQL_URL', url: 'mysql://root@127.0.0.1:3306', port: 3306 },
  kafka: { variable: 'SHADOWLINE_KAFKA', url: '127.0.0.1:9092', port: 9092 },
  redis: { variable: 'SHADOWLINE_REDIS_URL', url: 'redis://127.0.0.1:6379', port: 6379 },
  postgres: {
    variable: 'SHADOWLINE_POSTGRES_URL',
    url: 'postgres://postgres@127.0.0.1:5432/postgres',
    port: 5432,
  },
};

export interface StartOptions {
  leaveOut?: ServerKind[];
  /** Also PostgreSQL: it costs seconds, and the demo chain has no use for it. Default false. */
  postgres?: boolean;
}

/**
 * @throws Error when MariaDB cannot be had; the others are left out with a reason instead.
 */
export async function startServers(say: Say, options: StartOptions = {}): Promise<Servers> {
  await sweep();
  const dir = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  const started: RunningServer[] = [];
  const omissions: string[] = [];
  const stop = async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  const start = async (kind: ServerKind, name: string): Promise<RunningServer | undefined> => {
    if (options.leaveOut?.includes(kind)) return undefined;
    try {
      const server = (await given(kind, name, say)) ?? (await starters[kind](dir, say));
      started.push(server);
      return server;
    } catch (error) {
      if (kind === 'mysql') throw error;
      // The reason; what to choose instead was said above it.
      omissions.push(`${name} is left out: ${(error as Error).message.split(/\. |\n/)[0]}`);
      say(`${name} is left out: ${(error as Error).message}`);
      return undefined;
    }
  };
  const outcomes = await Promise.allSettled([
    start('mysql', 'MariaDB'),
    start('kafka', 'Kafka'),
    start('redis', 'Redis'),
    options.postgres ? start('postgres', 'PostgreSQL') : undefined,
  ]);
  const [mysql, kafka, redis, postgres] = outcomes.map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : undefined,
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined || mysql === undefined) {
    await stop();
    throw failed?.reason ?? new Error('MariaDB was left out, but nothing works without it');
  }
  return { mysql, kafka, redis, postgres, omissions, dir, stop };
}

const PREFIX = 'shadowline-servers-';

/** Folders whose process was killed before it could remove them. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    // Another user's folder stays.
    await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function given(kind: ServerKind, name: string, say: Say): Promise<RunningServer | undefined> {
  const { variable, url, port } = fromEnvironment[kind];
  const fromEnv = process.env[variable];
  const notOurs = { stop: async () => undefined, pid: undefined, logFile: undefined };
  if (fromEnv) {
    say(`${name}: ${variable} names a server; it is used as it is`);
    return { url: fromEnv, ...notOurs };
  }
  if (process.env.SHADOWLINE_USE_LOCAL === '1' && (await accepts(port))) {
    say(`${name}: port ${port} answers and SHADOWLINE_USE_LOCAL=1 allows it`);
    return { url, ...notOurs };
  }
  return undefined;
}

const starters: Record<ServerKind, (dir: string, say: Say) => Promise<RunningServer>> = {
  async mysql(dir, say) {
    const installed = await installedMariadb();
    if (installed !== undefined) {
      say(`MariaDB: ${installed.server} is on PATH; starting it on a free port with a temporary data folder`);
      return startMariadb(installed, dir);
    }
    const home = await embeddedMariadb(say).catch((error: Error) => {
      throw new Error(
        `MariaDB could not be had: ${error.message}\nChoices: name a server in SHADOWLINE_MYSQL_URL, put mariadbd on PATH (Debian: mariadb-server), or put Maven and a JDK on PATH.`,
      );
    });
    say('MariaDB: the embedded one, on a free port with a temporary data folder');
    return startMariadb(home, dir);
  },
  async kafka(dir, say) {
    if ((await onPath('java')) === undefined) {
      throw new Error(
        'java is not on PATH. Choices: name a broker in SHADOWLINE_KAFKA, or install a Java runtime (17 or newer).',
      );
    }
    const jars = await embeddedKafka(say);
    say('Kafka: the embedded one (KRaft, one process), on a free port with a temporary log folder');
    return startKafka(jars, dir);
  },
  async redis(dir, say) {
    const program = (await onPath('redis-server')) ?? (await installRedis(say));
    say(`Redis: ${program}, on a free port without persistence`);
    return startRedis(program, dir);
  },
  async postgres(dir, say) {
    const installed = await installedPostgres();
    if (installed !== undefined) {
      say(`PostgreSQL: ${installed.server} is there; starting it on a free port with a temporary data folder`);
      return startPostgres(installed, dir);
    }
    const home = await embeddedPostgres(say).catch((error: Error) => installPostgres(error, say));
    say(`PostgreSQL: ${home.server}, on a free port with a temporary data folder`);
    return startPostgres(home, dir);
  },
};

/** As root on Debian the embedded one has an alternative; anybody else is told the choices. */
async function installPostgres(reason: Error, say: Say): Promise<PostgresHome> {
  if ((await onPath('apt-get')) !== undefined && process.getuid?.() === 0) {
    say(`PostgreSQL: ${reason.message}; installing postgresql with apt-get (once)`);
    await aptInstall(['postgresql']);
    const installed = await installedPostgres();
    if (installed !== undefined) return installed;
  }
  throw new Error(
    `PostgreSQL could not be had: ${reason.message}\nChoices: name a server in SHADOWLINE_POSTGRES_URL, put initdb and postgres on PATH (Debian: postgresql), or put Maven and a JDK on PATH.`,
  );
}

/** As root on Debian a missing redis-server is installed; anybody else is told how. */
async function installRedis(say: Say): Promise<string> {
  const apt = await onPath('apt-get');
  if (apt !== undefined && process.getuid?.() === 0) {
    say('Redis: installing redis-server with apt-get (once)');
    await aptInstall(['redis-server']);
    const program = await onPath('redis-server');
    if (program !== undefined) return program;
  }
  throw new Error(
    'redis-server is not on PATH. Choices: name a server in SHADOWLINE_REDIS_URL, or install it (Debian: apt-get install redis-server).',
  );
}

/** Installs Debian packages as root, without asking and without starting services. */
export async function aptInstall(packages: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...packages];
  await runProgram('apt-get', install, { env }).catch(async () => {
    await runProgram('apt-get', ['update', '-qq'], { env });
    await runProgram('apt-get', install, { env });
  });
}
