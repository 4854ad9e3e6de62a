import { type Correlation, findCorrelations } from './correlate.js';
import { openRecording } from './reader.js';
import type { RecordedRequest } from './recording.js';

/** One kind of correlation over all sessions: this field of this route's response is used there. */
export interface CorrelationKind {
  fromRoute: string;
  fromField: string;
  toRoute: string;
  toField: string;
  count: number;
  sessions: number;
  /** One of the values, so that people can judge; cut to 40 characters. */
  example: string;
}

/** Requests of one session that are looked at; the rest of a longer one is left out and counted. */
const MAX_SESSION_REQUESTS = 10_000;

export interface CorrelationSummary {
  kinds: CorrelationKind[];
  sessions: number;
  /** Sessions with more requests than are looked at. */
  cutSessions: number;
}

/** What automatic correlation finds in a recording, by kind, most frequent first. One shard is in memory at a time. @throws RecordingError */
export async function summarizeCorrelations(
  dir: string,
  routeOf: (method: string, url: string) => string,
): Promise<CorrelationSummary> {
  const recording = await openRecording(dir);
  const kinds = new Map<string, CorrelationKind>();
  let sessions = 0;
  let cutSessions = 0;
  try {
    for (let shard = 0; shard < recording.manifest.shards; shard++) {
      const bySession = new Map<string, RecordedRequest[]>();
      for await (const batch of recording.read({ shards: [shard] })) {
        for (const record of batch) {
          const requests = bySession.get(record.session);
          if (requests === undefined) bySession.set(record.session, [record]);
          else if (requests.length < MAX_SESSION_REQUESTS) requests.push(record);
          else if (requests.length === MAX_SESSION_REQUESTS) cutSessions++;
        }
      }
      for (const requests of bySession.values()) {
        sessions++;
        tally(kinds, requests, findCorrelations(requests), routeOf);
      }
    }
  } finally {
    await recording.close();
  }
  return { kinds: [...kinds.values()].sort((a, b) => b.count - a.count), sessions, cutSessions };
}

function tally(
  kinds: Map<string, CorrelationKind>,
  requests: RecordedRequest[],
  found: Correlation[],
  routeOf: (method: string, url: string) => string,
): void {
  const bySeq = new Map(requests.map((request) => [request.seq, request]));
  const routeAt = (seq: number) => {
    const { method, url } = bySeq.get(seq)!;
    return routeOf(method, url);
  };
  const here = new Set<string>();
  for (const { fromSeq, fromField, toSeq, toField, value } of found) {
    const kind = { fromRoute: routeAt(fromSeq), fromField, toRoute: routeAt(toSeq), toField };
    const key = JSON.stringify(kind);
    let entry = kinds.get(key);
    if (entry === undefined) {
      entry = { ...kind, count: 0, sessions: 0, example: value.length > 40 ? `${value.slice(0, 40)}…` : value };
      kinds.set(key, entry);
    }
    entry.count++;
    if (!here.has(key)) entry.sessions++;
    here.add(key);
  }
}
