import { isShadowName } from '../../names.js';
import { ShadowDbError } from '../db.js';
import type { TableModel } from './model.js';
import type { Names } from './options.js';

/** Ids that belong to shadow rows of one table. Decimal digits, since they may pass 2^53. */
export interface ReservedRange {
  /** The real table; with its schema where that is not the main one. */
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
/** Integers that FLOAT and DOUBLE hold exactly: the server counts in them too. */
const exact: Record<string, bigint> = { float: 2n ** 24n, double: 2n ** 53n };
const mark = 'shadowline';
/** A run that inserts more rows into one table is rare; fewer ids than this are worth a warning. */
const plenty = 10_000_000n;

/** Highest value of an integer column type such as `int(10) unsigned`; undefined for other types. */
export function highestOf(type: string): bigint | undefined {
  const word = /^\w+/.exec(type.toLowerCase())?.[0] ?? '';
  const width = bits[word];
  if (width === undefined) return exact[word];
  return 2n ** (type.toLowerCase().includes('unsigned') ? width : width - 1n) - 1n;
}

/** The highest id that is there, or that AUTO_INCREMENT has reached. */
export function reachedId(table: TableModel): bigint {
  const ids = table.autoIncrement;
  if (ids === undefined) return 0n;
  const reached = BigInt(ids.next) - 1n;
  return BigInt(ids.highest) > reached ? BigInt(ids.highest) : reached;
}

/**
 * First shadow id: the highest real id (or what AUTO_INCREMENT has reached) plus the gap; undefined for a table without a range.
 * Throws ShadowDbError when the column's type has no room for it and for a million rows more (or as many as the gap, if that is
 * less). `idIncrement`: what each id uses up.
 */
export function firstShadowId(table: TableModel, gap: number, label = table.name, idIncrement = 1): bigint | undefined {
  const ids = table.autoIncrement;
  if (!ids?.leads) return undefined;
  if (!Number.isSafeInteger(gap) || gap < 1) {
    throw new ShadowDbError('AUTO_INCREMENT_RANGE', `the gap of ${label} is ${gap}: it must be a whole number from 1`);
  }
  const highest = reachedId(table);
  const first = highest + BigInt(gap);
  const room = BigInt(Math.min(gap, 1_000_000)) * BigInt(idIncrement);
  const limit = highestOf(ids.type);
  if (limit === undefined || first + room > limit) {
    throw new ShadowDbError(
      'AUTO_INCREMENT_RANGE',
      `${label}.${ids.column} (${ids.type}) ends at ${limit ?? '?'}; shadow ids would begin at ${highest} + ${gap}`,
    );
  }
  return first;
}

/** How many shadow rows fit between an id and the end of the column's type. */
export function idsLeft(type: string, next: bigint, idIncrement = 1): bigint {
  const limit = highestOf(type) ?? 0n;
  return limit < next ? 0n : (limit - next) / BigInt(idIncrement) + 1n;
}

export function isFew(left: bigint): boolean {
  return left < plenty;
}

/** The comment by which a shadow table is known as ours, and in which its range is kept: real ids go on growing. */
export function markOf(first: bigint | undefined): string {
  return first === undefined ? mark : `${mark} first=${first}`;
}

export function isMarked({ comment }: { comment: string }): boolean {
  return new RegExp(`^${mark}(?: |$)`).test(comment);
}

/**
 * Marked, and where we put things: CREATE TABLE … LIKE and dumps take a comment along, and a real table stays real whatever is written on it.
 * `schema`: the one that it is in.
 */
export function isOurs(item: { name: string; comment: string }, schema: string, names: Names): boolean {
  // with the suffix it may be of the other mode
  return (
    isMarked(item) && (names.mapping.isShadowName(schema, item.name) || isShadowName(item.name, names.mapping.suffix))
  );
}

/** The range that a shadow table was made with. */
export function markedFirst({ comment }: { comment: string }): string | undefined {
  return /^shadowline first=(\d+)$/.exec(comment)?.[1];
}
