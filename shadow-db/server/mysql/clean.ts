import { quoteName } from '../../names.js';
import { type Db, ShadowDbError, textOf } from '../db.js';
import { seedLockName } from '../seed/run.js';
import { isSeedHelper } from '../seed/sources.js';
import { accountName, foreignGrant, readGrants } from './account.js';
import { type CleanProgress, keepingOf, removeRun } from './clean-run.js';
import { drift } from './drift.js';
import { guardShadowOnly } from './guard.js';
import { lockName } from './lock.js';
import type { Names, ShadowDbOptions } from './options.js';
import { isOurs } from './range.js';
import { refuseReferrers } from './referrers.js';
import { knowsRun, readSchemas, rowsOf, type Schemas, type ShadowTable, shadowTables } from './rows.js';

export interface CleanOptions {
  /** Default true: say only what would go. */
  dryRun?: boolean;
  /** rows: removes rows. drop: removes tables, views, triggers, sequences and the account. Default rows. */
  what?: 'rows' | 'drop';
  /** Only the rows of this run. Needs one connection, not a pool. */
  run?: string;
  /** Rows that one statement removes, with `run`. Default 500. */
  chunkRows?: number;
  /** Ends between two statements, with `run`; the rest goes with the next call. */
  signal?: AbortSignal;
  onProgress?: (progress: CleanProgress) => void;
}

export interface CleanReport {
  dryRun: boolean;
  what: 'rows' | 'drop';
  run?: string;
  /** Shadow tables, with the rows that go or went. `kept`: rows of the run that stay, and why. */
  tables: { table: string; rows: number; kept?: { rows: number; because: string } }[];
  views: string[];
  sequences: string[];
  account?: string;
  /** What is sent, in order; with dryRun, what would be sent. With `run`, deletes are sent for so many rows at a time, named by their keys. */
  statements: string[];
  /** False when the signal ended it. */
  complete: boolean;
  /** Cleaning removes rows; what runs changed in rows of the seed is not known, and stays until these are seeded again. */
  updatedSeedRows: 'unknown' | 'none';
}

/**
 * Removes shadow rows or shadow objects of the classed tables. Only tables that carry Shadowline's mark are touched, and each
 * statement passes the guard, so that a real table cannot be named. Rows are removed only when the shadow side is as it should be: a trigger or key that
 * is not ours could reach further (DRIFT, REAL_KEY). Dropping fires no trigger, but the server refuses it while a key leads to the table, or leaves that key without its
 * parent: it is refused beforehand as well.
 *
 * With a run, rows of others and of the seed stay, and foreign keys stay on, so that the server itself refuses what would dangle: another run may be going
 * on. Without, foreign keys among shadow tables are taken off while rows go (cycles allow no order) and put back: no run may be going on.
 * @throws ShadowDbError DRIFT, REAL_KEY, RIGHTS, LOCKED, NO_RUN, RUN_ID, ONE_SESSION, NOT_SHADOW; nothing was removed then
 */
export async function clean(db: Db, options: ShadowDbOptions, asked: CleanOptions = {}): Promise<CleanReport> {
  const { dryRun = true, what = 'rows', run } = asked;
  if (run !== undefined && what === 'drop') throw new TypeError('drop removes the rows of every run: leave `run` out');
  if (run !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(run)) throw new ShadowDbError('RUN_ID', JSON.stringify(run));
  const schemas = await readSchemas(db, options);
  const { names } = schemas;
  const tables = shadowTables(schemas);
  if (what === 'rows') await refuseDrift(db, options);
  await refuseReferrers(db, names, tables);
  const counted: CleanReport['tables'] = [];
  const report: CleanReport = {
    dryRun,
    what,
    ...(run !== undefined && { run }),
    tables: counted,
    views: [],
    sequences: [],
    statements: [],
    complete: true,
    updatedSeedRows: what === 'drop' ? 'none' : 'unknown',
  };
  if (run !== undefined) {
    await cleanRun(db, names, tables, run, asked, report);
    return report;
  }
  for (const table of tables) {
    const [row] = await db.query(`SELECT COUNT(*) AS n FROM ${table.name}`);
    counted.push({ table: table.label, rows: Number(row?.n ?? 0) });
  }
  if (!dryRun) await refuseWhileMaking(db, names);
  const filled = tables.filter((_, at) => (counted[at]?.rows ?? 0) > 0);
  const { before, statements, after } = what === 'rows' ? emptying(tables, filled) : dropping(schemas, tables, report);
  report.statements = [...before, ...statements, ...after];
  for (const sql of report.statements) guardShadowOnly(sql, names);
  if (!dryRun) await carryOut(db, before, statements, after);
  if (what === 'drop') await dropAccount(db, names, report);
  return report;
}

/** Refuses while anything is other than provisioning left it. */
async function refuseDrift(db: Db, options: ShadowDbOptions): Promise<void> {
  // ids that can no longer be told apart, as after a leak, make no statement of a clean-up reach further
  const differences = (await drift(db, options)).filter(({ what }) => what !== 'range');
  if (differences.length > 0) {
    const first = differences
      .slice(0, 5)
      .map(({ table, what, name }) => `${table} (${what}${name === undefined ? '' : ` ${name}`})`);
    const more = differences.length > 5 ? ` and ${differences.length - 5} more` : '';
    throw new ShadowDbError('DRIFT', `the shadow side is not as it should be: ${first.join(', ')}${more}`);
  }
}

/**
 * Rows that go while a seeder writes would be missing for good: its journal says that they are there. Asked, not taken, since a pool has no session.
 * The names are those that provisioning and seeding hold.
 */
async function refuseWhileMaking(db: Db, names: Names): Promise<void> {
  for (const database of names.databases) {
    const schema = names.shadowSchema(database);
    const journal = names.named(names.shadow('shadowline_seed', database), schema);
    for (const [lock, what] of [
      [lockName(schema), 'provisioning'],
      [seedLockName(journal), 'seeding'],
    ] as const) {
      const [row] = await db.query('SELECT IS_USED_LOCK(?) AS holder', [lock]);
      if (textOf(row?.holder) === '') continue;
      throw new ShadowDbError('LOCKED', `connection ${textOf(row?.holder)} is ${what} ${schema}`);
    }
  }
}

async function cleanRun(
  db: Db,
  names: Names,
  tables: ShadowTable[],
  run: string,
  { dryRun = true, chunkRows = 500, signal, onProgress }: CleanOptions,
  report: CleanReport,
): Promise<void> {
  if (!Number.isInteger(chunkRows) || chunkRows < 1) throw new RangeError(`chunkRows is ${chunkRows}`);
  const unknowing = tables.filter(({ model }) => !knowsRun(model)).map(({ label }) => label);
  if (unknowing.length > 0) throw new ShadowDbError('NO_RUN', `rows of ${unknowing.join(', ')} do not know their run`);
  const countOwn = async (): Promise<number[]> => {
    const counts: number[] = [];
    for (const table of tables) counts.push((await rowsOf(db, table)).runs?.[run] ?? 0);
    return counts;
  };
  const before = await countOwn();
  const send = async (sql: string, params?: unknown[]): Promise<void> => {
    guardShadowOnly(sql, names);
    await db.query(sql, params);
  };
  const plan = {
    run,
    tables,
    rows: before,
    chunkRows,
    dryRun,
    send,
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  };
  const removed = await removeRun(db, plan);
  report.statements = removed.statements;
  report.complete = removed.complete;
  for (const sql of report.statements.slice(1)) guardShadowOnly(sql, names);
  const after = dryRun ? [] : await countOwn();
  for (const [at, table] of tables.entries()) {
    const others = await keepingOf(db, run, table, tables);
    const kept = dryRun ? others.rows : (after[at] ?? 0);
    const own = report.complete
      ? 'rows of this run that stay refer to them, or form a circle by keys without NULL'
      : 'it was interrupted';
    const because = others.rows > 0 ? others.because : own;
    const rows = Math.max(0, (before[at] ?? 0) - kept);
    report.tables.push({ table: table.label, rows, ...(kept > 0 && { kept: { rows: kept, because } }) });
  }
}

interface Emptying {
  before: string[];
  statements: string[];
  after: string[];
}

function emptying(tables: ShadowTable[], filled: ShadowTable[]): Emptying {
  const isParent = (schema: string, name: string) =>
    filled.some((one) => one.schema === schema && one.model.name === name);
  const keys = tables
    .flatMap((table) => table.model.foreignKeys.map((key) => ({ table, key })))
    .filter(({ table, key }) => filled.includes(table) || isParent(key.parentSchema, key.parent));
  const list = (columns: string[]): string => columns.map(quoteName).join(', ');
  return {
    before: keys.map(({ table, key }) => `ALTER TABLE ${table.name} DROP FOREIGN KEY ${quoteName(key.name)}`),
    // a trigger on DELETE may write to another shadow table: tables with such triggers go first
    statements: [...filled].sort((a, b) => onDelete(b) - onDelete(a)).map((table) => `DELETE FROM ${table.name}`),
    after: keys.map(
      ({ table, key }) =>
        `ALTER TABLE ${table.name} ADD CONSTRAINT ${quoteName(key.name)} FOREIGN KEY (${list(key.columns)}) ` +
        `REFERENCES ${quoteName(key.parentSchema)}.${quoteName(key.parent)} (${list(key.parentColumns)}) ` +
        `ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`,
    ),
  };
}

function onDelete({ model }: ShadowTable): number {
  return model.triggers.filter(({ event }) => event === 'DELETE').length;
}

/** Keys that were taken off are put back even when a statement in between fails. */
async function carryOut(db: Db, before: string[], statements: string[], after: string[]): Promise<void> {
  try {
    for (const sql of [...before, ...statements]) await db.query(sql);
  } catch (error) {
    for (const sql of after) await db.query(sql).catch(() => undefined);
    throw error;
  }
  for (const sql of after) await db.query(sql);
}

function dropping({ names, real, shadow }: Schemas, tables: ShadowTable[], report: CleanReport): Emptying {
  const views: string[] = [];
  const sequences: string[] = [];
  const helpers: string[] = [];
  for (const [database, model] of shadow) {
    const schema = names.shadowSchema(database);
    for (const table of model.tables) {
      if (isOurs(table, schema, names) && isSeedHelper(table.name, names))
        helpers.push(names.named(table.name, schema));
    }
    const own = real.get(database);
    const wanted = (kind: { name: string }[] = []) =>
      new Set(
        names
          .ofClass(
            'shadow',
            kind.map(({ name }) => name),
            database,
          )
          .map((name) => names.shadow(name, database)),
      );
    const [wantedViews, wantedSequences] = [wanted(own?.views), wanted(own?.sequences)];
    // a view of a shadow name that reads no marked table is somebody else's
    const ours = [...model.tables.filter((table) => isOurs(table, schema, names)), ...model.views].map(({ name }) =>
      names.named(name, schema),
    );
    for (const { name, definition } of model.views) {
      if (!wantedViews.has(name) || !ours.some((table) => definition.includes(table))) continue;
      views.push(names.named(name, schema));
      report.views.push(names.label(schema, name));
    }
    for (const sequence of model.sequences) {
      if (!wantedSequences.has(sequence.name) || !isOurs(sequence, schema, names)) continue;
      sequences.push(names.named(sequence.name, schema));
      report.sequences.push(names.label(schema, sequence.name));
    }
  }
  return {
    before: [
      ...views.map((view) => `DROP VIEW ${view}`),
      ...tables.flatMap(({ name, schema, model }) => [
        ...model.triggers.map((trigger) => `DROP TRIGGER ${quoteName(schema)}.${quoteName(trigger.name)}`),
        ...model.foreignKeys.map((key) => `ALTER TABLE ${name} DROP FOREIGN KEY ${quoteName(key.name)}`),
      ]),
    ],
    statements: [
      ...[...tables.map(({ name }) => name), ...helpers].map((name) => `DROP TABLE ${name}`),
      ...sequences.map((name) => `DROP SEQUENCE ${name}`),
    ],
    after: [],
  };
}

/** Drops the account when it exists and has no rights but those that provisioning gives. */
async function dropAccount(db: Db, names: Names, report: CleanReport): Promise<void> {
  const { account } = names.options;
  const grants = await readGrants(db, account);
  if (account === undefined || grants === undefined || foreignGrant(grants, names) !== undefined) return;
  report.account = account.user;
  const sql = `DROP USER ${accountName(account)}`;
  report.statements.push(sql);
  if (!report.dryRun) await db.query(sql);
}
