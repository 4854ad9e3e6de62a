import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type DuckDBConnection, StatementType } from '@duckdb/node-api';
import { Duck, quoted } from './duck.js';
import { RecordingError } from './errors.js';
import { shardFile } from './manifest.js';
import { openRecording } from './reader.js';
import type { RecordingManifest } from './recording.js';
import { RECORD_COLUMNS } from './staging.js';

const MEMORY_LIMIT_MB = 512;

export type QueryValue = string | number | boolean | null | QueryValue[] | { [key: string]: QueryValue };

export interface QueryResult {
  columns: string[];
  rows: QueryValue[][];
}

/**
 * Answers a SELECT over the view `requests`: the columns of docs/formats/recording.md, `time` (timestamp, UTC) and `shard`.
 * @throws RecordingError: `RECORDING_QUERY` with what DuckDB says; those of `openRecording`.
 */
export async function queryRecording(dir: string, sql: string): Promise<QueryResult> {
  return withRequests(dir, async (connection) => {
    await refuseAllButSelect(connection, sql);
    try {
      const reader = await connection.runAndReadAll(sql);
      return { columns: reader.deduplicatedColumnNames(), rows: reader.getRowsJson() as QueryValue[][] };
    } catch (cause) {
      throw queryError((cause as Error).message, cause);
    }
  });
}

/** Runs `use` with a connection on which the view `requests` is. */
export async function withRequests<T>(
  dir: string,
  use: (connection: DuckDBConnection, manifest: RecordingManifest) => Promise<T>,
): Promise<T> {
  const recording = await openRecording(dir);
  const { manifest } = recording;
  await recording.close();
  const tempDir = await mkdtemp(join(tmpdir(), 'shadowline-query-'));
  const duck = await Duck.open({ memoryLimitMb: MEMORY_LIMIT_MB, threads: 2, tempDir });
  try {
    const connection = await duck.connect();
    await connection.run(`CREATE VIEW requests AS ${requestsSql(resolve(dir), manifest)}`);
    return await use(connection, manifest);
  } finally {
    duck.close();
    await rm(tempDir, { recursive: true, force: true });
  }
}

function requestsSql(dir: string, { records, shards, shardRecords }: RecordingManifest): string {
  const names = RECORD_COLUMNS.map(([name]) => name).join(', ');
  if (records === 0) {
    const none = RECORD_COLUMNS.map(([name, type]) => `NULL::${type.toString()} AS ${name}`).join(', ');
    return `SELECT ${none}, NULL::TIMESTAMP AS time, NULL::BIGINT AS shard WHERE false`;
  }
  const files = shardRecords
    ? Array.from({ length: shards }, (_, shard) => shard)
        .filter((shard) => shardRecords[shard]! > 0)
        .map(shardFile)
    : ['shard=*/*.parquet'];
  const list = files.map((file) => quoted(join(dir, file))).join(', ');
  return `SELECT ${names}, make_timestamp(t_us) AS time, shard FROM read_parquet([${list}], hive_partitioning = true)`;
}

async function refuseAllButSelect(connection: DuckDBConnection, sql: string): Promise<void> {
  let types: StatementType[];
  try {
    const statements = await connection.extractStatements(sql);
    types = await Promise.all(
      Array.from({ length: statements.count }, async (_, i) => (await statements.prepare(i)).statementType),
    );
  } catch (cause) {
    throw queryError((cause as Error).message, cause);
  }
  if (types.length !== 1 || types[0] !== StatementType.SELECT) throw queryError('one SELECT is what can be asked');
}

function queryError(message: string, cause?: unknown): RecordingError {
  return new RecordingError(
    'RECORDING_QUERY',
    message,
    'the table is `requests`; its columns: time, t_us, session, seq, method, url, route, headers, body, status, latency_us, response_headers, response_body, response_digest, shard',
    { cause },
  );
}
