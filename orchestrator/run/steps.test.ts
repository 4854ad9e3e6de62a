import { describe, expect, it } from '@jest/globals';
import { build, type Histogram } from 'hdr-histogram-js';
import type { StepTally } from '../engines/engine.js';
import type { SeriesPoint } from '../result/schema.js';
import { parseThreshold } from '../scenario/slo.js';
import { capacityOf } from './capacity.js';
import { steadiness, stepsOf } from './steps.js';

function histogram(count: number, valueUs: number): Histogram {
  const made = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  if (count > 0) made.recordValueWithCount(valueUs, count);
  return made;
}

function tally(change: Partial<StepTally> & { p99Us?: number; latenessUs?: number }): StepTally {
  const count = change.completed ?? 1000;
  return {
    index: 0,
    label: 'hold',
    kind: 'hold',
    fromS: 0,
    toS: 10,
    targetRatePerSec: 100,
    offered: count,
    started: count,
    completed: count,
    errors: 0,
    dropped: 0,
    response: histogram(count, change.p99Us ?? 50_000),
    service: histogram(count, 40_000),
    lateness: histogram(count, change.latenessUs ?? 200),
    sessionWait: histogram(count, 1),
    ...change,
  };
}

const slo = [parseThreshold('p99(response) < 300ms'), parseThreshold('errors < 1%')];
const bounds = { limitedSteps: new Set<number>(), latenessP99Us: 50_000 };
const finished = { stopped: false };
const judge = (change: Parameters<typeof tally>[0], end = finished) =>
  stepsOf([tally(change)], [], slo, bounds, end)[0]!;

describe('steps', () => {
  it.each([
    ['within the SLO', {}, { withinSlo: true, generatorLimited: false }],
    ['slow', { p99Us: 400_000 }, { withinSlo: false }],
    ['errors', { errors: 50 }, { withinSlo: false }],
    ['367 samples are too few for p99', { completed: 367 }, { withinSlo: null }],
    ['368 are enough', { completed: 368 }, { withinSlo: true }],
    [
      'a generator that was late says nothing',
      { latenessUs: 90_000, p99Us: 400_000 },
      { withinSlo: null, generatorLimited: true },
    ],
    [
      'so does one that did not reach the rate',
      { offered: 1100, started: 1000 },
      { withinSlo: null, generatorLimited: true },
    ],
    [
      'what was dropped at the cap is missed by the system',
      { offered: 1100, started: 1000, dropped: 100 },
      { withinSlo: false, generatorLimited: false },
    ],
    ['a ramp does not count', { kind: 'ramp' as const }, { withinSlo: null, steady: null }],
  ])('%s', (_what, change, expected) => {
    expect(judge(change)).toMatchObject(expected);
  });

  it('a rate that was not held to the end is not shown to be sustained, but it may be shown to be missed', () => {
    expect(judge({}, { stopped: true })).toMatchObject({ withinSlo: null, note: expect.stringContaining('stopped') });
    expect(judge({ errors: 50 }, { stopped: true }).withinSlo).toBe(false);
    const steps = stepsOf([tally({}), tally({ index: 1 }), tally({ index: 2, started: 0 })], [], slo, bounds, {
      stopped: true,
    });
    expect(steps.map(({ withinSlo }) => withinSlo).slice(0, 2)).toEqual([true, null]);
  });

  it('takes the highest held step below the lowest that missed as sustained', () => {
    const steps = stepsOf(
      [
        tally({ index: 0, targetRatePerSec: 100 }),
        tally({ index: 1, targetRatePerSec: 200 }),
        tally({ index: 2, targetRatePerSec: 300, p99Us: 900_000 }),
        tally({ index: 3, targetRatePerSec: 400 }),
      ],
      [],
      slo,
      bounds,
      finished,
    );
    const capacity = capacityOf(steps, [], 250);
    expect(capacity).toMatchObject({
      sustained: { ratePerSec: 200, stepIndex: 1 },
      firstMissed: { ratePerSec: 300, stepIndex: 2 },
    });
    expect(capacity.sentence).toMatch(
      /sustained 200 requests\/s.*at 300 requests\/s the SLO was missed.*250 requests\/s was not shown.*20 % short/,
    );
  });

  it('does not call the highest rate that was tried the limit', () => {
    const capacity = capacityOf(stepsOf([tally({})], [], slo, bounds, finished), [], null);
    expect(capacity.sentence).toMatch(/the limit lies above it/);
  });

  it('says nothing about capacity after a recorded schedule', () => {
    const steps = stepsOf([tally({ kind: 'recorded', targetRatePerSec: null })], [], slo, bounds, finished);
    expect(capacityOf(steps, [], null)).toMatchObject({ sustained: null, firstMissed: null });
  });
});

describe('steadiness', () => {
  const points = (values: number[], inFlight = values.map(() => 5)): SeriesPoint[] =>
    values.map((p95Us, i) => ({ p95Us, inFlight: inFlight[i] }) as SeriesPoint);
  const noise = [0, 3, -4, 1, 5, -2, 0, 4, -5, 2, 1, -3, 2, -1, 3];
  it.each([
    ['too short', points([1, 2, 3, 4, 5]), null],
    ['flat with noise', points(noise.map((n) => 50_000 + n * 1000)), true],
    ['rising p95', points(noise.map((n, i) => 50_000 + i * 10_000 + n * 1000)), false],
    [
      'a queue that builds up',
      points(
        noise.map(() => 50_000),
        noise.map((_, i) => i * 10),
      ),
      false,
    ],
    ['a rise that is significant and does not matter', points(noise.map((_, i) => 50_000 + i * 50)), true],
    ['warm-up does not count', points([900_000, 500_000, ...noise.map((n) => 50_000 + n * 1000)]), true],
  ] as const)('%s', (_what, series, expected) => {
    expect(steadiness(series)).toBe(expected);
  });
});
