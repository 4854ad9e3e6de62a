import type { TableName } from '../../mapping.js';
import type { Names } from './options.js';

/** One statement of a plan. */
export interface Step {
  kind:
    | 'schema'
    | 'drop'
    | 'sequence'
    | 'table'
    | 'range'
    | 'index'
    | 'partition'
    | 'seed'
    | 'foreign-key'
    | 'trigger'
    | 'run'
    | 'view'
    | 'account'
    | 'grant';
  /** The real table, view, sequence or account that the step is about. */
  subject: string;
  /** As it is sent, except that `{password}` stands for the account's password, and `{…}` in steps of kind `seed` for what differs from chunk to chunk. */
  sql: string;
  reason: string;
}

/** Makes steps about what has a real counterpart, called by that one's name. */
export function stepper(
  names: Names,
): (kind: Step['kind'], about: { real: TableName }, sql: string, reason: string) => Step {
  return (kind, { real }, sql, reason) => ({ kind, subject: names.plain(real), sql, reason });
}
