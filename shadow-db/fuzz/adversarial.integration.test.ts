import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AttackOptions, Prey } from '../../bench/fuzz/mysql/prey.js';
import { F, firstWord, flagsOf, wordText } from '../mysql/words.js';
import { contained, refused } from './fixtures/attacks.js';

function url(): string {
  const value = process.env.SHADOWLINE_TEST_MYSQL_URL;
  if (value === undefined) throw new Error('SHADOWLINE_TEST_MYSQL_URL is not set: start the test servers');
  return value;
}

const sessions: AttackOptions[] = [
  {},
  { flags: ['ANSI_QUOTES'] },
  { flags: ['NO_BACKSLASH_ESCAPES'] },
  { flags: ['ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'PIPES_AS_CONCAT', 'IGNORE_SPACE'] },
  { flags: ['ORACLE'] },
  { untold: true },
  { untold: true, flags: ['ANSI_QUOTES'] },
  { untold: true, flags: ['NO_BACKSLASH_ESCAPES'] },
];
/** Character sets in which the driver or the server reads other characters than the text has. */
const charsets = [
  'latin1_swedish_ci',
  'ascii_general_ci',
  'binary',
  'cp1251_general_ci',
  'sjis_japanese_ci',
  'gbk_chinese_ci',
  'big5_chinese_ci',
  'cp932_japanese_ci',
];

describe.each(['table', 'schema'] as const)('statements made to slip through, mode %s', (mode) => {
  let prey: Prey;
  const inPrey = (sql: string): string =>
    sql.replace(/\b(app|other)\b/g, (word) => (word === 'app' ? prey.database : `${prey.database}_other`));
  beforeAll(async () => {
    prey = await Prey.open(url(), mode, ['count', 'now', 'max', 'substring', 'trim']);
  }, 300_000);
  afterAll(() => prey.close());

  it.each(Object.entries(refused))('%s are refused', async (_kind, statements) => {
    for (const sql of statements) {
      for (const session of sessions)
        expect({ input: sql, session, ...(await prey.attack(inPrey(sql), session)) }).toMatchObject({
          action: 'refuse',
        });
    }
  });

  it.each(Object.entries(contained))('%s reach shadow tables only', async (kind, statements) => {
    // ASCII is the same in all of them
    const others = kind === 'names that need care' ? [] : charsets;
    const leaks: unknown[] = [];
    for (const sql of statements) {
      const tried = [
        ...sessions.map((session) => [session, {}] as const),
        ...others.map((charset) => [{}, { charset }] as const),
      ];
      for (const [session, connection] of tried) {
        const result = await prey.attack(inPrey(sql), session, connection);
        if (result.action === 'ran' && result.leak !== undefined)
          leaks.push({ from: sql, session, connection, ...result });
      }
    }
    expect(leaks).toEqual([]);
    expect(await prey.changed()).toBeUndefined();
  });

  it('in the middle of every statement text is cut off or NUL is put in: nothing gets through', async () => {
    const leaks: unknown[] = [];
    for (const sql of Object.values(contained).flat()) {
      for (let at = 1; at < sql.length; at += 7) {
        for (const text of [sql.slice(0, at), sql.slice(at), `${sql.slice(0, at)}\0${sql.slice(at)}`]) {
          const result = await prey.attack(inPrey(text));
          if (result.action === 'ran' && result.leak !== undefined) leaks.push({ text, ...result });
        }
      }
    }
    expect(leaks).toEqual([]);
    expect(await prey.changed()).toBeUndefined();
  }, 300_000);

  it('statements of 1 MB and of any depth end quickly, and reach shadow tables only', async () => {
    const many = (text: string, count: number): string => text.repeat(count);
    const depth = 10_000;
    const texts = [
      `SELECT name FROM orders WHERE name = '${many('x', 1_000_000)}'`,
      `SELECT name FROM orders WHERE name = '${many('x', 200_000)}'`,
      `SELECT name FROM orders ${many('/* FROM ledger */ ', 10_000)}`,
      `SELECT name FROM orders ${many('-- x\n', 20_000)}`,
      `INSERT INTO orders (name) VALUES ${many("('x'),", 10_000)}('x')`,
      `SELECT name FROM orders WHERE id IN (${many('1,', 400_000)}1)`,
      `SELECT ${many('(', depth)}1${many(')', depth)} FROM orders`,
      `SELECT name FROM ${many('(', depth)}orders${many(')', depth)}`,
      `SELECT name FROM orders WHERE ${many('(SELECT ', depth)}1${many(')', depth)}`,
      `${many('(', depth)}SELECT name FROM orders${many(')', depth)}`,
      `SELECT name FROM orders WHERE ${many('NOT ', 200_000)}1`,
      `SELECT ${many('-', 3)}${many('- ', 300_000)}1 FROM orders`,
      `SELECT name FROM orders ${many('/* x */ ', 120_000)}`,
      `SELECT name FROM orders ${many('-- x\n', 200_000)}`,
      `SELECT name FROM orders ${many('UNION SELECT name FROM items ', 30_000)}`,
      `SELECT name FROM orders ${many('JOIN items ', 80_000)}`,
      `SELECT name FROM orders${many(', orders', 120_000)}`,
      `SELECT ${many("'a' ", 200_000)} FROM orders`,
      `SELECT ${many('`', 1_000_001)} FROM orders`,
      `SELECT '${many("'", 1_000_000)}' FROM orders`,
      `SELECT '${many('\\', 1_000_000)}' FROM orders`,
      `SELECT @${many('a', 1_000_000)} FROM orders`,
      `SELECT ${many('9', 1_000_000)} FROM orders`,
      `SELECT 1e${many('9', 1_000_000)} FROM orders`,
      `SELECT ${many('a.', 500_000)}a FROM orders`,
      `INSERT INTO orders (name) VALUES ${many("('x'),", 120_000)}('x')`,
      `WITH ${Array.from({ length: 20_000 }, (_, at) => `c${at} AS (SELECT 1)`).join(', ')} SELECT name FROM orders`,
      many('SELECT name FROM orders ', 40_000),
      `UPDATE ${Array.from({ length: 60_000 }, (_, at) => `orders a${at}`).join(', ')} SET ${many('n = 1, ', 60_000)}n = 1`,
      `UPDATE ${Array.from({ length: 30_000 }, (_, at) => `orders a${at}`).join(', ')} SET ${Array.from({ length: 30_000 }, (_, at) => `${prey.database}.a${at}.n = 1`).join(', ')}`,
    ];
    for (const sql of texts) {
      const startMs = performance.now();
      prey.rewriter.rewrite(sql);
      const ms = performance.now() - startMs;
      // ten times what it takes on a busy machine; what is not linear takes minutes
      expect({ sql: sql.slice(0, 40), slow: ms > 10_000 ? ms : false }).toEqual({ sql: sql.slice(0, 40), slow: false });
      // the server itself takes minutes for some of these
      if (sql.length > 300_000) continue;
      const result = await prey.attack(sql);
      expect({ sql: sql.slice(0, 40), leak: result.action === 'ran' ? result.leak : undefined }).toEqual({
        sql: sql.slice(0, 40),
      });
    }
  }, 600_000);
});

describe('stored functions with the names of built-in ones', () => {
  const maybeFunction =
    F.function | F.mysqlFunction | F.mariadbFunction | F.beforeBracket | F.convertType | F.jsonTable;
  const ids = Array.from(flagsOf, (flags, id) => ((flags & maybeFunction) !== 0 ? id : 0)).filter(
    (id) => id >= firstWord,
  );
  const names = ids.map(wordText);
  let prey: Prey;
  beforeAll(async () => {
    prey = await Prey.open(url(), 'table', names);
  }, 300_000);
  afterAll(() => prey.close());

  it('know the names', () => {
    expect(names.length).toBeGreaterThan(300);
    expect(names).toEqual(expect.arrayContaining(['COUNT', 'ANY_VALUE', 'OFFSET']));
  });

  it.each<[string, AttackOptions]>([
    ['with IGNORE_SPACE', { flags: ['IGNORE_SPACE'] }],
    ['without IGNORE_SPACE', {}],
    ['in a session of which nothing is known', { untold: true }],
    ['in a session of which nothing is known, with IGNORE_SPACE', { untold: true, flags: ['IGNORE_SPACE'] }],
  ])('are not called, %s', async (_what, session) => {
    const leaks: string[] = [];
    for (const name of names) {
      for (const sql of [`SELECT ${name}(1)`, `SELECT ${name}/**/ (1)`]) {
        const result = await prey.attack(sql, session);
        if (result.action === 'ran' && result.leak !== undefined) leaks.push(sql);
      }
    }
    expect(leaks).toEqual([]);
    expect(await prey.changed()).toBeUndefined();
  });
});
