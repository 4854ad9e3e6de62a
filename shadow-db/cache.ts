interface Entry<Value> {
  readonly key: string;
  /** From the other characters: tells texts of one chain apart without reading them. */
  readonly check: number;
  value: Value;
  readonly next: Entry<Value> | undefined;
  /** Of the chain from here on. */
  readonly length: number;
}

type Generation<Value> = Map<number, Entry<Value>>;

/** Keys that share their sample are kept in one chain; one that is full is dropped, so that no series of texts makes it long. */
const longestChain = 64;
const offerBits = 11;
/** Places for the entries that were found last; a power of two. */
const recentCount = 1024;

/**
 * A cache of at most `capacity` texts from which what was not used lately falls out. Entries live in two generations: a hit in
 * the old one moves the entry to the young one; when the young one holds half of the capacity it becomes the old one. So the
 * entries that were used last always stay, and a hit costs one look-up. Keys are looked up by a sample of their characters:
 * V8 would hash the whole of every new text, at more than a nanosecond for each character. Before that comes one look at the
 * place that a few characters point to: there lies what was found last, mostly.
 */
export class LruCache<Value> {
  readonly capacity: number;
  private young: Generation<Value> = new Map();
  private old: Generation<Value> = new Map();
  private youngSize = 0;
  private oldSize = 0;
  /** Entries of the young generation only, so that a hit here never keeps one from staying. */
  private readonly recent: (Entry<Value> | undefined)[] = new Array(recentCount).fill(undefined);
  /** Of the text that was looked up last: what was not found is mostly set next. */
  private lastKey = '';
  private lastSample = sampleOf('');
  /** Samples of texts that were offered once. */
  private readonly offered = new Int32Array(2 << offerBits);

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** At most the capacity; entries that moved to the young generation may be counted twice until the old one goes. */
  get size(): number {
    return this.youngSize + this.oldSize;
  }

  get(key: string): Value | undefined {
    const place = placeOf(key);
    const recent = this.recent[place];
    if (recent !== undefined && recent.key === key) return recent.value;
    const sample = sampleOf(key);
    this.lastKey = key;
    this.lastSample = sample;
    const entry = find(this.young.get(sample), key);
    if (entry !== undefined) {
      this.recent[place] = entry;
      return entry.value;
    }
    const older = find(this.old.get(sample), key);
    if (older === undefined) return undefined;
    this.add(sample, key, older.check, older.value);
    return older.value;
  }

  set(key: string, value: Value): void {
    this.put(key, value, true);
  }

  /**
   * Keeps the text when it is offered a second time. A text that comes once, such as one with an id in it, would only push others
   * out, and cost more to keep than to read again. (A few are kept the first time, since their numbers are those of another.)
   */
  offer(key: string, value: Value): void {
    this.put(key, value, false);
  }

  private put(key: string, value: Value, atOnce: boolean): void {
    if (this.capacity === 0) return;
    const sample = key === this.lastKey ? this.lastSample : sampleOf(key);
    const check = checkOf(key);
    if (!atOnce) {
      const both = mixed(sample ^ Math.imul(check, 0x9e3779b1)) | 1;
      const slot = (both >>> (32 - offerBits)) * 2;
      const { offered } = this;
      if (offered[slot] !== both && offered[slot + 1] !== both) {
        // two places, so that two texts that take turns do not push each other out
        offered[slot + 1] = offered[slot]!;
        offered[slot] = both;
        return;
      }
    }
    const entry = find(this.young.get(sample), key);
    if (entry === undefined) {
      this.add(sample, key, check, value);
    } else {
      entry.value = value;
      this.recent[placeOf(key)] = entry;
    }
  }

  private add(sample: number, key: string, check: number, value: Value): void {
    if (this.youngSize >= Math.max(1, this.capacity >> 1)) {
      this.old = this.young;
      this.oldSize = this.youngSize;
      this.young = new Map();
      this.youngSize = 0;
      this.recent.fill(undefined);
    }
    // a capacity of one has no room for an old generation
    if (this.capacity === 1) {
      this.old.clear();
      this.oldSize = 0;
    }
    const chain = this.young.get(sample);
    const length = chain === undefined ? 0 : chain.length;
    const next = length < longestChain ? chain : undefined;
    const entry: Entry<Value> = { key, check, value, next, length: next === undefined ? 1 : length + 1 };
    this.young.set(sample, entry);
    this.recent[placeOf(key)] = entry;
    this.youngSize += next === chain ? 1 : 1 - length;
  }
}

function find<Value>(chain: Entry<Value> | undefined, key: string): Entry<Value> | undefined {
  if (chain === undefined) return undefined;
  if (chain.next === undefined) return chain.key === key ? chain : undefined;
  const check = checkOf(key);
  let entry: Entry<Value> | undefined = chain;
  while (entry !== undefined && (entry.check !== check || entry.key !== key)) entry = entry.next;
  return entry;
}

/** From the length and at most eight characters. */
function placeOf(text: string): number {
  const { length } = text;
  const step = (length >> 3) + 1;
  let hash = length;
  for (let at = length - 1; at >= 0; at -= step) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return (hash ^ (hash >>> 10) ^ (hash >>> 20)) & (recentCount - 1);
}

/** At the end, where statements differ most, every character counts. */
const wholeLength = 32;

/** From the length, every third character and all of the end. A small integer. */
function sampleOf(text: string): number {
  const { length } = text;
  let hash = length;
  let at = 0;
  for (; at < length - wholeLength; at += 3) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  for (; at < length; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
  return mixed(hash) & 0x3fffffff;
}

/** Spreads what differs in few bits over all of them (the end of murmur3). */
function mixed(hash: number): number {
  let all = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  all = Math.imul(all ^ (all >>> 13), 0xc2b2ae35);
  return all ^ (all >>> 16);
}

/** From the characters that the sample leaves out. */
function checkOf(text: string): number {
  const { length } = text;
  let hash = length;
  for (let at = 1; at < length - 1; at += 3) {
    hash = (Math.imul(hash, 961) + text.charCodeAt(at) * 31 + text.charCodeAt(at + 1)) | 0;
  }
  return mixed(hash) & 0x3fffffff;
}
