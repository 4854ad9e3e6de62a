import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Says what is being done; one line a call. */
export type Say = (line: string) => void;

/** The user's cache folder of the toolkit. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return env.SHADOWLINE_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'shadowline');
}

/** Path of a program on PATH, or undefined. Debian keeps servers in sbin, which is not on everybody's PATH. */
export async function onPath(program: string, env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  for (const dir of [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    if (dir === '') continue;
    const file = join(dir, program);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // not here
    }
  }
  return undefined;
}

/** Runs a program to its end; its output goes to standard error when that is a terminal. Throws with the output's end. */
export function runProgram(
  command: string,
  args: string[],
  options: {
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    input?: string | Buffer;
    /** Another user to run as; only root may choose one. */
    as?: { uid: number; gid: number };
  } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { cwd, env = process.env, as } = options;
    const child = spawn(command, args, { cwd, env, stdio: 'pipe', ...as });
    let output = '';
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-20_000);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else
        reject(
          new Error(`${command} ${args.slice(0, 2).join(' ')} … ended with status ${code}:\n${output.slice(-2000)}`),
        );
    });
  });
}

export async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** One digest over the names and contents of all files of a folder. */
export async function sha256OfFolder(dir: string): Promise<string> {
  const lines: string[] = [];
  for (const name of (await readdir(dir)).sort()) lines.push(`${await sha256(join(dir, name))}  ${name}`);
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/**
 * A folder of the cache that is made once: `make` fills a temporary folder, which then gets its name in one step, so a half-made one
 * is never used. Two processes that want the same one wait for each other.
 */
export async function cached(name: string, say: Say, make: (dir: string) => Promise<void>): Promise<string> {
  const root = cacheDir();
  const target = join(root, name);
  if (await exists(target)) return target;
  await mkdir(root, { recursive: true });
  return withLock(join(root, `${name}.lock`), say, async () => {
    if (await exists(target)) return target;
    const temporary = await mkdtemp(join(root, `${name}.making-`));
    try {
      await make(temporary);
      await rename(temporary, target);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    return target;
  });
}

const LOCK_STALE_MS = 20_000;

/** Runs `work` while holding a lock folder. Its holder touches it every few seconds; one that is not touched is taken over. */
async function withLock<T>(lock: string, say: Say, work: () => Promise<T>): Promise<T> {
  let said = false;
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const age = await stat(lock).then(
        (s) => Date.now() - s.mtimeMs,
        () => 0,
      );
      if (age > LOCK_STALE_MS) {
        await rm(lock, { recursive: true, force: true });
        continue;
      }
      if (!said) say(`waiting for another process that fills the cache (${lock})`);
      said = true;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const touch = setInterval(() => void utimes(lock, new Date(), new Date()).catch(() => undefined), 3000);
  try {
    return await work();
  } finally {
    clearInterval(touch);
    await rm(lock, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Fetches artifacts through the user's own Maven, with whatever repository it is set up for.
 * @throws when Maven is missing or fails.
 */
export async function mavenCopy(coordinates: string, dir: string, say: Say): Promise<void> {
  const maven = await onPath('mvn');
  if (maven === undefined) throw new Error('Maven (mvn) is not on PATH');
  const [groupId, artifactId, version] = coordinates.split(':');
  const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>shadowline</groupId><artifactId>fetch</artifactId><version>1</version><dependencies><dependency>
<groupId>${groupId}</groupId><artifactId>${artifactId}</artifactId><version>${version}</version>
</dependency></dependencies></project>`;
  await writeFile(join(dir, 'pom.xml'), pom);
  const started = Date.now();
  const progress = setInterval(() => {
    void folderBytes(join(dir, 'jars')).then((bytes) =>
      say(`  … ${Math.round((Date.now() - started) / 1000)} s, ${(bytes / 1e6).toFixed(0)} MB copied`),
    );
  }, 10_000);
  try {
    await runProgram(maven, ['-B', '-ntp', 'dependency:copy-dependencies', '-DoutputDirectory=jars'], { cwd: dir });
  } finally {
    clearInterval(progress);
  }
  await rm(join(dir, 'pom.xml'), { force: true });
  await rm(join(dir, 'target'), { recursive: true, force: true });
}

async function folderBytes(dir: string): Promise<number> {
  let total = 0;
  for (const name of await readdir(dir).catch(() => []))
    total += await stat(join(dir, name)).then(
      (s) => s.size,
      () => 0,
    );
  return total;
}

/** Throws when a fetched file is not the one that was tested. */
export function checkDigest(what: string, actual: string, expected: string): void {
  if (actual !== expected) {
    throw new Error(
      `${what} has the SHA-256 ${actual}, expected ${expected}. It was not used. Fetch it again, or name a server by its URL.`,
    );
  }
}
