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
