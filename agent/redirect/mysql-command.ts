import { type Context, currentContext, runWith, type ShadowContext } from '../context.js';
import type { ShadowRefusedError } from '../errors.js';
import type { AgentRuntime } from '../runtime.js';
import { elapsedUs } from './issue.js';
import type { MysqlTwin, Redirected } from './mysql-twin.js';

/** Commands of mysql2 by the name of their class; what is not here has no shadow rule. */
export type CommandKind =
  | 'Query'
  | 'Prepare'
  | 'Execute'
  | 'CloseStatement'
  | 'Ping'
  | 'Quit'
  | 'ResetConnection'
  | 'ClientHandshake'
  | 'other';

const KINDS = new Set([
  'Query',
  'Prepare',
  'Execute',
  'CloseStatement',
  'Ping',
  'Quit',
  'ResetConnection',
  'ClientHandshake',
]);

export function kindOf(command: any): CommandKind {
  const name = command?.constructor?.name;
  return KINDS.has(name) ? name : 'other';
}

/**
 * Answers come in the context of the socket, which may be another request's: callback and events of the command are given the context in which
 * it was issued. `finished` is called once, before the service hears of it.
 * In shadow an 'error' event that nobody listens to is dropped: it would end the process, and with it real requests.
 */
export function bindCommand(command: any, context: Context | undefined, finished: (error: any) => void): void {
  let open = true;
  const finish = (error: unknown) => {
    if (!open) return;
    open = false;
    finished(error ?? undefined);
  };
  const { onResult } = command;
  if (typeof onResult !== 'function') {
    bindEvents(command, context, finish);
    return;
  }
  const bound = boundOf(command, context, finish);
  if (onResult === bound.callback) return;
  bound.callback = command.onResult = function (this: unknown, ...args: unknown[]) {
    bound.finish?.(args[0]);
    return runWith(bound.context, () => onResult.apply(this, args));
  };
}

/** Of the last time that a command was issued: the service may keep a Query object and issue it again, in the other mode. */
interface Bound {
  context: Context | undefined;
  finish: ((error: unknown) => void) | undefined;
  callback: unknown;
  events: boolean;
}

const BOUND = Symbol('bound');

function boundOf(command: any, context: Context | undefined, finish: Bound['finish']): Bound {
  let bound: Bound | undefined = command[BOUND];
  if (bound === undefined) {
    bound = { context, finish, callback: undefined, events: false };
    command[BOUND] = bound;
  } else {
    bound.context = context;
    bound.finish = finish;
  }
  return bound;
}

/** Binds the events alone: for a command of a pool, before it has a connection. */
export function bindEvents(command: any, context: Context | undefined, finish?: (error: unknown) => void): void {
  const bound = boundOf(command, context, finish);
  if (bound.events) return;
  bound.events = true;
  const { emit } = command;
  command.emit = function (this: any, event: string, ...args: unknown[]): boolean {
    if (event === 'error') {
      bound.finish?.(args[0]);
      if (bound.context?.mode === 'shadow' && this.listenerCount('error') === 0) return false;
    } else if (event === 'end') {
      bound.finish?.(undefined);
    }
    return runWith(bound.context, () => emit.call(this, event, ...args));
  };
}

/** Tells the issuer of a command that it was refused, the way the driver reports errors; the command is never sent. */
export function deliverRefusal(command: any, error: ShadowRefusedError): any {
  const context = currentContext();
  // connection.execute() adds a Prepare first, which is refused too and reports for both
  const silent = kindOf(command) === 'Execute' && command.statement === undefined;
  if (typeof command.onResult !== 'function') bindEvents(command, context);
  process.nextTick(() =>
    runWith(context, () => {
      if (!silent) report(command, error);
      command.emit('end');
    }),
  );
  return command;
}

/** A refusal is the agent's error, not the service's: an 'error' event that nobody listens to would end the process. */
function report(command: any, error: unknown): void {
  if (typeof command.onResult === 'function') command.onResult(error);
  else if (command.listenerCount('error') > 0) command.emit('error', error);
}

/** Makes a command of a shadow connection rewrite itself when it is sent, and count what it wrote when it is answered. */
export function redirectCommand(
  runtime: AgentRuntime,
  twin: MysqlTwin,
  command: any,
  kind: CommandKind,
  context: ShadowContext,
): void {
  const startedMs = performance.now();
  let redirected: Redirected | undefined;
  if (kind === 'Prepare') {
    const { onResult } = command;
    command.onResult = function (this: unknown, error: unknown, statement: any) {
      if (!error && redirected !== undefined) twin.rememberPrepared(statement, redirected);
      return onResult?.call(this, error, statement);
    };
  }
  bindCommand(command, context, (error) => {
    if (kind === 'ResetConnection') twin.ledger.lost();
    if (error) twin.failed(error);
    const measured = kind === 'Query' || kind === 'Execute' || (kind === 'Prepare' && error);
    if (!measured) return;
    const label = redirected === undefined ? twin.store.config.database : twin.label(redirected);
    const code = error ? String(error.code ?? error.name ?? 'error') : undefined;
    runtime.meter.dbOperation(true, 'mysql', label, redirected?.verb ?? 'other', code, elapsedUs(startedMs));
  });
  if (kind !== 'Query' && kind !== 'Prepare' && kind !== 'Execute') return;
  const { start } = command;
  command.start = function (this: any, packet: unknown, connection: any) {
    this.start = start;
    try {
      redirected =
        kind === 'Execute' ? twin.prepared(this.statement) : twin.redirect(kind === 'Query' ? this.sql : this.query);
      if (redirected === undefined) {
        // execute() of a statement whose Prepare failed: the driver has told the caller
        if (this.statement === undefined) return null;
        throw runtime.refuse('MODE_MISMATCH', 'a prepared statement of another connection was executed in shadow');
      }
      if (kind !== 'Prepare') twin.requireRun(context.flag.runId);
    } catch (error) {
      return refuseSent(this, context, connection, error);
    }
    if (kind === 'Prepare') this.query = redirected.sql;
    else count(this, twin, context, redirected, connection);
    twin.touch(context, redirected);
    if (kind !== 'Query') return start.call(this, packet, connection);
    const { sql } = this;
    this.sql = redirected.sql;
    const next = start.call(this, packet, connection);
    // the service's own text again: it may issue the Query object as ordinary work
    this.sql = sql;
    return next;
  };
}

/**
 * Ends a command that was about to be sent. In a later tick, as an answer of the server would come: pools give a connection back at its 'end', for which they
 * listen only after the command was added.
 */
function refuseSent(command: any, context: ShadowContext, connection: any, error: unknown): () => null {
  process.nextTick(() => {
    // a connection that was lost meanwhile has told its commands
    if (connection._command === command) connection.handlePacket();
  });
  return () => {
    runWith(context, () => report(command, error));
    return null;
  };
}

/** Hooks into the two places where the driver has an answer: an OK packet, or the end of rows. */
function count(command: any, twin: MysqlTwin, context: ShadowContext, redirected: Redirected, connection: any): void {
  const { doneInsert, done } = command;
  let counted = false;
  let rows = 0;
  if (redirected.writes.length > 0 && typeof command.onResult !== 'function') command.on('result', () => rows++);
  command.doneInsert = function (this: any, packet: any) {
    if (packet !== null && !counted) {
      counted = true;
      twin.succeeded(context, redirected, packet, connection);
    }
    return doneInsert.call(this, packet);
  };
  command.done = function (this: any) {
    if (!counted) {
      counted = true;
      twin.returned(context, redirected, this._currentRows?.length || rows);
    }
    return done.call(this);
  };
}
