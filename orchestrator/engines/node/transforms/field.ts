import type { OutgoingRequest } from '../request.js';
import { findJson } from './json-span.js';

/** Where a transform looks: `header:x`, `query:x`, `path:2` (segments from 0: in `/accounts/42`, 42 is `path:1`), `body.a.b` (JSON, indices for arrays). */
export type Field =
  | { kind: 'header'; name: string }
  | { kind: 'query'; name: string }
  | { kind: 'path'; index: number }
  | { kind: 'body'; path: string[] };

/** What became of a field: it was not there; it was there and its value did not fit; it has a new value. */
export type FieldOutcome = 'absent' | 'unfit' | 'set';

/** @throws RangeError naming the field and the forms there are. */
export function parseField(text: string): Field {
  const named = /^(header|query):(.+)$/.exec(text);
  if (named !== null) {
    const name = named[2]!;
    return named[1] === 'header' ? { kind: 'header', name: name.toLowerCase() } : { kind: 'query', name };
  }
  const index = /^path:(\d{1,3})$/.exec(text);
  if (index !== null) return { kind: 'path', index: Number(index[1]) };
  if (/^body(\.[^.]+)+$/.test(text)) return { kind: 'body', path: text.split('.').slice(1) };
  throw new RangeError(
    `${JSON.stringify(text)} is not a field; the forms are header:name, query:name, path:0 and body.a.b`,
  );
}

/**
 * Replaces a field's value in place. `change` gets the value as text and whether it is a JSON number; it returns the new text, or
 * undefined when the value does not fit. The rest of the request keeps its bytes.
 */
export function changeField(
  request: OutgoingRequest,
  field: Field,
  change: (value: string, isNumber: boolean) => string | undefined,
): FieldOutcome {
  switch (field.kind) {
    case 'header': {
      const header = request.headers.find(([name]) => name.toLowerCase() === field.name);
      if (header === undefined) return 'absent';
      const next = change(header[1], false);
      if (next === undefined) return 'unfit';
      header[1] = next;
      return 'set';
    }
    case 'query':
      return changeQuery(request, field.name, change);
    case 'path':
      return changePath(request, field.index, change);
    case 'body':
      return changeBody(request, field.path, change);
  }
}

function changeQuery(
  request: OutgoingRequest,
  name: string,
  change: (value: string, isNumber: boolean) => string | undefined,
): FieldOutcome {
  const mark = request.url.indexOf('?');
  if (mark < 0) return 'absent';
  const pairs = request.url.slice(mark + 1).split('&');
  for (const [i, pair] of pairs.entries()) {
    const equals = pair.indexOf('=');
    if (equals < 0 || decode(pair.slice(0, equals).replaceAll('+', ' ')) !== name) continue;
    const next = change(decode(pair.slice(equals + 1).replaceAll('+', ' ')), false);
    if (next === undefined) return 'unfit';
    pairs[i] = `${pair.slice(0, equals)}=${encodeURIComponent(next)}`;
    request.url = `${request.url.slice(0, mark)}?${pairs.join('&')}`;
    return 'set';
  }
  return 'absent';
}

function changePath(
  request: OutgoingRequest,
  index: number,
  change: (value: string, isNumber: boolean) => string | undefined,
): FieldOutcome {
  const mark = request.url.indexOf('?');
  const path = mark < 0 ? request.url : request.url.slice(0, mark);
  const segments = path.split('/');
  const segment = segments[index + 1];
  if (segment === undefined || segment === '') return 'absent';
  const next = change(decode(segment), false);
  if (next === undefined) return 'unfit';
  segments[index + 1] = encodeURIComponent(next);
  request.url = segments.join('/') + (mark < 0 ? '' : request.url.slice(mark));
  return 'set';
}

function changeBody(
  request: OutgoingRequest,
  path: string[],
  change: (value: string, isNumber: boolean) => string | undefined,
): FieldOutcome {
  if (request.body === undefined || request.body.byteLength === 0) return 'absent';
  const text = Buffer.from(request.body.buffer, request.body.byteOffset, request.body.byteLength).toString('utf8');
  const span = findJson(text, path);
  if (span === undefined) return 'absent';
  const raw = text.slice(span.start, span.end);
  const isString = raw.startsWith('"');
  if (!isString && !/^-?\d/.test(raw)) return 'unfit';
  const next = change(isString ? String(JSON.parse(raw)) : raw, !isString);
  if (next === undefined) return 'unfit';
  const replacement = isString ? JSON.stringify(next) : next;
  request.body = Buffer.from(text.slice(0, span.start) + replacement + text.slice(span.end));
  return 'set';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
