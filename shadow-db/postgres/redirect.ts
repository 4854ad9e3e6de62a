import { Refusal } from '../codes.js';
import type { Mapping } from '../mapping.js';
import { isShadowName, nameLimits, shadowName } from '../names.js';
import type { TableRef } from '../rewriter.js';
import type { Token } from './lexer.js';
import { clipName, quoteIdentifier, utf16Offsets } from './names.js';
import type { QualifiedColumn, Statement, TableUse } from './statement.js';
import { systemRelation } from './systems.js';

interface Splice {
  start: number;
  end: number;
  text: string;
}

interface Resolved {
  use: TableUse;
  kind: 'shadow' | 'real-read' | 'system';
  ref: TableRef;
  target: { schema: string; table: string };
}

export interface Redirected {
  sql: string;
  reads: TableRef[];
  writes: TableRef[];
}

export interface RedirectSession {
  /** Real schemas, in order, without pg_catalog. */
  searchPath: readonly string[];
  /** pg_catalog is searched before them. */
  catalogFirst: boolean;
  /** Reads of a SERIALIZABLE transaction are locks: a real transaction that writes what they read may fail. */
  serializable: boolean;
}

/**
 * Replaces names at their offsets; every other byte stays. Throws Refusal. Every table is written with its schema, so that what is
 * read or changed is what was decided on, whatever the search path of the session is by then.
 */
export function redirect(
  sql: string,
  tokens: readonly Token[],
  statement: Statement,
  mapping: Mapping,
  session: RedirectSession,
): Redirected {
  return new Redirect(sql, tokens, statement, mapping, session).run();
}

class Redirect {
  private readonly sql: string;
  private readonly tokens: readonly Token[];
  private readonly statement: Statement;
  private readonly mapping: Mapping;
  private readonly session: RedirectSession;
  private readonly splices: Splice[] = [];
  private readonly offsetOf: (byte: number) => number;

  constructor(sql: string, tokens: readonly Token[], statement: Statement, mapping: Mapping, session: RedirectSession) {
    this.sql = sql;
    this.tokens = tokens;
    this.statement = statement;
    this.mapping = mapping;
    this.session = session;
    this.offsetOf = utf16Offsets(sql);
  }

  run(): Redirected {
    const all = this.statement.uses.map((use) => this.resolve(use));
    this.checkAliases(all);
    for (const one of all) {
      this.checkRights(one);
      if (one.kind !== 'system') this.name(one);
    }
    if (this.statement.columns.length > 0) {
      const meant = new Map<string, Resolved>();
      for (const one of all) {
        if (one.kind === 'shadow' && one.use.alias === undefined) meant.set(`${one.ref.schema}\0${one.ref.table}`, one);
      }
      for (const column of this.statement.columns) this.column(column, meant.get(`${column.schema}\0${column.table}`));
    }
    if (this.mapping.mode === 'table') for (const one of this.statement.constraints) this.constraint(one);
    return {
      sql: this.spliced(),
      reads: distinct(all.filter(({ use, kind }) => !use.write && kind !== 'system')),
      writes: distinct(all.filter(({ use }) => use.write)),
    };
  }

  private offset(byte: number): number {
    return Math.max(0, this.offsetOf(byte));
  }

  /** Index of the token that begins at a byte; -1 where none does. */
  private tokenAt(byte: number): number {
    const wanted = this.offsetOf(byte);
    let [low, high] = [0, this.tokens.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const start = this.tokens[middle]!.start;
      if (start === wanted) return middle;
      if (start < wanted) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  private resolve(use: TableUse): Resolved {
    const { table } = use;
    const at = this.offset(use.at);
    const system = systemRelation(use.schema, table, this.session.catalogFirst);
    if (system === 'refused') throw new Refusal('SQL_ADMIN', `the system relation "${table}"`, at);
    if (system === 'readable') {
      const target = { schema: use.schema ?? 'pg_catalog', table };
      return { use, kind: 'system', target, ref: { ...target, target: `${target.schema}.${table}` } };
    }
    const schema = use.schema ?? this.schemaOf(table, at);
    if (this.mapping.isShadowName(schema, table)) throw new Refusal('SQL_SHADOW_NAME', `"${schema}.${table}"`, at);
    const tableClass = this.mapping.classOf(schema, table);
    if (tableClass === undefined) {
      const code = this.mapping.databases.includes(schema) ? 'SQL_UNCLASSED_TABLE' : 'SQL_OTHER_SCHEMA';
      throw new Refusal(code, `"${schema}.${table}"`, at);
    }
    if (tableClass === 'refuse') throw new Refusal('SQL_REFUSED_TABLE', `"${schema}.${table}"`, at);
    const target = tableClass === 'shadow' ? this.mapping.targetOf(schema, table) : { schema, table };
    return { use, kind: tableClass, target, ref: { schema, table, target: `${target.schema}.${target.table}` } };
  }

  /** The schema of a plain name: the only one of the search path in which it is classed. */
  private schemaOf(table: string, at: number): string {
    const { searchPath } = this.session;
    const classed = searchPath.filter((schema) => this.mapping.classOf(schema, table) !== undefined);
    if (classed.length > 1) {
      throw new Refusal('SQL_AMBIGUOUS', `"${table}" is classed in the schemas ${classed.join(' and ')}`, at);
    }
    return classed[0] ?? searchPath[0] ?? this.mapping.database;
  }

  private checkRights({ use, kind, ref }: Resolved): void {
    if (kind === 'shadow') return;
    const at = this.offset(use.at);
    const name = `"${ref.schema}.${ref.table}"`;
    if (use.write) throw new Refusal(kind === 'system' ? 'SQL_ADMIN' : 'SQL_REAL_WRITE', name, at);
    if (use.locked || (this.session.serializable && kind === 'real-read')) throw new Refusal('SQL_REAL_LOCK', name, at);
  }

  /** Two tables of one name and different schemas are told apart by their schemas; as aliases they would not be. */
  private checkAliases(all: readonly Resolved[]): void {
    if (this.mapping.mode !== 'table') return;
    const schemas = new Map<string, string>();
    for (const { use, ref } of all) {
      if (use.alias !== undefined) continue;
      const other = schemas.get(ref.table);
      if (other !== undefined && other !== ref.schema) {
        throw new Refusal('SQL_AMBIGUOUS', `"${ref.table}" of two schemas`, this.offset(use.at));
      }
      schemas.set(ref.table, ref.schema);
    }
  }

  /** Index of the token where a name begins, and of its last part. Compares the parts with what the parser read. */
  private parts(at: number, names: readonly string[]): { first: number; last: number } {
    const first = this.tokenAt(at);
    for (const [index, name] of names.entries()) {
      const token = this.tokens[first + 2 * index];
      const dot = this.tokens[first + 2 * index + 1];
      const isName = token?.kind === 'word' || token?.kind === 'quoted';
      const isFollowed = index === names.length - 1 || (dot?.kind === 'symbol' && dot.text === '.');
      if (first < 0 || !isName || clipName(token.text) !== name || !isFollowed) {
        throw new Refusal('SQL_NOT_UNDERSTOOD', `the name "${name}" is not where the parser found it`, this.offset(at));
      }
    }
    return { first, last: first + 2 * (names.length - 1) };
  }

  private name({ use, kind, ref, target }: Resolved): void {
    const names = [use.catalog, use.schema, use.table].filter((name) => name !== undefined);
    const { first, last } = this.parts(use.at, names);
    const token = this.tokens[last]!;
    if (use.schema === undefined) this.insert(token.start, `${quoteIdentifier(target.schema)}.`);
    else if (use.schema !== target.schema) this.replace(this.tokens[last - 2]!, quoteIdentifier(target.schema));
    else this.exactly(this.tokens[last - 2]!);
    if (target.table !== use.table) this.replace(token, quoteIdentifier(target.table));
    else this.exactly(token);
    if (this.mapping.mode !== 'table' || kind !== 'shadow') return;
    if (use.alias !== undefined || use.bare) return;
    const end = this.afterName(first, last);
    if (use.tableCommand) this.tableCommand(first);
    this.insert(end, ` AS ${quoteIdentifier(ref.table)}`);
  }

  /** Unquoted letters beyond ASCII are folded where the server's encoding has one byte a character. */
  private exactly(token: Token): void {
    if (token.kind === 'word' && /[^\0-\x7f]/.test(token.text))
      this.replace(token, quoteIdentifier(clipName(token.text)));
  }

  /** Where an alias may stand: after the bracket of ONLY (name), and after the star of `name *`. */
  private afterName(first: number, last: number): number {
    let index = last;
    if (this.isSymbol(first - 1, '(') && this.isWord(first - 2, 'only')) {
      if (!this.isSymbol(last + 1, ')')) throw new Refusal('SQL_NOT_UNDERSTOOD', 'ONLY (', this.tokens[first]!.start);
      index += 1;
    }
    const next = this.tokens[index + 1];
    if (next?.kind === 'operator' && next.text === '*') index += 1;
    return this.tokens[index]!.end;
  }

  /** `TABLE name` takes no alias: it is written as the SELECT that it stands for. */
  private tableCommand(first: number): void {
    let index = first - 1;
    if (this.isSymbol(index, '(')) index -= 1;
    if (this.isWord(index, 'only')) index -= 1;
    if (!this.isWord(index, 'table')) throw new Refusal('SQL_NOT_UNDERSTOOD', 'TABLE', this.tokens[first]!.start);
    this.replace(this.tokens[index]!, 'SELECT * FROM');
  }

  private isSymbol(index: number, text: string): boolean {
    const token = this.tokens[index];
    return token?.kind === 'symbol' && token.text === text;
  }

  private isWord(index: number, text: string): boolean {
    const token = this.tokens[index];
    return token?.kind === 'word' && token.text === text;
  }

  /** `schema.table.column` finds a table without an alias by its identity: the shadow has an alias, or another schema. */
  private column(column: QualifiedColumn, meant: Resolved | undefined): void {
    if (meant === undefined) return;
    const index = this.tokenAt(column.at);
    const schemaAt = index + 2 * (column.parts - 3);
    const [schema, dot, table] = [schemaAt, schemaAt + 1, schemaAt + 2].map((one) => this.tokens[one]);
    const fits = schema !== undefined && table !== undefined && clipName(schema.text) === column.schema;
    if (!fits || clipName(table.text) !== column.table || dot?.text !== '.' || index < 0) {
      throw new Refusal(
        'SQL_NOT_UNDERSTOOD',
        'a qualified column is not where the parser found it',
        this.offset(column.at),
      );
    }
    if (this.mapping.mode === 'schema') {
      this.replace(schema, quoteIdentifier(meant.target.schema));
      return;
    }
    if (this.statement.aliases.has(column.table)) {
      throw new Refusal('SQL_AMBIGUOUS', `"${column.table}" is also the name of something else`, schema.start);
    }
    this.splices.push({ start: this.tokens[index]!.start, end: table.start, text: '' });
  }

  /** Keys share their schema with tables, so those of shadow tables have the suffix too. Only a shadow table can be written here. */
  private constraint({ name, at }: { name: string; at: number }): void {
    const first = this.tokenAt(at);
    const index = first + 2;
    const token = this.tokens[index];
    if (first < 0 || !this.isWord(index - 1, 'constraint') || token === undefined || clipName(token.text) !== name) {
      throw new Refusal('SQL_NOT_UNDERSTOOD', `the constraint "${name}"`, this.offset(at));
    }
    const { suffix } = this.mapping;
    if (isShadowName(name, suffix)) throw new Refusal('SQL_SHADOW_NAME', `the constraint "${name}"`, token.start);
    this.replace(token, quoteIdentifier(shadowName(name, suffix, nameLimits.postgres)));
  }

  private replace(token: Token, text: string): void {
    this.splices.push({ start: token.start, end: token.end, text });
  }

  private insert(at: number, text: string): void {
    this.splices.push({ start: at, end: at, text });
  }

  private spliced(): string {
    const ordered = this.splices.sort((one, other) => one.start - other.start || one.end - other.end);
    const parts: string[] = [];
    let at = 0;
    for (const { start, end, text } of ordered) {
      if (start < at) throw new Refusal('SQL_NOT_UNDERSTOOD', 'two names in one place', start);
      parts.push(this.sql.slice(at, start), text);
      // orders"o" is a name and an alias, "orders_shadow""o" would be one name
      if (text.endsWith('"') && this.sql[end] === '"') parts.push(' ');
      at = end;
    }
    parts.push(this.sql.slice(at));
    return parts.join('');
  }
}

function distinct(all: readonly Resolved[]): TableRef[] {
  return [...new Map(all.map(({ ref }) => [`${ref.schema}\0${ref.table}`, ref])).values()];
}
