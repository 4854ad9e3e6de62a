import type { Histogram } from 'hdr-histogram-js';

/**
 * What every engine promises. An engine plays one recording at one target; it knows nothing of agents, guardrails or
 * leaks. `node` is the first implementation; autocannon and k6 fit the same shape.
 */

/** A stage of the load: ramp linearly `toPerSec` over `durationMs`, or hold the rate reached so far. */
export type Stage = { kind: 'ramp'; toPerSec: number; durationMs: number } | { kind: 'hold'; durationMs: number };

/**
 * When requests are due. `recorded`: due = T0 + (t − t0) / speed. `stages`: the n-th request in recorded order is due when the
 * integral of the rate reaches n; the recording is repeated with cloned sessions until the stages end.
 */
export type Schedule = { kind: 'recorded'; speed: number } | { kind: 'stages'; stages: Stage[]; speed: number };

export type Think = { kind: 'recorded' } | { kind: 'none' } | { kind: 'factor'; factor: number };

/** Applied to each request in order. A field is `header:x`, `query:x`, `body.a.b` (JSON), `path:2` (segment index). With a `route`
 * (`GET /accounts/:id`) it is applied to requests of that route only. */
export type TransformSpec =
  /** Integer identities shifted into the shadow id range: out = from + (in mod size), the same value always to the same one; a cloned session c shifts by c. */
  | { kind: 'identity'; field: string; from: number; to: number; route?: string }
  /** The run's canary is put before the field's value: `<canary>-<clone>-<value>`: finds leaks and keeps idempotency keys unique. */
  | { kind: 'canary'; field: string; route?: string }
  /** A login response's token replaces the recorded one in later requests of the session, and is renewed before it expires. */
  | { kind: 'token'; login: string; tokenField: string; header: string; expiresInField?: string }
  /** A value of a recorded response that later requests of the session used is replaced by the live one. Found automatically. */
  | { kind: 'correlate' }
  /** A user's module: default export `(request, context) => request | Promise<request>`. */
  | { kind: 'module'; path: string };

export interface EngineOptions {
  /** Origin, e.g. `http://127.0.0.1:8080`. */
  target: string;
  recordingDir: string;
  runId: string;
  /** Put into canary fields; [A-Za-z0-9]{8,}. */
  canary: string;
  schedule: Schedule;
  think: Think;
  /** Copies of each session that run side by side; 1 = as recorded. */
  amplifySessions: number;
  transforms: TransformSpec[];
  maxInFlight: number;
  onLimit: 'late' | 'drop' | 'abort';
  timeoutMs: number;
  /** Worker threads; 0 = choose from the machine. */
  workers: number;
  /** Headers set on every request, after the transforms. The flag is among them and is renewed by `setHeaders`. */
  headers: Record<string, string>;
  /** Called about once a second, from the main thread, with merged figures. */
  onSecond(sample: SecondSample): void;
}

/** One second of all workers together. Histograms are in microseconds and belong to the receiver. */
export interface SecondSample {
  /** Whole seconds since the load began. */
  tS: number;
  stepIndex: number;
  /** Due in this second. */
  offered: number;
  started: number;
  completed: number;
  errors: number;
  dropped: number;
  /** Started later than 5 ms after due because of the in-flight cap. */
  late: number;
  inFlight: number;
  response: Histogram;
  lateness: Histogram;
}

export interface LatencyHistograms {
  /** end − due: the headline. Timeouts are entered at the timeout. */
  response: Histogram;
  /** end − sent. */
  service: Histogram;
  /** sent − due, less what the session's own predecessor blocked. */
  lateness: Histogram;
  /** Time a due request waited for the answer to its session's previous request. */
  sessionWait: Histogram;
}

export interface StepTally extends LatencyHistograms {
  index: number;
  label: string;
  kind: 'ramp' | 'hold' | 'recorded';
  fromS: number;
  toS: number;
  targetRatePerSec: number | null;
  offered: number;
  started: number;
  completed: number;
  errors: number;
  dropped: number;
}

export interface RouteTally {
  /** `POST /transfers`, `GET /accounts/:id`. */
  route: string;
  count: number;
  errors: number;
  /** Count by HTTP status; network errors and timeouts by their code. */
  statuses: Record<string, number>;
  response: Histogram;
  service: Histogram;
}

export interface FailureTally {
  /** `http-500`, `ECONNRESET`, `timeout`, an agent's code from problem+json. */
  code: string;
  route: string;
  count: number;
  firstSeenS: number;
  /** Up to 200 characters of the first body or message. */
  example: string;
}

export interface EngineResult {
  loadStartedAtMs: number;
  durationS: number;
  /** `schedule finished`, `stopped: <reason>`, `in-flight limit`, `error: <what>`. */
  endedBecause: string;
  /** The engine itself failed (a worker died, the recording could not be read on): the figures are those up to then. */
  error?: string;
  /** From the call of `stop` until the last send; null when not stopped. */
  stopTookMs: number | null;
  totals: {
    offered: number;
    started: number;
    completed: number;
    errors: number;
    dropped: number;
    late: number;
    sessions: number;
    canariesPlaced: number;
  };
  latencies: LatencyHistograms;
  steps: StepTally[];
  routes: RouteTally[];
  failures: FailureTally[];
  workers: number;
  /** Highest event-loop utilisation of a worker over a second, 0…1. */
  eventLoopUtilizationMax: number;
  /** What of the recording could not be replayed, and why; each line is for people. */
  notes: string[];
}

export interface EngineRun {
  /** Replaces headers from now on, e.g. a renewed flag. */
  setHeaders(headers: Record<string, string>): void;
  /** No request starts after this; those in flight may finish within `drainMs`. Idempotent. */
  stop(reason: string, drainMs?: number): void;
  readonly done: Promise<EngineResult>;
}

export interface Engine {
  readonly name: 'node' | 'autocannon' | 'k6';
  /** Checks and opens everything before it resolves; the first request is due when it does. */
  start(options: EngineOptions): Promise<EngineRun>;
}
