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

/** The verb of a statement that names no table and passes as it is. Throws Refusal for the rest. */
export function utility(type: string, tree: Tree, settings: readonly string[]): Verb {
  switch (type) {
    case 'TransactionStmt': {
      const verb = transactions[String(tree.kind)];
      if (verb === undefined) throw new Refusal('SQL_XA', 'a prepared transaction', 0);
      return verb;
    }
    case 'VariableShowStmt':
      return 'show';
    case 'VariableSetStmt':
      checkSet(tree, settings);
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

function checkSet(tree: Tree, settings: readonly string[]): void {
  const name = String(tree.name ?? '');
  const isTransaction = tree.kind === 'VAR_SET_MULTI' && (name === 'TRANSACTION' || name === 'SESSION CHARACTERISTICS');
  const isOne = ['VAR_SET_VALUE', 'VAR_SET_DEFAULT', 'VAR_RESET'].includes(String(tree.kind));
  if (isTransaction || (isOne && mayBeSet(name, settings))) return;
  throw new Refusal('SQL_SET', name === '' ? 'RESET ALL' : name, 0);
}
