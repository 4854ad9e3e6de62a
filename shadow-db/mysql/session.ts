import { inner } from './expression.js';
import { isAscii } from './tables.js';
import { firstWord, T, W, wordText } from './words.js';
import { WriteParser } from './write.js';

/** SHOW … that name no table: what may follow SHOW [FULL|GLOBAL|SESSION|LOCAL]. */
const plainShows = new Set(
  'VARIABLES STATUS WARNINGS ERRORS COUNT COLLATION CHARACTER CHARSET ENGINES STORAGE DATABASES SCHEMAS PLUGINS PRIVILEGES'.split(
    ' ',
  ),
);
/** Session variables whose change would make this rewriter's reading, or the isolation, wrong. */
const refusedSettings = new Set(
  `sql_mode old_mode sql_log_bin sql_log_off gtid_next gtid_domain_id gtid_seq_no server_id pseudo_thread_id pseudo_slave_mode
   pseudo_replica_mode system_versioning_asof system_versioning_alter_history default_database init_connect skip_replication
   wsrep_on standard_compliant_cte innodb_ft_user_stopword_table`.split(/\s+/),
);
const refusedSettingWords = new Set('PASSWORD ROLE DEFAULT STATEMENT RESOURCE GLOBAL PERSIST PERSIST_ONLY'.split(' '));
/**
 * The driver goes on sending UTF-8, whatever the server is told. Read as one of these it has no byte that looks like a quote, a
 * backslash or a blank; in latin1 the second byte of "à" is a blank.
 */
const safeCharacterSets = new Set('utf8 utf8mb3 utf8mb4 ascii binary'.split(' '));

const isolationLevels = new Set(['read-uncommitted', 'read-committed', 'repeatable-read', 'serializable']);

/** Statements about the session, transactions, locks and what a table looks like. */
export abstract class SessionParser extends WriteParser {
  /** Upper-case text of the token there, for words and names alike. */
  private wordThere(ahead = 0): string {
    const id = this.peek(ahead);
    if (id >= firstWord) return wordText(id);
    return id === T.word ? this.textOf(this.at + ahead).toUpperCase() : '';
  }

  private takeChain(): void {
    if (this.take(W.AND)) {
      this.take(W.NO);
      this.expect(W.CHAIN, 'CHAIN');
    }
    if (this.take(W.NO)) this.expect(W.RELEASE, 'RELEASE');
    else this.take(W.RELEASE);
  }

  private wordsAndCommas(): void {
    while (this.peek() === 44 || this.peek() === T.word || this.peek() >= firstWord) this.at += 1;
  }

  protected transaction(): boolean {
    if (this.takeTwo(W.START, W.TRANSACTION)) {
      this.wordsAndCommas();
      this.verb = 'begin';
    } else if (this.take(W.BEGIN)) {
      this.take(W.WORK);
      this.verb = 'begin';
    } else if (this.take(W.COMMIT)) {
      this.take(W.WORK);
      this.takeChain();
      this.verb = 'commit';
    } else if (this.take(W.ROLLBACK)) {
      this.take(W.WORK);
      this.verb = 'rollback';
      if (this.take(W.TO)) {
        this.take(W.SAVEPOINT);
        this.name();
        this.verb = 'rollback-to';
      } else this.takeChain();
    } else if (this.take(W.SAVEPOINT)) {
      this.name();
      this.verb = 'savepoint';
    } else if (this.takeTwo(W.RELEASE, W.SAVEPOINT)) {
      this.name();
      this.verb = 'release-savepoint';
    } else {
      return false;
    }
    return true;
  }

  protected truncate(): void {
    if (!this.options.truncate) this.fail('SQL_TRUNCATE', 'TRUNCATE');
    this.at += 1;
    this.take(W.TABLE);
    this.uses.push(this.tableName(true));
    this.verb = 'truncate';
  }

  private expectTables(): void {
    if (!this.take(W.TABLES)) this.expect(W.TABLE, 'TABLES');
  }

  /** LOCK TABLES t [[AS] a] READ [LOCAL] | [LOW_PRIORITY] WRITE, … */
  protected lockTables(): void {
    const start = this.at;
    this.at += 1;
    this.expectTables();
    do {
      const use = this.tableName(false);
      use.aliasAt = this.lastEnd();
      if (this.peek() !== W.LOW_PRIORITY) this.alias(use);
      const typeStart = this.starts[this.at]!;
      if (this.take(W.READ)) this.take(W.LOCAL);
      else {
        this.take(W.LOW_PRIORITY);
        this.expect(W.WRITE, 'READ or WRITE');
      }
      use.lock = { end: this.lastEnd(), type: this.sql.slice(typeStart, this.lastEnd()) };
      this.uses.push(use);
    } while (this.take(44));
    this.locks(start);
    this.verb = 'lock';
  }

  protected unlockTables(): void {
    this.at += 1;
    this.expectTables();
    this.verb = 'unlock';
  }

  protected abstract dataStatement(): boolean;
  protected abstract selectQuery(): void;

  protected explain(): void {
    this.at += 1;
    if (this.peek() === W.FOR) this.fail('SQL_ADMIN', 'EXPLAIN of another connection');
    const options = this.at;
    let analyzed = false;
    for (;;) {
      if (this.peek() === W.FORMAT && this.peek(1) === 61) this.at += 3;
      else if (this.take(W.ANALYZE)) analyzed = true;
      else if (!this.take(W.EXTENDED) && !this.take(W.PARTITIONS)) break;
    }
    const id = this.peek();
    if (id === T.end) this.fail('SQL_NOT_UNDERSTOOD', 'expected a statement or a table');
    const isStatement =
      id === W.SELECT ||
      id === W.INSERT ||
      id === W.REPLACE ||
      id === W.UPDATE ||
      id === W.DELETE ||
      id === W.WITH ||
      id === 40;
    if (isStatement) {
      if (id === W.WITH) this.commonTableExpressions();
      if (this.peek() === 40) this.selectQuery();
      else this.dataStatement();
      // MySQL runs what it analyzes
      if (analyzed && this.verb !== 'select') this.fail('SQL_NOT_UNDERSTOOD', 'expected SELECT', options);
      this.explained = this.verb;
      this.verb = 'explain';
      return;
    }
    // `describe extended x` is the column x of a table `extended`
    if (this.at !== options) this.fail('SQL_NOT_UNDERSTOOD', 'expected a statement');
    this.uses.push(this.tableName(false));
    if (this.atName() || this.peek() === T.string) this.at += 1;
    this.verb = 'describe';
  }

  private takeFrom(): boolean {
    return this.take(W.FROM) || this.take(W.IN);
  }

  protected show(): void {
    this.at += 1;
    this.verb = 'show';
    while (['FULL', 'EXTENDED', 'GLOBAL', 'SESSION', 'LOCAL'].includes(this.wordThere())) this.at += 1;
    const what = this.at;
    const text = this.wordThere();
    if (plainShows.has(text)) {
      this.at += 1;
      if (text === 'COUNT' && this.take(40)) {
        this.expect(42, '"*"');
        this.expect(41, '")"');
      }
      this.showFilter();
    } else if (this.take(W.TABLES) || this.takeTwo(W.TABLE, W.STATUS)) {
      if (this.takeFrom()) this.schemas.push(this.name());
      this.showFilter();
    } else if (['COLUMNS', 'FIELDS', 'INDEX', 'INDEXES', 'KEYS'].includes(text)) {
      this.at += 1;
      this.showOfTable();
    } else if (this.takeTwo(W.CREATE, W.TABLE) || this.takeTwo(W.CREATE, W.VIEW)) {
      this.uses.push(this.tableName(false));
    } else {
      this.fail('SQL_ADMIN', 'a SHOW that is not on the list', what);
    }
  }

  private showOfTable(): void {
    if (!this.takeFrom()) this.fail('SQL_NOT_UNDERSTOOD', 'expected FROM');
    const use = this.tableName(false);
    if (this.takeFrom()) {
      if (use.schema !== -1) this.fail('SQL_NOT_UNDERSTOOD', 'two schemas');
      use.schema = this.name();
      use.database = this.nameOf(use.schema);
    }
    this.uses.push(use);
    this.showFilter();
  }

  /** [LIKE '…' | WHERE expression] [LIMIT …] */
  private showFilter(): void {
    this.take(W.WHERE);
    this.expression(inner(undefined), 0);
  }

  protected set(): void {
    const start = this.at;
    this.at += 1;
    this.verb = 'set';
    if (this.peek() === W.GLOBAL) this.fail('SQL_SET', 'a global setting', start);
    const scoped = this.peek() === W.SESSION || this.peek() === W.LOCAL ? 1 : 0;
    if (this.peek(scoped) === W.TRANSACTION) {
      while (this.peek() === 44 || this.peek() === T.word || this.peek() >= firstWord) {
        this.isolation();
        this.at += 1;
      }
      return;
    }
    do this.setting();
    while (this.take(44));
  }

  private setting(): void {
    if (this.take(W.NAMES)) {
      this.characterSet();
      if (this.take(W.COLLATE)) this.at += 1;
      return;
    }
    if (this.takeTwo(W.CHARACTER, W.SET) || this.take(W.CHARSET)) {
      this.characterSet();
      return;
    }
    if (refusedSettingWords.has(this.wordThere())) this.fail('SQL_SET', 'a setting that is refused');
    if (!this.take(W.SESSION)) this.take(W.LOCAL);
    const target = this.at;
    const isVariable = this.peek() === T.variable;
    if (!isVariable && !this.atName()) this.fail('SQL_NOT_UNDERSTOOD', 'expected a variable');
    this.at += 1;
    if (!isVariable || this.textOf(target).startsWith('@@')) this.systemVariable(target);
    this.take(58);
    this.expect(61, '"="');
    if (this.wordThere() === 'ON' || this.wordThere() === 'BINARY') this.at += 1;
    else this.expression(inner(undefined), 0, 0, true);
  }

  private systemVariable(target: number): void {
    const name = this.nameOf(target)
      .toLowerCase()
      .replaceAll('`', '')
      .replace(/^@@(?:session\.|local\.)?/, '');
    if (/^(?:global|persist|persist_only)\./.test(name)) this.fail('SQL_SET', 'a global setting', target);
    // servers fold letters beyond ASCII: another spelling of sql_mode could be one
    if (this.peek() === 46 || name.includes('.') || refusedSettings.has(name) || !isAscii(name)) {
      this.fail('SQL_SET', 'a setting that is refused', target);
    }
    const value = this.at + (this.peek() === 58 ? 2 : 1);
    if (name === 'character_set_client') this.safeCharacterSet(this.literal(value));
    if (name === 'tx_isolation' || name === 'transaction_isolation') {
      if (!isolationLevels.has(this.bareText(this.literal(value)))) this.fail('SQL_SET', 'an isolation level', value);
      this.isolation(value);
    }
  }

  /** SERIALIZABLE makes every read of a transaction a locking one. */
  private isolation(token = this.at): void {
    if (!this.options.readsReal || this.bareText(token) !== 'serializable') return;
    this.fail('SQL_REAL_LOCK', 'reads of a SERIALIZABLE transaction lock', token);
  }

  /** A value that is one token: `ascii(char(28))` begins with the name of a harmless character set, and gives the number of gbk. */
  private literal(token: number): number {
    const next = this.ids[token + 1];
    if (next !== 44 && next !== T.end) this.fail('SQL_SET', 'a value that is not known from the text', token);
    return token;
  }

  private bareText(token: number): string {
    return this.textOf(token)
      .toLowerCase()
      .replace(/^['"`]|['"`]$/g, '');
  }

  private characterSet(): void {
    this.safeCharacterSet(this.at);
    this.at += 1;
  }

  private safeCharacterSet(token: number): void {
    const text = this.bareText(token);
    const { encoding } = this.options;
    if (encoding === 'latin1' ? text === 'latin1' : encoding !== 'other' && safeCharacterSets.has(text)) return;
    this.fail('SQL_SET', 'a character set', token);
  }
}
