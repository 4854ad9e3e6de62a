import { currentContext } from '../context.js';
import type { AgentRuntime } from '../runtime.js';
import { elapsedUs, issueMode } from './issue.js';
import { bindCommand, type CommandKind } from './mysql-command.js';
import { firstTable, firstWord, isWrite, taintedValue } from './mysql-statement.js';
import type { MysqlStores } from './mysql-store.js';

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
  const sql = textOf(command);
  const word = firstWord(sql);
  const write = isWrite(word, sql);
  if (kind !== 'Prepare') issueMode(runtime, `mysql ${word}`, write);
  const { config } = connection;
  const store = stores.find(config);
  // connection.execute() adds a Prepare with the same text: once is enough
  if (kind !== 'Execute' && store?.rewriter.touchesShadowName(sql)) {
    runtime.suspect('SHADOW_NAME_IN_REAL', `${store.name}: ${sql.slice(0, 200)}`);
  }
  const { taint } = runtime.config;
  if (taint !== undefined && write && kind !== 'Prepare') {
    const value = taintedValue(kind === 'Query' ? command.values : command.parameters, taint);
    if (value !== undefined) {
      runtime.suspect(
        'TAINTED_WRITE',
        `${value} in ${word} ${firstTable(sql) ?? ''} of database ${config.database ?? ''}`,
      );
    }
  }
  const startedMs = performance.now();
  bindCommand(command, context, (error) => {
    if (kind === 'Prepare' && !error) return;
    const table = firstTable(sql);
    const target = table === undefined ? String(config.database ?? '') : `${config.database ?? ''}.${table}`;
    const code = error ? String(error.code ?? error.name ?? 'error') : undefined;
    runtime.meter.dbOperation(false, 'mysql', target, word, code, elapsedUs(startedMs));
  });
}

function textOf(command: any): string {
  const text = command.sql ?? command.query ?? command.statement?.query;
  return typeof text === 'string' ? text : '';
}
