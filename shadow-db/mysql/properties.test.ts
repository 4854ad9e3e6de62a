import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createRewriter } from './rewriter.js';

const tables = { orders: 'shadow', items: 'shadow', branches: 'real-read' } as const;
const rewriter = createRewriter({ dialect: 'mysql', mode: 'table', database: 'app', tables });
const plain = { sqlMode: { ansiQuotes: false, noBackslashEscapes: false } };

// statements built from parts, so that most of them are valid
const space = fc.constantFrom(' ', '\n', '\t ', ' /* x */ ', ' -- y\n');
const name = fc.constantFrom('orders', '`orders`', 'items', 'app.orders', 'app . `items`');
const value = fc.constantFrom(
  "'it''s orders'",
  '?',
  '12',
  '-1.5e3',
  "x'00'",
  'null',
  '"from orders"',
  '@x',
  '`a b`',
  'now()',
);
const condition = fc
  .tuple(value, fc.constantFrom('=', '<>', 'in (1,2) and 1 =', 'like'), value)
  .map((parts) => parts.join(' '));
const select = fc
  .tuple(space, value, name, fc.constantFrom('', ' o', ' as `o`'), condition)
  .map(
    ([gap, column, table, alias, where]) => `select${gap}${column}${gap}from${gap}${table}${alias}${gap}where ${where}`,
  );
const statement = fc.oneof(
  select,
  fc.tuple(select, select).map(([one, two]) => `${one} union all ${two}`),
  fc.tuple(name, select).map(([table, query]) => `insert into ${table} ${query}`),
  fc.tuple(name, value, select).map(([table, set, query]) => `update ${table} set a = ${set} where b in (${query})`),
  fc.tuple(name, select).map(([table, query]) => `delete from ${table} where a = (${query})`),
  fc.tuple(select, space).map(([query, gap]) => `select * from (${query})${gap}t`),
);

describe('properties', () => {
  it('redirects every statement of the grammar; its output is refused', () => {
    fc.assert(
      fc.property(statement, (sql) => {
        const once = rewriter.rewrite(sql, plain);
        expect(once.action).toBe('rewrite');
        if (once.action !== 'rewrite') return;
        expect(rewriter.rewrite(once.sql, plain)).toMatchObject({ action: 'refuse', code: 'SQL_SHADOW_NAME' });
      }),
      { numRuns: 500 },
    );
  });

  it('leaves every byte outside the spliced names', () => {
    fc.assert(
      fc.property(statement, (sql) => {
        const result = rewriter.rewrite(sql, plain);
        if (result.action !== 'rewrite') throw new Error(JSON.stringify(result));
        const restored = result.sql.replace(/`(orders|items)_shadow`( AS `\1`)?/g, '$1');
        expect(restored.replaceAll('`', '')).toBe(sql.replaceAll('`', ''));
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, and refuses what names an unknown table after a cut or a splice of noise', () => {
    fc.assert(
      fc.property(statement, fc.nat(200), fc.string({ unit: 'binary', maxLength: 6 }), (sql, at, noise) => {
        for (const text of [sql.slice(0, at), sql.slice(at), sql.slice(0, at) + noise + sql.slice(at), noise]) {
          const result = rewriter.rewrite(text);
          expect(['pass', 'rewrite', 'refuse']).toContain(result.action);
          if (result.action === 'rewrite')
            for (const ref of [...result.reads, ...result.writes]) expect(ref.table in tables).toBe(true);
          rewriter.touchesShadowName(text);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses random text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        fc.pre(!/^[\s(]*(?:select|set|show|begin|commit|rollback|values)/i.test(text));
        expect(rewriter.rewrite(text).action).toBe('refuse');
      }),
    );
  });
});
