import type { TableClass } from './mapping.js';

/** What one key of `tables` claims: a table, a range of numbered tables, or every table that a pattern matches. */
export type Claim = { key: string; schema: string; tableClass: TableClass } & (
  | { kind: 'exact'; table: string; written: string }
  /** `order_00..order_63`: `prefix`, then as many digits as `digits`, then `tail`. */
  | { kind: 'range'; prefix: string; digits: number; first: number; last: number; tail: string }
  /** The texts around each `*`; the first is the literal prefix. */
  | { kind: 'pattern'; parts: string[] }
);

const mostDigits = 9;

/**
 * Reads one key: `orders`, `crm.people`, `order_*`, `*`, `crm.*`, `order_00..order_63`. `fold` is what makes two names equal on
 * this server. Throws RangeError for a key that cannot be meant.
 */
export function parseClaim(
  key: string,
  tableClass: TableClass,
  database: string,
  fold: (name: string) => string,
): Claim {
  const bad = (reason: string): never => {
    throw new RangeError(`table "${key}": ${reason}`);
  };
  if (!['shadow', 'real-read', 'refuse'].includes(tableClass)) {
    bad(`unknown class "${String(tableClass)}" (shadow, real-read, refuse)`);
  }
  const ends = key.split('..');
  if (ends.length > 2) bad('a range has one ".."');
  const first = split(ends[0] as string, database);
  if (first.table === '' || first.schema === '') bad('a name is empty');
  if (first.schema.includes('*')) bad('a pattern may stand for tables only, not for a schema');
  const claim = { key, schema: fold(first.schema), tableClass };
  const table = fold(first.table);
  if (ends.length === 1) {
    return table.includes('*')
      ? { ...claim, kind: 'pattern', parts: table.split('*') }
      : { ...claim, kind: 'exact', table, written: first.table };
  }
  const last = split(ends[1] as string, first.schema);
  if (fold(last.schema) !== claim.schema) bad('both ends of a range must be in one schema');
  const [from, to] = [numbered(table), numbered(fold(last.table))];
  if (from === undefined || to === undefined) return bad('both ends of a range must hold a number');
  if (from.prefix !== to.prefix || from.tail !== to.tail || from.digits.length !== to.digits.length) {
    return bad('both ends of a range must differ in digits only, and have equally many (order_00..order_63)');
  }
  if (from.digits.length > mostDigits) bad(`a range has at most ${mostDigits} digits`);
  const [low, high] = [Number(from.digits), Number(to.digits)];
  if (low > high) bad('the range runs backwards');
  return {
    ...claim,
    kind: 'range',
    prefix: from.prefix,
    digits: from.digits.length,
    first: low,
    last: high,
    tail: from.tail,
  };
}

function split(text: string, database: string): { schema: string; table: string } {
  const dot = text.indexOf('.');
  return dot === -1 ? { schema: database, table: text } : { schema: text.slice(0, dot), table: text.slice(dot + 1) };
}

/** The last group of digits and what stands around it. */
function numbered(table: string): { prefix: string; digits: string; tail: string } | undefined {
  let end = table.length;
  while (end > 0 && !isDigit(table, end - 1)) end -= 1;
  let start = end;
  while (start > 0 && isDigit(table, start - 1)) start -= 1;
  if (start === end) return undefined;
  return { prefix: table.slice(0, start), digits: table.slice(start, end), tail: table.slice(end) };
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** True when the claim is for this (folded) table of its schema. Linear in the name's length for each part. */
export function claims(claim: Claim, table: string): boolean {
  if (claim.kind === 'exact') return claim.table === table;
  if (claim.kind === 'pattern') return matches(claim.parts, table);
  const { prefix, digits, tail, first, last } = claim;
  if (table.length !== prefix.length + digits + tail.length) return false;
  if (!table.startsWith(prefix) || !table.endsWith(tail)) return false;
  for (let at = prefix.length; at < prefix.length + digits; at += 1) if (!isDigit(table, at)) return false;
  const number = Number(table.slice(prefix.length, prefix.length + digits));
  return number >= first && number <= last;
}

function matches(parts: readonly string[], table: string): boolean {
  const [head = '', ...rest] = parts;
  const tail = rest.pop() ?? '';
  if (table.length < head.length + tail.length || !table.startsWith(head) || !table.endsWith(tail)) return false;
  let at = head.length;
  for (const part of rest) {
    const found = table.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= table.length - tail.length;
}

/** Which of two claims wins: the lower number. Exact before range before pattern; then the longer literal prefix. */
export function rank(claim: Claim): number {
  if (claim.kind === 'exact') return 0;
  if (claim.kind === 'range') return 1_000_000 - claim.prefix.length;
  return 2_000_000 - (claim.parts[0]?.length ?? 0);
}

/** True when two claims of equal rank can meet in one table name. */
export function overlap(one: Claim, other: Claim): boolean {
  if (one.schema !== other.schema || one.kind !== other.kind || rank(one) !== rank(other)) return false;
  if (one.kind === 'exact' && other.kind === 'exact') return one.table === other.table;
  if (one.kind === 'range' && other.kind === 'range') {
    const sameForm = one.prefix === other.prefix && one.tail === other.tail && one.digits === other.digits;
    return sameForm && one.first <= other.last && other.first <= one.last;
  }
  if (one.kind !== 'pattern' || other.kind !== 'pattern') return false;
  const [tail, otherTail] = [one.parts.at(-1) ?? '', other.parts.at(-1) ?? ''];
  return one.parts[0] === other.parts[0] && (tail.endsWith(otherTail) || otherTail.endsWith(tail));
}
