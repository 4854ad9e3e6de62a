/** Where shrinking stands in a list: blocks of `size` items are left out from `at` downwards; with size 0 the items themselves are made smaller. */
export interface Position {
  size: number;
  at: number;
  /** Something became smaller in this pass, so that another one may find more. */
  changed: boolean;
}

/** What to try next, and where to go on if it is taken. */
export interface Move<Item> {
  list: readonly Item[];
  next: Position;
}

export const largestBlock = 64;

export function startOf(list: readonly unknown[]): Position {
  const size = Math.min(largestBlock, 2 ** Math.floor(Math.log2(Math.max(1, list.length))));
  return { size, at: list.length - size, changed: false };
}

/**
 * Lists with fewer items, then with smaller ones, in the order in which they should be tried; what comes late decides least, so
 * it goes first. When one of them is taken, go on with `moves` of that list from its `next`.
 * Without `smaller` items are only left out.
 */
export function* moves<Item>(
  list: readonly Item[],
  from: Position,
  smaller: (item: Item) => readonly Item[] = () => [],
): Generator<Move<Item>> {
  for (let { size, at } = from; size >= 1; ) {
    if (at < 0) {
      size = Math.floor(size / 2);
      at = list.length - size;
      if (size >= 1) continue;
      break;
    }
    const next = { size, at: at - size, changed: true };
    yield { list: [...list.slice(0, at), ...list.slice(at + size)], next };
    at -= size;
  }
  for (let at = from.size === 0 ? from.at : list.length - 1; at >= 0; at -= 1) {
    for (const item of smaller(list[at] as Item)) {
      yield { list: list.with(at, item), next: { size: 0, at: at - 1, changed: true } };
    }
  }
  if (from.changed) yield* moves(list, startOf(list), smaller);
}

/** Numbers from 0 up that are smaller, the smallest first. */
export function smallerNumbers(value: number): number[] {
  return [...new Set([0, 1, value >> 1, value - 1])].filter((smaller) => smaller >= 0 && smaller < value);
}
