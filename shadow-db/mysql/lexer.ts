import { Refusal } from '../codes.js';

/**
 * word      unquoted name or keyword; `text` is upper case, the name itself is the slice of the SQL
 * ident     quoted name, or any name right after a dot; `text` is the name without quotes. Never a keyword.
 * variable  @user or @@system variable; `text` is lower case, as written
 * string, number, param: values. punct: one character.
 */
export type TokenKind = 'word' | 'ident' | 'string' | 'number' | 'variable' | 'param' | 'punct';

export interface Token {
  kind: TokenKind;
  text: string;
  /** Offsets in the SQL text, UTF-16 units; `end` is exclusive. */
  start: number;
  end: number;
}

export interface LexMode {
  ansiQuotes: boolean;
  noBackslashEscapes: boolean;
  /** Read what stands inside executable comments instead of refusing (for the guard of real traffic). */
  openExecutableComments?: boolean;
}

/** 1: may stand in a name. 2: digit. 4: white space. 8: single-character token. */
const classes = new Uint8Array(128);
for (let code = 0; code < 128; code += 1) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z_$]/.test(character)) classes[code] = 1;
  else if (/[0-9]/.test(character)) classes[code] = 1 | 2;
  else if (/[ \t\n\r\f\v]/.test(character)) classes[code] = 4;
  else if ('(),.=<>!+-*/%&|^~:;'.includes(character)) classes[code] = 8;
}
const classOf = (code: number): number => (code < 128 ? (classes[code] ?? 0) : 1);
const isNamePart = (code: number): boolean => (classOf(code) & 1) !== 0;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** Splits MySQL text into tokens; comments fall out. Throws Refusal. */
export function lex(sql: string, mode: LexMode): Token[] {
  const tokens: Token[] = [];
  const length = sql.length;
  let at = 0;
  while (at < length) {
    const code = sql.charCodeAt(at);
    const kind = classOf(code);
    if (kind & 4) {
      at += 1;
    } else if (kind & 2 && !afterDot(tokens, at)) {
      at = number(sql, at, tokens);
    } else if (kind & 1) {
      at = name(sql, at, tokens);
    } else if (code === 39 || (code === 34 && !mode.ansiQuotes)) {
      const end = stringEnd(sql, at, code, mode.noBackslashEscapes);
      tokens.push({ kind: 'string', text: '', start: at, end });
      at = end;
    } else if (code === 96 || code === 34) {
      at = quotedName(sql, at, code, tokens);
    } else if (code === 63) {
      tokens.push({ kind: 'param', text: '?', start: at, end: at + 1 });
      at += 1;
    } else if (code === 64) {
      at = variable(sql, at, mode, tokens);
    } else if (code === 35) {
      at = lineEnd(sql, at);
    } else if (code === 45 && sql.charCodeAt(at + 1) === 45 && dashesAreComment(sql, at)) {
      at = lineEnd(sql, at);
    } else if (code === 47 && sql.charCodeAt(at + 1) === 42) {
      at = comment(sql, at, mode);
    } else if (code === 46 && isDigit(sql.charCodeAt(at + 1)) && !endsName(tokens, at)) {
      at = number(sql, at, tokens);
    } else if (kind & 8) {
      if (code === 42 && mode.openExecutableComments && sql.charCodeAt(at + 1) === 47) {
        at += 2;
      } else {
        tokens.push({ kind: 'punct', text: sql[at] as string, start: at, end: at + 1 });
        at += 1;
      }
    } else {
      throw new Refusal('SQL_CHARACTER', `unexpected character ${JSON.stringify(sql[at])}`, at);
    }
  }
  return tokens;
}

function afterDot(tokens: Token[], at: number): boolean {
  const dot = tokens.at(-1);
  return dot !== undefined && dot.kind === 'punct' && dot.text === '.' && dot.end === at && endsName(tokens, -1);
}

/** True when a dot at `at` would join a name that stands right before it; -1 asks for the token before the last. */
function endsName(tokens: Token[], at: number): boolean {
  const before = tokens.at(at === -1 ? -2 : -1);
  if (before === undefined || (before.kind !== 'word' && before.kind !== 'ident')) return false;
  return at === -1 || before.end === at;
}

function name(sql: string, start: number, tokens: Token[]): number {
  let at = start + 1;
  while (at < sql.length && isNamePart(sql.charCodeAt(at))) at += 1;
  const text = sql.slice(start, at);
  const last = tokens.at(-1);
  const qualified = last !== undefined && last.end === start && last.kind === 'punct' && last.text === '.';
  tokens.push({ kind: qualified ? 'ident' : 'word', text: qualified ? text : text.toUpperCase(), start, end: at });
  return at;
}

/**
 * Numbers, and names that begin with a digit. The server splits `1e5from` and `1.from` in two but reads `1from` as a name;
 * whatever is glued to a number in such a way is refused.
 */
function number(sql: string, start: number, tokens: Token[]): number {
  let at = start;
  while (isDigit(sql.charCodeAt(at))) at += 1;
  if (sql.charCodeAt(at) !== 46 && at < sql.length && isNamePart(sql.charCodeAt(at))) {
    while (at < sql.length && isNamePart(sql.charCodeAt(at))) at += 1;
    const text = sql.slice(start, at);
    if (/^0(?:x[0-9A-Fa-f]+|b[01]+)$/.test(text) || /^\d+[eE]\d+$/.test(text)) {
      tokens.push({ kind: 'number', text, start, end: at });
      return at;
    }
    const next = sql.charCodeAt(at);
    const signed = /^\d+[eE]$/.test(text) && (next === 43 || next === 45) && isDigit(sql.charCodeAt(at + 1));
    if (!signed) {
      if (/^(?:\d+[eE]\d|0[xb])/.test(text))
        throw new Refusal('SQL_CHARACTER', `a name is glued to a number: ${text}`, start);
      tokens.push({ kind: 'word', text: text.toUpperCase(), start, end: at });
      return at;
    }
    at += 1;
    while (isDigit(sql.charCodeAt(at))) at += 1;
  } else {
    if (sql.charCodeAt(at) === 46) at += 1;
    while (isDigit(sql.charCodeAt(at))) at += 1;
    const exponent = /^[eE][+-]?\d+/.exec(sql.slice(at, at + 24));
    if (exponent) at += exponent[0].length;
  }
  if (at < sql.length && isNamePart(sql.charCodeAt(at))) {
    throw new Refusal('SQL_CHARACTER', `a name is glued to a number: ${sql.slice(start, at + 8)}`, start);
  }
  tokens.push({ kind: 'number', text: '', start, end: at });
  return at;
}

function stringEnd(sql: string, start: number, quote: number, noBackslashEscapes: boolean): number {
  for (let at = start + 1; at < sql.length; at += 1) {
    const code = sql.charCodeAt(at);
    if (code === 92 && !noBackslashEscapes) at += 1;
    else if (code === quote) {
      if (sql.charCodeAt(at + 1) !== quote) return at + 1;
      at += 1;
    }
  }
  throw new Refusal('SQL_UNCLOSED', 'a string is not closed', start);
}

function quotedEnd(sql: string, start: number, quote: number): number {
  for (let at = start + 1; at < sql.length; at += 1) {
    if (sql.charCodeAt(at) === quote) {
      if (sql.charCodeAt(at + 1) !== quote) return at + 1;
      at += 1;
    }
  }
  throw new Refusal('SQL_UNCLOSED', 'a quoted name is not closed', start);
}

function quotedName(sql: string, start: number, quote: number, tokens: Token[]): number {
  const end = quotedEnd(sql, start, quote);
  const mark = String.fromCharCode(quote);
  const text = sql.slice(start + 1, end - 1).replaceAll(mark + mark, mark);
  if (text === '') throw new Refusal('SQL_CHARACTER', 'an empty quoted name', start);
  tokens.push({ kind: 'ident', text, start, end });
  return end;
}

function variable(sql: string, start: number, mode: LexMode, tokens: Token[]): number {
  let at = start + 1;
  if (sql.charCodeAt(at) === 64) at += 1;
  for (;;) {
    const code = sql.charCodeAt(at);
    if (code === 96) at = quotedEnd(sql, at, code);
    else if ((code === 39 || code === 34) && at === start + 1) {
      at = stringEnd(sql, at, code, code === 34 && mode.ansiQuotes ? true : mode.noBackslashEscapes);
      break;
    } else if (at < sql.length && (isNamePart(code) || code === 46)) at += 1;
    else break;
  }
  if (at === start + 1) throw new Refusal('SQL_CHARACTER', 'a lone @', start);
  tokens.push({ kind: 'variable', text: sql.slice(start, at).toLowerCase(), start, end: at });
  return at;
}

/** `--` opens a comment only before white space, a control character or the end. */
function dashesAreComment(sql: string, at: number): boolean {
  return at + 2 >= sql.length || sql.charCodeAt(at + 2) <= 32;
}

function lineEnd(sql: string, at: number): number {
  const end = sql.indexOf('\n', at);
  return end === -1 ? sql.length : end + 1;
}

function comment(sql: string, start: number, mode: LexMode): number {
  const executable = /^\/\*M?!\d*/.exec(sql.slice(start, start + 16));
  if (executable) {
    if (mode.openExecutableComments) return start + executable[0].length;
    throw new Refusal('SQL_EXECUTABLE_COMMENT', 'an executable comment', start);
  }
  const end = sql.indexOf('*/', start + 2);
  if (end === -1) throw new Refusal('SQL_UNCLOSED', 'a comment is not closed', start);
  return end + 2;
}
