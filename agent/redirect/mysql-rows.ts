/** The part of an OK packet that says what was written. */
export interface WriteOutcome {
  affectedRows: number;
  /** `Records: 3  Duplicates: 1  Warnings: 0`, sent for statements of several rows. */
  info: string;
}

export interface RowCount {
  /** Operation name of the ledger; `upsert` and `not-counted` say that `rows` may be off, as below. */
  operation: string;
  /** Inserted minus deleted. */
  rows: number;
}

const UPSERT = /\bon\s+duplicate\s+key\s+update\b/i;

/**
 * How many rows a statement added, from what the server answers (source: the manual's "INSERT ... ON DUPLICATE KEY UPDATE" and
 * mysql_affected_rows(), and sql_insert.cc; measured on MariaDB 11.4).
 *
 * - INSERT, INSERT IGNORE: affected rows.
 * - REPLACE: affected = inserted + deleted, and every record is inserted: 2 × records − affected.
 * - ON DUPLICATE KEY UPDATE of several rows: records − duplicates when the connection has FOUND_ROWS (mysql2's default), else affected − 2 × duplicates.
 *   Of one row: 1 = inserted, 2 = updated. With FOUND_ROWS 1 also means "found with the same values" (the generated id does not tell them apart either,
 *   measured): that is an `upsert`, counted as inserted.
 * - DELETE: minus affected rows. Of several tables the server says only the sum; TRUNCATE says nothing: `not-counted`.
 * - Rows that foreign keys cascade to, or that triggers write, are not in the answer.
 */
export function countRows(
  verb: string,
  sql: string,
  tables: number,
  outcome: WriteOutcome,
  foundRows: boolean,
): RowCount {
  const affected = outcome.affectedRows;
  const { records, duplicates } = recordsOf(outcome.info);
  switch (verb) {
    case 'insert':
      if (!UPSERT.test(sql)) return { operation: 'insert', rows: affected };
      if (records !== undefined) {
        return { operation: 'insert', rows: foundRows ? records - duplicates : affected - 2 * duplicates };
      }
      if (affected !== 1) return { operation: 'insert', rows: 0 };
      return { operation: foundRows ? 'upsert' : 'insert', rows: 1 };
    case 'replace':
      return { operation: 'replace', rows: 2 * (records ?? (affected > 0 ? 1 : 0)) - affected };
    case 'delete':
      return tables > 1 ? { operation: 'not-counted', rows: 0 } : { operation: 'delete', rows: -affected };
    case 'truncate':
      return { operation: 'not-counted', rows: 0 };
    default:
      return { operation: verb, rows: 0 };
  }
}

function recordsOf(info: string): { records: number | undefined; duplicates: number } {
  const match = /records:\s*(\d+)\s+duplicates:\s*(\d+)/i.exec(info);
  return match === null
    ? { records: undefined, duplicates: 0 }
    : { records: Number(match[1]), duplicates: Number(match[2]) };
}
