import type { Verb } from '../rewriter.js';
import type { Token } from './lexer.js';

/** Names that a query block makes visible to column qualifiers. `ambiguous`: two tables of one name. */
export interface Scope {
  parent?: Scope;
  names: Map<string, TableUse | 'derived' | 'ambiguous'>;
}

/** One place where a statement names a table. */
export interface TableUse {
  schema?: Token;
  name: Token;
  /** The table's name without quotes. */
  table: string;
  alias?: string;
  /** Where ` AS name` goes when the name is replaced; undefined where the grammar takes no alias. */
  aliasAt?: number;
  write: boolean;
  /** LOCK TABLES: offset after the whole entry and its lock type, to lock the bare shadow name as well. */
  lockEntry?: { end: number; tail: string };
}

/** `table.column` or `schema.table.column` in an expression. */
export interface Qualifier {
  schema?: Token;
  table: Token;
  name: string;
  scope: Scope;
}

/** A target of a multi-table DELETE: names an alias or a table of the references. */
export interface DeleteTarget {
  schema?: Token;
  table: Token;
  use: TableUse;
}

export interface Statement {
  verb: Verb;
  uses: TableUse[];
  qualifiers: Qualifier[];
  deleteTargets: DeleteTarget[];
  /** A schema named on its own, as in SHOW TABLES FROM app. */
  schemas: Token[];
  /** FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE or LOCK TABLES: offset of the clause. */
  lockedAt?: number;
  /** UPDATE over several tables with an unqualified assignment: which is written is not certain. Its offset. */
  uncertainWriteAt?: number;
}
