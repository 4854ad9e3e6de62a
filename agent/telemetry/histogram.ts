/**
 * An exponential histogram of OpenTelemetry's data model at scale 5: bucket i holds (base^i, base^(i+1)] with base = 2^(1/32), so that
 * a percentile is off by 1.1 % at most (https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram). It takes 1 µs to
 * 2,048 s; what is outside goes to the outermost bucket. Recording allocates nothing.
 */
export const SCALE = 5;
const PER_DOUBLING = 1 << SCALE;
const FIRST_INDEX = -20 * PER_DOUBLING;
const LAST_INDEX = 11 * PER_DOUBLING - 1;

export interface HistogramPoint {
  count: number;
  /** Seconds. */
  sum: number;
  min: number;
  max: number;
  zeroCount: number;
  /** Index of the first bucket in `buckets`. */
  offset: number;
  buckets: number[];
}

export class ExponentialHistogram {
  readonly #buckets = new Uint32Array(LAST_INDEX - FIRST_INDEX + 1);
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;
  #zeroCount = 0;
  #low = LAST_INDEX;
  #high = FIRST_INDEX;

  /** @param durationUs microseconds; what is not a positive number counts as zero */
  record(durationUs: number): void {
    this.#count++;
    if (!(durationUs > 0)) {
      this.#zeroCount++;
      this.#min = 0;
      return;
    }
    const seconds = durationUs / 1e6;
    this.#sum += seconds;
    if (seconds < this.#min) this.#min = seconds;
    if (seconds > this.#max) this.#max = seconds;
    const index = Math.min(LAST_INDEX, Math.max(FIRST_INDEX, Math.ceil(Math.log2(seconds) * PER_DOUBLING) - 1));
    this.#buckets[index - FIRST_INDEX]!++;
    if (index < this.#low) this.#low = index;
    if (index > this.#high) this.#high = index;
  }

  get count(): number {
    return this.#count;
  }

  /** What was recorded since the last call. */
  take(): HistogramPoint {
    const empty = this.#high < this.#low;
    const from = this.#low - FIRST_INDEX;
    const to = this.#high - FIRST_INDEX + 1;
    const point: HistogramPoint = {
      count: this.#count,
      sum: this.#sum,
      min: this.#count === 0 ? 0 : this.#min,
      max: this.#max,
      zeroCount: this.#zeroCount,
      offset: empty ? 0 : this.#low,
      buckets: empty ? [] : Array.from(this.#buckets.subarray(from, to)),
    };
    if (!empty) this.#buckets.fill(0, from, to);
    this.#count = this.#sum = this.#max = this.#zeroCount = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#low = LAST_INDEX;
    this.#high = FIRST_INDEX;
    return point;
  }
}
