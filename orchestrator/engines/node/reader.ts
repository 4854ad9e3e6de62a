import { Worker } from 'node:worker_threads';
import type { RecordedRequest } from '../../recording/recording.js';
import { Queue } from './queue.js';
import { threadUrl } from './thread-url.js';

/** Slices that are on their way or wait here. */
const SLICES_AHEAD = 16;
const CLOSE_MS = 2000;

export interface ReaderStart {
  recordingModule: string;
  recordingDir: string;
  shards: number[];
  /** Recorded answers are needed too. */
  responses: boolean;
}

export type ToReader = { kind: 'read'; slices: number } | { kind: 'taken'; slices: number } | { kind: 'close' };
export type FromReader =
  | { kind: 'slice'; records: RecordedRequest[] }
  | { kind: 'end' }
  | { kind: 'failed'; message: string };

/**
 * Reads shards in a thread of its own: making objects of some thousand rows takes tens of milliseconds, in which the thread that sends
 * could not send.
 */
export class Reader {
  readonly #thread: Worker;
  readonly #arrived = new Queue<FromReader>();
  #wake: (() => void) | undefined;
  #gone = false;

  constructor(start: ReaderStart) {
    this.#thread = new Worker(threadUrl('reader-thread'), { workerData: start, name: 'reader' });
    this.#thread.on('message', (message: FromReader) => this.#take(message));
    this.#thread.on('error', (error: Error & { code?: string }) =>
      this.#take({ kind: 'failed', message: `its reader died (${error.code ?? error.message})` }),
    );
    this.#thread.on('exit', () => {
      this.#gone = true;
    });
  }

  /** All records from the start. One pass at a time. @throws Error with what the recording's reader says. */
  async *read(): AsyncGenerator<RecordedRequest[]> {
    this.#post({ kind: 'read', slices: SLICES_AHEAD });
    for (;;) {
      const message = this.#arrived.shift();
      if (message === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (message.kind === 'slice') {
        this.#post({ kind: 'taken', slices: 1 });
        yield message.records;
      } else if (message.kind === 'end') {
        return;
      } else {
        throw new Error(message.message);
      }
    }
  }

  async close(): Promise<void> {
    // A reading that waits for the thread would wait for ever.
    this.#take({ kind: 'end' });
    // It closes the recording and ends by itself: a thread that is cut off within native code may take the process along.
    if (this.#gone) return;
    const ended = new Promise((resolve) => this.#thread.once('exit', resolve));
    this.#post({ kind: 'close' });
    const timer = setTimeout(() => void this.#thread.terminate(), CLOSE_MS);
    await ended;
    clearTimeout(timer);
  }

  #take(message: FromReader): void {
    this.#arrived.push(message);
    this.#wake?.();
    this.#wake = undefined;
  }

  #post(message: ToReader): void {
    this.#thread.postMessage(message);
  }
}
