import type { Token } from './lexer.js';
import { Reader } from './reader.js';
import type { Scope, Statement, TableUse } from './statement.js';
import {
  afterTable,
  afterTables,
  beforeBracket,
  convertTypes,
  fileFunctions,
  fromCalls,
  functions,
  lockFunctions,
  notInExpression,
  sequenceFunctions,
  setOperators,
} from './words.js';

const maxDepth = 100;
const nothing: ReadonlySet<string> = new Set();
const endsSelectList = new Set(['FROM', 'WHERE', ...setOperators, 'ON', 'RETURNING', 'INTO', 'FOR', 'LOCK']);
const endsOn = new Set([
  ...afterTables,
  'JOIN',
  'INNER',
  'CROSS',
  'LEFT',
  'RIGHT',
  'NATURAL',
  'STRAIGHT_JOIN',
  'USING',
]);
const endsQuery = new Set([...setOperators, 'ON', 'RETURNING']);
const withInExpression = ['ROLLUP', 'QUERY', 'TIES'];
const jsonTableWords = new Set([
  ...convertTypes,
  'COLUMNS',
  'INT',
  'INTEGER',
  'BIGINT',
  'SMALLINT',
  'TINYINT',
  'MEDIUMINT',
]);
const selectModifiers = new Set(
  `ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT SQL_CACHE
   SQL_NO_CACHE SQL_CALC_FOUND_ROWS`.split(/\s+/),
);

/**
 * Queries, table references and expressions. It reads clauses, not grammar: an expression is a run of tokens in which only
 * what can name a table matters. A word that could open a table reference in a place where none is expected is refused.
 */
export class QueryParser {
  readonly reader: Reader;
  readonly found: Statement = { verb: 'other', uses: [], qualifiers: [], deleteTargets: [], schemas: [] };
  /** Upper-case names of CTEs that hide tables from here on, and those that must not be named yet. */
  private readonly commonTables = new Set<string>();
  private readonly laterCommonTables = new Set<string>();
  private depth = 0;

  constructor(sql: string, tokens: readonly Token[]) {
    this.reader = new Reader(sql, tokens);
  }

  /** `[WITH …] term {UNION term} [ORDER BY …]`. Returns the scope of the first block. */
  query(parent: Scope | undefined): Scope {
    this.commonTableExpressions();
    const scope = this.term(parent);
    this.restOfQuery(parent, scope);
    return scope;
  }

  /** Only the first thing of a statement may be a WITH; what it defines holds for the whole statement. */
  commonTableExpressions(): void {
    const { reader } = this;
    const start = reader.peek();
    if (!reader.takeWords('WITH')) return;
    if (this.depth > 0 || this.commonTables.size > 0) reader.fail('SQL_NESTED_WITH', 'a nested WITH', start);
    const recursive = reader.takeWords('RECURSIVE');
    if (recursive) for (const name of this.namesAhead()) this.laterCommonTables.add(name);
    do {
      const name = reader.nameOf(reader.name()).toUpperCase();
      if (reader.isPunct('(')) this.nameList();
      if (!reader.takeWords('AS')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected AS in WITH');
      this.laterCommonTables.delete(name);
      if (recursive) this.commonTables.add(name);
      if (!reader.isPunct('(')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected a query in WITH');
      if (!this.bracketed(undefined).isQuery) reader.fail('SQL_NOT_UNDERSTOOD', 'expected a query in WITH');
      this.commonTables.add(name);
      if (reader.isWord('CYCLE') || reader.isWord('SEARCH'))
        reader.fail('SQL_NOT_UNDERSTOOD', 'CYCLE or SEARCH in WITH');
    } while (reader.takePunct(','));
  }

  /** The CTE names of a WITH RECURSIVE: servers disagree on whether one may be used before it is defined. */
  private namesAhead(): string[] {
    const { reader } = this;
    const names: string[] = [];
    let level = 0;
    for (let ahead = 0; reader.peek(ahead) !== undefined; ahead += 1) {
      if (reader.isPunct('(', ahead)) level += 1;
      else if (reader.isPunct(')', ahead)) level -= 1;
      else if (level === 0 && ['SELECT', 'UPDATE', 'DELETE'].some((word) => reader.isWord(word, ahead))) break;
      else if (level === 0 && (ahead === 0 || reader.isPunct(',', ahead - 1)) && reader.atName(ahead)) {
        names.push(reader.nameOf(reader.peek(ahead) as Token).toUpperCase());
      }
    }
    return names;
  }

  private term(parent: Scope | undefined): Scope {
    const { reader } = this;
    if (reader.isWord('SELECT')) return this.select(parent);
    const scope: Scope = { ...(parent && { parent }), names: new Map() };
    if (reader.takeWords('VALUES')) {
      this.expression(scope, endsQuery);
    } else if (reader.isPunct('(')) {
      if (!this.bracketed(parent).isQuery) reader.fail('SQL_NOT_UNDERSTOOD', 'expected a query in brackets');
    } else {
      reader.fail('SQL_NOT_UNDERSTOOD', 'expected SELECT');
    }
    return scope;
  }

  private restOfQuery(parent: Scope | undefined, scope: Scope): void {
    const { reader } = this;
    this.expression(scope, endsQuery);
    while (reader.isOneOf(setOperators)) {
      reader.next();
      if (reader.isWord('ALL') || reader.isWord('DISTINCT')) reader.next();
      this.expression(this.term(parent), endsQuery);
    }
  }

  private select(parent: Scope | undefined): Scope {
    const { reader } = this;
    const scope: Scope = { ...(parent && { parent }), names: new Map() };
    reader.next();
    while (reader.isOneOf(selectModifiers)) reader.next();
    this.expression(scope, endsSelectList);
    if (reader.isWord('INTO')) this.intoVariables();
    if (reader.takeWords('FROM')) {
      this.tableReferences(scope);
      if (reader.peek() && !reader.isPunct(')') && !reader.isOneOf(afterTables)) {
        reader.fail('SQL_NOT_UNDERSTOOD', 'unexpected text after the tables');
      }
      if (reader.isWord('SET')) reader.fail('SQL_NOT_UNDERSTOOD', 'unexpected SET');
    }
    this.takeWhere();
    this.expression(scope, endsQuery);
    return scope;
  }

  /** WHERE is refused inside expressions, so that it can stand only where a clause may begin. */
  takeWhere(): void {
    this.reader.takeWords('WHERE');
  }

  /** A bracket group from "(" to ")": a query (maybe in further brackets) or an expression. */
  bracketed(scope: Scope | undefined, call = ''): { isQuery: boolean } {
    const { reader } = this;
    reader.expectPunct('(');
    this.enter();
    let isQuery = false;
    const inner: Scope = { ...(scope && { parent: scope }), names: new Map() };
    if (reader.isWord('WITH')) reader.fail('SQL_NESTED_WITH', 'a nested WITH');
    if (reader.isWord('SELECT') || (reader.isWord('VALUES') && call === '' && !this.isValuesCall())) {
      this.query(scope);
      isQuery = true;
    } else if (reader.isPunct('(')) {
      isQuery =
        this.bracketed(scope).isQuery && (reader.isPunct(')') || reader.isOneOf(setOperators) || this.atQueryTail());
      if (isQuery) this.restOfQuery(scope, inner);
      else this.expression(scope ?? inner, nothing, call);
    } else {
      this.expression(scope ?? inner, nothing, call);
    }
    reader.expectPunct(')');
    this.depth -= 1;
    return { isQuery };
  }

  private isValuesCall(): boolean {
    // VALUES(col) of ON DUPLICATE KEY UPDATE against the rows of a table value constructor
    return this.reader.isPunct('(', 1) && this.reader.atName(2) && !this.reader.isPunct('(', 3);
  }

  private atQueryTail(): boolean {
    return ['ORDER', 'LIMIT', 'FOR', 'LOCK', 'OFFSET', 'FETCH'].some((word) => this.reader.isWord(word));
  }

  private enter(): void {
    this.depth += 1;
    if (this.depth > maxDepth) this.reader.fail('SQL_TOO_DEEP', `more than ${maxDepth} brackets`);
  }

  // ---- table references

  tableReferences(scope: Scope): void {
    const { reader } = this;
    this.tableFactor(scope);
    for (;;) {
      if (reader.takePunct(',')) {
        this.tableFactor(scope);
      } else if (reader.isWord('ON') && !reader.isWord('DUPLICATE', 1)) {
        reader.next();
        this.expression(scope, endsOn, '', true);
      } else if (reader.isWord('USING') && reader.isPunct('(', 1)) {
        reader.next();
        this.nameList();
      } else if (this.takeJoin()) {
        this.tableFactor(scope);
      } else {
        return;
      }
    }
  }

  private takeJoin(): boolean {
    const { reader } = this;
    if (reader.takeWords('STRAIGHT_JOIN') || reader.takeWords('JOIN')) return true;
    const start = reader.at;
    const natural = reader.takeWords('NATURAL');
    if (reader.takeWords('LEFT') || reader.takeWords('RIGHT')) reader.takeWords('OUTER');
    else if (!reader.takeWords('INNER')) reader.takeWords('CROSS');
    if (reader.at === start && !natural) return false;
    if (!reader.takeWords('JOIN')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected JOIN');
    return true;
  }

  private tableFactor(scope: Scope): void {
    const { reader } = this;
    reader.takeWords('LATERAL');
    if (reader.isPunct('(')) {
      if (this.tableGroup(scope)) this.derivedAlias(scope);
      return;
    }
    if (reader.isWord('DUAL')) {
      reader.next();
      return;
    }
    if (reader.isWord('JSON_TABLE') && reader.isPunct('(', 1)) {
      this.jsonTable();
      this.derivedAlias(scope);
      return;
    }
    const use = this.tableName(false);
    if (reader.isPunct('(')) reader.fail('SQL_NOT_UNDERSTOOD', 'a table function');
    if (reader.takeWords('PARTITION')) this.nameList();
    if (reader.isWord('FOR') && !reader.isWord('UPDATE', 1) && !reader.isWord('SHARE', 1)) {
      reader.fail('SQL_SYSTEM_TIME', 'a temporal clause');
    }
    use.aliasAt = reader.lastEnd();
    this.alias(use);
    this.indexHints();
    const hidden = this.isCommonTable(use);
    this.declare(scope, use.alias ?? use.table, hidden ? 'derived' : use);
    if (!hidden) this.found.uses.push(use);
  }

  /** JSON_TABLE(document, path COLUMNS (…)): column definitions and paths; only plain expressions are let through. */
  private jsonTable(): void {
    const { reader } = this;
    reader.next();
    let level = 0;
    do {
      const token = reader.next();
      const called = (token.kind === 'word' || token.kind === 'ident') && reader.isPunct('(');
      if (token.kind === 'punct' && token.text === '(') level += 1;
      if (token.kind === 'punct' && token.text === ')') level -= 1;
      const known = functions.has(token.text) || beforeBracket.has(token.text) || jsonTableWords.has(token.text);
      if (called && (token.kind === 'ident' || !known)) reader.fail('SQL_FUNCTION', 'an unknown function', token);
      if (token.kind === 'word' && token.text !== 'ON' && notInExpression.has(token.text)) {
        reader.fail('SQL_NOT_UNDERSTOOD', 'a query in JSON_TABLE', token);
      }
      if (reader.isPunct('.') && reader.isPunct('.', 2))
        reader.fail('SQL_NOT_UNDERSTOOD', 'a name of three parts', token);
    } while (level > 0);
  }

  /** After "(" in FROM: a derived table (true, an alias follows) or references in brackets (false). */
  private tableGroup(scope: Scope): boolean {
    const { reader } = this;
    const first = reader.peek(1);
    if (first?.kind === 'word' && (first.text === 'SELECT' || first.text === 'VALUES' || first.text === 'WITH')) {
      return this.bracketed(scope).isQuery;
    }
    reader.expectPunct('(');
    this.enter();
    let isQuery = false;
    if (reader.isPunct('(')) {
      const inner: Scope = { parent: scope, names: new Map() };
      isQuery = this.tableGroup(scope);
      if (isQuery && (reader.isPunct(')') || reader.isOneOf(setOperators) || this.atQueryTail())) {
        this.restOfQuery(scope, inner);
      } else {
        if (isQuery) this.derivedAlias(scope);
        isQuery = false;
        this.moreReferences(scope);
      }
    } else {
      this.tableReferences(scope);
    }
    reader.expectPunct(')');
    this.depth -= 1;
    return isQuery;
  }

  /** Goes on with a list of references whose first factor was read already. */
  private moreReferences(scope: Scope): void {
    const { reader } = this;
    if (reader.isPunct(')')) return;
    if (reader.takePunct(',') || this.takeJoin()) this.tableReferences(scope);
    else reader.fail('SQL_NOT_UNDERSTOOD', 'unexpected text in table references');
  }

  private derivedAlias(scope: Scope): void {
    const { reader } = this;
    const named =
      reader.takeWords('AS') || reader.peek()?.kind === 'ident' || (reader.atName() && !reader.isOneOf(afterTable));
    if (!named) return;
    this.declare(scope, reader.nameOf(reader.name()), 'derived');
    if (reader.isPunct('(')) this.nameList();
  }

  /** `[schema.]table`, with the bookkeeping of CTE names left to the caller. */
  tableName(write: boolean): TableUse {
    const { reader } = this;
    const first = reader.name();
    if (
      first.kind === 'word' &&
      (notInExpression.has(first.text) || afterTable.has(first.text)) &&
      !reader.isPunct('.')
    ) {
      reader.fail('SQL_NOT_UNDERSTOOD', 'expected a table', first);
    }
    if (!reader.takePunct('.')) return { name: first, table: reader.nameOf(first), write };
    const name = reader.name();
    if (reader.isPunct('.')) reader.fail('SQL_NOT_UNDERSTOOD', 'a table name of three parts');
    return { schema: first, name, table: reader.nameOf(name), write };
  }

  isCommonTable(use: TableUse): boolean {
    if (use.schema !== undefined) return false;
    const name = use.table.toUpperCase();
    if (this.laterCommonTables.has(name)) {
      this.reader.fail('SQL_AMBIGUOUS', 'a recursive WITH names a part that is defined later', use.name);
    }
    return this.commonTables.has(name);
  }

  declare(scope: Scope, name: string, use: TableUse | 'derived'): void {
    scope.names.set(name, scope.names.has(name) ? 'ambiguous' : use);
  }

  alias(use: TableUse): void {
    const { reader } = this;
    const implicit = reader.peek()?.kind === 'ident' || (reader.peek()?.kind === 'word' && !reader.isOneOf(afterTable));
    if (!reader.takeWords('AS') && !implicit) return;
    if (reader.isPunct('.', 1)) reader.fail('SQL_NOT_UNDERSTOOD', 'expected an alias');
    use.alias = reader.nameOf(reader.name());
  }

  private indexHints(): void {
    const { reader } = this;
    while (reader.isWord('USE') || reader.isWord('FORCE') || reader.isWord('IGNORE')) {
      reader.next();
      if (!reader.takeWords('INDEX') && !reader.takeWords('KEY')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected INDEX');
      if (
        reader.takeWords('FOR') &&
        !reader.takeWords('JOIN') &&
        !reader.takeWords('ORDER', 'BY') &&
        !reader.takeWords('GROUP', 'BY')
      ) {
        reader.fail('SQL_NOT_UNDERSTOOD', 'an index hint');
      }
      this.nameList();
      const another = ['USE', 'FORCE', 'IGNORE'].some((word) => reader.isWord(word, 1));
      if (another) reader.takePunct(',');
    }
  }

  /** `(name, name, …)`, also empty. */
  nameList(): void {
    const { reader } = this;
    reader.expectPunct('(');
    while (!reader.takePunct(')')) {
      reader.name();
      if (!reader.isPunct(')')) reader.expectPunct(',');
    }
  }

  // ---- expressions

  /**
   * Reads on to a word of `stops` at this level, a closing bracket or the end. `call`: upper-case name of the function whose
   * arguments these are. `stopAtComma`: a comma ends it too (ON clauses).
   */
  expression(scope: Scope, stops: ReadonlySet<string>, call = '', stopAtComma = false): void {
    const { reader } = this;
    for (;;) {
      const token = reader.peek();
      if (token === undefined) return;
      if (token.kind === 'punct') {
        if (token.text === ')' || (stopAtComma && token.text === ',')) return;
        if (token.text === '(') this.bracketed(scope);
        else if (token.text === '.') reader.fail('SQL_NOT_UNDERSTOOD', 'a dot without a name before it');
        else reader.next();
      } else if (token.kind === 'word') {
        if (reader.isPunct('.', 1)) this.qualified(scope);
        else if (stops.has(token.text) && !this.isSideFunction(token)) return;
        else this.word(token, scope, call);
      } else if (token.kind === 'ident') {
        if (reader.isPunct('.', 1)) this.qualified(scope);
        else if (reader.isPunct('(', 1)) reader.fail('SQL_FUNCTION', 'a stored function');
        else reader.next();
      } else {
        reader.next();
      }
    }
  }

  /** LEFT(…) and RIGHT(…) are functions; without a bracket they begin a join. */
  private isSideFunction(token: Token): boolean {
    return (token.text === 'LEFT' || token.text === 'RIGHT') && this.reader.isPunct('(', 1);
  }

  private qualified(scope: Scope): void {
    const { reader } = this;
    const parts: Token[] = [reader.next()];
    while (reader.isPunct('.')) {
      reader.next();
      if (reader.takePunct('*')) {
        this.qualifier(parts, scope);
        return;
      }
      parts.push(reader.name());
    }
    if (reader.isPunct('(')) reader.fail('SQL_FUNCTION', 'a stored function', parts[0]);
    if (parts.length > 3) reader.fail('SQL_NOT_UNDERSTOOD', 'a name of more than three parts', parts[0]);
    this.qualifier(parts.slice(0, -1), scope);
  }

  private qualifier(parts: Token[], scope: Scope): void {
    const table = parts.at(-1) as Token;
    const schema = parts.length === 2 ? parts[0] : undefined;
    if (parts.length > 2) this.reader.fail('SQL_NOT_UNDERSTOOD', 'a name of too many parts', parts[0]);
    this.found.qualifiers.push({ ...(schema && { schema }), table, name: this.reader.nameOf(table), scope });
  }

  private word(token: Token, scope: Scope, call: string): void {
    const { reader } = this;
    if (reader.isPunct('(', 1)) {
      this.beforeBracket(token, scope, call);
      return;
    }
    if (!notInExpression.has(token.text)) {
      if ((token.text === 'NEXT' || token.text === 'PREVIOUS') && reader.isWord('VALUE', 1)) {
        reader.fail('SQL_SEQUENCE', 'a sequence');
      }
      reader.next();
      return;
    }
    const isFullText = token.text === 'NATURAL' && call === 'AGAINST';
    if (isFullText || (token.text === 'FROM' && fromCalls.has(call))) reader.next();
    else if (token.text === 'FOR') this.lockingClause(call);
    else if (token.text === 'LOCK') this.lockInShareMode();
    else if (token.text === 'INTO') this.intoVariables();
    else if (token.text === 'WITH' && withInExpression.some((word) => reader.isWord(word, 1))) reader.next();
    else if (token.text === 'SET' && reader.isWord('CHARACTER', -1)) reader.next();
    else if (token.text === 'PROCEDURE') reader.fail('SQL_PROCEDURE', 'PROCEDURE');
    else if (token.text === 'WITH') reader.fail('SQL_NESTED_WITH', 'a nested WITH');
    else reader.fail('SQL_NOT_UNDERSTOOD', 'an unexpected word');
  }

  private beforeBracket(token: Token, scope: Scope, call: string): void {
    const { reader } = this;
    const { text } = token;
    if (lockFunctions.has(text)) reader.fail('SQL_LOCK_FUNCTION', 'a named lock');
    if (sequenceFunctions.has(text)) reader.fail('SQL_SEQUENCE', 'a sequence');
    if (fileFunctions.has(text)) reader.fail('SQL_FILE', 'a file');
    if (functions.has(text)) {
      reader.next();
      this.bracketed(scope, text);
      return;
    }
    const isType = reader.isWord('AS', -1) || (call === 'CONVERT' && reader.isPunct(',', -1) && convertTypes.has(text));
    if (!isType && !beforeBracket.has(text)) {
      if (notInExpression.has(text)) reader.fail('SQL_NOT_UNDERSTOOD', 'an unexpected word');
      reader.fail('SQL_FUNCTION', 'a function that is not built in');
    }
    reader.next();
  }

  private lockingClause(call: string): void {
    const { reader } = this;
    const token = reader.next();
    if (reader.isWord('UPDATE') || reader.isWord('SHARE')) {
      reader.next();
      this.found.lockedAt ??= token.start;
    } else if (reader.isWord('SYSTEM_TIME') || reader.isWord('PORTION')) {
      reader.fail('SQL_SYSTEM_TIME', 'a temporal clause', token);
    } else if (!fromCalls.has(call)) {
      reader.fail('SQL_NOT_UNDERSTOOD', 'an unexpected FOR', token);
    }
  }

  private lockInShareMode(): void {
    const token = this.reader.peek() as Token;
    if (!this.reader.takeWords('LOCK', 'IN', 'SHARE', 'MODE'))
      this.reader.fail('SQL_NOT_UNDERSTOOD', 'an unexpected LOCK');
    this.found.lockedAt ??= token.start;
  }

  private intoVariables(): void {
    const { reader } = this;
    if (reader.isWord('OUTFILE', 1) || reader.isWord('DUMPFILE', 1)) reader.fail('SQL_FILE', 'INTO a file');
    if (reader.peek(1)?.kind !== 'variable') reader.fail('SQL_NOT_UNDERSTOOD', 'an unexpected INTO');
    do {
      reader.next();
      if (reader.peek()?.kind === 'variable') reader.next();
    } while (reader.isPunct(',') && reader.peek(1)?.kind === 'variable');
  }
}
