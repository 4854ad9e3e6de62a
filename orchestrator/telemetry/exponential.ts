/** A data point of an OTLP exponential histogram. Durations are not negative, so there are no negative buckets. */
export interface ExponentialPoint {
  /** Buckets grow by 2^(2^-scale). */
  scale: number;
  count: number;
  sum: number;
  zeroCount: number;
  /** Index of the first bucket: bucket i holds values in (base^i, base^(i+1)]. */
  offset: number;
  bucketCounts: readonly number[];
  min: number | undefined;
  max: number | undefined;
}

/**
 * Exponential histograms added by counts. Histograms of different scales meet at the coarser one, where two (four, …) old buckets
 * fall exactly into one new one: nothing is interpolated, so the order of adding does not matter.
 * Source: OpenTelemetry metrics data model, "Exponential Histogram: perfect subsetting".
 */
export class ExponentialHistogram {
  #scale: number | undefined;
  #buckets = new Map<number, number>();
  #zeroCount = 0;
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  add(point: ExponentialPoint): void {
    this.#zeroCount += point.zeroCount;
    let inBuckets = 0;
    if (point.bucketCounts.length > 0) {
      const shift = this.#meet(point.scale);
      for (const [i, n] of point.bucketCounts.entries()) {
        if (n === 0) continue;
        inBuckets += n;
        // Not >>: an index may pass 32 bits at a high scale.
        const index = Math.floor((point.offset + i) / 2 ** shift);
        this.#buckets.set(index, (this.#buckets.get(index) ?? 0) + n);
      }
    }
    // The buckets are the truth that percentiles are made of; `count` may only agree with them.
    this.#count += inBuckets + point.zeroCount;
    this.#sum += point.sum;
    if (point.min !== undefined) this.#min = Math.min(this.#min, point.min);
    if (point.max !== undefined) this.#max = Math.max(this.#max, point.max);
  }

  merge(other: ExponentialHistogram): void {
    if (other.#scale !== undefined) {
      const shift = this.#meet(other.#scale);
      for (const [index, n] of other.#buckets) {
        const at = Math.floor(index / 2 ** shift);
        this.#buckets.set(at, (this.#buckets.get(at) ?? 0) + n);
      }
    }
    this.#zeroCount += other.#zeroCount;
    this.#count += other.#count;
    this.#sum += other.#sum;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /**
   * The value at a percentile (0…100, nearest rank): the middle of its bucket on the log scale, so the error is at most half a
   * bucket (1.1 % at scale 5). In the unit of the points. Null when there are no samples.
   */
  percentile(p: number): number | null {
    if (this.#count === 0) return null;
    let left = Math.max(1, Math.ceil((p / 100) * this.#count)) - this.#zeroCount;
    if (left <= 0) return 0;
    for (const index of [...this.#buckets.keys()].sort((a, b) => a - b)) {
      left -= this.#buckets.get(index)!;
      if (left > 0) continue;
      const middle = 2 ** ((index + 0.5) * 2 ** -this.#scale!);
      // The extremes are known exactly where the sender gave them.
      if (Number.isFinite(this.#max) && middle > this.#max) return this.#max;
      if (Number.isFinite(this.#min) && middle < this.#min) return this.#min;
      return middle;
    }
    return this.#max;
  }

  /** Brings this to the coarser of both scales; returns by how many powers of two the newcomer's indexes must be divided. */
  #meet(scale: number): number {
    this.#scale ??= scale;
    if (scale < this.#scale) {
      const shift = this.#scale - scale;
      const coarse = new Map<number, number>();
      for (const [index, n] of this.#buckets) {
        const at = Math.floor(index / 2 ** shift);
        coarse.set(at, (coarse.get(at) ?? 0) + n);
      }
      this.#buckets = coarse;
      this.#scale = scale;
    }
    return scale - this.#scale;
  }
}
