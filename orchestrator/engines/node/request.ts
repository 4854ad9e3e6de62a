import type { RecordedRequest } from '../../recording/recording.js';

/** A request on its way through the transforms. Transforms change it in place. */
export interface OutgoingRequest {
  method: string;
  /** Path and query. */
  url: string;
  headers: [name: string, value: string][];
  body: Uint8Array | undefined;
}

/**
 * Belongs to one connection, to the recorded host, or is made anew: hop-by-hop headers (RFC 9110 7.6.1), Host, Content-Length; Expect, which would need
 * an extra round trip; the trace context and flag of the recorded request, which would join the replay to yesterday's trace.
 */
const DROPPED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'expect',
  'http2-settings',
  'traceparent',
  'tracestate',
  'baggage',
  'x-shadow',
  'x-shadow-probe',
]);

/** The recorded request without what belongs to its connection, in memory of its own: clones share the record and transforms write. */
export function outgoing(record: RecordedRequest): OutgoingRequest {
  const headers: [string, string][] = [];
  for (const header of record.headers) {
    if (!DROPPED.has(lower(header[0]))) headers.push([header[0], header[1]]);
  }
  return { method: record.method, url: record.url, headers, body: record.body };
}

/** As undici takes them: name, value, name, value. `always` come last and win over any of the same name. */
export function wireHeaders(request: OutgoingRequest, always: AlwaysHeaders): string[] {
  const wire: string[] = [];
  for (const [name, value] of request.headers) {
    const key = lower(name);
    if (!always.names.has(key) && !DROPPED.has(key)) wire.push(name, value);
  }
  for (let i = 0; i < always.wire.length; i++) wire.push(always.wire[i]!);
  return wire;
}

export interface AlwaysHeaders {
  names: ReadonlySet<string>;
  wire: readonly string[];
}

export function alwaysHeaders(headers: Record<string, string>): AlwaysHeaders {
  return {
    names: new Set(Object.keys(headers).map((name) => name.toLowerCase())),
    wire: Object.entries(headers).flat(),
  };
}

const lowered = new Map<string, string>();

/** Header names are few and repeat; each is lowered once. */
function lower(name: string): string {
  let key = lowered.get(name);
  if (key === undefined) {
    key = name.toLowerCase();
    if (lowered.size < 2000) lowered.set(name, key);
  }
  return key;
}
