import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseGuardrail } from '../scenario/index.js';
import { samplesNeeded } from './block.js';
import { BLIND, GuardrailWatch, type Trip, type UserTally } from './guardrail.js';

/** Real requests by their latencies in ms; negative ones failed. The clock is the index of the second. */
class Users implements UserTally {
  readonly values: readonly number[];
  constructor(values: readonly number[]) {
    this.values = values;
  }
  get count(): number {
    return this.values.length;
  }
  get errors(): number {
    return this.values.filter((value) => value < 0).length;
  }
  percentileUs(percentile: number): number | null {
    const sorted = this.values.map(Math.abs).sort((a, b) => a - b);
    return sorted.length === 0 ? null : sorted[Math.max(1, Math.ceil((percentile / 100) * sorted.length)) - 1]! * 1000;
  }
}
const combine = (parts: readonly Users[]): Users => new Users(parts.flatMap((part) => part.values));
const users = (count: number, ms: number): Users => new Users(Array(count).fill(ms));

function watchOf(
  lines: string[],
  baseline: Users | undefined = users(1000, 10),
  blindAfterS?: number,
): GuardrailWatch<Users> {
  return new GuardrailWatch(lines.map(parseGuardrail), {
    baseline,
    combine,
    ...(blindAfterS !== undefined && { blindAfterS }),
  });
}

/** Feeds seconds until the trip. */
function play(
  watch: GuardrailWatch<Users>,
  seconds: readonly (Users | undefined)[],
  latenessUs: (tS: number) => number | null = () => 100,
): Trip | undefined {
  let trip: Trip | undefined;
  seconds.forEach((real, tS) => {
    const tripped = watch.feed({ tS, stepIndex: Math.floor(tS / 10), real, latenessUs: () => latenessUs(tS) });
    if (tripped !== undefined) {
      expect(trip).toBeUndefined();
      trip = tripped;
    }
  });
  return trip;
}
const times = (n: number, one: Users | undefined): (Users | undefined)[] => Array(n).fill(one);

describe('latency of real users', () => {
  const line = 'real p99 < 1.2x baseline for 10s';

  it('trips when the breach has lasted', () => {
    const watch = watchOf([line]);
    const trip = play(watch, [...times(5, users(200, 10)), ...times(20, users(200, 13))]);
    expect(trip).toMatchObject({ source: line, atS: 14 });
    expect(trip?.reason).toBe(
      "p99 of real users' latency is 13.0 ms, the limit is 12.0 ms (baseline 10.0 ms), for 10 s",
    );
    expect(watch.results(340)[0]).toEqual({
      source: line,
      baseline: 10_000,
      worst: 13_000,
      limit: 12_000,
      unit: 'us',
      tripped: true,
      trippedAtS: 14,
      stopTookMs: 340,
    });
  });

  it('does not trip when one second in between was fine', () => {
    expect(
      play(watchOf([line]), [...times(9, users(200, 13)), users(200, 10), ...times(9, users(200, 13))]),
    ).toBeUndefined();
  });

  it('holds at the limit itself: what must hold is "less"', () => {
    expect(play(watchOf(['real p99 < 12ms']), times(1, users(200, 12)))?.atS).toBe(0);
    expect(play(watchOf(['real p99 < 12ms']), times(5, users(200, 11.99)))).toBeUndefined();
  });

  it('finds a chain that has become slow in its first seconds, with few users too', () => {
    expect(play(watchOf(['real p99 < 20ms for 2s']), times(20, users(5, 500)))?.atS).toBe(1);
  });

  it('does not take one slow request among few for a breach', () => {
    const seconds = times(60, users(5, 10)).map((second, tS) => (tS === 7 ? new Users([10, 10, 900, 10, 10]) : second));
    expect(play(watchOf(['real p99 < 20ms for 5s']), seconds)).toBeUndefined();
  });

  it('says which seconds had too few requests', () => {
    const watch = watchOf([line]);
    expect(play(watch, times(20, users(1, 10)))).toBeUndefined();
    expect(watch.notes()).toEqual([`"${line}": 20 s had too few real requests to be judged (0 s were judged)`]);
  });

  it('is not judged without a baseline, and says so', () => {
    for (const baseline of [undefined, users(3, 10)]) {
      const watch = new GuardrailWatch([parseGuardrail(line)], { baseline, combine });
      expect(play(watch, times(30, users(200, 9999)))).toBeUndefined();
      expect(watch.notes()[0]).toMatch(
        /is not judged: (no baseline was measured|the baseline has 3 real requests, fewer than 20)/,
      );
      expect(watch.results(null)[0]).toMatchObject({ baseline: null, limit: null, tripped: false });
    }
  });

  it('needs no baseline for an absolute limit', () => {
    const watch = new GuardrailWatch([parseGuardrail('real p99 < 300ms')], { baseline: undefined, combine });
    expect(play(watch, times(1, users(200, 301)))?.atS).toBe(0);
  });
});

describe('errors of real users', () => {
  const line = 'real errors < baseline + 0.1% for 5s';
  const failing = (count: number, failed: number): Users =>
    new Users([...Array(count - failed).fill(10), ...Array(failed).fill(-10)]);

  it('trips when they fail', () => {
    expect(play(watchOf([line]), times(10, failing(100, 50)))).toMatchObject({ source: line, atS: 4 });
  });

  it('takes one failed request for an accident', () => {
    expect(
      play(
        watchOf([line]),
        times(60, users(50, 10)).map((second, tS) => (tS === 20 ? failing(50, 1) : second)),
      ),
    ).toBeUndefined();
  });

  it('compares with what failed before', () => {
    expect(play(watchOf([line], failing(1000, 100)), times(30, failing(200, 20)))).toBeUndefined();
    expect(play(watchOf([line], failing(1000, 100)), times(30, failing(200, 30)))).toBeDefined();
  });
});

describe('sight of real users', () => {
  const lines = ['real p99 < 1.2x baseline for 10s'];

  it('stops the run when no agent of the entry is heard', () => {
    const watch = watchOf(lines);
    const trip = play(watch, [...times(3, users(200, 10)), ...times(20, undefined)]);
    expect(trip).toMatchObject({ source: BLIND, atS: 8 });
    expect(trip?.reason).toBe('real users cannot be seen: no agent of the entry was heard for 6 s');
    expect(watch.results(100).at(-1)).toMatchObject({ source: BLIND, tripped: true, trippedAtS: 8, stopTookMs: 100 });
  });

  it('bears short gaps', () => {
    const seconds = Array.from({ length: 60 }, (_, tS) => (tS % 6 === 0 ? users(200, 10) : undefined));
    expect(play(watchOf(lines), seconds)).toBeUndefined();
  });

  it('is not the same as nobody calling', () => {
    expect(play(watchOf(lines), times(60, new Users([])))).toBeUndefined();
  });

  it('counts seconds that were not fed', () => {
    const watch = watchOf(lines);
    watch.feed({ tS: 0, stepIndex: 0, real: users(200, 10), latenessUs: () => null });
    expect(watch.feed({ tS: 30, stepIndex: 0, real: undefined, latenessUs: () => null })?.source).toBe(BLIND);
  });

  it('is asked of nobody who set no guardrail on real users', () => {
    expect(play(watchOf(['generator lateness p99 < 5ms']), times(60, undefined))).toBeUndefined();
  });
});

describe('the generator', () => {
  it('is marked by step and stops nothing', () => {
    const watch = watchOf(['generator lateness p99 < 5ms']);
    expect(play(watch, times(30, users(200, 10)), (tS) => (tS >= 10 && tS < 20 ? 6000 : 100))).toBeUndefined();
    expect([...watch.limitedSteps]).toEqual([1]);
    expect(watch.results(null)[0]).toMatchObject({ tripped: true, trippedAtS: 10, worst: 6000, stopTookMs: null });
  });

  it('is not judged in a second in which nothing was sent', () => {
    const watch = watchOf(['generator lateness p99 < 5ms for 3s']);
    play(watch, times(9, users(200, 10)), (tS) => (tS % 3 === 0 ? 6000 : null));
    expect([...watch.limitedSteps]).toEqual([0]);
  });
});

describe('properties', () => {
  const second = fc.oneof(
    fc.constant(undefined),
    fc.array(fc.integer({ min: 1, max: 19 }), { maxLength: 300 }).map((values) => new Users(values)),
  );

  it('users below the limit never trip a latency guardrail', () => {
    fc.assert(
      fc.property(fc.array(second, { maxLength: 40 }), fc.integer({ min: 0, max: 5 }), (seconds, forS) => {
        const trip = play(watchOf([`real p99 < 20ms for ${forS}s`], undefined, 1000), seconds);
        return trip === undefined;
      }),
    );
  });

  it('users above the limit always do, within the time asked for and one block', () => {
    const slow = fc
      .array(fc.integer({ min: 20, max: 5000 }), { minLength: 2, maxLength: 300 })
      .map((values) => new Users(values));
    fc.assert(
      fc.property(
        fc.array(slow, { minLength: 40, maxLength: 40 }),
        fc.integer({ min: 0, max: 15 }),
        (seconds, forS) => {
          const trip = play(watchOf([`real p99 < 20ms for ${forS}s`]), seconds);
          return trip !== undefined && trip.atS >= forS - 1 && trip.atS <= forS + 10;
        },
      ),
    );
  });

  it('a trip is told once, and stays', () => {
    fc.assert(
      fc.property(fc.array(second, { minLength: 1, maxLength: 60 }), (seconds) => {
        const watch = watchOf(['real p99 < 10ms for 2s', 'real errors < 1%']);
        const trip = play(watch, seconds);
        return (
          watch.tripped === trip &&
          watch.results(5).filter((one) => one.stopTookMs !== null).length === (trip === undefined ? 0 : 1)
        );
      }),
    );
  });
});

it('wants as many requests as a percentile needs not to be the slowest one', () => {
  const needed = (percentile: number) => samplesNeeded({ kind: 'latency', percentile }, 1);
  expect([needed(50), needed(99), needed(99.9)]).toEqual([20, 100, 200]);
  expect([
    samplesNeeded({ kind: 'errors' }, 0.05),
    samplesNeeded({ kind: 'errors' }, 0.001),
    samplesNeeded({ kind: 'errors' }, 0),
  ]).toEqual([20, 200, 200]);
});
