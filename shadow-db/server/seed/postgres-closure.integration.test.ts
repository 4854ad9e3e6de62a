import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { expectedRows, generatedSchema, seedsOf, statements, tableName } from '../../fixtures/seed-schema.js';
import { SeedingPostgres } from '../../fixtures/seeding-postgres.js';
import { seed } from './run.js';

describe('what is chosen on PostgreSQL', () => {
  let test: SeedingPostgres;
  beforeAll(async () => {
    test = await SeedingPostgres.create();
  });
  afterAll(async () => test.close());

  it('is the closure of the roots, and nothing more, whatever the schema', async () => {
    await fc.assert(
      fc.asyncProperty(generatedSchema, async (tables) => {
        await test.rows('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
        for (const sql of statements(tables)) await test.rows(sql);
        const names = tables.map((_, at) => tableName(at));
        const report = await seed(test.db, await test.shadowed(names, seedsOf(tables)), { maxChunkRows: 7 });
        expect(report.closure).toEqual([]);
        for (const [at, ids] of expectedRows(tables).entries()) {
          const found = await test.column(`SELECT id FROM ${tableName(at)}_shadow ORDER BY id`);
          expect([tableName(at), found]).toEqual([tableName(at), [...(ids ?? [])].sort((a, b) => a - b).map(String)]);
        }
      }),
      { numRuns: Number(process.env.SHADOWLINE_TEST_SCHEMAS ?? 12) },
    );
  });
});
