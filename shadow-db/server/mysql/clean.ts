import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { accountName, isOurs, readGrants } from './account.js';
import { guardShadowOnly } from './guard.js';
import { inspect, type SchemaModel, type TableModel } from './inspect.js';
import { Names, type ShadowDbOptions } from './options.js';
import { isMarked } from './range.js';

export interface CleanOptions {
  /** Default true: say only what would go. */
  dryRun?: boolean;
  /** rows: empties the shadow tables. drop: removes tables, views, triggers and the account. Default rows. */
  what?: 'rows' | 'drop';
}

export interface CleanReport {
  dryRun: boolean;
  what: 'rows' | 'drop';
  tables: { table: string; rows: number }[];
  views: string[];
  account?: string;
  /** What is sent, in order; with dryRun, what would be sent. */
  statements: string[];
}

/**
 * Removes shadow rows or shadow objects of the classed tables. Only tables that carry Shadowline's mark are touched, and each
 * statement passes the guard, so that a real table cannot be named. Foreign keys among shadow tables are taken off while rows
 * go (cycles allow no order) and put back. Rows carry no run id: with mode rows, runs that share shadow tables are cleaned together.
 */
export async function clean(
  db: Db,
  options: ShadowDbOptions,
  { dryRun = true, what = 'rows' }: CleanOptions = {},
): Promise<CleanReport> {
  const names = new Names(options);
  const shadow = await inspect(db, names.schema);
  const real = names.schema === options.database ? shadow : await inspect(db, options.database);
  const existing = [...real.tables, ...real.views].map(({ name }) => name);
  const wanted = new Set(names.ofClass('shadow', existing).map((table) => names.shadow(table)));
  const tables = shadow.tables.filter((table) => wanted.has(table.name) && isMarked(table));
  const counted: CleanReport['tables'] = [];
  for (const table of tables) {
    const [row] = await db.query(`SELECT COUNT(*) AS n FROM ${names.named(table.name)}`);
    counted.push({ table: table.name, rows: Number(row?.n ?? 0) });
  }
  const report: CleanReport = { dryRun, what, tables: counted, views: [], statements: [] };
  if (what === 'rows') {
    report.statements = emptying(names, tables, counted);
  } else {
    const views = shadow.views.filter((view) => wanted.has(view.name) && readsShadow(view.definition, shadow, names));
    report.views = views.map(({ name }) => name);
    report.statements = dropping(names, tables, report.views);
  }
  for (const sql of report.statements) guardShadowOnly(sql, names);
  if (!dryRun) for (const sql of report.statements) await db.query(sql);
  if (what === 'drop') await dropAccount(db, names, report);
  return report;
}

/** A view of a shadow name that reads no marked table is somebody else's. */
function readsShadow(definition: string, shadow: SchemaModel, names: Names): boolean {
  return [...shadow.tables.filter(isMarked), ...shadow.views].some(({ name }) =>
    definition.includes(`${quoteName(names.schema)}.${quoteName(name)}`),
  );
}

function emptying(names: Names, tables: TableModel[], counted: CleanReport['tables']): string[] {
  const filled = tables.filter((table) => counted.some(({ table: name, rows }) => name === table.name && rows > 0));
  const keys = tables
    .flatMap((table) => table.foreignKeys.map((key) => ({ table, key })))
    .filter(({ table, key }) => filled.includes(table) || filled.some(({ name }) => name === key.parent));
  const list = (columns: string[]): string => columns.map(quoteName).join(', ');
  return [
    ...keys.map(({ table, key }) => `ALTER TABLE ${names.named(table.name)} DROP FOREIGN KEY ${quoteName(key.name)}`),
    // a trigger on DELETE may write to another shadow table: tables with triggers go first
    ...[...filled]
      .sort((a, b) => b.triggers.length - a.triggers.length)
      .map((table) => `DELETE FROM ${names.named(table.name)}`),
    ...keys.map(
      ({ table, key }) =>
        `ALTER TABLE ${names.named(table.name)} ADD CONSTRAINT ${quoteName(key.name)} FOREIGN KEY (${list(key.columns)}) ` +
        `REFERENCES ${quoteName(key.parentSchema)}.${quoteName(key.parent)} (${list(key.parentColumns)}) ` +
        `ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`,
    ),
  ];
}

function dropping(names: Names, tables: TableModel[], views: string[]): string[] {
  return [
    ...views.map((view) => `DROP VIEW ${names.named(view)}`),
    ...tables.flatMap((table) => [
      ...table.triggers.map(({ name }) => `DROP TRIGGER ${names.named(name)}`),
      ...table.foreignKeys.map(
        ({ name }) => `ALTER TABLE ${names.named(table.name)} DROP FOREIGN KEY ${quoteName(name)}`,
      ),
    ]),
    ...tables.map((table) => `DROP TABLE ${names.named(table.name)}`),
  ];
}

/** Drops the account when it exists and has no rights but those that provisioning gives. */
async function dropAccount(db: Db, names: Names, report: CleanReport): Promise<void> {
  const { account } = names.options;
  const grants = await readGrants(db, account);
  if (account === undefined || grants === undefined || !grants.every((grant) => isOurs(grant, names))) return;
  report.account = account.user;
  const sql = `DROP USER ${accountName(account)}`;
  report.statements.push(sql);
  if (!report.dryRun) await db.query(sql);
}
