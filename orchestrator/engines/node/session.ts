import type { RecordedRequest } from '../../recording/recording.js';
import { Queue } from './queue.js';

/** One request that is to be sent: a record of one clone, with its time. */
export interface Due {
  record: RecordedRequest;
  session: Session;
  /** µs after the load began. NaN until the session's previous request has ended, when there is no think time. */
  dueUs: number;
  step: number;
  /** µs that the session's previous request held it back. */
  sessionWaitUs: number;
}

/**
 * A recorded session as one clone plays it. Its requests are one after the other:
 *
 * | state | a request becomes due | the one under way ends |
 * | ----- | --------------------- | ---------------------- |
 * | idle  | starts; busy          | cannot be              |
 * | busy  | waits in `waiting`    | the next one of `waiting` starts, or idle |
 */
export interface Session {
  readonly id: string;
  /** 0 is the recorded session itself; passes over the recording count on. */
  readonly clone: number;
  busy: boolean;
  readonly waiting: Queue<Due>;
  /** Released by the feed and not ended yet. */
  pending: number;
  /** Requests read of it so far. */
  read: number;
  /** Recorded time of its first request, for think times. */
  readonly firstUs: number;
  /** State of transforms, by their position. */
  readonly memory: unknown[];
}

export function newSession(id: string, clone: number, firstUs: number): Session {
  return { id, clone, busy: false, waiting: new Queue(), pending: 0, read: 0, firstUs, memory: [] };
}

/** FNV-1a over the session and clone: the same jitter in every run and on every machine. In [0, 1). */
export function jitterOf(session: string, clone: number): number {
  let hash = 0x811c9dc5 ^ Math.imul(clone, 0x9e3779b1);
  for (let i = 0; i < session.length; i++) hash = Math.imul(hash ^ session.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
