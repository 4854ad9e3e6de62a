/**
 * How long provisioning takes on a real server: plans, provisions, checks for drift, verifies with the restricted account, and cleans up a database of many tables and
 * foreign keys. `node dist/bench/provision.js --help` tells the rest.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import * as mysql from '@shadowline/shadow-db/server';
import * as postgres from '@shadowline/shadow-db/server/postgres';
import { createConnection } from 'mysql2/promise';
import { Client } from 'pg';

const help = `node dist/bench/provision.js [mysql|postgres] [tables = 300] [keys = 500] [options]

Makes a database with so many tables and foreign keys (each tenth table with a trigger and a view; on PostgreSQL each twentieth partitioned), then plans, provisions,
checks for drift, verifies with the restricted account, and cleans up. On PostgreSQL it also measures what the notes of a run's rows cost per insert. Default: mysql.

  --mode table|schema  where the shadow tables are (default table)
  --rows N             postgres only: rows to insert without a run, and with one (default 10000)
  --help               this text

SHADOWLINE_MYSQL_URL or SHADOWLINE_POSTGRES_URL names the server and an account that may do all that. The database is named bench_… and dropped.
Exit code: 0 done, 1 the run failed, 2 wrong use.`;

interface Options {
  database: string;
  mode: 'table' | 'schema';
  tables: Record<string, 'shadow'>;
  account: { user: string; password: string };
}

interface Plan {
  steps: unknown[];
}

/** What both server parts have. A plan goes back to the part that made it. */
interface ServerPart {
  plan(db: mysql.Db, options: Options): Promise<Plan>;
  provision(db: mysql.Db, plan: Plan, more: { password: string }): Promise<void>;
  drift(db: mysql.Db, options: Options): Promise<unknown[]>;
  verify(
    db: mysql.Db,
    options: Options,
    more: { shadowAccountDb: mysql.Db },
  ): Promise<mysql.Verification | postgres.Verification>;
  clean(db: mysql.Db, options: Options, more: { what: 'drop'; dryRun: false }): Promise<{ tables: unknown[] }>;
}

interface Session extends mysql.Db {
  end(): Promise<void>;
}

/** Makes a line of the table: how long the work took, and the text that it gives. */
type Time = (what: string, work: () => Promise<string>) => Promise<void>;

interface Dialect {
  /** Environment variable with the server's URL. */
  variable: string;
  server: ServerPart;
  /** `database` of the server part's options. */
  schemaOf(database: string): string;
  /** Path of the URL to which the restricted account connects. */
  accountPath(database: string): string;
  connect(url: string): Promise<Session>;
  /** What the triggers call. */
  functions: readonly string[];
  tableSql(at: number, references: readonly Reference[]): string[];
  triggerSql(at: number): string;
  dropSql(database: string, user: string): string[];
  /** Where rows know their run by notes beside the table: what these cost. */
  measureRows?(db: mysql.Db, accountUrl: string, options: Options, rows: number, time: Time): Promise<void>;
}

/** A foreign key of the table that is made. */
interface Reference {
  column: string;
  constraint: string;
  parent: string;
}

const onMysql: Dialect = {
  variable: 'SHADOWLINE_MYSQL_URL',
  server: mysql,
  schemaOf: (database) => database,
  // in mode schema it may not enter the real database
  accountPath: () => '/',
  async connect(uri) {
    const connection = await createConnection({ uri, supportBigNumbers: true, bigNumberStrings: true });
    return {
      async query(sql, params) {
        const [result] = await connection.query(sql, params);
        return Array.isArray(result) ? (result as Record<string, unknown>[]) : [];
      },
      end: () => connection.end(),
    };
  },
  functions: [],
  tableSql(at, references) {
    const parts = [
      'id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT NOT NULL DEFAULT 3, b VARCHAR(60), c DECIMAL(12,2)',
      'at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, KEY ab (a, b), CHECK (a > 0)',
    ];
    for (const { column, constraint, parent } of references)
      parts.push(
        `${column} BIGINT UNSIGNED NULL, CONSTRAINT ${constraint} FOREIGN KEY (${column}) REFERENCES ${parent} (id)`,
      );
    return [`CREATE TABLE t${at} (${parts.join(', ')})`];
  },
  triggerSql: (at) => `CREATE TRIGGER tr${at} BEFORE INSERT ON t${at} FOR EACH ROW SET NEW.b = TRIM(NEW.b)`,
  dropSql: (database, user) => [
    'SET foreign_key_checks = 0',
    `DROP DATABASE IF EXISTS ${database}`,
    `DROP DATABASE IF EXISTS ${database}_shadow`,
    `DROP USER IF EXISTS '${user}'@'%'`,
  ],
};

const onPostgres: Dialect = {
  variable: 'SHADOWLINE_POSTGRES_URL',
  server: postgres,
  schemaOf: () => 'public',
  accountPath: (database) => `/${database}`,
  async connect(url) {
    const client = await connectPostgres(url);
    return { query: async (sql, params) => (await client.query(sql, params)).rows, end: () => client.end() };
  },
  functions: [
    'CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.b := btrim(NEW.b); RETURN NEW; END $$',
  ],
  tableSql(at, references) {
    const isParted = at % 20 === 19;
    const id = at % 2 === 0 ? 'bigserial' : isParted ? 'bigint' : 'bigint GENERATED BY DEFAULT AS IDENTITY';
    const parts = [
      `id ${id} PRIMARY KEY, a int NOT NULL DEFAULT 3 CHECK (a > 0), b varchar(60), c numeric(12, 2), at timestamptz DEFAULT now()`,
    ];
    for (const { column, constraint, parent } of references)
      parts.push(`${column} bigint CONSTRAINT ${constraint} REFERENCES ${parent} (id)`);
    const table = `CREATE TABLE t${at} (${parts.join(', ')})`;
    const partition = `CREATE TABLE t${at}_0 PARTITION OF t${at} FOR VALUES WITH (MODULUS 1, REMAINDER 0)`;
    const index = `CREATE INDEX ON t${at} (a, b)`;
    return isParted ? [`${table} PARTITION BY HASH (id)`, partition, index] : [table, index];
  },
  triggerSql: (at) => `CREATE TRIGGER tr BEFORE INSERT ON t${at} FOR EACH ROW EXECUTE FUNCTION tidy()`,
  dropSql: (database, user) => [`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`, `DROP ROLE IF EXISTS ${user}`],
  async measureRows(db, accountUrl, options, rows, time) {
    const own = await connectPostgres(accountUrl);
    try {
      const target = options.mode === 'table' ? 'public.t2_shadow' : 'public_shadow.t2';
      const insert = async (): Promise<string> => {
        for (let at = 0; at < rows; at += 1)
          await own.query({ name: 'one', text: `INSERT INTO ${target} (b) VALUES ($1)`, values: ['x'] });
        return `${rows} rows, one by one`;
      };
      await own.query("SET shadowline.run = ''");
      await insert();
      await time('insert without a run', insert);
      await own.query("SET shadowline.run = 'bench'");
      await time('insert with a run', insert);
    } finally {
      await own.end();
    }
    await time('clean (run)', async () => {
      const { tables } = await postgres.clean(db, options, { run: 'bench', dryRun: false });
      return tables.map((one) => `${one.rows} rows of ${one.table}`).join(', ');
    });
    await time('clean (rows)', async () => {
      const { tables } = await postgres.clean(db, options, { dryRun: false });
      return `${tables.length} tables`;
    });
  },
};

async function connectPostgres(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  await client.connect();
  return client;
}

const dialects = new Map<string, Dialect>([
  ['mysql', onMysql],
  ['postgres', onPostgres],
]);

interface Asked {
  dialect: Dialect;
  /** URL of the server. */
  url: string;
  tables: number;
  keys: number;
  mode: Options['mode'];
  rows: number;
}

async function run(asked: Asked): Promise<void> {
  const { dialect, url, mode } = asked;
  const database = `bench_${randomBytes(5).toString('hex')}`;
  const account = { user: `${database}_rw`, password: randomBytes(12).toString('hex') };
  const options: Options = { database: dialect.schemaOf(database), mode, tables: { '*': 'shadow' }, account };
  const own = { pathname: dialect.accountPath(database), username: account.user, password: account.password };
  const accountUrl = Object.assign(new URL(url), own).href;
  const administrator = await dialect.connect(url);
  try {
    await administrator.query(`CREATE DATABASE ${database}`);
    const db = await dialect.connect(Object.assign(new URL(url), { pathname: `/${database}` }).href);
    try {
      for (const sql of schemaSql(asked)) await db.query(sql);
      await measure(asked, options, db, accountUrl);
    } finally {
      await db.end();
    }
  } finally {
    for (const sql of dialect.dropSql(database, account.user)) await administrator.query(sql);
    await administrator.end();
  }
}

function* schemaSql({ dialect, tables, keys }: Asked): Generator<string> {
  yield* dialect.functions;
  let key = 0;
  for (let at = 0; at < tables; at += 1) {
    const upTo = Math.round(((at + 1) * keys) / tables);
    const references: Reference[] = [];
    for (; key < upTo; key += 1) {
      const parent = at === 0 ? 0 : (at * 7 + references.length * 13) % at;
      references.push({ column: `p${references.length}`, constraint: `fk_${key}`, parent: `t${parent}` });
    }
    yield* dialect.tableSql(at, references);
    if (at % 10 > 0) continue;
    yield dialect.triggerSql(at);
    yield `CREATE VIEW v${at} AS SELECT id, a FROM t${at} WHERE a > 2`;
  }
}

async function measure(asked: Asked, options: Options, db: Session, accountUrl: string): Promise<void> {
  const { dialect, tables, keys, mode, rows } = asked;
  const { server, connect } = dialect;
  const lines: { what: string; seconds: string; result: string }[] = [];
  const time: Time = async (what, work) => {
    const startMs = performance.now();
    const result = await work();
    lines.push({ what, seconds: ((performance.now() - startMs) / 1000).toFixed(2), result });
  };
  let planned: Plan = { steps: [] };
  await time('plan', async () => {
    planned = await server.plan(db, options);
    return `${planned.steps.length} steps`;
  });
  await time('provision', async () => {
    await server.provision(db, planned, { password: options.account.password });
    return 'done';
  });
  await time('plan again', async () => `${(await server.plan(db, options)).steps.length} step: the password`);
  await time('drift', async () => `${(await server.drift(db, options)).length} differences`);
  const shadowAccountDb = await connect(accountUrl);
  try {
    await time('verify', async () => {
      const { checks, ok } = await server.verify(db, options, { shadowAccountDb });
      return `${checks.length} checks, ${ok ? 'all hold' : 'NOT all hold'}`;
    });
  } finally {
    await shadowAccountDb.end();
  }
  await dialect.measureRows?.(db, accountUrl, options, rows, time);
  await time('clean (drop)', async () => {
    const report = await server.clean(db, options, { what: 'drop', dryRun: false });
    return `${report.tables.length} tables`;
  });
  console.log(`${tables} tables, ${keys} foreign keys, mode ${mode}`);
  console.table(lines);
}

function wrongUse(problem: string): never {
  console.error(`${problem}. node dist/bench/provision.js --help lists what there is.`);
  process.exit(2);
}

function wholeNumber(what: string, text: string, least: number): number {
  if (!/^\d+$/.test(text) || Number(text) < least)
    wrongUse(`${what} must be a whole number from ${least} up, not "${text}"`);
  return Number(text);
}

function valuesOf(args: string[]) {
  const options = { mode: { type: 'string' }, rows: { type: 'string' }, help: { type: 'boolean' } } as const;
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    return wrongUse((error as Error).message.replace(/\.$/, ''));
  }
}

/** Ends the process with code 2 for what cannot be meant. */
function askedBy(args: string[]): Asked | 'help' {
  const { values, positionals } = valuesOf(args);
  if (values.help === true) return 'help';
  // the dialect may be left out before numbers
  const isFirstNumber = /^-?\d/.test(positionals[0] ?? '');
  const [name = 'mysql', tables = '300', keys = '500', ...more] = isFirstNumber
    ? ['mysql', ...positionals]
    : positionals;
  const dialect = dialects.get(name) ?? wrongUse(`dialect ${name} is not known (${[...dialects.keys()].join(', ')})`);
  if (more.length > 0) wrongUse(`${more.join(' ')} is too much: a dialect and two numbers are all`);
  const { mode = 'table', rows } = values;
  if (mode !== 'table' && mode !== 'schema') wrongUse(`--mode must be table or schema, not "${mode}"`);
  if (rows !== undefined && dialect.measureRows === undefined) wrongUse('--rows is for postgres only');
  return {
    dialect,
    // rows go to the third
    tables: wholeNumber('the number of tables', tables, dialect.measureRows === undefined ? 1 : 3),
    keys: wholeNumber('the number of foreign keys', keys, 0),
    mode,
    rows: wholeNumber('--rows', rows ?? '10000', 1),
    url: process.env[dialect.variable] ?? wrongUse(`${dialect.variable} is not set`),
  };
}

const asked = askedBy(process.argv.slice(2));
if (asked === 'help') console.log(help);
else await run(asked);
