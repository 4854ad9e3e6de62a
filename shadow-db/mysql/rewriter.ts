import { LruCache } from '../cache.js';
import { Refusal, sqlRefusals } from '../codes.js';
import { Mapping, type MappingOptions } from '../mapping.js';
import type { RewriteResult, SqlRewriter, Verb } from '../rewriter.js';
import { type LexMode, lex } from './lexer.js';
import { parse } from './parser.js';
import { redirect } from './redirect.js';

export interface RewriterOptions extends MappingOptions {
  dialect: 'mysql';
  /** Let TRUNCATE through to shadow tables (it commits implicitly and resets AUTO_INCREMENT). Default false. */
  truncate?: boolean;
  /** Number of statements kept; default 1000, at most 4,096 characters each. */
  cacheSize?: number;
}

/** The session's sql_mode, as far as it changes what the text means. A flag that is left out is tried both ways. */
export interface SqlMode {
  ansiQuotes?: boolean;
  noBackslashEscapes?: boolean;
}

export interface RewriteContext {
  sqlMode?: SqlMode;
  /** The session's default schema, in the service's own view; default: the rewriter's `database`. */
  database?: string;
}

/** Redirects MySQL and MariaDB text. */
export type Rewriter = SqlRewriter<RewriteContext>;

const longestCached = 4096;

/** Throws ShadowNameError or RangeError when the configuration cannot work (doubled suffix, unknown class, …). */
export function createRewriter(options: RewriterOptions): Rewriter {
  if (options.dialect !== 'mysql') throw new RangeError(`dialect "${String(options.dialect)}" has no rewriter (mysql)`);
  return new MySqlRewriter(options);
}

class MySqlRewriter implements Rewriter {
  private readonly mapping: Mapping;
  private readonly allowTruncate: boolean;
  // the mapping never changes, so its version need not be part of the key
  private readonly cache: LruCache<RewriteResult>;
  private readonly mayTouch: RegExp;

  constructor(options: RewriterOptions) {
    this.mapping = new Mapping(options);
    this.allowTruncate = options.truncate ?? false;
    this.cache = new LruCache(options.cacheSize ?? 1000);
    const needles = options.mode === 'schema' ? this.mapping.shadowSchemaNames : [this.mapping.suffix];
    this.mayTouch = new RegExp(needles.map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'i');
  }

  rewrite(sql: string, context: RewriteContext = {}): RewriteResult {
    if (this.mapping.mode === 'instance') return { action: 'pass', sql, verb: firstVerb(sql) };
    const database = context.database ?? this.mapping.database;
    if (sql.length > longestCached) return this.everyReading(sql, database, context.sqlMode ?? {});
    const { ansiQuotes, noBackslashEscapes } = context.sqlMode ?? {};
    const key = `${flag(ansiQuotes)}${flag(noBackslashEscapes)}${database}\0${sql}`;
    const known = this.cache.get(key);
    if (known !== undefined) return known;
    const result = this.everyReading(sql, database, context.sqlMode ?? {});
    this.cache.set(key, result);
    return result;
  }

  /** An unknown sql_mode flag counts only where the text has the character; then all readings must agree. */
  private everyReading(sql: string, database: string, sqlMode: SqlMode): RewriteResult {
    const [first, ...others] = readings(sql, sqlMode).map((mode) => this.once(sql, database, mode));
    if (first === undefined) throw new RangeError('no reading');
    for (const other of others) {
      if (!same(first, other)) {
        const offset = Math.max(0, sql.search(/["\\]/));
        return refused(new Refusal('SQL_MODE_AMBIGUOUS', 'quotes and backslashes can be read in two ways', offset));
      }
    }
    return first;
  }

  private once(sql: string, database: string, mode: LexMode): RewriteResult {
    try {
      const statement = parse(sql, lex(sql, mode), { truncate: this.allowTruncate });
      if (statement.uses.length === 0 && statement.schemas.length === 0) {
        return { action: 'pass', sql, verb: statement.verb };
      }
      const result = redirect(sql, statement, this.mapping, database);
      const touched = result.reads.length + result.writes.length > 0 || result.sql !== sql;
      return touched
        ? { action: 'rewrite', verb: statement.verb, ...result }
        : { action: 'pass', sql, verb: statement.verb };
    } catch (error) {
      if (error instanceof Refusal) return refused(error);
      // a fault of the parser itself must not let the statement through, nor break the caller
      return refused(new Refusal('SQL_NOT_UNDERSTOOD', `the parser failed: ${String(error)}`, 0));
    }
  }

  touchesShadowName(sql: string, { sqlMode = {} }: RewriteContext = {}): boolean {
    if (this.mapping.mode === 'instance' || !this.mayTouch.test(sql)) return false;
    return readings(sql, sqlMode).some((mode) => {
      try {
        return lex(sql, { ...mode, openExecutableComments: true }).some(
          (token) => (token.kind === 'word' || token.kind === 'ident') && this.namesShadow(token.text),
        );
      } catch {
        // text that cannot be read is an error on the server; ordinary traffic fails open
        return false;
      }
    });
  }

  private namesShadow(name: string): boolean {
    return this.mapping.mayBeShadowTable(name) || this.mapping.isShadowSchema(name);
  }
}

function flag(value: boolean | undefined): string {
  return value === undefined ? '?' : value ? '1' : '0';
}

function readings(sql: string, sqlMode: SqlMode): LexMode[] {
  const quotes = sqlMode.ansiQuotes ?? (sql.includes('"') ? undefined : false);
  const escapes = sqlMode.noBackslashEscapes ?? (sql.includes('\\') ? undefined : false);
  const modes: LexMode[] = [];
  for (const ansiQuotes of quotes === undefined ? [false, true] : [quotes]) {
    for (const noBackslashEscapes of escapes === undefined ? [false, true] : [escapes]) {
      modes.push({ ansiQuotes, noBackslashEscapes });
    }
  }
  return modes;
}

function same(one: RewriteResult, other: RewriteResult): boolean {
  if (one.action === 'refuse' || other.action === 'refuse') {
    return one.action === 'refuse' && other.action === 'refuse' && one.code === other.code;
  }
  return JSON.stringify(one) === JSON.stringify(other);
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
  const text = sql
    .replace(/^(?:\s|\/\*[\s\S]*?\*\/|#[^\n]*\n|--\s[^\n]*\n|\()+/, '')
    .slice(0, 64)
    .toLowerCase();
  if (/^start\s+transaction/.test(text)) return 'begin';
  if (/^rollback\s+(?:work\s+)?to\b/.test(text)) return 'rollback-to';
  if (/^release\s+savepoint/.test(text)) return 'release-savepoint';
  const word = /^[a-z]+/.exec(text)?.[0] ?? '';
  if (word === 'with') return 'select';
  return verbs.has(word) ? (word as Verb) : 'other';
}
