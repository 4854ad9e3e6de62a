import type { Histogram } from 'hdr-histogram-js';
import type { LatencyHistograms } from '../engines/engine.js';
import type { Latencies, LatencySummary } from '../result/schema.js';

/** µs. An empty histogram gives zeros and count 0. */
export function summaryOf(histogram: Histogram): LatencySummary {
  const count = histogram.totalCount;
  const at = (percentile: number) => (count === 0 ? 0 : histogram.getValueAtPercentile(percentile));
  return {
    count,
    meanUs: count === 0 ? 0 : Math.round(histogram.mean),
    p50Us: at(50),
    p90Us: at(90),
    p95Us: at(95),
    p99Us: at(99),
    p999Us: at(99.9),
    maxUs: count === 0 ? 0 : histogram.maxValue,
  };
}

export function latenciesOf(histograms: LatencyHistograms): Latencies {
  return {
    response: summaryOf(histograms.response),
    service: summaryOf(histograms.service),
    lateness: summaryOf(histograms.lateness),
    sessionWait: summaryOf(histograms.sessionWait),
  };
}

/**
 * Samples without which a finite upper confidence bound (97.5 %) of a percentile does not exist: 1 − p^n ≥ 0.975, so 368 for p99 and
 * 3,688 for p99.9.
 */
function samplesNeeded(percentile: number): number {
  return Math.ceil(Math.log(0.025) / Math.log(percentile / 100));
}
