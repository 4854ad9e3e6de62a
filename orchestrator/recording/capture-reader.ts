import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  CAPTURE_VERSION,
  type CaptureHeader,
  type CaptureRecord,
  type CaptureTrailer,
} from '@shadowline/agent/capture';
import { problemOfRecord } from './check-record.js';
import type { Completeness } from './completeness.js';
import { RecordingError } from './errors.js';
import { type Line, readLines } from './lines.js';

export const DEFAULT_MAX_LINE_BYTES = 16 * 1024 * 1024;

/** A record and where it was found. */
export interface Sourced {
  record: CaptureRecord;
  /** `file:line`, relative to the capture. */
  where: string;
}

export interface CaptureReaderOptions {
  maxLineBytes?: number;
  completeness: Completeness;
}

/**
 * All usable records of the segments (`*.ndjson`) of a folder, in no order; what cannot be used goes into `completeness`.
 * @throws RecordingError: `CAPTURE_MISSING` (no folder, or no segment in it), `CAPTURE_VERSION`.
 */
export async function* readCapture(dir: string, options: CaptureReaderOptions): AsyncGenerator<Sourced[]> {
  const files = await segmentsOf(dir);
  // Every header before the first record: a version that cannot be read is refused before any work is done.
  for (const file of files) await refuseOtherVersions(file);
  const numbers = new Map<string, Set<number>>();
  for (const file of files) yield* new Segment(file, options, numbers).read();
  for (const [instance, seen] of numbers) {
    for (let n = 0; n < Math.max(...seen); n++) {
      if (!seen.has(n)) options.completeness.missingSegments.push(`${instance} segment ${n}`);
    }
  }
}

async function segmentsOf(dir: string): Promise<string[]> {
  const hint = 'give the folder that the recorder wrote to (SHADOWLINE_RECORD_DIR)';
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (cause) {
    throw new RecordingError('CAPTURE_MISSING', `${dir} cannot be read: ${(cause as Error).message}`, hint, { cause });
  }
  const files: string[] = [];
  for (const name of names.sort()) {
    const file = join(dir, name);
    if (name.endsWith('.ndjson') && (await stat(file)).isFile()) files.push(file);
  }
  if (files.length === 0) throw new RecordingError('CAPTURE_MISSING', `${dir} holds no segment (*.ndjson)`, hint);
  return files;
}

async function refuseOtherVersions(file: string): Promise<void> {
  for await (const lines of readLines(createReadStream(file), 64 * 1024)) {
    const header = lines[0]!.kind === 'line' ? parse(lines[0]!.bytes) : undefined;
    const { shadowline, version } = (header ?? {}) as Partial<Record<keyof CaptureHeader, unknown>>;
    if (shadowline === 'capture' && version !== CAPTURE_VERSION) {
      throw new RecordingError(
        'CAPTURE_VERSION',
        `${file}:1: capture version ${JSON.stringify(version) ?? 'missing'}; this toolkit reads version ${CAPTURE_VERSION}`,
        'use the toolkit of the same release as the agent that recorded',
      );
    }
    return;
  }
}

class Segment {
  readonly #file: string;
  readonly #name: string;
  readonly #maxLineBytes: number;
  readonly #completeness: Completeness;
  readonly #numbers: Map<string, Set<number>>;
  #header: CaptureHeader | undefined;
  #trailer: CaptureTrailer | undefined;
  /** A copy of a segment that was already read: its records go as duplicates, its counters count once. */
  #again = false;
  /** Lines that are records, usable or not. */
  #records = 0;

  constructor(file: string, options: CaptureReaderOptions, numbers: Map<string, Set<number>>) {
    this.#file = file;
    this.#name = basename(file);
    this.#maxLineBytes = options.maxLineBytes ?? DEFAULT_MAX_LINE_BYTES;
    this.#completeness = options.completeness;
    this.#numbers = numbers;
  }

  async *read(): AsyncGenerator<Sourced[]> {
    this.#completeness.segments++;
    for await (const lines of readLines(
      createReadStream(this.#file, { highWaterMark: 256 * 1024 }),
      this.#maxLineBytes,
    )) {
      const records: Sourced[] = [];
      for (const line of lines) {
        if (line.number === 1) {
          if (!this.#open(line)) return;
          continue;
        }
        const record = this.#take(line);
        if (record !== undefined) records.push({ record, where: `${this.#name}:${line.number}` });
      }
      if (records.length > 0) yield records;
    }
    this.#close();
  }

  /** False when this is not a capture. A header that was cut is one without records: a crash right after the file was made. */
  #open(line: Line): boolean {
    const value = line.kind === 'line' ? parse(line.bytes) : undefined;
    const header = value as CaptureHeader | undefined;
    if (typeof value !== 'object' || value === null || header?.shadowline !== 'capture') {
      if (line.kind === 'line' && !line.ended)
        this.#completeness.notClosed.push(`${this.#name}: its first line was cut`);
      else this.#completeness.drop('not-a-capture', `${this.#name}:1: no header of a capture`);
      return false;
    }
    this.#header = header;
    const instance = `${header.service}/${header.instance}`;
    const seen = this.#numbers.get(instance) ?? new Set();
    this.#numbers.set(instance, seen);
    this.#again = seen.has(header.segment);
    if (Number.isSafeInteger(header.segment)) seen.add(header.segment);
    return true;
  }

  #take(line: Line): CaptureRecord | undefined {
    const where = `${this.#name}:${line.number}`;
    if (line.kind === 'line' && line.bytes.length === 0) return undefined;
    if (line.kind === 'too-long') {
      this.#records++;
      this.#completeness.read++;
      this.#completeness.drop(
        'line-too-long',
        `${where}: ${line.length} bytes from byte ${line.offset} on; the limit is ${this.#maxLineBytes}`,
      );
      return undefined;
    }
    const value = parse(line.bytes);
    if ((value as Partial<CaptureTrailer> | undefined)?.shadowline === 'end') {
      this.#trailer = value as CaptureTrailer;
      return undefined;
    }
    this.#records++;
    this.#completeness.read++;
    if (value === undefined) {
      // Only the last line has no newline; a whole record there is as good as any.
      const reason = !line.ended ? 'cut-line' : isUtf8(line.bytes) ? 'not-json' : 'not-utf8';
      this.#completeness.drop(reason, `${where}: ${line.bytes.length} bytes from byte ${line.offset} on`);
      return undefined;
    }
    const problem = problemOfRecord(value);
    if (problem === undefined) return value as CaptureRecord;
    this.#completeness.drop('unusable', `${where}: ${problem}`);
    return undefined;
  }

  #close(): void {
    const { notClosed } = this.#completeness;
    if (this.#header === undefined) {
      notClosed.push(`${this.#name}: empty`);
    } else if (this.#trailer === undefined) {
      notClosed.push(`${this.#name}: no last line`);
    } else {
      const { records, dropped } = this.#trailer;
      if (Number.isSafeInteger(dropped) && dropped > 0 && !this.#again) this.#completeness.recorderDropped += dropped;
      if (records !== this.#records) {
        notClosed.push(`${this.#name}: its last line counts ${records} records, the file holds ${this.#records}`);
      }
    }
  }
}

/** Undefined for what is not UTF-8 or not JSON. */
function parse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8')) ?? null;
  } catch {
    return undefined;
  }
}
