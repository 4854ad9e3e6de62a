import { requestFields, responseFields } from './fields.js';
import type { RecordedRequest } from './recording.js';

/** A value that a recorded response produced and a later request of the same session used. */
export interface Correlation {
  /** Request whose response produced the value. */
  fromSeq: number;
  /** Where in the response: `body.a.b`, `header:x`, `cookie:name` (Set-Cookie), `location:path:1`, `location:query:x`. */
  fromField: string;
  toSeq: number;
  /** Where in the request: `body.a.b`, `header:x`, `query:x`, `path:1`; a header may hold more than the value (`Bearer …`). */
  toField: string;
  value: string;
}

/** Values of one session that are remembered; a session that produces more is no person, and memory must stay bounded. */
const MAX_VALUES = 20_000;

interface Source {
  seq: number;
  field: string;
}

/**
 * Finds correlations among the requests of one session, in order of `seq`. Pure.
 *
 * A value counts when it is distinctive (see `isDistinctive`), when no request up to the one that produced it had it (otherwise the client
 * brought it along), and when the response had ended before the request that uses it began. The first response that has a value is
 * its source.
 */
export function findCorrelations(requests: readonly RecordedRequest[]): Correlation[] {
  const found: Correlation[] = [];
  const sources = new Map<string, Source>();
  /** Values that the client used before any response had them. */
  const own = new Set<string>();
  const ended = new Ended();
  for (const request of requests) {
    // Responses that this client has not seen yet cannot be where it has a value from.
    for (const earlier of ended.before(request.tUs)) learn(earlier, sources, own);
    for (const { field, value } of requestFields(request)) {
      const source = sources.get(value);
      if (source !== undefined) {
        found.push({ fromSeq: source.seq, fromField: source.field, toSeq: request.seq, toField: field, value });
      } else if (own.size < MAX_VALUES) {
        own.add(value);
      }
    }
    ended.add(request);
  }
  return found;
}

function learn(request: RecordedRequest, sources: Map<string, Source>, own: Set<string>): void {
  for (const { field, value, isId } of responseFields(request)) {
    if (sources.size >= MAX_VALUES) return;
    if (own.has(value) || sources.has(value) || !isDistinctive(value, isId)) continue;
    sources.set(value, { seq: request.seq, field });
  }
}

/**
 * Whether the same value twice is more than chance. Text: 16 characters and more, or 6 and more with a digit, but no date. Numbers: from
 * five digits on; from two on where the field is called an id.
 */
export function isDistinctive(value: string, isId: boolean): boolean {
  if (/^\d{4}-\d\d-\d\d/.test(value)) return false;
  if (/^-?\d+(\.\d+)?$/.test(value)) return /^\d+$/.test(value) && value.length >= (isId ? 2 : 5);
  return value.length >= 16 || (value.length >= 6 && /\d/.test(value));
}

/** Requests whose responses are still on their way, handed out when they have ended. */
class Ended {
  #open: RecordedRequest[] = [];

  add(request: RecordedRequest): void {
    this.#open.push(request);
  }

  before(tUs: number): RecordedRequest[] {
    const done = this.#open.filter((request) => request.tUs + request.latencyUs <= tUs);
    if (done.length > 0) this.#open = this.#open.filter((request) => request.tUs + request.latencyUs > tUs);
    return done;
  }
}
