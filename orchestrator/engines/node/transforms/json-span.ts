/**
 * Finds a value inside JSON text without parsing and writing the whole: what is not replaced keeps its bytes (spacing, number
 * forms beyond 2⁵³, order of keys), so that a body differs from the recorded one only where it is meant to.
 *
 *   value  = object | array | string | number | literal
 *   object = '{' [ string ':' value *( ',' string ':' value ) ] '}'
 *   array  = '[' [ value *( ',' value ) ] ']'
 */
export interface JsonSpan {
  start: number;
  end: number;
}

/** The span of the value at `path` (keys, or indices of arrays); undefined when there is none or the text is not JSON up to there. */
export function findJson(text: string, path: readonly string[]): JsonSpan | undefined {
  let at = skipSpace(text, 0);
  for (const key of path) {
    const found = text[at] === '{' ? member(text, at, key) : text[at] === '[' ? element(text, at, key) : -1;
    if (found < 0) return undefined;
    at = found;
  }
  const end = skipValue(text, at);
  return end < 0 ? undefined : { start: at, end };
}

/** Start of the value of `key`; the last one when a key is repeated, as JSON.parse takes it. */
function member(text: string, open: number, key: string): number {
  let found = -1;
  let at = skipSpace(text, open + 1);
  while (text[at] === '"') {
    const nameEnd = skipString(text, at);
    if (nameEnd < 0) return found;
    const name = text.slice(at, nameEnd);
    const colon = skipSpace(text, nameEnd);
    if (text[colon] !== ':') return found;
    const value = skipSpace(text, colon + 1);
    if (name === `"${key}"` || (name.includes('\\') && decodes(name, key))) found = value;
    const end = skipValue(text, value);
    if (end < 0) return found;
    at = skipSpace(text, end);
    if (text[at] !== ',') return found;
    at = skipSpace(text, at + 1);
  }
  return found;
}

function element(text: string, open: number, key: string): number {
  const index = Number(key);
  if (!Number.isInteger(index) || index < 0) return -1;
  let at = skipSpace(text, open + 1);
  if (text[at] === ']') return -1;
  for (let i = 0; i < index; i++) {
    const end = skipValue(text, at);
    if (end < 0) return -1;
    const comma = skipSpace(text, end);
    if (text[comma] !== ',') return -1;
    at = skipSpace(text, comma + 1);
  }
  return at;
}

/** Index after the value at `at`; −1 when the text ends within it. Nested values are skipped by their brackets. */
function skipValue(text: string, at: number): number {
  const first = text[at];
  if (first === undefined) return -1;
  if (first === '"') return skipString(text, at);
  if (first !== '{' && first !== '[') {
    let end = at;
    while (end < text.length && !',]} \t\r\n'.includes(text[end]!)) end++;
    return end === at ? -1 : end;
  }
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      i = skipString(text, i) - 1;
      if (i < 0) return -1;
    } else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') {
      depth--;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

function skipString(text: string, at: number): number {
  for (let i = at + 1; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === '"') return i + 1;
  }
  return -1;
}

function skipSpace(text: string, at: number): number {
  let i = at;
  while (i < text.length && ' \t\r\n'.includes(text[i]!)) i++;
  return i;
}

function decodes(name: string, key: string): boolean {
  try {
    return JSON.parse(name) === key;
  } catch {
    return false;
  }
}
