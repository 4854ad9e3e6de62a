import type { SqlRefusalCode } from '../codes.js';
import type { Token } from './lexer.js';
import type { Reader } from './reader.js';
import type { Scope, Statement } from './statement.js';
import { afterTable, notInExpression } from './words.js';
import { WriteParser } from './write.js';

/** First words that are always refused, and why. */
const refusedVerbs: Record<string, SqlRefusalCode> = {
  CREATE: 'SQL_DDL',
  ALTER: 'SQL_DDL',
  DROP: 'SQL_DDL',
  RENAME: 'SQL_DDL',
  CALL: 'SQL_PROCEDURE',
  DO: 'SQL_PROCEDURE',
  HANDLER: 'SQL_PROCEDURE',
  PREPARE: 'SQL_DYNAMIC',
  EXECUTE: 'SQL_DYNAMIC',
  DEALLOCATE: 'SQL_DYNAMIC',
  LOAD: 'SQL_FILE',
  IMPORT: 'SQL_FILE',
  USE: 'SQL_USE',
  XA: 'SQL_XA',
  START: 'SQL_ADMIN',
};
for (const word of `GRANT REVOKE FLUSH KILL RESET SHUTDOWN PURGE ANALYZE OPTIMIZE CHECK REPAIR CHECKSUM CACHE INSTALL UNINSTALL
  BINLOG CHANGE STOP HELP CLONE RESTART BACKUP SIGNAL RESIGNAL GET DECLARE`.split(/\s+/)) {
  refusedVerbs[word] = 'SQL_ADMIN';
}

/** SHOW … that name no table: what may follow SHOW [FULL|GLOBAL|SESSION|LOCAL]. */
const plainShows = new Set(
  'VARIABLES STATUS WARNINGS ERRORS COUNT COLLATION CHARACTER CHARSET ENGINES STORAGE DATABASES SCHEMAS PLUGINS PRIVILEGES'.split(
    ' ',
  ),
);
/** Session variables whose change would make this rewriter's reading, or the isolation, wrong. */
const refusedSettings = new Set(
  `sql_mode old_mode sql_log_bin sql_log_off gtid_next gtid_domain_id gtid_seq_no server_id pseudo_thread_id pseudo_slave_mode
   pseudo_replica_mode system_versioning_asof system_versioning_alter_history default_database init_connect`.split(
    /\s+/,
  ),
);
/** In these character sets no byte of a longer character looks like a quote or a backslash. */
const safeCharacterSets = new Set('utf8 utf8mb3 utf8mb4 latin1 ascii binary default'.split(' '));
const none: ReadonlySet<string> = new Set();

export interface ParseOptions {
  truncate: boolean;
}

/** Reads one statement. Throws Refusal for all that is not understood or not allowed. */
export function parse(sql: string, tokens: readonly Token[], options: ParseOptions): Statement {
  const parser = new StatementParser(sql, withoutEnd(tokens));
  parser.statement(options);
  parser.reader.expectEnd();
  return parser.found;
}

/** Drops one ";" at the end. Any other makes several statements. */
function withoutEnd(tokens: readonly Token[]): readonly Token[] {
  const last = tokens.at(-1);
  return last !== undefined && last.kind === 'punct' && last.text === ';' ? tokens.slice(0, -1) : tokens;
}

class StatementParser extends WriteParser {
  statement(options: ParseOptions): void {
    const { found } = this;
    const reader: Reader = this.reader;
    const first = reader.peek();
    if (first === undefined) reader.fail('SQL_EMPTY', 'no statement');
    const separator = reader.tokens.find((token) => token.kind === 'punct' && token.text === ';');
    if (separator !== undefined) reader.fail('SQL_MULTI_STATEMENT', 'several statements', separator);
    this.checkDots();
    if (reader.isWord('WITH')) this.commonTableExpressions();
    const verb = reader.peek();
    if (verb === undefined) reader.fail('SQL_NOT_UNDERSTOOD', 'the statement ends too early');
    if (verb.kind === 'punct' && verb.text === '(') this.selectQuery();
    else if (verb.kind !== 'word') reader.fail('SQL_NOT_UNDERSTOOD', 'expected a statement');
    else if (verb !== first && !['SELECT', 'UPDATE', 'DELETE', 'VALUES'].includes(verb.text)) {
      reader.fail('SQL_NOT_UNDERSTOOD', 'expected SELECT, UPDATE or DELETE after WITH');
    } else if (!this.dataStatement(verb.text, options)) this.otherStatement(verb);
    if (found.verb === 'other') reader.fail('SQL_NOT_UNDERSTOOD', 'expected a statement', first);
  }

  /**
   * `from.x` is a qualified name, but `from .x` and ``from.`x` `` are the keyword and a table of the old form `.x`: the server
   * sees a name before a dot only when a letter follows the dot directly.
   */
  private checkDots(): void {
    const { reader } = this;
    for (const [index, token] of reader.tokens.entries()) {
      if (token.kind !== 'word' || !(notInExpression.has(token.text) || afterTable.has(token.text))) continue;
      const dot = reader.tokens[index + 1];
      if (dot === undefined || dot.kind !== 'punct' || dot.text !== '.') continue;
      const joined = dot.start === token.end && /[\w$\u0080-\uffff]/.test(reader.sql[dot.end] ?? '');
      if (!joined) reader.fail('SQL_NOT_UNDERSTOOD', 'a keyword before a dot', token);
    }
  }

  private selectQuery(): void {
    this.found.verb = 'select';
    this.query(undefined);
  }

  private dataStatement(verb: string, options: ParseOptions): boolean {
    switch (verb) {
      case 'SELECT':
      case 'VALUES':
        this.selectQuery();
        return true;
      case 'INSERT':
        this.insert('insert');
        return true;
      case 'REPLACE':
        this.insert('replace');
        return true;
      case 'UPDATE':
        this.update();
        return true;
      case 'DELETE':
        this.delete();
        return true;
      case 'TRUNCATE':
        this.truncate(options);
        return true;
      case 'EXPLAIN':
      case 'DESCRIBE':
      case 'DESC':
        this.explain();
        return true;
      default:
        return false;
    }
  }

  private otherStatement(verb: Token): void {
    const { reader } = this;
    switch (verb.text) {
      case 'LOCK':
        this.lockTables();
        return;
      case 'UNLOCK':
        reader.next();
        if (!reader.takeWords('TABLES') && !reader.takeWords('TABLE'))
          reader.fail('SQL_NOT_UNDERSTOOD', 'expected TABLES');
        this.found.verb = 'unlock';
        return;
      case 'SHOW':
        this.show();
        return;
      case 'SET':
        this.set();
        return;
      default:
        if (this.transaction()) return;
        reader.fail(
          refusedVerbs[verb.text] ?? 'SQL_NOT_UNDERSTOOD',
          'a statement that shadow traffic may not send',
          verb,
        );
    }
  }

  private transaction(): boolean {
    const { reader, found } = this;
    if (reader.takeWords('START', 'TRANSACTION')) {
      while (reader.peek()?.kind === 'word' || reader.isPunct(',')) reader.next();
      found.verb = 'begin';
    } else if (reader.takeWords('BEGIN')) {
      reader.takeWords('WORK');
      found.verb = 'begin';
    } else if (reader.isWord('COMMIT') || reader.isWord('ROLLBACK')) {
      found.verb = reader.next().text === 'COMMIT' ? 'commit' : 'rollback';
      reader.takeWords('WORK');
      if (found.verb === 'rollback' && reader.takeWords('TO')) {
        reader.takeWords('SAVEPOINT');
        reader.name();
        found.verb = 'rollback-to';
      } else {
        if (!reader.takeWords('AND', 'NO', 'CHAIN')) reader.takeWords('AND', 'CHAIN');
        if (!reader.takeWords('NO', 'RELEASE')) reader.takeWords('RELEASE');
      }
    } else if (reader.takeWords('SAVEPOINT')) {
      reader.name();
      found.verb = 'savepoint';
    } else if (reader.takeWords('RELEASE', 'SAVEPOINT')) {
      reader.name();
      found.verb = 'release-savepoint';
    } else {
      return false;
    }
    return true;
  }

  private truncate(options: ParseOptions): void {
    const { reader } = this;
    if (!options.truncate) reader.fail('SQL_TRUNCATE', 'TRUNCATE');
    reader.next();
    reader.takeWords('TABLE');
    this.found.uses.push(this.tableName(true));
    this.found.verb = 'truncate';
  }

  /** LOCK TABLES t [[AS] a] READ [LOCAL] | [LOW_PRIORITY] WRITE, … */
  private lockTables(): void {
    const { reader, found } = this;
    const start = reader.next();
    if (!reader.takeWords('TABLES') && !reader.takeWords('TABLE')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected TABLES');
    do {
      const use = this.tableName(false);
      use.aliasAt = reader.lastEnd();
      if (!reader.isWord('LOW_PRIORITY')) this.alias(use);
      const tailStart = reader.peek()?.start ?? 0;
      if (reader.takeWords('READ')) reader.takeWords('LOCAL');
      else {
        reader.takeWords('LOW_PRIORITY');
        if (!reader.takeWords('WRITE')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected READ or WRITE');
      }
      use.lockEntry = { end: reader.lastEnd(), tail: reader.sql.slice(tailStart, reader.lastEnd()) };
      found.uses.push(use);
    } while (reader.takePunct(','));
    found.lockedAt = start.start;
    found.verb = 'lock';
  }

  private explain(): void {
    const { found } = this;
    const reader: Reader = this.reader;
    reader.next();
    if (reader.isWord('FOR')) reader.fail('SQL_ADMIN', 'EXPLAIN of another connection');
    for (;;) {
      if (reader.isWord('FORMAT') && reader.isPunct('=', 1)) {
        reader.next();
        reader.next();
        reader.next();
      } else if (!reader.takeWords('EXTENDED') && !reader.takeWords('PARTITIONS') && !reader.takeWords('ANALYZE'))
        break;
    }
    const verb = reader.peek();
    if (verb === undefined) reader.fail('SQL_NOT_UNDERSTOOD', 'expected a statement or a table');
    const isStatement = ['SELECT', 'INSERT', 'REPLACE', 'UPDATE', 'DELETE', 'WITH'].some((word) => reader.isWord(word));
    if (isStatement || reader.isPunct('(')) {
      if (reader.isWord('WITH')) this.commonTableExpressions();
      if (reader.isPunct('(')) this.selectQuery();
      else this.dataStatement(reader.peek()?.text ?? '', { truncate: false });
    } else {
      found.uses.push(this.tableName(false));
      if (reader.atName() || reader.peek()?.kind === 'string') reader.next();
    }
    found.verb = isStatement || verb.kind === 'punct' ? 'explain' : 'describe';
  }

  private show(): void {
    const { reader, found } = this;
    reader.next();
    found.verb = 'show';
    while (['FULL', 'EXTENDED', 'GLOBAL', 'SESSION', 'LOCAL'].some((word) => reader.isWord(word))) reader.next();
    const what = reader.peek();
    if (what?.kind === 'word' && plainShows.has(what.text)) {
      reader.next();
      if (what.text === 'COUNT' && reader.takePunct('(')) {
        reader.expectPunct('*');
        reader.expectPunct(')');
      }
      this.showFilter();
    } else if (reader.takeWords('TABLES') || reader.takeWords('TABLE', 'STATUS')) {
      if (reader.takeWords('FROM') || reader.takeWords('IN')) found.schemas.push(reader.name());
      this.showFilter();
    } else if (['COLUMNS', 'FIELDS', 'INDEX', 'INDEXES', 'KEYS'].some((word) => reader.takeWords(word))) {
      if (!reader.takeWords('FROM') && !reader.takeWords('IN')) reader.fail('SQL_NOT_UNDERSTOOD', 'expected FROM');
      const use = this.tableName(false);
      if (reader.takeWords('FROM') || reader.takeWords('IN')) {
        if (use.schema !== undefined) reader.fail('SQL_NOT_UNDERSTOOD', 'two schemas');
        use.schema = reader.name();
      }
      found.uses.push(use);
      this.showFilter();
    } else if (reader.takeWords('CREATE', 'TABLE') || reader.takeWords('CREATE', 'VIEW')) {
      found.uses.push(this.tableName(false));
    } else {
      reader.fail('SQL_ADMIN', 'a SHOW that is not on the list', what);
    }
  }

  /** [LIKE '…' | WHERE expression] [LIMIT …] */
  private showFilter(): void {
    this.takeWhere();
    this.expression({ names: new Map() }, none);
  }

  private set(): void {
    const { reader, found } = this;
    const start = reader.next();
    found.verb = 'set';
    if (reader.isWord('GLOBAL')) reader.fail('SQL_SET', 'a global setting', start);
    const scoped = reader.isWord('SESSION') || reader.isWord('LOCAL') ? 1 : 0;
    if (reader.isWord('TRANSACTION', scoped)) {
      while (reader.peek()?.kind === 'word' || reader.isPunct(',')) reader.next();
      return;
    }
    do this.setting();
    while (reader.takePunct(','));
  }

  private setting(): void {
    const { reader } = this;
    const scope: Scope = { names: new Map() };
    if (reader.takeWords('NAMES')) {
      this.characterSet();
      if (reader.takeWords('COLLATE')) reader.next();
      return;
    }
    if (reader.takeWords('CHARACTER', 'SET') || reader.takeWords('CHARSET')) {
      this.characterSet();
      return;
    }
    if (
      ['PASSWORD', 'ROLE', 'DEFAULT', 'STATEMENT', 'RESOURCE', 'GLOBAL', 'PERSIST', 'PERSIST_ONLY'].some((word) =>
        reader.isWord(word),
      )
    ) {
      reader.fail('SQL_SET', 'a setting that is refused');
    }
    if (!reader.takeWords('SESSION')) reader.takeWords('LOCAL');
    const target = reader.next();
    if (target.kind !== 'variable' && target.kind !== 'word' && target.kind !== 'ident') {
      reader.fail('SQL_NOT_UNDERSTOOD', 'expected a variable', target);
    }
    if (target.kind !== 'variable' || target.text.startsWith('@@')) this.systemVariable(target);
    reader.takePunct(':');
    reader.expectPunct('=');
    if (reader.isWord('ON') || reader.isWord('BINARY')) reader.next();
    else this.expression(scope, none, '', true);
  }

  private systemVariable(target: Token): void {
    const { reader } = this;
    const name = reader
      .nameOf(target)
      .toLowerCase()
      .replaceAll('`', '')
      .replace(/^@@(?:session\.|local\.)?/, '');
    if (/^(?:global|persist|persist_only)\./.test(name)) reader.fail('SQL_SET', 'a global setting', target);
    if (reader.isPunct('.') || name.includes('.') || refusedSettings.has(name)) {
      reader.fail('SQL_SET', 'a setting that is refused', target);
    }
    if (name === 'character_set_client') {
      const value = reader.peek(1);
      if (value !== undefined && !safeCharacterSets.has(this.plain(value)))
        reader.fail('SQL_SET', 'a character set', value);
    }
  }

  private characterSet(): void {
    const { reader } = this;
    const value = reader.next();
    if (!safeCharacterSets.has(this.plain(value))) reader.fail('SQL_SET', 'a character set', value);
  }

  private plain(token: Token): string {
    const text = this.reader.sql.slice(token.start, token.end).toLowerCase();
    return text.replace(/^['"`]|['"`]$/g, '');
  }
}
