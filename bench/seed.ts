/**
 * Seeding of 1,000,000 rows on a real server: within the server (INSERT … SELECT), through this process (a second connection as the source), with
 * masked columns, and a sample with its closure. Rows per second, and the most memory that this process had.
 * Run: `SHADOWLINE_MYSQL_URL=… node dist/bench/seed.js [rows]`, from the root of the repository.
 */
import { randomBytes } from 'node:crypto';
import {
  type Db,
  plan,
  provision,
  type Seed,
  type SeedOptions,
  type SeedReport,
  seed,
} from '@shadowline/shadow-db/server';
import { type Connection, createConnection } from 'mysql2/promise';

const url = process.env.SHADOWLINE_MYSQL_URL;
if (url === undefined) throw new Error('SHADOWLINE_MYSQL_URL is not set');
const rows = Number(process.argv[2] ?? 1_000_000);
const name = `bench_seed_${randomBytes(4).toString('hex')}`;
const parents = Math.round(rows / 5);
const children = rows - parents;
const tables = ['people', 'payments'];

const schema = [
  `CREATE TABLE people (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80) NOT NULL, phone VARCHAR(24), name VARCHAR(60), born DATE,
     note TEXT, at DATETIME(3), UNIQUE KEY (email))`,
  `CREATE TABLE payments (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, person BIGINT NOT NULL, amount DECIMAL(12,2), iban CHAR(22), text VARCHAR(140),
     at DATETIME(3), KEY (at), CONSTRAINT payer FOREIGN KEY (person) REFERENCES people (id))`,
  `INSERT INTO people (email, phone, name, born, note, at) SELECT CONCAT('user', seq, '@bank.example'), CONCAT('+49 170 ', LPAD(seq, 8, '0')),
     CONCAT('Name ', seq), '1980-01-01' + INTERVAL seq % 9000 DAY, REPEAT('n', seq % 120), NOW(3) FROM seq_1_to_${parents}`,
  `INSERT INTO payments (person, amount, iban, text, at) SELECT 1 + seq * 7919 % ${parents}, seq / 7, CONCAT('DE', LPAD(seq, 20, '0')), REPEAT('t', seq % 100), NOW(3)
     FROM seq_1_to_${children}`,
];
const whole: Record<string, Seed> = { people: {}, payments: {} };
const masked: Record<string, Seed> = {
  people: { idOffset: 'reserved', mask: { email: 'email', phone: 'phone', name: 'name' } },
  payments: { mask: { iban: 'digits' } },
};

interface Case {
  name: string;
  seeds: Record<string, Seed>;
  options: SeedOptions;
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

function dbOf(connection: Connection): Db {
  return {
    async query(sql, params) {
      const [found] = await connection.query(sql, params);
      return Array.isArray(found) ? (found as Record<string, unknown>[]) : [];
    },
  };
}

const connection = await createConnection({ uri: url });
const second = await createConnection({ uri: url });
const db = dbOf(connection);
try {
  await connection.query(`CREATE DATABASE ${name}`);
  await connection.query(`USE ${name}`);
  for (const sql of schema) await connection.query(sql);
  for (const one of cases) {
    const options = {
      database: name,
      mode: 'table' as const,
      tables: Object.fromEntries(tables.map((table) => [table, 'shadow' as const])),
    };
    await provision(db, await plan(db, options));
    const seeding = (await plan(db, { ...options, seed: one.seeds })).seed;
    if (seeding === undefined) throw new Error('nothing to seed');
    let rssMib = 0;
    const watch = setInterval(() => {
      rssMib = Math.max(rssMib, process.memoryUsage.rss() / 1024 / 1024);
    }, 20);
    const startMs = performance.now();
    const report: SeedReport = await seed(db, seeding, {
      ...one.options,
      ...(one.isFromSource && { source: dbOf(second) }),
    });
    const seconds = (performance.now() - startMs) / 1000;
    clearInterval(watch);
    const copied = report.tables.reduce((sum, table) => sum + table.rows, 0);
    console.log(
      `${one.name.padEnd(34)} ${String(copied).padStart(8)} rows ${seconds.toFixed(1).padStart(6)} s ${Math.round(
        copied / seconds,
      )
        .toLocaleString('en')
        .padStart(9)} rows/s  ${rssMib.toFixed(0)} MiB`,
    );
    for (const table of [...tables].reverse()) await connection.query(`DROP TABLE ${table}_shadow`);
    await connection.query('DROP TABLE shadowline_seed_shadow');
  }
} finally {
  await connection.query(`DROP DATABASE IF EXISTS ${name}`);
  await connection.end();
  await second.end();
}
