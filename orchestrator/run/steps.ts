import type { StepTally } from '../engines/engine.js';
import type { SeriesPoint, Step } from '../result/schema.js';
import type { Threshold } from '../scenario/scenario.js';
import { dataOfStep, evaluateThreshold, samplesFor } from '../scenario/slo.js';
import { latenciesOf } from './latency.js';

/** Bounds beyond which the generator, not the system, is what was measured. */
export interface GeneratorBounds {
  /** Steps in which a guardrail of the scenario on the generator's lateness was passed. */
  limitedSteps: ReadonlySet<number>;
  /** Used when the scenario has no such guardrail. */
  latenessP99Us: number | undefined;
}

/** How the load ended. */
export interface LoadEnd {
  /** Something stopped it before its schedule was finished. */
  stopped: boolean;
}

const MIN_ACHIEVED_SHARE = 0.99;
export const DEFAULT_LATENESS_P99_US = 50_000;
/** Seconds at the beginning of a step in which queues still fill. */
const WARM_UP_S = 2;
const MIN_SECONDS = 8;

/** What each stage of the load says about the system. `series` are the seconds of the load. */
export function stepsOf(
  tallies: readonly StepTally[],
  series: readonly SeriesPoint[],
  slo: readonly Threshold[],
  bounds: GeneratorBounds,
  end: LoadEnd,
): Step[] {
  // A rate that was not held to the end is not shown to be sustained; that it was missed may well be.
  const cut = end.stopped ? tallies.findLastIndex((tally) => tally.started > 0) : -1;
  return tallies.map((tally, position) => {
    const seconds = Math.max(0, tally.toS - tally.fromS);
    const own = series.filter((point) => point.phase === 'load' && point.stepIndex === tally.index);
    const latencies = latenciesOf(tally);
    // What an in-flight cap or the order of a session held back is the system's doing; what was dropped is not achieved.
    const late = bounds.latenessP99Us !== undefined && latencies.lateness.p99Us > bounds.latenessP99Us;
    const achieved = tally.offered === 0 ? 1 : tally.started / tally.offered;
    const generatorLimited =
      bounds.limitedSteps.has(tally.index) || late || (achieved < MIN_ACHIEVED_SHARE && tally.dropped === 0);
    const judged = cutShort(judgeStep(tally, slo), position === cut);
    const counts = tally.kind !== 'ramp' && !generatorLimited;
    return {
      index: tally.index,
      label: tally.label,
      kind: tally.kind,
      fromS: tally.fromS,
      toS: tally.toS,
      targetRatePerSec: tally.targetRatePerSec,
      offered: tally.offered,
      started: tally.started,
      completed: tally.completed,
      errors: tally.errors,
      dropped: tally.dropped,
      achievedRatePerSec: seconds === 0 ? 0 : tally.started / seconds,
      latencies,
      steady: tally.kind === 'ramp' ? null : steadiness(own),
      generatorLimited,
      withinSlo: counts ? judged.ok : null,
      ...(judged.note === undefined ? {} : { note: judged.note }),
    };
  });
}

interface Judged {
  ok: boolean | null;
  note: string | undefined;
}

function cutShort(judged: Judged, isCut: boolean): Judged {
  return isCut && judged.ok === true ? { ok: null, note: 'the load was stopped before this step had ended' } : judged;
}

/** Null when a percentile has too few samples for a finite upper bound (368 for p99). */
function judgeStep(tally: StepTally, slo: readonly Threshold[]): Judged {
  if (tally.dropped > 0) return { ok: false, note: `${tally.dropped} requests were dropped at the in-flight limit` };
  let ok: boolean | null = true;
  let note: string | undefined;
  let judged = 0;
  for (const threshold of slo) {
    const { metric } = threshold;
    // Routes are not tallied by step.
    if (metric.kind !== 'throughput' && metric.route !== null) continue;
    if (metric.kind === 'throughput') continue;
    const result = evaluateThreshold(threshold, dataOfStep(tally));
    const needed = metric.kind === 'latency' ? samplesFor(metric.percentile) : 1;
    judged++;
    if (result.ok === false) return { ok: false, note: `${threshold.source} did not hold` };
    if (result.ok === null || result.samples < needed) {
      ok = null;
      note = `${result.samples} samples are too few for ${threshold.source} (${needed} needed)`;
    }
  }
  if (judged === 0) return { ok: null, note: 'no threshold can be judged by step' };
  return { ok, note };
}

/**
 * Whether p95 and the number in flight have no slope: a straight line is fitted to the seconds after the warm-up, and is a slope when it is both
 * significant (|t| > 3) and matters (it changes the figure by a third over the step). Null when the step is too short to say.
 */
export function steadiness(points: readonly SeriesPoint[]): boolean | null {
  const kept = points.slice(WARM_UP_S);
  const p95 = kept.flatMap((point) => (point.p95Us === null ? [] : [point.p95Us]));
  const inFlight = kept.map((point) => point.inFlight);
  if (p95.length < MIN_SECONDS) return null;
  // A millisecond, or two requests, more or less are noise whatever the share.
  return !rises(p95, 1000) && !rises(inFlight, 2);
}

function rises(values: readonly number[], least: number): boolean {
  const n = values.length;
  const meanX = (n - 1) / 2;
  const meanY = values.reduce((a, b) => a + b, 0) / n;
  let sxx = 0;
  let sxy = 0;
  for (const [x, y] of values.entries()) {
    sxx += (x - meanX) ** 2;
    sxy += (x - meanX) * (y - meanY);
  }
  const slope = sxy / sxx;
  const residual = values.reduce((total, y, x) => total + (y - meanY - slope * (x - meanX)) ** 2, 0);
  const standardError = Math.sqrt(residual / (n - 2) / sxx);
  const change = Math.abs(slope) * (n - 1);
  const significant = standardError === 0 ? slope !== 0 : Math.abs(slope) / standardError > 3;
  return significant && change > Math.max(least, Math.abs(meanY) / 3);
}
