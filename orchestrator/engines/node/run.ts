import { Worker } from 'node:worker_threads';
import type { EngineOptions, EngineResult, EngineRun } from '../engine.js';
import { EngineError } from '../errors.js';
import type { Assignment } from './assign.js';
import { monotonicClock } from './clock.js';
import type { FromWorker, ToWorker, WorkerStart } from './messages.js';
import type { Step } from './schedule.js';
import { Tally } from './tally.js';
import { threadUrl } from './thread-url.js';

/** From the message until all workers have it and wait for the same moment. */
const LEAD_MS = 30;
const DRAIN_MS = 10_000;
/** All that a worker holds is bounded (feed.ts) at about half of this. V8 collects a heap with a bound sooner, so that memory stays flat. */
const HEAP_MB = 512;
/** A worker that does not end this long after it should have is ended. */
const GRACE_MS = 3000;

export interface NodeRunOptions {
  options: EngineOptions;
  recordingModule: string;
  assignments: Assignment[];
  steps: Step[];
  recordedPerUs: number;
  notes: string[];
}

interface Hand {
  thread: Worker;
  ready: boolean;
  ended: boolean;
  lastSentAtUs: number;
}

/** One run of the node engine, seen from the main thread: starts workers, merges what they report, ends them. */
export class NodeRun implements EngineRun {
  readonly done: Promise<EngineResult>;
  readonly #o: NodeRunOptions;
  readonly #tally: Tally;
  readonly #stopped = new Int32Array(new SharedArrayBuffer(4));
  readonly #hands: Hand[];
  readonly #notes = new Map<string, number>();
  #resolve!: (result: EngineResult) => void;
  #allReady: { resolve(): void; reject(error: Error): void } | undefined;
  #startAtUs = 0;
  #startedAtMs = 0;
  #stopCalledUs: number | undefined;
  #endedBecause = 'schedule finished';
  #error: string | undefined;
  #grace: NodeJS.Timeout | undefined;

  constructor(options: NodeRunOptions) {
    this.#o = options;
    this.#tally = new Tally(options.steps, options.assignments.length, options.options.onSecond);
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#hands = options.assignments.map((assignment, index) => this.#hire(assignment, index));
  }

  /** Resolves when the load begins. @throws EngineError when a worker cannot open the recording or a transform. */
  async start(): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#allReady = { resolve, reject };
      });
    } catch (error) {
      await Promise.all(this.#hands.map(({ thread }) => thread.terminate()));
      throw error;
    }
    this.#allReady = undefined;
    this.#startAtUs = monotonicClock.nowUs() + LEAD_MS * 1000;
    this.#startedAtMs = Date.now() + LEAD_MS;
    this.#tell({ kind: 'go', startAtUs: this.#startAtUs });
    await new Promise((resolve) => setTimeout(resolve, LEAD_MS));
  }

  setHeaders(headers: Record<string, string>): void {
    this.#tell({ kind: 'headers', headers });
  }

  stop(reason: string, drainMs = DRAIN_MS): void {
    this.#stop(`stopped: ${reason}`, drainMs);
  }

  #stop(because: string, drainMs: number): void {
    if (this.#stopCalledUs !== undefined || this.#hands.every((hand) => hand.ended)) return;
    this.#stopCalledUs = monotonicClock.nowUs();
    Atomics.store(this.#stopped, 0, 1);
    this.#endedBecause = because;
    this.#tell({ kind: 'stop', drainMs });
    this.#grace = setTimeout(() => {
      for (const hand of this.#hands) if (!hand.ended) void hand.thread.terminate();
    }, drainMs + GRACE_MS);
  }

  #tell(message: ToWorker): void {
    for (const hand of this.#hands) if (!hand.ended) hand.thread.postMessage(message);
  }

  #hire(assignment: Assignment, index: number): Hand {
    const { options, recordingModule, recordedPerUs, assignments } = this.#o;
    const { onSecond: _, ...sendable } = options;
    const workers = assignments.length;
    const start: WorkerStart = {
      index,
      options: sendable,
      shards: assignment.shards,
      slots: assignment.slots,
      maxInFlight: Math.floor(options.maxInFlight / workers) + (index < options.maxInFlight % workers ? 1 : 0),
      recordedPerUs,
      stopped: this.#stopped.buffer as SharedArrayBuffer,
      recordingModule,
    };
    const thread = new Worker(threadUrl('worker'), {
      workerData: start,
      name: `load ${index}`,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    });
    const hand: Hand = { thread, ready: false, ended: false, lastSentAtUs: 0 };
    thread.on('message', (message: FromWorker) => this.#hear(hand, index, message));
    thread.on('error', (error: Error & { code?: string }) => this.#lost(hand, index, error.code ?? error.message));
    thread.on('exit', (code) => this.#lost(hand, index, `exit code ${code}`));
    return hand;
  }

  #hear(hand: Hand, index: number, message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        hand.ready = true;
        if (this.#hands.every((other) => other.ready)) this.#allReady?.resolve();
        return;
      case 'progress':
        this.#tally.add(index, message.progress);
        return;
      case 'limit':
        this.#stop('in-flight limit', DRAIN_MS);
        return;
      case 'failed':
        this.#failed(index, message.message);
        return;
      case 'end':
        hand.lastSentAtUs = message.lastSentAtUs;
        for (const [note, count] of Object.entries(message.notes))
          this.#notes.set(note, (this.#notes.get(note) ?? 0) + count);
        this.#ended(hand, index);
        return;
    }
  }

  #failed(index: number, message: string): void {
    const text = `worker ${index}: ${message}`;
    if (this.#allReady !== undefined) {
      this.#allReady.reject(new EngineError('ENGINE_WORKER', text));
      return;
    }
    this.#error ??= text;
    this.#stop(`error: ${text}`, DRAIN_MS);
  }

  /** A thread that is gone without having said so. */
  #lost(hand: Hand, index: number, why: string): void {
    if (hand.ended) return;
    this.#failed(index, `died (${why}); what it did in its last second is not counted`);
    this.#ended(hand, index);
  }

  #ended(hand: Hand, index: number): void {
    hand.ended = true;
    this.#tally.workerEnded(index);
    if (this.#hands.every((other) => other.ended)) this.#finish();
  }

  #finish(): void {
    clearTimeout(this.#grace);
    const endUs = monotonicClock.nowUs();
    const durationS = (endUs - this.#startAtUs) / 1e6;
    const lastSentUs = Math.max(...this.#hands.map((hand) => hand.lastSentAtUs));
    const stopped = this.#stopCalledUs !== undefined;
    const loadEndS = stopped ? (this.#stopCalledUs! - this.#startAtUs) / 1e6 : durationS;
    this.#resolve({
      loadStartedAtMs: this.#startedAtMs,
      durationS,
      endedBecause: this.#endedBecause,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      stopTookMs: stopped ? Math.max(0, (lastSentUs - this.#stopCalledUs!) / 1000) : null,
      totals: this.#tally.totals,
      latencies: this.#tally.latencies,
      steps: this.#tally.steps(loadEndS, stopped),
      routes: this.#tally.routes(),
      failures: this.#tally.failures(),
      workers: this.#hands.length,
      eventLoopUtilizationMax: this.#tally.eventLoopUtilizationMax,
      notes: [...this.#o.notes, ...[...this.#notes].map(([note, count]) => `${note}: ${count} times`)],
    });
  }
}
