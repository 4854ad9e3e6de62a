import type { Verb } from '../rewriter.js';
import { inner } from './expression.js';
import { QueryParser } from './query.js';
import { Scope, type TableUse } from './statement.js';
import { F, T, W } from './words.js';

/** INSERT, REPLACE, UPDATE and DELETE. */
export abstract class WriteParser extends QueryParser {
  /** UPDATE: every table of the list may be written, since a column names none. */
  private markedAll = false;

  protected insert(verb: Verb): void {
    this.verb = verb;
    this.at += 1;
    this.modifiers(F.writeModifier);
    this.take(W.INTO);
    const target = this.target();
    const scope = bareScope(target);
    if (this.peek() === 40 && !this.atQueryBracket()) this.bracketed(scope);
    const sources = this.insertSource(scope);
    this.endCommonTables();
    if (this.take(W.AS)) {
      scope.entries.push(this.name());
      if (this.peek() === 40) this.nameList();
    }
    if (this.take(W.ON)) {
      if (!(this.takeTwo(W.DUPLICATE, W.KEY) && this.take(W.UPDATE))) {
        this.fail('SQL_NOT_UNDERSTOOD', 'expected ON DUPLICATE KEY UPDATE');
      }
      const both = new Scope(undefined, true);
      both.entries.push(...scope.entries);
      for (const entry of sources?.entries ?? []) both.entries.push(entry);
      this.expression(both, F.returning);
    }
    if (this.take(W.RETURNING)) this.expression(bareScope(target), 0);
  }

  private modifiers(which: number): void {
    while ((this.flags() & which) !== 0) this.at += 1;
  }

  /** Reads VALUES, SET or a query; returns the names that a query's tables have. */
  private insertSource(scope: Scope): Scope | undefined {
    const id = this.peek();
    if (id === W.VALUES || id === W.VALUE || id === W.SET) {
      this.at += 1;
      this.expression(scope, F.endsSource);
      return undefined;
    }
    if (id === W.SELECT || id === W.WITH || id === 40) return this.query(undefined);
    return this.fail('SQL_NOT_UNDERSTOOD', 'expected VALUES, SET or SELECT');
  }

  private atQueryBracket(): boolean {
    let ahead = 1;
    while (this.peek(ahead) === 40) ahead += 1;
    return this.peek(ahead) === W.SELECT || this.peek(ahead) === W.WITH;
  }

  /** The table that is written, in a place that takes no alias. */
  private target(): TableUse {
    const use = this.tableName(true);
    if (this.isCommonTable(use)) this.fail('SQL_NOT_UNDERSTOOD', 'a WITH part as the target', use.name);
    if (this.take(W.PARTITION)) this.nameList();
    this.uses.push(use);
    return use;
  }

  protected update(): void {
    this.verb = 'update';
    this.markedAll = false;
    this.at += 1;
    this.modifiers(F.writeModifier);
    const scope = inner(undefined);
    this.tableReferences(scope);
    // only tables of the list itself can be written, not those inside derived tables
    const listed = scope.tables();
    this.expect(W.SET, 'SET');
    do this.assignment(scope, listed);
    while (this.take(44));
    if (listed.every((use) => !use.write)) this.fail('SQL_AMBIGUOUS', 'no table is written');
    this.take(W.WHERE);
    this.expression(scope, F.returning);
    if (this.take(W.RETURNING)) this.expression(scope, 0);
  }

  private assignment(scope: Scope, listed: TableUse[]): void {
    const bound = this.peek() === T.param || this.peek() === T.nameParam;
    const column = bound ? this.at++ : this.name();
    // `SET ?` with an object: the driver writes the whole list
    if (this.ids[column] === T.param) {
      this.writesAny(column, scope, listed);
      return;
    }
    if (!bound && this.take(46)) {
      const second = this.columnPart();
      const three = this.take(46);
      if (three) this.columnPart();
      const table = three ? second : column;
      this.note(three ? column : -1, table, scope);
      if (this.ids[table] === T.nameParam) this.boundTable();
      const use = scope.own(this, this.foldedName(table), three ? this.nameOf(column) : undefined);
      if (typeof use !== 'object') this.fail('SQL_AMBIGUOUS', 'the assigned table is not certain', table);
      use.write = true;
    } else {
      this.writesAny(column, scope, listed);
    }
    this.take(58);
    this.expect(61, '"="');
    this.expression(scope, F.endsAssignment, 0, true);
  }

  private columnPart(): number {
    return this.peek() === T.nameParam ? this.at++ : this.name();
  }

  private writesAny(column: number, scope: Scope, listed: TableUse[]): void {
    // once marked they stay so: each column would mark all of them again
    if (this.markedAll) return;
    this.markedAll = true;
    for (const use of listed) use.write = true;
    if ((listed.length !== 1 || scope.entries.length !== 1) && this.uncertainWriteAt === -1) {
      this.uncertainWriteAt = this.starts[column]!;
    }
  }

  protected delete(): void {
    this.verb = 'delete';
    const start = this.at;
    this.at += 1;
    this.modifiers(F.deleteModifier);
    if (this.peek() === W.HISTORY) this.fail('SQL_SYSTEM_TIME', 'DELETE HISTORY');
    if (!this.take(W.FROM)) {
      const targets = this.targets();
      this.expect(W.FROM, 'FROM');
      this.deleteFrom(targets);
      return;
    }
    if (this.usesUsing()) {
      const targets = this.targets();
      if (!this.take(W.USING)) this.fail('SQL_NOT_UNDERSTOOD', 'expected USING', start);
      this.deleteFrom(targets);
      return;
    }
    const use = this.target();
    if (this.peek() === W.FOR) this.fail('SQL_SYSTEM_TIME', 'a temporal clause');
    this.alias(use);
    this.tail(bareScope(use));
  }

  /** WHERE … [ORDER BY …] [LIMIT …] [RETURNING …] */
  private tail(scope: Scope): void {
    const id = this.peek();
    const goesOn = id === W.WHERE || id === W.ORDER || id === W.LIMIT || id === W.RETURNING;
    if (id !== T.end && !goesOn) this.fail('SQL_NOT_UNDERSTOOD', 'unexpected text after the table');
    this.take(W.WHERE);
    this.expression(scope, F.returning);
    if (this.take(W.RETURNING)) this.expression(scope, 0);
  }

  /** True for DELETE FROM t1, t2 USING …: a comma, `.*` or USING follows the first name. */
  private usesUsing(): boolean {
    const ahead = this.peek(1) === 46 && this.peek(2) !== 42 ? 3 : 1;
    const id = this.peek(ahead);
    return id === 44 || id === 46 || id === W.USING;
  }

  private targets(): TableUse[] {
    const targets: TableUse[] = [];
    do {
      if (this.peek() === T.nameParam) this.boundTable();
      let schema = -1;
      let name = this.name();
      if (this.peek() === 46 && this.peek(1) !== 42) {
        this.at += 1;
        schema = name;
        name = this.name();
      }
      if (this.take(46)) this.expect(42, '"*"');
      targets.push({
        schema,
        name,
        database: schema === -1 ? this.options.database : this.nameOf(schema),
        table: this.nameOf(name),
        alias: -1,
        aliasAt: -1,
        write: true,
        lock: undefined,
      });
    } while (this.take(44));
    return targets;
  }

  private deleteFrom(targets: TableUse[]): void {
    const scope = inner(undefined);
    this.tableReferences(scope);
    for (const target of targets) {
      const use = scope.own(this, this.foldedName(target.name));
      // the server refuses both (1109), but the aliased shadow would answer
      const isOther =
        typeof use === 'object' &&
        (use.alias === -1 ? !this.sameName(use.database, target.database) : target.schema !== -1);
      if (typeof use !== 'object' || isOther) {
        this.fail('SQL_AMBIGUOUS', 'the table to delete from is not certain', target.name);
      }
      use.write = true;
      this.deleteTargets.push({ schema: target.schema, table: target.name, use });
    }
    this.tail(scope);
  }

  private sameName(one: string, other: string): boolean {
    return one === other || (this.options.ignoreCase && one.toLowerCase() === other.toLowerCase());
  }
}

/** The names after a table that takes no alias. */
function bareScope(use: TableUse): Scope {
  const scope = new Scope(undefined, true);
  scope.entries.push(use);
  return scope;
}
