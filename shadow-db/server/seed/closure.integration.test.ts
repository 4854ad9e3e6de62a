import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { expectedRows, generatedSchema, seedsOf, statements, tableName } from '../../fixtures/seed-schema.js';
import { SeedingDatabase } from '../../fixtures/seeding.js';
import { seed } from './run.js';

describe('what is chosen', () => {
  let test: SeedingDatabase;
  beforeAll(async () => {
    test = await SeedingDatabase.create();
  });
  afterAll(async () => test.close());

  it('is the closure of the roots, and nothing more, whatever the schema', async () => {
    await fc.assert(
      fc.asyncProperty(generatedSchema, async (tables) => {
        await test.connection.query('SET foreign_key_checks = 0');
        for (const [row] of await tablesOf(test)) await test.connection.query(`DROP TABLE ${row}`);
        await test.connection.query('SET foreign_key_checks = 1');
        for (const sql of statements(tables)) await test.connection.query(sql);
        const names = tables.map((_, at) => tableName(at));
        const seeding = await test.shadowed(names, seedsOf(tables));
        const report = await seed(test.db, seeding, { maxChunkRows: 7 });
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

async function tablesOf(test: SeedingDatabase): Promise<string[][]> {
  const rows = await test.column('SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()');
  return rows.map((row) => [row]);
}
