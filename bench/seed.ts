/**
 * Seeding of 1,000,000 rows on a real server: within the server (INSERT … SELECT), through this process (a second connection as the source), with
 * masked columns, and a sample with its closure. Rows per second, and the most memory that this process had.
 * Run: `SHADOWLINE_MYSQL_URL=… node dist/bench/seed.js [rows]`, or `SHADOWLINE_POSTGRES_URL=… node dist/bench/seed.js --dialect postgres [rows]`,
 * from the root of the repository.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import * as mysql from '@shadowline/shadow-db/server';
import * as postgres from '@shadowline/shadow-db/server/postgres';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';

const { values, positionals } = parseArgs({
  options: { dialect: { type: 'string', default: 'mysql' } },
  allowPositionals: true,
});
const rows = Number(positionals[0] ?? 1_000_000);
const name = `bench_seed_${randomBytes(4).toString('hex')}`;
const parents = Math.round(rows / 5);
const children = rows - parents;
const tables = ['people', 'payments'];

/** A database of its own, and what this dialect does with it. */
interface Stage {
  db: mysql.Db;
  second: mysql.Db;
  /** Makes the shadow tables, and plans their seed. */
  prepare(seeds: Record<string, mysql.Seed>): Promise<mysql.SeedPlan | undefined>;
  close(): Promise<void>;
}

const classes = Object.fromEntries(tables.map((table) => [table, 'shadow' as const]));

async function mysqlStage(): Promise<Stage> {
  const url = urlOf('SHADOWLINE_MYSQL_URL');
  const [connection, other] = await Promise.all([createConnection({ uri: url }), createConnection({ uri: url })]);
  const dbOf = (one: typeof connection): mysql.Db => ({
    async query(sql, params) {
      const [found] = await one.query(sql, params);
      return Array.isArray(found) ? (found as Record<string, unknown>[]) : [];
    },
  });
  const db = dbOf(connection);
  await connection.query(`CREATE DATABASE ${name}`);
  await connection.query(`USE ${name}`);
  for (const sql of [
    `CREATE TABLE people (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80) NOT NULL, phone VARCHAR(24), name VARCHAR(60), born DATE,
       note TEXT, at DATETIME(3), UNIQUE KEY (email))`,
    `CREATE TABLE payments (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, person BIGINT NOT NULL, amount DECIMAL(12,2), iban CHAR(22), text VARCHAR(140),
       at DATETIME(3), KEY (at), CONSTRAINT payer FOREIGN KEY (person) REFERENCES people (id))`,
    `INSERT INTO people (email, phone, name, born, note, at) SELECT CONCAT('user', seq, '@bank.example'), CONCAT('+49 170 ', LPAD(seq, 8, '0')),
       CONCAT('Name ', seq), '1980-01-01' + INTERVAL seq % 9000 DAY, REPEAT('n', seq % 120), NOW(3) FROM seq_1_to_${parents}`,
    `INSERT INTO payments (person, amount, iban, text, at) SELECT 1 + seq * 7919 % ${parents}, seq / 7, CONCAT('DE', LPAD(seq, 20, '0')), REPEAT('t', seq % 100), NOW(3)
       FROM seq_1_to_${children}`,
  ])
    await connection.query(sql);
  const options: mysql.ShadowDbOptions = { database: name, mode: 'table', tables: classes };
  return {
    db,
    second: dbOf(other),
    async prepare(seed) {
      await mysql.clean(db, options, { dryRun: false, what: 'drop' });
      await mysql.provision(db, await mysql.plan(db, options));
      return (await mysql.plan(db, { ...options, seed })).seed;
    },
    async close() {
      await connection.query(`DROP DATABASE IF EXISTS ${name}`);
      await Promise.all([connection.end(), other.end()]);
    },
  };
}

async function postgresStage(): Promise<Stage> {
  const url = new URL(urlOf('SHADOWLINE_POSTGRES_URL'));
  const administrator = new Client({ connectionString: url.href });
  await administrator.connect();
  await administrator.query(`CREATE DATABASE ${name}`);
  url.pathname = `/${name}`;
  const [client, other] = [new Client({ connectionString: url.href }), new Client({ connectionString: url.href })];
  const dbOf = (one: Client): mysql.Db => ({ query: async (sql, params) => (await one.query(sql, params)).rows });
  const db = dbOf(client);
  await Promise.all([client.connect(), other.connect()]);
  for (const sql of [
    `CREATE TABLE people (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, phone varchar(24), name varchar(60), born date,
       note text, at timestamp(3))`,
    `CREATE TABLE payments (id bigserial PRIMARY KEY, person bigint NOT NULL CONSTRAINT payer REFERENCES people (id), amount numeric(12,2), iban char(22),
       text varchar(140), at timestamp(3))`,
    'CREATE INDEX ON payments (at)',
    'CREATE INDEX ON payments (person)',
    `INSERT INTO people (email, phone, name, born, note, at) SELECT 'user' || n || '@bank.example', '+49 170 ' || lpad(n::text, 8, '0'), 'Name ' || n,
       '1980-01-01'::date + n % 9000, repeat('n', n % 120), now() FROM generate_series(1, ${parents}) n`,
    `INSERT INTO payments (person, amount, iban, text, at) SELECT 1 + n::bigint * 7919 % ${parents}, n / 7.0, 'DE' || lpad(n::text, 20, '0'), repeat('t', n % 100), now()
       FROM generate_series(1, ${children}) n`,
    'ANALYZE',
  ])
    await client.query(sql);
  const options: postgres.ShadowDbOptions = { database: 'public', mode: 'table', tables: classes };
  return {
    db,
    second: dbOf(other),
    async prepare(seed) {
      await postgres.clean(db, options, { dryRun: false, what: 'drop' });
      await postgres.provision(db, await postgres.plan(db, options));
      return (await postgres.plan(db, { ...options, seed })).seed;
    },
    async close() {
      await Promise.all([client.end(), other.end()]);
      await administrator.query(`DROP DATABASE ${name} WITH (FORCE)`);
      await administrator.end();
    },
  };
}

function urlOf(variable: string): string {
  const url = process.env[variable];
  if (url === undefined) throw new Error(`${variable} is not set`);
  return url;
}

const whole: Record<string, mysql.Seed> = { people: {}, payments: {} };
const masked: Record<string, mysql.Seed> = {
  people: { idOffset: 'reserved', mask: { email: 'email', phone: 'phone', name: 'name' } },
  payments: { mask: { iban: 'digits' } },
};

interface Case {
  name: string;
  seeds: Record<string, mysql.Seed>;
  options: mysql.SeedOptions;
  isFromSource?: boolean;
}

const cases: Case[] = [
  { name: 'within the server', seeds: whole, options: {} },
  { name: 'through the client', seeds: whole, options: {}, isFromSource: true },
  { name: 'masked: 3 of 7 and 1 of 6 columns', seeds: masked, options: { maskKey: 'bench' } },
  { name: '10 % with closure', seeds: { people: { sample: '10%', children: true } }, options: {} },
  {
    name: '10 % with closure, masked',
    seeds: { ...masked, people: { ...masked.people, sample: '10%' } },
    options: { maskKey: 'bench' },
  },
];

const stage = values.dialect === 'postgres' ? await postgresStage() : await mysqlStage();
try {
  for (const one of cases) {
    const seeding = await stage.prepare(one.seeds);
    if (seeding === undefined) throw new Error('nothing to seed');
    let rssMib = 0;
    const watch = setInterval(() => {
      rssMib = Math.max(rssMib, process.memoryUsage.rss() / 1024 / 1024);
    }, 20);
    const startMs = performance.now();
    const report = await mysql.seed(stage.db, seeding, {
      ...one.options,
      ...(one.isFromSource && { source: stage.second }),
    });
    const seconds = (performance.now() - startMs) / 1000;
    clearInterval(watch);
    const copied = report.tables.reduce((sum, table) => sum + table.rows, 0);
    const copying = report.tables.reduce((sum, table) => sum + table.ms, 0) / 1000;
    console.log(
      `${one.name.padEnd(34)} ${String(copied).padStart(8)} rows ${seconds.toFixed(1).padStart(6)} s (copying ${copying.toFixed(1)} s) ${Math.round(
        copied / seconds,
      )
        .toLocaleString('en')
        .padStart(9)} rows/s  ${rssMib.toFixed(0)} MiB`,
    );
  }
} finally {
  await stage.close();
}
