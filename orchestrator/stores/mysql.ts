import {
  clean,
  countRows,
  type Db,
  drift,
  inspect,
  type Plan,
  plan,
  provision,
  type ReservedRange,
  reservedRanges,
  type SchemaModel,
  type ShadowDbOptions,
  type Suspect,
  scanReal,
  verify,
} from '@shadowline/shadow-db/server';
import { createPool, type Pool } from 'mysql2/promise';
import type { MysqlScenario } from '../scenario/scenario.js';

export interface ShadowTable {
  /** `bank.transfers`. */
  real: string;
  /** `bank.transfers_shadow`: as agents name it in their ledger. */
  shadow: string;
  /** Why rows come or go here without a statement of a service. */
  derivedBy: string | undefined;
}

/** Rows of a real table that shadow traffic seems to have written. */
export interface RealSuspect {
  target: string;
  kind: 'canary' | 'shadow-id';
  count: number;
  samples: string[];
}

export interface IdentityRange {
  from: number;
  to: number;
}

/** The toolkit's own needs of one MySQL or MariaDB. Errors are the driver's, with the store's name and never a password. */
export interface MysqlStore {
  name: string;
  /** Base tables that have a shadow. Fixed after `check`. */
  tables: ShadowTable[];
  /** Everything that is wrong with the shadow side, and what people should know. Must be called first. */
  check(): Promise<{ problems: string[]; notes: string[] }>;
  /** Rows of the shadow tables, by shadow name. */
  counts(): Promise<Record<string, number>>;
  /** All real tables, all columns. */
  scan(canary: string): Promise<RealSuspect[]>;
  /** By index only: reserved ids, and the canary in rows that were added since `check`. */
  quickScan(canary: string): Promise<RealSuspect[]>;
  /** Rows of shadow tables that hold the canary. */
  canaryInShadow(canary: string): Promise<number>;
  /** Empties the shadow tables and puts the seed back. */
  clean(): Promise<string>;
  close(): Promise<void>;
}

const TEXT = /^(?:char|varchar|tinytext|text|mediumtext|longtext|json)\b/i;

interface Watched {
  /** Quoted. */
  table: string;
  target: string;
  column: string;
  firstShadowId: string;
  highestAtStart: string;
  texts: string[];
}

/** @param env holds the restricted account's password */
export function openMysql(
  name: string,
  scenario: MysqlScenario,
  identities: IdentityRange | undefined,
  env: NodeJS.ProcessEnv = process.env,
): MysqlStore {
  const url = new URL(scenario.url);
  const database = decodeURIComponent(url.pathname.slice(1));
  const pool = poolOf(url);
  const db = dbOf(pool);
  const options: ShadowDbOptions = {
    database,
    mode: scenario.mode,
    suffix: scenario.suffix,
    schema: scenario.schema,
    tables: scenario.tables,
    seed: scenario.seed,
  };
  const idColumns =
    identities === undefined
      ? []
      : Object.entries(scenario.identityColumns).flatMap(([table, columns]) =>
          columns.map((column) => ({ table, column, ...identities })),
        );
  let watched: Watched[] = [];
  let reserved: ReservedRange[] = [];
  let shadowModel: SchemaModel | undefined;
  /** Shadow ids that were in real tables before this run. */
  let before = new Map<string, number>();
  const store: MysqlStore = {
    name,
    tables: [],
    async check() {
      const problems: string[] = [];
      const notes: string[] = [];
      const remedy = 'Run `stress shadow-db provision` (it shows its plan first).';
      if (scenario.mode === 'instance') {
        return { problems: [`store ${name}: mode instance is not built yet. Use mode table or schema.`], notes };
      }
      const real = await inspect(db, database);
      if (!real.exists)
        return { problems: [`store ${name}: there is no database ${database}. Correct its url.`], notes };
      shadowModel = scenario.mode === 'schema' ? await inspect(db, scenario.schema) : real;
      const differences = await drift(db, options);
      for (const one of differences.slice(0, 20)) {
        problems.push(
          one.what === 'missing'
            ? `store ${name}: table ${database}.${one.table} has no shadow table. ${remedy}`
            : `store ${name}: the shadow of ${database}.${one.table} differs (${one.what}${'name' in one && one.name ? ` ${one.name}` : ''}). ${remedy}`,
        );
      }
      if (differences.length > 20) problems.push(`store ${name}: ${differences.length - 20} more differences`);
      problems.push(...(await verifyAccount(name, url, scenario, db, options, env)));
      store.tables = shadowTables(scenario, options, real, shadowModel);
      const shadows = new Set(store.tables.map((table) => table.shadow));
      const unclassed = real.tables
        .map((table) => table.name)
        .filter(
          (table) => scenario.tables[table] === undefined && scenario.tables[`${database}.${table}`] === undefined,
        )
        .filter((table) => !shadows.has(`${database}.${table}`) && !table.endsWith(scenario.suffix));
      if (unclassed.length > 0) {
        notes.push(`store ${name}: no class for ${unclassed.join(', ')}: shadow traffic that touches them is refused`);
      }
      if (problems.length === 0) {
        for (const table of Object.keys(scenario.seed)) {
          const shadow = store.tables.find((one) => one.real === `${database}.${table}`);
          if (shadow === undefined) continue;
          const [row] = await db.query(`SELECT 1 FROM ${quoted(shadow.shadow)} LIMIT 1`);
          if (row === undefined)
            problems.push(`store ${name}: ${shadow.shadow} is empty though it has a seed. ${remedy}`);
        }
        reserved = await reservedRanges(db, options);
        watched = await watch(db, database, real, reserved);
        before = new Map();
        for (const suspect of await scanReal(db, options, { canary: '', reserved, idColumns })) {
          before.set(keyOf(suspect), suspect.count);
          notes.push(
            `store ${name}: ${database}.${suspect.table} holds ${suspect.count} rows with shadow ids (${suspect.columns.join(', ')}) from before this run; they are not counted again. Look at them and remove them.`,
          );
        }
      }
      return { problems, notes };
    },
    async counts() {
      return countRows(
        db,
        store.tables.map((table) => table.shadow),
      );
    },
    async scan(canary) {
      const found: RealSuspect[] = [];
      for (const suspect of await scanReal(db, options, { canary, reserved, idColumns })) {
        const count = suspect.count - (before.get(keyOf(suspect)) ?? 0);
        if (count <= 0) continue;
        found.push({
          target: `${database}.${suspect.table}`,
          kind: suspect.reason === 'canary' ? 'canary' : 'shadow-id',
          count,
          samples: suspect.samples.map((sample) => JSON.stringify(sample)),
        });
      }
      return found;
    },
    async quickScan(canary) {
      const found: RealSuspect[] = [];
      for (const one of watched) {
        const look = async (kind: RealSuspect['kind'], where: string, params: unknown[], known: number) => {
          const [row] = await db.query(`SELECT COUNT(*) AS n FROM ${one.table} WHERE ${where}`, params);
          const count = Number(row?.n ?? 0) - known;
          if (count > 0) found.push({ target: one.target, kind, count, samples: [] });
        };
        const id = quoteId(one.column);
        const known = before.get(`reserved-id ${one.target.slice(database.length + 1)} ${one.column}`) ?? 0;
        await look('shadow-id', `${id} >= ?`, [one.firstShadowId], known);
        if (one.texts.length > 0) {
          const texts = one.texts.map((text) => `${quoteId(text)} LIKE ?`).join(' OR ');
          const params = [one.highestAtStart, one.firstShadowId, ...one.texts.map(() => `%${canary}%`)];
          await look('canary', `${id} > ? AND ${id} < ? AND (${texts})`, params, 0);
        }
      }
      return found;
    },
    async canaryInShadow(canary) {
      let found = 0;
      for (const table of shadowModel?.tables ?? []) {
        const target = `${shadowModel!.database}.${table.name}`;
        if (!store.tables.some((one) => one.shadow === target)) continue;
        const texts = table.columns.filter((column) => TEXT.test(column.type)).map((column) => quoteId(column.name));
        if (texts.length === 0) continue;
        const where = texts.map((text) => `${text} LIKE ?`).join(' OR ');
        const [row] = await db.query(
          `SELECT COUNT(*) AS n FROM ${quoted(target)} WHERE ${where}`,
          texts.map(() => `%${canary}%`),
        );
        found += Number(row?.n ?? 0);
      }
      return found;
    },
    async clean() {
      const report = await clean(db, options, { dryRun: false, what: 'rows' });
      const rows = report.tables.reduce((sum, table) => sum + table.rows, 0);
      // Shadow tables are left as they were found: with their seed.
      const seeds = await plan(db, options);
      const steps = seeds.steps.filter((step) => step.kind === 'seed');
      await seedAgain(pool, { ...seeds, steps });
      return `${rows} rows of ${report.tables.length} shadow tables of ${database} removed${steps.length > 0 ? ', seed put back' : ''}`;
    },
    close: () => pool.end(),
  };
  return store;
}

/** The copied rows keep the references of the real ones; the order in which tables are filled would not. */
async function seedAgain(pool: Pool, seeds: Plan): Promise<void> {
  if (seeds.steps.length === 0) return;
  const connection = await pool.getConnection();
  try {
    await connection.query('SET SESSION foreign_key_checks = 0');
    await provision(dbOf(connection), seeds);
  } finally {
    connection.destroy();
  }
}

function poolOf(url: URL, account?: { user: string; password: string }): Pool {
  return createPool({
    host: url.hostname,
    port: Number(url.port || 3306),
    user: account?.user ?? decodeURIComponent(url.username),
    password: account?.password ?? decodeURIComponent(url.password),
    database: account === undefined ? decodeURIComponent(url.pathname.slice(1)) : undefined!,
    connectionLimit: 2,
    connectTimeout: 5_000,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
}

function dbOf(pool: Pick<Pool, 'query'>): Db {
  return {
    async query(sql, params) {
      const [rows] = await pool.query({ sql, values: params, timeout: 60_000 });
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    },
  };
}

async function verifyAccount(
  name: string,
  url: URL,
  scenario: MysqlScenario,
  db: Db,
  options: ShadowDbOptions,
  env: NodeJS.ProcessEnv,
): Promise<string[]> {
  const { user, passwordEnv } = scenario.account;
  const password = env[passwordEnv];
  if (password === undefined) {
    return [
      `store ${name}: ${passwordEnv} is not set: the password of the restricted account ${user}. Set it here and in the services.`,
    ];
  }
  const shadowPool = poolOf(url, { user, password });
  try {
    await shadowPool.query('SELECT 1');
    const { checks } = await verify(db, options, { shadowAccountDb: dbOf(shadowPool) });
    return checks
      .filter((check) => !check.ok && check.name !== 'tables')
      .map(
        (check) =>
          `store ${name}: ${check.name} ${check.subject}: ${check.detail}. Run \`stress shadow-db provision\` and \`stress shadow-db verify\`.`,
      );
  } catch (error) {
    return [
      `store ${name}: the restricted account ${user} cannot be used: ${(error as Error).message}. Run \`stress shadow-db provision\`; see that ${passwordEnv} is its password.`,
    ];
  } finally {
    await shadowPool.end().catch(() => undefined);
  }
}

function shadowTables(
  scenario: MysqlScenario,
  options: ShadowDbOptions,
  real: SchemaModel,
  shadow: SchemaModel,
): ShadowTable[] {
  const { database } = options;
  const tables: ShadowTable[] = [];
  for (const [key, tableClass] of Object.entries(scenario.tables)) {
    const table = key.startsWith(`${database}.`) ? key.slice(database.length + 1) : key;
    if (tableClass !== 'shadow' || !real.tables.some((one) => one.name === table)) continue;
    const shadowTable = scenario.mode === 'schema' ? table : `${table}${scenario.suffix}`;
    if (!shadow.tables.some((one) => one.name === shadowTable)) continue;
    tables.push({
      real: `${database}.${table}`,
      shadow: `${shadow.database}.${shadowTable}`,
      derivedBy: derivedBy(shadowTable, shadow),
    });
  }
  return tables;
}

function derivedBy(table: string, shadow: SchemaModel): string | undefined {
  const word = new RegExp(`(?<![\\w$])${table.replaceAll(/[$.*+?^()[\]{}|\\]/g, '\\$&')}(?![\\w$])`, 'i');
  for (const other of shadow.tables) {
    for (const trigger of other.triggers) {
      if (word.test(trigger.body)) return `trigger ${trigger.name} on ${other.name}`;
    }
  }
  const own = shadow.tables.find((one) => one.name === table);
  const cascade = own?.foreignKeys.find((key) => key.onDelete === 'CASCADE');
  return cascade === undefined ? undefined : `ON DELETE CASCADE of ${cascade.parent}`;
}

async function watch(db: Db, database: string, real: SchemaModel, reserved: ReservedRange[]): Promise<Watched[]> {
  const watched: Watched[] = [];
  for (const { table, column, firstShadowId } of reserved) {
    const target = `${database}.${table}`;
    const [row] = await db.query(
      `SELECT CAST(COALESCE(MAX(${quoteId(column)}), 0) AS CHAR) AS highest FROM ${quoted(target)} WHERE ${quoteId(column)} < ?`,
      [firstShadowId],
    );
    const model = real.tables.find((one) => one.name === table);
    watched.push({
      table: quoted(target),
      target,
      column,
      firstShadowId,
      highestAtStart: String(row?.highest ?? '0'),
      texts: (model?.columns ?? []).filter((one) => TEXT.test(one.type)).map((one) => one.name),
    });
  }
  return watched;
}

function keyOf({ reason, table, columns }: Suspect): string {
  return `${reason} ${table} ${columns.join(',')}`;
}

function quoteId(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** `schema.table`; the schema has no dot. */
function quoted(target: string): string {
  const dot = target.indexOf('.');
  return `${quoteId(target.slice(0, dot))}.${quoteId(target.slice(dot + 1))}`;
}
