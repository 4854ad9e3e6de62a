import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { campaign, replay } from './campaign.js';
import { Choices } from './choices.js';
import type { BatchResult, Dialect, Difference } from './dialect.js';
import { made } from './made.js';
import { moves, smallerNumbers, startOf } from './moves.js';

describe('choices', () => {
  it('replay what was decided, and decide the simplest past the end', () => {
    const draw = (choices: Choices) => [
      choices.below(7),
      choices.pick(['a', 'b', 'c']),
      choices.chance(50),
      choices.list(1, 9, () => choices.between(3, 5)),
      choices.some([1, 2, 3]),
    ];
    const drawn = made((choices) => ({ value: draw(choices), record: choices.taken }));
    fc.assert(fc.property(drawn, ({ value, record }) => expect(draw(Choices.replayed(record))).toEqual(value)));
    expect(fc.sample(drawn, { seed: 42, numRuns: 5 })).toEqual(fc.sample(drawn, { seed: 42, numRuns: 5 }));
    expect(draw(Choices.replayed([]))).toEqual([0, 'a', false, [3], [1]]);
  });

  it('draw by weight', () => {
    const items = [
      [3, 'a'],
      [1, 'b'],
    ] as const;
    const counts = { a: 0, b: 0 };
    for (const item of fc.sample(
      made((choices) => choices.weighted(items)),
      { seed: 1, numRuns: 4000 },
    )) {
      counts[item] += 1;
    }
    expect(counts.a / counts.b).toBeGreaterThan(2.5);
    expect(counts.a / counts.b).toBeLessThan(3.5);
  });
});

describe('shrinking what is made from choices', () => {
  const numbers = made((choices) => choices.list(0, 200, () => choices.below(1000)));

  it('finds the smallest that still fails', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const smallest = fc.check(
        fc.property(numbers, (list) => list.every((value) => value < 100)),
        { seed },
      );
      expect(smallest.counterexample).toEqual([[100]]);
    }
  });

  it('keeps what is needed together', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const both = fc.check(
        fc.property(numbers, (list) => list.filter((value) => value > 500).length < 2),
        { seed },
      );
      expect(both.counterexample).toEqual([[501, 501]]);
    }
  });
});

describe('moves', () => {
  it('never make a list longer or a number greater, and come to an end', () => {
    const list = fc.array(fc.nat(300), { maxLength: 150 });
    fc.assert(
      fc.property(list, fc.infiniteStream(fc.boolean()), (start, taken) => {
        let best: readonly number[] = start;
        let sum = Number.MAX_SAFE_INTEGER;
        let left = moves(best, startOf(best), smallerNumbers);
        for (let move = left.next(); !move.done; move = left.next()) {
          const { list: smaller, next } = move.value;
          const total = smaller.reduce((before, value) => before + value + 1, 0);
          expect(total).toBeLessThan(best.reduce((before, value) => before + value + 1, 0));
          if (!taken.next().value) continue;
          expect(total).toBeLessThan(sum);
          sum = total;
          best = smaller;
          left = moves(best, next, smallerNumbers);
        }
      }),
    );
    expect([...moves([], startOf([]), smallerNumbers)]).toEqual([]);
  });
});

/** Worlds are limits, steps are numbers; a step at or above the limit differs, and one of 7 is refused. */
class Numbers implements Dialect<{ limit: number }, number> {
  readonly name = 'mysql';
  open_ = 0;
  makeWorld = (choices: Choices) => ({ limit: choices.between(50, 90) });
  makeStep = (choices: Choices) => choices.below(100);
  describe = String;
  async end() {}
  async open({ limit }: { limit: number }) {
    this.open_ += 1;
    return {
      run: async (steps: readonly number[]): Promise<BatchResult> => {
        const result = { ran: 0, failed: 0, excused: 0, refused: {} as Record<string, number> };
        for (const [at, step] of steps.entries()) {
          const difference: Difference = { kind: 'rows', at, detail: `${step} >= ${limit}` };
          if (step >= limit) return { ...result, difference };
          if (step === 7) result.refused.SEVEN = (result.refused.SEVEN ?? 0) + 1;
          else result.ran += 1;
        }
        return result;
      },
      close: async () => {
        this.open_ -= 1;
      },
    };
  }
}

describe('a campaign', () => {
  it('finds a case, makes schema and statement small, and closes what it opened', async () => {
    const dialect = new Numbers();
    const { findings } = await campaign(dialect, { statements: 1000, seed: 3 });
    expect(findings).toHaveLength(1);
    expect(findings[0]).toMatchObject({ world: { limit: 50 }, steps: [50], difference: { kind: 'rows', at: 0 } });
    expect(dialect.open_).toBe(0);
    expect(await replay(dialect, findings[0] as never)).toMatchObject({ kind: 'rows' });
    expect(await replay(dialect, { world: { limit: 60 }, steps: [50] })).toBeUndefined();
    expect(dialect.open_).toBe(0);
  });

  it('counts statements and refusals, and stops at the number asked for, or when told', async () => {
    const dialect = new Numbers();
    dialect.makeStep = (choices: Choices) => choices.below(20);
    const tally = await campaign(dialect, { statements: 1234, seed: 3, batch: 100, batchesPerWorld: 3 });
    expect(tally).toMatchObject({ statements: 1234, findings: [] });
    expect(tally.ran + (tally.refused.SEVEN ?? 0)).toBe(1234);
    expect(tally.refused.SEVEN).toBeGreaterThan(20);
    const controller = new AbortController();
    const onProgress = () => controller.abort();
    const stopped = await campaign(dialect, { statements: 1234, seed: 3, signal: controller.signal, onProgress });
    expect(stopped.statements).toBe(50);
    expect(dialect.open_).toBe(0);
  });
});
