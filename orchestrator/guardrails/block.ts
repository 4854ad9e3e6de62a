import type { Guardrail } from '../scenario/index.js';
import type { UserTally } from './guardrail.js';

/** Seconds that wait to be judged together. */
export interface Block<T extends UserTally> {
  fromS: number | null;
  parts: T[];
}

export function emptyBlock<T extends UserTally>(): Block<T> {
  return { fromS: null, parts: [] };
}

/** A block that is older is judged with what it has. */
const MAX_BLOCK_S = 10;
/** Fewer requests than this are not judged at all. */
const MIN_SAMPLES = 20;
/** More are never waited for: at some point a slow answer is worse than a vague one. */
const MAX_SAMPLES = 200;
/** One failed request is an accident, two are a sign. */
const MIN_ERRORS = 2;

type Metric = Guardrail['metric'];
export type Judgement = { verdict: 'fine' | 'breach'; observed: number } | { verdict: 'thin' };

/**
 * Requests that a block wants before it is fine: so many that the percentile is not merely the slowest request (100 for p99), or that one
 * error is not more than the limit.
 */
export function samplesNeeded(metric: Metric, limit: number): number {
  const wanted = metric.kind === 'errors' ? 1 / Math.max(limit, 1e-6) : 100 / Math.max(100 - metric.percentile, 1e-6);
  // 100 / (100 − 99.9) is 1000.0000000000057.
  return Math.min(MAX_SAMPLES, Math.max(MIN_SAMPLES, Math.ceil(Number(wanted.toPrecision(9)))));
}

/**
 * Judges a block, or returns undefined while it should go on collecting. A breach is called as soon as nothing that may still come could
 * undo it: with two slow requests p99 of a hundred is slow, whatever the others are. So a chain that has become slow is found in its
 * first second, and one slow request among few is not taken for it.
 */
export function judge(metric: Metric, limit: number, tally: UserTally, seconds: number): Judgement | undefined {
  const needed = samplesNeeded(metric, limit);
  const isFull = tally.count >= needed || seconds >= MAX_BLOCK_S;
  if (metric.kind === 'errors') {
    const share = tally.count === 0 ? 0 : tally.errors / tally.count;
    if (tally.errors >= MIN_ERRORS && tally.errors / Math.max(needed, tally.count) >= limit)
      return { verdict: 'breach', observed: share };
    if (!isFull) return undefined;
    if (tally.count < MIN_SAMPLES) return { verdict: 'thin' };
    return { verdict: tally.errors >= MIN_ERRORS && share >= limit ? 'breach' : 'fine', observed: share };
  }
  const observed = tally.percentileUs(metric.percentile);
  if (observed !== null && slowOnes(metric.percentile, needed, limit, tally)) return { verdict: 'breach', observed };
  if (!isFull) return undefined;
  if (observed === null || tally.count < MIN_SAMPLES) return { verdict: 'thin' };
  return { verdict: observed >= limit ? 'breach' : 'fine', observed };
}

/** Whether so many requests are slow already that the percentile of `needed` requests will be, even if all others are fast. */
function slowOnes(percentile: number, needed: number, limit: number, tally: UserTally): boolean {
  const total = Math.max(needed, tally.count);
  // The percentile is the value at rank ceil(p · total); it is slow when this many from the top are.
  const enough = total - Math.max(1, Math.ceil(Number(((percentile / 100) * total).toPrecision(12)))) + 1;
  // With one it would be the accident that a block exists to leave out.
  if (enough > tally.count || (enough < 2 && tally.count < needed)) return false;
  const rank = tally.count - enough + 1;
  const value = tally.percentileUs(((rank - 0.5) / tally.count) * 100);
  return value !== null && value >= limit;
}
