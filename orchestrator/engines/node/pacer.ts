import { type EventLoopUtilization, performance } from 'node:perf_hooks';
import type { Clock } from './clock.js';
import type { Metronome } from './metronome.js';

/** A wake costs some 60 µs of CPU on both sides; more of them than one in this time cost more than they give. */
const MIN_WAKE_US = 400;
/** The event loop is this busy: its own work wakes it often enough, and a metronome would take from the core what sending needs. */
const FULL = 0.85;
const FREE = 0.65;
const LOOK_EVERY_US = 250_000;

/**
 * Calls `tick` when something is due. One tick fires all that is due, so that a late wake costs lateness and never a request.
 *
 * | state     | wakes by                                   | becomes                       |
 * | --------- | ------------------------------------------ | ----------------------------- |
 * | metronome | the metronome thread, at the next due time | timer, above FULL utilisation |
 * | timer     | a 1 ms timer, and every answer (`poke`)    | metronome, below FREE         |
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #tick: (nowUs: number) => number | undefined;
  readonly #metronome: Metronome | undefined;
  #nextUs = Number.POSITIVE_INFINITY;
  #lastTickUs = 0;
  #timer: NodeJS.Timeout | undefined;
  #full = false;
  #running = false;
  #lookedUs = 0;
  #seen: EventLoopUtilization = performance.eventLoopUtilization();

  /** `tick` gets the time and returns the next time at which something is due; undefined when nothing is known to be. */
  constructor(clock: Clock, metronome: Metronome | undefined, tick: (nowUs: number) => number | undefined) {
    this.#clock = clock;
    this.#metronome = metronome;
    this.#tick = tick;
    metronome?.onBeat(() => this.#run());
  }

  start(): void {
    this.#running = true;
    this.#run();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#metronome?.rest();
  }

  /** The event loop is awake anyway: fires what became due. Costs a comparison. */
  poke(nowUs: number): void {
    if (nowUs >= this.#nextUs && this.#running) this.#run();
  }

  /** Something may be due earlier than was known. */
  rearm(): void {
    if (this.#running) this.#run();
  }

  #run(): void {
    if (!this.#running) return;
    const nowUs = this.#clock.nowUs();
    this.#lastTickUs = nowUs;
    // While a tick runs nothing else is due: answers that end within it must not start another one.
    this.#nextUs = Number.POSITIVE_INFINITY;
    this.#nextUs = this.#tick(nowUs) ?? Number.POSITIVE_INFINITY;
    this.#look(nowUs);
    this.#arm();
  }

  #arm(): void {
    if (this.#metronome !== undefined && !this.#full) {
      this.#metronome.wakeAt(Math.max(this.#nextUs, this.#lastTickUs + MIN_WAKE_US));
      return;
    }
    if (this.#timer !== undefined || this.#nextUs === Number.POSITIVE_INFINITY) return;
    const inMs = Math.max(1, Math.floor((this.#nextUs - this.#clock.nowUs()) / 1000));
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#run();
      },
      Math.min(inMs, 100),
    );
  }

  #look(nowUs: number): void {
    if (nowUs - this.#lookedUs < LOOK_EVERY_US) return;
    this.#lookedUs = nowUs;
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#seen);
    this.#seen = now;
    const full = utilization > (this.#full ? FREE : FULL);
    if (full && !this.#full) this.#metronome?.rest();
    this.#full = full;
  }
}
