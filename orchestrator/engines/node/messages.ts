import type { EngineOptions } from '../engine.js';
import type { Slots } from './slots.js';

/** Between the main thread and a worker. Times are µs after the load began unless they end in `AtUs` (the shared monotonic clock). */

export interface WorkerStart {
  index: number;
  options: Omit<EngineOptions, 'onSecond'>;
  /** Shards that this worker plays. */
  shards: number[];
  /** Its part of a staged schedule. */
  slots: Slots;
  /** Its part of `maxInFlight`. */
  maxInFlight: number;
  /** Requests of the whole recording per recorded µs. */
  recordedPerUs: number;
  /** One Int32: 1 from the moment of `stop` on, seen by every thread at once. */
  stopped: SharedArrayBuffer;
  /** Module that exports `openRecording`; the toolkit's own unless a test gives another. */
  recordingModule: string;
}

export type ToWorker =
  | { kind: 'go'; startAtUs: number }
  | { kind: 'headers'; headers: Record<string, string> }
  | { kind: 'stop'; drainMs: number };

/** Numbers of one step within one second. */
export interface StepCounts {
  step: number;
  offered: number;
  started: number;
  dropped: number;
  late: number;
}

export interface FailureExample {
  code: string;
  route: string;
  tS: number;
  example: string;
}

/** What happened since the last one: `samples` are SAMPLE_FIELDS numbers for each request that ended (samples.ts). */
export interface Progress {
  tS: number;
  counts: StepCounts[];
  inFlight: number;
  samples: Uint32Array<ArrayBuffer>;
  /** Names that samples refer to by number, those new since the last report. */
  routes: string[];
  codes: string[];
  examples: FailureExample[];
  sessions: number;
  canariesPlaced: number;
  eventLoopUtilization: number;
  /** The second is over; otherwise more of it follows. */
  secondEnds: boolean;
  /** The second was not cut short by the end of the load. */
  wholeSecond: boolean;
}

export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'progress'; progress: Progress }
  /** The in-flight cap was reached and the policy is to abort. */
  | { kind: 'limit' }
  | { kind: 'end'; lastSentAtUs: number; finished: boolean; notes: Record<string, number> }
  | { kind: 'failed'; message: string };
