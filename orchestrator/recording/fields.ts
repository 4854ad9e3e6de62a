import type { RecordedRequest } from './recording.js';

export interface FieldValue {
  field: string;
  value: string;
  /** Its name says that it identifies something: `id`, `orderId`, `token`. */
  isId: boolean;
}

type Headers = readonly (readonly [name: string, value: string])[];

const MAX_BODY_CHARS = 1024 * 1024;
const MAX_LEAVES = 2000;
const MAX_DEPTH = 16;

/** Headers that say how, not what: a browser's name in a response and in a request is no correlation. */
const PLAIN_HEADERS = new Set(
  (
    'accept accept-encoding accept-language age allow cache-control connection content-encoding content-language content-length ' +
    'content-type date expires host keep-alive last-modified origin pragma referer server te trailer transfer-encoding upgrade ' +
    'user-agent vary via'
  ).split(' '),
);

/** Every field of a request that could hold a value out of a response. */
export function requestFields(request: Pick<RecordedRequest, 'url' | 'headers' | 'body'>): FieldValue[] {
  const fields = urlFields(request.url, '');
  for (const [name, value] of request.headers) {
    const lower = name.toLowerCase();
    if (PLAIN_HEADERS.has(lower)) continue;
    for (const part of headerValues(lower, value)) fields.push({ field: `header:${lower}`, value: part, isId: false });
  }
  if (request.body !== undefined && request.body.byteLength <= MAX_BODY_CHARS) {
    fields.push(...jsonFields(Buffer.from(request.body).toString('utf8')));
  }
  return fields;
}

/** Every field of a recorded response that a later request could use. */
export function responseFields(response: Pick<RecordedRequest, 'responseHeaders' | 'responseBody'>): FieldValue[] {
  const fields: FieldValue[] = [];
  for (const [name, value] of response.responseHeaders ?? []) {
    const lower = name.toLowerCase();
    if (lower === 'set-cookie') {
      const cookie = /^\s*([^=;\s]+)=([^;]*)/.exec(value);
      if (cookie !== null) fields.push({ field: `cookie:${cookie[1]}`, value: cookie[2]!, isId: true });
    } else if (lower === 'location') {
      fields.push(...urlFields(withoutOrigin(value), 'location:'));
    } else if (!PLAIN_HEADERS.has(lower)) {
      fields.push({ field: `header:${lower}`, value, isId: isIdName(lower) });
    }
  }
  if (response.responseBody !== undefined && response.responseBody.length <= MAX_BODY_CHARS) {
    fields.push(...jsonFields(response.responseBody));
  }
  return fields;
}

/** The value that a live response has at a field of `Correlation.fromField`, or undefined. */
export function responseValue(field: string, headers: Headers, body: string | undefined): string | undefined {
  const response = { responseHeaders: headers as [string, string][], responseBody: body };
  return responseFields(response).find((candidate) => candidate.field === field)?.value;
}

function urlFields(url: string, prefix: string): FieldValue[] {
  const [path = '', query] = url.split('#', 1)[0]!.split(/\?(.*)/s, 2);
  const fields: FieldValue[] = [];
  for (const [i, segment] of path.split('/').slice(1).entries()) {
    if (segment !== '') fields.push({ field: `${prefix}path:${i}`, value: decoded(segment), isId: true });
  }
  if (query !== undefined) {
    for (const [name, value] of new URLSearchParams(query)) {
      if (name !== '' && value !== '') fields.push({ field: `${prefix}query:${name}`, value, isId: isIdName(name) });
    }
  }
  return fields;
}

/** What in a header may be a value of its own: each cookie, a token after its scheme, or all of it. */
function headerValues(name: string, value: string): string[] {
  if (name === 'cookie') {
    return value.split(/;\s*/).map((pair) => pair.slice(pair.indexOf('=') + 1));
  }
  const credentials = /^[A-Za-z][A-Za-z0-9-]* +(\S+)$/.exec(value);
  if ((name === 'authorization' || name.endsWith('-authorization')) && credentials !== null) return [credentials[1]!];
  return [value];
}

function jsonFields(text: string): FieldValue[] {
  if (!/^\s*[[{]/.test(text)) return [];
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  const fields: FieldValue[] = [];
  collect(value, 'body', false, 0, fields);
  return fields;
}

function collect(value: unknown, field: string, isId: boolean, depth: number, into: FieldValue[]): void {
  if (into.length >= MAX_LEAVES || depth > MAX_DEPTH) return;
  if (typeof value === 'string' || typeof value === 'number') {
    if (value !== '') into.push({ field, value: String(value), isId });
  } else if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) collect(item, `${field}.${i}`, isId, depth + 1, into);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      // A field is written with dots, so a key with a dot has no name.
      if (key !== '' && !key.includes('.')) collect(item, `${field}.${key}`, isIdName(key), depth + 1, into);
    }
  }
}

function isIdName(name: string): boolean {
  return (
    /(^|[a-z_-])(id|uuid|guid|token|key|ref|reference|number|no|code)s?$/i.test(name) &&
    !/(valid|paid|grid)$/i.test(name)
  );
}

function withoutOrigin(url: string): string {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
