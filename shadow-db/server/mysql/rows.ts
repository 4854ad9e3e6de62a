import { quoteName } from '../../names.js';
import type { ShadowRows } from '../audit/audit.js';
import type { Db } from '../db.js';
import { isRunDefault, runColumn } from './definition.js';
import { inspect } from './inspect.js';
import { beyond, orderOf, positionList, positionOf, rowKey } from './key.js';
import type { SchemaModel, TableModel } from './model.js';
import type { Names, ShadowDbOptions } from './options.js';
import { isMarked } from './range.js';
import { readServer } from './server.js';
import { namesOn } from './sides.js';

const PIECE_ROWS = 20_000;

/** A shadow table of ours with the real one that it stands for. */
export interface ShadowTable {
  /** The real table, `schema.table`. */
  table: string;
  /** `schema.table` */
  shadow: string;
  schema: string;
  /** As messages name it: plain in the main database. */
  label: string;
  /** Quoted. */
  name: string;
  model: TableModel;
}

/** Both sides of every database that the options name, without what SHOW CREATE TABLE would add. */
export interface Schemas {
  names: Names;
  /** By database. */
  real: Map<string, SchemaModel>;
  /** By database. */
  shadow: Map<string, SchemaModel>;
}

/** Reads only; a pool will do. */
export async function readSchemas(db: Db, options: ShadowDbOptions): Promise<Schemas> {
  const server = await readServer(db);
  const names = namesOn(options, server);
  const schemas: Schemas = { names, real: new Map(), shadow: new Map() };
  for (const database of names.databases) {
    const real = await inspect(db, database, server);
    const schema = names.shadowSchema(database);
    schemas.real.set(database, real);
    schemas.shadow.set(database, schema === database ? real : await inspect(db, schema, server));
  }
  return schemas;
}

/** The marked tables to which real tables of class shadow are mapped. */
export function shadowTables({ names, real, shadow }: Schemas): ShadowTable[] {
  const found: ShadowTable[] = [];
  for (const [database, { tables }] of real) {
    for (const { name } of tables) {
      if (names.mapping.classOf(database, name) !== 'shadow') continue;
      const [schema, twin] = [names.shadowSchema(database), names.shadow(name, database)];
      const model = shadow.get(database)?.tables.find((one) => one.name === twin);
      if (model === undefined || !isMarked(model)) continue;
      const label = schema === names.schema ? twin : `${schema}.${twin}`;
      const quoted = names.named(twin, schema);
      found.push({ table: `${database}.${name}`, shadow: `${schema}.${twin}`, schema, label, name: quoted, model });
    }
  }
  return found;
}

/**
 * True when rows know their run: the column is there, and the session's variable fills it, by a trigger or by its default. A default without a function
 * of the session does not count: the server resolves it once for all sessions that share the opened table (measured on MariaDB 11.4).
 */
export function knowsRun({ columns, triggers }: TableModel): boolean {
  const column = columns.find(({ name }) => name === runColumn);
  const fills = ({ timing, event, body }: TableModel['triggers'][0]) =>
    timing === 'BEFORE' &&
    event === 'INSERT' &&
    new RegExp(`NEW\\.\`?${runColumn}\`?\\s*=\\s*@${runColumn}`, 'i').test(body);
  return column !== undefined && (isRunDefault(column.default) || triggers.some(fills));
}

/** Rows of the shadow tables, by run. Reads the shadow tables whole, piece by piece. */
export async function shadowRows(db: Db, options: ShadowDbOptions): Promise<ShadowRows[]> {
  const rows: ShadowRows[] = [];
  for (const table of shadowTables(await readSchemas(db, options))) rows.push(await rowsOf(db, table));
  return rows;
}

/** Rows of one of them. */
export async function rowsOf(db: Db, { table, shadow, name, model }: ShadowTable): Promise<ShadowRows> {
  const byRun = knowsRun(model);
  const counts = new Map<string | null, number>();
  const count = async (where: string, params: string[]): Promise<void> => {
    const list = byRun ? `${quoteName(runColumn)} AS run, COUNT(*) AS n` : 'COUNT(*) AS n';
    const group = byRun ? ` GROUP BY ${quoteName(runColumn)}` : '';
    for (const row of await db.query(`SELECT ${list} FROM ${name}${where}${group}`, params)) {
      const run = row.run === null || row.run === undefined ? null : String(row.run);
      counts.set(run, (counts.get(run) ?? 0) + Number(row.n));
    }
  };
  const key = rowKey(model);
  if (key === undefined) await count('', []);
  else {
    let from = { sql: 'TRUE', params: [] as string[] };
    for (;;) {
      const piece = `SELECT ${positionList(key)} FROM ${name} FORCE INDEX (${quoteName(key.index)}) WHERE ${from.sql}`;
      const [end] = await db.query(`${piece} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${PIECE_ROWS - 1}`, from.params);
      if (end === undefined) {
        await count(` WHERE ${from.sql}`, from.params);
        break;
      }
      const to = beyond(key, '<=', positionOf(key, end));
      await count(` WHERE ${from.sql} AND ${to.sql}`, [...from.params, ...to.params]);
      from = beyond(key, '>', positionOf(key, end));
    }
  }
  const total = [...counts.values()].reduce((sum, one) => sum + one, 0);
  counts.delete(null);
  return { table, shadow, total, ...(byRun && { runs: Object.fromEntries(counts) as Record<string, number> }) };
}
