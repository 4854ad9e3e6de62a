import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import { Duck, quoted } from './duck.js';
import { RecordingError } from './errors.js';
import { readManifest, shardFile } from './manifest.js';
import { mergeSorted, type SortedSource } from './merge.js';
import { compareRecords } from './order.js';
import type { RecordedRequest, Recording, RecordingManifest } from './recording.js';

const BATCH = 1024;
/** Rows of one shard that are objects at a time: a fraction of DuckDB's chunks, which are smaller in memory than their objects. */
const SLICE = 256;
/** For decompressed pages of the shards that are being read; what is read on is not kept. */
const MEMORY_LIMIT_MB = 512;
const REMEDY = 'make the recording again, or copy it again: the folder is not as it was written';

const COLUMNS = [
  't_us',
  'session',
  'seq',
  'method',
  'url',
  'headers',
  'body',
  'status',
  'latency_us',
  'response_headers',
  'response_body',
] as const;

/**
 * Opens a recording: its manifest and the presence and size of every file are checked here, the contents while they are read. Works in
 * worker threads. An empty recording opens, with `manifest.records === 0`.
 * @throws RecordingError
 */
export async function openRecording(dir: string): Promise<Recording> {
  const manifest = await readManifest(dir);
  await checkFiles(dir, manifest);
  return new ParquetRecording(dir, manifest);
}

async function checkFiles(dir: string, { shards, shardRecords, shardBytes }: RecordingManifest): Promise<void> {
  await Promise.all(
    Array.from({ length: shards }, async (_, shard) => {
      // Without counts any shard may be empty and so have no file.
      if (shardRecords === undefined || shardRecords[shard] === 0) return;
      const file = join(dir, shardFile(shard));
      const bytes = await stat(file).then(
        (entry) => entry.size,
        () => undefined,
      );
      if (bytes === undefined) {
        const missing = `${file} is missing: ${shardRecords[shard]} records of the recording are in it`;
        throw new RecordingError('RECORDING_FILE_MISSING', missing, REMEDY);
      }
      const expected = shardBytes?.[shard];
      if (expected !== undefined && bytes !== expected) {
        const damage = `${file} has ${bytes} bytes instead of ${expected}: it was cut or changed`;
        throw new RecordingError('RECORDING_FILE_DAMAGED', damage, REMEDY);
      }
    }),
  );
}

class ParquetRecording implements Recording {
  readonly manifest: RecordingManifest;
  readonly #dir: string;
  #duck: Promise<Duck> | undefined;

  constructor(dir: string, manifest: RecordingManifest) {
    this.#dir = dir;
    this.manifest = manifest;
  }

  async *read({ shards }: { shards?: number[] } = {}): AsyncGenerator<RecordedRequest[]> {
    const wanted = await this.#withRecords(shards);
    if (wanted.length === 0) return;
    // Opened at the first read: the manifest alone costs nothing.
    this.#duck ??= Duck.open({ memoryLimitMb: MEMORY_LIMIT_MB, threads: 1 });
    const duck = await this.#duck;
    const { fromUs, shardRecords } = this.manifest;
    const streams = wanted.map(
      (shard) => new ShardStream(duck, join(this.#dir, shardFile(shard)), fromUs, shardRecords?.[shard]),
    );
    try {
      yield* mergeSorted(streams, compareRecords, BATCH);
    } finally {
      for (const stream of streams) stream.close();
    }
  }

  async close(): Promise<void> {
    const duck = await this.#duck;
    this.#duck = undefined;
    duck?.close();
  }

  async #withRecords(asked: number[] | undefined): Promise<number[]> {
    const { shards, shardRecords } = this.manifest;
    for (const shard of asked ?? []) {
      if (!Number.isInteger(shard) || shard < 0 || shard >= shards) {
        const wrong = `${this.#dir} has the shards 0 to ${shards - 1}; ${shard} was asked for`;
        throw new RecordingError('RECORDING_SHARD', wrong, 'take the number of shards from the manifest');
      }
    }
    const all = asked === undefined ? Array.from({ length: shards }, (_, shard) => shard) : [...new Set(asked)];
    const present = await Promise.all(
      all.map(async (shard) => {
        if (shardRecords !== undefined) return shardRecords[shard]! > 0;
        return stat(join(this.#dir, shardFile(shard))).then(
          () => true,
          () => false,
        );
      }),
    );
    return all.filter((_, i) => present[i]);
  }
}

/** The records of one file, a slice at a time; checks their order and, at the end, their number. */
class ShardStream implements SortedSource<RecordedRequest> {
  readonly #duck: Duck;
  readonly #file: string;
  readonly #fromUs: number;
  readonly #expected: number | undefined;
  #connection: DuckDBConnection | undefined;
  #result: DuckDBResult | undefined;
  #chunk: DuckDBDataChunk | undefined;
  #taken = 0;
  #last: RecordedRequest | undefined;
  #seen = 0;

  constructor(duck: Duck, file: string, fromUs: number, expected: number | undefined) {
    this.#duck = duck;
    this.#file = file;
    this.#fromUs = fromUs;
    this.#expected = expected;
  }

  async next(): Promise<RecordedRequest[] | undefined> {
    const records = await this.#fetch();
    if (records === undefined) {
      if (this.#expected !== undefined && this.#seen !== this.#expected) {
        const damage = `${this.#file} holds ${this.#seen} records; the manifest says ${this.#expected}`;
        throw new RecordingError('RECORDING_FILE_DAMAGED', damage, REMEDY);
      }
      this.close();
      return undefined;
    }
    for (const record of records) {
      if (this.#last !== undefined && compareRecords(this.#last, record) > 0) {
        throw new RecordingError(
          'RECORDING_ORDER',
          `${this.#file}: record ${this.#seen} (session ${JSON.stringify(record.session)}, seq ${record.seq}) comes after a later one`,
          'a shard is sorted by (t_us, session, seq); sort it again or make the recording again',
        );
      }
      this.#last = record;
      this.#seen++;
    }
    return records;
  }

  close(): void {
    if (this.#connection !== undefined) this.#duck.disconnect(this.#connection);
    this.#connection = undefined;
    this.#result = undefined;
    this.#chunk = undefined;
  }

  async #fetch(): Promise<RecordedRequest[] | undefined> {
    try {
      if (this.#result === undefined) {
        this.#connection = await this.#duck.connect();
        this.#result = await this.#connection.stream(
          `SELECT ${COLUMNS.join(', ')} FROM read_parquet(${quoted(this.#file)}, hive_partitioning = false)`,
        );
      }
      if (this.#chunk === undefined) {
        this.#chunk = (await this.#result.fetchChunk()) ?? undefined;
        this.#taken = 0;
      }
      if (this.#chunk === undefined || this.#chunk.rowCount === 0) return undefined;
      const to = Math.min(this.#taken + SLICE, this.#chunk.rowCount);
      const records = recordsOf(this.#chunk, this.#taken, to, this.#fromUs);
      this.#taken = to;
      if (to === this.#chunk.rowCount) this.#chunk = undefined;
      return records;
    } catch (cause) {
      const damage = `${this.#file} cannot be read after record ${this.#seen}: ${(cause as Error).message}`;
      throw new RecordingError('RECORDING_FILE_DAMAGED', damage, REMEDY, { cause });
    }
  }
}

function recordsOf(chunk: DuckDBDataChunk, from: number, to: number, fromUs: number): RecordedRequest[] {
  const columns = COLUMNS.map((_, i) => {
    const vector = chunk.getColumnVector(i);
    return Array.from({ length: to - from }, (_, row) => vector.getItem(from + row));
  }) as unknown as [
    bigint[],
    string[],
    bigint[],
    string[],
    string[],
    string[],
    ({ bytes: Uint8Array } | null)[],
    number[],
    bigint[],
    (string | null)[],
    (string | null)[],
  ];
  const [tUs, session, seq, method, url, headers, body, status, latencyUs, responseHeaders, responseBody] = columns;
  const records = new Array<RecordedRequest>(to - from);
  for (let i = 0; i < records.length; i++) {
    const bytes = body[i]?.bytes;
    const answerHeaders = responseHeaders[i];
    records[i] = {
      tUs: Number(tUs[i]) - fromUs,
      session: session[i]!,
      seq: Number(seq[i]),
      method: method[i]!,
      url: url[i]!,
      headers: JSON.parse(headers[i]!),
      // A copy: the chunk's memory is DuckDB's.
      body: bytes === undefined ? undefined : new Uint8Array(bytes),
      status: status[i]!,
      latencyUs: Number(latencyUs[i]),
      responseHeaders: typeof answerHeaders === 'string' ? JSON.parse(answerHeaders) : undefined,
      responseBody: responseBody[i] ?? undefined,
    };
  }
  return records;
}
