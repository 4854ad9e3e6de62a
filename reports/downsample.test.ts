import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { downsample, type Point } from './downsample.js';

const series = fc
  .array(fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true })), { minLength: 0, maxLength: 400 })
  .map((values): Point[] => values.map((y, x) => ({ x, y })));

describe('downsample', () => {
  it('keeps order, ends and extremes within the limit', () => {
    fc.assert(
      fc.property(series, fc.integer({ min: 4, max: 120 }), (points, max) => {
        const kept = downsample(points, max);
        expect(kept.length).toBeLessThanOrEqual(max);
        for (let i = 1; i < kept.length; i++) expect(kept[i]!.x).toBeGreaterThan(kept[i - 1]!.x);
        expect(kept[0]).toEqual(points[0]);
        expect(kept.at(-1)).toEqual(points.at(-1));
        const values = (of: Point[]) => of.flatMap(({ y }) => (y === null ? [] : [y]));
        if (values(points).length > 0) {
          expect(Math.max(...values(kept))).toBe(Math.max(...values(points)));
          expect(Math.min(...values(kept))).toBe(Math.min(...values(points)));
        }
      }),
    );
  });

  it('leaves a gap where a whole bucket has no value', () => {
    const points = Array.from({ length: 100 }, (_, x) => ({ x, y: x > 30 && x < 70 ? null : x }));
    expect(downsample(points, 20).some(({ y }) => y === null)).toBe(true);
  });

  it('keeps one slow second of a day', () => {
    const day = Array.from({ length: 86_400 }, (_, x) => ({ x, y: x === 54_321 ? 9999 : 1 }));
    expect(downsample(day)).toContainEqual({ x: 54_321, y: 9999 });
  });
});
