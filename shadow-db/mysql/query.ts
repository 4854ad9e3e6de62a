import { inner } from './expression.js';
import type { Scope } from './statement.js';
import { asciiFold, TableParser } from './tables.js';
import { F, T, W } from './words.js';

/** SELECT, VALUES, set operations and WITH. */
export abstract class QueryParser extends TableParser {
  /** `[WITH …] term {UNION term} [ORDER BY …]`. Returns the scope of the first block, in brackets or not. */
  protected query(parent: Scope | undefined): Scope {
    if (this.peek() === W.WITH) this.commonTableExpressions();
    const isBracketed = this.peek() === 40;
    const scope = this.term(parent);
    const first = isBracketed ? this.lastBlock : scope;
    this.restOfQuery(parent, scope);
    return first ?? scope;
  }

  /** Only the first thing of a statement may be a WITH; what it defines holds for the whole statement. */
  protected commonTableExpressions(): void {
    const start = this.at;
    this.at += 1;
    if (this.depth > 0 || this.commonTables.size > 0) this.fail('SQL_NESTED_WITH', 'a nested WITH', start);
    const recursive = this.take(W.RECURSIVE);
    if (recursive) this.namesAhead();
    do {
      const token = this.name();
      const name = asciiFold(this.nameOf(token));
      // a part with the name of a shadow table would hide it
      if (this.mayBeShadow(token)) this.note(-1, token, inner(undefined));
      if (this.peek() === 40) this.nameList();
      this.expect(W.AS, 'AS in WITH');
      this.laterCommonTables.delete(name);
      if (recursive) this.addCommonTable(name);
      if (this.peek() === 40 && this.peek(1) === W.VALUES) this.valuesInBrackets(undefined);
      else if (this.peek() !== 40 || !this.bracketed(undefined)) {
        this.fail('SQL_NOT_UNDERSTOOD', 'expected a query in WITH');
      }
      this.addCommonTable(name);
      if (this.peek() === W.CYCLE || this.peek() === W.SEARCH) {
        this.fail('SQL_NOT_UNDERSTOOD', 'CYCLE or SEARCH in WITH');
      }
    } while (this.take(44));
  }

  /** The names of a WITH RECURSIVE: servers disagree on whether one may be used before it is defined. */
  private namesAhead(): void {
    let level = 0;
    for (let ahead = 0; this.peek(ahead) !== T.end; ahead += 1) {
      const id = this.peek(ahead);
      if (id === 40) level += 1;
      else if (id === 41) level -= 1;
      else if (level > 0) continue;
      else if (id === W.SELECT || id === W.UPDATE || id === W.DELETE) return;
      else if ((ahead === 0 || this.peek(ahead - 1) === 44) && this.atName(ahead)) {
        this.laterCommonTables.add(asciiFold(this.nameOf(this.at + ahead)));
      }
    }
  }

  private term(parent: Scope | undefined): Scope {
    const id = this.peek();
    if (id === W.SELECT) return this.select(parent);
    const scope = inner(parent);
    if (id === W.VALUES) {
      this.at += 1;
      this.expression(scope, F.endsQuery);
    } else if (id === 40) {
      if (!this.bracketed(parent)) this.fail('SQL_NOT_UNDERSTOOD', 'expected a query in brackets');
    } else {
      this.fail('SQL_NOT_UNDERSTOOD', 'expected SELECT');
    }
    return scope;
  }

  protected restOfQuery(parent: Scope | undefined, scope: Scope): void {
    this.expression(scope, F.endsQuery);
    while ((this.flags() & F.setOperator) !== 0) {
      this.at += 1;
      if (this.peek() === W.ALL || this.peek() === W.DISTINCT) this.at += 1;
      this.expression(this.term(parent), F.endsQuery);
    }
  }

  private select(parent: Scope | undefined): Scope {
    const scope = inner(parent);
    this.at += 1;
    while ((this.flags() & F.selectModifier) !== 0) this.at += 1;
    this.expression(scope, F.endsSelectList);
    if (this.peek() === W.INTO) this.intoVariables();
    if (this.take(W.FROM)) {
      this.tableReferences(scope);
      const id = this.peek();
      if (id !== T.end && id !== 41 && (this.flags() & F.afterTables) === 0) {
        this.fail('SQL_NOT_UNDERSTOOD', 'unexpected text after the tables');
      }
      if (id === W.SET) this.fail('SQL_NOT_UNDERSTOOD', 'unexpected SET');
    }
    // WHERE is refused inside expressions, so that it can stand only where a clause may begin
    this.take(W.WHERE);
    this.expression(scope, F.endsQuery);
    return scope;
  }
}
