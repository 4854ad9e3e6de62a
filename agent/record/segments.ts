import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { REAL, runWith } from '../context.js';
import { CAPTURE_VERSION, type CaptureHeader, type CaptureRecord, type CaptureTrailer } from './capture.js';

const FLUSH_MS = 200;

export interface SegmentOptions {
  dir: string;
  service: string;
  instance: string;
  segmentSeconds: number;
  maxBufferBytes: number;
  nowUs(): number;
  /** The disk refused: recording is over. Called once. */
  onFailure(error: Error): void;
}

/**
 * Writes capture segments: `<service>-<instance>-<number>.ndjson`, one file a time slice, synced to disk when it is closed. Lines wait in
 * memory while the disk is busy, up to a bound; what does not fit is dropped and counted.
 */
export class SegmentWriter {
  readonly #options: SegmentOptions;
  readonly #timer: NodeJS.Timeout;
  #lines: string[] = [];
  #bufferedBytes = 0;
  #file: FileHandle | undefined;
  #segment = 0;
  #openedUs = 0;
  #records = 0;
  #dropped = 0;
  #working: Promise<void> = Promise.resolve();
  #busy = false;
  #failed = false;
  #closed = false;

  constructor(options: SegmentOptions) {
    this.#options = options;
    this.#timer = runWith(REAL, () => setInterval(() => this.#flushSoon(), FLUSH_MS));
    this.#timer.unref();
  }

  /** @returns false when it was dropped */
  add(record: CaptureRecord): boolean {
    if (this.#failed || this.#closed) return false;
    const line = `${JSON.stringify(record)}\n`;
    const bytes = Buffer.byteLength(line);
    if (this.#bufferedBytes + bytes > this.#options.maxBufferBytes) {
      this.#dropped++;
      return false;
    }
    this.#lines.push(line);
    this.#bufferedBytes += bytes;
    return true;
  }

  countDropped(): void {
    this.#dropped++;
  }

  /** Ends the open segment in order. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#working;
    if (!this.#failed) await this.#guarded(async () => this.#flush(true));
  }

  /** As `close`, for the last moment of a process. */
  closeNow(): void {
    if (this.#closed || this.#failed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    // An asynchronous write may be under way: then only a file of one's own can be written safely.
    const isNew = this.#file === undefined || this.#busy;
    if (isNew && this.#lines.length === 0) return;
    try {
      if (isNew) this.#begin();
      mkdirSync(this.#options.dir, { recursive: true });
      const lines = this.#lines.splice(0);
      this.#records += lines.length;
      const file = openSync(this.#path(), 'a', 0o600);
      writeSync(file, (isNew ? this.#head() : '') + lines.join('') + this.#trailer());
      fsyncSync(file);
      closeSync(file);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #flushSoon(): void {
    if (this.#busy || this.#failed) return;
    this.#busy = true;
    this.#working = this.#guarded(async () => {
      const isOver = this.#file !== undefined && this.#ageS() >= this.#options.segmentSeconds;
      await this.#flush(isOver);
    }).finally(() => {
      this.#busy = false;
    });
  }

  async #flush(end: boolean): Promise<void> {
    if (this.#lines.length > 0) {
      if (this.#file === undefined) {
        await mkdir(this.#options.dir, { recursive: true });
        this.#begin();
        this.#file = await open(this.#path(), 'ax', 0o600);
        await this.#file.appendFile(this.#head());
      }
      const lines = this.#lines;
      const bytes = this.#bufferedBytes;
      this.#lines = [];
      await this.#file.appendFile(lines.join(''));
      this.#bufferedBytes -= bytes;
      this.#records += lines.length;
    }
    if (!end || this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    await file.appendFile(this.#trailer());
    await file.sync();
    await file.close();
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#failed) return;
    this.#failed = true;
    clearInterval(this.#timer);
    this.#lines = [];
    this.#bufferedBytes = 0;
    this.#file?.close().catch(() => undefined);
    this.#file = undefined;
    this.#options.onFailure(error);
  }

  #begin(): void {
    this.#openedUs = this.#options.nowUs();
    this.#records = 0;
    this.#segment++;
  }

  #ageS(): number {
    return (this.#options.nowUs() - this.#openedUs) / 1e6;
  }

  #path(): string {
    const { dir, service, instance } = this.#options;
    return join(dir, `${service}-${instance}-${String(this.#segment - 1).padStart(6, '0')}.ndjson`);
  }

  #head(): string {
    const { service, instance } = this.#options;
    const header: CaptureHeader = {
      shadowline: 'capture',
      version: CAPTURE_VERSION,
      service,
      instance,
      segment: this.#segment - 1,
      opened_us: this.#openedUs,
    };
    return `${JSON.stringify(header)}\n`;
  }

  #trailer(): string {
    const trailer: CaptureTrailer = { shadowline: 'end', records: this.#records, dropped: this.#dropped };
    this.#dropped = 0;
    return `${JSON.stringify(trailer)}\n`;
  }
}
