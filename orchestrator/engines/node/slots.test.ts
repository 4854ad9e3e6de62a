import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignShards } from './assign.js';
import { slotOf, slotsFor } from './slots.js';

const weights = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 8 });

describe('slots', () => {
  it('give every number to exactly one worker', () => {
    fc.assert(
      fc.property(weights, (list) => {
        const slots = slotsFor(list);
        const cycle = slots[0]!.cycle;
        const taken = slots.flatMap((own) =>
          Array.from({ length: own.positions.length * 2 }, (_, k) => slotOf(own, k)),
        );
        expect(taken.sort((a, b) => a - b)).toEqual(Array.from({ length: cycle * 2 }, (_, n) => n));
      }),
      { numRuns: 50 },
    );
  });

  it('ascend for each worker, so that its requests keep their order', () => {
    fc.assert(
      fc.property(weights, (list) => {
        for (const own of slotsFor(list)) {
          for (let k = 1; k < 50; k++) expect(slotOf(own, k)).toBeGreaterThan(slotOf(own, k - 1));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('follow the weights', () => {
    const [most, least] = slotsFor([300, 100]);
    expect(most!.positions.length / least!.positions.length).toBeCloseTo(3, 5);
    expect(slotsFor([7, 7])).toEqual([
      { cycle: 2, positions: [0] },
      { cycle: 2, positions: [1] },
    ]);
  });
});

describe('shards', () => {
  it('go to workers once each, even in load, empty ones to none', () => {
    const assigned = assignShards([10, 0, 40, 20, 30, 0, 20], 2);
    expect(assigned.flatMap(({ shards }) => shards).sort()).toEqual([0, 2, 3, 4, 6]);
    const records = assigned.map(({ shards }) =>
      shards.reduce((sum, shard) => sum + [10, 0, 40, 20, 30, 0, 20][shard]!, 0),
    );
    expect(records).toEqual([60, 60]);
  });
});
