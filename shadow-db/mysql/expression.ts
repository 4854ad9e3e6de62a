import { Reader } from './reader.js';
import { Scope } from './statement.js';
import { F, firstWord, flagsOf, T, W, wordText } from './words.js';

const maxDepth = 100;
/** 1: a value or punctuation that goes by. */
const isPlain = new Uint8Array(firstWord).fill(1);
for (const id of [T.end, T.word, T.ident, T.nameParam, 40, 41, 46, 123, 125]) isPlain[id] = 0;

/**
 * Expressions. It reads no grammar: an expression is a run of tokens in which only what can name a table matters. A word that
 * could open a table reference in a place where none is expected is refused.
 */
export abstract class ExpressionParser extends Reader {
  protected depth = 0;
  /** First block of the query whose bracket was closed last. */
  protected lastBlock: Scope | undefined;

  /** A query, from SELECT or VALUES on. Returns the scope of its first block. */
  protected abstract query(parent: Scope | undefined): Scope;
  /** What follows the first term of a query: ORDER BY, LIMIT, further terms. */
  protected abstract restOfQuery(parent: Scope | undefined, scope: Scope): void;

  /**
   * Reads on to a word with one of the flags `stops` at this level, a closing bracket or the end. `call`: the function whose
   * arguments these are. `stopAtComma`: a comma ends it too (ON clauses, assignments).
   */
  protected expression(scope: Scope, stops: number, call = 0, stopAtComma = false): void {
    const { ids } = this;
    const looks = stops | F.special;
    let { at } = this;
    for (;;) {
      const id = ids[at]!;
      if (id >= firstWord) {
        const bracket = ids[at + 1] === 40;
        const flags = flagsOf[id]!;
        if (!bracket && (flags & looks) === 0) {
          at += 1;
          continue;
        }
        this.at = at;
        if ((flags & stops) !== 0 && !(bracket && (id === W.LEFT || id === W.RIGHT))) return;
        if (bracket) this.beforeBracket(id, flags, scope, call);
        else this.special(id, call);
        at = this.at;
      } else if (id <= T.ident) {
        const next = ids[at + 1];
        if (id !== T.end && next !== 46 && next !== 40) {
          at += 1;
          continue;
        }
        // `o.id`, where all tables have aliases: nothing to note
        const after = ids[at + 3];
        if (next === 46 && ids[at + 2] === T.ident && after !== 46 && after !== 40) {
          if (!scope.bare && id !== T.end && !this.mayBeShadow(at)) {
            at += 3;
            continue;
          }
        }
        this.at = at;
        if (id === T.end) return;
        if (next === 46) this.qualified(scope);
        else if (this.isAllowed(id)) this.at += 1;
        else this.fail('SQL_FUNCTION', 'a stored function');
        at = this.at;
      } else if (isPlain[id] === 1 && !(stopAtComma && id === 44)) {
        at += 1;
      } else {
        this.at = at;
        if (id === 41 || id === 44) return;
        this.mark(id, scope);
        at = this.at;
      }
    }
  }

  /** Punctuation that means something. */
  private mark(id: number, scope: Scope): void {
    if (id === 40) {
      this.bracketed(scope);
    } else if (id === T.nameParam) {
      this.boundName();
    } else if (id === 46) {
      this.fail('SQL_NOT_UNDERSTOOD', 'a dot without a name before it');
    } else {
      this.odbcLiteral();
      this.at += 1;
    }
  }

  /** A bracket group from "(" to ")": a query (true; maybe in further brackets) or an expression. */
  protected bracketed(scope: Scope | undefined, call = 0): boolean {
    this.expect(40, '"("');
    this.enter();
    let isQuery = false;
    const id = this.peek();
    if (id === W.WITH) this.fail('SQL_NESTED_WITH', 'a nested WITH');
    if (id === W.SELECT || (id === W.VALUES && call === 0 && !this.isValuesCall())) {
      this.lastBlock = this.query(scope);
      isQuery = true;
    } else if (id === 40) {
      isQuery = this.bracketed(scope) && this.goesOnAsQuery();
      const block = this.lastBlock;
      if (isQuery) this.restOfQuery(scope, inner(scope));
      else this.expression(scope ?? inner(undefined), 0, call);
      this.lastBlock = block;
    } else {
      this.expression(scope ?? inner(undefined), 0, call);
    }
    this.expect(41, '")"');
    this.depth -= 1;
    return isQuery;
  }

  /** `(VALUES …)` where only a query may stand: `VALUES (a)` is no call here. */
  protected valuesInBrackets(scope: Scope | undefined): void {
    this.expect(40, '"("');
    this.enter();
    this.query(scope);
    this.expect(41, '")"');
    this.depth -= 1;
  }

  /** After a query in brackets: the bracket around it is a query too. */
  protected goesOnAsQuery(): boolean {
    this.checkMySqlAlias();
    return this.peek() === 41 || (this.flags() & (F.setOperator | F.queryTail)) !== 0;
  }

  /** Words that begin a clause on MariaDB; on MySQL they may be a table's alias, and a comma goes on with the next table. */
  protected checkMySqlAlias(): void {
    const id = this.peek();
    if ((id === W.OFFSET || id === W.RETURNING || id === W.WINDOW) && this.peek(1) === 44) this.unexpected();
  }

  protected enter(): void {
    this.depth += 1;
    if (this.depth > maxDepth) this.fail('SQL_TOO_DEEP', `more than ${maxDepth} brackets`);
  }

  /** VALUES(column) of ON DUPLICATE KEY UPDATE, against the rows of a table value constructor. */
  private isValuesCall(): boolean {
    if (this.peek(1) !== 40 || !this.atName(2)) return false;
    let ahead = 3;
    while (this.peek(ahead) === 46 && this.atName(ahead + 1)) ahead += 2;
    return this.peek(ahead) === 41;
  }

  /** `{d '2024-04-12'}`, `{t …}`, `{ts …}`; other escapes hold functions or table references. Ends before the "}". */
  private odbcLiteral(): void {
    const isLiteral =
      this.peek() === 123 &&
      (this.peek(2) === T.string || this.peek(2) === T.param) &&
      /^(?:d|t|ts)$/i.test(this.textOf(this.at + 1));
    if (!isLiteral || this.peek(3) !== 125) this.fail('SQL_NOT_UNDERSTOOD', 'an unexpected brace');
    this.at += 3;
  }

  /** A name that the driver puts in later: a column, maybe qualified. It never opens a call or a table reference. */
  private boundName(): void {
    if (this.peek(1) === 40) this.fail('SQL_PLACEHOLDER', 'a function whose name is bound later');
    this.at += 1;
    while (this.take(46)) {
      if (this.take(42)) return;
      if (!this.take(T.nameParam)) this.name();
      if (this.peek() === 40) this.fail('SQL_FUNCTION', 'a stored function');
    }
  }

  private qualified(scope: Scope): void {
    const first = this.at;
    let parts = 1;
    this.at += 1;
    while (this.take(46)) {
      if (this.take(42)) {
        this.qualifier(first, parts, scope);
        return;
      }
      if (!this.take(T.nameParam)) this.name();
      parts += 1;
    }
    if (this.peek() === 40) this.fail('SQL_FUNCTION', 'a stored function', first);
    if (parts > 3) this.fail('SQL_NOT_UNDERSTOOD', 'a name of more than three parts', first);
    this.qualifier(first, parts - 1, scope);
  }

  /** Notes `first` and, with two parts, what follows its dot. Only what may have to change is kept. */
  private qualifier(first: number, parts: number, scope: Scope): void {
    if (parts > 2) this.fail('SQL_NOT_UNDERSTOOD', 'a name of too many parts', first);
    const table = parts === 2 ? first + 2 : first;
    this.note(parts === 2 ? first : -1, table, scope);
  }

  protected note(schema: number, table: number, scope: Scope): void {
    if (this.ids[table] === T.nameParam) return;
    if (scope.bare || (schema !== -1 && this.options.schemaMode) || this.mayBeShadow(table)) {
      this.qualifiers.push({ schema, table, scope });
    }
  }

  /** A cheap guess: the last character is that of the suffix. */
  protected abstract mayBeShadow(token: number): boolean;

  /** A word that is not followed by "(" and means something. */
  private special(id: number, call: number): void {
    const next = this.peek(1);
    const callFlags = flagsOf[call]!;
    switch (id) {
      case W.NEXT:
      case W.PREVIOUS:
        if (next === W.VALUE) this.fail('SQL_SEQUENCE', 'a sequence');
        break;
      case W.NATURAL:
        if (call !== W.AGAINST) this.unexpected();
        break;
      case W.FROM:
        if ((callFlags & F.fromCall) === 0) this.unexpected();
        break;
      case W.FOR:
        this.lockingClause((callFlags & F.fromCall) !== 0);
        return;
      case W.LOCK:
        this.lockInShareMode();
        return;
      case W.INTO:
        this.intoVariables();
        return;
      case W.WITH:
        if (next !== W.ROLLUP && next !== W.QUERY && next !== W.TIES) this.fail('SQL_NESTED_WITH', 'a nested WITH');
        break;
      case W.SET:
        if (this.peek(-1) !== W.CHARACTER) this.unexpected();
        break;
      case W.PROCEDURE:
        this.fail('SQL_PROCEDURE', 'PROCEDURE');
        break;
      default:
        this.unexpected();
    }
    this.at += 1;
  }

  protected unexpected(): never {
    return this.fail('SQL_NOT_UNDERSTOOD', 'an unexpected word');
  }

  private beforeBracket(id: number, flags: number, scope: Scope, call: number): void {
    if ((flags & (F.function | F.mysqlFunction | F.mariadbFunction)) !== 0) {
      this.checkFunction(flags);
      if (id === W.DEFAULT && this.defaultAt === -1) this.defaultAt = this.starts[this.at]!;
      if (id === W.AGAINST && this.peek(-1) !== 41) this.fail('SQL_FUNCTION', 'AGAINST without MATCH');
      this.at += 1;
      this.bracketed(scope, id);
      if (id === W.POINT) this.checkPoint();
      return;
    }
    if ((flags & F.refusedFunction) !== 0) this.refuseFunction(id);
    // TRIM(… FROM (…)), SUBSTRING(… FROM (…) FOR (…))
    if ((id === W.FROM || id === W.FOR) && (flagsOf[call]! & F.fromCall) !== 0) {
      this.at += 1;
      return;
    }
    const isType =
      this.peek(-1) === W.AS || (call === W.CONVERT && this.peek(-1) === 44 && (flags & F.convertType) !== 0);
    const isMember = id === W.OF && /^member$/i.test(this.textOf(this.at - 1));
    if (!isType && !isMember && (flags & F.beforeBracket) === 0 && !this.isAllowed(id)) {
      if ((flags & F.notInExpression) !== 0) this.unexpected();
      this.fail('SQL_FUNCTION', 'a function that is not built in');
    }
    // LIKE 'x' ESCAPE ('|'); anywhere else a stored function may have the name
    const before = this.peek(-1);
    if (id === W.ESCAPE && before !== T.string && before !== T.param && before !== 41) {
      this.fail('SQL_FUNCTION', 'a function that is not built in');
    }
    this.at += 1;
  }

  /** Named in the configuration as built in. A quoted name is never. */
  private isAllowed(id: number): boolean {
    const { functions } = this.options;
    return functions.size > 0 && id !== T.ident && functions.has(this.textOf(this.at).toLowerCase());
  }

  private checkFunction(flags: number): void {
    const { options } = this;
    if ((flags & F.function) === 0 && !this.isAllowed(this.peek())) {
      const here = options.server === 'mysql' ? F.mysqlFunction : options.server === 'mariadb' ? F.mariadbFunction : 0;
      if ((flags & here) === 0) this.fail('SQL_FUNCTION', 'a function that is not built in on every server');
    }
    if ((flags & F.geometry) !== 0 && this.peek(2) === 41) this.fail('SQL_FUNCTION', 'a constructor without arguments');
    if ((flags & F.spaced) === 0) return;
    const [end, start] = [this.ends[this.at]!, this.starts[this.at + 1]!];
    if (start === end) return;
    for (let at = end; at < start; at += 1) {
      // IGNORE_SPACE skips white space, no comment
      if (this.sql.charCodeAt(at) > 32) this.fail('SQL_FUNCTION', 'a comment makes this a stored function');
    }
    if (options.ignoreSpace === undefined) {
      this.fail('SQL_MODE_AMBIGUOUS', 'without IGNORE_SPACE a blank makes this a stored function');
    }
    if (!options.ignoreSpace) this.fail('SQL_FUNCTION', 'a blank makes this a stored function without IGNORE_SPACE');
  }

  /** POINT takes two arguments; with another number of them the server looks for a stored function. */
  private checkPoint(): void {
    let level = 0;
    let commas = 0;
    let at = this.at - 1;
    for (; at > 0; at -= 1) {
      const id = this.ids[at];
      if (id === 41) level += 1;
      else if (id === 40) level -= 1;
      else if (id === 44 && level === 1) commas += 1;
      if (level === 0) break;
    }
    if (commas !== 1) this.fail('SQL_FUNCTION', 'POINT without two arguments', at - 1);
  }

  private refuseFunction(id: number): never {
    const text = wordText(id);
    if (text.includes('LOCK')) this.fail('SQL_LOCK_FUNCTION', 'a named lock');
    if (text === 'LOAD_FILE') this.fail('SQL_FILE', 'a file');
    return this.fail('SQL_SEQUENCE', 'a sequence');
  }

  private lockingClause(inCall: boolean): void {
    const token = this.at;
    this.at += 1;
    if (this.peek() === W.UPDATE || this.peek() === W.SHARE) {
      this.at += 1;
      this.locks(token);
    } else if (this.peek() === W.SYSTEM_TIME || this.peek() === W.PORTION) {
      this.fail('SQL_SYSTEM_TIME', 'a temporal clause', token);
    } else if (!inCall) {
      this.fail('SQL_NOT_UNDERSTOOD', 'an unexpected FOR', token);
    }
  }

  private lockInShareMode(): void {
    const token = this.at;
    if (!(this.takeTwo(W.LOCK, W.IN) && this.takeTwo(W.SHARE, W.MODE))) {
      this.fail('SQL_NOT_UNDERSTOOD', 'an unexpected LOCK', token);
    }
    this.locks(token);
  }

  protected locks(token: number): void {
    if (this.lockedAt === -1) this.lockedAt = this.starts[token]!;
  }

  protected intoVariables(): void {
    const next = this.peek(1);
    if (next === W.OUTFILE || next === W.DUMPFILE) this.fail('SQL_FILE', 'INTO a file');
    if (next !== T.variable) this.fail('SQL_NOT_UNDERSTOOD', 'an unexpected INTO');
    do this.at += 2;
    while (this.peek() === 44 && this.peek(1) === T.variable);
  }
}

/** The scope of a query block in brackets. */
export function inner(parent: Scope | undefined): Scope {
  return new Scope(parent, parent === undefined ? false : parent.bare);
}
