import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { campaign, type Finding, replay } from '../../bench/fuzz/campaign.js';
import { PostgresDialect } from '../../bench/fuzz/postgres/dialect.js';
import type { Step } from '../../bench/fuzz/postgres/step.js';
import type { World } from '../../bench/fuzz/postgres/world.js';
import { readRegressions } from '../../bench/fuzz/regressions.js';
import { createRewriter } from '../postgres/rewriter.js';

const folder = join(process.cwd(), 'shadow-db/fuzz/regressions');
/** A fixed seed makes the same statements each time; `npm run fuzz -- --dialect postgres` draws others. */
const seed = Number(process.env.SHADOWLINE_FUZZ_SEED ?? 20_240_305);

function url(): string {
  const value = process.env.SHADOWLINE_TEST_POSTGRES_URL;
  if (value === undefined) throw new Error('SHADOWLINE_TEST_POSTGRES_URL is not set: start the test servers');
  return value;
}

describe('redirected statements against the original ones on PostgreSQL', () => {
  let dialect: PostgresDialect;
  beforeAll(() => {
    dialect = new PostgresDialect(url());
  });
  afterAll(() => dialect.end());

  it('agree in rows, counts, SQLSTATE and state over 6,000 statements, and no real table is touched', async () => {
    const tally = await campaign(dialect, { statements: 6_000, seed });
    const found = tally.findings.map(({ difference, steps, world }) => ({
      ...difference,
      steps: steps.map((step) => dialect.describe(step)),
      world,
    }));
    expect(found).toEqual([]);
    expect(tally.statements).toBe(6_000);
    const refused = Object.values(tally.refused).reduce((sum, count) => sum + count, 0);
    // a rewriter that refuses everything, or a generator of errors, would agree too
    expect(refused / tally.statements).toBeLessThan(0.06);
    expect(tally.failed / tally.statements).toBeLessThan(0.3);
  }, 100_000);

  it('agree on every case that was found before', async () => {
    for (const { file, ...finding } of readRegressions(folder, 'postgres')) {
      expect({ file, difference: await replay(dialect, finding as never) }).toEqual({ file });
    }
  }, 60_000);

  it('do not agree when one name is left as it was, whatever the mode: the campaign finds that, small', async () => {
    const forgetful = new PostgresDialect(url(), (options) => {
      const rewriter = createRewriter(options);
      return {
        touchesShadowName: () => false,
        rewrite(text, context) {
          const result = rewriter.rewrite(text, context);
          if (result.action !== 'rewrite') return result;
          // the last of the redirected names
          const sql =
            options.mode === 'table'
              ? result.sql.replace(/_shadow"(?![\s\S]*_shadow")/, '"')
              : result.sql.replace(/_shadow"\.(?![\s\S]*_shadow"\.)/, '".');
          return { ...result, sql };
        },
      };
    });
    try {
      const kinds = new Set<string>();
      for (const from of [1, 2, 3, 4]) {
        const { findings } = await campaign(forgetful, { statements: 2000, seed: from, shrinkMs: 2000 });
        expect(findings).toHaveLength(1);
        const { difference, world } = findings[0] as Finding<World, Step>;
        kinds.add(`${difference.kind} ${world.mode}`);
      }
      expect([...kinds].some((kind) => kind.startsWith('leak'))).toBe(true);
    } finally {
      await forgetful.end();
    }
  }, 60_000);

  it('leave no database behind', async () => {
    const before = await databases();
    const other = new PostgresDialect(url());
    await other.open({ mode: 'table', conforming: true, tables: [], views: [] }).catch(() => undefined);
    await other.end();
    expect((await databases()).filter((name) => !before.includes(name))).toEqual([]);
  });
});

async function databases(): Promise<string[]> {
  const client = new pg.Client({ connectionString: url() });
  await client.connect();
  const { rows } = await client.query<{ datname: string }>(
    "SELECT datname FROM pg_database WHERE datname LIKE 'fz\\_%'",
  );
  await client.end();
  return rows.map(({ datname }) => datname);
}
