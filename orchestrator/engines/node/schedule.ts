import type { Schedule, Stage } from '../engine.js';

/**
 * When requests are due, as pure functions; offsets are microseconds after the load began.
 *
 * Stages: the rate r(t) is piecewise linear, N(t) is its integral, and request n (from 0, in recorded order) is due at the earliest t
 * with N(t) = n. Within a segment that starts with rate a and changes by s each µs, n − N₀ = a·t + s·t²/2, so
 * t = 2m / (a + √(a² + 2sm)) with m = n − N₀: the form without cancellation, right for s = 0 and for falling rates too.
 * A schedule has floor(N(end)) requests, so that a hold of R/s over D seconds has exactly R·D of them, all within its own step.
 */
export interface Step {
  index: number;
  label: string;
  kind: 'ramp' | 'hold' | 'recorded';
  fromUs: number;
  toUs: number;
  /** Of the first request in it. */
  fromN: number;
  /** Requests per µs at both ends. */
  ratePerUs: number;
  endRatePerUs: number;
}

export interface StagePlan {
  steps: Step[];
  /** Whole requests in all. */
  requests: number;
  durationUs: number;
}

/** All that is wrong with a schedule, one line each. */
export function scheduleErrors(schedule: Schedule): string[] {
  const errors: string[] = [];
  if (!(schedule.speed > 0) || !Number.isFinite(schedule.speed))
    errors.push(`speed is ${schedule.speed}, it must be above 0`);
  if (schedule.kind === 'recorded') return errors;
  if (schedule.stages.length === 0) errors.push('stages are empty: give at least one, or take the recorded schedule');
  schedule.stages.forEach((stage, i) => {
    if (!(stage.durationMs > 0) || !Number.isFinite(stage.durationMs)) {
      errors.push(`stage ${i} lasts ${stage.durationMs} ms, it must be above 0`);
    }
    if (stage.kind === 'ramp' && !(stage.toPerSec >= 0 && Number.isFinite(stage.toPerSec))) {
      errors.push(`stage ${i} ramps to ${stage.toPerSec}/s, it must be 0 or above`);
    }
    if (stage.kind === 'hold' && i === 0) errors.push('stage 0 holds, but no rate was reached yet: ramp first');
  });
  if (errors.length === 0 && planStages(schedule.stages).requests === 0) {
    errors.push('the stages add up to no request at all: raise a rate or a duration');
  }
  return errors;
}

/** The first stage ramps from 0. */
export function planStages(stages: readonly Stage[]): StagePlan {
  const steps: Step[] = [];
  let atUs = 0;
  let n = 0;
  let ratePerUs = 0;
  for (const [index, stage] of stages.entries()) {
    const durationUs = stage.durationMs * 1000;
    const endRatePerUs = stage.kind === 'ramp' ? stage.toPerSec / 1e6 : ratePerUs;
    steps.push({
      index,
      label: labelOf(stage, ratePerUs),
      kind: stage.kind,
      fromUs: atUs,
      toUs: atUs + durationUs,
      fromN: n,
      ratePerUs,
      endRatePerUs,
    });
    n = snap(n + ((ratePerUs + endRatePerUs) / 2) * durationUs);
    atUs += durationUs;
    ratePerUs = endRatePerUs;
  }
  return { steps, requests: Math.floor(n), durationUs: atUs };
}

/** Index of the step of request n: the last one that starts at or before it and is not empty. */
export function stepOfNth(plan: StagePlan, n: number): number {
  let low = 0;
  let high = plan.steps.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (plan.steps[middle]!.fromN <= n) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Offset in µs at which the integral of the rate reaches n, within the given step. */
export function dueOfNth(plan: StagePlan, n: number, stepIndex = stepOfNth(plan, n)): number {
  const step = plan.steps[stepIndex]!;
  const m = n - step.fromN;
  if (m <= 0) return step.fromUs;
  const slope = (step.endRatePerUs - step.ratePerUs) / (step.toUs - step.fromUs);
  const root = Math.sqrt(Math.max(0, step.ratePerUs * step.ratePerUs + 2 * slope * m));
  return Math.min(step.toUs, step.fromUs + (2 * m) / (step.ratePerUs + root));
}

/** Requests that are due before `atUs`. */
export function integralUntil(plan: StagePlan, atUs: number): number {
  let n = 0;
  for (const step of plan.steps) {
    if (atUs <= step.fromUs) break;
    const t = Math.min(atUs, step.toUs) - step.fromUs;
    const slope = (step.endRatePerUs - step.ratePerUs) / (step.toUs - step.fromUs);
    n = step.fromN + step.ratePerUs * t + (slope * t * t) / 2;
  }
  return n;
}

/** Sums of decimal fractions miss whole numbers by 1e-13 or so, and one request would be lost to it. */
function snap(n: number): number {
  const whole = Math.round(n);
  return Math.abs(n - whole) < 1e-6 ? whole : n;
}

function labelOf(stage: Stage, ratePerUs: number): string {
  if (stage.kind === 'hold') return `hold ${perSec(ratePerUs * 1e6)}`;
  return `ramp ${perSec(ratePerUs * 1e6)} to ${perSec(stage.toPerSec)}`;
}

function perSec(rate: number): string {
  return `${Math.round(rate * 100) / 100}/s`;
}
