import { quoteName } from '../../names.js';
import type { GrowingKey, Position } from '../audit/dialect.js';
import type { TableModel } from './model.js';

/** An index in whose order rows can be read in pieces. */
export interface Key {
  index: string;
  columns: KeyColumn[];
}

export interface KeyColumn {
  name: string;
  /** Its values travel as hexadecimal digits. */
  binary: boolean;
}

const binaryTypes = /^(?:binary|varbinary)\b/i;
/** Values that do not compare as their text does, or not exactly (an hour of TIMESTAMP comes twice when summer time ends). */
const unsteady = /^(?:enum|set|bit|timestamp|float|double|real|.*(?:blob|text)|json|geometry|point)\b/i;

/** An index that begins with the whole column: looks for single values and ranges by it read no other rows. */
export function indexOn(table: TableModel, column: string): string | undefined {
  return table.indexes.find(({ method, columns, ignored }) => method === 'BTREE' && !ignored && columns[0] === column)
    ?.name;
}

export function growingKey(table: TableModel): GrowingKey<Key> | undefined {
  for (const by of ['auto-increment', 'timestamp'] as const) {
    for (const { name, type, nullable, default: fallback, extra } of table.columns) {
      const grows =
        by === 'auto-increment'
          ? /auto_increment/i.test(extra) && !unsteady.test(type)
          : // DATETIME is written in the time zone of whoever writes
            /^timestamp\b/i.test(type) && !nullable && /^(?:current_timestamp|now\()/i.test(fallback ?? '');
      const index = grows ? indexOn(table, name) : undefined;
      if (index !== undefined) return { by, column: name, index, key: { index, columns: [{ name, binary: false }] } };
    }
  }
  return undefined;
}

/** A key that tells every row: the primary key, or a unique one without NULL. */
export function rowKey(table: TableModel): Key | undefined {
  const own = (name: string) => table.columns.find((column) => column.name === name);
  const fits = table.indexes
    .filter(({ unique, method, columns, ignored }) => unique && method === 'BTREE' && !ignored && columns.length <= 16)
    .filter(({ columns }) => columns.every((name) => own(name)?.nullable === false && !unsteady.test(own(name)!.type)))
    .sort((a, b) => Number(b.name === 'PRIMARY') - Number(a.name === 'PRIMARY'));
  const [index] = fits;
  if (index === undefined) return undefined;
  const columns = index.columns.map((name) => ({ name, binary: binaryTypes.test(own(name)!.type) }));
  return { index: index.name, columns };
}

/** Select list that gives a Position, under the names k0, k1, … */
export function positionList({ columns }: Key): string {
  return columns
    .map(
      ({ name, binary }, at) => `${binary ? `HEX(${quoteName(name)})` : `CAST(${quoteName(name)} AS CHAR)`} AS k${at}`,
    )
    .join(', ');
}

export function positionOf({ columns }: Key, row: Record<string, unknown>): Position {
  return columns.map((_, at) => String(row[`k${at}`]));
}

export function orderOf({ columns }: Key, direction: 'ASC' | 'DESC' = 'ASC'): string {
  return columns.map(({ name }) => `${quoteName(name)} ${direction}`).join(', ');
}

/**
 * Rows before or after a position, itself included with `=`. Spelt out column by column: row constructors are compared without their index
 * (measured on MariaDB).
 */
export function beyond(
  key: Key,
  comparison: '>' | '>=' | '<' | '<=',
  position: Position,
): { sql: string; params: string[] } {
  const strict = comparison[0];
  const from = (at: number): { sql: string; params: string[] } => {
    const { name, binary } = key.columns[at] as KeyColumn;
    const value = binary ? 'UNHEX(?)' : '?';
    const own = position[at] as string;
    if (at === key.columns.length - 1) return { sql: `${quoteName(name)} ${comparison} ${value}`, params: [own] };
    const rest = from(at + 1);
    const sql = `(${quoteName(name)} ${strict} ${value} OR (${quoteName(name)} = ${value} AND ${rest.sql}))`;
    return { sql, params: [own, own, ...rest.params] };
  };
  return from(0);
}

/** Exactly these rows. */
export function among(key: Key, positions: readonly Position[]): { sql: string; params: string[] } {
  const [first, ...more] = key.columns;
  if (first !== undefined && more.length === 0) {
    const value = first.binary ? 'UNHEX(?)' : '?';
    return { sql: `${quoteName(first.name)} IN (${positions.map(() => value).join(', ')})`, params: positions.flat() };
  }
  const one = key.columns.map(({ name, binary }) => `${quoteName(name)} = ${binary ? 'UNHEX(?)' : '?'}`).join(' AND ');
  return { sql: `(${positions.map(() => `(${one})`).join(' OR ')})`, params: positions.flat() };
}
