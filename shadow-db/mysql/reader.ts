import { Refusal, type SqlRefusalCode } from '../codes.js';
import type { Token } from './lexer.js';

/** Walks over tokens. All of the parser's looking ahead goes through here. */
export class Reader {
  readonly sql: string;
  readonly tokens: readonly Token[];
  at = 0;

  constructor(sql: string, tokens: readonly Token[]) {
    this.sql = sql;
    this.tokens = tokens;
  }

  peek(ahead = 0): Token | undefined {
    return this.tokens[this.at + ahead];
  }

  /** True when the token there is this unquoted word and no part of a qualified name. */
  isWord(text: string, ahead = 0): boolean {
    const token = this.tokens[this.at + ahead];
    return token !== undefined && token.kind === 'word' && token.text === text && !this.isPunct('.', ahead + 1);
  }

  isOneOf(words: ReadonlySet<string>, ahead = 0): boolean {
    const token = this.tokens[this.at + ahead];
    return token !== undefined && token.kind === 'word' && words.has(token.text) && !this.isPunct('.', ahead + 1);
  }

  isPunct(text: string, ahead = 0): boolean {
    const token = this.tokens[this.at + ahead];
    return token !== undefined && token.kind === 'punct' && token.text === text;
  }

  next(): Token {
    const token = this.tokens[this.at];
    if (token === undefined) return this.fail('SQL_NOT_UNDERSTOOD', 'the statement ends too early');
    this.at += 1;
    return token;
  }

  /** Takes the words when all of them come next. */
  takeWords(...words: string[]): boolean {
    for (const [index, word] of words.entries()) if (!this.isWord(word, index)) return false;
    this.at += words.length;
    return true;
  }

  takePunct(text: string): boolean {
    if (!this.isPunct(text)) return false;
    this.at += 1;
    return true;
  }

  expectPunct(text: string): void {
    if (this.takePunct(text)) return;
    if (this.peek() === undefined) this.fail('SQL_UNCLOSED', `"${text}" is missing at the end`);
    this.fail('SQL_NOT_UNDERSTOOD', `expected "${text}"`);
  }

  expectEnd(): void {
    if (this.peek() !== undefined) this.fail('SQL_NOT_UNDERSTOOD', 'the statement goes on where its end was expected');
  }

  atName(ahead = 0): boolean {
    const kind = this.peek(ahead)?.kind;
    return kind === 'word' || kind === 'ident';
  }

  name(): Token {
    if (!this.atName()) this.fail('SQL_NOT_UNDERSTOOD', 'expected a name');
    return this.next();
  }

  /** The name that a token stands for, without quotes. */
  nameOf(token: Token): string {
    return token.kind === 'word' ? this.sql.slice(token.start, token.end) : token.text;
  }

  /** End of the token that was read last. */
  lastEnd(): number {
    return this.tokens[this.at - 1]?.end ?? 0;
  }

  fail(code: SqlRefusalCode, detail: string, token: Token | undefined = this.peek()): never {
    const offset = token?.start ?? this.sql.length;
    const near = token === undefined ? 'at the end' : `near "${this.sql.slice(token.start, token.start + 32)}"`;
    throw new Refusal(code, `${detail} ${near}`, offset);
  }
}
