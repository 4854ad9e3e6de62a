import { Refusal, type SqlRefusalCode } from '../codes.js';
import type { Verb } from '../rewriter.js';
import type { Tree } from './parser.js';
import { mayBeSet } from './settings.js';

const transactions: Readonly<Record<string, Verb>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release-savepoint',
  TRANS_STMT_ROLLBACK_TO: 'rollback-to',
};

const refused: Readonly<Record<string, SqlRefusalCode>> = {
  CopyStmt: 'SQL_COPY',
  DoStmt: 'SQL_PROCEDURE',
  CallStmt: 'SQL_PROCEDURE',
  PrepareStmt: 'SQL_DYNAMIC',
  ExecuteStmt: 'SQL_DYNAMIC',
  DeallocateStmt: 'SQL_DYNAMIC',
  NotifyStmt: 'SQL_NOTIFY',
  ListenStmt: 'SQL_NOTIFY',
  UnlistenStmt: 'SQL_NOTIFY',
  LoadStmt: 'SQL_FILE',
  VacuumStmt: 'SQL_ADMIN',
  ClusterStmt: 'SQL_ADMIN',
  ReindexStmt: 'SQL_ADMIN',
  CheckPointStmt: 'SQL_ADMIN',
  DiscardStmt: 'SQL_ADMIN',
  AlterSystemStmt: 'SQL_ADMIN',
  GrantStmt: 'SQL_ADMIN',
  GrantRoleStmt: 'SQL_ADMIN',
  CreateRoleStmt: 'SQL_ADMIN',
  AlterRoleStmt: 'SQL_ADMIN',
  AlterRoleSetStmt: 'SQL_ADMIN',
  DropRoleStmt: 'SQL_ADMIN',
};

export interface UtilityOptions {
  settings: readonly string[];
  /** Some tables are of class real-read: no transaction may be SERIALIZABLE. */
  readsReal: boolean;
}

/** The verb of a statement that names no table and passes as it is. Throws Refusal for the rest. */
export function utility(type: string, tree: Tree, options: UtilityOptions): Verb {
  switch (type) {
    case 'TransactionStmt': {
      const verb = transactions[String(tree.kind)];
      if (verb === undefined) throw new Refusal('SQL_XA', 'a prepared transaction', 0);
      checkModes(tree.options, options);
      return verb;
    }
    case 'VariableShowStmt':
      return 'show';
    case 'VariableSetStmt':
      checkSet(tree, options);
      return 'set';
    case 'ConstraintsSetStmt':
      // constraints of shadow tables have names of their own
      if (tree.constraints !== undefined) throw new Refusal('SQL_CONSTRAINT', 'SET CONSTRAINTS', 0);
      return 'set';
    case 'FetchStmt':
    case 'ClosePortalStmt':
      return 'other';
  }
  const code = refused[type];
  if (code !== undefined) throw new Refusal(code, type.replace(/Stmt$/, ''), 0);
  const isDdl =
    /^(?:Create|Alter|Drop|Rename|Comment|SecLabel|View|Index|Define|Rule|RefreshMatView|ImportForeign|Reassign|Composite|Replica)/;
  throw new Refusal(isDdl.test(type) ? 'SQL_DDL' : 'SQL_NOT_UNDERSTOOD', type.replace(/Stmt$/, ''), 0);
}

function checkSet(tree: Tree, { settings, readsReal }: UtilityOptions): void {
  const name = String(tree.name ?? '');
  if (tree.kind === 'VAR_SET_MULTI' && (name === 'TRANSACTION' || name === 'SESSION CHARACTERISTICS')) {
    checkModes(tree.args, { readsReal });
    return;
  }
  const isOne = ['VAR_SET_VALUE', 'VAR_SET_DEFAULT', 'VAR_RESET'].includes(String(tree.kind));
  if (!isOne || !mayBeSet(name, settings)) throw new Refusal('SQL_SET', name === '' ? 'RESET ALL' : name, 0);
  if (readsReal && tree.kind === 'VAR_SET_VALUE')
    checkIsolation(name, Array.isArray(tree.args) ? tree.args[0] : undefined);
}

/** Of BEGIN, SET TRANSACTION and SET SESSION CHARACTERISTICS. */
function checkModes(modes: unknown, { readsReal }: Pick<UtilityOptions, 'readsReal'>): void {
  if (!readsReal || !Array.isArray(modes)) return;
  for (const mode of modes as Tree[]) {
    const { defname, arg } = (mode.DefElem ?? {}) as Tree;
    checkIsolation(String(defname ?? 'transaction_isolation'), arg);
  }
}

/**
 * A SERIALIZABLE transaction marks what it reads, and a real one that writes there may fail with 40001. Throws Refusal when the
 * setting is the level of isolation and the value (the node of a constant) is that, or is not known.
 */
export function checkIsolation(setting: string, value: unknown): void {
  if (!/^(?:default_)?transaction_isolation$/i.test(setting)) return;
  const constant = ((value as Tree | undefined)?.A_Const as Tree | undefined)?.sval as Tree | undefined;
  if (/^(?:read uncommitted|read committed|repeatable read)$/i.test(String(constant?.sval ?? ''))) return;
  throw new Refusal('SQL_REAL_LOCK', 'a SERIALIZABLE transaction marks the rows of real-read tables', 0);
}
