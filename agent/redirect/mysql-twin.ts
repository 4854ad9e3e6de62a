import type { RewriteContext, RewriteResult, Rewriter, TableRef, Verb } from '@shadowline/shadow-db';
import type { ShadowContext } from '../context.js';
import type { AgentRuntime } from '../runtime.js';
import { countRows, type WriteOutcome } from './mysql-rows.js';
import type { MysqlStore } from './mysql-store.js';
import { TransactionLedger, type WriteEntry } from './transaction-ledger.js';

/** A statement that may go to a shadow store. */
export interface Redirected {
  /** As it is sent. */
  sql: string;
  verb: Verb;
  reads: readonly TableRef[];
  writes: readonly TableRef[];
}

const IN_TRANSACTION = 1;
const FOUND_ROWS = 2;
const DEADLOCK = 1213;
/** As the flag has it (docs/formats/flag.md): nothing that would end a string, in any sql_mode. */
const RUN_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** Variable of the session, with which shadow tables fill their hidden column of this name: how rows know their run. */
const RUN_NAME = 'shadowline_run';
const NAMES_RUN = new RegExp(RUN_NAME, 'i');

/**
 * One connection to a shadow store, for its whole life. Statements are rewritten when they are **sent**: by then the session's sql_mode is known and everything
 * before them is answered. What they wrote is counted when the server has committed it.
 */
export class MysqlTwin {
  readonly store: MysqlStore;
  /** Used once in the wrong mode, or by another run: it is destroyed instead of going back to its pool, since its transaction cannot be trusted. */
  broken = false;
  lost = false;
  readonly ledger: TransactionLedger;
  readonly #runtime: AgentRuntime;
  readonly #prepared = new WeakMap<object, Redirected>();
  #session: RewriteContext = {};
  #ignoresCase = false;
  /** Run that the commands are issued for, and the one that the server has confirmed. */
  #issuedRun: string | undefined;
  #sessionRun: string | undefined;

  constructor(store: MysqlStore, runtime: AgentRuntime) {
    this.store = store;
    this.#runtime = runtime;
    this.ledger = new TransactionLedger((entry) =>
      runtime.ledger.wrote(entry.runId, 'mysql', entry.target, entry.operation, entry.rows),
    );
  }

  /** Asks what the session's text means before anything else is sent. `send` is the driver's own addCommand. */
  start(connection: any, send: (command: any) => void): void {
    const gone = () => {
      this.lost = true;
      this.ledger.lost();
    };
    // an 'error' without a listener would end the process
    connection.on('error', gone);
    connection.on('end', gone);
    this.ask(connection, send);
  }

  /** A reset gives the session the server's settings of that moment, without init_connect: it is asked again, before anything else is sent. */
  ask(connection: any, send: (command: any) => void): void {
    if (!this.store.rewrites) return;
    const options = {
      // names of the isolation level differ by server and version
      sql: `SHOW SESSION VARIABLES WHERE Variable_name IN ('sql_mode', 'version', 'character_set_client', 'lower_case_table_names',
        'tx_isolation', 'transaction_isolation')`,
      rowsAsArray: false,
      nestTables: false,
      typeCast: true,
    };
    const command = connection.constructor.createQuery(options, () => undefined, undefined, connection.config);
    const { start, done } = command;
    command.start = (...args: unknown[]) => {
      this.#session = {};
      return start.apply(command, args);
    };
    // not in the callback: the driver sends the next command before it calls back
    command.done = (...args: unknown[]) => {
      const answer = JSON.stringify(command._rows);
      this.#session = sessionOf(answer, connection.clientEncoding);
      this.#ignoresCase = ignoresCase(answer);
      return done.apply(command, args);
    };
    // without an answer the rewriter reads each statement in every way and refuses where they differ
    send(command);
  }

  /**
   * Tells the session whose rows it writes from now on. Called when a command is issued: commands are sent in this order, so one statement before the first
   * command of another run is enough, and the same run costs nothing. In a transaction it changes nothing.
   * @throws ShadowRefusedError AGENT_NOT_READY
   */
  enterRun(runId: string, connection: any, send: (command: any) => void): void {
    if (this.#issuedRun === runId) return;
    if (!RUN_ID.test(runId)) throw this.#runtime.refuse('AGENT_NOT_READY', `run id ${JSON.stringify(runId)}`);
    this.#issuedRun = runId;
    const options = { sql: `SET @${RUN_NAME} = '${runId}'`, values: undefined };
    const failed = (error: unknown) => {
      if (error) this.forgetRun();
    };
    const command = connection.constructor.createQuery(options, failed, undefined, connection.config);
    const { start, doneInsert } = command;
    command.start = (...args: unknown[]) => {
      this.#sessionRun = undefined;
      return start.apply(command, args);
    };
    // not in the callback: the driver sends the next command before it calls back
    command.doneInsert = (...args: unknown[]) => {
      if (args[0] !== null) this.#sessionRun = runId;
      return doneInsert.apply(command, args);
    };
    send(command);
  }

  /** The session has lost its variables, or will have by the time that the next command is sent. */
  forgetRun(): void {
    this.#issuedRun = undefined;
  }

  /** Called when a statement is sent. @throws ShadowRefusedError AGENT_NOT_READY when the session did not take the run: its rows could not be told apart */
  requireRun(runId: string): void {
    if (this.#sessionRun === runId) return;
    throw this.#runtime.refuse('AGENT_NOT_READY', `mysql.${this.store.name}: the session did not take run ${runId}`);
  }

  /** @throws ShadowRefusedError SQL_REFUSED */
  redirect(sql: string): Redirected {
    // quoted names of variables take backslash escapes
    if (NAMES_RUN.test(sql) || (sql.includes('@') && NAMES_RUN.test(sql.replaceAll('\\', '')))) {
      throw this.#runtime.refuse('SQL_REFUSED', `${RUN_NAME} belongs to the agent. Statement: ${excerpt(sql)}`);
    }
    const result: RewriteResult = this.#rewriter().rewrite(sql, this.#session);
    if (!this.store.rewrites) return instanceStatement(sql, result);
    if (result.action === 'refuse') {
      throw this.#runtime.refuse(
        'SQL_REFUSED',
        `${result.code} at ${result.offset}: ${result.message} Statement: ${excerpt(sql)}`,
      );
    }
    return result.action === 'rewrite' ? result : { ...result, reads: [], writes: [] };
  }

  #rewriter(): Rewriter {
    if (!this.#ignoresCase) return this.store.rewriter;
    try {
      return this.store.rewriterIgnoringCase();
    } catch (error) {
      throw this.#runtime.refuse('AGENT_NOT_READY', `mysql.${this.store.name}: ${(error as Error).message}`);
    }
  }

  rememberPrepared(statement: object, redirected: Redirected): void {
    if (!this.#prepared.has(statement)) this.#prepared.set(statement, redirected);
  }

  prepared(statement: object): Redirected | undefined {
    return this.#prepared.get(statement);
  }

  /** `bank.transfers_shadow`; in mode instance the name is the real one, on another server. */
  target(ref: TableRef): string {
    return this.store.rewrites ? ref.target : `${ref.schema}.${ref.table}`;
  }

  /** Label of measurements: what is written, else what is read, else the database. */
  label(redirected: Redirected): string {
    const ref = redirected.writes[0] ?? redirected.reads[0];
    return ref === undefined ? this.store.config.database : this.target(ref);
  }

  /** Notes the stores for a probe's acknowledgement. */
  touch(context: ShadowContext, redirected: Redirected): void {
    if (context.touched === undefined) return;
    for (const ref of [...redirected.reads, ...redirected.writes]) context.touched.add(`mysql:${this.target(ref)}`);
  }

  /** The server answered with an OK packet. */
  succeeded(context: ShadowContext, redirected: Redirected, packet: any, connection: any): void {
    const outcome = {
      affectedRows: Number(packet.affectedRows ?? 0),
      info: String(packet.info ?? ''),
    };
    const foundRows = (connection.config.clientFlags & FOUND_ROWS) !== 0;
    const inTransaction = (Number(packet.serverStatus ?? 0) & IN_TRANSACTION) !== 0;
    this.#record(context, redirected, outcome, foundRows, inTransaction);
  }

  /** The server answered with rows: a read, or a write with RETURNING, which then tells nothing of the transaction. */
  returned(context: ShadowContext, redirected: Redirected, rows: number): void {
    if (redirected.writes.length === 0) return;
    this.#record(context, redirected, { affectedRows: rows, info: '' }, false, this.ledger.open);
  }

  failed(error: { errno?: number } | undefined): void {
    if (error?.errno === DEADLOCK) this.ledger.lost();
  }

  #record(
    context: ShadowContext,
    redirected: Redirected,
    outcome: WriteOutcome,
    foundRows: boolean,
    inTransaction: boolean,
  ): void {
    const { verb, sql, writes } = redirected;
    const { runId } = context.flag;
    const counted = writes.length === 0 ? undefined : countRows(verb, sql, writes.length, outcome, foundRows);
    const entries: WriteEntry[] =
      counted === undefined ? [] : writes.map((ref) => ({ runId, target: this.target(ref), ...counted }));
    this.ledger.succeeded(verb, sql, runId, entries, inTransaction);
  }
}

/**
 * `answer`: rows of SHOW VARIABLES, as JSON. Without a version nothing is known. `encoding`: in which the driver sends text; a server that ignores
 * what the driver asked for (skip_character_set_client_handshake) reads it as something else, and then only ASCII is certain.
 */
export function sessionOf(answer: string | undefined, encoding: string | undefined): RewriteContext {
  if (answer === undefined || !/"\d+\.\d+/.test(answer)) return {};
  const has = (mode: string) => new RegExp(`\\b${mode}\\b`).test(answer);
  return {
    sqlMode: {
      ansiQuotes: has('ANSI_QUOTES'),
      noBackslashEscapes: has('NO_BACKSLASH_ESCAPES'),
      ignoreSpace: has('IGNORE_SPACE'),
      pipesAsConcat: has('PIPES_AS_CONCAT'),
      oracle: has('ORACLE'),
    },
    server: /mariadb/i.test(answer) ? 'mariadb' : 'mysql',
    charset: charsetOf(answer, encoding),
    serializable: /_isolation","Value":"SERIALIZABLE"/i.test(answer),
  };
}

function charsetOf(answer: string, encoding: string | undefined): string {
  const charset = /"character_set_client","Value":"(\w+)"/.exec(answer)?.[1] ?? 'unknown';
  // mysql2 sends utf8mb3 as CESU-8: equal but for letters that utf8mb3 does not have
  const sent = charset.startsWith('utf8') && encoding === 'cesu8' ? 'utf8' : encoding;
  return sent !== undefined && charset.startsWith(sent) ? charset : 'unknown';
}

/** Whether the server takes `Orders` and `orders` for one table. */
export function ignoresCase(answer: string | undefined): boolean {
  return answer !== undefined && /"lower_case_table_names","Value":"?[12]/.test(answer);
}

/** A shadow server has the same names, so nothing is rewritten; a statement that was not understood is sent but not counted by table. */
function instanceStatement(sql: string, result: RewriteResult): Redirected {
  if (result.action === 'refuse') return { sql, verb: 'other', reads: [], writes: [] };
  const { verb } = result;
  return result.action === 'rewrite'
    ? { sql, verb, reads: result.reads, writes: result.writes }
    : { sql, verb, reads: [], writes: [] };
}

function excerpt(sql: string): string {
  return sql.length <= 200 ? sql : `${sql.slice(0, 200)}…`;
}
