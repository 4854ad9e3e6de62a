import { quoteName } from '../../names.js';
import type { IdColumn, TableMark } from '../audit.js';
import type { Db } from '../db.js';
import { indexOn } from './key.js';
import type { TableModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { isMarked, markedFirst } from './range.js';
import { readSchemas, shadowTables } from './rows.js';
import type { Question, Searched } from './search.js';

export interface AuditIds {
  /** Further columns that hold identities; the reserved ids of shadow tables are known without. */
  idColumns?: readonly IdColumn[];
}

const textTypes =
  /^(?:char|varchar|tinytext|text|mediumtext|longtext|json|binary|varbinary|tinyblob|blob|mediumblob|longblob)\b/i;

/** A real table, with what is asked about its ids. */
export interface RealTable extends Searched {
  tableClass: TableMark['tableClass'];
  ids: Question[];
}

/** Base tables of every database that the options name, without what is ours; with the questions about their ids. */
export async function realTables(db: Db, options: ShadowDbOptions, { idColumns = [] }: AuditIds): Promise<RealTable[]> {
  const schemas = await readSchemas(db, options);
  const { names } = schemas;
  const twins = new Map(shadowTables(schemas).map((one) => [one.table, one.model]));
  const tables: RealTable[] = [];
  for (const [database, real] of schemas.real) {
    for (const model of real.tables) {
      if (isMarked(model)) continue;
      const tableClass = names.mapping.classOf(database, model.name) ?? 'unclassed';
      const name = `${database}.${model.name}`;
      const ids: Question[] = [];
      const twin = twins.get(name);
      const first = twin && markedFirst(twin);
      if (twin?.autoIncrement && first) ids.push(reservedIds(model, twin.autoIncrement.column, first));
      for (const one of idColumns) {
        const whole = one.table.includes('.') ? one.table : `${options.database}.${one.table}`;
        if (whole === name) ids.push(idRange(model, one));
      }
      tables.push({ name, from: `${quoteName(database)}.${quoteName(model.name)}`, model, tableClass, ids });
    }
  }
  return tables;
}

/** A shadow id in a real table, once written, moves its AUTO_INCREMENT into the shadow range; what real users add from then on lies there too. */
export function idsReached({ model, ids }: RealTable): boolean {
  const reserved = ids.find(({ reason }) => reason === 'reserved-id');
  const counter = model.autoIncrement;
  if (reserved === undefined || counter === undefined) return false;
  const first = BigInt(String(reserved.params[0]));
  return BigInt(counter.next) > first || BigInt(counter.highest) >= first;
}

/** Ids tell nothing where real ones have reached the shadow range. */
export function asksById({ ids }: RealTable, known: TableMark | undefined): Question[] {
  return known?.idsReached ? ids.filter(({ reason }) => reason !== 'reserved-id') : ids;
}

function reservedIds(table: TableModel, column: string, first: string): Question {
  const sql = `${quoteName(column)} >= `;
  return {
    reason: 'reserved-id',
    columns: [column],
    sql: `${sql}?`,
    params: [first],
    text: sql + first,
    index: indexOn(table, column),
  };
}

function idRange(table: TableModel, { column, from, to }: IdColumn): Question {
  for (const value of [from, to])
    if (!/^-?\d+$/.test(String(value)))
      throw new RangeError(`id column ${column}: ${JSON.stringify(value)} is no integer`);
  const sql = `${quoteName(column)} BETWEEN`;
  return {
    reason: 'id-range',
    columns: [column],
    sql: `${sql} ? AND ?`,
    params: [from, to],
    text: `${sql} ${from} AND ${to}`,
    index: indexOn(table, column),
  };
}

/** Nothing to ask without a canary. @throws RangeError for one that is not made of letters and digits */
export function canaryIn(table: TableModel, canary: string): Question[] {
  if (canary === '') return [];
  if (!/^[A-Za-z0-9]{4,100}$/.test(canary))
    throw new RangeError(`canary ${JSON.stringify(canary)}: letters and digits only`);
  const columns = table.columns.filter(({ type }) => textTypes.test(type)).map(({ name }) => name);
  if (columns.length === 0) return [];
  const sql = (value: string) => `(${columns.map((name) => `${quoteName(name)} LIKE ${value}`).join(' OR ')})`;
  const params = columns.map(() => `%${canary}%`);
  return [{ reason: 'canary', columns, sql: sql('?'), params, text: sql(`'%${canary}%'`), index: undefined }];
}
