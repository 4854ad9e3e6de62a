import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Stage } from '../engine.js';
import { dueOfNth, integralUntil, planStages, scheduleErrors, stepOfNth } from './schedule.js';

const rate = fc.integer({ min: 0, max: 500 });
const durationMs = fc.integer({ min: 50, max: 4000 });
const ramp = fc.record({ kind: fc.constant('ramp' as const), toPerSec: rate, durationMs });
const hold = fc.record({ kind: fc.constant('hold' as const), durationMs });
const stages = fc
  .tuple(ramp, fc.array(fc.oneof(ramp, hold), { maxLength: 5 }))
  .map(([first, rest]): Stage[] => [first, ...rest]);

const dues = (list: Stage[]) => {
  const plan = planStages(list);
  return Array.from({ length: plan.requests }, (_, n) => dueOfNth(plan, n));
};

describe('a staged schedule', () => {
  it.each([
    [
      'a hold after a ramp',
      [
        { kind: 'ramp', toPerSec: 100, durationMs: 2000 },
        { kind: 'hold', durationMs: 3000 },
      ],
      [100, 300],
    ],
    [
      'a ramp up and down',
      [
        { kind: 'ramp', toPerSec: 50, durationMs: 1000 },
        { kind: 'ramp', toPerSec: 0, durationMs: 1000 },
      ],
      [25, 25],
    ],
    [
      'a pause in the middle',
      [
        { kind: 'ramp', toPerSec: 0, durationMs: 1000 },
        { kind: 'ramp', toPerSec: 10, durationMs: 1000 },
      ],
      [0, 5],
    ],
    [
      'fractions of a second',
      [
        { kind: 'ramp', toPerSec: 30, durationMs: 100 },
        { kind: 'hold', durationMs: 700 },
      ],
      [2, 20],
    ],
  ] as [string, Stage[], number[]][])('has the asked number of requests in each step: %s', (_, list, expected) => {
    const plan = planStages(list);
    const perStep = list.map(() => 0);
    for (let n = 0; n < plan.requests; n++) perStep[stepOfNth(plan, n)]!++;
    expect(perStep).toEqual(expected);
  });

  it('spaces a hold evenly', () => {
    const plan = planStages([
      { kind: 'ramp', toPerSec: 100, durationMs: 1000 },
      { kind: 'hold', durationMs: 1000 },
    ]);
    for (let n = 50; n < 150; n++) expect(dueOfNth(plan, n)).toBeCloseTo(1e6 + (n - 50) * 10_000, 3);
  });

  it('never goes back in time and stays within its steps', () => {
    fc.assert(
      fc.property(stages, (list) => {
        const plan = planStages(list);
        let last = 0;
        return dues(list).every((due, n) => {
          const step = plan.steps[stepOfNth(plan, n)]!;
          const fits = due >= last && due >= step.fromUs && due <= step.toUs;
          last = due;
          return fits;
        });
      }),
    );
  });

  it('is the inverse of the integral of the rate', () => {
    fc.assert(
      fc.property(stages, (list) => {
        const plan = planStages(list);
        return dues(list).every((due, n) => Math.abs(integralUntil(plan, due) - n) < 1e-3);
      }),
    );
  });

  it('offers floor(integral) requests, no more and no fewer', () => {
    fc.assert(
      fc.property(stages, (list) => {
        const plan = planStages(list);
        const integral = integralUntil(plan, plan.durationUs);
        expect(Math.abs(plan.requests - integral)).toBeLessThan(1);
        expect(plan.requests).toBeLessThanOrEqual(integral + 1e-5);
      }),
    );
  });

  it('says all that is wrong at once', () => {
    const errors = scheduleErrors({
      kind: 'stages',
      speed: 0,
      stages: [
        { kind: 'hold', durationMs: 10 },
        { kind: 'ramp', toPerSec: -1, durationMs: Number.NaN },
      ],
    });
    expect(errors).toHaveLength(4);
    expect(
      scheduleErrors({ kind: 'stages', speed: 1, stages: [{ kind: 'ramp', toPerSec: 1, durationMs: 1 }] }),
    ).toHaveLength(1);
    expect(scheduleErrors({ kind: 'recorded', speed: 2 })).toEqual([]);
  });
});
