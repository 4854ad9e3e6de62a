import type { Histogram } from 'hdr-histogram-js';
import type { EngineResult, RouteTally, StepTally } from '../engines/engine.js';
import type { Threshold as ThresholdResult } from '../result/schema.js';
import { Words } from './expression.js';
import type { Threshold } from './scenario.js';
import { parseDurationMs, parseRatePerSec, parseShare } from './units.js';

/**
 * The threshold language, one a line:
 *
 *     p<percentile>(response | service | lateness | sessionWait [, route="POST /transfers"])  <  300ms
 *     errors [ (route="POST /transfers") ]                                                    <  0.1%
 *     throughput                                                                              >  200/s
 *
 * with `<`, `<=`, `>` or `>=`.
 * @throws ExpressionError with the offset of the word that is wrong.
 */
export function parseThreshold(source: string): Threshold {
  const words = new Words(source, 'p99(response) < 300ms');
  const metric = readMetric(words);
  const comparison = words.oneOf(['<=', '<', '>=', '>'] as const, 'a comparison');
  const [limit, unit]: [number, Threshold['unit']] =
    metric.kind === 'latency'
      ? [words.quantity((text) => parseDurationMs(text) * 1000), 'us']
      : metric.kind === 'errors'
        ? [words.quantity(parseShare), 'share']
        : [words.quantity(parseRatePerSec), 'perSec'];
  words.end();
  return { source, metric, comparison, limit, unit };
}

function readMetric(words: Words): Threshold['metric'] {
  const percentile = words.percentile();
  if (percentile !== undefined) {
    words.expect('(', 'p99(response) says which latency is meant');
    const of = words.oneOf(['response', 'service', 'lateness', 'sessionWait'] as const, 'a latency');
    const route = words.take(',') ? readRoute(words) : null;
    words.expect(')');
    if (route !== null && (of === 'lateness' || of === 'sessionWait')) {
      words.fail(`${of} is not measured by route`, 'leave the route out', 0);
    }
    return { kind: 'latency', percentile, of, route };
  }
  const name = words.oneOf(['errors', 'throughput'] as const, 'a metric (p99(response), errors, throughput)');
  if (name === 'throughput') return { kind: 'throughput' };
  let route: string | null = null;
  if (words.take('(')) {
    route = readRoute(words);
    words.expect(')');
  }
  return { kind: 'errors', route };
}

function readRoute(words: Words): string {
  words.oneOf(['route'] as const, 'a filter');
  words.expect('=', 'route="POST /transfers"');
  return words.quoted();
}

/** What a threshold is held against: the whole run, or one step. */
export interface ThresholdData {
  response: Histogram;
  service: Histogram;
  lateness: Histogram;
  sessionWait: Histogram;
  /** Empty for a step: routes are tallied over the run. */
  routes: readonly Pick<RouteTally, 'route' | 'count' | 'errors' | 'response' | 'service'>[];
  /** Requests that were sent; errors are a share of these. */
  started: number;
  completed: number;
  errors: number;
  durationS: number;
}

/** The whole run. */
export function dataOfResult(
  result: Pick<EngineResult, 'latencies' | 'routes' | 'totals' | 'durationS'>,
): ThresholdData {
  const { started, completed, errors } = result.totals;
  return { ...result.latencies, routes: result.routes, started, completed, errors, durationS: result.durationS };
}

/** One step. Thresholds with a route are not observed in it. */
export function dataOfStep(step: StepTally): ThresholdData {
  const { response, service, lateness, sessionWait, started, completed, errors } = step;
  return {
    response,
    service,
    lateness,
    sessionWait,
    routes: [],
    started,
    completed,
    errors,
    durationS: step.toS - step.fromS,
  };
}

/**
 * Holds a threshold against what was measured. `ok` is null when there is nothing to hold it against; `marginShare` is null when the
 * limit is 0 or nothing was observed.
 */
export function evaluateThreshold(threshold: Threshold, data: ThresholdData): ThresholdResult {
  const { observed, samples, note } = observe(threshold, data);
  const { source, limit, unit, comparison } = threshold;
  if (observed === null)
    return { source, observed, limit, unit, marginShare: null, ok: null, samples, ...(note && { note }) };
  const wantsLess = comparison.startsWith('<');
  const room = wantsLess ? limit - observed : observed - limit;
  const ok = room > 0 || (room === 0 && comparison.endsWith('='));
  return {
    source,
    observed,
    limit,
    unit,
    marginShare: limit === 0 ? null : room / limit,
    ok,
    samples,
    ...(note && { note }),
  };
}

function observe(
  threshold: Threshold,
  data: ThresholdData,
): { observed: number | null; samples: number; note?: string } {
  const { metric } = threshold;
  if (metric.kind === 'throughput') {
    return data.durationS > 0
      ? { observed: data.completed / data.durationS, samples: data.completed }
      : { observed: null, samples: 0, note: 'no time was measured' };
  }
  const route = metric.route === null ? undefined : data.routes.find((tally) => tally.route === metric.route);
  if (metric.route !== null && route === undefined) {
    const known = data.routes
      .map((tally) => tally.route)
      .slice(0, 5)
      .join(', ');
    return {
      observed: null,
      samples: 0,
      note: `no request of ${metric.route} was measured${known && ` (routes: ${known})`}`,
    };
  }
  if (metric.kind === 'errors') {
    const samples = route?.count ?? data.started;
    const errors = route?.errors ?? data.errors;
    return samples > 0
      ? { observed: errors / samples, samples }
      : { observed: null, samples, note: 'no request was sent' };
  }
  const histogram = route !== undefined ? route[metric.of as 'response' | 'service'] : data[metric.of];
  const samples = histogram.totalCount;
  if (samples === 0) return { observed: null, samples, note: 'nothing was measured' };
  const needed = samplesFor(metric.percentile);
  return {
    observed: histogram.getValueAtPercentile(metric.percentile),
    samples,
    ...(samples < needed && {
      note: `${samples} samples are few: p${metric.percentile} has no upper bound below ${needed}`,
    }),
  };
}

/**
 * Fewest samples for which a percentile has a finite upper bound at 95 % (two-sided, by order statistics): the chance that all n samples
 * lie below it, p^n, must be at most 2.5 %. 368 for p99, 3,688 for p99.9.
 */
export function samplesFor(percentile: number): number {
  return percentile >= 100 ? 1 : Math.ceil(Math.log(0.025) / Math.log(percentile / 100));
}
