import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { inspect } from './inspect.js';
import { Names, type ShadowDbOptions } from './options.js';
import { markedFirst, type ReservedRange } from './range.js';

/** The ids that shadow rows have, per real table, as they were reserved when the shadow tables were made. */
export async function reservedRanges(db: Db, options: ShadowDbOptions): Promise<ReservedRange[]> {
  const names = new Names(options);
  const real = await inspect(db, options.database);
  const shadow = names.schema === options.database ? real : await inspect(db, names.schema);
  const existing = real.tables.map(({ name }) => name);
  return names.ofClass('shadow', existing).flatMap((table) => {
    const model = shadow.tables.find(({ name }) => name === names.shadow(table));
    const first = model && markedFirst(model);
    return model?.autoIncrement && first ? [{ table, column: model.autoIncrement.column, firstShadowId: first }] : [];
  });
}

/** Rows per table; `schema.table`, or `table` of the connection's default schema. */
export async function countRows(db: Db, tables: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of tables) {
    const dot = table.indexOf('.');
    const name = dot === -1 ? quoteName(table) : `${quoteName(table.slice(0, dot))}.${quoteName(table.slice(dot + 1))}`;
    const [row] = await db.query(`SELECT COUNT(*) AS n FROM ${name}`);
    counts[table] = Number(row?.n ?? 0);
  }
  return counts;
}
