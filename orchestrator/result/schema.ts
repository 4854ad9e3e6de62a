import { z } from 'zod';

/**
 * The result of a run: `runs/<id>/result.json`, version 1 (docs/formats/result.md). Producers are in orchestrator/, readers
 * in reports/. Latencies are microseconds, rates are per second, shares are 0…1, times within a run are seconds from
 * the start of the load (`tS`), wall-clock times are ISO 8601 in UTC.
 */

/** Percentiles of one latency, from a HdrHistogram. All fields in microseconds but `count`. */
export const latencySummary = z.strictObject({
  count: z.number().int().nonnegative(),
  meanUs: z.number(),
  p50Us: z.number(),
  p90Us: z.number(),
  p95Us: z.number(),
  p99Us: z.number(),
  p999Us: z.number(),
  maxUs: z.number(),
});

/** `response` is measured from the intended start and is the headline; `service` from the send; see docs/formats/result.md. */
export const latencies = z.strictObject({
  response: latencySummary,
  service: latencySummary,
  lateness: latencySummary,
  sessionWait: latencySummary,
});

export const outcomes = [
  'pass',
  'slo-missed',
  'guardrail-aborted',
  'leak',
  'inconclusive',
  'refused',
  'interrupted',
  'error',
] as const;

export const verdict = z.strictObject({
  outcome: z.enum(outcomes),
  exitCode: z.number().int(),
  /** One sentence that a reader who reads nothing else should read. */
  sentence: z.string(),
  /** What decided it, most severe first. */
  reasons: z.array(z.string()),
});

/** One stage of the load: a ramp or a hold. */
export const step = z.strictObject({
  index: z.number().int(),
  label: z.string(),
  kind: z.enum(['ramp', 'hold', 'recorded']),
  fromS: z.number(),
  toS: z.number(),
  /** Asked for at the end of the step; null when the recorded schedule decides. */
  targetRatePerSec: z.number().nullable(),
  offered: z.number().int(),
  started: z.number().int(),
  completed: z.number().int(),
  errors: z.number().int(),
  dropped: z.number().int(),
  achievedRatePerSec: z.number(),
  latencies,
  /** No slope in p95 and in-flight over the step; null when it is too short to say. */
  steady: z.boolean().nullable(),
  /** The generator, not the system, was the limit: the step says nothing about the system. */
  generatorLimited: z.boolean(),
  /** Every SLO held in this step; null when the step does not count (ramp, generator-limited, too few samples). */
  withinSlo: z.boolean().nullable(),
  note: z.string().optional(),
});

export const threshold = z.strictObject({
  /** As written in the scenario: `p99(response) < 300ms`. */
  source: z.string(),
  observed: z.number().nullable(),
  limit: z.number(),
  unit: z.enum(['us', 'share', 'perSec', 'count']),
  /** (limit − observed) / limit for `<`; negative when missed; null when not observed. */
  marginShare: z.number().nullable(),
  ok: z.boolean().nullable(),
  samples: z.number().int(),
  note: z.string().optional(),
});

export const guardrail = z.strictObject({
  source: z.string(),
  baseline: z.number().nullable(),
  worst: z.number().nullable(),
  limit: z.number().nullable(),
  unit: z.enum(['us', 'share', 'perSec', 'count']),
  tripped: z.boolean(),
  trippedAtS: z.number().nullable(),
  /** From the decision to abort until no request was sent any more; null when not tripped. */
  stopTookMs: z.number().nullable(),
});

export const service = z.strictObject({
  name: z.string(),
  layer: z.string().nullable(),
  /** Instances whose agents were heard. */
  instances: z.number().int(),
  agentVersions: z.array(z.string()),
  configVersions: z.array(z.string()),
  /** Highest share of one core over a second, over instances; null when not heard. */
  cpuShareMax: z.number().nullable(),
  eventLoopUtilizationMax: z.number().nullable(),
  /** Set when its telemetry stopped in mid-run. */
  lostAtS: z.number().nullable(),
});

export const edge = z.strictObject({
  from: z.string(),
  to: z.string(),
  protocol: z.enum(['http', 'kafka', 'mysql', 'redis', 'egress']),
  /** Table, topic, key space or host; empty for a service's HTTP. */
  target: z.string(),
  calls: z.number().int(),
  /** Visits V_i: calls per entry request. */
  callsPerEntryRequest: z.number(),
  errors: z.number().int(),
  p50Us: z.number(),
  p95Us: z.number(),
  p99Us: z.number(),
});

export const endpoint = z.strictObject({
  route: z.string(),
  count: z.number().int(),
  errors: z.number().int(),
  ratePerSec: z.number(),
  statuses: z.record(z.string(), z.number().int()),
  response: latencySummary,
  service: latencySummary,
});

export const failure = z.strictObject({
  /** HTTP status, an agent's refusal code or a network error code. */
  code: z.string(),
  hop: z.string(),
  route: z.string(),
  count: z.number().int(),
  firstSeenS: z.number(),
  example: z.string(),
});

export const storeAudit = z.strictObject({
  store: z.enum(['mysql', 'kafka', 'redis']),
  /** `bank.transfers`, a topic, a key space. */
  real: z.string(),
  shadow: z.string(),
  /** Rows or messages that the agents say they wrote (inserts − deletes, committed). */
  writesIssued: z.number().int().nullable(),
  /** Rows or messages found: end − start. */
  rowsFound: z.number().int().nullable(),
  outcome: z.enum(['equal', 'missing', 'excess', 'derived', 'not-counted']),
  note: z.string().optional(),
});

export const leak = z.strictObject({
  store: z.enum(['mysql', 'kafka', 'redis', 'egress']),
  /** The real table, topic, key or host. */
  target: z.string(),
  kind: z.enum(['canary', 'shadow-id', 'shadow-flag', 'missing-rows']),
  count: z.number().int(),
  samples: z.array(z.string()),
});

const tableClass = z.enum(['shadow', 'real-read', 'refuse', 'unclassed']);

/** What the audit searched in the real tables of one database, and what it did not. */
export const storeCoverage = z.strictObject({
  /** Name in the scenario. */
  store: z.string(),
  /** Rows read. */
  rows: z.number().int(),
  searched: z.array(
    z.strictObject({
      table: z.string(),
      tableClass,
      /** The key that tells rows added since the run began; `whole`: all rows; `ids`: nothing there could hold the canary; `none`: nor an id. */
      by: z.enum(['auto-increment', 'timestamp', 'whole', 'ids', 'none']),
      rows: z.number().int(),
    }),
  ),
  /** A table may be in both lists: searched in part. */
  notSearched: z.array(
    z.strictObject({
      table: z.string(),
      tableClass,
      reason: z.enum(['no-growing-key', 'no-key', 'ids-reached', 'row-limit', 'budget', 'no-index', 'failed']),
      detail: z.string(),
      /** Would search what is missing, by a scan of the whole table. */
      sql: z.string(),
    }),
  ),
});

export const acknowledgement = z.strictObject({
  service: z.string(),
  instance: z.string(),
  agentVersion: z.string(),
  configVersion: z.string(),
  /** `http` or `kafka`. */
  via: z.string(),
  /** Stores touched: `mysql:bank.transfers_shadow`, `kafka:transfer.created.shadow`, `redis:shadow:{run}:`. */
  touched: z.array(z.string()),
});

export const probe = z.strictObject({
  route: z.string(),
  status: z.number().int().nullable(),
  acknowledgements: z.array(acknowledgement),
  ok: z.boolean(),
  problem: z.string().optional(),
});

export const isolation = z.strictObject({
  outcome: z.enum(['clean', 'leak', 'incomplete', 'not-checked']),
  sentence: z.string(),
  stores: z.array(storeAudit),
  leaks: z.array(leak),
  /** By database; empty where none was searched, and in results of earlier versions of the toolkit. */
  coverage: z.array(storeCoverage).default([]),
  canary: z.strictObject({ value: z.string(), placed: z.number().int(), foundInShadow: z.number().int().nullable() }),
  refusals: z.array(z.strictObject({ code: z.string(), service: z.string(), count: z.number().int() })),
  suspects: z.array(
    z.strictObject({ code: z.string(), service: z.string(), count: z.number().int(), example: z.string().optional() }),
  ),
  probes: z.array(probe),
  cleanedUp: z.boolean(),
});

/** Ordinary users, as their services' agents saw them at the entry. */
export const realUsers = z.strictObject({
  baseline: z
    .strictObject({ count: z.number(), p50Us: z.number(), p99Us: z.number(), errorShare: z.number() })
    .nullable(),
  during: z
    .strictObject({ count: z.number(), p50Us: z.number(), p99Us: z.number(), errorShare: z.number() })
    .nullable(),
});

/** What the steps say about capacity. A search for the knee is a mode of its own. */
export const capacity = z.strictObject({
  sentence: z.string(),
  /** Highest held step within the SLO, steady and not generator-limited. */
  sustained: z.strictObject({ ratePerSec: z.number(), stepIndex: z.number().int() }).nullable(),
  /** Lowest held step that missed the SLO. */
  firstMissed: z.strictObject({ ratePerSec: z.number(), stepIndex: z.number().int() }).nullable(),
  limitedBy: z.string().nullable(),
});

export const recordingInfo = z.strictObject({
  path: z.string(),
  source: z.string(),
  records: z.number().int(),
  sessions: z.number().int(),
  fromIso: z.string(),
  toIso: z.string(),
  /** What was left out or repaired: cut, duplicate, out of order, unusable. */
  notes: z.array(z.string()),
});

export const environment = z.strictObject({
  shadowline: z.string(),
  node: z.string(),
  os: z.string(),
  cpu: z.string(),
  cpus: z.number().int(),
  memoryBytes: z.number(),
  gitCommit: z.string().nullable(),
  engine: z.string(),
  workers: z.number().int(),
});

export const resultSchema = z.strictObject({
  version: z.literal(1),
  run: z.strictObject({
    id: z.string(),
    name: z.string(),
    target: z.string(),
    startedAt: z.string(),
    endedAt: z.string(),
    loadStartedAt: z.string().nullable(),
    loadSeconds: z.number(),
    /** Why the load ended: `schedule finished`, or what stopped it. */
    endedBecause: z.string(),
  }),
  verdict,
  capacity,
  totals: z.strictObject({
    offered: z.number().int(),
    started: z.number().int(),
    completed: z.number().int(),
    errors: z.number().int(),
    dropped: z.number().int(),
    late: z.number().int(),
    sessions: z.number().int(),
  }),
  latencies,
  steps: z.array(step),
  thresholds: z.array(threshold),
  guardrails: z.array(guardrail),
  topology: z.strictObject({ services: z.array(service), edges: z.array(edge) }),
  endpoints: z.array(endpoint),
  errors: z.array(failure),
  isolation,
  realUsers,
  recording: recordingInfo,
  environment,
  /** Hops left out and other limits of what this run can say. Shown next to the verdict. */
  omissions: z.array(z.string()),
});

/** One line of `series.ndjson`: one second of the run. Percentiles are null in a second without samples. */
export const seriesPoint = z.strictObject({
  version: z.literal(1),
  tS: z.number().int(),
  phase: z.enum(['baseline', 'load', 'drain']),
  stepIndex: z.number().int().nullable(),
  offered: z.number().int(),
  started: z.number().int(),
  completed: z.number().int(),
  errors: z.number().int(),
  dropped: z.number().int(),
  inFlight: z.number().int(),
  p50Us: z.number().nullable(),
  p95Us: z.number().nullable(),
  p99Us: z.number().nullable(),
  latenessP99Us: z.number().nullable(),
  realCount: z.number().int().nullable(),
  realErrors: z.number().int().nullable(),
  realP50Us: z.number().nullable(),
  realP99Us: z.number().nullable(),
});

export type Result = z.infer<typeof resultSchema>;
export type SeriesPoint = z.infer<typeof seriesPoint>;
export type LatencySummary = z.infer<typeof latencySummary>;
export type Latencies = z.infer<typeof latencies>;
export type Step = z.infer<typeof step>;
export type Threshold = z.infer<typeof threshold>;
export type GuardrailResult = z.infer<typeof guardrail>;
export type Service = z.infer<typeof service>;
export type Edge = z.infer<typeof edge>;
export type Endpoint = z.infer<typeof endpoint>;
export type Failure = z.infer<typeof failure>;
export type Isolation = z.infer<typeof isolation>;
export type StoreAudit = z.infer<typeof storeAudit>;
export type StoreCoverage = z.infer<typeof storeCoverage>;
export type Leak = z.infer<typeof leak>;
export type Probe = z.infer<typeof probe>;
export type Acknowledgement = z.infer<typeof acknowledgement>;

/** Parses result.json. Throws a ZodError that names every wrong field. */
export function parseResult(value: unknown): Result {
  return resultSchema.parse(value);
}
