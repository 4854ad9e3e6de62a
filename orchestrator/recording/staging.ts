import {
  BIGINT,
  BLOB,
  blobValue,
  type DuckDBAppender,
  type DuckDBConnection,
  DuckDBDataChunk,
  type DuckDBValue,
  INTEGER,
  UINTEGER,
  VARCHAR,
} from '@duckdb/node-api';
import type { CaptureRecord } from '@shadowline/agent/capture';
import type { Sourced } from './capture-reader.js';
import { sessionHash } from './order.js';
import { routeOf } from './routes.js';

/** What is kept of a record, in this order; also the columns of the Parquet files. */
export const RECORD_COLUMNS = [
  ['t_us', BIGINT],
  ['session', VARCHAR],
  ['seq', BIGINT],
  ['method', VARCHAR],
  ['url', VARCHAR],
  ['route', VARCHAR],
  ['headers', VARCHAR],
  ['body', BLOB],
  ['status', INTEGER],
  ['latency_us', BIGINT],
  ['response_headers', VARCHAR],
  ['response_body', VARCHAR],
  ['response_digest', VARCHAR],
] as const;

const STAGED_COLUMNS = [...RECORD_COLUMNS, ['session_hash', UINTEGER], ['found_at', VARCHAR]] as const;
const TYPES = STAGED_COLUMNS.map(([, type]) => type);
const CHUNK_ROWS = 2048;
/** What a chunk may hold, and what the appender may hold back before it goes into the table. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const FLUSH_BYTES = 32 * 1024 * 1024;

/** The table `staged`, filled in whatever order records come. */
export class Staging {
  readonly #appender: DuckDBAppender;
  readonly #chunk = DuckDBDataChunk.create(TYPES);
  #columns: DuckDBValue[][] = TYPES.map(() => []);
  #chunkBytes = 0;
  #unflushedBytes = 0;
  rows = 0;
  /** Sum of the records' sizes, to choose shards and row groups by. */
  bytes = 0;

  private constructor(appender: DuckDBAppender) {
    this.#appender = appender;
  }

  static async open(connection: DuckDBConnection): Promise<Staging> {
    const columns = STAGED_COLUMNS.map(([name, type]) => `${name} ${type.toString()}`);
    await connection.run(`CREATE TABLE staged (${columns.join(', ')})`);
    return new Staging(await connection.createAppender('staged'));
  }

  add({ record, where }: Sourced): void {
    const row = rowOf(record, where);
    for (let i = 0; i < row.length; i++) this.#columns[i]!.push(row[i]!);
    const bytes = sizeOf(record);
    this.rows++;
    this.bytes += bytes;
    this.#chunkBytes += bytes;
    if (this.#columns[0]!.length >= CHUNK_ROWS || this.#chunkBytes >= CHUNK_BYTES) this.#append();
  }

  finish(): void {
    this.#append();
    this.#appender.closeSync();
  }

  #append(): void {
    const rows = this.#columns[0]!.length;
    if (rows === 0) return;
    this.#chunk.reset();
    this.#chunk.setColumns(this.#columns);
    this.#appender.appendDataChunk(this.#chunk);
    this.#columns = TYPES.map(() => []);
    this.#unflushedBytes += this.#chunkBytes;
    this.#chunkBytes = 0;
    if (this.#unflushedBytes < FLUSH_BYTES) return;
    this.#appender.flushSync();
    this.#unflushedBytes = 0;
  }
}

function rowOf(record: CaptureRecord, where: string): DuckDBValue[] {
  const session = stored(record.session);
  const url = stored(record.url);
  const { body, response_headers: responseHeaders, response_body: responseBody } = record;
  return [
    BigInt(record.t_us),
    session,
    BigInt(record.seq),
    record.method,
    url,
    routeOf(record.method, url),
    JSON.stringify(record.headers),
    body === undefined ? null : blobValue(Buffer.from(body, record.body_encoding === 'base64' ? 'base64' : 'utf8')),
    record.status,
    BigInt(record.latency_us),
    responseHeaders === undefined ? null : JSON.stringify(responseHeaders),
    responseBody === undefined ? null : stored(responseBody),
    record.response_digest === undefined ? null : stored(record.response_digest),
    sessionHash(session),
    stored(where),
  ];
}

/** As it will be read back: half a surrogate pair has no UTF-8 form and becomes U+FFFD. JSON text keeps it, as an escape. */
function stored(text: string): string {
  return /\p{Surrogate}/u.test(text) ? Buffer.from(text).toString() : text;
}

function sizeOf(record: CaptureRecord): number {
  return (
    200 +
    record.url.length +
    record.headers.length * 40 +
    (record.body?.length ?? 0) +
    (record.response_headers?.length ?? 0) * 40 +
    (record.response_body?.length ?? 0)
  );
}
