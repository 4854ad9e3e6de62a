import type { Verb } from '../rewriter.js';
import { QueryParser } from './query.js';
import type { Reader } from './reader.js';
import type { Scope, TableUse } from './statement.js';

const insertModifiers = new Set(['LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE']);
const deleteModifiers = new Set(['LOW_PRIORITY', 'QUICK', 'IGNORE']);
const updateModifiers = new Set(['LOW_PRIORITY', 'IGNORE']);
const none: ReadonlySet<string> = new Set();
const endsSource = new Set(['ON', 'RETURNING', 'AS']);
const endsAssignments = new Set(['WHERE', 'ORDER', 'LIMIT', 'RETURNING', 'ON']);

/** INSERT, REPLACE, UPDATE and DELETE. */
export class WriteParser extends QueryParser {
  insert(verb: Verb): void {
    const { reader } = this;
    this.found.verb = verb;
    reader.next();
    while (reader.isOneOf(insertModifiers)) reader.next();
    reader.takeWords('INTO');
    const target = this.target();
    const scope: Scope = { names: new Map([[target.table, target]]) };
    if (reader.isPunct('(') && !this.atQueryBracket()) this.bracketed(scope);
    const sources = this.insertSource(scope);
    if (reader.takeWords('AS')) {
      this.declare(scope, reader.nameOf(reader.name()), 'derived');
      if (reader.isPunct('(')) this.nameList();
    }
    if (reader.takeWords('ON', 'DUPLICATE', 'KEY', 'UPDATE')) {
      const both: Scope = { names: new Map(scope.names) };
      for (const [name, use] of sources?.names ?? []) this.declare(both, name, use === 'ambiguous' ? 'derived' : use);
      this.expression(both, new Set(['RETURNING']));
    }
    if (reader.takeWords('RETURNING')) this.expression({ names: new Map([[target.table, target]]) }, none);
  }

  /** Reads VALUES, SET or a query; returns the names that a query's tables have. */
  private insertSource(scope: Scope): Scope | undefined {
    const { reader } = this;
    if (reader.takeWords('VALUES') || reader.takeWords('VALUE')) {
      this.expression(scope, endsSource);
      return undefined;
    }
    if (reader.takeWords('SET')) {
      this.expression(scope, endsSource);
      return undefined;
    }
    if (reader.isWord('SELECT') || reader.isWord('WITH') || reader.isPunct('(')) return this.query(undefined);
    return reader.fail('SQL_NOT_UNDERSTOOD', 'expected VALUES, SET or SELECT');
  }

  private atQueryBracket(): boolean {
    let ahead = 1;
    while (this.reader.isPunct('(', ahead)) ahead += 1;
    return this.reader.isWord('SELECT', ahead) || this.reader.isWord('WITH', ahead);
  }

  /** The table that is written, in a place that takes no alias. */
  private target(): TableUse {
    const { reader } = this;
    const use = this.tableName(true);
    if (this.isCommonTable(use)) reader.fail('SQL_NOT_UNDERSTOOD', 'a WITH part as the target', use.name);
    if (reader.takeWords('PARTITION')) this.nameList();
    this.found.uses.push(use);
    return use;
  }

  update(): void {
    const { reader } = this;
    this.found.verb = 'update';
    reader.next();
    while (reader.isOneOf(updateModifiers)) reader.next();
    const scope: Scope = { names: new Map() };
    const first = this.found.uses.length;
    this.tableReferences(scope);
    // only tables of the list itself can be written, not those inside derived tables
    const listed = [...scope.names.values()].filter((use): use is TableUse => typeof use === 'object');
    if (!reader.takeWords('SET')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected SET');
    do this.assignment(scope, listed);
    while (reader.takePunct(','));
    if (this.found.uses.slice(first).every((use) => !use.write)) reader.fail('SQL_AMBIGUOUS', 'no table is written');
    this.takeWhere();
    this.expression(scope, new Set(['RETURNING']));
    if (reader.takeWords('RETURNING')) this.expression(scope, none);
  }

  private assignment(scope: Scope, listed: TableUse[]): void {
    const reader: Reader = this.reader;
    const column = reader.name();
    if (reader.takePunct('.')) {
      const second = reader.name();
      const three = reader.takePunct('.');
      if (three) reader.name();
      const table = three ? second : column;
      const name = reader.nameOf(table);
      this.found.qualifiers.push({ ...(three && { schema: column }), table, name, scope });
      const use = scope.names.get(name);
      if (typeof use !== 'object') reader.fail('SQL_AMBIGUOUS', 'the assigned table is not certain', table);
      use.write = true;
    } else {
      for (const use of listed) use.write = true;
      if (listed.length !== 1 || scope.names.size !== 1) this.found.uncertainWriteAt ??= column.start;
    }
    if (!reader.takePunct('=')) {
      reader.takePunct(':');
      reader.expectPunct('=');
    }
    this.expression(scope, endsAssignments, '', true);
  }

  delete(): void {
    const { reader } = this;
    this.found.verb = 'delete';
    const start = reader.next();
    while (reader.isOneOf(deleteModifiers)) reader.next();
    if (reader.isWord('HISTORY')) reader.fail('SQL_SYSTEM_TIME', 'DELETE HISTORY');
    if (!reader.takeWords('FROM')) {
      const targets = this.targets();
      if (!reader.takeWords('FROM')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected FROM');
      this.deleteFrom(targets);
      return;
    }
    if (this.usesUsing()) {
      const targets = this.targets();
      if (!reader.takeWords('USING')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected USING', start);
      this.deleteFrom(targets);
      return;
    }
    const use = this.target();
    if (reader.isWord('FOR')) reader.fail('SQL_SYSTEM_TIME', 'a temporal clause');
    this.alias(use);
    const scope: Scope = { names: new Map([[use.alias ?? use.table, use]]) };
    this.tail(scope);
  }

  /** WHERE … [ORDER BY …] [LIMIT …] [RETURNING …] */
  private tail(scope: Scope): void {
    const { reader } = this;
    const goesOn = ['WHERE', 'ORDER', 'LIMIT', 'RETURNING'].some((word) => reader.isWord(word));
    if (reader.peek() && !goesOn) reader.fail('SQL_NOT_UNDERSTOOD', 'unexpected text after the table');
    this.takeWhere();
    this.expression(scope, new Set(['RETURNING']));
    if (reader.takeWords('RETURNING')) this.expression(scope, none);
  }

  /** True for DELETE FROM t1, t2 USING …: a comma, `.*` or USING follows the first name. */
  private usesUsing(): boolean {
    const { reader } = this;
    const ahead = reader.isPunct('.', 1) && !reader.isPunct('*', 2) ? 3 : 1;
    return reader.isPunct(',', ahead) || reader.isPunct('.', ahead) || reader.isWord('USING', ahead);
  }

  private targets(): TableUse[] {
    const { reader } = this;
    const targets: TableUse[] = [];
    do {
      const first = reader.name();
      let target: TableUse = { name: first, table: reader.nameOf(first), write: true };
      if (reader.isPunct('.') && !reader.isPunct('*', 1)) {
        reader.next();
        const name = reader.name();
        target = { schema: first, name, table: reader.nameOf(name), write: true };
      }
      if (reader.takePunct('.')) reader.expectPunct('*');
      targets.push(target);
    } while (reader.takePunct(','));
    return targets;
  }

  private deleteFrom(targets: TableUse[]): void {
    const reader: Reader = this.reader;
    const scope: Scope = { names: new Map() };
    this.tableReferences(scope);
    for (const target of targets) {
      const use = scope.names.get(target.table);
      const qualifiedAlias = target.schema !== undefined && typeof use === 'object' && use.alias !== undefined;
      if (typeof use !== 'object' || qualifiedAlias) {
        reader.fail('SQL_AMBIGUOUS', 'the table to delete from is not certain', target.name);
      }
      use.write = true;
      this.found.deleteTargets.push({ ...(target.schema && { schema: target.schema }), table: target.name, use });
    }
    this.tail(scope);
  }
}
