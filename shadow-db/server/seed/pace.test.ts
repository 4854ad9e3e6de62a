import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Pace, restMs } from './pace.js';

/** Chunks against a table whose rows cost so much each; gives the milliseconds and bytes of the later ones. */
function settled(pace: Pace, usPerRow: number, bytesPerRow: number): { ms: number; bytes: number; rows: number }[] {
  return Array.from({ length: 60 }, () => {
    const { rows } = pace;
    const chunk = { rows, ms: (rows * usPerRow) / 1000, bytes: rows * bytesPerRow };
    pace.done(rows, chunk.ms, chunk.bytes);
    return chunk;
  }).slice(30);
}

describe('pace', () => {
  it('keeps chunks within their time, bytes and rows, at whatever cost of a row', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100_000 }),
        fc.integer({ min: 1, max: 1_000_000 }),
        (usPerRow, bytesPerRow) => {
          const pace = new Pace({ maxChunkMs: 200, maxChunkBytes: 2_000_000, maxChunkRows: 20_000 });
          for (const { rows, ms, bytes } of settled(pace, usPerRow, bytesPerRow)) {
            expect(rows).toBeGreaterThanOrEqual(1);
            expect(rows).toBeLessThanOrEqual(20_000);
            if (rows > 1) {
              expect(ms).toBeLessThanOrEqual(200 + usPerRow / 1000);
              expect(bytes).toBeLessThanOrEqual(2_000_000 + bytesPerRow);
            }
          }
        },
      ),
    );
  });

  it('uses what it may', () => {
    const last = settled(new Pace({ maxChunkMs: 200 }), 50, 10).at(-1)!;
    expect(last.ms).toBeGreaterThan(150);
  });

  it.each([
    [1000, 500, undefined, 0],
    [1000, 500, 1000, 500],
    [1000, 1500, 1000, 0],
  ])('after %s rows in %s ms at %s rows/s it rests %s ms', (rows, elapsedMs, rate, expected) => {
    expect(restMs(rows, elapsedMs, rate)).toBe(expected);
  });
});
