import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { scanSync } from 'libpg-query';
import { Refusal } from '../codes.js';
import { postgresCorpus } from '../fixtures/postgres.js';
import { createRewriter, loadParser } from './index.js';
import { lex } from './lexer.js';
import { utf16Offsets } from './names.js';
import { parserLoaded, parseTree } from './parser.js';

/** Overflows the stack inside WebAssembly: the rewriter's own limit of depth does not stand before parseTree. */
const fault = `select ${'1+'.repeat(60_000)}1`;
const codeOf = (sql: string): string => {
  try {
    parseTree(sql);
    return 'parsed';
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
};
const each = (count: number, make: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => make(n)).join(', ');
const options = { dialect: 'postgres', mode: 'table', database: 'public', tables: { orders: 'shadow' } } as const;

it('says that the parser must be loaded first', () => {
  // this file is a module registry of its own, in which nothing has been loaded yet
  expect(parserLoaded()).toBe(false);
  expect(() => createRewriter(options)).toThrow(/await loadParser\(\)/);
});

describe('parser', () => {
  beforeAll(async () => {
    await loadParser();
    await loadParser();
  });

  it('never uses an instance again in which a statement overflowed the stack', async () => {
    for (let round = 0; round < 3; round += 1) {
      expect(codeOf(fault)).toBe('SQL_TOO_DEEP');
      expect(codeOf('select 1')).toBe('parsed');
      // the spare one faults as well, before another is there
      expect(codeOf(fault)).toBe('SQL_TOO_DEEP');
      expect(codeOf('select 1')).toBe('SQL_PARSER');
      const rewriter = createRewriter(options);
      expect(rewriter.rewrite('select * from orders')).toMatchObject({ action: 'refuse', code: 'SQL_PARSER' });
      await loadParser();
      // what was refused meanwhile is not kept
      expect(rewriter.rewrite('select * from orders')).toMatchObject({ action: 'rewrite' });
      await loadParser();
    }
  });

  it('answers from deep inside of the caller, or refuses', async () => {
    const rewriter = createRewriter(options);
    const sql = `select * from orders where ${'(a = 1 or '.repeat(60)}true${')'.repeat(60)}`;
    const deep = (left: number): string => (left === 0 ? rewriter.rewrite(`${sql} -- ${left}`).action : deep(left - 1));
    for (const depth of [10, 1000, 5000, 7000]) {
      try {
        expect(['rewrite', 'refuse']).toContain(deep(depth));
      } catch (error) {
        // the caller's own recursion
        expect(error).toBeInstanceOf(RangeError);
      }
    }
    // what was refused down there is not kept
    await loadParser();
    expect(deep(0)).toBe('rewrite');
  });

  it('holds for any text: a result, and never an exception', () => {
    const rewriter = createRewriter(options);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (noise) => {
        for (const text of [noise, `select ${noise} from orders`, `select * from orders ${noise}`]) {
          expect(['pass', 'rewrite', 'refuse']).toContain(rewriter.rewrite(text).action);
          rewriter.touchesShadowName(text);
        }
      }),
      { numRuns: 1500 },
    );
  });

  it('takes time in proportion to the length, up to 1 MB', () => {
    const rewriter = createRewriter(options);
    const timeMs = (rows: number): number => {
      const sql = `insert into orders values ${"(1, 'text', $1),".repeat(rows)}(1, 'x', null)`;
      const startMs = performance.now();
      const result = rewriter.rewrite(sql);
      expect(result.action === 'refuse' ? result.message : result.action).toBe('rewrite');
      return performance.now() - startMs;
    };
    timeMs(1000);
    const short = Math.min(timeMs(8_000), timeMs(8_000));
    // eight times as long; quadratic would be 64 times
    expect(timeMs(64_000) / short).toBeLessThan(30);
  });

  it.each([
    ['WITH parts', (count: number) => `with ${each(count, (n) => `c${n} as (select 1)`)} select 1 from orders`],
    [
      'qualified columns',
      (count: number) => `select ${each(count, () => 'public.orders.a')} from orders ${', orders o'.repeat(count)}`,
    ],
    [
      'locks',
      (count: number) => `select 1 from orders ${', orders o'.repeat(count)}${' for update of o, p'.repeat(count)}`,
    ],
  ])('takes time in proportion to the number of %s', (_, make) => {
    const rewriter = createRewriter(options);
    rewriter.rewrite(make(1_000));
    const startMs = performance.now();
    expect(rewriter.rewrite(make(40_000)).action).toBe('rewrite');
    // half a second; with a set for each part, and a look at each table for each column, it took 70 s and 10 s
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });

  it.each([
    ['quotes', "'x"],
    ['identifiers', '"x'],
    ['comments', '/* '],
    ['comments that end', '/**/'],
    ['dollars', '$a'],
    ['dollar quotes', '$a$'],
    ['strings in lines', "'a'\n"],
    ['strings and blanks', "'a'     "],
    ['unicode names', 'U&"\\0061"'],
    ['brackets', '('],
    ['dots', 'a.'],
    ['operators', '+-*/'],
    ['signs', '+'],
    ['signs before another operator', `${'+'.repeat(500_000)}*`],
    ['colons', '::'],
    ['backslashes', "E'\\\\'"],
    ['semicolons', ';'],
  ])('is not slowed down by 1 MB of %s', (_, part) => {
    const rewriter = createRewriter(options);
    const sql = `select ${part.repeat(Math.floor(1_000_000 / part.length))}`;
    const startMs = performance.now();
    rewriter.rewrite(sql, { standardConformingStrings: true });
    rewriter.touchesShadowName(`${sql}_shadow`);
    expect(performance.now() - startMs).toBeLessThan(15_000);
  });
});

describe('lexer', () => {
  it('finds the names of the corpora where the server finds them', () => {
    for (const { sql } of [...postgresCorpus('orm-pg'), ...postgresCorpus('shardingsphere-pg')]) {
      const offset = utf16Offsets(sql);
      let expected: string[];
      try {
        expected = scanSync(sql)
          .tokens.filter(({ text }) => /^[a-z_"\u0080-\uffff]/i.test(text) && !/^[ebxn]'|^u&'/i.test(text))
          .map(({ start, text }) => `${offset(start)} ${text}`)
          .filter((text) => !/^\d+ uescape$/i.test(text));
      } catch {
        continue;
      }
      let tokens: ReturnType<typeof lex>;
      try {
        tokens = lex(sql, true);
      } catch (error) {
        expect({ sql, code: (error as Refusal).code }).toMatchObject({ code: 'SQL_CHARACTER' });
        continue;
      }
      const found = tokens
        .filter(({ kind }) => kind === 'word' || kind === 'quoted')
        .map(({ start, end }) => `${start} ${sql.slice(start, end).replace(/\s+uescape.*$/i, '')}`);
      expect({ sql, found }).toEqual({ sql, found: expected });
    }
  });
});
