import { LruCache } from '../cache.js';
import { Refusal, sqlRefusals } from '../codes.js';
import { Mapping, type MappingOptions } from '../mapping.js';
import { nameLimits } from '../names.js';
import type { RewriteResult, SqlRewriter, Verb } from '../rewriter.js';
import { oldestVersion } from './functions.js';
import { checkDepth, lex, type Token } from './lexer.js';
import { clipName, utf16Offsets } from './names.js';
import { parserLoaded, parseTree, type Tree } from './parser.js';
import { redirect } from './redirect.js';
import { collect, hasTables } from './statement.js';
import { utility } from './utility.js';

/** `database` is the schema that plain names are in (such as `public`), not the database of the connection. */
export interface PostgresRewriterOptions extends Omit<MappingOptions, 'ignoreCase' | 'maxNameLength' | 'lengthIn'> {
  dialect: 'postgres';
  /** Schemas in which plain names are looked for, in order; default `[database]`. pg_catalog comes first unless it is listed. */
  searchPath?: readonly string[];
  /** Let TRUNCATE through to shadow tables, without CASCADE. Default false. */
  truncate?: boolean;
  /** Functions and operators of the service's own or of extensions that touch no table, setting or file: `name` or `schema.name` as written. */
  functions?: readonly string[];
  /** Types of the service's own, such as enums: `name` or `schema.name` as written. */
  types?: readonly string[];
  /** Settings that the service sets, such as `app.tenant` or `app.*`. */
  settings?: readonly string[];
  /** Number of statements kept; default 1000, at most 4,096 characters each. */
  cacheSize?: number;
}

/** What the rewriter must know of the session. */
export interface PostgresContext {
  /** Default: the option. The real schemas, in the service's own view. */
  searchPath?: readonly string[];
  /** The server reports it to drivers at each change. Unless true, a backslash in a plain string is refused. */
  standardConformingStrings?: boolean;
  /** Reported too (`server_version`): the major version. Left out: 13, so that functions of later ones are refused. */
  serverVersion?: number;
  /**
   * Reported too (`client_encoding`, `server_encoding`). Left out: UTF-8, but a backslash after a letter beyond ASCII is refused in
   * E'' strings. Another: text (client) or names (server) beyond ASCII are refused, since the server reads other letters there.
   */
  clientEncoding?: string;
  serverEncoding?: string;
  /** Transactions are SERIALIZABLE by default: then real-read tables may not be read. Default false. */
  serializable?: boolean;
}

/** Redirects PostgreSQL text. */
export type PostgresRewriter = SqlRewriter<PostgresContext>;

const longestCached = 4096;

/**
 * Throws Error when `loadParser` was not awaited before; ShadowNameError or RangeError when the configuration cannot work.
 * The rewriter itself never throws.
 */
export function createRewriter(options: PostgresRewriterOptions): PostgresRewriter {
  if (options.dialect !== 'postgres') {
    throw new RangeError(`dialect "${String(options.dialect)}" has no rewriter here (postgres)`);
  }
  if (!parserLoaded())
    throw new Error('the PostgreSQL parser is not loaded: await loadParser() before createRewriter()');
  return new LibpgRewriter(options);
}

class LibpgRewriter implements PostgresRewriter {
  private readonly mapping: Mapping;
  private readonly searchPath: readonly string[];
  private readonly allowTruncate: boolean;
  private readonly functions: ReadonlySet<string>;
  private readonly types: ReadonlySet<string>;
  private readonly settings: readonly string[];
  private readonly readsReal: boolean;
  // the mapping never changes, so its version need not be part of the key
  private readonly cache: LruCache<RewriteResult>;
  private readonly mayTouch: RegExp;

  constructor(options: PostgresRewriterOptions) {
    this.mapping = new Mapping({ ...options, ignoreCase: false, ...nameLimits.postgres });
    this.searchPath = options.searchPath ?? [options.database];
    this.allowTruncate = options.truncate ?? false;
    this.functions = new Set(options.functions);
    this.types = new Set(options.types);
    this.settings = options.settings ?? [];
    this.readsReal = Object.values(options.tables).includes('real-read');
    this.cache = new LruCache(options.cacheSize ?? 1000);
    const needles = options.mode === 'schema' ? this.mapping.shadowSchemaNames : [this.mapping.suffix];
    // a U&"" name may spell any of them
    const escaped = needles.map((needle) => needle.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    this.mayTouch = new RegExp([...escaped, 'u&"'].join('|'), 'i');
  }

  rewrite(sql: string, context: PostgresContext = {}): RewriteResult {
    if (this.mapping.mode === 'instance') return { action: 'pass', sql, verb: firstVerb(sql) };
    const session = this.sessionOf(context);
    if (sql.length > longestCached) return this.once(sql, session);
    const key = `${session.key}\0\0${sql}`;
    const known = this.cache.get(key);
    if (known !== undefined) return known;
    const result = this.once(sql, session);
    // a parser that starts again, or the caller's own use of the stack, is no property of the statement
    const isPassing = result.action === 'refuse' && ['SQL_PARSER', 'SQL_TOO_DEEP'].includes(result.code);
    if (!isPassing) this.cache.set(key, result);
    return result;
  }

  private sessionOf(context: PostgresContext): Session {
    const searchPath = context.searchPath ?? this.searchPath;
    const conforming = context.standardConformingStrings === true;
    const serverVersion = context.serverVersion ?? oldestVersion;
    const serializable = context.serializable === true;
    const [client, server] = [encodingOf(context.clientEncoding), encodingOf(context.serverEncoding)];
    const key = `${conforming}${serializable}${serverVersion}${client}${server}${searchPath.join('\0')}`;
    return { key, searchPath, conforming, serverVersion, serializable, client, server };
  }

  private once(sql: string, session: Session): RewriteResult {
    try {
      return this.redirected(sql, session);
    } catch (error) {
      if (error instanceof Refusal) return refused(error);
      if (error instanceof RangeError) return refused(new Refusal('SQL_TOO_DEEP', error.message, 0));
      // a fault of the rewriter itself must not let the statement through, nor break the caller
      return refused(new Refusal('SQL_NOT_UNDERSTOOD', `the rewriter failed: ${String(error)}`, 0));
    }
  }

  private redirected(sql: string, session: Session): RewriteResult {
    const tokens = lex(sql, session.conforming, session.client === 'utf8');
    if (tokens.every(({ text }) => text === ';')) throw new Refusal('SQL_EMPTY', 'no statement', 0);
    checkEncodings(sql, tokens, session);
    checkDepth(tokens);
    const { settings, readsReal } = this;
    const { type, tree } = onlyStatement(parseTree(sql));
    if (!hasTables(type)) return { action: 'pass', sql, verb: utility(type, tree, { settings, readsReal }) };
    const { searchPath, serverVersion, serializable } = session;
    const catalogFirst = searchPath.indexOf('pg_catalog') <= 0;
    const statement = inUtf16(sql, () =>
      collect(type, tree, {
        truncate: this.allowTruncate,
        functions: this.functions,
        types: this.types,
        settings,
        readsReal,
        catalogFirst,
        serverVersion,
        utf8: session.server === 'utf8',
      }),
    );
    const schemas = searchPath.filter((schema) => schema !== 'pg_catalog');
    const result = redirect(sql, tokens, statement, this.mapping, { searchPath: schemas, catalogFirst, serializable });
    const touched = result.reads.length + result.writes.length > 0 || result.sql !== sql;
    return touched
      ? { action: 'rewrite', verb: statement.verb, ...result }
      : { action: 'pass', sql, verb: statement.verb };
  }

  touchesShadowName(sql: string, { standardConformingStrings }: PostgresContext = {}): boolean {
    if (this.mapping.mode === 'instance' || !this.mayTouch.test(sql)) return false;
    try {
      return lex(sql, standardConformingStrings ?? true).some(
        ({ kind, text }) => (kind === 'word' || kind === 'quoted') && this.isShadow(clipName(text)),
      );
    } catch {
      // text that cannot be read is an error on the server; ordinary traffic fails open
      return false;
    }
  }

  private isShadow(name: string): boolean {
    return this.mapping.mode === 'schema' ? this.mapping.isShadowSchema(name) : this.mapping.mayBeShadowTable(name);
  }
}

type Encoding = 'utf8' | 'other' | 'unknown';

interface Session {
  /** All of it, as the cache's key has it. */
  key: string;
  searchPath: readonly string[];
  conforming: boolean;
  serverVersion: number;
  serializable: boolean;
  client: Encoding;
  server: Encoding;
}

function encodingOf(name: string | undefined): Encoding {
  if (name === undefined) return 'unknown';
  return /^(?:utf-?8|unicode)$/i.test(name) ? 'utf8' : 'other';
}

/** In another encoding than UTF-8 the server reads other letters than the driver wrote, folds more of them and cuts names elsewhere. */
function checkEncodings(sql: string, tokens: readonly Token[], { client, server }: Session): void {
  if (client !== 'other' && server !== 'other') return;
  const beyond = /[^\0-\x7f]/;
  const at =
    client === 'other'
      ? sql.search(beyond)
      : (tokens.find(({ kind, text }) => (kind === 'word' || kind === 'quoted') && beyond.test(text))?.start ?? -1);
  if (at >= 0) throw new Refusal('SQL_CHARACTER', 'a letter beyond ASCII in another encoding than UTF-8', at);
}

/** The tree counts bytes; refusals count UTF-16 units. */
function inUtf16<T>(sql: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal(error.code, error.detail, Math.max(0, utf16Offsets(sql)(error.offset)));
  }
}

function onlyStatement(root: Tree): { type: string; tree: Tree } {
  const statements = root.stmts;
  if (!Array.isArray(statements) || statements.length === 0) throw new Refusal('SQL_EMPTY', 'no statement', 0);
  if (statements.length > 1) throw new Refusal('SQL_MULTI_STATEMENT', `${statements.length} statements`, 0);
  const [entry] = Object.entries((statements[0].stmt ?? {}) as Tree);
  if (entry === undefined) throw new Refusal('SQL_NOT_UNDERSTOOD', 'an empty tree', 0);
  return { type: entry[0], tree: entry[1] as Tree };
}

function refused({ code, detail, offset }: Refusal): RewriteResult {
  return { action: 'refuse', code, message: `${detail}: ${sqlRefusals[code]}`, offset };
}

const verbs: ReadonlySet<string> = new Set<Verb>([
  'select',
  'insert',
  'update',
  'delete',
  'merge',
  'truncate',
  'lock',
  'show',
  'explain',
  'set',
  'begin',
  'commit',
  'rollback',
  'savepoint',
]);

/** Mode instance redirects nothing; the first word is enough to follow transactions. */
function firstVerb(sql: string): Verb {
  const text = sql
    .replace(/^(?:\s|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/|--[^\n]*\n|\()+/, '')
    .slice(0, 64)
    .toLowerCase();
  if (/^start\s+transaction/.test(text)) return 'begin';
  if (/^rollback\s+(?:(?:work|transaction)\s+)?to\b/.test(text)) return 'rollback-to';
  if (/^(?:end|abort|release)\b/.test(text)) {
    return text.startsWith('end') ? 'commit' : text.startsWith('abort') ? 'rollback' : 'release-savepoint';
  }
  const word = /^[a-z]+/.exec(text)?.[0] ?? '';
  if (['with', 'table', 'values'].includes(word)) return 'select';
  return verbs.has(word) ? (word as Verb) : 'other';
}
