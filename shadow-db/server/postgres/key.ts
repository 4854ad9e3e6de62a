import type { GrowingKey, Position } from '../audit/dialect.js';
import type { ColumnModel, SequenceModel, TableModel } from './model.js';
import { quote, sameTable } from './quote.js';

/** An index in whose order rows can be read in pieces. */
export interface Key {
  columns: { name: string; type: string }[];
}

/** An index that begins with the whole column and holds every row: looks for single values and ranges by it read no other rows. */
export function indexOn(table: TableModel, column: string): string | undefined {
  const leads = (text: string | undefined): boolean => text === column || text === quote(column);
  const constraint = table.constraints.find(({ kind, columns }) => 'pu'.includes(kind) && columns[0] === column);
  const index = table.indexes.find(
    ({ definition }) =>
      !definition.includes(' WHERE ') && leads(/^USING btree \(("(?:[^"]|"")+"|[^,) ]+)/.exec(definition)?.[1]),
  );
  return constraint?.name ?? index?.name;
}

/** A sequence whose sessions take several values ahead, or that begins again, gives none. */
export function growingKey(
  table: TableModel,
  sequences: readonly SequenceModel[],
): (GrowingKey<Key> & { sequence?: SequenceModel }) | undefined {
  for (const column of table.columns) {
    const sequence = sequenceOf(table, column, sequences);
    const index = indexOn(table, column.name);
    if (sequence === undefined || index === undefined) continue;
    if (sequence.cache !== '1' || sequence.cycle || BigInt(sequence.increment) < 0n || !sequence.readable) continue;
    return { by: 'auto-increment', column: column.name, index, key: { columns: [column] }, sequence };
  }
  for (const column of table.columns) {
    const isClock =
      /^(?:now\(\)|CURRENT_TIMESTAMP|clock_timestamp\(\)|statement_timestamp\(\)|transaction_timestamp\(\))/;
    const grows =
      column.type.startsWith('timestamp') &&
      column.type.endsWith('with time zone') &&
      column.notNull &&
      isClock.test(column.expression ?? '');
    const index = grows ? indexOn(table, column.name) : undefined;
    if (index !== undefined) return { by: 'timestamp', column: column.name, index, key: { columns: [column] } };
  }
  return undefined;
}

/** The sequence that gives an integer column its values, alone. */
export function sequenceOf(
  table: TableModel,
  column: ColumnModel,
  sequences: readonly SequenceModel[],
): SequenceModel | undefined {
  if (!['smallint', 'integer', 'bigint'].includes(column.type)) return undefined;
  if (column.identity !== '')
    return sequences.find(
      ({ owner }) => owner?.kind === 'i' && sameTable(owner, table) && owner.column === column.name,
    );
  const [only] = column.sequences;
  if (only === undefined || column.expression !== `nextval(${only.text})`) return undefined;
  return sequences.find((sequence) => sameTable(sequence, only));
}

/** A key that tells every row: the primary key, or a unique one without NULL. */
export function rowKey(table: TableModel): Key | undefined {
  const own = (name: string): ColumnModel | undefined => table.columns.find((column) => column.name === name);
  const [fit] = table.constraints
    .filter(({ kind, definition }) => kind === 'p' || (kind === 'u' && !definition.includes('DEFERRABLE')))
    .filter(({ columns }) => columns.every((name) => own(name)?.notNull))
    .sort((a, b) => Number(b.kind === 'p') - Number(a.kind === 'p'));
  return fit && { columns: fit.columns.map((name) => ({ name, type: own(name)?.type ?? 'text' })) };
}

/** Select list that gives a Position, under the names k0, k1, … */
export function positionList({ columns }: Key): string {
  return columns.map(({ name }, at) => `${quote(name)}::text AS k${at}`).join(', ');
}

export function positionOf({ columns }: Key, row: Record<string, unknown>): Position {
  return columns.map((_, at) => String(row[`k${at}`]));
}

export function orderOf({ columns }: Key, direction: 'ASC' | 'DESC' = 'ASC'): string {
  return columns.map(({ name }) => `${quote(name)} ${direction}`).join(', ');
}

/** Rows before or after a position, itself included with `=`. `take` gives a value its place among the parameters. */
export function beyond(
  { columns }: Key,
  comparison: '>' | '>=' | '<' | '<=',
  position: Position,
  take: (value: string) => string,
): string {
  const names = columns.map(({ name }) => quote(name)).join(', ');
  const values = columns.map(({ type }, at) => `${take(position[at] ?? '')}::text::${type}`).join(', ');
  return `(${names}) ${comparison} (${values})`;
}
