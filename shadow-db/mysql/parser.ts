import type { SqlRefusalCode } from '../codes.js';
import type { ParseOptions } from './reader.js';
import { SessionParser } from './session.js';
import { firstWord, T, W } from './words.js';

/** First words that are always refused, and why. */
const refusedVerbs = new Map<string, SqlRefusalCode>();
const refuse = (code: SqlRefusalCode, words: string): void => {
  for (const word of words.split(/\s+/)) refusedVerbs.set(word, code);
};
refuse('SQL_DDL', 'CREATE ALTER DROP RENAME');
refuse('SQL_PROCEDURE', 'CALL DO HANDLER');
refuse('SQL_DYNAMIC', 'PREPARE EXECUTE DEALLOCATE');
refuse('SQL_FILE', 'LOAD IMPORT');
refuse('SQL_USE', 'USE');
refuse('SQL_XA', 'XA');
refuse(
  'SQL_ADMIN',
  `GRANT REVOKE FLUSH KILL RESET SHUTDOWN PURGE ANALYZE OPTIMIZE CHECK REPAIR CHECKSUM CACHE INSTALL UNINSTALL BINLOG CHANGE
   STOP HELP CLONE RESTART BACKUP SIGNAL RESIGNAL GET DECLARE START`,
);

/**
 * Reads statements, one at a time; afterwards its fields tell what was found. It reads clauses, not grammar: what is not certain
 * is refused.
 */
export class Parser extends SessionParser {
  private readonly suffixEnd: number;

  /** `suffix`: of shadow tables; a qualifier whose last character is another one cannot name one. */
  constructor(suffix: string) {
    super();
    this.suffixEnd = suffix.charCodeAt(suffix.length - 1) | 0x20;
  }

  /** Throws Refusal for all that is not understood or not allowed. */
  parse(sql: string, options: ParseOptions): void {
    this.open(sql, options);
    this.depth = 0;
    this.lastBlock = undefined;
    this.forgetCommonTables();
    const { lexer } = this;
    if (lexer.count === 0) this.fail('SQL_EMPTY', 'no statement');
    if (lexer.separator !== -1) this.fail('SQL_MULTI_STATEMENT', 'several statements', lexer.separator);
    if (lexer.wordBeforeDot !== -1) this.fail('SQL_NOT_UNDERSTOOD', 'a keyword before a dot', lexer.wordBeforeDot);
    if (options.oracle) this.oracleStatement();
    else this.statement();
    if (this.peek() !== T.end) this.fail('SQL_NOT_UNDERSTOOD', 'the statement goes on where its end was expected');
  }

  private statement(): void {
    const isWith = this.peek() === W.WITH;
    if (isWith) this.commonTableExpressions();
    const id = this.peek();
    if (id === 40) this.selectQuery();
    else if (id === T.end) this.fail('SQL_NOT_UNDERSTOOD', 'the statement ends too early');
    else if (isWith && id !== W.SELECT && id !== W.UPDATE && id !== W.DELETE && id !== W.VALUES) {
      this.fail('SQL_NOT_UNDERSTOOD', 'expected SELECT, UPDATE or DELETE after WITH');
    } else if (!this.dataStatement()) this.otherStatement(id);
  }

  /** In sql_mode ORACLE, BEGIN opens a block and much of the grammar is another one. */
  private oracleStatement(): void {
    if (this.peek() === W.BEGIN || !this.transaction()) {
      this.fail('SQL_ORACLE_MODE', 'a statement in sql_mode ORACLE', 0);
    }
  }

  protected selectQuery(): void {
    this.verb = 'select';
    this.query(undefined);
  }

  protected dataStatement(): boolean {
    switch (this.peek()) {
      case W.SELECT:
      case W.VALUES:
        this.selectQuery();
        return true;
      case W.INSERT:
        this.insert('insert');
        return true;
      case W.REPLACE:
        this.insert('replace');
        return true;
      case W.UPDATE:
        this.update();
        return true;
      case W.DELETE:
        this.delete();
        return true;
      case W.TRUNCATE:
        this.truncate();
        return true;
      case W.EXPLAIN:
      case W.DESCRIBE:
      case W.DESC:
        this.explain();
        return true;
      default:
        return false;
    }
  }

  private otherStatement(id: number): void {
    switch (id) {
      case W.LOCK:
        this.lockTables();
        return;
      case W.UNLOCK:
        this.unlockTables();
        return;
      case W.SHOW:
        this.show();
        return;
      case W.SET:
        this.set();
        return;
      default:
        if (this.transaction()) return;
    }
    const isWord = id >= firstWord || id === T.word;
    const code = isWord ? refusedVerbs.get(this.textOf(this.at).toUpperCase()) : undefined;
    this.fail(
      code ?? 'SQL_NOT_UNDERSTOOD',
      code ? 'a statement that shadow traffic may not send' : 'expected a statement',
    );
  }

  protected mayBeShadow(token: number): boolean {
    const end = this.ends[token]!;
    const last = this.sql.charCodeAt(end - 1);
    return ((last === 96 || last === 34 ? this.sql.charCodeAt(end - 2) : last) | 0x20) === this.suffixEnd;
  }
}
