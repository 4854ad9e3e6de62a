import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { CaptureRecord } from '@shadowline/agent/capture';
import { parseAccessLogLine } from './access-log.js';
import { Completeness } from './completeness.js';
import { RecordingError } from './errors.js';
import { type Line, readLines } from './lines.js';
import { type MadeRecording, type MakeRecordingOptions, makeRecording } from './make.js';

/** A line of an access log that is longer holds no request that a server would have taken. */
const MAX_LINE_BYTES = 1024 * 1024;

export interface ImportOptions
  extends Omit<MakeRecordingOptions, 'from' | 'source' | 'completeness' | 'spreadSeconds' | 'maxLineBytes'> {
  /** A file (plain or gzip), or `-` for standard input. */
  log: string;
  /** Where `-` reads; default `process.stdin`. */
  stdin?: Readable;
  /** Refuse the import at the first line that cannot be used. */
  strict?: boolean;
}

/**
 * Makes a recording of an Apache or nginx access log (combined or common format). Requests of one second are spread evenly within it, in the
 * order of the log.
 * @throws RecordingError: `IMPORT_SOURCE` (cannot be read, or another format), `IMPORT_LINE` (strict), and those of `makeRecording`.
 */
export async function importAccessLog({
  log,
  stdin,
  strict = false,
  ...options
}: ImportOptions): Promise<MadeRecording> {
  const completeness = new Completeness();
  const from = recordsOf({ log, bytes: logBytes(log, stdin, completeness), strict, completeness });
  return makeRecording({ ...options, from, source: 'access-log', completeness, spreadSeconds: true });
}

interface LogSource {
  log: string;
  bytes: AsyncIterable<Buffer>;
  strict: boolean;
  completeness: Completeness;
}

async function* recordsOf({ log, bytes, strict, completeness }: LogSource): AsyncGenerator<CaptureRecord> {
  for await (const lines of readLines(bytes, MAX_LINE_BYTES)) {
    for (const line of lines) {
      const where = `${log === '-' ? 'standard input' : basename(log)}:${line.number}`;
      const parsed = parse(line, log);
      if (parsed === undefined) continue;
      if (parsed.kind === 'request') {
        // The number of the line, so that a session's requests of one second keep the order of the log.
        yield { ...parsed.request, seq: line.number };
        continue;
      }
      if (strict) {
        throw new RecordingError(
          'IMPORT_LINE',
          `${where}: ${parsed.reason}`,
          'mend the line, or leave --strict out: such lines are then counted and left out',
        );
      }
      completeness.read++;
      completeness.drop('unparsed-line', `${where}: ${parsed.reason}`);
    }
  }
}

function parse(line: Line, log: string): ReturnType<typeof parseAccessLogLine> | undefined {
  if (line.kind === 'too-long') {
    return { kind: 'unusable', reason: `${line.length} bytes; the limit is ${MAX_LINE_BYTES}` };
  }
  const text = line.bytes.toString('latin1').replace(/\r$/, '');
  if (text.trim() === '') return undefined;
  if (line.number === 1 && text.startsWith('{')) {
    throw new RecordingError(
      'IMPORT_SOURCE',
      `${log} is JSON: JSON access logs, HAR and OTLP are not supported yet`,
      'give an Apache or nginx access log in the combined format',
    );
  }
  return parseAccessLogLine(text);
}

/** The log's bytes, unpacked when they are gzip, whatever the file is called. */
async function* logBytes(log: string, stdin: Readable | undefined, completeness: Completeness): AsyncGenerator<Buffer> {
  const source = log === '-' ? (stdin ?? process.stdin) : createReadStream(log, { highWaterMark: 256 * 1024 });
  try {
    const chunks: AsyncIterator<Buffer> = source[Symbol.asyncIterator]();
    const first = await chunks.next();
    if (first.done) return;
    const all = Readable.from(prepended(first.value, chunks), { objectMode: false });
    if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) yield* all;
    else yield* unpacked(all, log, completeness);
  } catch (cause) {
    if (cause instanceof RecordingError) throw cause;
    throw new RecordingError(
      'IMPORT_SOURCE',
      `${log} cannot be read: ${(cause as Error).message}`,
      'give a readable access log, plain or gzip, or - for standard input',
      { cause },
    );
  }
}

async function* prepended(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}

async function* unpacked(packed: Readable, log: string, completeness: Completeness): AsyncGenerator<Buffer> {
  try {
    yield* pipeline(packed, createGunzip(), () => {});
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'Z_BUF_ERROR') throw error;
    // What came before the cut is as good as ever.
    completeness.notClosed.push(`${basename(log)}: the compressed data ends in the middle`);
  }
}
