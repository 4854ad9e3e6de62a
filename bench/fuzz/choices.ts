import type fc from 'fast-check';

/**
 * The source of all decisions of a generator: a stream of small numbers that is recorded as it is drawn. A generator that
 * draws from here can be replayed from the record, and shrunk by making the record shorter and its numbers smaller, whatever it makes.
 * In every draw 0 must be the simplest decision.
 */
export class Choices {
  /** What was drawn so far. */
  readonly taken: number[] = [];
  private readonly next: (limit: number) => number;

  private constructor(next: (limit: number) => number) {
    this.next = next;
  }

  /** Decides as fast-check's source of random numbers does. */
  static drawn(random: fc.Random): Choices {
    return new Choices((limit) => random.nextInt(0, limit - 1));
  }

  /** Decides as the record says; past its end every decision is the simplest. */
  static replayed(record: readonly number[]): Choices {
    let at = 0;
    return new Choices((limit) => {
      const value = record[at] ?? 0;
      at += 1;
      return Math.min(value, limit - 1);
    });
  }

  /** A whole number from 0 to limit - 1. */
  below(limit: number): number {
    const value = limit <= 1 ? 0 : this.next(limit);
    if (limit > 1) this.taken.push(value);
    return value;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** One of the items; the first is the simplest. Throws RangeError for an empty list. */
  pick<Item>(items: readonly Item[]): Item {
    if (items.length === 0) throw new RangeError('nothing to pick from');
    return items[this.below(items.length)] as Item;
  }

  /** True in `percent` of 100 draws; false is the simplest. */
  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent;
  }

  /** One of the items, each as often as its weight says; the first is the simplest. */
  weighted<Item>(items: readonly (readonly [weight: number, item: Item])[]): Item {
    let rest = this.below(items.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, item] of items) {
      if (rest < weight) return item;
      rest -= weight;
    }
    throw new RangeError('nothing to pick from');
  }

  /** `least` to `most` items. */
  list<Item>(least: number, most: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: this.between(least, most) }, (_, index) => make(index));
  }

  /** Some of the items, in their order; at least one. */
  some<Item>(items: readonly Item[]): Item[] {
    const chosen = items.filter(() => this.chance(50));
    return chosen.length > 0 ? chosen : [this.pick(items)];
  }
}
