import { Refusal } from '../codes.js';
import { F, firstWord, flagsOf, longestWord, T, wordAt, wordText } from './words.js';

export interface LexMode {
  ansiQuotes: boolean;
  noBackslashEscapes: boolean;
  /** Read what stands inside executable comments instead of refusing (for the guard of real traffic). */
  openExecutableComments?: boolean;
}

/** What begins a token, by its first character. */
const C = { none: 0, space: 1, name: 2, digit: 3, punct: 4, other: 5 } as const;
const classes = new Uint8Array(128);
/** 1: may stand in an unquoted name. */
const nameParts = new Uint8Array(128);
for (let code = 0; code < 128; code += 1) {
  const character = String.fromCharCode(code);
  if (/[A-Za-z0-9_$]/.test(character)) nameParts[code] = 1;
  if (/[0-9]/.test(character)) classes[code] = C.digit;
  else if (/[A-Za-z_$]/.test(character)) classes[code] = C.name;
  else if (/[ \t\n\r\f\v]/.test(character)) classes[code] = C.space;
  else if ('(),=<>!+%&|^~;{}'.includes(character)) classes[code] = C.punct;
  else if ('\'"`?@#-/.*:'.includes(character)) classes[code] = C.other;
}

/** Controls and blanks beyond ASCII: to some connection character sets they are white space (U+00A0 in latin1), to others part of a name. */
const foreignBlank = /[\s\u0080-\u00a0]/;
const most = 1 << 16;

/**
 * Splits MySQL text into tokens; comments fall out. The tokens stand in columns, so that reading a statement makes no objects:
 * `ids` (see `T` and `W`; four zeros follow the last one), `starts` and `ends` (UTF-16 units; `end` is exclusive).
 * A name right after a dot, or quoted, is never a word that means something; nor is a word before a dot.
 */
export class Lexer {
  ids = new Int16Array(1024);
  starts = new Int32Array(1024);
  ends = new Int32Array(1024);
  count = 0;
  /** First ";" that is not the last token, which is dropped; -1: none. */
  separator = -1;
  /** First word before a dot that the server would read as a keyword; -1: none. */
  wordBeforeDot = -1;
  /** The text has a double quote, or a backslash in a string: whatever stands behind may be read otherwise in another sql_mode. */
  sawDoubleQuote = false;
  sawBackslash = false;
  private sql = '';
  private ansiQuotes = false;
  private noBackslashEscapes = false;
  private openComments = false;

  /** Throws Refusal. */
  lex(sql: string, mode: LexMode): void {
    this.sql = sql;
    this.ansiQuotes = mode.ansiQuotes;
    this.noBackslashEscapes = mode.noBackslashEscapes;
    this.openComments = mode.openExecutableComments === true;
    this.separator = -1;
    this.wordBeforeDot = -1;
    this.sawDoubleQuote = false;
    this.sawBackslash = false;
    this.count = 0;
    this.reserve(sql.length + 8);
    this.tokens();
    const { ids } = this;
    if (this.separator === this.count - 1 && this.count > 0) {
      this.separator = -1;
      this.count -= 1;
    }
    for (let at = this.count; at < this.count + 4; at += 1) {
      ids[at] = T.end;
      this.starts[at] = sql.length;
      this.ends[at] = sql.length;
    }
  }

  /** The name that a token stands for, without quotes. */
  nameAt(token: number): string {
    const [start, end] = [this.starts[token]!, this.ends[token]!];
    return this.ids[token] === T.ident ? unquoted(this.sql, start, end) : this.sql.slice(start, end);
  }

  /** One character makes at most one token, so nothing is checked while reading. A huge statement's memory is given back. */
  private reserve(size: number): void {
    if (size <= this.ids.length && (this.ids.length <= most || size > most)) return;
    const room = Math.max(1024, size);
    this.ids = new Int16Array(room);
    this.starts = new Int32Array(room);
    this.ends = new Int32Array(room);
  }

  /** Names and punctuation, which most tokens are, are read here; the rest in methods of their own. */
  private tokens(): void {
    const { sql, ids, starts, ends } = this;
    const { length } = sql;
    let at = 0;
    let count = 0;
    while (at < length) {
      const code = sql.charCodeAt(at);
      const kind = code < 128 ? classes[code]! : C.name;
      if (kind === C.space) {
        at += 1;
        continue;
      }
      if (kind === C.name) {
        const start = at;
        let seen = 0;
        do {
          const next = sql.charCodeAt(at);
          if (next < 128 && nameParts[next] === 0) break;
          seen |= next;
          at += 1;
        } while (at < length);
        if (seen >= 128) this.checkBlanks(start, at);
        let id: number = T.word;
        if (count > 0 && ids[count - 1] === 46 && ends[count - 1] === start) id = T.ident;
        else if (seen < 128 && at - start > 1 && at - start <= longestWord) id = wordAt(sql, start, at);
        ids[count] = id;
        starts[count] = start;
        ends[count] = at;
        count += 1;
        continue;
      }
      if (kind === C.punct) {
        if (code === 59 && this.separator === -1) this.separator = count;
        ids[count] = code;
        starts[count] = at;
        at += 1;
        ends[count] = at;
        count += 1;
        continue;
      }
      if (kind === C.none) throw new Refusal('SQL_CHARACTER', `unexpected character ${JSON.stringify(sql[at])}`, at);
      this.count = count;
      if (kind === C.other) at = this.other(code, at);
      else at = this.endsWithQualifier(at) ? this.qualifiedName(at) : this.number(at);
      count = this.count;
    }
    this.count = count;
  }

  private push(id: number, start: number, end: number): number {
    const index = this.count++;
    this.ids[index] = id;
    this.starts[index] = start;
    this.ends[index] = end;
    return end;
  }

  private other(code: number, at: number): number {
    const { sql } = this;
    const next = at + 1 < sql.length ? sql.charCodeAt(at + 1) : 0;
    switch (code) {
      case 46:
        return this.dot(at, next);
      case 39:
        return this.push(T.string, at, this.stringEnd(at, code, this.noBackslashEscapes));
      case 34:
        this.sawDoubleQuote = true;
        return this.ansiQuotes
          ? this.quotedName(at, code)
          : this.push(T.string, at, this.stringEnd(at, code, this.noBackslashEscapes));
      case 96:
        return this.quotedName(at, code);
      case 63:
        return this.placeholder(at, 63);
      case 58:
        return this.colon(at, next);
      case 64:
        return this.variable(at);
      case 35:
        return lineEnd(sql, at);
      case 45:
        if (next === 45 && dashesAreComment(sql, at)) return lineEnd(sql, at);
        break;
      case 47:
        if (next === 42) return this.comment(at);
        break;
      case 42:
        if (this.openComments && next === 47) return at + 2;
        break;
      default:
        break;
    }
    return this.push(code, at, at + 1);
  }

  private endsWithName(): boolean {
    const last = this.count > 0 ? this.ids[this.count - 1]! : 0;
    return last === T.word || last === T.ident || last >= firstWord;
  }

  /** True when `at` goes on with a qualified name (`t.1a`): a name and a dot stand right before it. */
  private endsWithQualifier(at: number): boolean {
    const { count } = this;
    if (count < 2 || this.ids[count - 1] !== 46 || this.ends[count - 1] !== at) return false;
    const before = this.ids[count - 2]!;
    return before === T.word || before === T.ident || before >= firstWord;
  }

  /**
   * `from.x` is a qualified name, but `from .x` and ``from.`x` `` are the keyword and a table of the old form `.x`: the server
   * sees a name before a dot only when a letter follows the dot directly.
   */
  private dot(at: number, next: number): number {
    const index = this.count - 1;
    const afterName = this.endsWithName();
    const glued = afterName && this.ends[index] === at;
    if (isDigit(next) && !glued) return this.number(at);
    const id = index >= 0 ? this.ids[index]! : 0;
    if (id >= firstWord) {
      const isKeyword = (flagsOf[id]! & (F.notInExpression | F.afterTable)) !== 0;
      if (isKeyword && !(glued && isNamePart(next)) && this.wordBeforeDot === -1) this.wordBeforeDot = index;
      this.ids[index] = T.word;
    }
    return this.push(46, at, at + 1);
  }

  /** A name after a dot, whatever its first character is. */
  private qualifiedName(start: number): number {
    const { sql } = this;
    let at = start;
    while (at < sql.length && isNamePart(sql.charCodeAt(at))) at += 1;
    this.checkBlanks(start, at);
    return this.push(T.ident, start, at);
  }

  private checkBlanks(start: number, end: number): void {
    const { sql } = this;
    for (let at = start; at < end; at += 1) if (sql.charCodeAt(at) >= 128) this.checkBlank(sql.charCodeAt(at), at);
  }

  private checkBlank(code: number, at: number): void {
    if (foreignBlank.test(String.fromCharCode(code))) {
      throw new Refusal('SQL_CHARACTER', `a blank that is not ASCII, U+${code.toString(16).padStart(4, '0')}`, at);
    }
  }

  /**
   * Numbers, and names that begin with a digit. The server splits `1e5from` and `1.from` in two but reads `1from` as a name;
   * whatever is glued to a number in such a way is refused.
   */
  private number(start: number): number {
    const { sql } = this;
    let at = start;
    while (at < sql.length && isDigit(sql.charCodeAt(at))) at += 1;
    const after = at < sql.length ? sql.charCodeAt(at) : 0;
    if (after !== 46 && !isNamePart(after)) return this.push(T.number, start, at);
    if (after !== 46) {
      while (at < sql.length && isNamePart(sql.charCodeAt(at))) at += 1;
      const text = sql.slice(start, Math.min(at, start + 64));
      if (at - start > 64) return this.longNumber(start, at);
      if (/^0(?:x[0-9A-Fa-f]+|b[01]+)$/.test(text) || /^\d+[eE]\d+$/.test(text)) return this.push(T.number, start, at);
      const next = at < sql.length ? sql.charCodeAt(at) : 0;
      const signed = /^\d+[eE]$/.test(text) && (next === 43 || next === 45) && isDigit(sql.charCodeAt(at + 1) || 0);
      if (!signed) {
        if (/^(?:\d+[eE]\d|0[xb])/.test(text)) this.glued(start, at);
        this.checkBlanks(start, at);
        return this.push(T.word, start, at);
      }
      at += 1;
      while (at < sql.length && isDigit(sql.charCodeAt(at))) at += 1;
    } else {
      at += 1;
      while (at < sql.length && isDigit(sql.charCodeAt(at))) at += 1;
      const exponent = /^[eE][+-]?\d+/.exec(sql.slice(at, at + 24));
      if (exponent) at += exponent[0].length;
    }
    if (at < sql.length && isNamePart(sql.charCodeAt(at))) this.glued(start, at + 8);
    return this.push(T.number, start, at);
  }

  /** Long literals are hexadecimal or binary ones; nothing else of that length is a number or a name. */
  private longNumber(start: number, end: number): number {
    const { sql } = this;
    const base = sql.charCodeAt(start) === 48 ? sql.charCodeAt(start + 1) : 0;
    for (let at = start + 2; at < end; at += 1) {
      const code = sql.charCodeAt(at);
      const fits = base === 120 ? isHexDigit(code) : base === 98 && (code === 48 || code === 49);
      if (!fits) this.glued(start, start + 16);
    }
    return this.push(T.number, start, end);
  }

  private glued(start: number, end: number): never {
    throw new Refusal('SQL_CHARACTER', `a name is glued to a number: ${this.sql.slice(start, end)}`, start);
  }

  private stringEnd(start: number, quote: number, noBackslashEscapes: boolean): number {
    const { sql } = this;
    const { length } = sql;
    for (let at = start + 1; at < length; at += 1) {
      const code = sql.charCodeAt(at);
      if (code === 92) {
        this.sawBackslash = true;
        if (!noBackslashEscapes) at += 1;
      } else if (code === quote) {
        if (at + 1 >= length || sql.charCodeAt(at + 1) !== quote) return at + 1;
        at += 1;
      }
    }
    throw new Refusal('SQL_UNCLOSED', 'a string is not closed', start);
  }

  private quotedEnd(start: number, quote: number): number {
    const { sql } = this;
    const { length } = sql;
    for (let at = start + 1; at < length; at += 1) {
      if (sql.charCodeAt(at) !== quote) continue;
      if (at + 1 >= length || sql.charCodeAt(at + 1) !== quote) return at + 1;
      at += 1;
    }
    throw new Refusal('SQL_UNCLOSED', 'a quoted name is not closed', start);
  }

  private quotedName(start: number, quote: number): number {
    const end = this.quotedEnd(start, quote);
    if (end - start === 2) throw new Refusal('SQL_CHARACTER', 'an empty quoted name', start);
    return this.push(T.ident, start, end);
  }

  /** `?` and mysql2's `??` (an identifier). Longer runs mean nothing to the driver. */
  private placeholder(start: number, mark: number): number {
    const { sql } = this;
    let at = start;
    while (at < sql.length && sql.charCodeAt(at) === mark) at += 1;
    if (at - start > 2) throw new Refusal('SQL_CHARACTER', 'more than two question marks', start);
    return this.push(at - start === 2 ? T.nameParam : T.param, start, at);
  }

  /** `:=`, or the named placeholders `:value` and `::name` of mysql2, whatever word they use. */
  private colon(start: number, next: number): number {
    const { sql } = this;
    const double = next === 58;
    let at = double ? start + 2 : start + 1;
    const first = at < sql.length ? sql.charCodeAt(at) : 0;
    if (first >= 128 || nameParts[first] === 0 || first === 36) return this.push(58, start, start + 1);
    while (at < sql.length && isNamePart(sql.charCodeAt(at))) at += 1;
    return this.push(double ? T.nameParam : T.param, start, at);
  }

  /** `@name`, ``@`name` ``, `@'name'`; `@@name` with parts, quoted or not, that dots join. A quoted part ends it. */
  private variable(start: number): number {
    const { sql } = this;
    const system = sql.charCodeAt(start + 1) === 64;
    let at = start + (system ? 2 : 1);
    for (;;) {
      const code = at < sql.length ? sql.charCodeAt(at) : 0;
      if (code === 96) at = this.quotedEnd(at, code);
      else if (!system && (code === 39 || code === 34)) {
        if (code === 34) this.sawDoubleQuote = true;
        at = this.stringEnd(at, code, code === 34 && this.ansiQuotes ? true : this.noBackslashEscapes);
      } else {
        const from = at;
        while (at < sql.length && (isNamePart(sql.charCodeAt(at)) || (!system && sql.charCodeAt(at) === 46))) {
          if (sql.charCodeAt(at) >= 128) this.checkBlank(sql.charCodeAt(at), at);
          at += 1;
        }
        if (at === from) throw new Refusal('SQL_CHARACTER', 'a variable without a name', start);
      }
      if (!system || at >= sql.length || sql.charCodeAt(at) !== 46) return this.push(T.variable, start, at);
      at += 1;
    }
  }

  private comment(start: number): number {
    const { sql } = this;
    const executable = /^\/\*M?!\d*/.exec(sql.slice(start, start + 16));
    if (executable) {
      if (this.openComments) return start + executable[0].length;
      throw new Refusal('SQL_EXECUTABLE_COMMENT', 'an executable comment', start);
    }
    const end = sql.indexOf('*/', start + 2);
    if (end === -1) throw new Refusal('SQL_UNCLOSED', 'a comment is not closed', start);
    return end + 2;
  }
}

function isNamePart(code: number): boolean {
  return code >= 128 || nameParts[code] === 1;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isHexDigit(code: number): boolean {
  return isDigit(code) || ((code | 0x20) >= 97 && (code | 0x20) <= 102);
}

/** `--` opens a comment only before white space, a control character or the end. */
function dashesAreComment(sql: string, at: number): boolean {
  return at + 2 >= sql.length || sql.charCodeAt(at + 2) <= 32;
}

function lineEnd(sql: string, at: number): number {
  const end = sql.indexOf('\n', at);
  return end === -1 ? sql.length : end + 1;
}

/** The name that a token stands for, without quotes. */
export function unquoted(sql: string, start: number, end: number): string {
  const quote = sql[start] as string;
  if (quote !== '`' && quote !== '"') return sql.slice(start, end);
  const text = sql.slice(start + 1, end - 1);
  return text.includes(quote) ? text.replaceAll(quote + quote, quote) : text;
}

/** One token as an object, for those who read a statement now and then. */
export interface Token {
  kind: 'word' | 'ident' | 'string' | 'number' | 'variable' | 'param' | 'punct';
  /** Words in upper case, names without quotes, punctuation as it is; '' for values. */
  text: string;
  start: number;
  end: number;
}

const kinds = ['punct', 'word', 'ident', 'string', 'number', 'variable', 'param', 'param'] as const;

/** The tokens of a text, a last ";" included. Throws Refusal. */
export function lex(sql: string, mode: LexMode): Token[] {
  const lexer = new Lexer();
  // one separator at the end is dropped: with another one behind it, it is kept
  lexer.lex(`${sql}\n;`, mode);
  const count = lexer.separator === -1 ? lexer.count : lexer.count - 1;
  const tokens: Token[] = [];
  for (let at = 0; at < count; at += 1) {
    const [id, start, end] = [lexer.ids[at]!, lexer.starts[at]!, lexer.ends[at]!];
    const kind = id >= firstWord ? 'word' : id > T.nameParam ? 'punct' : kinds[id]!;
    let text = '';
    if (id >= firstWord) text = wordText(id);
    else if (kind === 'word') text = sql.slice(start, end).toUpperCase();
    else if (kind === 'ident') text = unquoted(sql, start, end);
    else if (kind === 'punct' || kind === 'param') text = sql.slice(start, end);
    else if (kind === 'variable') text = sql.slice(start, end).toLowerCase();
    tokens.push({ kind, text, start, end });
  }
  return tokens;
}
