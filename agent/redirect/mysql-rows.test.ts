import { describe, expect, it } from '@jest/globals';
import { countRows } from './mysql-rows.js';

const upsert = 'INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2';

describe('rows of a write', () => {
  it.each([
    // what, verb, sql, tables, affected, info, foundRows, operation, rows
    ['insert', 'insert', 'INSERT INTO t VALUES (1)', 1, 3, '', true, 'insert', 3],
    [
      'insert with the words in a string',
      'insert',
      "INSERT INTO t VALUES ('on duplicate key update'), (2)",
      1,
      2,
      'Records: 2  Duplicates: 0  Warnings: 0',
      true,
      'insert',
      2,
    ],
    ['upsert of one row, changed', 'insert', upsert, 1, 2, '', true, 'insert', 0],
    ['upsert of one row, new or found as it was: cannot be told', 'insert', upsert, 1, 1, '', true, 'upsert', 1],
    ['the same without FOUND_ROWS, new', 'insert', upsert, 1, 1, '', false, 'insert', 1],
    ['the same without FOUND_ROWS, found', 'insert', upsert, 1, 0, '', false, 'insert', 0],
    [
      'upsert of three rows, one found',
      'insert',
      upsert,
      1,
      4,
      'Records: 3  Duplicates: 1  Warnings: 0',
      true,
      'insert',
      2,
    ],
    [
      'upsert of three rows without FOUND_ROWS',
      'insert',
      upsert,
      1,
      4,
      'Records: 3  Duplicates: 1  Warnings: 0',
      false,
      'insert',
      2,
    ],
    ['replace of a new row', 'replace', 'REPLACE INTO t VALUES (1)', 1, 1, '', true, 'replace', 1],
    ['replace of an old row', 'replace', 'REPLACE INTO t VALUES (1)', 1, 2, '', true, 'replace', 0],
    ['replace that hit two unique keys', 'replace', 'REPLACE INTO t VALUES (1)', 1, 3, '', true, 'replace', -1],
    [
      'replace of three rows, one old',
      'replace',
      'REPLACE INTO t VALUES (1),(2),(3)',
      1,
      4,
      'Records: 3  Duplicates: 1  Warnings: 0',
      true,
      'replace',
      2,
    ],
    ['delete', 'delete', 'DELETE FROM t', 1, 5, '', true, 'delete', -5],
    ['delete from two tables', 'delete', 'DELETE a, b FROM a JOIN b', 2, 5, '', true, 'not-counted', 0],
    ['update', 'update', 'UPDATE t SET a = 1', 1, 5, '', true, 'update', 0],
    ['truncate', 'truncate', 'TRUNCATE t', 1, 0, '', true, 'not-counted', 0],
  ] as const)('%s', (_what, verb, sql, tables, affectedRows, info, foundRows, operation, rows) => {
    expect(countRows(verb, sql, tables, { affectedRows, info }, foundRows)).toEqual({ operation, rows });
  });
});
