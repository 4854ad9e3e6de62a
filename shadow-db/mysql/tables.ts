import { ExpressionParser, inner } from './expression.js';
import { Scope, type TableUse } from './statement.js';
import { F, firstWord, flagsOf, T, W } from './words.js';

/** Table references: `FROM`, joins, derived tables, index hints, and plain table names. */
export abstract class TableParser extends ExpressionParser {
  /** Names of WITH parts that hide tables from here on, ASCII letters folded, and those on which servers disagree here. */
  protected readonly commonTables = new Set<string>();
  protected readonly laterCommonTables = new Set<string>();
  /** The same names, folded so that all which some server might take for equal are. */
  private readonly looseCommonTables = new Set<string>();

  protected forgetCommonTables(): void {
    if (this.laterCommonTables.size > 0) this.laterCommonTables.clear();
    if (this.commonTables.size === 0) return;
    this.commonTables.clear();
    this.looseCommonTables.clear();
  }

  /** Behind the query of an INSERT, MariaDB still sees its WITH parts; by the standard they end with the query. */
  protected endCommonTables(): void {
    for (const name of this.commonTables) this.laterCommonTables.add(name);
  }

  protected addCommonTable(name: string): void {
    this.commonTables.add(name);
    this.looseCommonTables.add(looseFold(name));
  }

  protected tableReferences(scope: Scope): void {
    let from = scope.entries.length;
    this.tableFactor(scope);
    for (;;) {
      const id = this.peek();
      if (id === 44) {
        this.at += 1;
        from = scope.entries.length;
        this.tableFactor(scope);
      } else if (id === W.ON && this.peek(1) !== W.DUPLICATE) {
        this.at += 1;
        this.expression(scope.bare ? joined(scope, from) : scope, F.endsOn, 0, true);
      } else if (id === W.USING && this.peek(1) === 40) {
        this.at += 1;
        this.nameList();
      } else if (id >= firstWord && this.takeJoin()) {
        this.tableFactor(scope);
      } else {
        return;
      }
    }
  }

  private takeJoin(): boolean {
    if (this.take(W.JOIN) || this.take(W.STRAIGHT_JOIN)) return true;
    const start = this.at;
    this.take(W.NATURAL);
    if (this.take(W.LEFT) || this.take(W.RIGHT)) this.take(W.OUTER);
    else if (!this.take(W.INNER)) this.take(W.CROSS);
    if (this.at === start) return false;
    this.expect(W.JOIN, 'JOIN');
    return true;
  }

  private tableFactor(scope: Scope): void {
    // MariaDB has no LATERAL: there `lateral t` is a table of that name
    if (this.peek() === W.LATERAL && this.peek(1) === 40) this.at += 1;
    const id = this.peek();
    if (id === 40) {
      if (this.tableGroup(scope)) this.derivedAlias(scope);
      return;
    }
    if (id === W.DUAL) {
      this.at += 1;
      return;
    }
    if (id === W.JSON_TABLE && this.peek(1) === 40) {
      this.jsonTable(scope);
      this.derivedAlias(scope);
      return;
    }
    const use = this.tableName(false);
    const after = this.peek();
    if (after === 40) this.fail('SQL_FUNCTION', 'a table function');
    if (after === W.PARTITION) {
      this.at += 1;
      this.nameList();
    }
    if (this.peek() === W.FOR && this.peek(1) !== W.UPDATE && this.peek(1) !== W.SHARE) {
      this.fail('SQL_SYSTEM_TIME', 'a temporal clause');
    }
    use.aliasAt = this.lastEnd();
    this.alias(use);
    this.indexHints();
    const hidden = this.isCommonTable(use);
    if (hidden) {
      scope.entries.push(use.alias === -1 ? use.name : use.alias);
      return;
    }
    scope.entries.push(use);
    this.uses.push(use);
  }

  /** JSON_TABLE(document, path COLUMNS (…)). Behind the document only literals, names and types are let through. */
  private jsonTable(scope: Scope): void {
    this.at += 1;
    this.expect(40, '"("');
    this.enter();
    if (this.peek() === W.SELECT || this.peek() === W.VALUES) this.unexpected();
    this.expression(scope, 0, W.JSON_TABLE, true);
    this.expect(44, '","');
    let level = 1;
    do {
      const token = this.at;
      const id = this.peek();
      if (id === T.end) this.fail('SQL_UNCLOSED', '")" is missing');
      this.at += 1;
      if (id === 40) level += 1;
      if (id === 41) level -= 1;
      const flags = flagsOf[id]!;
      if (this.peek() === 40 && (id >= firstWord || id === T.word || id === T.ident) && (flags & F.jsonTable) === 0) {
        this.fail('SQL_FUNCTION', 'an unknown type', token);
      }
      const isPlain = id === W.ON || (id === W.FOR && this.peek() === W.ORDINALITY);
      if (!isPlain && (flags & F.notInExpression) !== 0) {
        this.fail('SQL_NOT_UNDERSTOOD', 'a query in JSON_TABLE', token);
      }
    } while (level > 0);
    this.depth -= 1;
  }

  /** After "(" in FROM: a derived table (true, an alias follows) or references in brackets (false). */
  private tableGroup(scope: Scope): boolean {
    const first = this.peek(1);
    if (first === W.SELECT || first === W.WITH) return this.bracketed(scope);
    if (first === W.VALUES) {
      this.valuesInBrackets(scope);
      return true;
    }
    this.expect(40, '"("');
    this.enter();
    let isQuery = false;
    if (this.peek() === 40) {
      isQuery = this.tableGroup(scope);
      if (isQuery && this.goesOnAsQuery()) {
        this.restOfQuery(scope, inner(scope));
      } else {
        if (isQuery) this.derivedAlias(scope);
        isQuery = false;
        this.moreReferences(scope);
      }
    } else {
      this.tableReferences(scope);
    }
    this.expect(41, '")"');
    this.depth -= 1;
    return isQuery;
  }

  /** Goes on with a list of references whose first factor was read already. */
  private moreReferences(scope: Scope): void {
    if (this.peek() === 41) return;
    if (this.take(44) || this.takeJoin()) this.tableReferences(scope);
    else this.fail('SQL_NOT_UNDERSTOOD', 'unexpected text in table references');
  }

  private derivedAlias(scope: Scope): void {
    if (!this.take(W.AS) && !this.atImplicitAlias()) return;
    scope.entries.push(this.name());
    if (this.peek() === 40) this.nameList();
  }

  private atImplicitAlias(): boolean {
    this.checkMySqlAlias();
    return this.atName() && (this.flags() & F.afterTable) === 0;
  }

  /** `[schema.]table`, with the bookkeeping of WITH names left to the caller. */
  protected tableName(write: boolean): TableUse {
    if (this.peek() === T.nameParam) this.boundTable();
    const first = this.name();
    const id = this.ids[first]!;
    if (id >= firstWord && (flagsOf[id]! & (F.notInExpression | F.afterTable)) !== 0) {
      this.fail('SQL_NOT_UNDERSTOOD', 'expected a table', first);
    }
    let schema = -1;
    let name = first;
    if (this.take(46)) {
      if (this.peek() === T.nameParam) this.boundTable();
      schema = first;
      name = this.name();
    }
    if (this.peek() === 46) {
      if (schema === -1 || this.peek(1) === T.nameParam) this.boundTable();
      this.fail('SQL_NOT_UNDERSTOOD', 'a table name of three parts');
    }
    return {
      schema,
      name,
      database: schema === -1 ? this.options.database : this.nameOf(schema),
      table: this.nameOf(name),
      alias: -1,
      aliasAt: -1,
      write,
      lock: undefined,
    };
  }

  protected boundTable(): never {
    return this.fail('SQL_PLACEHOLDER', 'a table whose name is bound later');
  }

  protected isCommonTable(use: TableUse): boolean {
    if (use.schema !== -1 || (this.commonTables.size === 0 && this.laterCommonTables.size === 0)) return false;
    const name = asciiFold(use.table);
    if (this.laterCommonTables.has(name)) {
      this.fail('SQL_AMBIGUOUS', 'a WITH part that not every server sees here', use.name);
    }
    if (this.commonTables.has(name)) return true;
    // servers fold letters beyond ASCII in ways of their own
    if (this.looseCommonTables.has(looseFold(name))) {
      this.fail('SQL_AMBIGUOUS', 'a WITH part has nearly this name', use.name);
    }
    return false;
  }

  protected alias(use: TableUse): void {
    if (this.peek() === T.nameParam) this.fail('SQL_PLACEHOLDER', 'an alias that is bound later');
    if (!this.take(W.AS) && !this.atImplicitAlias()) return;
    if (this.peek(1) === 46) this.fail('SQL_NOT_UNDERSTOOD', 'expected an alias');
    use.alias = this.name();
  }

  private indexHints(): void {
    for (;;) {
      const id = this.peek();
      if (id !== W.USE && id !== W.FORCE && id !== W.IGNORE) return;
      this.at += 1;
      if (!this.take(W.INDEX)) this.expect(W.KEY, 'INDEX');
      if (this.take(W.FOR)) {
        if (this.peek() === W.ORDER || this.peek() === W.GROUP) {
          this.at += 1;
          this.expect(W.BY, 'BY');
        } else this.expect(W.JOIN, 'JOIN, ORDER BY or GROUP BY');
      }
      this.nameList();
      const next = this.peek(1);
      if (next === W.USE || next === W.FORCE || next === W.IGNORE) this.take(44);
    }
  }
}

/** No server joins as many tables. */
const mostJoined = 200;

/** What an ON clause sees: the tables of its join so far. A name that comes later, or before a comma, is that of an outer block. */
function joined(scope: Scope, from: number): Scope {
  if (scope.entries.length - from > mostJoined) return scope;
  const seen = new Scope(scope.parent, scope.bare);
  seen.entries.push(...scope.entries.slice(from));
  return seen;
}

/** Names of WITH parts are compared without case; of what is folded beyond ASCII, servers have their own idea. */
export function asciiFold(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Equal for all names that some server might take for equal. */
function looseFold(name: string): string {
  return isAscii(name)
    ? name
    : name
        .normalize('NFKD')
        .replace(/\p{M}+/gu, '')
        .toUpperCase()
        .toLowerCase();
}

const beyondAscii = /[\u0080-\uffff]/;

export function isAscii(text: string): boolean {
  return !beyondAscii.test(text);
}
