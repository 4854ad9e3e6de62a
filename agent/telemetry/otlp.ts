import type { HistogramPoint } from './histogram.js';
import { SCALE } from './histogram.js';
import type { AttributeValue } from './series.js';

/** OTLP in JSON (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): 64-bit integers are texts, enumerations numbers. */
export type Attributes = Record<string, AttributeValue>;

const DELTA = 1;

export function attributes(values: Attributes): object[] {
  const list: object[] = [];
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined) continue;
    list.push({ key, value: anyValue(value) });
  }
  return list;
}

function anyValue(value: string | number | boolean): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Times of one batch, ns since the epoch, as texts. */
export interface Interval {
  startTimeUnixNano: string;
  timeUnixNano: string;
}

export function nanos(ms: number): string {
  return `${Math.floor(ms * 1000)}000`;
}

export function histogramPoint(values: Attributes, point: HistogramPoint, interval: Interval): object {
  return {
    attributes: attributes(values),
    ...interval,
    count: String(point.count),
    sum: point.sum,
    min: point.min,
    max: point.max,
    scale: SCALE,
    zeroCount: String(point.zeroCount),
    positive: { offset: point.offset, bucketCounts: point.buckets.map(String) },
    negative: { offset: 0, bucketCounts: [] },
  };
}

export function numberPoint(values: Attributes, value: number, interval: Interval): object {
  const number = Number.isInteger(value) ? { asInt: String(value) } : { asDouble: value };
  return { attributes: attributes(values), ...interval, ...number };
}

export function histogramMetric(name: string, dataPoints: object[]): object {
  return { name, unit: 's', exponentialHistogram: { aggregationTemporality: DELTA, dataPoints } };
}

export function sumMetric(name: string, unit: string, dataPoints: object[], isMonotonic = true): object {
  return { name, unit, sum: { aggregationTemporality: DELTA, isMonotonic, dataPoints } };
}

export function gaugeMetric(name: string, unit: string, dataPoints: object[]): object {
  return { name, unit, gauge: { dataPoints } };
}

const SCOPE = { name: '@shadowline/agent' };

export function metricsBody(resource: object[], metrics: object[]): string {
  return JSON.stringify({
    resourceMetrics: [{ resource: { attributes: resource }, scopeMetrics: [{ scope: SCOPE, metrics }] }],
  });
}

export interface LogEvent {
  timeMs: number;
  name: string;
  /** A sentence for people. */
  body: string;
  attributes: Attributes;
}

const INFO = 9;
const WARN = 13;

export function logsBody(resource: object[], events: readonly LogEvent[]): string {
  const logRecords = events.map((event) => ({
    timeUnixNano: nanos(event.timeMs),
    observedTimeUnixNano: nanos(event.timeMs),
    severityNumber: event.name === 'shadowline.refused' || event.name === 'shadowline.suspect' ? WARN : INFO,
    eventName: event.name,
    body: { stringValue: event.body },
    attributes: attributes(event.attributes),
  }));
  return JSON.stringify({
    resourceLogs: [{ resource: { attributes: resource }, scopeLogs: [{ scope: SCOPE, logRecords }] }],
  });
}
