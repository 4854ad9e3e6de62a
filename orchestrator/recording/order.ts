import type { RecordedRequest } from './recording.js';

type Position = Pick<RecordedRequest, 'tUs' | 'session' | 'seq'>;

/** Order of a recording: (tUs, session, seq). Sessions compare by their UTF-8 bytes, as in the Parquet files. */
export function compareRecords(a: Position, b: Position): number {
  if (a.tUs !== b.tUs) return a.tUs - b.tUs;
  if (a.session !== b.session) return Buffer.compare(Buffer.from(a.session), Buffer.from(b.session));
  return a.seq - b.seq;
}

/** 32-bit FNV-1a of the UTF-16 code units; `hash % shards` is a session's shard. */
export function sessionHash(session: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < session.length; i++) {
    hash = Math.imul(hash ^ session.charCodeAt(i), 0x01000193);
  }
  // The low bits of FNV of short similar strings are poor; fold the high ones in.
  return (hash ^ (hash >>> 15)) >>> 0;
}
