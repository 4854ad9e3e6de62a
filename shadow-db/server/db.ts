/** The least that is needed of a client. Any driver fits; statements without rows may give an empty list. */
export interface Db {
  query(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]>;
}

const hints = {
  MODE_INSTANCE: 'Mode instance has its own server: provision it as you provision the real one.',
  NAMES: 'Correct the names in `tables`, or choose another suffix or schema.',
  DATABASE_MISSING: 'Check the name of the database, and that this account has a right on it.',
  TABLE_MISSING: 'Check the names in `tables` and the database.',
  AUTO_INCREMENT_RANGE: 'Widen the column (to a 64-bit type), or choose a smaller autoIncrementGap for this table.',
  NAME_TAKEN:
    'Something of this name exists that was not made by Shadowline: choose another suffix or schema, or take it away.',
  RUN_COLUMN: 'Rename the column: Shadowline keeps the run of a shadow row under this name.',
  ENGINE: 'Class the table real-read or refuse.',
  SEQUENCE: 'Class the sequence as shadow: it gets a twin, and the default is turned to it.',
  DEFINITION: 'Class the table real-read or refuse, and report this text.',
  SEED: 'Check where and idOffset of this table.',
  ACCOUNT_TAKEN: 'The account has rights of its own: give shadow traffic an account that nothing else uses.',
  RIGHTS: 'Nothing was changed. Let an administrator run these statements, then plan again.',
  READ_ONLY: 'Nothing was changed. Provision the primary; replicas get the shadow tables from it.',
  SERVER: 'MariaDB 10.6, MySQL 8.0, PostgreSQL 13 and later are known.',
  SQL_MODE: 'Nothing was changed. Give the session another sql_mode (SET SESSION sql_mode = …).',
  REAL_BUSY: 'Nothing was changed. Wait until the long transaction or ALTER TABLE has ended, then try again.',
  LOCKED: 'Nothing was changed. Wait for it, or end that connection.',
  ONE_SESSION: 'Give it one connection, not a pool: settings, variables and locks belong to a session.',
  PLAN_STALE: 'Nothing was changed. Plan again and look at what is new.',
  ROLLED_BACK: 'Nothing was changed. Mend the cause and try again.',
  STOPPED: 'What was done before stays and is marked as ours. Mend the cause and plan again: the plan shows the rest.',
  DRIFT:
    'Nothing was removed. See what `drift` finds, mend it with `provision`, or by hand where `drift` says how, then clean again.',
  REAL_KEY:
    'Nothing was removed. Take that foreign key off: what goes from the shadow table would reach the other one.',
  REAL_HEIR:
    'Nothing was changed. Detach that partition, or take it off with NO INHERIT: what is done to the shadow table would be done to it.',
  NO_RUN: 'Nothing was removed. Clean all rows, or provision again so that rows know their run.',
  RUN_ID: 'A run id has 1 to 64 letters, digits, "_" and "-", as `stress run` shows it.',
  NOT_SHADOW: 'Only shadow tables may be changed.',
  INHERITANCE: 'Reads of the parent would reach real children: class it real-read or refuse.',
  FOREIGN_TABLE: 'Its rows are on another server: class it real-read or refuse.',
  PARTITION_CLASS: 'A partitioned table and its partitions go together: give them one class.',
  SEQUENCE_RANGE: 'Shadow ids of this sequence could meet real ones: class the table real-read or refuse.',
  NO_PRIMARY_KEY: 'Rows without a key cannot be told apart: clean all rows, or give the table a primary key.',
  LOCK_ROOM: 'Nothing was removed. Raise max_locks_per_transaction of the server, or clean by run.',
  SHADOW_BUSY: 'Nothing was removed. Wait until shadow traffic has ended, then try again.',
  STILL_REFERRED: 'Nothing was removed. Clean the runs that refer to these rows too, or all rows.',
} as const;

export type ShadowDbErrorCode = keyof typeof hints;

/** A shadow database that cannot be made, checked or cleaned safely. The message has cause and remedy. */
export class ShadowDbError extends Error {
  override name = 'ShadowDbError';
  readonly code: ShadowDbErrorCode;

  constructor(code: ShadowDbErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}. ${hints[code]}`, options);
    this.code = code;
  }
}

/** A string literal that reads the same in every sql_mode: hexadecimal digits, no escapes. For DDL, which takes no parameters. */
export function quoteText(text: string): string {
  return /^[\w .:=@%-]*$/.test(text) ? `'${text}'` : `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}

/** A cell as text; drivers give some of them as bytes. */
export function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value);
}

/** A cell as a number; drivers give some of them as text. */
export function numberOf(value: unknown): number {
  return Number(textOf(value) || 0);
}
