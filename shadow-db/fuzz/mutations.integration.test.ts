import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { made } from '../../bench/fuzz/made.js';
import { mutate } from '../../bench/fuzz/mysql/mutations.js';
import { Prey } from '../../bench/fuzz/mysql/prey.js';
import { Void } from '../../bench/fuzz/mysql/void.js';
import { contained } from './fixtures/attacks.js';

interface Line {
  sql: string;
  kind: string;
  maria: string;
  tables: string[];
}

function url(): string {
  const value = process.env.SHADOWLINE_TEST_MYSQL_URL;
  if (value === undefined) throw new Error('SHADOWLINE_TEST_MYSQL_URL is not set: start the test servers');
  return value;
}

const seed = Number(process.env.SHADOWLINE_FUZZ_SEED ?? 20_240_305);
const rounds = Number(process.env.SHADOWLINE_FUZZ_MUTATIONS ?? 6000);
const lines = ['orm-mysql.jsonl', 'shardingsphere-mysql.jsonl'].flatMap((file) =>
  readFileSync(join(process.cwd(), 'shadow-db/fixtures', file), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line),
);

const sessions = [{}, { flags: ['ANSI_QUOTES'] }, { flags: ['NO_BACKSLASH_ESCAPES'] }, { untold: true }];

describe('valid statements with a few hostile changes', () => {
  it('of two corpora: none reaches for a real table, where only shadow tables exist', async () => {
    const dml = lines.filter(({ kind, maria }) => kind === 'dml' && maria.startsWith('ok'));
    const names = [...new Set(dml.flatMap(({ tables }) => tables))].filter((name) => /^[a-z_0-9]+$/i.test(name));
    const place = await Void.open(url(), names);
    try {
      const hostile = [
        ...names.slice(0, 20),
        ...names.slice(0, 8).map((name) => `\`${name}\``),
        'no_such_table',
        '`x`',
        place.database,
      ];
      const mutated = made((choices) => mutate(choices, choices.pick(dml).sql, choices.pick(dml).sql, hostile));
      let ran = 0;
      await fc.assert(
        fc.asyncProperty(mutated, async (sql) => {
          const result = await place.attack(sql);
          expect({ sql, redirected: result.sql, reached: result.reached }).toEqual({ sql, redirected: result.sql });
          if (!result.refused && result.errno !== 1064) ran += 1;
        }),
        { seed, numRuns: rounds },
      );
      // most changes make an error of syntax; enough must get as far as opening tables
      expect(ran / rounds).toBeGreaterThan(0.05);
    } finally {
      await place.close();
    }
  }, 600_000);

  it.each(['table', 'schema'] as const)(
    'of what was made to slip through: no real table is read or changed, mode %s',
    async (mode) => {
      const prey = await Prey.open(url(), mode, ['count']);
      try {
        const statements = Object.values(contained).flat();
        const names = [
          'orders',
          'items',
          '`my table`',
          '`select`',
          'branches',
          'ledger',
          'secrets',
          `${prey.database}.orders`,
          `${prey.database}.ledger`,
          'recent',
          'seq',
          'f_read(1)',
          'o',
          '`o`',
          'name',
          '1',
        ];
        const mutated = made((choices) => {
          const pick = (): string => choices.pick(statements).replace(/\bapp\b/g, prey.database);
          const sql = mutate(choices, pick(), pick(), names);
          return { sql, session: choices.pick(sessions) };
        });
        await fc.assert(
          fc.asyncProperty(mutated, async ({ sql, session }) => {
            const result = await prey.attack(sql, session);
            expect({ from: sql, leak: undefined, ...result }).toMatchObject({ leak: undefined });
          }),
          { seed: seed + 1, numRuns: rounds / 4 },
        );
      } finally {
        await prey.close();
      }
    },
    120_000,
  );
});
