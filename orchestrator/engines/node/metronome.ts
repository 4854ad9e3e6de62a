import { Worker } from 'node:worker_threads';
import { threadUrl } from './thread-url.js';

/** Layout of the memory that both threads see. */
export const CHANGED = 0;
export const BEATING = 1;
export const CLOSED = 2;
/** Float64 index of the time to wake at. */
export const WAKE_AT = 2;
/** Float64 index: the thread sleeps until then, and looks at WAKE_AT by itself. */
export const SLEEPS_UNTIL = 3;
export const SHARED_BYTES = 32;

/**
 * Wakes this thread at a time that is precise to some 50 µs: an event loop's timers count whole milliseconds, but a thread that sleeps in
 * `Atomics.wait` may do so for a fraction of one. It then posts a message.
 */
export class Metronome {
  readonly #shared = new SharedArrayBuffer(SHARED_BYTES);
  readonly #flags = new Int32Array(this.#shared);
  readonly #times = new Float64Array(this.#shared);
  readonly #thread: Worker;
  #beat: () => void = () => {};

  constructor() {
    this.#times[WAKE_AT] = Number.POSITIVE_INFINITY;
    this.#thread = new Worker(threadUrl('metronome-thread'), {
      workerData: this.#shared,
      resourceLimits: { maxOldGenerationSizeMb: 16 },
    });
    this.#thread.on('message', () => {
      Atomics.store(this.#flags, BEATING, 0);
      this.#beat();
    });
    this.#thread.unref();
  }

  onBeat(beat: () => void): void {
    this.#beat = beat;
  }

  /** One beat at this time of the monotonic clock; a later call replaces an earlier one. */
  wakeAt(atUs: number): void {
    this.#times[WAKE_AT] = atUs;
    // A sleeper that wakes too early looks again by itself; only one that would wake too late must be told, which costs 15 µs.
    Atomics.add(this.#flags, CHANGED, 1);
    if (atUs < this.#times[SLEEPS_UNTIL]!) Atomics.notify(this.#flags, CHANGED);
  }

  rest(): void {
    this.wakeAt(Number.POSITIVE_INFINITY);
  }

  async close(): Promise<void> {
    Atomics.store(this.#flags, CLOSED, 1);
    Atomics.add(this.#flags, CHANGED, 1);
    Atomics.notify(this.#flags, CHANGED);
    await this.#thread.terminate();
  }
}
