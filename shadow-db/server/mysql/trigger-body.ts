import { Refusal } from '../../codes.js';
import { lex, type Token } from '../../mysql/lexer.js';
import { createRewriter, type RewriterOptions } from '../../mysql/rewriter.js';

/** Where a trigger is: the schema that its plain names are in, and the kind of server. */
export interface BodyPlace {
  database: string;
  server: 'mariadb' | 'mysql';
}

export type BodyResult = { body: string } | { refused: string };

/**
 * Redirects the body of a trigger. Understood: one statement, BEGIN … END, IF, CASE, DECLARE of variables, SET of variables and of NEW.column,
 * SELECT … INTO variables, SIGNAL. Each embedded statement and expression must be proven by the rewriter; loops, cursors, handlers, labels and whatever else
 * is not known are refused, with the reason.
 */
export function redirectBody(
  body: string,
  sqlMode: string,
  options: RewriterOptions,
  { database, server }: BodyPlace,
): BodyResult {
  if (/\bORACLE\b/.test(sqlMode)) return { refused: 'it was made in sql_mode ORACLE, whose grammar is another' };
  const flags = flagsOf(sqlMode);
  const rewriter = createRewriter({ ...options, cacheSize: 1 });
  const prove = (sql: string): string => {
    const result = rewriter.rewrite(sql, { sqlMode: flags, database, server, charset: 'utf8mb4' });
    if (result.action === 'refuse') throw new NotUnderstood(`${result.code}: ${result.message}`);
    return result.sql;
  };
  try {
    return { body: new BodyReader(body, lex(body, flags), prove).read() };
  } catch (error) {
    if (error instanceof NotUnderstood) return { refused: error.message };
    if (error instanceof Refusal) return { refused: `${error.code}: ${error.detail}` };
    throw error;
  }
}

function flagsOf(sqlMode: string) {
  return {
    ansiQuotes: /\b(?:ANSI_QUOTES|ANSI|DB2|MAXDB|MSSQL|POSTGRESQL)\b/.test(sqlMode),
    noBackslashEscapes: /\bNO_BACKSLASH_ESCAPES\b/.test(sqlMode),
    ignoreSpace: /\b(?:IGNORE_SPACE|ANSI|DB2|MAXDB|MSSQL|POSTGRESQL)\b/.test(sqlMode),
  };
}

/** The body in the text of CREATE TRIGGER; undefined when it cannot be found. */
export function bodyOf(statement: string, sqlMode: string): string | undefined {
  let tokens: Token[];
  try {
    tokens = lex(statement, flagsOf(sqlMode));
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
  const isWords = (at: number, ...words: string[]): boolean =>
    words.every((word, index) => tokens[at + index]?.kind === 'word' && tokens[at + index]?.text === word);
  const each = tokens.findIndex((_, at) => isWords(at, 'FOR', 'EACH', 'ROW'));
  if (each === -1) return undefined;
  const isOrdered = isWords(each + 3, 'FOLLOWS') || isWords(each + 3, 'PRECEDES');
  const first = tokens[each + (isOrdered ? 5 : 3)];
  return first && statement.slice(first.start).trimEnd();
}

class NotUnderstood extends Error {}

/** Verbs whose statements the rewriter knows. What else begins a statement of a body is refused. */
const rowVerbs = new Set(['INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'SELECT']);

/** Recursive descent over tokens; `out` is the body up to `copied`, with all that was proven spliced in. */
class BodyReader {
  private readonly sql: string;
  private readonly tokens: Token[];
  private readonly prove: (sql: string) => string;
  private at = 0;
  private out = '';
  private copied = 0;
  /** A variable of the body may have the name of a column, never of a table: an expression that names one is proven as a column. */
  private readonly variables = new Set<string>();

  constructor(sql: string, tokens: Token[], prove: (sql: string) => string) {
    this.sql = sql;
    this.tokens = tokens;
    this.prove = prove;
  }

  read(): string {
    this.statement();
    if (this.is(';')) this.at += 1;
    if (this.at < this.tokens.length) this.fail('text after the body');
    return this.out + this.sql.slice(this.copied);
  }

  private statement(): void {
    const word = this.word();
    if (word === 'BEGIN') this.block();
    else if (word === 'IF') this.branch();
    else if (word === 'CASE') this.choice();
    else if (word === 'SET') this.assign();
    else if (word === 'SIGNAL') this.signal();
    else if (rowVerbs.has(word)) this.rows();
    else this.fail(`${word || 'nothing'} in a body`);
  }

  private block(): void {
    this.expect('BEGIN');
    if (this.is('NOT')) this.fail('BEGIN NOT ATOMIC');
    while (this.is('DECLARE')) this.declare();
    this.statements(['END']);
    this.expect('END');
  }

  /** Statements, each closed by a semicolon, up to one of the words. */
  private statements(ends: string[]): void {
    while (!ends.includes(this.word())) {
      this.statement();
      this.expect(';');
    }
  }

  private declare(): void {
    this.expect('DECLARE');
    const names: string[] = [];
    for (;;) {
      names.push(this.name());
      if (!this.is(',')) break;
      this.at += 1;
    }
    if (['CONDITION', 'CURSOR', 'CONTINUE', 'EXIT', 'UNDO', 'HANDLER'].includes(this.word()))
      this.fail('DECLARE of cursors and handlers');
    for (const name of names) this.variables.add(name.toLowerCase());
    // the type has no tables in it; TYPE OF and ROW TYPE OF name one
    while (!this.is('DEFAULT') && !this.is(';')) {
      if (this.is('OF') || this.is('SELECT') || this.at >= this.tokens.length) this.fail('DECLARE with TYPE OF');
      this.at += 1;
    }
    if (this.is('DEFAULT')) {
      this.at += 1;
      this.expression([';']);
    }
    this.expect(';');
  }

  private branch(): void {
    this.expect('IF');
    this.expression(['THEN']);
    this.expect('THEN');
    this.statements(['ELSEIF', 'ELSE', 'END']);
    while (this.is('ELSEIF')) {
      this.at += 1;
      this.expression(['THEN']);
      this.expect('THEN');
      this.statements(['ELSEIF', 'ELSE', 'END']);
    }
    if (this.is('ELSE')) {
      this.at += 1;
      this.statements(['END']);
    }
    this.expect('END');
    this.expect('IF');
  }

  private choice(): void {
    this.expect('CASE');
    if (!this.is('WHEN')) this.expression(['WHEN']);
    while (this.is('WHEN')) {
      this.at += 1;
      this.expression(['THEN']);
      this.expect('THEN');
      this.statements(['WHEN', 'ELSE', 'END']);
    }
    if (this.is('ELSE')) {
      this.at += 1;
      this.statements(['END']);
    }
    this.expect('END');
    this.expect('CASE');
  }

  /** SET NEW.column = …, variable = …; session and system variables of the server are refused, user variables too. */
  private assign(): void {
    this.expect('SET');
    for (;;) {
      const name = this.name();
      if (this.is('.')) {
        if (name.toUpperCase() !== 'NEW') this.fail(`SET ${name}.…`);
        this.at += 1;
        this.name();
      } else if (!this.variables.has(name.toLowerCase())) this.fail(`SET of ${name}, which is no variable of the body`);
      if (this.is(':')) this.at += 1;
      this.expect('=');
      this.expression([',', ';']);
      if (!this.is(',')) return;
      this.at += 1;
    }
  }

  private signal(): void {
    this.expect('SIGNAL');
    this.expect('SQLSTATE');
    if (this.is('VALUE')) this.at += 1;
    this.at += 1;
    if (!this.is('SET')) return;
    this.at += 1;
    for (;;) {
      this.name();
      this.expect('=');
      this.expression([',', ';']);
      if (!this.is(',')) return;
      this.at += 1;
    }
  }

  /** One statement on rows. INTO of a SELECT goes to its end, where the grammar takes it as well. */
  private rows(): void {
    const [start, end] = this.span([';']);
    const tokens = this.tokens.slice(start, end);
    const [first, last] = [tokens[0], tokens.at(-1)];
    if (!first || !last) throw new NotUnderstood('an empty statement');
    const text = this.sql.slice(first.start, last.end);
    const into = first.text === 'SELECT' ? this.intoClause(tokens) : undefined;
    if (into === undefined) {
      if (first.text === 'SELECT') this.fail('a SELECT without INTO');
      this.splice(first.start, last.end, this.prove(text));
      return;
    }
    const clause = this.sql.slice(into.start, into.end);
    const rest = `${this.sql.slice(first.start, into.start)} ${this.sql.slice(into.end, last.end)}`;
    this.splice(first.start, last.end, `${this.prove(rest).trimEnd()} ${clause}`);
  }

  private intoClause(tokens: Token[]): { start: number; end: number } | undefined {
    let depth = 0;
    for (const [index, token] of tokens.entries()) {
      if (token.text === '(' && token.kind === 'punct') depth += 1;
      if (token.text === ')' && token.kind === 'punct') depth -= 1;
      if (depth > 0 || token.kind !== 'word' || token.text !== 'INTO') continue;
      if (tokens.some(({ text, kind }) => kind === 'word' && /^(?:FOR|LOCK|UNION|PROCEDURE)$/.test(text)))
        this.fail('INTO beside FOR, LOCK or UNION');
      let at = index + 1;
      for (;;) {
        const name = tokens[at];
        if (name === undefined || !this.variables.has(this.nameOf(name).toLowerCase()))
          this.fail('INTO something that is no variable of the body');
        at += 1;
        if (tokens[at]?.text !== ',') break;
        at += 1;
      }
      const last = tokens[at - 1] as Token;
      return { start: token.start, end: last.end };
    }
    return undefined;
  }

  /** An expression is what a SELECT may select: proven as one. */
  private expression(ends: string[]): void {
    const [start, end] = this.span(ends);
    const [first, last] = [this.tokens[start], this.tokens[end - 1]];
    if (!first || !last || end <= start) throw new NotUnderstood('an empty expression');
    const prefix = 'SELECT ';
    const text = this.sql.slice(first.start, last.end);
    const inner = this.tokens.slice(start, end);
    // FROM, INTO and the like would make another statement of it
    let depth = 0;
    for (const token of inner) {
      if (token.kind === 'punct' && token.text === '(') depth += 1;
      if (token.kind === 'punct' && token.text === ')') depth -= 1;
      const isClause =
        token.kind === 'word' && /^(?:FROM|INTO|UNION|EXCEPT|INTERSECT|LIMIT|PROCEDURE|AS)$/.test(token.text);
      if (depth === 0 && isClause) this.fail(`${token.text} in an expression`);
    }
    const proven = this.prove(prefix + text);
    if (!proven.startsWith(prefix)) this.fail('an expression');
    this.splice(first.start, last.end, proven.slice(prefix.length));
  }

  /** Token range up to one of `ends` outside of brackets and of CASE … END; moves there. */
  private span(ends: string[]): [number, number] {
    const start = this.at;
    let [depth, cases] = [0, 0];
    for (; this.at < this.tokens.length; this.at += 1) {
      const token = this.tokens[this.at] as Token;
      if (token.kind === 'ident' || token.kind === 'string') continue;
      if (depth === 0 && cases === 0 && ends.includes(token.text)) break;
      if (token.text === '(') depth += 1;
      else if (token.text === ')') depth -= 1;
      else if (token.text === 'CASE') cases += 1;
      else if (token.text === 'END' && cases > 0) cases -= 1;
      else if (token.text === ';') break;
    }
    return [start, this.at];
  }

  private splice(start: number, end: number, text: string): void {
    this.out += this.sql.slice(this.copied, start) + text;
    this.copied = end;
  }

  private word(): string {
    const token = this.tokens[this.at];
    return token && token.kind !== 'ident' && token.kind !== 'string' ? token.text : '';
  }

  private is(text: string): boolean {
    return this.word() === text;
  }

  private expect(text: string): void {
    if (!this.is(text)) this.fail(`${this.word() || 'nothing'} where ${text} should be`);
    this.at += 1;
  }

  private name(): string {
    const token = this.tokens[this.at];
    if (token === undefined || (token.kind !== 'word' && token.kind !== 'ident')) return this.fail('no name');
    this.at += 1;
    return this.nameOf(token);
  }

  private nameOf(token: Token): string {
    return token.kind === 'word' ? this.sql.slice(token.start, token.end) : token.text;
  }

  private fail(what: string): never {
    throw new NotUnderstood(`${what} is not understood`);
  }
}
