/** The least that is needed of a client. Any driver fits; statements without rows may give an empty list. */
export interface Db {
  query(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]>;
}

const hints = {
  MODE_INSTANCE: 'Mode instance has its own server: provision it as you provision the real one.',
  TABLE_MISSING: 'Check the names in `tables` and the database.',
  AUTO_INCREMENT_RANGE: 'Widen the column (BIGINT UNSIGNED), or choose a smaller autoIncrementGap for this table.',
  NAME_TAKEN: 'A table or view of this name exists that was not made by Shadowline: choose another suffix or schema.',
  SEED: 'Check where and idOffset of this table.',
  ACCOUNT_TAKEN: 'The account has rights of its own: give shadow traffic an account that nothing else uses.',
  NOT_SHADOW: 'Only shadow tables may be changed.',
} as const;

export type ShadowDbErrorCode = keyof typeof hints;

/** A shadow database that cannot be made, checked or cleaned safely. The message has cause and remedy. */
export class ShadowDbError extends Error {
  override name = 'ShadowDbError';
  readonly code: ShadowDbErrorCode;

  constructor(code: ShadowDbErrorCode, detail: string) {
    super(`${code}: ${detail}. ${hints[code]}`);
    this.code = code;
  }
}

/** A string literal that reads the same in every sql_mode: hexadecimal digits, no escapes. For DDL, which takes no parameters. */
export function quoteText(text: string): string {
  return /^[\w .:=@%-]*$/.test(text) ? `'${text}'` : `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
