import type { TableName } from '../../mapping.js';
import { type Db, ShadowDbError, type ShadowDbErrorCode } from '../db.js';
import { foreignGrant, objectOf, readRole } from './account.js';
import { type Desired, type DesiredTable, desired } from './desired.js';
import { differences } from './drift.js';
import { guardShadowOnly } from './guard.js';
import { inspect } from './inspect.js';
import { withLock } from './lock.js';
import { isOurs } from './mark.js';
import type { SchemaModel, TableModel, ViewModel } from './model.js';
import { Names, type ShadowDbOptions } from './options.js';
import { lockRoom, locksPerTable } from './provision.js';
import { full, literal, quote, sameTable, shown } from './quote.js';
import { checkReach } from './reach.js';
import { notedBy, rowsName } from './rows.js';
import { isSeedHelper } from './seed.js';
import { inSnapshot, inTransaction, readServer, sqlState, textOfError } from './session.js';

export interface CleanOptions {
  /** Only rows that this run inserted. Without it: all rows. */
  run?: string;
  /** Default true: say only what would go. */
  dryRun?: boolean;
  /** rows: empties the shadow tables. drop: removes tables, views, sequences and the account. Default rows. */
  what?: 'rows' | 'drop';
}

export interface CleanReport {
  dryRun: boolean;
  what: 'rows' | 'drop';
  run?: string;
  tables: { table: string; rows: number }[];
  views: string[];
  /** Sequences that belong to no table. */
  sequences: string[];
  account?: string;
  /** What is sent, in order; with dryRun, what would be sent. */
  statements: string[];
  /** Cleaning removes rows; what runs changed in rows of the seed is not known, and stays until these are seeded again. */
  updatedSeedRows: 'unknown' | 'none';
}

/**
 * Removes shadow rows or shadow objects of the classed tables, in one transaction. Only what carries Shadowline's mark is touched, and
 * each statement passes the guard, so that a real table cannot be named. Rows are removed only from what provisioning has made:
 * ShadowDbError DRIFT otherwise. Rows of a run go in one statement, after which the keys are checked, so that cycles are no matter;
 * rows that refer to them by ON DELETE CASCADE go too, whatever run they are of.
 */
export async function clean(
  db: Db,
  options: ShadowDbOptions,
  { run, dryRun = true, what = 'rows' }: CleanOptions = {},
): Promise<CleanReport> {
  if (run !== undefined && what === 'drop') throw new TypeError('drop removes the rows of every run: leave `run` out');
  if (run !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(run)) throw new ShadowDbError('RUN_ID', JSON.stringify(run));
  const names = new Names(options);
  const server = await readServer(db, { mustWrite: !dryRun });
  const report: CleanReport = {
    dryRun,
    what,
    ...(run !== undefined && { run }),
    tables: [],
    views: [],
    sequences: [],
    statements: [],
    updatedSeedRows: what === 'drop' ? 'none' : 'unknown',
  };
  let together = true;
  const look = async (): Promise<void> => {
    Object.assign(report, { tables: [], views: [], sequences: [], statements: [] });
    const model = await inspect(db, server, [...names.realSchemas, ...names.shadowSchemas]);
    checkReach(
      model.tables.filter((table) => isOurs(table, names)),
      model,
    );
    if (what === 'drop') together = await dropping(db, model, names, report);
    else await emptying(db, model, await desired(model, names), names, report);
    for (const sql of report.statements) await guardShadowOnly(sql, names);
  };
  if (dryRun) {
    await inSnapshot(db, look);
    return report;
  }
  await withLock(db, names, async () => {
    await inSnapshot(db, look);
    for (const part of together ? [report.statements] : report.statements.map((sql) => [sql])) {
      await inTransaction(db, async () => {
        for (const sql of part) await db.query(sql);
      });
    }
  }).catch((error: unknown) => {
    const code = codes[sqlState(error) ?? ''];
    throw code === undefined ? error : new ShadowDbError(code, textOfError(error), { cause: error });
  });
  return report;
}

/** SQLSTATE: a key still refers to the row; no room for locks; a lock was not had in time. */
const codes: Record<string, ShadowDbErrorCode> = {
  '23503': 'STILL_REFERRED',
  '53200': 'LOCK_ROOM',
  '55P03': 'SHADOW_BUSY',
};

async function emptying(db: Db, model: SchemaModel, wanted: Desired, names: Names, report: CleanReport): Promise<void> {
  const found = differences(wanted, model, names);
  if (found.length > 0) {
    const some = found
      .slice(0, 5)
      .map(({ what, table, name }) => `${what} ${table}${name === undefined ? '' : ` ${name}`}`);
    throw new ShadowDbError('DRIFT', `${found.length} differences: ${some.join(', ')}${found.length > 5 ? ', …' : ''}`);
  }
  const roots = wanted.tables.filter(({ partitionOf }) => partitionOf === null);
  if (report.run === undefined)
    await emptyAll(
      db,
      roots.map(({ target }) => target),
      names,
      report,
    );
  else await emptyRun(db, wanted, names, report, report.run);
}

async function countOf(db: Db, table: string): Promise<number> {
  const [row] = await db.query(`SELECT count(*) AS n FROM ${table}`);
  return Number(row?.n ?? 0);
}

/** TRUNCATE of all at once: keys among them are no matter, and no trigger is called. */
async function emptyAll(db: Db, targets: TableName[], names: Names, report: CleanReport): Promise<void> {
  for (const target of targets) report.tables.push({ table: shown(target), rows: await countOf(db, full(target)) });
  const notes = await countOf(db, full(rowsName(names)));
  if (report.tables.every(({ rows }) => rows === 0) && notes === 0) return;
  const tables = [...targets.map(full), ...(notes > 0 ? [full(rowsName(names))] : [])];
  report.statements.push(`TRUNCATE TABLE ${tables.join(', ')}`);
}

async function emptyRun(db: Db, wanted: Desired, names: Names, report: CleanReport, run: string): Promise<void> {
  const rows = full(rowsName(names));
  const roots = wanted.tables.filter(({ partitionOf }) => partitionOf === null);
  const noted = (table: DesiredTable, row: string): string => notedBy(run, table, wanted.tables, row);
  const emptied: DesiredTable[] = [];
  for (const table of roots) {
    const from = full(table.target);
    if (table.key.length === 0) {
      if ((await db.query(`SELECT 1 FROM ${from} LIMIT 1`)).length > 0)
        throw new ShadowDbError('NO_PRIMARY_KEY', `${shown(table.target)} has rows, and no key`);
      continue;
    }
    // a row can be noted twice: deleted and inserted again with the same key
    const [row] = await db.query(
      `SELECT count(*) AS n FROM ${from} t WHERE EXISTS (SELECT 1 FROM ${rows} n WHERE ${noted(table, 't')})`,
    );
    const count = Number(row?.n ?? 0);
    if (count === 0) continue;
    report.tables.push({ table: shown(table.target), rows: count });
    emptied.push(table);
  }
  await refuseOthers(db, roots, emptied, rows, noted);
  const notes = `DELETE FROM ${rows} WHERE "run" = ${literal(run)}`;
  // one statement: the server looks at foreign keys after all of it, so that cycles are no matter
  const parts = emptied.map(
    (table, index) =>
      `"gone_${index}" AS (DELETE FROM ${full(table.target)} t USING ${rows} n WHERE ${noted(table, 't')})`,
  );
  if (parts.length > 0) report.statements.push(`WITH ${parts.join(', ')} ${notes}`);
  else if ((await db.query(`SELECT 1 FROM ${rows} WHERE "run" = $1 LIMIT 1`, [run])).length > 0)
    report.statements.push(notes);
}

/** Rows of other runs, or of the seed, that refer to rows of this run would go with them, or keep them from going. */
async function refuseOthers(
  db: Db,
  roots: readonly DesiredTable[],
  emptied: readonly DesiredTable[],
  rows: string,
  noted: (table: DesiredTable, row: string) => string,
): Promise<void> {
  for (const child of roots) {
    for (const key of child.foreignKeys) {
      const parent = emptied.find(({ target }) => sameTable(target, key.parent));
      if (parent === undefined) continue;
      const same = key.columns
        .map((name, at) => `c.${quote(name)} = p.${quote(key.parentColumns[at] ?? '')}`)
        .join(' AND ');
      const own = child.key.length === 0 ? '' : ` AND NOT EXISTS (SELECT 1 FROM ${rows} n WHERE ${noted(child, 'c')})`;
      const [row] = await db.query(
        `SELECT count(*) AS n FROM ${full(child.target)} c WHERE EXISTS (SELECT 1 FROM ${full(parent.target)} p WHERE ${same} AND EXISTS (SELECT 1 FROM ${rows} n WHERE ${noted(parent, 'p')}))${own}`,
      );
      const count = Number(row?.n ?? 0);
      if (count > 0)
        throw new ShadowDbError(
          'STILL_REFERRED',
          `${count} rows of ${shown(child.target)} that are not of this run refer to ${shown(parent.target)}`,
        );
    }
  }
}

/** Whether a marked table or view was made for these options: its real name, or that of the table it is a partition of, is classed shadow. */
function belongs(item: TableModel | ViewModel, model: SchemaModel, names: Names): boolean {
  if (!isOurs(item, names) || sameTable(item, rowsName(names)) || isSeedHelper(item, names)) return false;
  if ('partitionOf' in item && item.partitionOf !== null) {
    const parent = model.tables.find((table) => sameTable(table, item.partitionOf as TableName));
    if (parent && belongs(parent, model, names)) return true;
  }
  const realNames = [...model.tables, ...model.views].filter((one) => !isOurs(one, names));
  const real =
    realNames.find((one) => names.realSchemas.includes(one.schema) && isTarget(one, item, names)) ??
    guessed(item, names);
  return real !== undefined && names.mapping.classOf(real.schema, real.table) === 'shadow';
}

function isTarget(real: TableName, item: TableName, names: Names): boolean {
  if (names.options.mode === 'table' && names.isShadow(real)) return false;
  return sameTable(names.target(real), item);
}

/** The real name of a shadow whose real table is gone. */
function guessed(item: TableName, names: Names): TableName | undefined {
  if (names.options.mode === 'table') {
    if (!names.isShadow(item)) return undefined;
    return { schema: item.schema, table: item.table.slice(0, -names.mapping.suffix.length) };
  }
  const schema = names.realSchemas.find((one) => names.shadowSchema(one) === item.schema);
  return schema === undefined ? undefined : { schema, table: item.table };
}

/**
 * The statements that drop everything of these options. False: too many objects for one transaction of this server; then each statement is one,
 * and what an interruption leaves is still marked, and goes the next time.
 */
async function dropping(db: Db, model: SchemaModel, names: Names, report: CleanReport): Promise<boolean> {
  const tables = model.tables.filter((table) => belongs(table, model, names));
  const views = model.views.filter((view) => belongs(view, model, names));
  for (const table of tables)
    report.tables.push({ table: shown(table), rows: table.kind === 'p' ? 0 : await countOf(db, full(table)) });
  report.views = views.map(shown);
  if (views.length > 0) report.statements.push(`DROP VIEW ${views.map(full).join(', ')}`);
  const rows = model.tables.find((table) => sameTable(table, rowsName(names)) && isOurs(table, names));
  const helpers = model.tables.filter((table) => isOurs(table, names) && isSeedHelper(table, names));
  const isLast = !model.tables.some(
    (table) => isOurs(table, names) && table !== rows && !tables.includes(table) && !helpers.includes(table),
  );
  const gone = [...tables, ...(rows && isLast ? [rows] : []), ...(isLast ? helpers : [])];
  const loose = model.sequences.filter(
    (sequence) => isOurs(sequence, names) && sequence.owner === null && names.shadowSchemas.includes(sequence.schema),
  );
  const groups = groupsOf(gone, await lockRoom(db));
  if (groups.length > 1) {
    for (const table of tables) {
      for (const { name } of table.foreignKeys)
        report.statements.push(`ALTER TABLE ${full(table)} DROP CONSTRAINT ${quote(name)}`);
    }
  }
  for (const group of groups) report.statements.push(`DROP TABLE ${group.map(full).join(', ')}`);
  // sequences and functions that other configurations still use stay with their tables
  if (isLast) report.sequences = loose.map(shown);
  if (isLast && loose.length > 0) report.statements.push(`DROP SEQUENCE ${loose.map(full).join(', ')}`);
  const notes = model.functions.filter(({ schema, name }) => {
    if (isLast) return names.shadowSchemas.includes(schema) && name.startsWith('shadowline_');
    return tables.some(
      (table) => table.schema === schema && table.triggers.some((trigger) => trigger.function.text.endsWith(name)),
    );
  });
  for (const { schema, name } of notes) report.statements.push(`DROP FUNCTION ${full({ schema, table: name })}()`);
  await dropRole(db, names, report);
  if (names.options.mode === 'schema' && isLast) {
    const empty = model.schemas.filter(
      ({ name, comment }) =>
        names.shadowSchemas.includes(name) && comment === 'shadowline' && holdsOnly(name, model, gone, views),
    );
    for (const { name } of empty) report.statements.push(`DROP SCHEMA ${quote(name)}`);
  }
  return groups.length <= 1;
}

/** Tables that one statement drops; partitions go with their table. */
function groupsOf(tables: readonly TableModel[], room: number): TableModel[][] {
  const parentOf = (table: TableModel): TableModel | undefined =>
    table.partitionOf === null ? undefined : tables.find((one) => sameTable(one, table.partitionOf as TableName));
  const rootOf = (table: TableModel): TableModel => {
    const parent = parentOf(table);
    return parent ? rootOf(parent) : table;
  };
  const groups: TableModel[][] = [];
  let left = 0;
  for (const table of tables.filter((one) => parentOf(one) === undefined)) {
    const cost = tables.filter((one) => rootOf(one) === table).length * locksPerTable;
    if (groups.length === 0 || cost > left) {
      groups.push([]);
      left = room;
    }
    groups.at(-1)?.push(table);
    left -= cost;
  }
  return groups;
}

function holdsOnly(
  schema: string,
  model: SchemaModel,
  tables: readonly TableModel[],
  views: readonly ViewModel[],
): boolean {
  return (
    model.tables.every((table) => table.schema !== schema || tables.includes(table)) &&
    model.views.every((view) => view.schema !== schema || views.includes(view))
  );
}

/** Drops the role when it exists and has no rights but those that provisioning gives. */
async function dropRole(db: Db, names: Names, report: CleanReport): Promise<void> {
  const user = names.options.account?.user;
  const role = await readRole(db, user);
  if (
    user === undefined ||
    role === undefined ||
    role.attributes.length > 0 ||
    role.memberOf.length > 0 ||
    role.elsewhere > 0
  )
    return;
  if (foreignGrant(role.grants, names) !== undefined) return;
  report.account = user;
  // rights on what is dropped go with it
  for (const grant of role.grants) {
    const isGone = grant.name !== '' && names.isShadow({ schema: grant.schema, table: grant.name });
    if (grant.kind === 'database' || !isGone)
      report.statements.push(`REVOKE ${grant.rights.join(', ')} ON ${objectOf(grant)} FROM ${quote(user)}`);
  }
  report.statements.push(`DROP ROLE ${quote(user)}`);
}
