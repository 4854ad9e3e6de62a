import { createHash } from 'node:crypto';
import type { CaptureRecord } from '@shadowline/agent/capture';

/** One line of a log: what it says, or why it cannot be used. */
export type AccessLogLine = { kind: 'request'; request: LoggedRequest } | { kind: 'unusable'; reason: string };

export type LoggedRequest = Pick<
  CaptureRecord,
  't_us' | 'session' | 'method' | 'url' | 'headers' | 'status' | 'latency_us' | 'response_headers'
>;

const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
/** host ident user [time] "request" status bytes, and in the combined format "referer" "user agent"; what servers add after it is passed over. */
const LINE = new RegExp(
  `^(\\S+) (\\S+) (\\S.*?) \\[([^\\]]+)\\] ${QUOTED} (\\d{3}) (\\d+|-)(?: ${QUOTED} ${QUOTED})?(?: .*)?$`,
);
const TIME = /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * Parses a line of an Apache or nginx log in the common or combined format. `t_us` is a whole second; `latency_us` is 0, since these
 * formats do not have it. The session is a digest of client address and user agent. `line` is bytes, one a character (latin1): logs hold what
 * clients sent, and not all of that is UTF-8.
 */
export function parseAccessLogLine(line: string): AccessLogLine {
  const match = LINE.exec(line);
  if (match === null) return unusable(diagnose(line));
  const [, address, , , time, requestLine, status, bytes, referer, userAgent] = match;
  const tUs = parseTime(time!);
  if (tUs === undefined) return unusable(`${JSON.stringify(time)} is not a time like 17/May/2015:10:05:03 +0000`);
  const target = parseRequestLine(unescaped(requestLine!));
  if (typeof target === 'string') return unusable(target);
  const headers: [string, string][] = [];
  if (target.host !== undefined) headers.push(['host', target.host]);
  for (const [name, raw] of [
    ['referer', referer],
    ['user-agent', userAgent],
  ] as const) {
    const value = raw === undefined || raw === '-' ? '' : headerText(unescaped(raw));
    if (value !== '') headers.push([name, value]);
  }
  return {
    kind: 'request',
    request: {
      t_us: tUs,
      session: sessionOf(address!, userAgent ?? ''),
      method: target.method,
      url: target.url,
      headers,
      status: Number(status),
      latency_us: 0,
      ...(bytes === '-' ? {} : { response_headers: [['content-length', bytes!]] }),
    },
  };
}

/** First 16 hex digits of the SHA-256 of address and user agent: a browser behind an address, as near as such a log can tell. */
export function sessionOf(address: string, userAgent: string): string {
  return createHash('sha256').update(`${address}\0${userAgent}`, 'latin1').digest('hex').slice(0, 16);
}

function unusable(reason: string): AccessLogLine {
  return { kind: 'unusable', reason };
}

function diagnose(line: string): string {
  if (!/\[[^\]]+\]/.test(line)) return 'no [time]';
  if (!/\] "/.test(line)) return 'no "request" after the [time]';
  if (!/" \d{3} (\d+|-)/.test(line)) return 'no status and bytes after the "request"';
  return 'not in the combined log format';
}

/** µs since the epoch, or undefined. */
export function parseTime(text: string): number | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [, day, monthName, year, hour, minute, second, sign, offsetHours, offsetMinutes] = match;
  const month = MONTHS.indexOf(monthName!);
  const ms = Date.UTC(Number(year), month, Number(day), Number(hour), Number(minute), Number(second));
  // Date.UTC carries 31 February over into March; second 60 (a leap second) may be.
  if (month < 0 || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  if (Number(day) < 1 || Number(day) > new Date(Date.UTC(Number(year), month + 1, 0)).getUTCDate()) return undefined;
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000 * (sign === '-' ? -1 : 1);
  const tUs = (ms - offsetMs) * 1000;
  return tUs >= 0 ? tUs : undefined;
}

/** Method and path, or why there are none. */
function parseRequestLine(text: string): { method: string; url: string; host: string | undefined } | string {
  if (text === '' || text === '-') return 'the request line is empty (a connection without a request)';
  const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (.+?)(?: (HTTP\/\d(?:\.\d)?))?$/s.exec(text);
  if (match === null) return `${shown(text)} is not a request line`;
  const [, method, target] = match;
  if (method === 'CONNECT') return 'CONNECT goes to a proxy and cannot be replayed at a server';
  const absolute = /^https?:\/\/([^/?#]+)([^#]*)/i.exec(target!);
  const path = absolute === null ? target!.split('#', 1)[0]! : absolute[2]!;
  const url = absolute !== null && !path.startsWith('/') ? `/${path}` : path;
  if (!url.startsWith('/')) return `${shown(target!)} is not a path`;
  return { method: method!, url: percentEncoded(url), host: absolute === null ? undefined : headerText(absolute[1]!) };
}

/** `\"`, `\\`, `\t` and `\xhh` as Apache and nginx write them. */
function unescaped(text: string): string {
  return text.replace(/\\(x[0-9a-fA-F]{2}|.)/gs, (_, code: string) => {
    if (code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return { n: '\n', r: '\r', t: '\t', b: '\b', v: '\v', f: '\f' }[code] ?? code;
  });
}

/** A request target may hold printable ASCII only; clients that sent anything else had it percent-encoded by no one. */
function percentEncoded(url: string): string {
  return url.replace(/[^!-~]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

function headerText(text: string): string {
  return text.replace(/[^\t\x20-\x7e]/g, '?').trim();
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
