import { isDistinctive } from '../../../recording/correlate.js';
import { requestFields, responseFields } from '../../../recording/fields.js';
import type { RecordedRequest } from '../../../recording/recording.js';
import type { OutgoingRequest } from '../request.js';
import type { Count, LiveResponse, Transform } from './transform.js';

/**
 * Values that the recorded answers of a session produced and its later requests used are replaced by what the live answers have in the same field.
 *
 * The rules are those of `findCorrelations`, applied as the session plays: an engine streams sessions and never has a whole one. A
 * value counts when it is distinctive, when the client did not bring it along, and when its answer had ended before the request began.
 */
interface Known {
  /** By recorded value. */
  live: Map<string, { value: string; endedUs: number }>;
  /** What the client used before any answer had it. */
  own: Set<string>;
}

/** Values of a session that are remembered. */
const MAX_VALUES = 5000;

export function correlateTransform(position: number, count: Count): Transform {
  return {
    apply(request, { record, session }) {
      const known = (session.memory[position] as Known | undefined) ?? { live: new Map(), own: new Set() };
      session.memory[position] = known;
      const values = usedValues(record, known);
      if (values.size > 0 && substitute(request, values)) {
        count('correlate: values of recorded answers were replaced by live ones in a request');
      }
    },
    learnsFrom: (record) =>
      record.responseBody !== undefined || record.responseHeaders?.some(([name]) => TELLING.test(name)) === true,
    learn(_, response, { record, session }) {
      const known = session.memory[position] as Known | undefined;
      if (known !== undefined && response.status < 400) learn(known, record, response);
    },
  };
}

/** Headers that carry values worth a look at the answer; those of a body come with it. */
const TELLING = /^(?:location|set-cookie|etag)$|token|csrf|xsrf|session/i;

function usedValues(record: RecordedRequest, { live, own }: Known): Map<string, string> {
  const used = new Map<string, string>();
  for (const { value } of requestFields(record)) {
    const source = live.get(value);
    if (source !== undefined && source.endedUs <= record.tUs) used.set(value, source.value);
    else if (own.size < MAX_VALUES) own.add(value);
  }
  return used;
}

function learn({ live, own }: Known, record: RecordedRequest, response: LiveResponse): void {
  const answered = new Map<string, string>();
  for (const { field, value } of responseFields({ responseHeaders: response.headers(), responseBody: response.body }))
    answered.set(field, value);
  const endedUs = record.tUs + record.latencyUs;
  for (const { field, value, isId } of responseFields(record)) {
    if (live.size >= MAX_VALUES) return;
    const now = answered.get(field);
    if (now === undefined || own.has(value) || live.has(value) || !isDistinctive(value, isId)) continue;
    live.set(value, { value: now, endedUs });
  }
}

/** They describe the request or the client, not what an answer gave. */
const PLAIN_HEADERS = new Set(
  'accept accept-encoding accept-language content-type user-agent origin referer date'.split(' '),
);

/** Replaces in place. True when something was. */
export function substitute(request: OutgoingRequest, values: ReadonlyMap<string, string>): boolean {
  let changed = false;
  const swap = (value: string): string | undefined => {
    const live = values.get(value);
    if (live !== undefined) changed = true;
    return live;
  };
  request.url = swapUrl(request.url, swap);
  for (const header of request.headers) {
    const name = header[0].toLowerCase();
    if (PLAIN_HEADERS.has(name)) continue;
    header[1] = name === 'cookie' ? swapCookies(header[1], swap) : (swap(header[1]) ?? swapLastWord(header[1], swap));
  }
  if (request.body !== undefined && isJsonBytes(request.body)) swapBody(request, request.body, swap);
  return changed;
}

function swapCookies(value: string, swap: (value: string) => string | undefined): string {
  return value.replace(/=([^;]*)/g, (pair, cookie: string) => {
    const live = swap(cookie);
    return live === undefined ? pair : `=${live}`;
  });
}

/** `Bearer …` and the like. */
function swapLastWord(value: string, swap: (value: string) => string | undefined): string {
  return value.replace(/\S+$/, (word) => swap(word) ?? word);
}

function swapUrl(url: string, swap: (value: string) => string | undefined): string {
  return url.replace(/[^/?&=#]+/g, (part, at: number) => {
    // In a query, what stands before = is a name.
    if (url[at + part.length] === '=') return part;
    const live = swap(decoded(part));
    return live === undefined ? part : encodeURIComponent(live);
  });
}

function swapBody(request: OutgoingRequest, body: Uint8Array, swap: (value: string) => string | undefined): void {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8');
  const next = text.replace(
    /"((?:[^"\\]|\\.)*)"(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g,
    (token, inner: string | undefined, colon: string | undefined) => {
      if (colon !== undefined) return token;
      if (inner === undefined) {
        const live = swap(token);
        return live === undefined ? token : /^-?\d+(?:\.\d+)?$/.test(live) ? live : JSON.stringify(live);
      }
      const live = swap(inner.includes('\\') ? unescaped(token) : inner);
      return live === undefined ? token : JSON.stringify(live);
    },
  );
  if (next !== text) request.body = Buffer.from(next);
}

function isJsonBytes(bytes: Uint8Array): boolean {
  // { or [
  return bytes[0] === 123 || bytes[0] === 91;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function unescaped(token: string): string {
  try {
    return String(JSON.parse(token));
  } catch {
    return token;
  }
}
