/**
 * A cache of at most `capacity` entries from which what was not used lately falls out. Entries live in two generations: a hit in
 * the old one moves the entry to the young one; when the young one holds half of the capacity it becomes the old one. So the
 * entries that were used last always stay, and a hit costs one look-up.
 */
export class LruCache<Value> {
  readonly capacity: number;
  private young = new Map<string, Value>();
  private old = new Map<string, Value>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.young.size + this.old.size;
  }

  get(key: string): Value | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older === undefined) return undefined;
    this.old.delete(key);
    this.set(key, older);
    return older;
  }

  set(key: string, value: Value): void {
    if (this.capacity === 0) return;
    this.old.delete(key);
    if (!this.young.has(key) && this.young.size >= Math.ceil(this.capacity / 2)) {
      this.old = this.young;
      this.young = new Map();
    }
    // an odd capacity: the generations must not hold more than it together
    if (this.size >= this.capacity && !this.young.has(key)) this.old.clear();
    this.young.set(key, value);
  }
}
