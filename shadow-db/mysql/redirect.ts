import { Refusal } from '../codes.js';
import type { Mapping, TableName } from '../mapping.js';
import { quoteName } from '../names.js';
import type { TableRef } from '../rewriter.js';
import type { Token } from './lexer.js';
import type { Qualifier, Scope, Statement, TableUse } from './statement.js';

interface Splice {
  start: number;
  end: number;
  text: string;
}

interface Resolved {
  use: TableUse;
  kind: 'shadow' | 'real-read' | 'system';
  ref: TableRef;
  target: TableName;
}

export interface Redirected {
  sql: string;
  reads: TableRef[];
  writes: TableRef[];
}

/** Replaces names at their offsets; every other byte stays. Throws Refusal. `database`: the session's default schema. */
export function redirect(sql: string, statement: Statement, mapping: Mapping, database: string): Redirected {
  return new Redirect(sql, statement, mapping, database).run();
}

class Redirect {
  private readonly sql: string;
  private readonly statement: Statement;
  private readonly mapping: Mapping;
  private readonly database: string;
  private readonly splices: Splice[] = [];
  private readonly resolved = new Map<TableUse, Resolved>();

  constructor(sql: string, statement: Statement, mapping: Mapping, database: string) {
    this.sql = sql;
    this.statement = statement;
    this.mapping = mapping;
    this.database = database;
  }

  run(): Redirected {
    const { statement } = this;
    for (const use of statement.uses) this.resolved.set(use, this.resolve(use));
    this.checkRealTables();
    for (const resolved of this.resolved.values()) this.spliceTable(resolved);
    for (const qualifier of statement.qualifiers) this.spliceQualifier(qualifier);
    for (const target of statement.deleteTargets) this.spliceDeleteTarget(target.schema, target.table, target.use);
    for (const schema of statement.schemas) this.spliceSchema(schema);
    const { reads, writes } = this.references();
    return { sql: this.apply(), reads, writes };
  }

  private nameOf(token: Token): string {
    return token.kind === 'word' ? this.sql.slice(token.start, token.end) : token.text;
  }

  private resolve(use: TableUse): Resolved {
    const { mapping } = this;
    const schema = use.schema === undefined ? this.database : this.nameOf(use.schema);
    const { table } = use;
    const offset = use.name.start;
    const label = `${schema}.${table}`;
    if (schema.toLowerCase() === 'information_schema') {
      if (use.write) throw new Refusal('SQL_REAL_WRITE', `write to ${label}`, offset);
      return { use, kind: 'system', ref: { schema, table, target: label }, target: { schema, table } };
    }
    if (mapping.isShadowName(schema, table)) {
      throw new Refusal('SQL_SHADOW_NAME', `${label} is a shadow name`, offset);
    }
    const tableClass = mapping.classOf(schema, table);
    if (tableClass === 'refuse') throw new Refusal('SQL_REFUSED_TABLE', `table ${label}`, offset);
    if (tableClass === undefined) {
      const isKnown = mapping.databases.some((one) => mapping.fold(one) === mapping.fold(schema));
      throw new Refusal(isKnown ? 'SQL_UNCLASSED_TABLE' : 'SQL_OTHER_SCHEMA', `table ${label}`, offset);
    }
    if (tableClass === 'real-read' && use.write) throw new Refusal('SQL_REAL_WRITE', `write to ${label}`, offset);
    const real = mapping.realOf(schema, table);
    const target = mapping.targetOf(schema, table);
    const ref = { schema: real.schema, table: real.table, target: `${target.schema}.${target.table}` };
    return { use, kind: tableClass, ref, target };
  }

  private checkRealTables(): void {
    const { lockedAt, uncertainWriteAt } = this.statement;
    const real = [...this.resolved.values()].find(({ kind }) => kind === 'real-read');
    if (real === undefined) return;
    if (lockedAt !== undefined) throw new Refusal('SQL_REAL_LOCK', `lock on ${real.ref.table}`, lockedAt);
    if (uncertainWriteAt !== undefined) {
      throw new Refusal('SQL_AMBIGUOUS', `the assignment might write to ${real.ref.table}`, uncertainWriteAt);
    }
  }

  private spliceTable({ use, kind, target }: Resolved): void {
    const { mapping } = this;
    if (kind === 'system') return;
    if (mapping.mode === 'schema') {
      if (kind === 'shadow' && use.schema) this.replace(use.schema, target.schema);
      if (kind === 'real-read' && !use.schema) this.insert(use.name.start, `${quoteName(this.database)}.`);
      return;
    }
    if (kind !== 'shadow') return;
    this.replace(use.name, target.table);
    if (use.aliasAt === undefined || use.alias !== undefined) return;
    this.insert(use.aliasAt, ` AS ${quoteName(use.table)}`);
    if (use.lockEntry === undefined) return;
    // statements that take no alias (INSERT, DELETE) need the bare name locked too
    const schema = use.schema ? `${this.sql.slice(use.schema.start, use.schema.end)}.` : '';
    this.insert(use.lockEntry.end, `, ${schema}${quoteName(target.table)} ${use.lockEntry.tail}`);
  }

  private spliceQualifier(qualifier: Qualifier): void {
    const { mapping } = this;
    if (qualifier.schema) {
      const schema = this.nameOf(qualifier.schema);
      if (mapping.isShadowSchema(schema)) {
        throw new Refusal('SQL_SHADOW_NAME', `${schema} is a shadow name`, qualifier.schema.start);
      }
      if (mapping.mode === 'schema') {
        // `app.o.id` with the alias o: what counts is the table behind the name
        const use = this.visible(qualifier);
        const isShadow = use
          ? this.resolved.get(use)?.kind === 'shadow'
          : mapping.classOf(schema, qualifier.name) === 'shadow';
        if (isShadow) this.replace(qualifier.schema, mapping.shadowSchemaOf(schema));
        return;
      }
    }
    if (mapping.mayBeShadowTable(qualifier.name)) {
      throw new Refusal('SQL_SHADOW_NAME', `${qualifier.name} is a shadow name`, qualifier.table.start);
    }
    if (mapping.mode !== 'table') return;
    const use = this.visible(qualifier);
    if (use === undefined || use.aliasAt !== undefined || use.alias !== undefined) return;
    const resolved = this.resolved.get(use);
    if (resolved?.kind === 'shadow') this.replace(qualifier.table, resolved.target.table);
  }

  /** The table that a qualifier means, from the innermost query block outwards. */
  private visible(qualifier: Qualifier): TableUse | undefined {
    for (let scope: Scope | undefined = qualifier.scope; scope !== undefined; scope = scope.parent) {
      const found = scope.names.get(qualifier.name);
      if (found === 'ambiguous') {
        throw new Refusal('SQL_AMBIGUOUS', `${qualifier.name} is two tables here`, qualifier.table.start);
      }
      if (found === 'derived') return undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private spliceDeleteTarget(schema: Token | undefined, table: Token, use: TableUse): void {
    const { mapping } = this;
    if (schema === undefined) return;
    if (mapping.mode === 'schema') {
      this.replace(schema, mapping.shadowSchemaOf(this.nameOf(schema)));
    } else if (use.aliasAt !== undefined) {
      // once the table has an alias, a target with a schema is error 1109
      this.splices.push({ start: schema.start, end: table.start, text: '' });
    }
  }

  private spliceSchema(token: Token): void {
    const schema = this.nameOf(token);
    if (schema.toLowerCase() === 'information_schema') return;
    const { mapping } = this;
    if (mapping.isShadowSchema(schema)) {
      throw new Refusal('SQL_SHADOW_NAME', `${schema} is a shadow name`, token.start);
    }
    if (!mapping.databases.some((one) => mapping.fold(one) === mapping.fold(schema))) {
      throw new Refusal('SQL_OTHER_SCHEMA', `schema ${schema}`, token.start);
    }
    const shadow = mapping.shadowSchemaOf(schema);
    if (shadow !== schema) this.replace(token, shadow);
  }

  private references(): { reads: TableRef[]; writes: TableRef[] } {
    const reads = new Map<string, TableRef>();
    const writes = new Map<string, TableRef>();
    const onlyShown = ['explain', 'describe', 'show'].includes(this.statement.verb);
    for (const { use, kind, ref } of this.resolved.values()) {
      if (kind !== 'system') (use.write && !onlyShown ? writes : reads).set(`${ref.schema}.${ref.table}`, ref);
    }
    return { reads: [...reads.values()], writes: [...writes.values()] };
  }

  private replace(token: Token, name: string): void {
    this.splices.push({ start: token.start, end: token.end, text: quoteName(name) });
  }

  private insert(at: number, text: string): void {
    this.splices.push({ start: at, end: at, text });
  }

  private apply(): string {
    if (this.splices.length === 0) return this.sql;
    let result = '';
    let from = 0;
    // a stable sort keeps an alias before a second lock at the same offset
    for (const splice of this.splices.sort((a, b) => a.start - b.start)) {
      result += this.sql.slice(from, splice.start) + splice.text;
      from = splice.end;
    }
    return result + this.sql.slice(from);
  }
}
