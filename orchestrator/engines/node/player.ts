import type { EngineOptions } from '../engine.js';
import type { Clock } from './clock.js';
import { failureOf } from './failure.js';
import type { Feed } from './feed.js';
import { Queue } from './queue.js';
import type { Reporter } from './reporter.js';
import { type AlwaysHeaders, alwaysHeaders, type OutgoingRequest, outgoing, wireHeaders } from './request.js';
import { liveResponse } from './response.js';
import { type Answer, NOT_SENT, type Sender } from './sender.js';
import type { Due, Session } from './session.js';
import type { LiveResponse, Transform, TransformContext } from './transforms/transform.js';

/** Started later than this after it was due, for the in-flight cap, counts as late. */
const LATE_US = 5000;

export interface PlayerOptions {
  options: Pick<EngineOptions, 'runId' | 'onLimit' | 'headers'>;
  maxInFlight: number;
  transforms: Transform[];
  feed: Feed;
  sender: Sender;
  reporter: Reporter;
  clock: Clock;
  stopped(): boolean;
  /** The cap was reached and the policy is to abort. */
  onLimit(): void;
  /** All is done that will be. */
  onEnd(): void;
  /** An answer was dealt with, so the thread is awake: what became due may start. */
  onSpare(nowUs: number): void;
}

/**
 * One request's way:
 *
 * | state    | on                                   | becomes                                            |
 * | -------- | ------------------------------------ | -------------------------------------------------- |
 * | ready    | its time                             | offered; waits for its session, or goes on         |
 * | waiting  | its session's previous request ended | goes on                                            |
 * | goes on  | in-flight cap reached                | late: queued; drop: dropped; abort: the load ends  |
 * | goes on  | stopped                              | dropped                                            |
 * | goes on  | otherwise                            | started: transforms, then sent                     |
 * | sent     | answer, error or timeout             | ended: counted, and its session goes on            |
 */
export class Player {
  readonly #o: PlayerOptions;
  readonly #late = new Queue<Due>();
  readonly #learners: Transform[];
  #always: AlwaysHeaders;
  #inFlight = 0;
  #startAtUs = 0;
  #ended = false;
  lastSentAtUs = 0;

  constructor(options: PlayerOptions) {
    this.#o = options;
    this.#learners = options.transforms.filter((transform) => transform.learnsFrom !== undefined);
    this.#always = alwaysHeaders(options.options.headers);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  setHeaders(headers: Record<string, string>): void {
    this.#always = alwaysHeaders(headers);
  }

  startAt(atUs: number): void {
    this.#startAtUs = atUs;
  }

  /** Fires all that is due. Returns when the next is, on the monotonic clock. */
  tick(nowUs: number): number | undefined {
    const { feed, stopped } = this.#o;
    const ready = feed.ready;
    const atUs = nowUs - this.#startAtUs;
    let due = ready.peek();
    while (due !== undefined && !(due.dueUs > atUs) && !stopped()) {
      ready.shift();
      this.#arrive(due);
      due = ready.peek();
    }
    this.#endIfDone();
    return due === undefined ? undefined : due.dueUs + this.#startAtUs;
  }

  /** Drops what waits; call it once `stopped()` is true. */
  dropWaiting(): void {
    for (let due = this.#late.shift(); due !== undefined; due = this.#late.shift()) {
      this.#drop(due);
      this.#next(due.session);
    }
    this.#endIfDone();
  }

  /** Sends a request outside the schedule, e.g. a login that renews a token. */
  sendExtra(request: OutgoingRequest): Promise<LiveResponse> {
    return new Promise((resolve, reject) => {
      this.#dispatch(request, true, (answer) => {
        if (answer.error === undefined) resolve(liveResponse(answer));
        else reject(new Error(answer.error));
      });
    });
  }

  #now(): number {
    return this.#o.clock.nowUs() - this.#startAtUs;
  }

  #arrive(due: Due): void {
    const { session } = due;
    if (!Number.isNaN(due.dueUs)) this.#o.reporter.offered(due.step);
    if (session.busy) {
      session.waiting.push(due);
      return;
    }
    session.busy = true;
    if (Number.isNaN(due.dueUs)) this.#dueNow(due, this.#now());
    if (!this.#start(due)) this.#next(session);
  }

  #dueNow(due: Due, atUs: number): void {
    due.dueUs = atUs;
    this.#o.reporter.offered(due.step);
  }

  /** The session's next request that gets under way; the session rests when there is none. */
  #next(session: Session): void {
    for (let due = session.waiting.shift(); due !== undefined; due = session.waiting.shift()) {
      const atUs = this.#now();
      if (Number.isNaN(due.dueUs)) this.#dueNow(due, atUs);
      else due.sessionWaitUs = Math.max(0, atUs - due.dueUs);
      if (this.#start(due)) return;
    }
    session.busy = false;
  }

  /** True when the request is under way or queued; false when it was dropped. */
  #start(due: Due): boolean {
    const { options, maxInFlight, stopped, onLimit } = this.#o;
    if (stopped()) return this.#drop(due);
    if (this.#inFlight < maxInFlight) {
      this.#begin(due);
      return true;
    }
    if (options.onLimit === 'late') {
      this.#late.push(due);
      return true;
    }
    if (options.onLimit === 'abort') onLimit();
    return this.#drop(due);
  }

  #drop(due: Due): false {
    this.#o.reporter.dropped(due.step);
    this.#o.feed.done(due);
    return false;
  }

  #begin(due: Due): void {
    this.#inFlight++;
    this.#o.reporter.started(due.step);
    this.#prepareAndSend(due, false);
  }

  #prepareAndSend(due: Due, again: boolean): void {
    const request = outgoing(due.record);
    const context: TransformContext = { record: due.record, session: due.session, runId: this.#o.options.runId };
    const fromUs = this.#now();
    try {
      const waits = this.#transform(request, context, 0);
      if (waits === undefined) {
        this.#send(due, request, context, again);
        return;
      }
      waits
        .then(() => {
          // Waiting for a renewed token is waiting for the session, not lateness of the generator.
          due.sessionWaitUs += this.#now() - fromUs;
          this.#send(due, request, context, again);
        })
        .catch((error: unknown) => this.#unsent(due, error));
    } catch (error) {
      this.#unsent(due, error);
    }
  }

  /** Applies transforms from an index on; stays synchronous as long as they are. */
  #transform(request: OutgoingRequest, context: TransformContext, from: number): Promise<void> | undefined {
    const { transforms } = this.#o;
    for (let i = from; i < transforms.length; i++) {
      const waits = transforms[i]!.apply(request, context);
      if (waits instanceof Promise) return waits.then(() => this.#transform(request, context, i + 1));
    }
    return undefined;
  }

  #send(due: Due, request: OutgoingRequest, context: TransformContext, again: boolean): void {
    const learners = this.#learners.filter((transform) => transform.learnsFrom!(due.record));
    this.#dispatch(request, learners.length > 0, (answer) => {
      for (const learner of learners)
        if (answer.error === undefined) learner.learn?.(request, liveResponse(answer), context);
      const recovery = again ? undefined : this.#recovery(answer, due, context);
      if (recovery === undefined) return this.#end(due, answer);
      const fromUs = this.#now();
      recovery.then((worthIt) => {
        if (!worthIt || this.#o.stopped()) return this.#end(due, answer);
        due.sessionWaitUs += this.#now() - fromUs;
        this.#prepareAndSend(due, true);
      });
    });
  }

  #recovery(answer: Answer, due: Due, context: TransformContext): Promise<boolean> | undefined {
    if (answer.status < 400 || due.record.status >= 400) return undefined;
    for (const transform of this.#o.transforms) {
      const recovery = transform.recover?.(answer.status, context);
      if (recovery !== undefined) return recovery;
    }
    return undefined;
  }

  #dispatch(request: OutgoingRequest, wantsBody: boolean, done: (answer: Answer) => void): void {
    const { method, url: path, body } = request;
    this.#o.sender.send({ method, path, headers: wireHeaders(request, this.#always), body, wantsBody }, done);
    this.lastSentAtUs = this.#o.clock.nowUs();
  }

  #unsent(due: Due, error: unknown): void {
    this.#o.reporter.failedUnsent(due, 'transform', error instanceof Error ? error.message : String(error));
    // Not at once: a long queue of such requests in one session would be as many calls deep.
    queueMicrotask(() => this.#settle(due));
  }

  #end(due: Due, answer: Answer): void {
    if (answer.error === NOT_SENT) this.#o.reporter.takenBack(due.step);
    else this.#o.reporter.ended(due, answer, failureOf(answer, due.record.status), this.#startAtUs);
    this.#settle(due);
  }

  #settle(due: Due): void {
    this.#inFlight--;
    this.#o.feed.done(due);
    const late = this.#late.shift();
    if (late !== undefined) {
      if (this.#now() - late.dueUs - late.sessionWaitUs > LATE_US) this.#o.reporter.late(late.step);
      if (!this.#start(late)) this.#next(late.session);
    }
    this.#next(due.session);
    this.#o.onSpare(this.#o.clock.nowUs());
    this.#endIfDone();
  }

  #endIfDone(): void {
    const { feed, stopped, onEnd } = this.#o;
    const nothingComes = stopped() || (feed.ended && feed.ready.size === 0);
    if (this.#ended || !nothingComes || this.#inFlight > 0 || this.#late.size > 0) return;
    this.#ended = true;
    onEnd();
  }
}
