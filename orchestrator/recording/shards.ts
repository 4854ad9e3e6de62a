import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { quoted } from './duck.js';
import { shardFile } from './manifest.js';
import { RECORD_COLUMNS } from './staging.js';

export interface ShardPlan {
  shards: number;
  /** Records that one row group holds: what DuckDB has in memory of a shard while it is written or read. */
  rowGroupRows: number;
}

const MAX_SHARDS = 64;
const RECORDS_PER_SHARD = 128;
/** Rows that DuckDB hands over at once; a row group is a multiple of it. */
const VECTOR_ROWS = 2048;
/** What a reader of all shards may hold: one vector of each. */
const READ_AHEAD_BYTES = 256 * 1024 * 1024;
/** A reader has a row group of every shard unpacked: 16 MiB each made 1 GB of them. */
const ROW_GROUP_BYTES = 4 * 1024 * 1024;
const MAX_ROW_GROUP_ROWS = 60 * VECTOR_ROWS;

/** Many shards, so that workers can share them out; fewer when the recording is small, or so wide that reading them all would not fit. */
export function planShards({
  records,
  bytes,
  asked,
}: {
  records: number;
  bytes: number;
  asked: number | undefined;
}): ShardPlan {
  const bytesPerRecord = Math.max(1, bytes / Math.max(1, records));
  const small = Math.ceil(records / RECORDS_PER_SHARD);
  const wide = Math.max(8, Math.floor(READ_AHEAD_BYTES / (VECTOR_ROWS * bytesPerRecord)));
  const vectors = Math.floor(ROW_GROUP_BYTES / bytesPerRecord / VECTOR_ROWS);
  return {
    shards: asked ?? Math.max(1, Math.min(MAX_SHARDS, small, wide)),
    rowGroupRows: Math.min(MAX_ROW_GROUP_ROWS, Math.max(1, vectors) * VECTOR_ROWS),
  };
}

/** Writes the table `sorted`, one file a shard; an empty shard has no file. */
export async function writeShards(
  connection: DuckDBConnection,
  dir: string,
  { shards, rowGroupRows }: ShardPlan,
): Promise<{ shardRecords: number[]; shardBytes: number[] }> {
  const shardRecords = new Array<number>(shards).fill(0);
  const shardBytes = new Array<number>(shards).fill(0);
  const counts = await connection.runAndReadAll('SELECT shard, count(*) FROM sorted GROUP BY shard');
  for (const [shard, count] of counts.getRows()) shardRecords[Number(shard)] = Number(count);
  const columns = RECORD_COLUMNS.map(([name]) => name).join(', ');
  for (let shard = 0; shard < shards; shard++) {
    if (shardRecords[shard] === 0) continue;
    const file = join(dir, shardFile(shard));
    await mkdir(dirname(file));
    // Sorted by shard, so the zone maps of the table leave out all blocks of the others.
    await connection.run(
      `COPY (SELECT ${columns} FROM sorted WHERE shard = ${shard}) TO ${quoted(file)}
       (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroupRows})`,
    );
    shardBytes[shard] = (await stat(file)).size;
  }
  return { shardRecords, shardBytes };
}
