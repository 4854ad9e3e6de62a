import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { drift, plan } from '@shadowline/shadow-db/server/postgres';
import { Client } from 'pg';
import { accepts } from './leash.js';
import { embeddedPostgres, installedPostgres, startPostgres } from './postgres.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shadowline-pgtest-'));
});
afterAll(async () => rm(dir, { recursive: true, force: true }));

const leftovers = async (): Promise<string[]> =>
  (await readdir(tmpdir())).filter((name) => name.startsWith(`${basename(dir)}-postgres-`));

describe('PostgreSQL of our own', () => {
  it.each([
    ['installed', () => installedPostgres()],
    ['embedded', () => embeddedPostgres(() => undefined)],
  ])('the %s one starts, stops and leaves nothing', async (_, find) => {
    const home = await find();
    // a machine without an installed one has no other way than the embedded one
    if (home === undefined) return;
    const server = await startPostgres(home, dir);
    const client = new Client({ connectionString: server.url });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query('SELECT current_user AS who, current_setting($1) AS n', ['max_connections']);
    expect(rows).toEqual([{ who: 'postgres', n: '200' }]);
    // with a client that has not gone
    await server.stop();
    await server.stop();
    expect(await accepts(Number(new URL(server.url).port))).toBe(false);
    expect(await leftovers()).toEqual([]);
  });

  it('ends when the toolkit is killed', async () => {
    const script = join(dir, 'start.mjs');
    const module = pathToFileURL(join(process.cwd(), 'dist/orchestrator/servers/postgres.js')).href;
    await writeFile(
      script,
      `import { embeddedPostgres, installedPostgres, startPostgres } from '${module}';
       const home = (await installedPostgres()) ?? (await embeddedPostgres(() => undefined));
       console.log((await startPostgres(home, ${JSON.stringify(dir)})).url);
       setInterval(() => undefined, 1000);`,
    );
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const url = await new Promise<string>((resolve) => child.stdout.once('data', (chunk) => resolve(String(chunk))));
    const port = Number(new URL(url).port);
    expect(await accepts(port)).toBe(true);
    child.kill('SIGKILL');
    for (let tries = 0; tries < 200 && (await accepts(port)); tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await accepts(port)).toBe(false);
    for (const name of await leftovers()) await rm(join(tmpdir(), name), { recursive: true, force: true });
  });
});

describe('a standby', () => {
  it('is not provisioned; its drift can be read', async () => {
    const home = (await installedPostgres()) ?? (await embeddedPostgres(() => undefined));
    const initdb = join(dir, 'initdb');
    await writeFile(initdb, `#!/bin/sh\n"${home.initdb}" "$@" && touch "$2/standby.signal"\n`);
    await chmod(initdb, 0o755);
    await chmod(dir, 0o755);
    const server = await startPostgres({ ...home, initdb }, dir);
    const client = new Client({ connectionString: server.url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const db = { query: async (sql: string, params?: unknown[]) => (await client.query(sql, params)).rows };
      const options = { database: 'public', mode: 'table' as const, tables: {} };
      await expect(plan(db, options)).rejects.toThrow(/^READ_ONLY: the server is a standby .*Provision the primary/);
      expect(await drift(db, options)).toEqual([]);
    } finally {
      await client.end().catch(() => undefined);
      await server.stop();
    }
  });
});

describe('an installed PostgreSQL', () => {
  it('is found on PATH, else the newest of Debian’s folder that is complete', async () => {
    expect(await installedPostgres(async (program) => `/bin/${program}`)).toEqual({
      initdb: '/bin/initdb',
      server: '/bin/postgres',
    });
    const root = join(dir, 'debian');
    for (const [version, names] of [
      ['9', ['initdb', 'postgres']],
      ['15', ['initdb', 'postgres']],
      ['16', ['initdb']],
    ] as const) {
      await mkdir(join(root, version, 'bin'), { recursive: true });
      for (const name of names) await writeFile(join(root, version, 'bin', name), '');
    }
    const initdbOnly = async (program: string) => (program === 'initdb' ? '/bin/initdb' : undefined);
    expect((await installedPostgres(initdbOnly, root))?.server).toBe(join(root, '15', 'bin', 'postgres'));
    expect(await installedPostgres(initdbOnly, join(root, 'none'))).toBeUndefined();
  });
});
