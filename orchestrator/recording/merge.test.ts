import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { mergeSorted } from './merge.js';

describe('mergeSorted', () => {
  it('is the sorted whole, in batches of the size asked for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer(), { maxLength: 40 }), { maxLength: 9 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 7 }),
        async (lists, sourceBatch, batchSize) => {
          const byValue = (a: number, b: number) => a - b;
          const sources = lists.map((list) => {
            const sorted = [...list].sort(byValue);
            let at = 0;
            return {
              next: async () => {
                const batch = sorted.slice(at, at + sourceBatch);
                at += sourceBatch;
                return batch.length === 0 ? undefined : batch;
              },
            };
          });
          const batches: number[][] = [];
          for await (const batch of mergeSorted(sources, byValue, batchSize)) batches.push(batch);
          expect(batches.flat()).toEqual(lists.flat().sort(byValue));
          expect(batches.slice(0, -1).every((batch) => batch.length === batchSize)).toBe(true);
          expect(batches.every((batch) => batch.length > 0)).toBe(true);
        },
      ),
    );
  });
});
