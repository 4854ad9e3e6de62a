import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Connection, createConnection } from 'mysql2/promise';
import pg from 'pg';
import { env as fixture, minimal } from '../orchestrator/scenario/fixtures/text.js';
import { Presence } from '../orchestrator/stores/presence.js';

const stressFile = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'bin', 'stress.js');
const suffix = randomBytes(4).toString('hex');
const database = `cli_${suffix}`;
const user = `cli_rw_${suffix}`;
const role = `cli_pg_${suffix}`;
const password = randomBytes(9).toString('base64url');
let folder = '';
let root: Connection;
let url: URL;
let pgAdmin: pg.Client;
let pgUrl: URL;

interface Told {
  code: number | null;
  out: string;
  err: string;
}

/** `stress shadow-db …` as a user would call it. `interruptAt`: Ctrl-C when standard error matches. */
function shadowDb(
  args: string[],
  variables: Record<string, string> = {},
  interruptAt: RegExp | undefined = undefined,
): Promise<Told> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [stressFile, 'shadow-db', ...args], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        ...fixture,
        // the key that signs flags is none of theirs who work on databases
        KEY: undefined,
        CLI_DB: url.href,
        CLI_PG: pgUrl.href,
        CLI_PASSWORD: password,
        SHADOWLINE_MASK_KEY: 'a key of this test',
        ...variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let err = '';
    let isInterrupted = interruptAt === undefined;
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => {
      err += chunk;
      if (isInterrupted || !interruptAt?.test(err)) return;
      isInterrupted = true;
      child.kill('SIGINT');
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

async function rows(sql: string): Promise<Record<string, unknown>[]> {
  const [found] = await root.query(sql.replaceAll('@db', database));
  return found as Record<string, unknown>[];
}

async function count(table: string): Promise<number> {
  return Number((await rows(`SELECT COUNT(*) AS n FROM @db.${table}`))[0]?.n);
}

beforeAll(async () => {
  url = new URL(process.env.SHADOWLINE_TEST_MYSQL_URL!);
  root = await createConnection({ uri: url.href, multipleStatements: false });
  await root.query(`CREATE DATABASE ${database}`);
  await root.query(`CREATE TABLE ${database}.accounts (id BIGINT PRIMARY KEY AUTO_INCREMENT, mail VARCHAR(80) UNIQUE)`);
  await root.query(
    `CREATE TABLE ${database}.order_00 (id BIGINT PRIMARY KEY AUTO_INCREMENT, account BIGINT, memo TEXT,
       FOREIGN KEY (account) REFERENCES ${database}.accounts (id))`,
  );
  await root.query(`CREATE TABLE ${database}.order_01 LIKE ${database}.order_00`);
  await root.query(
    `INSERT INTO ${database}.accounts (mail) SELECT CONCAT(seq, '@bank.example') FROM ${database}.seq_1_to_20`,
  );
  await root.query(
    `INSERT INTO ${database}.order_00 (account, memo) SELECT 1 + seq % 20, 'm' FROM ${database}.seq_1_to_60`,
  );
  url.pathname = `/${database}`;
  pgUrl = new URL(process.env.SHADOWLINE_TEST_POSTGRES_URL!);
  pgAdmin = new pg.Client(pgUrl.href);
  await pgAdmin.connect();
  await pgAdmin.query(`CREATE DATABASE ${database}`);
  pgUrl.pathname = `/${database}`;
  const client = new pg.Client(pgUrl.href);
  await client.connect();
  await client.query('CREATE TABLE orders (id serial PRIMARY KEY, memo text)');
  await client.query("INSERT INTO orders (memo) SELECT 'm' FROM generate_series(1, 5)");
  await client.query(
    'CREATE TABLE people (id bigserial PRIMARY KEY, mail varchar(80) UNIQUE, likes integer REFERENCES orders (id))',
  );
  await client.query(
    "INSERT INTO people (mail, likes) SELECT n || '@bank.example', 1 + n % 2 FROM generate_series(1, 9) n",
  );
  await client.end();
  folder = mkdtempSync(join(tmpdir(), 'shadow-db cli '));
  const account = `{ user: ${user}, passwordEnv: CLI_PASSWORD }`;
  const seed = (sample: string) =>
    `{ accounts: { ${sample}children: true, idOffset: reserved, mask: { mail: email } } }`;
  const store = (sample: string) => `  mysql:
    main:
      url: env:CLI_DB
      account: ${account}
      tables: { shadow: [accounts, order_00..order_01] }
      seed: ${seed(sample)}
`;
  writeFileSync(join(folder, 's.yaml'), minimal + store(''));
  const second = `{ url: env:CLI_PG, account: { user: ${role}, passwordEnv: CLI_PASSWORD }, tables: { shadow: [orders] } }`;
  writeFileSync(join(folder, 'twice.yaml'), `${minimal}${store('')}  postgres: { main: ${second} }\n`);
  writeFileSync(
    join(folder, 'odd.yaml'),
    `${minimal}  postgres: { pg: { url: env:CLI_PG, account: { user: ${role}, passwordEnv: CLI_PASSWORD }, tables: { shadow: ['*'] } } }\n`,
  );
  writeFileSync(
    join(folder, 'pg.yaml'),
    `${minimal}  postgres: { pg: { url: env:CLI_PG, account: { user: ${role}, passwordEnv: CLI_PASSWORD }, tables: { shadow: [orders, people] }, seed: { people: { where: id > 2, idOffset: reserved, mask: { mail: email } } } } }\n`,
  );
});

afterAll(async () => {
  await root.query(`DROP DATABASE IF EXISTS ${database}`);
  await root.query(`DROP USER IF EXISTS '${user}'@'%'`);
  await root.end();
  await pgAdmin.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
  await pgAdmin.query(`DROP ROLE IF EXISTS ${role}`);
  await pgAdmin.end();
  rmSync(folder, { recursive: true, force: true });
});

describe('stress shadow-db on MariaDB, from nothing to nothing', () => {
  it('refuses a run while there is no shadow table', async () => {
    const { code, out, err } = await shadowDb(['drift', 's.yaml']);
    expect(code).toBe(3);
    expect(out).toContain('accounts: has no shadow table');
    expect(err).toContain('stress shadow-db provision');
  });

  it('shows its plan and changes nothing', async () => {
    const { code, out } = await shadowDb(['provision', 's.yaml']);
    expect(code).toBe(0);
    for (const name of ['accounts_shadow', 'order_00_shadow', 'order_01_shadow']) expect(out).toContain(name);
    expect(out).toContain('Nothing was changed');
    expect(out).not.toContain(password);
    await expect(count('accounts_shadow')).rejects.toThrow();
    const plan = JSON.parse((await shadowDb(['plan', 's.yaml', '--json'])).out);
    expect(plan.main.steps.length).toBeGreaterThan(1);
    const script = (await shadowDb(['plan', 's.yaml', '--sql'])).out;
    expect(script).toMatch(/^-- main/);
    expect(script.split('\n').every((line) => !line.startsWith('main'))).toBe(true);
  });

  it('says which variable holds the password that is missing', async () => {
    const { code, err } = await shadowDb(['provision', 's.yaml', '--apply'], { CLI_PASSWORD: '' });
    expect(code).toBe(2);
    expect(err).toContain('set CLI_PASSWORD');
    await expect(count('accounts_shadow')).rejects.toThrow();
  });

  it('goes on after Ctrl-C, until no table is left to do', async () => {
    const first = await shadowDb(['provision', 's.yaml', '--apply'], {}, /2\/\d+ table/);
    expect(first.code).toBe(130);
    expect(first.err).toContain('planning again shows the rest');
    const { code, err } = await shadowDb(['provision', 's.yaml', '--apply']);
    expect(err).not.toContain(password);
    expect(code).toBe(0);
    expect([await count('accounts_shadow'), await count('order_00_shadow')]).toEqual([20, 60]);
    const masked = await rows(
      "SELECT COUNT(*) AS n FROM @db.accounts_shadow WHERE mail LIKE '%bank.example' OR id < 1000",
    );
    expect(Number(masked[0]?.n)).toBe(0);
    // The server does not tell whether the password is the same, so that step is always there.
    const { main } = JSON.parse((await shadowDb(['plan', 's.yaml', '--json'])).out);
    expect(main.steps.map((step: { kind: string }) => step.kind)).toEqual(['account']);
    expect((await shadowDb(['drift', 's.yaml'])).code).toBe(0);
  });

  it('proves that the restricted account cannot write real tables', async () => {
    const { code, out } = await shadowDb(['verify', 's.yaml']);
    expect(out).not.toContain('FAIL');
    expect(code).toBe(0);
  });

  it('finds rights that are too wide', async () => {
    await root.query(`GRANT INSERT ON ${database}.accounts TO '${user}'@'%'`);
    const { code, out } = await shadowDb(['verify', 's.yaml']);
    expect(code).toBe(3);
    expect(out).toContain('FAIL');
    await root.query(`REVOKE INSERT ON ${database}.accounts FROM '${user}'@'%'`);
    expect((await shadowDb(['verify', 's.yaml'])).code).toBe(0);
  });

  it('cleans the rows of one run; those of others and the seed stay', async () => {
    for (const run of ['run-1', 'run-2']) {
      await root.query('SET @shadowline_run = ?', [run]);
      await root.query(`INSERT INTO ${database}.accounts_shadow (mail) VALUES (?)`, [run]);
    }
    const dry = await shadowDb(['clean', 's.yaml', '--run', 'run-1']);
    expect(dry.out).toContain('accounts_shadow: 1 row\n');
    expect(await count('accounts_shadow')).toBe(22);
    const wet = await shadowDb(['clean', 's.yaml', '--run', 'run-1', '--apply']);
    expect(wet.code).toBe(0);
    expect(await rows("SELECT mail FROM @db.accounts_shadow WHERE mail LIKE 'run-%'")).toEqual([{ mail: 'run-2' }]);
    expect(await count('accounts_shadow')).toBe(21);
    expect((await shadowDb(['clean', 's.yaml', '--run', 'x', '--mode', 'drop'])).code).toBe(2);
  });

  it('finds shadow ids and a canary in real tables', async () => {
    expect((await shadowDb(['audit', 's.yaml', '--canary', 'cnry', '--full-scan'])).code).toBe(0);
    // no key tells its new rows, and there may be more of them than is read at once
    await root.query(`ALTER TABLE ${database}.order_01 MODIFY id BIGINT`);
    const set = ['--set', 'shadow.mysql.main.audit.wholeTableRows=0'];
    await root.query(`INSERT INTO ${database}.order_01 (id) VALUES (1)`);
    const cut = await shadowDb(['audit', 's.yaml', '--canary', 'cnry', ...set]);
    expect(cut).toMatchObject({ code: 7, err: expect.stringContaining('main is not searched in full') });
    expect(cut.out).toMatch(/nor the canary was found[\s\S]*not searched: \S+order_01: it has more than 0 rows/);
    await root.query(`DELETE FROM ${database}.order_01`);
    await root.query(`ALTER TABLE ${database}.order_01 MODIFY id BIGINT AUTO_INCREMENT`);
    const [first] = await rows('SELECT MIN(id) AS id FROM @db.accounts_shadow');
    await root.query(`INSERT INTO ${database}.order_01 (memo) VALUES ('a cnryabc12 b')`);
    await root.query(`INSERT INTO ${database}.accounts (id, mail) VALUES (?, 'leaked')`, [first?.id]);
    const { code, out } = await shadowDb(['audit', 's.yaml', '--canary', 'cnry', '--full-scan']);
    expect(code).toBe(6);
    expect(out).toMatch(/FOUND \S+order_01: 1 rows by canary/);
    expect(out).toMatch(/FOUND \S+accounts: 1 rows by reserved-id/);
    expect((await shadowDb(['audit', 's.yaml', '--canary', "x' OR 1"])).code).toBe(2);
    await root.query(`DELETE FROM ${database}.order_01`);
    await root.query(`DELETE FROM ${database}.accounts WHERE mail = 'leaked'`);
    // the leaked id took the real AUTO_INCREMENT into the shadow range, which is drift
    await root.query(`ALTER TABLE ${database}.accounts AUTO_INCREMENT = 1`);
  });

  it('refuses to clean after drift, seeds again, and drops everything but real tables', async () => {
    await root.query(`ALTER TABLE ${database}.accounts ADD COLUMN more INT`);
    const drifted = await shadowDb(['clean', 's.yaml', '--apply']);
    expect(drifted.code).not.toBe(0);
    expect(drifted.err).toMatch(/DRIFT.*accounts \(column more\)/);
    expect(await count('accounts_shadow')).toBe(21);
    await root.query(`ALTER TABLE ${database}.accounts DROP COLUMN more`);
    expect((await shadowDb(['clean', 's.yaml', '--apply'])).code).toBe(0);
    expect([await count('accounts_shadow'), await count('order_00_shadow')]).toEqual([0, 0]);
    expect((await shadowDb(['seed', 's.yaml'])).out).toContain('Nothing was copied');
    expect((await shadowDb(['seed', 's.yaml', '--apply', '--rate', 'fast'])).code).toBe(2);
    const seeded = await shadowDb(['seed', 's.yaml', '--apply', '--rate', '5000/s']);
    expect(seeded.code).toBe(0);
    expect(seeded.out).toContain('80 rows in');
    expect((await shadowDb(['seed', 's.yaml', '--apply'])).out).toContain('nothing to do');
    expect((await shadowDb(['clean', 's.yaml', '--mode', 'drop', '--apply'])).code).toBe(0);
    const left = await rows('SHOW TABLES FROM @db');
    expect(left.map((row) => Object.values(row)[0]).sort()).toEqual(['accounts', 'order_00', 'order_01']);
    expect([await count('accounts'), await count('order_00')]).toEqual([20, 60]);
  });

  it('removes nothing while a run uses the database, but what belongs to another run', async () => {
    await shadowDb(['provision', 's.yaml', '--apply']);
    const run = await Presence.enter(() => createConnection({ uri: process.env.SHADOWLINE_TEST_MYSQL_URL! }), database);
    try {
      for (const more of [[], ['--mode', 'drop']]) {
        const { code, err } = await shadowDb(['clean', 's.yaml', '--apply', ...more]);
        expect([code, err]).toEqual([3, expect.stringContaining(`a run uses ${database}`)]);
      }
      expect((await shadowDb(['clean', 's.yaml'])).code).toBe(0);
      expect((await shadowDb(['clean', 's.yaml', '--run', 'other', '--apply'])).code).toBe(0);
    } finally {
      await run.leave();
    }
    expect(await shadowDb(['clean', 's.yaml', '--mode', 'drop', '--apply'])).toMatchObject({ code: 0 });
  });

  it('does not take a run id that is none, nor two stores of one name', async () => {
    expect((await shadowDb(['clean', 's.yaml', '--run', 'a b'])).code).toBe(2);
    const { code, err } = await shadowDb(['plan', 'twice.yaml', '--json']);
    expect([code, JSON.parse(err).error.cause]).toEqual([2, expect.stringContaining('two stores are called "main"')]);
  });

  it('names the server that cannot be reached, without its password', async () => {
    const closed = new URL(url.href);
    closed.port = '1';
    closed.password = password;
    const { code, err } = await shadowDb(['drift', 's.yaml'], { CLI_DB: closed.href });
    expect(code).toBe(1);
    expect(err).toMatch(/store main: .*127\.0\.0\.1:1\/.* cannot be reached: .*ECONNREFUSED/);
    expect(err).not.toContain(password);
  });
});

describe('stress shadow-db on PostgreSQL', () => {
  it('provisions, verifies, cleans by run and drops', async () => {
    expect((await shadowDb(['drift', 'pg.yaml'])).code).toBe(3);
    expect((await shadowDb(['provision', 'pg.yaml'])).out).toContain('orders_shadow');
    const made = await shadowDb(['provision', 'pg.yaml', '--apply']);
    expect(made.err).not.toContain(password);
    expect(made.code).toBe(0);
    expect(made.err).toContain('seed: copy people: 7 rows');
    expect((await shadowDb(['seed', 'pg.yaml'])).out).toContain('nothing to do');
    expect((await shadowDb(['drift', 'pg.yaml'])).code).toBe(0);
    const verified = await shadowDb(['verify', 'pg.yaml']);
    expect([verified.code, verified.out.includes('FAIL')]).toEqual([0, false]);
    const client = new pg.Client(pgUrl.href);
    await client.connect();
    await client.query("SET shadowline.run = 'run-1'");
    await client.query("INSERT INTO orders_shadow (memo) VALUES ('a'), ('b')");
    expect((await shadowDb(['clean', 'pg.yaml', '--run', 'run-1', '--apply'])).out).toContain('orders_shadow: 2 rows');
    expect((await client.query('SELECT id FROM orders_shadow ORDER BY id')).rows).toEqual([{ id: 1 }, { id: 2 }]);
    const seeded =
      'SELECT min(id) > 1000000000 AS "isShifted", count(*)::int AS n, bool_and(mail ~ \'@masked.invalid$\') AS "isMasked" FROM people_shadow';
    expect((await client.query(seeded)).rows).toEqual([{ isShifted: true, n: 7, isMasked: true }]);
    const before = (await client.query('SELECT * FROM people_shadow ORDER BY id')).rows;
    expect((await shadowDb(['clean', 'pg.yaml', '--apply'])).code).toBe(0);
    expect((await shadowDb(['seed', 'pg.yaml'])).out).toMatch(/people: .*{tokens}/s);
    const asked = ['seed', 'pg.yaml', '--apply', '--rate', '50000/s', '--source', 'REPLICA'];
    expect((await shadowDb(asked, { REPLICA: url.href })).err).toContain('no URL of a PostgreSQL server');
    const again = await shadowDb(asked, { REPLICA: pgUrl.href });
    expect([again.code, again.out]).toEqual([0, expect.stringContaining('people: 7 rows')]);
    expect((await client.query('SELECT * FROM people_shadow ORDER BY id')).rows).toEqual(before);
    await client.query("INSERT INTO orders (id, memo) VALUES (2000000000, 'x')");
    expect((await shadowDb(['audit', 'pg.yaml'])).code).toBe(6);
    await client.query('DELETE FROM orders WHERE id = 2000000000');
    expect((await shadowDb(['clean', 'pg.yaml', '--mode', 'drop', '--apply'])).code).toBe(0);
    const { rows: left } = await client.query(
      "SELECT relname FROM pg_class WHERE relname LIKE '%shadow%' AND relname <> 'pg_shadow'",
    );
    expect(left).toEqual([]);
    expect((await client.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 5 }]);
    await client.end();
  });

  it('prints comments that are comments to the server, whatever a table is called', async () => {
    const client = new pg.Client(pgUrl.href);
    await client.connect();
    await client.query('CREATE TABLE "odd\rTRUNCATE orders CASCADE; -- " (id serial PRIMARY KEY)');
    const { code, out } = await shadowDb(['plan', 'odd.yaml', '--sql']);
    expect(code).toBe(0);
    const comments = out.split('\n').filter((line) => line.startsWith('--'));
    expect(comments.join()).toContain('odd TRUNCATE orders');
    await client.query(comments.join('\n'));
    expect((await client.query('SELECT count(*)::int AS n FROM orders')).rows).toEqual([{ n: 5 }]);
    await client.end();
  });
});
