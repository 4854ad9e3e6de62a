import { Refusal, type SqlRefusalCode } from '../codes.js';
import { foldName } from '../names.js';
import type { Verb } from '../rewriter.js';
import { Lexer, type LexMode } from './lexer.js';
import type { DeleteTarget, Qualifier, TableUse } from './statement.js';
import { firstWord, flagsOf, T } from './words.js';

/** How the driver encodes text, as far as it matters here. */
export type Encoding = 'utf8' | 'latin1' | 'unknown' | 'other';

/** What the parser must know of the session and the configuration. */
export interface ParseOptions extends LexMode {
  truncate: boolean;
  /** The session's default schema. */
  database: string;
  /** Names of tables and aliases that differ in case only are one. */
  ignoreCase: boolean;
  /** Unquoted names of the configuration's mode: only in mode schema do qualifiers with a schema matter. */
  schemaMode: boolean;
  ignoreSpace: boolean | undefined;
  oracle: boolean;
  server: 'mysql' | 'mariadb' | undefined;
  encoding: Encoding;
  /** Some table is classed real-read. */
  readsReal: boolean;
  /** Reads that lock real rows in passing are let through. */
  readLocks: boolean;
  /** The session's transactions are SERIALIZABLE. */
  serializable: boolean;
  /** Further functions, in lower case, that are known to be built in. */
  functions: ReadonlySet<string>;
}

/** InnoDB reads with shared locks in these, mostly at every isolation level: all that is no SELECT. */
const lockingVerbs: ReadonlySet<Verb> = new Set(['insert', 'replace', 'update', 'delete', 'set', 'show']);

/** Walks over the tokens of one statement; what the parser finds is collected here. One object reads many statements, one at a time. */
export class Reader {
  readonly lexer = new Lexer();
  protected sql = '';
  protected ids = this.lexer.ids;
  protected starts = this.lexer.starts;
  protected ends = this.lexer.ends;
  protected at = 0;
  protected options!: ParseOptions;

  verb: Verb = 'other';
  uses: TableUse[] = [];
  qualifiers: Qualifier[] = [];
  deleteTargets: DeleteTarget[] = [];
  /** Tokens of schemas named on their own, as in SHOW TABLES FROM app. */
  schemas: number[] = [];
  /** FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE or LOCK TABLES: offset of the clause; -1: none. */
  lockedAt = -1;
  /** UPDATE over several tables with an unqualified assignment: which is written is not certain. Its offset; -1: none. */
  uncertainWriteAt = -1;
  /** `DEFAULT(column)`: its offset; -1: none. */
  defaultAt = -1;
  /** What is explained. The server reads some rows to plan it, with the locks that the statement itself would take. */
  explained: Verb = 'other';

  /** Reads the tokens. Throws Refusal. */
  protected open(sql: string, options: ParseOptions): void {
    const { lexer } = this;
    lexer.lex(sql, options);
    this.sql = sql;
    this.options = options;
    this.ids = lexer.ids;
    this.starts = lexer.starts;
    this.ends = lexer.ends;
    this.at = 0;
    this.verb = 'other';
    this.uses = [];
    if (this.qualifiers.length > 0) this.qualifiers = [];
    if (this.deleteTargets.length > 0) this.deleteTargets = [];
    if (this.schemas.length > 0) this.schemas = [];
    this.lockedAt = -1;
    this.uncertainWriteAt = -1;
    this.defaultAt = -1;
    this.explained = 'other';
  }

  /** Id of the token there: see `T` and `W`. */
  protected peek(ahead = 0): number {
    return this.ids[this.at + ahead]!;
  }

  protected take(id: number): boolean {
    if (this.ids[this.at] !== id) return false;
    this.at += 1;
    return true;
  }

  /** Why the server locks rows that this statement only reads; undefined: it does not. */
  get lockingReads(): string | undefined {
    const { options } = this;
    const verb = this.verb === 'explain' ? this.explained : this.verb;
    if (options.serializable) return 'a SERIALIZABLE transaction locks what it reads';
    return lockingVerbs.has(verb) && !options.readLocks ? 'what is no SELECT locks what it reads' : undefined;
  }

  /** Takes both words, or none. */
  protected takeTwo(first: number, second: number): boolean {
    if (this.ids[this.at] !== first || this.ids[this.at + 1] !== second) return false;
    this.at += 2;
    return true;
  }

  protected expect(id: number, what: string): void {
    if (this.ids[this.at] === id) {
      this.at += 1;
      return;
    }
    if (id === 41 && this.peek() === T.end) this.fail('SQL_UNCLOSED', '")" is missing');
    this.fail('SQL_NOT_UNDERSTOOD', `expected ${what}`);
  }

  protected flags(ahead = 0): number {
    return flagsOf[this.ids[this.at + ahead]!]!;
  }

  protected atName(ahead = 0): boolean {
    const id = this.ids[this.at + ahead]!;
    return id === T.word || id === T.ident || id >= firstWord;
  }

  /** Takes a name and returns its token. */
  protected name(): number {
    if (!this.atName()) this.failAtName();
    this.at += 1;
    return this.at - 1;
  }

  private failAtName(): never {
    if (this.peek() === T.nameParam) this.fail('SQL_PLACEHOLDER', 'a name that is bound later');
    return this.fail('SQL_NOT_UNDERSTOOD', 'expected a name');
  }

  /** `(name, name, …)`, also empty. Names of columns, partitions and indexes may be bound later. */
  protected nameList(): void {
    this.expect(40, '"("');
    while (!this.take(41)) {
      if (!this.take(T.nameParam)) this.name();
      if (this.peek() !== 41) this.expect(44, '"," or ")"');
    }
  }

  /** The name that a token stands for, without quotes. */
  nameOf(token: number): string {
    return this.lexer.nameAt(token);
  }

  isQuoted(token: number): boolean {
    const code = this.sql.charCodeAt(this.starts[token]!);
    return code === 96 || code === 34;
  }

  startOf(token: number): number {
    return this.starts[token]!;
  }

  endOf(token: number): number {
    return this.ends[token]!;
  }

  protected textOf(token: number): string {
    return this.sql.slice(this.starts[token]!, this.ends[token]!);
  }

  /** End of the token that was read last. */
  protected lastEnd(): number {
    return this.at > 0 ? this.ends[this.at - 1]! : 0;
  }

  foldedName(token: number): string {
    const name = this.nameOf(token);
    return this.options.ignoreCase ? foldName(name) : name;
  }

  protected fail(code: SqlRefusalCode, detail: string, token = this.at): never {
    const isEnd = token >= this.lexer.count;
    const offset = this.starts[token]!;
    const near = isEnd ? 'at the end' : `near "${this.sql.slice(offset, offset + 32)}"`;
    throw new Refusal(code, `${detail} ${near}`, offset);
  }
}
