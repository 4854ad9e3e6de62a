/** One statement of a plan. */
export interface Step {
  kind:
    | 'schema'
    | 'drop'
    | 'sequence'
    | 'table'
    | 'range'
    | 'seed'
    | 'foreign-key'
    | 'trigger'
    | 'view'
    | 'account'
    | 'grant';
  /** The real table, view or account that the step is about. */
  subject: string;
  /** As it is sent, except that `{password}` stands for the account's password. */
  sql: string;
  reason: string;
  /** The session's sql_mode while this is sent: a trigger keeps the one it was made under. Default: `ddlMode`. */
  sqlMode?: string;
}
