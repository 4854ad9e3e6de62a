import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { made } from '../../bench/fuzz/made.js';
import { makeStep } from '../../bench/fuzz/postgres/step.js';
import { makeWorld, type World } from '../../bench/fuzz/postgres/world.js';
import { postgresCorpus } from '../fixtures/postgres.js';
import { createRewriter, loadParser, type PostgresRewriter } from './index.js';
import { parseTree } from './parser.js';

/** A schema and one statement in it, by the generator of the execution differential. */
const drawn = made((choices) => {
  const world = { ...makeWorld(choices), conforming: true, mode: 'table' as const };
  return { world, sql: makeStep(choices, world).text };
});
const plain = { standardConformingStrings: true };

function rewriterOf(world: World): PostgresRewriter {
  const tables = [
    ...world.tables.map(({ schema, name }) => `${schema}.${name}`),
    ...world.views.map(({ name }) => name),
  ];
  return createRewriter({
    dialect: 'postgres',
    mode: 'table',
    database: 'public',
    truncate: true,
    tables: Object.fromEntries(tables.map((key) => [key, 'shadow'] as const)),
  });
}

beforeAll(loadParser);

describe('generated statements', () => {
  it('are redirected once: the result names shadow tables, and is refused for that', () => {
    fc.assert(
      fc.property(drawn, ({ world, sql }) => {
        const rewriter = rewriterOf(world);
        const once = rewriter.rewrite(sql, plain);
        fc.pre(once.action === 'rewrite');
        if (once.action !== 'rewrite') return;
        expect(rewriter.rewrite(once.sql, plain)).toMatchObject({ action: 'refuse', code: 'SQL_SHADOW_NAME' });
        expect(rewriter.touchesShadowName(once.sql, plain)).toBe(true);
        expect(rewriter.touchesShadowName(sql, plain)).toBe(false);
      }),
      { numRuns: 600 },
    );
  });

  it('keep every byte that is not part of a table name', () => {
    fc.assert(
      fc.property(drawn, ({ world, sql }) => {
        const result = rewriterOf(world).rewrite(sql, plain);
        fc.pre(result.action === 'rewrite');
        if (result.action !== 'rewrite') return;
        // what was put in taken out, what is left stands in the original in this order
        const rest = result.sql.split(
          /(?:"(?:[^"]|"")*"\.)?"(?:[^"]|"")*_shadow"(?: AS "(?:[^"]|"")*")?|"(?:[^"]|"")*"\.|\*? AS "(?:[^"]|"")*"|\) AS "(?:[^"]|"")*"|SELECT \* FROM/,
        );
        let at = 0;
        for (const part of rest) {
          const found = sql.indexOf(part, at);
          // a qualifier that lost its schema
          if (found < 0) return expect(sql).toMatch(/\.\s*|UESCAPE/);
          at = found + part.length;
        }
      }),
      { numRuns: 600 },
    );
  });

  it('mean to the parser what they meant before, but for the names', () => {
    fc.assert(
      fc.property(drawn, ({ world, sql }) => {
        const result = rewriterOf(world).rewrite(sql, plain);
        fc.pre(result.action === 'rewrite');
        if (result.action === 'rewrite') expect(meaning(result.sql)).toEqual(meaning(sql));
      }),
      { numRuns: 600 },
    );
    const every = createRewriter({ dialect: 'postgres', mode: 'table', database: 'public', tables: { '*': 'shadow' } });
    let compared = 0;
    const texts = [...postgresCorpus('orm-pg'), ...postgresCorpus('shardingsphere-pg')].map(({ sql }) => sql);
    // the same without a blank between words and quoted names
    for (const sql of [...texts, ...texts.map((text) => text.replace(/(\w) (?=")/g, '$1'))]) {
      const result = every.rewrite(sql, { ...plain, serverVersion: 18 });
      if (result.action !== 'rewrite') continue;
      expect(meaning(result.sql)).toEqual(meaning(sql));
      compared += 1;
    }
    expect(compared).toBeGreaterThan(700);
  });

  it('never slip through when they are cut or noise is put in', () => {
    fc.assert(
      fc.property(drawn, fc.nat(300), fc.string({ unit: 'binary', maxLength: 6 }), ({ world, sql }, at, noise) => {
        const rewriter = rewriterOf(world);
        const real = new Set([...world.tables, ...world.views].map(({ name }) => name));
        for (const text of [sql.slice(0, at), sql.slice(at), sql.slice(0, at) + noise + sql.slice(at)]) {
          const result = rewriter.rewrite(text);
          if (result.action !== 'rewrite') continue;
          for (const { table, target } of [...result.reads, ...result.writes]) {
            expect(real.has(table)).toBe(true);
            expect(target).toMatch(/_shadow$/);
          }
        }
      }),
      { numRuns: 600 },
    );
  });
});

/** The tree of a statement without places, schemas, suffixes, and aliases that say the table's own name. */
function meaning(sql: string): unknown {
  return JSON.parse(JSON.stringify(parseTree(sql)), (field, value: unknown) => {
    if (field === 'location' || /_(?:start|end)$|^stmt_(?:len|location)$/.test(field)) return undefined;
    if (typeof value !== 'object' || value === null) return value;
    if ('relname' in value) {
      const { schemaname: _, ...table } = value as Named;
      const relname = bare(table.relname);
      if (bare(table.alias?.aliasname ?? '') !== relname || table.alias?.colnames !== undefined)
        return { ...table, relname };
      const { alias: __, ...rest } = table;
      return { ...rest, relname };
    }
    if ('conname' in value) return { ...value, conname: bare(String(value.conname)) };
    // `TABLE orders` is the SELECT that it stands for; of `schema.table.column` the schema goes
    if ('fields' in value && Array.isArray(value.fields)) return { ...value, fields: value.fields.slice(-2) };
    return value;
  });
}

interface Named {
  schemaname?: string;
  relname: string;
  alias?: { aliasname: string; colnames?: unknown };
}

const bare = (name: string): string => name.replace(/(?:_[0-9a-f]{8})?_shadow$/, '').slice(0, 40);
