import type { RecordedRequest, Recording } from '../orchestrator/recording/recording.js';

/**
 * A recording that is made while it is read, for the engine's benchmarks: `openRecording` takes JSON instead of a folder, and the engine
 * loads this module in place of the Parquet reader. So the tables show what sending costs, whatever reading costs.
 */
export interface MadeRecording {
  records: number;
  perSec: number;
  sessions: number;
  shards: number;
}

/** Records of one session are this many batches apart at most, as they come from the real reader. */
const BATCH = 1024;

export async function openRecording(text: string): Promise<Recording> {
  const made = JSON.parse(text) as MadeRecording;
  return {
    manifest: {
      shadowline: 'recording',
      version: 1,
      source: 'benchmark',
      createdAt: new Date(0).toISOString(),
      records: made.records,
      sessions: made.sessions,
      shards: made.shards,
      fromUs: 0,
      toUs: Math.round((made.records / made.perSec) * 1e6),
      notes: [],
    },
    async *read({ shards } = {}) {
      const mine = new Set(shards ?? Array.from({ length: made.shards }, (_, shard) => shard));
      let batch: RecordedRequest[] = [];
      for (let i = 0; i < made.records; i++) {
        if (!mine.has((i % made.sessions) % made.shards)) continue;
        batch.push(recordOf(i, made));
        if (batch.length < BATCH) continue;
        yield batch;
        batch = [];
      }
      if (batch.length > 0) yield batch;
    },
    close: async () => {},
  };
}

/** About 200 bytes of headers, as a browser's API call has. */
function recordOf(i: number, { perSec, sessions }: MadeRecording): RecordedRequest {
  return {
    tUs: Math.round((i / perSec) * 1e6),
    session: `session-${i % sessions}`,
    seq: Math.floor(i / sessions),
    method: 'GET',
    url: `/accounts/${i % 5000}`,
    headers: [
      ['Host', 'bank.example'],
      ['Accept', 'application/json'],
      ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'],
      ['Authorization', 'Bearer 8d969eef6ecad3c29a3a629280e686cf0c3f5d5a86aff3ca12020c923adc6c92'],
    ],
    body: undefined,
    status: 200,
    latencyUs: 1000,
    responseHeaders: undefined,
    responseBody: undefined,
  };
}
