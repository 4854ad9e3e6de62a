import type { CaptureRecord } from '@shadowline/agent/capture';

/** Written by hand: a recording of a day has hundreds of millions of these, and a schema library costs more than reading them. */
const CHECKS: [field: keyof CaptureRecord, fits: (value: unknown) => boolean, wanted: string][] = [
  ['t_us', isCount, 'whole µs since the epoch'],
  ['session', isName, 'a string that is not empty'],
  ['seq', isCount, 'a whole number from 0'],
  ['method', (value) => typeof value === 'string' && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(value), 'an HTTP method'],
  ['url', isName, 'a path and query'],
  ['headers', isPairs, 'a list of [name, value]'],
  ['body', (value) => value === undefined || typeof value === 'string', 'a string'],
  ['body_encoding', (value) => value === undefined || value === 'utf8' || value === 'base64', 'utf8 or base64'],
  [
    'status',
    (value) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 999,
    'an HTTP status',
  ],
  ['latency_us', isCount, 'whole µs'],
  ['response_headers', (value) => value === undefined || isPairs(value), 'a list of [name, value]'],
  ['response_body', (value) => value === undefined || typeof value === 'string', 'a string'],
  ['response_digest', (value) => value === undefined || typeof value === 'string', 'a string'],
];

/** What is wrong with a value as a capture record, or undefined. */
export function problemOfRecord(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not an object';
  const record = value as Record<string, unknown>;
  for (const [field, fits, wanted] of CHECKS) {
    const given = record[field];
    if (!fits(given)) return given === undefined ? `${field} is missing` : `${field} is not ${wanted}`;
  }
  if (record.body_encoding === 'base64' && !isBase64(String(record.body ?? ''))) return 'body is not base64';
  return undefined;
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isPairs(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (pair) => Array.isArray(pair) && pair.length === 2 && typeof pair[0] === 'string' && typeof pair[1] === 'string',
    )
  );
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
