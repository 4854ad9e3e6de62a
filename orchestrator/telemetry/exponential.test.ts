import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ExponentialHistogram, type ExponentialPoint } from './exponential.js';

/** What an agent would send for these values. */
function pointOf(values: number[], scale: number): ExponentialPoint {
  const indexes = values.filter((value) => value > 0).map((value) => Math.ceil(Math.log2(value) * 2 ** scale) - 1);
  const offset = Math.min(0, ...indexes);
  const bucketCounts: number[] = new Array(indexes.length === 0 ? 0 : Math.max(...indexes) - offset + 1).fill(0);
  for (const index of indexes) bucketCounts[index - offset]!++;
  return {
    scale,
    count: values.length,
    sum: values.reduce((a, b) => a + b, 0),
    zeroCount: values.filter((value) => value === 0).length,
    offset,
    bucketCounts,
    min: values.length === 0 ? undefined : Math.min(...values),
    max: values.length === 0 ? undefined : Math.max(...values),
  };
}

const durations = fc.array(fc.oneof(fc.double({ min: 1e-6, max: 100, noNaN: true }), fc.constant(0)), {
  minLength: 1,
  maxLength: 200,
});

function exact(values: number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil((p / 100) * sorted.length)) - 1]!;
}

describe('ExponentialHistogram', () => {
  it('gives percentiles within half a bucket of the exact ones', () => {
    fc.assert(
      fc.property(durations, fc.double({ min: 0.1, max: 100, noNaN: true }), (values, p) => {
        const histogram = new ExponentialHistogram();
        histogram.add(pointOf(values, 5));
        const truth = exact(values, p);
        expect(Math.abs(histogram.percentile(p)! - truth)).toBeLessThanOrEqual(truth * 0.0111);
      }),
    );
  });

  it('adds by counts: whatever way values are spread over points and senders, the percentiles are the same', () => {
    fc.assert(
      fc.property(durations, fc.infiniteStream(fc.nat(2)), (values, lots) => {
        const whole = new ExponentialHistogram();
        whole.add(pointOf(values, 5));
        const parts: number[][] = [[], [], []];
        for (const value of values) parts[lots.next().value!]!.push(value);
        const merged = new ExponentialHistogram();
        for (const part of parts) {
          const one = new ExponentialHistogram();
          one.add(pointOf(part, 5));
          merged.merge(one);
        }
        for (const p of [1, 50, 90, 99, 100]) expect(merged.percentile(p)).toBe(whole.percentile(p));
        expect(merged.count).toBe(values.length);
      }),
    );
  });

  it('meets at the coarser scale, in whatever order histograms of different scales come', () => {
    fc.assert(
      fc.property(
        durations,
        durations,
        fc.integer({ min: -2, max: 8 }),
        fc.integer({ min: -2, max: 8 }),
        (a, b, s, t) => {
          const one = new ExponentialHistogram();
          one.add(pointOf(a, s));
          one.add(pointOf(b, t));
          const other = new ExponentialHistogram();
          other.add(pointOf(b, t));
          other.add(pointOf(a, s));
          const direct = new ExponentialHistogram();
          direct.add(pointOf([...a, ...b], Math.min(s, t)));
          for (const p of [10, 50, 99]) {
            expect(one.percentile(p)).toBe(other.percentile(p));
            // A point without buckets (only zeros) makes nothing coarser.
            if (a.some((value) => value > 0) && b.some((value) => value > 0)) {
              expect(one.percentile(p)).toBe(direct.percentile(p));
            }
          }
        },
      ),
    );
  });

  it('has no percentile without samples, and 0 for zeros', () => {
    const histogram = new ExponentialHistogram();
    expect(histogram.percentile(99)).toBeNull();
    histogram.add(pointOf([0, 0, 0], 5));
    expect(histogram.percentile(99)).toBe(0);
    expect(histogram.count).toBe(3);
  });
});
