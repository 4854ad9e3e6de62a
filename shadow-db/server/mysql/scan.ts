import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { inspect, type TableModel } from './inspect.js';
import { Names, type ShadowDbOptions } from './options.js';
import { isMarked, markedFirst, type ReservedRange } from './range.js';

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

export interface ScanOptions {
  /** Text that stands in every payload of shadow traffic and nowhere else. */
  canary: string;
  reserved: readonly ReservedRange[];
  /** Further integer columns of real tables, with the range (inclusive) in which only shadow identities lie. */
  idColumns?: readonly { table: string; column: string; from: number | string; to: number | string }[];
}

/** Rows of a real table that shadow traffic seems to have written. */
export interface Suspect {
  reason: 'reserved-id' | 'canary' | 'id-range';
  table: string;
  columns: string[];
  count: number;
  /** Up to five primary keys (all columns as text; empty for tables without one). */
  samples: Record<string, string>[];
}

const textTypes =
  /^(?:char|varchar|tinytext|text|mediumtext|longtext|json|binary|varbinary|tinyblob|blob|mediumblob|longblob)\b/;

/** Searches every real table of the database for rows that shadow traffic may have left. Reads only. */
export async function scanReal(db: Db, options: ShadowDbOptions, scan: ScanOptions): Promise<Suspect[]> {
  const names = new Names(options);
  const real = await inspect(db, options.database);
  const suspects: Suspect[] = [];
  for (const table of real.tables) {
    if (isMarked(table)) continue;
    const look = async (
      reason: Suspect['reason'],
      columns: string[],
      where: string,
      params: unknown[],
    ): Promise<void> => {
      const suspect = await suspectRows(db, names, table, where, params);
      if (suspect.count > 0) suspects.push({ reason, table: table.name, columns, ...suspect });
    };
    for (const range of scan.reserved.filter((candidate) => candidate.table === table.name)) {
      await look('reserved-id', [range.column], `${quoteName(range.column)} >= ?`, [range.firstShadowId]);
    }
    const texts = table.columns.filter(({ type }) => textTypes.test(type.toLowerCase())).map(({ name }) => name);
    if (texts.length > 0 && scan.canary !== '') {
      // "|" escapes in every sql_mode, unlike the backslash
      const pattern = `%${scan.canary.replace(/[|%_]/g, '|$&')}%`;
      const where = texts.map((name) => `${quoteName(name)} LIKE ? ESCAPE '|'`).join(' OR ');
      await look(
        'canary',
        texts,
        where,
        texts.map(() => pattern),
      );
    }
    for (const { table: name, column, from, to } of scan.idColumns ?? []) {
      if (name === table.name) await look('id-range', [column], `${quoteName(column)} BETWEEN ? AND ?`, [from, to]);
    }
  }
  return suspects;
}

async function suspectRows(
  db: Db,
  names: Names,
  table: TableModel,
  where: string,
  params: unknown[],
): Promise<Pick<Suspect, 'count' | 'samples'>> {
  const from = `FROM ${names.real(table.name)} WHERE ${where}`;
  const [row] = await db.query(`SELECT COUNT(*) AS n ${from}`, params);
  const count = Number(row?.n ?? 0);
  if (count === 0 || table.primaryKey.length === 0) return { count, samples: [] };
  const keys = table.primaryKey.map((name) => `CAST(${quoteName(name)} AS CHAR) AS ${quoteName(name)}`).join(', ');
  const rows = await db.query(`SELECT ${keys} ${from} LIMIT 5`, params);
  return {
    count,
    samples: rows.map((sample) =>
      Object.fromEntries(Object.entries(sample).map(([key, value]) => [key, String(value)])),
    ),
  };
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
