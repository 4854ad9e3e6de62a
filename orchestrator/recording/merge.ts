/** Sorted sources that deliver in batches; `next` gives the following batch, or undefined at the end. Batches are not empty. */
export interface SortedSource<T> {
  next(): Promise<T[] | undefined>;
}

interface Head<T> {
  source: SortedSource<T>;
  batch: T[];
  at: number;
}

/**
 * Merges sorted sources into batches of `batchSize`, with one batch of each source in memory. A binary heap of the sources' first
 * elements: log2(sources) comparisons an element.
 */
export async function* mergeSorted<T>(
  sources: SortedSource<T>[],
  compare: (a: T, b: T) => number,
  batchSize: number,
): AsyncGenerator<T[]> {
  const heap: Head<T>[] = [];
  for (const source of sources) {
    const batch = await source.next();
    if (batch !== undefined) heap.push({ source, batch, at: 0 });
  }
  const before = (a: Head<T>, b: Head<T>) => compare(a.batch[a.at]!, b.batch[b.at]!) < 0;
  for (let i = (heap.length >> 1) - 1; i >= 0; i--) siftDown(heap, i, before);

  let out: T[] = [];
  while (heap.length > 0) {
    const head = heap[0]!;
    out.push(head.batch[head.at++]!);
    if (out.length === batchSize) {
      yield out;
      out = [];
    }
    if (head.at === head.batch.length) {
      const batch = await head.source.next();
      if (batch === undefined) {
        const last = heap.pop()!;
        if (heap.length > 0) heap[0] = last;
      } else {
        head.batch = batch;
        head.at = 0;
      }
    }
    if (heap.length > 1) siftDown(heap, 0, before);
  }
  if (out.length > 0) yield out;
}

function siftDown<T>(heap: T[], from: number, before: (a: T, b: T) => boolean): void {
  const item = heap[from]!;
  let at = from;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, item)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = item;
}
