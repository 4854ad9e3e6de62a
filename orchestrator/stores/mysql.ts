import { quoteName } from '@shadowline/shadow-db';
import {
  type AuditLimits,
  type AuditMark,
  beginAudit,
  clean,
  type DatabaseAudit,
  type Db,
  drift,
  finishAudit,
  type Plan,
  plan,
  provision,
  readSchemas,
  type SchemaModel,
  type Schemas,
  type ShadowDbOptions,
  type Suspect,
  shadowRows,
  shadowTables,
  verify,
  watchReal,
} from '@shadowline/shadow-db/server';
import { type Connection, createConnection, createPool, type Pool, type PoolConnection } from 'mysql2/promise';
import type { MysqlScenario } from '../scenario/scenario.js';
import { Presence } from './presence.js';
import { mysqlOptions } from './shadow-options.js';

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
  /** Remembers, right before the first flagged request, where real and shadow tables end. */
  begin(): Promise<void>;
  /** By key ranges only: reserved ids, and the canary in rows that were added since `begin`. */
  look(canary: string): Promise<RealSuspect[]>;
  /** Searches the real tables and counts the run's rows in the shadow tables; says what it could not search. */
  audit(run: string, canary: string): Promise<DatabaseAudit>;
  /** Rows of shadow tables that hold the canary. */
  canaryInShadow(canary: string): Promise<number>;
  /**
   * Removes the rows of a run. When no other run is going on and none has rows here, the shadow tables are left as provisioning made them: emptied and seeded
   * again. `complete`: nothing of the run is left.
   */
  clean(run: string): Promise<{ text: string; complete: boolean }>;
  close(): Promise<void>;
}

const TEXT = /^(?:char|varchar|tinytext|text|mediumtext|longtext|json)\b/i;

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
  const options: ShadowDbOptions = mysqlOptions(scenario);
  const idColumns =
    identities === undefined
      ? []
      : Object.entries(scenario.identityColumns).flatMap(([table, columns]) =>
          columns.map((column) => ({ table, column, ...identities })),
        );
  const limits: AuditLimits = scenario.audit;
  const qualified = (table: string): string => (table.includes('.') ? table : `${database}.${table}`);
  let schemas: Schemas | undefined;
  let mark: AuditMark | undefined;
  let lookForNew: (() => Promise<Suspect[]>) | undefined;
  let presence: Presence | undefined;
  const takeMark = async (): Promise<AuditMark> => {
    lookForNew = undefined;
    mark = await beginAudit(db, options, { idColumns, ...limits });
    return mark;
  };
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
      schemas = await readSchemas(db, options);
      const missing = [...schemas.real].find(([, model]) => !model.exists)?.[0];
      if (missing !== undefined)
        return {
          problems: [`store ${name}: there is no database ${missing}. Correct its url, or the names of tables.`],
          notes,
        };
      const differences = await drift(db, options);
      for (const one of differences.slice(0, 20)) {
        problems.push(
          one.what === 'missing'
            ? `store ${name}: table ${qualified(one.table)} has no shadow table. ${remedy}`
            : `store ${name}: the shadow of ${qualified(one.table)} differs (${one.what}${'name' in one && one.name ? ` ${one.name}` : ''}). ${remedy}`,
        );
      }
      if (differences.length > 20) problems.push(`store ${name}: ${differences.length - 20} more differences`);
      problems.push(...(await verifyAccount(name, url, scenario, db, options, env)));
      store.tables = storeTables(schemas);
      const unclassed = unclassedTables(schemas);
      if (unclassed.length > 0) {
        notes.push(`store ${name}: no class for ${unclassed.join(', ')}: shadow traffic that touches them is refused`);
      }
      if (problems.length === 0) {
        for (const table of Object.keys(scenario.seed)) {
          const shadow = shadowTables(schemas).find((one) => one.table === qualified(table));
          if (shadow === undefined) continue;
          const [row] = await db.query(`SELECT 1 FROM ${shadow.name} LIMIT 1`);
          if (row === undefined)
            problems.push(`store ${name}: ${shadow.shadow} is empty though it has a seed. ${remedy}`);
        }
        presence ??= await Presence.enter(() => connectionTo(url), database);
        const others = await presence.others();
        if (others > 0)
          notes.push(
            `store ${name}: ${others} other runs use ${database} now: what they delete cannot be told from what this run does`,
          );
        const { tables, shadow } = await takeMark();
        for (const { table, known, idsReached } of tables) {
          for (const { count, columns } of known)
            notes.push(
              `store ${name}: ${table} holds ${count} rows with shadow ids (${columns.join(', ')}) from before this run; they are not counted again. Look at them and remove them.`,
            );
          if (idsReached) notes.push(`store ${name}: ids of ${table} have reached the shadow range. ${remedy}`);
        }
        const left = [...new Set(shadow.flatMap(({ runs = {} }) => Object.keys(runs)))];
        if (left.length > 0)
          notes.push(
            `store ${name}: shadow rows of ${left.join(', ')} are there; \`stress shadow-db clean\` removes them`,
          );
      }
      return { problems, notes };
    },
    async begin() {
      await takeMark();
    },
    async look(canary) {
      const since = mark ?? (await takeMark());
      lookForNew ??= await watchReal(db, options, since, { canary, idColumns });
      return (await lookForNew()).map(realSuspect);
    },
    async audit(run, canary) {
      return finishAudit(db, options, mark ?? (await takeMark()), { run, canary, idColumns, ...limits });
    },
    async canaryInShadow(canary) {
      let found = 0;
      for (const { model, name: quotedName } of schemas === undefined ? [] : shadowTables(schemas)) {
        const texts = model.columns.filter((column) => TEXT.test(column.type)).map((column) => quoteName(column.name));
        if (texts.length === 0) continue;
        const where = texts.map((text) => `${text} LIKE ?`).join(' OR ');
        const [row] = await db.query(
          `SELECT COUNT(*) AS n FROM ${quotedName} WHERE ${where}`,
          texts.map(() => `%${canary}%`),
        );
        found += Number(row?.n ?? 0);
      }
      return found;
    },
    async clean(run) {
      presence ??= await Presence.enter(() => connectionTo(url), database);
      const connection = await pool.getConnection();
      const own = dbOf(connection);
      try {
        return await presence.gated(async (others) => {
          const rows = await shadowRows(own, options);
          const foreign = new Set(rows.flatMap(({ runs = {} }) => Object.keys(runs)).filter((one) => one !== run));
          if (others === 0 && foreign.size === 0) return await emptyAndSeed(connection, options);
          if (rows.some(({ runs }) => runs === undefined))
            throw new Error(
              `rows of ${database} do not know their run, and another run uses them: clean when it has ended`,
            );
          const why = others > 0 ? `${others} other runs go on` : `rows of ${[...foreign].join(', ')} are there`;
          return await removeRun(own, options, run, why);
        });
      } finally {
        connection.destroy();
      }
    },
    async close() {
      await presence?.leave();
      await pool.end();
    },
  };
  return store;
}

/** Nobody else is here: everything goes, also what the run has changed in seeded rows. */
async function emptyAndSeed(connection: PoolConnection, options: ShadowDbOptions): Promise<Cleaned> {
  const db = dbOf(connection);
  const report = await clean(db, options, { dryRun: false, what: 'rows' });
  const rows = report.tables.reduce((sum, table) => sum + table.rows, 0);
  const seeds = await plan(db, options);
  const steps = seeds.steps.filter((step) => step.kind === 'seed');
  await seedAgain(connection, { ...seeds, steps });
  const seeded = steps.length > 0 ? ', seed put back' : '';
  return {
    text: `${rows} rows of ${report.tables.length} shadow tables of ${options.database} removed${seeded}`,
    complete: true,
  };
}

type Cleaned = Awaited<ReturnType<MysqlStore['clean']>>;

/** Others are here: only what carries the run's name goes. */
async function removeRun(db: Db, options: ShadowDbOptions, run: string, why: string): Promise<Cleaned> {
  const { tables } = await clean(db, options, { dryRun: false, run });
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const kept = tables.flatMap(({ table, kept: left }) =>
    left === undefined ? [] : [`${left.rows} rows of ${table} stay: ${left.because}`],
  );
  const seed = `the seed was not put back, since ${why}: what this run changed in seeded rows stays until they are cleaned and provisioned again`;
  const text = [`${rows} rows of run ${run} removed from ${options.database}`, ...kept, seed].join('; ');
  return { text, complete: kept.length === 0 };
}

/** One connection, whose settings the seeder puts back. */
async function seedAgain(connection: PoolConnection, seeds: Plan): Promise<void> {
  if (seeds.steps.length === 0) return;
  const maskKey = process.env.SHADOWLINE_MASK_KEY;
  await provision(dbOf(connection), seeds, { seed: { ...(maskKey && { maskKey }) } });
}

export function realSuspect({ table, reason, count, samples }: Suspect): RealSuspect {
  return {
    target: table,
    kind: reason === 'canary' ? 'canary' : 'shadow-id',
    count,
    samples: samples.map((sample) => JSON.stringify(sample)),
  };
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

function connectionTo(url: URL): Promise<Connection> {
  return createConnection({
    host: url.hostname,
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    connectTimeout: 5_000,
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

function storeTables(schemas: Schemas): ShadowTable[] {
  const models = new Map([...schemas.shadow.values()].map((model) => [model.database, model]));
  return shadowTables(schemas).map(({ table, shadow, schema, model }) => ({
    real: table,
    shadow,
    derivedBy: derivedBy(model.name, models.get(schema)!),
  }));
}

/** Tables of the databases that keys name, without a class and not ours; plain names in the main database. */
function unclassedTables({ names, real }: Schemas): string[] {
  return [...real].flatMap(([database, { tables }]) =>
    tables
      .map(({ name }) => name)
      .filter((name) => names.mapping.classOf(database, name) === undefined)
      .filter((name) => !names.mapping.isShadowName(database, name))
      .map((name) => (database === names.options.database ? name : `${database}.${name}`)),
  );
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
