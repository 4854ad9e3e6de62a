import { z } from 'zod';
import type { ExponentialPoint } from './exponential.js';

/**
 * OTLP/HTTP in JSON, as far as agents use it (docs/formats/telemetry.md). Unknown fields are ignored, as the protocol asks for; what is
 * known must have the right type. 64-bit integers may be strings or numbers.
 */
export type Attributes = Record<string, string | number | boolean>;

/** Who sent a batch. */
export interface Origin {
  service: string;
  instance: string;
  agentVersion: string;
  configVersion: string;
  telemetryVersion: string;
}

export interface MetricPoint {
  name: string;
  attributes: Attributes;
  /** The interval that a delta stands for; ms since the epoch. */
  startMs: number;
  timeMs: number;
  /** One of both is there. */
  histogram: ExponentialPoint | undefined;
  value: number | undefined;
}

export interface LogEvent {
  name: string;
  attributes: Attributes;
  body: string;
  timeMs: number;
}

export interface Batch {
  origin: Origin;
  points: MetricPoint[];
  events: LogEvent[];
}

const int64 = z
  .union([z.number(), z.string().regex(/^-?\d{1,20}$/)])
  .transform(Number)
  .refine(Number.isFinite);
const count = int64.refine((n) => n >= 0, 'a count is not negative');
const keyValue = z.object({
  key: z.string(),
  value: z
    .object({
      stringValue: z.string().optional(),
      boolValue: z.boolean().optional(),
      intValue: int64.optional(),
      doubleValue: z.number().optional(),
    })
    .optional(),
});
const attributes = z
  .array(keyValue)
  .max(128)
  .default([])
  .transform((pairs): Attributes => {
    const out: Attributes = {};
    for (const { key, value } of pairs) {
      const plain = value?.stringValue ?? value?.boolValue ?? value?.intValue ?? value?.doubleValue;
      if (plain !== undefined) out[key] = plain;
    }
    return out;
  });
const resource = z.object({ attributes }).optional();
const times = { attributes, startTimeUnixNano: int64.default(0), timeUnixNano: int64.default(0) };
const numberPoint = z.object({ ...times, asInt: int64.optional(), asDouble: z.number().optional() });
const histogramPoint = z.object({
  ...times,
  count,
  sum: z.number().default(0),
  scale: z.number().int().min(-10).max(20),
  zeroCount: count.default(0),
  positive: z
    .object({
      offset: z
        .number()
        .int()
        .min(-(2 ** 31))
        .max(2 ** 31)
        .default(0),
      bucketCounts: z.array(count).max(10_000).default([]),
    })
    .default({ offset: 0, bucketCounts: [] }),
  min: z.number().optional(),
  max: z.number().optional(),
});
/** 1 is delta. Cumulative sums would be counted again each second, so they are refused rather than misread. */
const delta = z
  .union([z.literal(1), z.literal('AGGREGATION_TEMPORALITY_DELTA')], 'aggregation temporality must be delta (1)')
  .optional();
const metric = z.object({
  name: z.string(),
  exponentialHistogram: z
    .object({ aggregationTemporality: delta, dataPoints: z.array(histogramPoint).max(20_000) })
    .optional(),
  sum: z.object({ aggregationTemporality: delta, dataPoints: z.array(numberPoint).max(20_000) }).optional(),
  gauge: z.object({ dataPoints: z.array(numberPoint).max(20_000) }).optional(),
});
const metricsRequest = z.object({
  resourceMetrics: z
    .array(
      z.object({ resource, scopeMetrics: z.array(z.object({ metrics: z.array(metric).default([]) })).default([]) }),
    )
    .default([]),
});
const logRecord = z.object({
  attributes,
  timeUnixNano: int64.default(0),
  eventName: z.string().default(''),
  body: z.object({ stringValue: z.string().optional() }).optional(),
});
const logsRequest = z.object({
  resourceLogs: z
    .array(
      z.object({ resource, scopeLogs: z.array(z.object({ logRecords: z.array(logRecord).default([]) })).default([]) }),
    )
    .default([]),
});

/** Nobody else's telemetry is read: a collector in between may mix in other senders. Returns undefined for those. */
function originOf(from: z.infer<typeof resource>): Origin | undefined {
  const given = from?.attributes ?? {};
  if (given['telemetry.sdk.name'] !== 'shadowline') return undefined;
  const text = (key: string) => String(given[key] ?? '');
  const origin = {
    service: text('service.name'),
    instance: text('service.instance.id'),
    agentVersion: text('shadowline.agent.version'),
    configVersion: text('shadowline.config.version'),
    telemetryVersion: text('shadowline.telemetry.version'),
  };
  return origin.service === '' || origin.instance === '' ? undefined : origin;
}

const ms = (nano: number) => nano / 1e6;

/** Reads the body of `POST /v1/metrics`. @throws ZodError that names every wrong field. */
export function parseMetrics(value: unknown): Batch[] {
  const batches: Batch[] = [];
  for (const { resource: from, scopeMetrics } of metricsRequest.parse(value).resourceMetrics) {
    const origin = originOf(from);
    if (origin === undefined) continue;
    const points: MetricPoint[] = [];
    for (const { name, exponentialHistogram, sum, gauge } of scopeMetrics.flatMap((scope) => scope.metrics)) {
      for (const point of exponentialHistogram?.dataPoints ?? []) {
        points.push({
          name,
          attributes: point.attributes,
          startMs: ms(point.startTimeUnixNano),
          timeMs: ms(point.timeUnixNano),
          value: undefined,
          histogram: {
            scale: point.scale,
            count: point.count,
            sum: point.sum,
            zeroCount: point.zeroCount,
            offset: point.positive.offset,
            bucketCounts: point.positive.bucketCounts,
            min: point.min,
            max: point.max,
          },
        });
      }
      for (const point of [...(sum?.dataPoints ?? []), ...(gauge?.dataPoints ?? [])]) {
        points.push({
          name,
          attributes: point.attributes,
          startMs: ms(point.startTimeUnixNano),
          timeMs: ms(point.timeUnixNano),
          value: point.asInt ?? point.asDouble ?? 0,
          histogram: undefined,
        });
      }
    }
    batches.push({ origin, points, events: [] });
  }
  return batches;
}

/** Reads the body of `POST /v1/logs`. @throws ZodError that names every wrong field. */
export function parseLogs(value: unknown): Batch[] {
  const batches: Batch[] = [];
  for (const { resource: from, scopeLogs } of logsRequest.parse(value).resourceLogs) {
    const origin = originOf(from);
    if (origin === undefined) continue;
    const events = scopeLogs
      .flatMap((scope) => scope.logRecords)
      .map((record) => ({
        name: record.eventName,
        attributes: record.attributes,
        body: record.body?.stringValue ?? '',
        timeMs: ms(record.timeUnixNano),
      }));
    batches.push({ origin, points: [], events });
  }
  return batches;
}
