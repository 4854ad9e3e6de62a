import { describe, expect, it } from '@jest/globals';
import { campaign, replay } from './campaign.js';
import { Choices } from './choices.js';
import type { BatchResult, Dialect, Difference } from './dialect.js';
import { shrinkList, shrinkRecord } from './shrink.js';

const budget = () => ({ tries: 10_000, untilMs: Date.now() + 10_000 });

describe('choices', () => {
  it('replays what a seed decided, and decides the simplest past the end', () => {
    const draw = (choices: Choices) => [
      choices.below(7),
      choices.pick(['a', 'b', 'c']),
      choices.chance(50),
      choices.list(1, 9, () => choices.between(3, 5)),
      choices.some([1, 2, 3]),
    ];
    const seeded = Choices.seeded(42);
    const drawn = draw(seeded);
    expect(draw(Choices.replayed(seeded.taken))).toEqual(drawn);
    expect(draw(Choices.seeded(42))).toEqual(drawn);
    expect(draw(Choices.replayed([]))).toEqual([0, 'a', false, [3], [1]]);
  });

  it('draws by weight', () => {
    const choices = Choices.seeded(1);
    const counts = { a: 0, b: 0 };
    for (let index = 0; index < 4000; index += 1) {
      const item = choices.weighted([
        [3, 'a'],
        [1, 'b'],
      ] as const);
      counts[item] += 1;
    }
    expect(counts.a / counts.b).toBeGreaterThan(2.5);
    expect(counts.a / counts.b).toBeLessThan(3.5);
  });
});

describe('shrinking', () => {
  it('finds the smallest record that still fails', async () => {
    const record = Array.from({ length: 200 }, (_, index) => index * 3);
    const fails = async (candidate: readonly number[]) => candidate.some((value) => value >= 100);
    expect(await shrinkRecord(record, fails, budget())).toEqual([100]);
  });

  it('keeps what is needed together, and stops when the budget is spent', async () => {
    const items = Array.from({ length: 50 }, (_, index) => index);
    const fails = async (candidate: readonly number[]) => candidate.includes(7) && candidate.includes(41);
    expect(await shrinkList(items, fails, budget())).toEqual([7, 41]);
    expect((await shrinkList(items, fails, { ...budget(), tries: 1 })).length).toBeGreaterThan(2);
    expect(await shrinkRecord([5, 6], async () => true, { tries: 0, untilMs: Number.MAX_SAFE_INTEGER })).toEqual([
      5, 6,
    ]);
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
