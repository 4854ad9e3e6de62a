import { Refusal } from '../codes.js';
import type { Mapping } from '../mapping.js';
import { quoteName } from '../names.js';
import type { TableRef } from '../rewriter.js';
import type { Parser } from './parser.js';
import { type Place, Places } from './places.js';
import type { DeleteTarget, Qualifier, TableUse } from './statement.js';

export interface Redirected {
  sql: string;
  reads: TableRef[];
  writes: TableRef[];
}

const few = 16;

/** Replaces names at their offsets; every other byte stays. One object serves many statements, one at a time. */
export class Redirector {
  private readonly mapping: Mapping;
  private readonly places: Places;
  private readonly schemaMode: boolean;
  private parser!: Parser;
  private count = 0;
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly texts: string[] = [];

  constructor(mapping: Mapping) {
    this.mapping = mapping;
    this.places = new Places(mapping);
    this.schemaMode = mapping.mode === 'schema';
  }

  /** Takes what the parser has just found in this text. Throws Refusal. */
  redirect(sql: string, parser: Parser): Redirected {
    this.parser = parser;
    this.count = 0;
    const { uses } = parser;
    const reads: TableRef[] = [];
    const writes: TableRef[] = [];
    const onlyShown = parser.verb === 'explain' || parser.verb === 'describe' || parser.verb === 'show';
    const seen = uses.length > few ? { reads: new Set<TableRef>(), writes: new Set<TableRef>() } : undefined;
    for (const use of uses) {
      const place = this.placeOf(use);
      this.splice(use, place);
      if (place.kind === 'system') continue;
      const written = use.write && !onlyShown;
      add(written ? writes : reads, place.ref, written ? seen?.writes : seen?.reads);
    }
    for (const qualifier of parser.qualifiers) this.spliceQualifier(qualifier);
    for (const target of parser.deleteTargets) this.spliceDeleteTarget(target);
    for (const schema of parser.schemas) this.spliceSchema(schema);
    return { sql: this.apply(sql), reads, writes };
  }

  private placeOf(use: TableUse): Place {
    const place = this.places.of(use.database, use.table);
    if (place.kind === 'shadow') return place;
    const { parser } = this;
    const offset = parser.startOf(use.name);
    const { code } = place;
    if (code !== undefined) throw new Refusal(code, `table ${use.database}.${use.table}`, offset);
    if (use.write) throw new Refusal('SQL_REAL_WRITE', `write to ${use.database}.${use.table}`, offset);
    if (place.kind === 'real-read') {
      if (parser.lockedAt !== -1) throw new Refusal('SQL_REAL_LOCK', `lock on ${use.table}`, parser.lockedAt);
      // the server works the default out, which may draw from a sequence; that of a shadow table draws from its twin
      if (parser.defaultAt !== -1) {
        throw new Refusal('SQL_SEQUENCE', `a default, maybe of ${use.table}`, parser.defaultAt);
      }
      // a table that is only described takes no alias
      const lockingReads = use.aliasAt === -1 ? undefined : parser.lockingReads;
      if (lockingReads !== undefined) throw new Refusal('SQL_REAL_LOCK', `${lockingReads} of ${use.table}`, offset);
      if (parser.uncertainWriteAt !== -1) {
        throw new Refusal('SQL_AMBIGUOUS', `the assignment might write to ${use.table}`, parser.uncertainWriteAt);
      }
    }
    return place;
  }

  private splice(use: TableUse, place: Place): void {
    const { parser } = this;
    if (place.kind === 'system') return;
    if (this.schemaMode) {
      if (place.kind === 'shadow' && use.schema !== -1) this.replace(use.schema, place.targetSchema);
      if (place.kind === 'real-read' && use.schema === -1) {
        this.insert(parser.startOf(use.name), `${place.realSchema}.`);
      }
      return;
    }
    if (place.kind !== 'shadow') return;
    this.replace(use.name, place.target);
    if (use.aliasAt === -1 || use.alias !== -1) return;
    this.insert(use.aliasAt, place.alias);
    if (use.lock === undefined) return;
    // statements that take no alias (INSERT, DELETE) need the bare name locked too
    const schema = use.schema === -1 ? '' : `${quoteName(use.database)}.`;
    this.insert(use.lock.end, `, ${schema}${place.target} ${use.lock.type}`);
  }

  private spliceQualifier({ schema, table, scope }: Qualifier): void {
    const { mapping, parser } = this;
    const name = parser.nameOf(table);
    const database = schema === -1 ? undefined : parser.nameOf(schema);
    const offset = parser.startOf(schema === -1 ? table : schema);
    if (database !== undefined && mapping.isShadowSchema(database)) {
      throw new Refusal('SQL_SHADOW_NAME', `${database} is a shadow name`, offset);
    }
    if (mapping.mayBeShadowTable(name)) throw new Refusal('SQL_SHADOW_NAME', `${name} is a shadow name`, offset);
    if (this.schemaMode ? database === undefined : !scope.bare) return;
    const use = scope.find(parser, mapping.fold(name), database);
    if (use === 'ambiguous') throw new Refusal('SQL_AMBIGUOUS', `${name} is two tables here`, offset);
    if (this.schemaMode) {
      // `app.o.id` with the alias o: what counts is the table behind the name
      const place =
        use === undefined || use === 'derived'
          ? this.places.of(database!, name)
          : this.places.of(use.database, use.table);
      if (place.kind === 'shadow') this.replace(schema, place.targetSchema);
      return;
    }
    if (use === undefined || use === 'derived' || use.aliasAt !== -1 || use.alias !== -1) return;
    const place = this.places.of(use.database, use.table);
    if (place.kind === 'shadow') this.replace(table, place.target);
  }

  private spliceDeleteTarget({ schema, table, use }: DeleteTarget): void {
    if (schema === -1) return;
    const { parser } = this;
    if (this.schemaMode) this.replace(schema, this.places.of(use.database, use.table).targetSchema);
    // once the table has an alias, a target with a schema is error 1109
    // (a quoted one may stand right behind a word)
    else this.put(parser.startOf(schema), parser.startOf(table), parser.isQuoted(schema) ? ' ' : '');
  }

  private spliceSchema(token: number): void {
    const { mapping, parser } = this;
    const schema = parser.nameOf(token);
    if (schema.toLowerCase() === 'information_schema') return;
    const offset = parser.startOf(token);
    if (mapping.isShadowSchema(schema)) throw new Refusal('SQL_SHADOW_NAME', `${schema} is a shadow name`, offset);
    if (!mapping.isDatabase(schema)) throw new Refusal('SQL_OTHER_SCHEMA', `schema ${schema}`, offset);
    const shadow = mapping.shadowSchemaOf(schema);
    if (shadow !== schema) this.replace(token, quoteName(shadow));
  }

  private replace(token: number, text: string): void {
    this.put(this.parser.startOf(token), this.parser.endOf(token), text);
  }

  private insert(at: number, text: string): void {
    this.put(at, at, text);
  }

  private put(start: number, end: number, text: string): void {
    const index = this.count++;
    this.starts[index] = start;
    this.ends[index] = end;
    this.texts[index] = text;
  }

  private apply(sql: string): string {
    const { starts, ends, texts, count } = this;
    if (count === 0) return sql;
    let inOrder = true;
    for (let at = 1; at < count && inOrder; at += 1) inOrder = starts[at - 1]! <= starts[at]!;
    let result = '';
    let from = 0;
    // a stable sort keeps an alias before a second lock at the same offset
    const order = inOrder
      ? undefined
      : Array.from({ length: count }, (_, at) => at).sort((a, b) => starts[a]! - starts[b]!);
    for (let at = 0; at < count; at += 1) {
      const index = order === undefined ? at : order[at]!;
      const [start, end, text] = [starts[index]!, ends[index]!, texts[index]!];
      // two backticks that meet would be one in a name
      const before = start > from && sql.charCodeAt(start - 1) === 96 && text.charCodeAt(0) === 96 ? ' ' : '';
      const after = end < sql.length && sql.charCodeAt(end) === 96 && text.endsWith('`') ? ' ' : '';
      result += sql.slice(from, start) + before + text + after;
      from = end;
    }
    return result + sql.slice(from);
  }
}

function add(list: TableRef[], ref: TableRef, seen: Set<TableRef> | undefined): void {
  if (seen !== undefined) {
    if (seen.has(ref)) return;
    seen.add(ref);
  } else if (list.includes(ref)) return;
  list.push(ref);
}
