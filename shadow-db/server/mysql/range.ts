import { ShadowDbError } from '../db.js';
import type { TableModel } from './inspect.js';

/** Ids that belong to shadow rows of one table. Decimal digits, since they may pass 2^53. */
export interface ReservedRange {
  /** The real table. */
  table: string;
  column: string;
  firstShadowId: string;
}

const bits: Record<string, bigint> = {
  tinyint: 8n,
  smallint: 16n,
  mediumint: 24n,
  int: 32n,
  integer: 32n,
  bigint: 64n,
};
const mark = 'shadowline';

/** Highest value of an integer column type such as `int(10) unsigned`; undefined for other types. */
export function highestOf(type: string): bigint | undefined {
  const width = bits[/^\w+/.exec(type.toLowerCase())?.[0] ?? ''];
  if (width === undefined) return undefined;
  return 2n ** (type.toLowerCase().includes('unsigned') ? width : width - 1n) - 1n;
}

/**
 * First shadow id: the highest real id (or what AUTO_INCREMENT has reached) plus the gap. Throws ShadowDbError when the
 * column's type has no room for it and for a million rows more (or as many as the gap, if that is less).
 */
export function firstShadowId(table: TableModel, gap: number): bigint | undefined {
  const ids = table.autoIncrement;
  if (ids === undefined) return undefined;
  const reached = BigInt(ids.next) - 1n;
  const highest = BigInt(ids.highest) > reached ? BigInt(ids.highest) : reached;
  const first = highest + BigInt(gap);
  const room = BigInt(Math.min(gap, 1_000_000));
  const limit = highestOf(ids.type);
  if (limit === undefined || first + room > limit) {
    throw new ShadowDbError(
      'AUTO_INCREMENT_RANGE',
      `${table.name}.${ids.column} (${ids.type}) ends at ${limit ?? '?'}; shadow ids would begin at ${highest} + ${gap}`,
    );
  }
  return first;
}

/** The comment by which a shadow table is known as ours, and in which its range is kept: real ids go on growing. */
export function markOf(first: bigint | undefined): string {
  return first === undefined ? mark : `${mark} first=${first}`;
}

export function isMarked(table: TableModel): boolean {
  return new RegExp(`^${mark}(?: |$)`).test(table.comment);
}

/** The range that a shadow table was made with. */
export function markedFirst(table: TableModel): string | undefined {
  return /^shadowline first=(\d+)$/.exec(table.comment)?.[1];
}
