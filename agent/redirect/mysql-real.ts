import { currentContext } from '../context.js';
import type { AgentRuntime } from '../runtime.js';
import { elapsedUs, issueMode } from './issue.js';
import { bindCommand, type CommandKind } from './mysql-command.js';
import { firstTable, firstWord, isWrite, taintedValue } from './mysql-statement.js';
import type { MysqlStore, MysqlStores } from './mysql-store.js';

/**
 * Ordinary traffic while the agent is armed: bound, measured and looked at, never changed. What looks like a leak is reported and passes.
 * @throws ShadowRefusedError when a write has no context and the policy blocks
 */
export function watchCommand(
  runtime: AgentRuntime,
  stores: MysqlStores,
  command: any,
  kind: CommandKind,
  connection: any,
): void {
  const context = currentContext();
  if (kind !== 'Query' && kind !== 'Execute' && kind !== 'Prepare') {
    bindCommand(command, context, () => undefined);
    return;
  }
  const { config } = connection;
  const store = stores.find(config);
  const sql = textOf(command);
  const { word, write, table, touchesShadow } = factsOf(sql, store, kind !== 'Query');
  if (kind !== 'Prepare') issueMode(runtime, `mysql ${word}`, write);
  // connection.execute() adds a Prepare with the same text: once is enough
  if (kind !== 'Execute' && touchesShadow) {
    runtime.suspect('SHADOW_NAME_IN_REAL', `${store?.name}: ${sql.slice(0, 200)}`);
  }
  const { taint } = runtime.config;
  if (taint !== undefined && write && kind !== 'Prepare') {
    const value = taintedValue(kind === 'Query' ? command.values : command.parameters, taint);
    if (value !== undefined) {
      runtime.suspect('TAINTED_WRITE', `${value} in ${word} ${table ?? ''} of database ${config.database ?? ''}`);
    }
  }
  const startedMs = performance.now();
  bindCommand(command, context, (error) => {
    if (kind === 'Prepare' && !error) return;
    const target = table === undefined ? String(config.database ?? '') : `${config.database ?? ''}.${table}`;
    const code = error ? String(error.code ?? error.name ?? 'error') : undefined;
    runtime.meter.dbOperation(false, 'mysql', target, word, code, elapsedUs(startedMs));
  });
}

interface Facts {
  word: string;
  write: boolean;
  table: string | undefined;
  touchesShadow: boolean;
}

/** Texts of prepared statements come again and again; texts with values in them do not, and are not kept. */
const known = new WeakMap<object, Map<string, Facts>>();
const NO_STORE = {};
const MAX_KNOWN = 500;
const LONGEST_KNOWN = 2000;

function factsOf(sql: string, store: MysqlStore | undefined, keep: boolean): Facts {
  let facts = keep ? known.get(store ?? NO_STORE)?.get(sql) : undefined;
  if (facts !== undefined) return facts;
  const word = firstWord(sql);
  facts = {
    word,
    write: isWrite(word, sql),
    table: firstTable(sql),
    touchesShadow: store?.rewriter.touchesShadowName(sql) ?? false,
  };
  if (!keep || sql.length > LONGEST_KNOWN) return facts;
  let ofStore = known.get(store ?? NO_STORE);
  if (ofStore === undefined || ofStore.size >= MAX_KNOWN) {
    ofStore = new Map();
    known.set(store ?? NO_STORE, ofStore);
  }
  ofStore.set(sql, facts);
  return facts;
}

function textOf(command: any): string {
  const text = command.sql ?? command.query ?? command.statement?.query;
  return typeof text === 'string' ? text : '';
}
