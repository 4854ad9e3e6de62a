import type { ShadowRows } from '../audit/audit.js';
import type { Db } from '../db.js';
import { type DesiredTable, desired } from './desired.js';
import { actualSequence, actualTable } from './drift.js';
import { inspect } from './inspect.js';
import { isMarked, markedFirst } from './mark.js';
import { Names, type ShadowDbOptions } from './options.js';
import { full, literal, quote, sameTable, shown } from './quote.js';
import { highestOf, type ReservedRange } from './range.js';
import { descendants, rowsName, sameKey } from './rows.js';
import { inSnapshot, readServer } from './session.js';

/** The ids that shadow rows have, per real table, as they were reserved when the shadow tables were made. */
export async function reservedRanges(db: Db, options: ShadowDbOptions): Promise<ReservedRange[]> {
  const { names, model, wanted } = await bothSides(db, options);
  return wanted.sequences.flatMap((sequence) => {
    const actual = actualSequence(sequence, model);
    const firstShadowId = actual && markedFirst(actual);
    if (firstShadowId === undefined) return [];
    return sequence.users
      .filter(({ column }) => highestOf(column.type) !== undefined)
      .map(({ table, column }) => ({ table: names.plain(table), column: column.name, firstShadowId }));
  });
}

export async function bothSides(db: Db, options: ShadowDbOptions) {
  const names = new Names(options);
  const server = await readServer(db, { mustWrite: false });
  return inSnapshot(db, async () => {
    const model = await inspect(db, server, [...names.realSchemas, ...names.shadowSchemas]);
    return { names, model, wanted: await desired(model, names) };
  });
}

/** Rows per table; `schema.table`, or `table` of the connection's search_path. */
export async function countRows(db: Db, tables: readonly string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of tables) {
    const dot = table.indexOf('.');
    const name = dot === -1 ? quote(table) : full({ schema: table.slice(0, dot), table: table.slice(dot + 1) });
    const [row] = await db.query(`SELECT count(*) AS n FROM ${name}`);
    counts[table] = Number(row?.n ?? 0);
  }
  return counts;
}

/** Rows of the shadow tables, by run where they know it; partitions count with their table. Reads the shadow tables whole. */
export async function shadowRows(db: Db, options: ShadowDbOptions): Promise<ShadowRows[]> {
  const { names, model, wanted } = await bothSides(db, options);
  const knowsRuns = model.tables.some((table) => sameTable(table, rowsName(names)) && isMarked(table));
  const rows: ShadowRows[] = [];
  for (const table of wanted.tables.filter(({ partitionOf }) => partitionOf === null)) {
    const actual = actualTable(table.target, model);
    if (actual === undefined || !isMarked(actual)) continue;
    const [row] = await db.query(`SELECT count(*) AS n FROM ${full(table.target)}`);
    const counted = { table: shown(table.real), shadow: shown(table.target), total: Number(row?.n ?? 0) };
    rows.push(
      knowsRuns && table.key.length > 0 ? { ...counted, runs: await runsOf(db, table, wanted.tables, names) } : counted,
    );
  }
  return rows;
}

/** A row that was deleted and inserted again counts for the run that did it last. */
async function runsOf(
  db: Db,
  table: DesiredTable,
  tables: readonly DesiredTable[],
  names: Names,
): Promise<Record<string, number>> {
  const within = [table, ...descendants(table, tables)].map(({ target }) => literal(shown(target)));
  const found = await db.query(
    `SELECT n."run", count(*) AS n FROM (SELECT DISTINCT ON ("key") "run", "key" FROM ${full(rowsName(names))} ` +
      `WHERE "table_name" IN (${within.join(', ')}) ORDER BY "key", "at" DESC) n JOIN ${full(table.target)} t ON ${sameKey(table, 't')} GROUP BY n."run"`,
  );
  return Object.fromEntries(found.map(({ run, n }) => [String(run), Number(n)]));
}
