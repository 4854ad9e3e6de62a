interface Entry<Value> {
  readonly key: string;
  /** A second sample: tells most texts of one chain apart without reading them. */
  readonly check: number;
  value: Value;
  next: Entry<Value> | undefined;
}

type Generation<Value> = Map<number, Entry<Value>>;

/** Keys that share their sample are kept in one chain, so that a hostile series of texts cannot make it long. */
const longestChain = 32;

/**
 * A cache of at most `capacity` texts from which what was not used lately falls out. Entries live in two generations: a hit in
 * the old one moves the entry to the young one; when the young one holds half of the capacity it becomes the old one. So the
 * entries that were used last always stay, and a hit costs one look-up. Keys are looked up by a sample of their characters:
 * V8 would hash the whole of every new text, at more than a nanosecond for each character.
 */
export class LruCache<Value> {
  readonly capacity: number;
  private young: Generation<Value> = new Map();
  private old: Generation<Value> = new Map();
  private youngSize = 0;
  private oldSize = 0;
  /** Of the text that was looked up last: what was not found is mostly set next. */
  private lastKey = '';
  private lastSample = sampleOf('', 0);

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** At most the capacity; entries that moved to the young generation may be counted twice until the old one goes. */
  get size(): number {
    return this.youngSize + this.oldSize;
  }

  get(key: string): Value | undefined {
    const sample = sampleOf(key, 0);
    this.lastKey = key;
    this.lastSample = sample;
    const entry = find(this.young.get(sample), key);
    if (entry !== undefined) return entry.value;
    const older = find(this.old.get(sample), key);
    if (older === undefined) return undefined;
    this.add(sample, key, older.check, older.value);
    return older.value;
  }

  set(key: string, value: Value): void {
    if (this.capacity === 0) return;
    const sample = key === this.lastKey ? this.lastSample : sampleOf(key, 0);
    const entry = find(this.young.get(sample), key);
    if (entry === undefined) this.add(sample, key, sampleOf(key, 1), value);
    else entry.value = value;
  }

  private add(sample: number, key: string, check: number, value: Value): void {
    if (this.youngSize >= Math.max(1, this.capacity >> 1)) {
      this.old = this.young;
      this.oldSize = this.youngSize;
      this.young = new Map();
      this.youngSize = 0;
    }
    // a capacity of one has no room for an old generation
    if (this.capacity === 1) {
      this.old.clear();
      this.oldSize = 0;
    }
    const chain = this.young.get(sample);
    this.young.set(sample, { key, check, value, next: chain });
    this.youngSize += 1;
    let last: Entry<Value> | undefined = chain;
    for (let length = 2; last !== undefined; length += 1, last = last.next) {
      if (length < longestChain || last.next === undefined) continue;
      last.next = undefined;
      this.youngSize -= 1;
    }
  }
}

function find<Value>(chain: Entry<Value> | undefined, key: string): Entry<Value> | undefined {
  if (chain === undefined) return undefined;
  if (chain.next === undefined) return chain.key === key ? chain : undefined;
  const check = sampleOf(key, 1);
  let entry: Entry<Value> | undefined = chain;
  while (entry !== undefined && (entry.check !== check || entry.key !== key)) entry = entry.next;
  return entry;
}

/** At the end, where statements differ most, every character counts. */
const wholeLength = 32;

/** From the length, every third character (from `first` on) and all of the end. A small integer. */
function sampleOf(text: string, first: number): number {
  const { length } = text;
  let hash = length;
  let at = first;
  for (; at < length - wholeLength; at += 3) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  for (; at < length; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return (hash ^ (hash >>> 15)) & 0x3fffffff;
}
