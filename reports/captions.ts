import type { Result, SeriesPoint, Step } from '../orchestrator/result/schema.js';
import { change, count, digits, duration, plural, rate, share } from './format.js';
import { oneLine } from './text.js';

/** What a chart shows, as a sentence computed from its data. Pure. */
const loadOf = (series: readonly SeriesPoint[]): SeriesPoint[] => series.filter((point) => point.phase === 'load');

function highest<T>(items: readonly T[], of: (item: T) => number | null): T | undefined {
  let best: T | undefined;
  for (const item of items) {
    const value = of(item);
    if (value !== null && (best === undefined || value > of(best)!)) best = item;
  }
  return best;
}

function stepName(steps: readonly Step[], index: number | null): string {
  const step = index === null ? undefined : steps.find((one) => one.index === index);
  return step === undefined ? '' : ` (step “${oneLine(step.label, 60)}”)`;
}

const at = (point: SeriesPoint): string => `second ${point.tS}`;

export function rateCaption(series: readonly SeriesPoint[], totals: Result['totals']): string {
  const load = loadOf(series);
  if (load.length === 0) return 'No second of load was written, so there is no curve.';
  const peak = highest(load, (point) => point.completed)!;
  const kept = totals.offered === 0 ? 1 : totals.completed / totals.offered;
  const dropped = totals.dropped > 0 ? ` ${plural(totals.dropped, 'request')} were dropped.` : '';
  const verdict =
    kept >= 0.99
      ? `The chain kept up: ${share(kept)} of the ${count(totals.offered)} requests offered were completed`
      : `The chain or the generator fell behind: only ${share(kept)} of the ${count(totals.offered)} requests offered were completed`;
  return `${verdict}; most in one second were ${count(peak.completed)}, in ${at(peak)}.${dropped}`;
}

export function inFlightCaption(series: readonly SeriesPoint[], steps: readonly Step[]): string {
  const load = loadOf(series);
  const peak = highest(load, (point) => point.inFlight);
  if (peak === undefined) return 'No second of load was written, so there is no curve.';
  const sorted = load.map((point) => point.inFlight).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)]!;
  const where = `In flight peaked at ${count(peak.inFlight)} in ${at(peak)}${stepName(steps, peak.stepIndex)}`;
  const ratio = peak.inFlight / Math.max(1, median);
  return ratio > 4
    ? `${where}, ${digits(ratio)} times the median of ${count(median)}.`
    : `${where}, near the median of ${count(median)}: nothing piled up.`;
}

export function latencyCaption(series: readonly SeriesPoint[], steps: readonly Step[], limitUs: number | null): string {
  const load = loadOf(series).filter((point) => point.p99Us !== null);
  const worst = highest(load, (point) => point.p99Us);
  if (worst === undefined) return 'No second has samples, so there are no percentiles.';
  const where = `${duration(worst.p99Us)} in ${at(worst)}${stepName(steps, worst.stepIndex)}`;
  if (limitUs === null) return `The worst second's p99 was ${where}. There is no threshold to compare it with.`;
  const above = load.filter((point) => point.p99Us! > limitUs);
  if (above.length === 0) {
    return `p99 stayed below the limit of ${duration(limitUs)} in all ${plural(load.length, 'second')} with samples; the worst was ${where}.`;
  }
  return `p99 was above the limit of ${duration(limitUs)} in ${count(above.length)} of ${plural(load.length, 'second')}, first in ${at(above[0]!)}${stepName(steps, above[0]!.stepIndex)}; the worst was ${where}.`;
}

export function latenessCaption(
  series: readonly SeriesPoint[],
  limitUs: number | null,
  steps: readonly Step[],
): string {
  const worst = highest(loadOf(series), (point) => point.latenessP99Us);
  if (worst === undefined) return 'The generator’s lateness was not measured in any second.';
  const limited = steps.filter((step) => step.generatorLimited);
  const most = `at most ${duration(worst.latenessP99Us)} (${at(worst)})`;
  if (limited.length > 0) {
    return `The generator was itself the limit in ${plural(limited.length, 'step')}: p99 of its lateness was ${most}. Those steps say nothing about the system.`;
  }
  if (limitUs !== null && worst.latenessP99Us! > limitUs) {
    return `The generator was late for moments: p99 of its lateness was ${most}, above its bound of ${duration(limitUs)}.`;
  }
  return `The generator sent on time: p99 of its lateness was ${most}.`;
}

export function errorsCaption(
  series: readonly SeriesPoint[],
  totals: Result['totals'],
  steps: readonly Step[],
): string {
  const load = loadOf(series);
  const failed = load.filter((point) => point.errors > 0);
  if (totals.errors === 0 && failed.length === 0) return 'No request failed in any second.';
  const worst = highest(load, (point) => point.errors);
  const of = totals.completed === 0 ? '' : ` (${share(totals.errors / totals.completed)})`;
  if (worst === undefined || failed.length === 0) return `${plural(totals.errors, 'request')} failed${of}.`;
  return `${plural(totals.errors, 'request')} failed${of}, first in ${at(failed[0]!)}; most in one second were ${count(worst.errors)}, in ${at(worst)}${stepName(steps, worst.stepIndex)}.`;
}

export function realUsersCaption(series: readonly SeriesPoint[], { baseline, during }: Result['realUsers']): string {
  const worst = highest(loadOf(series), (point) => point.realP99Us);
  const peak = worst === undefined ? '' : ` The worst second had ${duration(worst.realP99Us)} (${at(worst)}).`;
  if (baseline !== null && during !== null) {
    const errors = `errors ${share(baseline.errorShare)} before, ${share(during.errorShare)} during`;
    return `Real users’ p99 was ${duration(baseline.p99Us)} before the load and ${duration(during.p99Us)} during it (${change(during.p99Us, baseline.p99Us)}); ${errors}.${peak}`;
  }
  if (worst !== undefined)
    return `There is no ${baseline === null ? 'baseline' : 'summary'} to compare real users with.${peak}`;
  return 'No real user was seen, so nothing can be said about them.';
}

export function capacityCaption(steps: readonly Step[], limitUs: number | null): string {
  const counted = steps.filter((step) => step.withinSlo !== null);
  const within = highest(
    counted.filter((step) => step.withinSlo),
    (step) => step.achievedRatePerSec,
  );
  const missed = counted.filter((step) => step.withinSlo === false);
  const lowest = highest(missed, (step) => -step.achievedRatePerSec);
  const text = (step: Step): string =>
    `${rate(step.achievedRatePerSec)} with p99 ${duration(step.latencies.response.p99Us)}`;
  if (within === undefined && lowest === undefined)
    return 'No step counts: none was held long enough with enough samples.';
  if (lowest === undefined)
    return `Every step that counts is within the SLO, up to ${text(within!)}; the limit lies higher.`;
  const byAnother = limitUs !== null && lowest.latencies.response.p99Us < limitUs;
  const why = byAnother ? ' There p99 was within its limit, and another threshold was missed.' : '';
  if (within === undefined) {
    return `Every step that counts missed the SLO, from ${text(lowest)} on; the limit lies lower.${why}`;
  }
  return `Within the SLO up to ${text(within)}; missed at ${text(lowest)}.${why}`;
}
