/** The comment by which everything that Shadowline made is known; what does not carry it is never touched. */
const mark = 'shadowline';

/** With the first id of the reserved range, where there is one: real ids go on growing. */
export function markOf(first: bigint | string | undefined): string {
  return first === undefined ? mark : `${mark} first=${first}`;
}

export function isMarked({ comment }: { comment: string }): boolean {
  return new RegExp(`^${mark}(?: |$)`).test(comment);
}

/** The range that a shadow table or sequence was made with. */
export function markedFirst({ comment }: { comment: string }): string | undefined {
  return /^shadowline first=(-?\d+)$/.exec(comment)?.[1];
}

/** A view is known by a digest of the real definition that it was made from. */
export function viewMark(digest: string): string {
  return `${mark} view=${digest}`;
}
