import { LruCache } from '../cache.js';
import { Refusal, sqlRefusals } from '../codes.js';
import { Mapping, type MappingOptions } from '../mapping.js';
import type { RewriteResult, SqlRewriter, Verb } from '../rewriter.js';
import type { LexMode } from './lexer.js';
import { Parser } from './parser.js';
import { withoutFileMark } from './places.js';
import type { Encoding, ParseOptions } from './reader.js';
import { Redirector } from './redirect.js';
import { T } from './words.js';

export interface RewriterOptions extends MappingOptions {
  dialect: 'mysql';
  /** Let TRUNCATE through to shadow tables (it commits implicitly and resets AUTO_INCREMENT). Default false. */
  truncate?: boolean;
  /**
   * Let statements that write, and SET, read real-read tables. InnoDB locks the rows that they read until the transaction ends (INSERT … SELECT, UPDATE … JOIN,
   * subqueries; some at READ COMMITTED too), so real writes to these rows wait. Default false.
   */
  readLocks?: boolean;
  /** Functions that are built in on your server, or touch no table, and are not known here (`any_value` on MySQL). */
  functions?: readonly string[];
  /** Number of statements kept; default 1000, at most 4,096 characters each. */
  cacheSize?: number;
}

/** The session's sql_mode, as far as it changes what the text means. */
export interface SqlMode {
  /** Double quotes enclose names. Left out: both readings are tried. */
  ansiQuotes?: boolean;
  /** A backslash in a string means itself. Left out: both readings are tried. */
  noBackslashEscapes?: boolean;
  /** `count (1)` is the built-in function. Left out: a blank there is refused. */
  ignoreSpace?: boolean;
  /** `||` joins text. It names no table either way: told for completeness. */
  pipesAsConcat?: boolean;
  /** sql_mode ORACLE of MariaDB: another grammar, of which only transactions are let through. Default false. */
  oracle?: boolean;
}

export interface RewriteContext {
  sqlMode?: SqlMode;
  /** The session's default schema, in the service's own view; default: the rewriter's `database`. */
  database?: string;
  /** What the session's server is. Left out: only functions that are built in on both are let through. */
  server?: 'mysql' | 'mariadb';
  /**
   * The connection's character set (`utf8mb4`). In others than UTF-8 some letter is sent as a backslash or a quote, and is
   * refused. Left out: only letters that are safe in UTF-8 and in latin1 are let through.
   */
  charset?: string;
  /** Transactions of the session are SERIALIZABLE, so that their reads lock: then real-read tables are refused. Default false. */
  serializable?: boolean;
}

/** Redirects MySQL and MariaDB text. */
export type Rewriter = SqlRewriter<RewriteContext>;

const longestCached = 4096;
/** Contexts of one text that are kept side by side: one service has one or two. */
const mostContexts = 4;
const noContext: RewriteContext = {};
const noMode: SqlMode = {};

interface Cached {
  key: number;
  database: string;
  result: RewriteResult;
  next: Cached | undefined;
}

/** Throws ShadowNameError or RangeError when the configuration cannot work (doubled suffix, unknown class, …). */
export function createRewriter(options: RewriterOptions): Rewriter {
  if (options.dialect !== 'mysql') throw new RangeError(`dialect "${String(options.dialect)}" has no rewriter (mysql)`);
  return new MySqlRewriter(options);
}

class MySqlRewriter implements Rewriter {
  private readonly mapping: Mapping;
  /** Filled in for each statement: one object serves them all. */
  private readonly options: ParseOptions;
  // the mapping never changes, so its version need not be part of the key
  private readonly cache: LruCache<Cached>;
  private readonly parser: Parser;
  private readonly redirector: Redirector;
  private readonly mayTouch: RegExp;

  constructor(options: RewriterOptions) {
    this.mapping = new Mapping(options);
    this.options = {
      ansiQuotes: false,
      noBackslashEscapes: false,
      truncate: options.truncate ?? false,
      database: options.database,
      ignoreCase: this.mapping.ignoreCase,
      schemaMode: this.mapping.mode === 'schema',
      ignoreSpace: undefined,
      oracle: false,
      server: undefined,
      encoding: 'unknown',
      readsReal: Object.values(options.tables).includes('real-read'),
      serializable: false,
      readLocks: options.readLocks ?? false,
      functions: new Set(options.functions?.map((name) => name.toLowerCase())),
    };
    this.cache = new LruCache(options.cacheSize ?? 1000);
    this.parser = new Parser(this.mapping.suffix);
    this.redirector = new Redirector(this.mapping);
    const needles = options.mode === 'schema' ? this.mapping.shadowSchemaNames : [this.mapping.suffix];
    this.mayTouch = new RegExp(needles.map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'i');
  }

  rewrite(sql: string, context: RewriteContext = noContext): RewriteResult {
    if (this.mapping.mode === 'instance') return { action: 'pass', sql, verb: firstVerb(sql) };
    const database = context.database ?? this.mapping.database;
    if (sql.length > longestCached) return this.everyReading(sql, context, database);
    const key = keyOf(context);
    const first = this.cache.get(sql);
    let contexts = 0;
    for (let one = first; one !== undefined; one = one.next) {
      if (one.key === key && one.database === database) return one.result;
      contexts += 1;
    }
    const result = this.everyReading(sql, context, database);
    this.cache.offer(sql, { key, database, result, next: contexts < mostContexts ? first : undefined });
    return result;
  }

  /** An unknown sql_mode flag counts only where the text has the character; then all readings must agree. */
  private everyReading(sql: string, context: RewriteContext, database: string): RewriteResult {
    const charsetRefusal = checkCharset(sql, context.charset);
    if (charsetRefusal !== undefined) return refused(charsetRefusal);
    const { ansiQuotes, noBackslashEscapes } = context.sqlMode ?? noMode;
    const first = this.once(sql, context, database, ansiQuotes ?? false, noBackslashEscapes ?? false);
    if (ansiQuotes !== undefined && noBackslashEscapes !== undefined) return first;
    const { sawDoubleQuote, sawBackslash } = this.parser.lexer;
    // a quote or a backslash may first show in another reading, so both are tried wherever one of them is
    const mayQuote = sawDoubleQuote || (sawBackslash && sql.includes('"'));
    const quotes = ansiQuotes === undefined && mayQuote ? [false, true] : [ansiQuotes ?? false];
    const mayEscape = sawBackslash || (sawDoubleQuote && sql.includes('\\'));
    const escapes = noBackslashEscapes === undefined && mayEscape ? [false, true] : [noBackslashEscapes ?? false];
    for (const quote of quotes) {
      for (const escaped of escapes) {
        if (quote === quotes[0] && escaped === escapes[0]) continue;
        if (same(first, this.once(sql, context, database, quote, escaped))) continue;
        const offset = Math.max(0, sql.search(/["\\]/));
        return refused(new Refusal('SQL_MODE_AMBIGUOUS', 'quotes and backslashes can be read in two ways', offset));
      }
    }
    return first;
  }

  private once(
    sql: string,
    context: RewriteContext,
    database: string,
    ansiQuotes: boolean,
    noBackslashEscapes: boolean,
  ): RewriteResult {
    const { parser } = this;
    const { sqlMode = noMode, server, charset } = context;
    try {
      const { options } = this;
      options.ansiQuotes = ansiQuotes;
      options.noBackslashEscapes = noBackslashEscapes;
      options.database = database;
      options.ignoreSpace = sqlMode.ignoreSpace;
      options.oracle = sqlMode.oracle ?? false;
      options.server = server;
      options.encoding = encodingOf(charset);
      options.serializable = context.serializable === true;
      parser.parse(sql, options);
      const { verb } = parser;
      if (parser.uses.length === 0 && parser.schemas.length === 0 && parser.qualifiers.length === 0) {
        return { action: 'pass', sql, verb };
      }
      const { sql: redirected, reads, writes } = this.redirector.redirect(sql, parser);
      return reads.length > 0 || writes.length > 0 || redirected !== sql
        ? { action: 'rewrite', verb, sql: redirected, reads, writes }
        : { action: 'pass', sql, verb };
    } catch (error) {
      if (error instanceof Refusal) return refused(error);
      // a fault of the parser itself must not let the statement through, nor break the caller
      return refused(new Refusal('SQL_NOT_UNDERSTOOD', `the parser failed: ${String(error)}`, 0));
    }
  }

  touchesShadowName(sql: string, { sqlMode = noMode }: RewriteContext = noContext): boolean {
    if (this.mapping.mode === 'instance' || !this.mayTouch.test(sql)) return false;
    return readings(sql, sqlMode).some((mode) => this.names(sql, mode));
  }

  private names(sql: string, mode: LexMode): boolean {
    const lexer = this.parser.lexer;
    try {
      lexer.lex(sql, mode);
    } catch {
      // text that cannot be read is an error on the server; ordinary traffic fails open
      return false;
    }
    for (let at = 0; at < lexer.count; at += 1) {
      const id = lexer.ids[at];
      if (id !== T.word && id !== T.ident) continue;
      const name = withoutFileMark(lexer.nameAt(at));
      if (this.mapping.mayBeShadowTable(name) || this.mapping.isShadowSchema(name)) return true;
    }
    return false;
  }
}

const encodings: readonly Encoding[] = ['unknown', 'utf8', 'latin1', 'other'];

/** All that changes what a text means, but for the schema's name. */
function keyOf({ sqlMode, server, charset, serializable }: RewriteContext): number {
  const ofCharset = 1024 * encodings.indexOf(encodingOf(charset)) + (serializable === true ? 4096 : 0);
  const ofServer = ofCharset + (server === undefined ? 0 : server === 'mysql' ? 1 : 2);
  if (sqlMode === undefined) return ofServer;
  const { ansiQuotes, noBackslashEscapes, ignoreSpace, oracle } = sqlMode;
  return ofServer + 4 * flag(ansiQuotes) + 16 * flag(noBackslashEscapes) + 64 * flag(ignoreSpace) + 256 * flag(oracle);
}

/** Characters that some driver or server makes a quote, a backslash or a blank of. */
const unsafeText: Record<Encoding, RegExp | undefined> = {
  utf8: undefined,
  latin1: /[\u0100-\uffff]/,
  unknown: /[\u0100-\uffff\u00a5]/,
  other: /[\u0080-\uffff]/,
};

let lastCharset: string | undefined;
let lastEncoding: Encoding = 'unknown';

/** Drivers cut characters to their low byte for latin1; Japanese sets send the yen sign as a backslash; others have yet other traps. */
function encodingOf(charset: string | undefined): Encoding {
  if (charset === lastCharset) return lastEncoding;
  lastCharset = charset;
  const lower = charset?.toLowerCase();
  lastEncoding =
    lower === undefined ? 'unknown' : /^utf-?8/.test(lower) ? 'utf8' : lower === 'latin1' ? lower : 'other';
  return lastEncoding;
}

function checkCharset(sql: string, charset: string | undefined): Refusal | undefined {
  const unsafe = unsafeText[encodingOf(charset)];
  const at = unsafe === undefined ? -1 : sql.search(unsafe);
  if (at === -1) return undefined;
  const detail =
    charset === undefined
      ? 'a letter that is safe in UTF-8 only, and no charset is given'
      : `a letter beyond ${charset}`;
  return new Refusal('SQL_CHARACTER', detail, at);
}

function flag(value: boolean | undefined): number {
  return value === undefined ? 0 : value ? 1 : 2;
}

function readings(sql: string, sqlMode: SqlMode): LexMode[] {
  const quotes = sqlMode.ansiQuotes ?? (sql.includes('"') ? undefined : false);
  const escapes = sqlMode.noBackslashEscapes ?? (sql.includes('\\') ? undefined : false);
  const modes: LexMode[] = [];
  for (const ansiQuotes of quotes === undefined ? [false, true] : [quotes]) {
    for (const noBackslashEscapes of escapes === undefined ? [false, true] : [escapes]) {
      modes.push({ ansiQuotes, noBackslashEscapes, openExecutableComments: true });
    }
  }
  return modes;
}

/** References are shared objects, so equal ones are the same. */
function same(one: RewriteResult, other: RewriteResult): boolean {
  if (one.action === 'refuse' || other.action === 'refuse') {
    return one.action === 'refuse' && other.action === 'refuse' && one.code === other.code;
  }
  if (one.verb !== other.verb || one.sql !== other.sql) return false;
  if (one.action === 'pass' || other.action === 'pass') return one.action === other.action;
  return sameList(one.reads, other.reads) && sameList(one.writes, other.writes);
}

function sameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((entry, index) => entry === other[index]);
}

function refused({ code, detail, offset }: Refusal): RewriteResult {
  return { action: 'refuse', code, message: `${detail}: ${sqlRefusals[code]}`, offset };
}

const verbs: ReadonlySet<string> = new Set(
  'select insert replace update delete truncate lock unlock show describe explain set begin commit rollback savepoint'.split(
    ' ',
  ),
);

/** Mode instance redirects nothing; the first word is enough to follow transactions. */
function firstVerb(sql: string): Verb {
  const text = sql.slice(startOf(sql)).slice(0, 64).toLowerCase();
  if (/^start\s+transaction/.test(text)) return 'begin';
  if (/^rollback\s+(?:work\s+)?to\b/.test(text)) return 'rollback-to';
  if (/^release\s+savepoint/.test(text)) return 'release-savepoint';
  const word = /^[a-z]+/.exec(text)?.[0] ?? '';
  if (word === 'with') return 'select';
  return verbs.has(word) ? (word as Verb) : 'other';
}

/** Where the first word begins: after white space, comments and brackets. */
function startOf(sql: string): number {
  let at = 0;
  while (at < sql.length) {
    const code = sql.charCodeAt(at);
    let end = -1;
    if (code === 40 || code <= 32) end = at + 1;
    else if (code === 35 || (code === 45 && sql.charCodeAt(at + 1) === 45)) end = sql.indexOf('\n', at) + 1 || -1;
    else if (code === 47 && sql.charCodeAt(at + 1) === 42) end = sql.indexOf('*/', at + 2) + 2;
    if (end <= at) break;
    at = end;
  }
  return at;
}
