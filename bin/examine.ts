import { onPath } from '../orchestrator/servers/cache.js';
import { installedPostgres } from '../orchestrator/servers/postgres.js';

/** One thing that the toolkit needs, whether it can be had here, and from where or how. */
export interface Finding {
  what: string;
  /** `optional`: the toolkit works without, the finding says what is left out. */
  state: 'ok' | 'optional' | 'missing';
  how: string;
}

type Env = Readonly<Record<string, string | undefined>>;
type Look = (program: string) => Promise<string | undefined>;

/** The versions that are tested: Node 20.19 is the first with `require(esm)`. */
const MIN_NODE = [20, 19] as const;

/**
 * Looks at this machine in the order in which servers are looked for. Starts, installs and sends nothing.
 * @param look finds a program on PATH
 */
export async function examine(env: Env, look: Look = onPath, node = process.versions.node): Promise<Finding[]> {
  const [maven, java, redis, apt] = await Promise.all([
    look('mvn'),
    look('java'),
    look('redis-server'),
    look('apt-get'),
  ]);
  const mariadb = (await look('mariadbd')) ?? (await look('mysqld'));
  const postgres = (await installedPostgres(look))?.server;
  const chromium = (await look('chromium')) ?? (await look('chromium-browser')) ?? (await look('google-chrome'));
  const canInstall = apt !== undefined && process.getuid?.() === 0;
  return [
    nodeVersion(node),
    server(
      'MariaDB',
      env.SHADOWLINE_MYSQL_URL && 'SHADOWLINE_MYSQL_URL',
      mariadb,
      maven && java && 'fetched once with Maven into the cache folder',
      {
        state: 'missing',
        how: 'name a server in SHADOWLINE_MYSQL_URL, or put mariadbd on PATH (Debian: apt-get install mariadb-server), or Maven and Java',
      },
    ),
    server(
      'Kafka',
      env.SHADOWLINE_KAFKA && 'SHADOWLINE_KAFKA',
      undefined,
      java && maven && 'fetched once with Maven into the cache folder',
      {
        state: 'optional',
        how: `the demo leaves it out and says so; name a broker in SHADOWLINE_KAFKA, or install ${java ? 'Maven' : maven ? 'a Java runtime (17 or newer)' : 'Maven and a Java runtime (17 or newer)'}`,
      },
    ),
    server(
      'Redis',
      env.SHADOWLINE_REDIS_URL && 'SHADOWLINE_REDIS_URL',
      redis,
      canInstall && 'installed once with apt-get',
      {
        state: 'optional',
        how: 'the demo leaves it out and says so; name a server in SHADOWLINE_REDIS_URL, or install redis-server',
      },
    ),
    server(
      'PostgreSQL',
      env.SHADOWLINE_POSTGRES_URL && 'SHADOWLINE_POSTGRES_URL',
      postgres,
      (maven && java && 'fetched once with Maven into the cache folder') ||
        (canInstall && 'installed once with apt-get'),
      {
        state: 'optional',
        how: 'only tests need it; name a server in SHADOWLINE_POSTGRES_URL, or install postgresql',
      },
    ),
    {
      what: 'Chromium',
      state: chromium === undefined ? 'optional' : 'ok',
      how: chromium ?? 'only the tests of the report need it (Debian: apt-get install chromium)',
    },
    {
      what: 'flag key',
      state: env.SHADOWLINE_KEY ? 'ok' : 'optional',
      how: env.SHADOWLINE_KEY
        ? 'SHADOWLINE_KEY is set'
        : 'SHADOWLINE_KEY is not set; `stress keys make` makes a key file',
    },
  ];
}

function nodeVersion(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOk = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const wanted = `${MIN_NODE.join('.')} or newer`;
  return {
    what: 'Node.js',
    state: isOk ? 'ok' : 'missing',
    how: isOk ? `${version} (${wanted})` : `${version} is too old: install ${wanted}`,
  };
}

/** The first source that is there, in the order in which they are tried. */
function server(
  what: string,
  variable: string | undefined,
  program: string | undefined,
  fetched: string | false | undefined,
  absent: Pick<Finding, 'state' | 'how'>,
): Finding {
  if (variable) return { what, state: 'ok', how: `${variable} names a server; it is used as it is` };
  if (program) return { what, state: 'ok', how: `${program}, started on a free port when it is needed` };
  if (fetched) return { what, state: 'ok', how: fetched };
  return { what, ...absent };
}
