import type { RecordedRequest } from '../../../recording/recording.js';
import type { OutgoingRequest } from '../request.js';
import type { Count, Transform } from './transform.js';

/**
 * Values that the recorded answers of a session produced and its later requests used are replaced by what the live answers have in the same place. The
 * recorded and the live answer are walked side by side; a request's path segments, query and header values and JSON values that equal a
 * recorded value are replaced, and nothing else. Sessions are streamed, so this works forwards, an answer at a time, and needs no whole session.
 */
export interface Pair {
  recorded: string;
  live: string;
}

/** Values of a session that are remembered; the oldest is forgotten first. */
const MAX_VALUES = 500;
const MAX_LEAVES = 2000;
/** Shorter text (`ok`, `EUR`) comes up again by chance. */
const MIN_TEXT = 6;
/** A number is taken for an identity only under a name like one: a balance that comes up again as an amount is chance. */
const ID_NAME = /(?:^|[_-])(?:id|no|nr|key|ref|token|number)$|(?:Id|ID|No|Key|Ref|Token|Number)$/;
/** They describe the request or the client, not what an answer gave. */
const PLAIN_HEADERS = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'user-agent',
  'origin',
  'referer',
  'date',
]);

export function correlateTransform(position: number, count: Count): Transform {
  return {
    apply(request, { session }) {
      const values = session.memory[position] as Map<string, string> | undefined;
      if (values === undefined || values.size === 0) return;
      if (substitute(request, values))
        count('correlate: values of recorded answers were replaced by live ones in a request');
    },
    learnsFrom: (record) => isJson(record.responseBody) || locationOf(record) !== undefined,
    learn(_, response, { record, session }) {
      if (response.status >= 400) return;
      const pairs = pairsOf(record.responseBody, response.body);
      const recorded = locationOf(record);
      const live = response.header('location');
      if (recorded !== undefined && live !== undefined) pairs.push(...pathPairs(recorded, live));
      if (pairs.length === 0) return;
      const values = (session.memory[position] as Map<string, string> | undefined) ?? new Map<string, string>();
      session.memory[position] = values;
      for (const pair of pairs) {
        values.delete(pair.recorded);
        if (pair.recorded !== pair.live) values.set(pair.recorded, pair.live);
      }
      for (const oldest of values.keys()) {
        if (values.size <= MAX_VALUES) break;
        values.delete(oldest);
      }
    },
  };
}

/** Leaves of both answers in the same place, where the recorded one may come up again. */
export function pairsOf(recorded: string | undefined, live: string): Pair[] {
  if (!isJson(recorded) || !isJson(live)) return [];
  const pairs: Pair[] = [];
  try {
    walk(JSON.parse(recorded), JSON.parse(live), '', pairs, { left: MAX_LEAVES });
  } catch {
    // Cut or not JSON after all: there is nothing to compare.
  }
  return pairs;
}

function walk(recorded: unknown, live: unknown, name: string, pairs: Pair[], budget: { left: number }): void {
  if (budget.left-- <= 0) return;
  if (typeof recorded === 'object' && recorded !== null && typeof live === 'object' && live !== null) {
    for (const [key, value] of Object.entries(recorded)) {
      walk(value, (live as Record<string, unknown>)[key], Array.isArray(recorded) ? name : key, pairs, budget);
    }
    return;
  }
  const isText = typeof recorded === 'string' && recorded.length >= MIN_TEXT;
  const isIdentity =
    (typeof recorded === 'number' || typeof recorded === 'string') && recorded !== '' && ID_NAME.test(name);
  if (!isText && !isIdentity) return;
  if (typeof live === 'string' || typeof live === 'number')
    pairs.push({ recorded: String(recorded), live: String(live) });
}

/** `Location: /orders/17` against `/orders/94`: segments in the same place. */
function pathPairs(recorded: string, live: string): Pair[] {
  const segments = (url: string) =>
    url
      .replace(/^[a-z]+:\/\/[^/]*/i, '')
      .split(/[?#]/)[0]!
      .split('/');
  const liveSegments = segments(live);
  return segments(recorded).flatMap((segment, i) => {
    const other = liveSegments[i];
    return other === undefined || segment === other || segment === '' ? [] : [{ recorded: segment, live: other }];
  });
}

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
    if (PLAIN_HEADERS.has(header[0].toLowerCase())) continue;
    // `Bearer …` and the like: the last word; quotes of an ETag stay.
    header[1] = header[1].replace(/[^\s"]+(?="?$)/, (word) => swap(word) ?? word);
  }
  if (request.body !== undefined && isJsonBytes(request.body)) swapBody(request, request.body, swap);
  return changed;
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

function locationOf(record: RecordedRequest): string | undefined {
  return record.responseHeaders?.find(([name]) => name.toLowerCase() === 'location')?.[1];
}

function isJson(text: string | undefined): text is string {
  return text !== undefined && /^\s*[[{]/.test(text);
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
