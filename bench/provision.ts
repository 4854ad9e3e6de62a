/**
 * How long provisioning takes on a real server.
 *
 *   node dist/bench/provision.js [tables = 300] [keys = 500] [--mode table|schema]
 *
 * Makes a database with so many tables and foreign keys (each tenth table with a trigger and a view), then plans, provisions, checks for drift, verifies with the restricted
 * account, and cleans up. SHADOWLINE_MYSQL_URL names the server and an account that may do all that; the database has a random name and is dropped.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { clean, type Db, drift, plan, provision, type ShadowDbOptions, verify } from '@shadowline/shadow-db/server';
import { type Connection, createConnection } from 'mysql2/promise';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { mode: { type: 'string', default: 'table' } },
});
const tableCount = Number(positionals[0] ?? 300);
const keyCount = Number(positionals[1] ?? 500);
const mode = values.mode === 'schema' ? 'schema' : 'table';
const uri = process.env.SHADOWLINE_MYSQL_URL;
if (uri === undefined) throw new Error('set SHADOWLINE_MYSQL_URL');

const database = `bench_${randomBytes(5).toString('hex')}`;
const connection = await createConnection({ uri, supportBigNumbers: true, bigNumberStrings: true });
const options: ShadowDbOptions = {
  database,
  mode,
  tables: { '*': 'shadow' },
  account: { user: `${database}_rw`, password: randomBytes(12).toString('hex') },
};
try {
  await makeReal();
  await measure();
} finally {
  await connection.query('SET foreign_key_checks = 0');
  for (const name of [database, `${database}_shadow`]) await connection.query(`DROP DATABASE IF EXISTS ${name}`);
  await connection.query(`DROP USER IF EXISTS '${options.account?.user}'@'%'`);
  await connection.end();
}

async function makeReal(): Promise<void> {
  await connection.query(`CREATE DATABASE ${database}`);
  await connection.query(`USE ${database}`);
  let keys = 0;
  for (let at = 0; at < tableCount; at += 1) {
    const upTo = Math.round(((at + 1) * keyCount) / tableCount);
    const columns: string[] = [];
    const constraints: string[] = [];
    for (; keys < upTo; keys += 1) {
      const column = `p${columns.length}`;
      const parent = at === 0 ? 0 : (at * 7 + columns.length * 13) % at;
      columns.push(`${column} BIGINT UNSIGNED NULL`);
      constraints.push(`CONSTRAINT fk_${keys} FOREIGN KEY (${column}) REFERENCES t${parent} (id)`);
    }
    const parts = [
      'id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL DEFAULT 3, b VARCHAR(60), c DECIMAL(12,2)',
      'at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, KEY ab (a, b), CHECK (a > 0)',
      ...columns,
      ...constraints,
    ];
    await connection.query(`CREATE TABLE t${at} (${parts.join(', ')})`);
    if (at % 10 > 0) continue;
    await connection.query(`CREATE TRIGGER tr${at} BEFORE INSERT ON t${at} FOR EACH ROW SET NEW.b = TRIM(NEW.b)`);
    await connection.query(`CREATE VIEW v${at} AS SELECT id, a FROM t${at} WHERE a > 2`);
  }
}

async function measure(): Promise<void> {
  const db = dbOf(connection);
  const rows: { what: string; seconds: string; result: string }[] = [];
  const time = async <Result>(
    what: string,
    run: () => Promise<Result>,
    tell: (result: Result) => string,
  ): Promise<Result> => {
    const start = performance.now();
    const result = await run();
    rows.push({ what, seconds: ((performance.now() - start) / 1000).toFixed(2), result: tell(result) });
    return result;
  };
  const planned = await time(
    'plan',
    () => plan(db, options),
    ({ steps }) => `${steps.length} steps`,
  );
  const password = options.account?.password ?? '';
  await time(
    'provision',
    () => provision(db, planned, { password }),
    () => 'done',
  );
  await time(
    'plan again',
    () => plan(db, options),
    ({ steps }) => `${steps.length} step: the password`,
  );
  await time(
    'drift',
    () => drift(db, options),
    (found) => `${found.length} differences`,
  );
  const own = await restricted();
  const tell = ({ checks, ok }: Awaited<ReturnType<typeof verify>>): string =>
    `${checks.length} checks, ${ok ? 'all hold' : 'NOT all hold'}`;
  await time('verify', () => verify(db, options, { shadowAccountDb: dbOf(own) }), tell);
  await own.end();
  await time(
    'clean (drop)',
    () => clean(db, options, { what: 'drop', dryRun: false }),
    ({ tables }) => `${tables.length} tables`,
  );
  console.log(`${tableCount} tables, ${keyCount} foreign keys, mode ${mode}`);
  console.table(rows);
}

function restricted(): Promise<Connection> {
  const { hostname, port } = new URL(uri ?? '');
  return createConnection({
    host: hostname,
    port: Number(port || 3306),
    user: options.account?.user,
    password: options.account?.password,
  });
}

function dbOf(client: Connection): Db {
  return {
    async query(sql, params) {
      const [result] = await client.query(sql, params);
      return Array.isArray(result) ? (result as Record<string, unknown>[]) : [];
    },
  };
}
