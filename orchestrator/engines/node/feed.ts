import { setTimeout as sleep } from 'node:timers/promises';
import type { RecordedRequest } from '../../recording/recording.js';
import { Heap } from './heap.js';
import { Queue } from './queue.js';
import { type Due, jitterOf, newSession, type Session } from './session.js';
import type { Timing } from './timing.js';

/** Requests are ready this long before they are due, and no longer. */
export const LOOK_AHEAD_US = 2_000_000;
export const LOOK_AHEAD_BYTES = 64 * 1024 * 1024;
/** Sessions of one pass, clones included, that are kept by name; past it those that rest are forgotten (and counted). */
const MAX_SESSIONS = 200_000;
/** A guess at what a record costs besides its bytes. */
const RECORD_OVERHEAD_BYTES = 600;
const POLL_MS = 20;

interface Copy {
  orderUs: number;
  ordinal: number;
  due: Due;
}

export interface FeedOptions {
  /** Opens the worker's shards from their start; called once for each pass. */
  read(): AsyncIterable<RecordedRequest[]>;
  timing: Timing;
  /** Clones that run side by side. */
  copies: number;
  /** µs since the load began; negative before it. */
  nowUs(): number;
  /** Something is ready that was not. */
  onReady(): void;
}

/**
 * Reads ahead: records → clones in order → times. What it has ready is bounded in time and bytes; while either bound is reached it
 * does not read.
 */
export class Feed {
  readonly ready = new Queue<Due>();
  sessions = 0;
  forgottenSessions = 0;
  /** No further request will be ready. */
  ended = false;
  readonly #options: FeedOptions;
  readonly #heap = new Heap<Copy>(
    (a, b) => a.orderUs < b.orderUs || (a.orderUs === b.orderUs && a.ordinal < b.ordinal),
  );
  #heldBytes = 0;
  #lastDueUs = Number.NEGATIVE_INFINITY;
  #ordinal = 0;
  #scheduleOver = false;
  #stopped = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Runs until the schedule or the recording ends, or `stop`. Rejects with what the recording's reader throws. */
  async run(): Promise<void> {
    const { timing } = this.#options;
    for (let pass = 0; !this.#over; pass++) {
      const records = await this.#pass(pass);
      await this.#room(Number.POSITIVE_INFINITY);
      if (!timing.repeats || records === 0) break;
    }
    this.ended = true;
    this.#options.onReady();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** The player is done with a request: its bytes no longer count. */
  done(due: Due): void {
    this.#heldBytes -= sizeOf(due.record);
    due.session.pending--;
  }

  async #pass(pass: number): Promise<number> {
    const { read, timing } = this.#options;
    const sessions = new Map<string, Session[]>();
    let records = 0;
    for await (const batch of read()) {
      for (const record of batch) {
        records++;
        this.#hold(record, this.#clonesOf(record, sessions, pass));
        const frontierUs = timing.readsAll ? Number.NEGATIVE_INFINITY : record.tUs;
        if (this.#release(frontierUs)) await this.#room(frontierUs);
        if (this.#over) return records;
      }
    }
    return records;
  }

  #hold(record: RecordedRequest, clones: Session[]): void {
    const { timing } = this.#options;
    for (let copy = 0; copy < clones.length; copy++) {
      const session = clones[copy]!;
      const jitterUs = copy === 0 ? 0 : jitterOf(record.session, copy) * timing.jitterUs;
      const orderUs = timing.orderUs(record.tUs, session.firstUs) + jitterUs;
      const dueUs = timing.chained && session.read > 0 ? Number.NaN : 0;
      session.read++;
      session.pending++;
      this.#heldBytes += sizeOf(record);
      this.#heap.push({
        orderUs,
        ordinal: this.#ordinal++,
        due: { record, session, dueUs, step: 0, sessionWaitUs: 0 },
      });
    }
  }

  /** Makes ready what no later record can precede. True when the look-ahead is full and there may be more. */
  #release(frontierUs: number): boolean {
    const { timing, onReady } = this.#options;
    for (let top = this.#heap.peek(); top !== undefined && !this.#over; top = this.#heap.peek()) {
      if (this.#full) return true;
      // Past the byte bound the order between clones gives way; the order within a session never does.
      if (top.orderUs > frontierUs && this.#heldBytes <= LOOK_AHEAD_BYTES) return false;
      const time = timing.next(top.orderUs);
      if (time === undefined) {
        this.#scheduleOver = true;
        return false;
      }
      this.#heap.pop();
      if (!Number.isNaN(top.due.dueUs)) top.due.dueUs = time.dueUs;
      top.due.step = time.step;
      this.#lastDueUs = time.dueUs;
      this.ready.push(top.due);
      if (this.ready.size === 1) onReady();
    }
    return false;
  }

  async #room(frontierUs: number): Promise<void> {
    while (!this.#over && this.#release(frontierUs)) await sleep(POLL_MS);
  }

  get #full(): boolean {
    if (this.ready.size === 0) return false;
    return this.#lastDueUs > this.#options.nowUs() + LOOK_AHEAD_US || this.#heldBytes > LOOK_AHEAD_BYTES;
  }

  get #over(): boolean {
    return this.#stopped || this.#scheduleOver;
  }

  #clonesOf(record: RecordedRequest, sessions: Map<string, Session[]>, pass: number): Session[] {
    const known = sessions.get(record.session);
    if (known !== undefined) return known;
    const { copies } = this.#options;
    const clones = Array.from({ length: copies }, (_, copy) =>
      newSession(record.session, pass * copies + copy, record.tUs),
    );
    this.sessions += copies;
    sessions.set(record.session, clones);
    if (sessions.size * copies > MAX_SESSIONS) this.#forget(sessions);
    return clones;
  }

  #forget(sessions: Map<string, Session[]>): void {
    for (const [id, clones] of sessions) {
      if (clones.some((session) => session.pending > 0)) continue;
      sessions.delete(id);
      this.forgottenSessions += clones.length;
      if (sessions.size * this.#options.copies <= MAX_SESSIONS * 0.9) return;
    }
  }
}

function sizeOf(record: RecordedRequest): number {
  return (
    RECORD_OVERHEAD_BYTES + record.url.length + (record.body?.byteLength ?? 0) + (record.responseBody?.length ?? 0)
  );
}
