import type { Result, Service, Step } from '../result/schema.js';

type Capacity = Result['capacity'];

/** Share of a core from which on a single-threaded service is taken to be at its limit. */
const CPU_LIMIT_SHARE = 0.85;

/**
 * What the held steps say: the highest one within the SLO (steady, not generator-limited, with enough samples) and the lowest one that missed it. A
 * recorded schedule has no held rate, so it says whether the load was borne and not how much would be.
 */
export function capacityOf(
  steps: readonly Step[],
  services: readonly Service[],
  forecastPeakPerSec: number | null,
): Capacity {
  const held = steps.filter((step) => step.kind === 'hold');
  const rate = (step: Step) => step.targetRatePerSec ?? step.achievedRatePerSec;
  const byRate = [...held].sort((a, b) => rate(a) - rate(b));
  const missed = byRate.find((step) => step.withinSlo === false);
  const borne = byRate.filter((step) => step.withinSlo === true && step.steady !== false);
  // A rate above one that was missed proves nothing.
  const sustained = borne.filter((step) => missed === undefined || rate(step) < rate(missed)).at(-1);
  const limitedBy = missed === undefined ? null : busiest(services);
  return {
    sentence: sentence(steps, sustained, missed, limitedBy, forecastPeakPerSec),
    sustained: sustained === undefined ? null : { ratePerSec: rate(sustained), stepIndex: sustained.index },
    firstMissed: missed === undefined ? null : { ratePerSec: rate(missed), stepIndex: missed.index },
    limitedBy,
  };
}

function busiest(services: readonly Service[]): string | null {
  const [first] = services
    .filter((service) => (service.cpuShareMax ?? 0) >= CPU_LIMIT_SHARE)
    .sort((a, b) => b.cpuShareMax! - a.cpuShareMax!);
  return first === undefined ? null : `${first.name} (CPU)`;
}

function sentence(
  steps: readonly Step[],
  sustained: Step | undefined,
  missed: Step | undefined,
  limitedBy: string | null,
  peak: number | null,
): string {
  const per = (value: number) => `${Number(value.toPrecision(4))} requests/s`;
  const rate = (step: Step) => step.targetRatePerSec ?? step.achievedRatePerSec;
  const limit = limitedBy === null ? '' : `; ${limitedBy} was the busiest`;
  if (sustained !== undefined) {
    const p99 = `p99 ${Math.round(sustained.latencies.response.p99Us / 1000)} ms`;
    const upper =
      missed === undefined
        ? 'the highest rate that was held, so the limit lies above it'
        : `at ${per(rate(missed))} the SLO was missed${limit}`;
    const forecast =
      peak === null
        ? ''
        : rate(sustained) >= peak
          ? ` The forecast peak of ${per(peak)} is covered.`
          : ` The forecast peak of ${per(peak)} was not shown to be covered: ${Math.round((1 - rate(sustained) / peak) * 100)} % short.`;
    return `The chain sustained ${per(rate(sustained))} within the SLO (${p99}); ${upper}.${forecast}`;
  }
  if (missed !== undefined)
    return `No held rate was within the SLO; the lowest that missed it is ${per(rate(missed))}${limit}.`;
  const recorded = steps.find((step) => step.kind === 'recorded');
  if (recorded !== undefined) {
    const mean = per(recorded.achievedRatePerSec);
    if (recorded.withinSlo === true) {
      return `The recorded load (${mean} on average) was borne within the SLO; no rate was held, so the limit is not known.`;
    }
    return recorded.withinSlo === false
      ? `The recorded load (${mean} on average) was not borne within the SLO.`
      : `The recorded load (${mean} on average) says nothing about capacity.`;
  }
  return 'Nothing can be said about capacity: no step with a held rate counts.';
}
