import { Refusal } from '../codes.js';

/**
 * The lexical rules of PostgreSQL, as far as names, their places and the depth of brackets go. What a statement means is decided by
 * the server's own parser; the tokens only say where its names begin and end, and each name is compared with the tree.
 */
export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'parameter' | 'symbol' | 'operator';

export interface Token {
  kind: TokenKind;
  /** word: folded to lower case as the server does; quoted: without quotes; symbol and operator: as written; others: empty. */
  text: string;
  /** UTF-16 offsets; `end` of a U&"" name takes in its UESCAPE part. */
  start: number;
  end: number;
}

/** Nested deeper than this, the parser or the JSON of its tree could run out of stack. */
const deepest = 1000;

/** The parser's time grows with the square of the number of comments: 25,000 took 19 s. */
const mostComments = 1000;

const dollarQuote = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
// a number that has a letter, "_" or "0x" in it means different things to PostgreSQL 14, 15 and 16
const number = /(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][+-]?\d+)?/y;
/** What an ASCII character begins; 0: something that is looked at more closely, or nothing. */
const [blank, letter, digit, mark, sign] = [1, 2, 3, 4, 5];
const kindOf = new Uint8Array(128);
for (const [characters, kind] of [
  [' \t\n\r\f\v', blank],
  ['abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_', letter],
  ['0123456789', digit],
  ['()[],;:.', mark],
  ['+-*/<>=~!@#%^&|`?', sign],
] as const) {
  for (const character of characters) kindOf[character.charCodeAt(0)] = kind;
}
const operator = /[+\-*/<>=~!@#%^&|`?]+/y;

/**
 * All tokens but comments and spaces. Throws Refusal: SQL_UNCLOSED, SQL_CHARACTER, SQL_TOO_LONG, and SQL_MODE_AMBIGUOUS for a
 * backslash in a plain string unless `standardConformingStrings` is true (off, or unknown, it may end the string elsewhere), and
 * for one after a letter beyond ASCII in an E'' string unless `utf8` is true: in SJIS, Big5, GBK, UHC and GB18030 the end of that
 * letter and the backslash can be one character.
 */
export function lex(sql: string, standardConformingStrings: boolean | undefined, utf8 = false): Token[] {
  return new Lexer(sql, standardConformingStrings === true, utf8).run();
}

class Lexer {
  private readonly sql: string;
  private readonly conforming: boolean;
  private readonly utf8: boolean;
  private readonly tokens: Token[] = [];
  private at = 0;
  private comments = 0;

  constructor(sql: string, conforming: boolean, utf8: boolean) {
    this.sql = sql;
    this.conforming = conforming;
    this.utf8 = utf8;
  }

  run(): Token[] {
    const { sql } = this;
    if (/[\0\ud800-\udfff]/.test(sql)) {
      const bad = /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.exec(sql);
      if (bad !== null) throw new Refusal('SQL_CHARACTER', 'NUL or half a character', bad.index);
    }
    while (this.at < sql.length) this.next();
    return this.tokens;
  }

  private next(): void {
    const { sql, at: start } = this;
    const code = sql.charCodeAt(start);
    const kind = code < 128 ? kindOf[code] : letter;
    if (kind === blank) {
      this.at += 1;
    } else if (kind === letter) {
      // few letters begin anything but a word
      const following = sql.charCodeAt(start + 1);
      if (following === 39 || following === 38) this.prefixed();
      else this.word();
    } else if (kind === mark) {
      this.symbol();
    } else if (kind === digit) {
      this.number();
    } else if (kind === sign) {
      if (code === 45 && sql.charCodeAt(start + 1) === 45) this.lineComment();
      else if (code === 47 && sql.charCodeAt(start + 1) === 42) this.blockComment();
      else this.operator();
    } else if (code === 39) {
      this.string(this.conforming ? 'plain' : 'unknown', 1);
    } else if (code === 34) {
      this.quoted(1, false);
    } else if (code === 36) {
      this.dollar();
    } else {
      throw new Refusal('SQL_CHARACTER', `the character ${JSON.stringify(sql[start])} begins nothing`, start);
    }
  }

  /** A letter before a quote, or `U&` before one. */
  private prefixed(): void {
    const { sql, at: start } = this;
    const found = /[eE]'|[bBxX]'|[nN]'|[uU]&['"]/y;
    found.lastIndex = start;
    const prefix = found.exec(sql)?.[0].toLowerCase();
    if (prefix === undefined) this.word();
    else if (prefix === "e'") this.string('escapes', 2);
    else if (prefix === "n'") this.string(this.conforming ? 'plain' : 'unknown', 2);
    else if (prefix === 'u&"') this.quoted(3, true);
    else this.string('plain', prefix.length);
  }

  private word(): void {
    const { sql, at: start } = this;
    let at = start;
    let capitals = false;
    for (; at < sql.length; at += 1) {
      const code = sql.charCodeAt(at);
      if (!continues(code)) break;
      capitals ||= code >= 65 && code <= 90;
    }
    this.at = at;
    const text = sql.slice(start, at);
    this.push('word', capitals ? fold(text) : text, start);
  }

  private push(kind: TokenKind, text: string, start: number): void {
    this.tokens.push({ kind, text, start, end: this.at });
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.sql)?.[0];
    if (found === undefined || found === '') return undefined;
    this.at += found.length;
    return found;
  }

  private lineComment(): void {
    this.countComment();
    while (this.at < this.sql.length && this.sql[this.at] !== '\n' && this.sql[this.at] !== '\r') this.at += 1;
  }

  private countComment(): void {
    this.comments += 1;
    if (this.comments > mostComments) {
      throw new Refusal('SQL_TOO_LONG', `more than ${mostComments} comments`, this.at);
    }
  }

  private blockComment(): void {
    this.countComment();
    const { sql, at: start } = this;
    const edge = /\/\*|\*\//g;
    edge.lastIndex = start + 2;
    for (let depth = 1; depth > 0; ) {
      const found = edge.exec(sql);
      if (found === null) throw new Refusal('SQL_UNCLOSED', 'a comment is not closed', start);
      depth += found[0] === '/*' ? 1 : -1;
    }
    this.at = edge.lastIndex;
  }

  /** `escapes`: a backslash hides the next character. `unknown`: whether it does depends on the session, so none is let through. */
  private string(kind: 'plain' | 'escapes' | 'unknown', open: number): void {
    const { sql, at: start } = this;
    const edge = kind === 'escapes' || kind === 'unknown' ? /'|\\/g : /'/g;
    edge.lastIndex = start + open;
    for (;;) {
      const found = edge.exec(sql);
      if (found === null) throw new Refusal('SQL_UNCLOSED', 'a string is not closed', start);
      if (found[0] === '\\') {
        if (kind === 'unknown') throw new Refusal('SQL_MODE_AMBIGUOUS', 'a backslash in a plain string', found.index);
        if (!this.utf8 && sql.charCodeAt(found.index - 1) > 127) {
          const detail = 'a backslash after a letter beyond ASCII, in an encoding that is not known';
          throw new Refusal('SQL_MODE_AMBIGUOUS', detail, found.index);
        }
        edge.lastIndex += 1;
      } else if (sql[edge.lastIndex] === "'") {
        edge.lastIndex += 1;
      } else if (!this.goesOn(edge.lastIndex)) {
        break;
      } else {
        // 'a' <newline> 'b' is one string, and the rules of its beginning go on
        edge.lastIndex = sql.indexOf("'", edge.lastIndex) + 1;
      }
    }
    this.at = edge.lastIndex;
    // with standard_conforming_strings off the server refuses U&'' itself
    this.push('string', '', start);
  }

  private goesOn(from: number): boolean {
    const gap = /[ \t\f\v]*(?:--[^\n\r]*)?[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y;
    gap.lastIndex = from;
    return gap.test(this.sql);
  }

  private quoted(open: number, unicode: boolean): void {
    const { sql, at: start } = this;
    let end = sql.indexOf('"', start + open);
    while (end >= 0 && sql[end + 1] === '"') end = sql.indexOf('"', end + 2);
    if (end < 0) throw new Refusal('SQL_UNCLOSED', 'a quoted name is not closed', start);
    this.at = end + 1;
    const text = sql.slice(start + open, end).replaceAll('""', '"');
    this.push('quoted', unicode ? decodeUnicode(text, this.uescape()) : text, start);
  }

  /** The escape character of a U&"" name; steps over a UESCAPE part. */
  private uescape(): string {
    const part = /(?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*uescape(?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'(.)'/iy;
    part.lastIndex = this.at;
    const found = part.exec(this.sql);
    if (found === null) return '\\';
    this.at = part.lastIndex;
    return found[1] ?? '\\';
  }

  private dollar(): void {
    const { sql, at: start } = this;
    if (/\d/.test(sql[start + 1] ?? '')) {
      this.at += 1;
      this.match(/\d+/y);
      this.noJunk(start);
      this.push('parameter', '', start);
      return;
    }
    const quote = this.match(dollarQuote);
    if (quote === undefined) throw new Refusal('SQL_CHARACTER', '"$" begins nothing', start);
    const end = sql.indexOf(quote, this.at);
    if (end < 0) throw new Refusal('SQL_UNCLOSED', 'a dollar-quoted string is not closed', start);
    this.at = end + quote.length;
    this.push('string', '', start);
  }

  private number(): void {
    const start = this.at;
    this.match(number);
    this.noJunk(start);
    this.push('number', '', start);
  }

  private noJunk(start: number): void {
    if (/[A-Za-z0-9_$\u0080-\uffff]/.test(this.sql[this.at] ?? ' ')) {
      throw new Refusal('SQL_CHARACTER', 'a letter follows right after a number', start);
    }
  }

  private symbol(): void {
    const start = this.at;
    const char = this.sql[start];
    if (char === '.' && /\d/.test(this.sql[start + 1] ?? '')) {
      this.number();
      return;
    }
    this.at += 1;
    const next = this.sql[this.at];
    if (char === ':' && (next === ':' || next === '=')) this.at += 1;
    if (char === '.' && next === '.') this.at += 1;
    this.push('symbol', this.sql.slice(start, this.at), start);
  }

  /** A comment may begin inside a run of operator characters, and ends it. */
  private operator(): void {
    const start = this.at;
    const run = this.match(operator)!;
    const comment = run.search(/--|\/\*/);
    if (comment > 0) this.at = start + comment;
    this.push('operator', this.sql.slice(start, this.at), start);
  }
}

/** A letter, a digit, "_", "$" or anything beyond ASCII. */
function continues(code: number): boolean {
  return code >= 128 || code === 36 || kindOf[code] === letter || kindOf[code] === digit;
}

/** ASCII only: the server leaves other letters alone where the encoding has several bytes a character. */
function fold(word: string): string {
  return word.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** What is no character stays as it is: the parser refuses it. */
function decodeUnicode(text: string, mark: string): string {
  let decoded = '';
  for (let at = 0; at < text.length; at += 1) {
    const found = text[at] === mark ? /^(?:\+([0-9a-f]{6})|([0-9a-f]{4}))/i.exec(text.slice(at + 1, at + 8)) : null;
    const code = Number.parseInt(found?.[1] ?? found?.[2] ?? '', 16);
    if (text[at] === mark && text[at + 1] === mark) {
      decoded += mark;
      at += 1;
    } else if (found === null || code > 0x10ffff) {
      decoded += text[at];
    } else {
      decoded += code > 0xffff ? String.fromCodePoint(code) : String.fromCharCode(code);
      at += found[0].length;
    }
  }
  return decoded;
}

/**
 * What words and symbols do to depth. `chain`: these nest without brackets and count until the next bracket closes. `flat`: these end
 * a run of operators; what stands beside them is on one level.
 */
const effects = new Map<string, 'open' | 'close' | 'chain' | 'flat'>([
  ...['(', '[', 'case'].map((text) => [text, 'open'] as const),
  ...[')', ']', 'end'].map((text) => [text, 'close'] as const),
  ...['join', 'union', 'intersect', 'except'].map((text) => [text, 'chain'] as const),
  // only what cannot be the name of a column: `set + set + set` is an expression
  ...', and or when then else select from where on using group order having limit returning'
    .split(' ')
    .map((text) => [text, 'flat'] as const),
]);

/**
 * Refuses text that nests so deeply that a parser made of recursive functions may run out of stack. The bound is taken from the
 * tokens before the parser sees them, since a stack that overflows inside WebAssembly leaves its memory in an unknown state.
 */
export function checkDepth(tokens: readonly Token[]): void {
  const levels: { run: number; chain: number; isCase: boolean }[] = [];
  let level = { run: 0, chain: 0, isCase: false };
  let outer = 0;
  let afterDot = false;
  for (const { kind, text, start } of tokens) {
    // `a.end` and `a.and` are columns
    const effect = (kind === 'word' && !afterDot) || kind === 'symbol' ? effects.get(text) : undefined;
    afterDot = kind === 'symbol' && text === '.';
    if (effect === 'open') {
      outer += level.run + level.chain + 1;
      levels.push(level);
      level = { run: 0, chain: 0, isCase: text === 'case' };
    } else if (effect === 'close') {
      // a column may be called "end" by `select 1 end`
      if (level.isCase !== (text === 'end')) continue;
      const last = levels.pop();
      if (last !== undefined) outer -= last.run + last.chain + 1;
      level = last ?? { run: 0, chain: 0, isCase: false };
    } else if (effect === 'chain') {
      level.chain += 1;
      level.run = 0;
    } else if (effect === 'flat') {
      level.run = 0;
    } else if (kind === 'operator') {
      // `+-+-a` is four operators: signs are taken off the end of a run one by one, in time that grows with the square
      level.run += 1 + signsAtEnd(text);
    } else if (kind === 'word' || text === '::') {
      level.run += 1;
    }
    if (outer + level.run + level.chain > deepest)
      throw new Refusal('SQL_TOO_DEEP', `more than ${deepest} levels`, start);
  }
}

function signsAtEnd(text: string): number {
  let at = text.length;
  while (text[at - 1] === '+' || text[at - 1] === '-') at -= 1;
  return text.length - at;
}
