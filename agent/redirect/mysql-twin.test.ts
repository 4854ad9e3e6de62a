import { describe, expect, it } from '@jest/globals';
import { ignoresCase, sessionOf } from './mysql-twin.js';

const rows = (mode: string, version: string, charset = 'utf8mb4', isolation = 'REPEATABLE-READ') =>
  JSON.stringify([
    Object.entries({ character_set_client: charset, sql_mode: mode, tx_isolation: isolation, version }).map(
      ([Variable_name, Value]) => ({ Variable_name, Value }),
    ),
  ]);
const off = { ansiQuotes: false, noBackslashEscapes: false, ignoreSpace: false, pipesAsConcat: false, oracle: false };

describe('what a session says of itself', () => {
  it.each([
    [rows('', '8.0.36'), { sqlMode: off, server: 'mysql', charset: 'utf8mb4', serializable: false }],
    [
      rows('STRICT_TRANS_TABLES,IGNORE_SPACE', '11.4.5-MariaDB'),
      { sqlMode: { ...off, ignoreSpace: true }, server: 'mariadb', charset: 'utf8mb4', serializable: false },
    ],
    [
      rows('PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE,NO_KEY_OPTIONS', '5.5.5-10.6.1-MariaDB-log'),
      {
        sqlMode: { ...off, ansiQuotes: true, ignoreSpace: true, pipesAsConcat: true, oracle: true },
        server: 'mariadb',
        charset: 'utf8mb4',
        serializable: false,
      },
    ],
    [
      rows('NO_BACKSLASH_ESCAPES', '8.4.0'),
      { sqlMode: { ...off, noBackslashEscapes: true }, server: 'mysql', charset: 'utf8mb4', serializable: false },
    ],
    // the server did not answer: the rewriter must not take silence for a mode
    ['[]', {}],
    [undefined, {}],
  ])('%s', (answer, expected) => {
    expect(sessionOf(answer, 'utf8')).toEqual(expected);
  });

  it.each([
    ['utf8mb4', 'utf8', 'utf8mb4'],
    ['utf8mb3', 'cesu8', 'utf8mb3'],
    ['latin1', 'latin1', 'latin1'],
    // the server reads the text as something else than the driver sends
    ['latin1', 'utf8', 'unknown'],
    ['utf8mb4', 'latin1', 'unknown'],
    ['utf8mb4', 'gbk', 'unknown'],
    ['gbk', 'utf8', 'unknown'],
    ['utf8mb4', undefined, 'unknown'],
  ])('%s, sent as %s: %s', (charset, encoding, expected) => {
    expect(sessionOf(rows('', '11.4.5-MariaDB', charset), encoding).charset).toBe(expected);
  });

  it('whether its transactions are serializable', () => {
    expect(sessionOf(rows('', '11.4.5-MariaDB', 'utf8mb4', 'SERIALIZABLE'), 'utf8').serializable).toBe(true);
  });

  it.each([
    ['[[{"Variable_name":"lower_case_table_names","Value":"0"}]]', false],
    ['[[{"Variable_name":"lower_case_table_names","Value":"1"}]]', true],
    ['[[{"Variable_name":"lower_case_table_names","Value":"2"}]]', true],
    [undefined, false],
  ])('%s: ignores case %s', (answer, expected) => {
    expect(ignoresCase(answer)).toBe(expected);
  });
});
