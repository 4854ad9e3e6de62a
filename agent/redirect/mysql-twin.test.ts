import { describe, expect, it } from '@jest/globals';
import { ignoresCase, sessionOf } from './mysql-twin.js';

const rows = (mode: string, version: string) =>
  JSON.stringify([[{ '@@SESSION.sql_mode': mode, 'VERSION()': version, '@@character_set_client': 'utf8mb4' }]]);
const off = { ansiQuotes: false, noBackslashEscapes: false, ignoreSpace: false, pipesAsConcat: false, oracle: false };

describe('what a session says of itself', () => {
  it.each([
    [rows('', '8.0.36'), { sqlMode: off, server: 'mysql', charset: 'utf8mb4' }],
    [
      rows('STRICT_TRANS_TABLES,IGNORE_SPACE', '11.4.5-MariaDB'),
      { sqlMode: { ...off, ignoreSpace: true }, server: 'mariadb', charset: 'utf8mb4' },
    ],
    [
      rows('PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE,ORACLE,NO_KEY_OPTIONS', '5.5.5-10.6.1-MariaDB-log'),
      {
        sqlMode: { ...off, ansiQuotes: true, ignoreSpace: true, pipesAsConcat: true, oracle: true },
        server: 'mariadb',
        charset: 'utf8mb4',
      },
    ],
    [
      rows('NO_BACKSLASH_ESCAPES', '8.4.0'),
      { sqlMode: { ...off, noBackslashEscapes: true }, server: 'mysql', charset: 'utf8mb4' },
    ],
    // the server did not answer: the rewriter must not take silence for a mode
    ['[]', {}],
    [undefined, {}],
  ])('%s', (answer, expected) => {
    expect(sessionOf(answer)).toEqual(expected);
  });

  it.each([
    ['[[{"@@lower_case_table_names":0}]]', false],
    ['[[{"@@lower_case_table_names":1}]]', true],
    ['[[{"@@lower_case_table_names":"2"}]]', true],
    [undefined, false],
  ])('%s: ignores case %s', (answer, expected) => {
    expect(ignoresCase(answer)).toBe(expected);
  });
});
