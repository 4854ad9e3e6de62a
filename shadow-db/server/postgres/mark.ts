import type { TableName } from '../../mapping.js';
import { isShadowName } from '../../names.js';
import type { Names } from './options.js';

/** The comment by which everything that Shadowline made is known; what does not carry it is never touched. */
const mark = 'shadowline';

/** With the first id of the reserved range, where there is one: real ids go on growing. */
export function markOf(first: bigint | string | undefined): string {
  return first === undefined ? mark : `${mark} first=${first}`;
}

export function isMarked({ comment }: { comment: string }): boolean {
  return new RegExp(`^${mark}(?: |$)`).test(comment);
}

/**
 * Marked, and where we put things: a definition that somebody copies takes its comment along, and a real table stays real whatever is written on it.
 */
export function isOurs(item: TableName & { comment: string }, names: Names): boolean {
  // with the suffix it may be of the other mode
  return (
    isMarked(item) &&
    (names.isShadow(item) || isShadowName(item.table, names.mapping.suffix) || item.table === 'shadowline_rows')
  );
}

/** The range that a shadow table or sequence was made with. */
export function markedFirst({ comment }: { comment: string }): string | undefined {
  return /^shadowline first=(-?\d+)$/.exec(comment)?.[1];
}

/** A view is known by a digest of the real definition that it was made from. */
export function viewMark(digest: string): string {
  return `${mark} view=${digest}`;
}
