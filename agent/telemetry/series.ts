/** Distinct attribute sets that one metric may have; what comes later is counted under `other`. */
export const MAX_SERIES = 500;
/** A series that was not used for this many flushes is forgotten, so that a burst of odd routes does not fill the table for good. */
const MAX_UNUSED_FLUSHES = 60;

export type AttributeValue = string | number | boolean | undefined;
type Keys = readonly [AttributeValue, AttributeValue, AttributeValue, AttributeValue];

interface Entry<T> {
  keys: Keys;
  value: T;
  unusedFlushes: number;
}

type Level = Map<AttributeValue, any>;

/** A table of values by up to four attributes. Looking one up hashes the attributes as they are: no joined key is made. */
export class SeriesTable<T> {
  readonly #root: Level = new Map();
  readonly #make: () => T;
  #size = 0;

  constructor(make: () => T) {
    this.#make = make;
  }

  at(a: AttributeValue, b?: AttributeValue, c?: AttributeValue, d?: AttributeValue): T {
    const found = this.#root.get(a)?.get(b)?.get(c)?.get(d) as Entry<T> | undefined;
    if (found !== undefined) return found.value;
    // `shadow` (the first attribute) stays: the two kinds of traffic must never be mixed, not even in the overflow.
    if (this.#size >= MAX_SERIES && b !== 'other') return this.at(a, 'other');
    const entry: Entry<T> = { keys: [a, b, c, d], value: this.#make(), unusedFlushes: 0 };
    const level = child(child(child(this.#root, a), b), c);
    level.set(d, entry);
    this.#size++;
    return entry.value;
  }

  /** Visits every entry; `visit` says whether it was used since the last time. */
  flush(visit: (keys: Keys, value: T) => boolean): void {
    const unused: Keys[] = [];
    for (const second of this.#root.values()) {
      for (const third of second.values()) {
        for (const fourth of third.values()) {
          for (const entry of fourth.values() as Iterable<Entry<T>>) {
            if (visit(entry.keys, entry.value)) entry.unusedFlushes = 0;
            else if (++entry.unusedFlushes >= MAX_UNUSED_FLUSHES) unused.push(entry.keys);
          }
        }
      }
    }
    for (const keys of unused) this.#remove(keys);
  }

  #remove([a, b, c, d]: Keys): void {
    const second: Level = this.#root.get(a);
    const third: Level = second.get(b);
    const fourth: Level = third.get(c);
    fourth.delete(d);
    if (fourth.size === 0) third.delete(c);
    if (third.size === 0) second.delete(b);
    if (second.size === 0) this.#root.delete(a);
    this.#size--;
  }
}

function child(level: Level, key: AttributeValue): Level {
  let next: Level | undefined = level.get(key);
  if (next === undefined) {
    next = new Map();
    level.set(key, next);
  }
  return next;
}
