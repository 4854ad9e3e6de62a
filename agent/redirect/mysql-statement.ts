/** What the agent needs to know of a statement of ordinary traffic: cheap, and allowed to be wrong. */

const LEAD = /^(?:\s|\/\*[\s\S]*?\*\/|#[^\n]*\n|--\s[^\n]*\n|\()+/;
const WORD = /^[a-zA-Z]+/;
const READS = new Set(
  'select show set begin start commit rollback savepoint release use explain describe desc values table help checksum lock unlock analyze kill'.split(
    ' ',
  ),
);

/** First word of a statement, in lower case; `other` when there is none. */
export function firstWord(sql: string): string {
  const word = WORD.exec(sql) ?? WORD.exec(sql.replace(LEAD, ''));
  return word === null ? 'other' : word[0].toLowerCase();
}

/** True for what changes rows or the schema. What is not known counts as a write. */
export function isWrite(word: string, sql: string): boolean {
  if (word === 'with') return /\b(?:update|delete|insert|replace)\b/i.test(sql);
  return !READS.has(word);
}

const TABLE = /\b(?:from|into|update|join|table)\s+(?:(?:ignore|low_priority)\s+)?`?([\w$]+)`?(?:\s*\.\s*`?([\w$]+))?/i;

/** The first table that a statement names: a label of measurements. */
export function firstTable(sql: string): string | undefined {
  const match = TABLE.exec(sql.length > 400 ? sql.slice(0, 400) : sql);
  return match === null ? undefined : (match[2] ?? match[1]);
}

const MAX_SCANNED = 2000;

/** First bound value inside the reserved range of shadow ids (`from` inclusive, `to` exclusive). Looks into arrays and plain objects. */
export function taintedValue(values: unknown, taint: { from: number; to: number }): number | undefined {
  let left = MAX_SCANNED;
  const scan = (value: unknown): number | undefined => {
    left -= 1;
    if (left < 0 || value === null) return undefined;
    switch (typeof value) {
      case 'number':
        return value >= taint.from && value < taint.to ? value : undefined;
      case 'bigint':
        return scan(Number(value));
      case 'string': {
        if (value.length > 16 || value.length < 4) return undefined;
        const first = value.charCodeAt(0);
        return first >= 48 && first <= 57 && /^\d+$/.test(value) ? scan(Number(value)) : undefined;
      }
      case 'object': {
        if (ArrayBuffer.isView(value) || value instanceof Date) return undefined;
        for (const item of Array.isArray(value) ? value : Object.values(value)) {
          const found = scan(item);
          if (found !== undefined) return found;
        }
        return undefined;
      }
      default:
        return undefined;
    }
  };
  return scan(values);
}
