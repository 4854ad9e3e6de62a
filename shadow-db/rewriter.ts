import type { SqlRefusalCode } from './codes.js';

/** A table that a statement touches. */
export interface TableRef {
  /** The real schema, also where the statement leaves it out. */
  schema: string;
  /** The real name. */
  table: string;
  /** Where the access goes, always `schema.table`: the shadow table, or the real one for real-read. */
  target: string;
}

/** What a statement does, in the words that the agent follows transactions by. */
export type Verb =
  | 'select'
  | 'insert'
  | 'replace'
  | 'update'
  | 'delete'
  | 'merge'
  | 'truncate'
  | 'lock'
  | 'unlock'
  | 'show'
  | 'describe'
  | 'explain'
  | 'set'
  | 'begin'
  | 'commit'
  | 'rollback'
  | 'rollback-to'
  | 'savepoint'
  | 'release-savepoint'
  | 'other';

/** Every dialect's rewriter answers with this. */
export type RewriteResult =
  | { action: 'pass'; sql: string; verb: Verb }
  | { action: 'rewrite'; sql: string; verb: Verb; reads: TableRef[]; writes: TableRef[] }
  | { action: 'refuse'; code: SqlRefusalCode; message: string; offset: number };

/** `Context`: what the rewriter must know of the session, by dialect. */
export interface SqlRewriter<Context> {
  /** Redirects one statement of shadow traffic. Never throws. Results are shared: do not change them. */
  rewrite(sql: string, context?: Context): RewriteResult;
  /** Guard for real traffic: true when the statement names a shadow table or schema. Never throws; cheap where it does not. */
  touchesShadowName(sql: string, context?: Context): boolean;
}
