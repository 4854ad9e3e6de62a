/**
 * A recording, version 1 (docs/formats/recording.md): a folder with `manifest.json` and a Parquet dataset, one Hive partition a
 * shard (`shard=00/part-0.parquet` …), sorted by time within a shard. A session lives in one shard.
 */
export const RECORDING_VERSION = 1;

export interface RecordingManifest {
  shadowline: 'recording';
  version: typeof RECORDING_VERSION;
  /** `capture`, `access-log`, …: what it was made from. */
  source: string;
  createdAt: string;
  records: number;
  sessions: number;
  shards: number;
  /** µs since the epoch of the first and last record. */
  fromUs: number;
  toUs: number;
  /** What was left out or repaired while it was made, for people: `2 duplicate records dropped`. */
  notes: string[];
  /** Records of each shard; a shard without records has no file. Absent in datasets that other tools wrote. */
  shardRecords?: number[];
  /** Bytes of each shard's file, so that a cut file is seen before the first request is sent. */
  shardBytes?: number[];
}

export interface RecordedRequest {
  /** µs after the first record of the recording. */
  tUs: number;
  session: string;
  /** Order within the session, from 0. */
  seq: number;
  method: string;
  /** Path and query. */
  url: string;
  headers: [name: string, value: string][];
  body: Uint8Array | undefined;
  status: number;
  latencyUs: number;
  responseHeaders: [name: string, value: string][] | undefined;
  responseBody: string | undefined;
}

export interface Recording {
  readonly manifest: RecordingManifest;
  /** Batches of records of these shards (default: all), in order of (tUs, session, seq). The reader checks the order and throws when it is wrong. */
  read(options?: { shards?: number[] }): AsyncIterable<RecordedRequest[]>;
  close(): Promise<void>;
}
