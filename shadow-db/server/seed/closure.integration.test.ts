import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SeedingDatabase } from '../../fixtures/seeding.js';
import { seed } from './run.js';
import type { Seed } from './spec.js';

/** A table of a generated schema: its own id, and references to others (itself too), each NULL or an id that exists. */
interface Table {
  parents: number[];
  rows: (number | null)[][];
  /** Ids up to this are roots; undefined: the table has no seed of its own. */
  upto: number | undefined;
  isListed: boolean;
  hasChildren: boolean;
  isComposite: boolean;
}

const schema = fc
  .integer({ min: 2, max: 5 })
  .chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, () =>
        fc.record({
          parents: fc.uniqueArray(fc.integer({ min: 0, max: count - 1 }), { maxLength: 3 }),
          rowCount: fc.integer({ min: 0, max: 25 }),
          upto: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
          isListed: fc.boolean(),
          hasChildren: fc.boolean(),
          isComposite: fc.boolean(),
          picks: fc.array(fc.option(fc.nat(), { nil: null }), { minLength: 75, maxLength: 75 }),
        }),
      ),
    ),
  )
  .map((specs): Table[] =>
    specs.map(({ parents, rowCount, picks, ...rest }) => ({
      ...rest,
      parents,
      rows: Array.from({ length: rowCount }, (_, row) =>
        parents.map((parent, at) => {
          const pick = picks[row * 3 + at] ?? null;
          const size = specs[parent]!.rowCount;
          return pick === null || size === 0 ? null : 1 + (pick % size);
        }),
      ),
    })),
  )
  .filter((tables) => tables.some(({ isListed, upto }) => isListed || upto !== undefined));

type Role = 'none' | 'whole' | 'root' | 'follower' | 'needed';

const tableName = (at: number): string => `t${at}`;

/** The same rules in a few lines, over sets of ids. undefined: the table is not seeded. */
function expectedRows(tables: readonly Table[]): (Set<number> | undefined)[] {
  const edges = tables.flatMap(({ parents }, child) => parents.map((parent, at) => ({ child, parent, at })));
  const declared = tables.map(({ isListed, upto }) => isListed || upto !== undefined);
  const listed = [...declared];
  const pulling = tables.map(({ hasChildren }, at) => declared[at] === true && hasChildren);
  const repeat = (step: () => boolean): void => {
    while (step());
  };
  repeat(() => {
    const next = edges.find(({ child, parent }) => pulling[parent] && !pulling[child] && !declared[child]);
    const listedToo = edges.find(({ child, parent }) => pulling[parent] && !listed[child]);
    if (next !== undefined) pulling[next.child] = true;
    if (listedToo !== undefined) listed[listedToo.child] = true;
    return next !== undefined || listedToo !== undefined;
  });
  const role: Role[] = tables.map(({ upto }, at) => (!listed[at] ? 'none' : upto === undefined ? 'whole' : 'root'));
  const isChooser = (at: number): boolean => role[at] === 'root' || role[at] === 'follower';
  repeat(() => {
    const next = edges.find(({ child, parent }) => role[child] === 'whole' && isChooser(parent));
    if (next !== undefined) role[next.child] = 'follower';
    return next !== undefined;
  });
  repeat(() => {
    const next = edges.find(({ child, parent }) => role[child] !== 'none' && role[parent] === 'none');
    if (next !== undefined) role[next.parent] = 'needed';
    return next !== undefined;
  });
  const chosen = tables.map(({ rows, upto }, at) => {
    const ids = rows.map((_, row) => row + 1);
    return new Set(role[at] === 'whole' ? ids : role[at] === 'root' ? ids.filter((id) => id <= upto!) : []);
  });
  const grow = (follow: (edge: (typeof edges)[number], id: number, target: number | null) => boolean): void =>
    repeat(() =>
      edges
        .flatMap((edge) => tables[edge.child]!.rows.map((row, index) => follow(edge, index + 1, row[edge.at]!)))
        .some(Boolean),
    );
  grow(({ child, parent }, id, target) => {
    if (role[child] !== 'follower' || !isChooser(parent) || target === null) return false;
    if (!chosen[parent]!.has(target) || chosen[child]!.has(id)) return false;
    return chosen[child]!.add(id) !== undefined;
  });
  grow(({ child, parent }, id, target) => {
    if (target === null || role[parent] === 'none' || !chosen[child]!.has(id) || chosen[parent]!.has(target))
      return false;
    return chosen[parent]!.add(target) !== undefined;
  });
  return chosen.map((ids, at) => (role[at] === 'none' ? undefined : ids));
}

function statements(tables: readonly Table[]): string[] {
  const creates = tables.map(({ parents, isComposite }, at) => {
    const columns = parents.map((_, index) => `, r${index} INT NULL`).join('');
    return `CREATE TABLE ${tableName(at)} (id INT NOT NULL${columns}, tag VARCHAR(8) NOT NULL, PRIMARY KEY (${isComposite ? 'tag, id' : 'id'}), UNIQUE KEY (id))`;
  });
  const inserts = tables.flatMap(({ rows }, at) =>
    rows.length === 0
      ? []
      : [
          `INSERT INTO ${tableName(at)} VALUES ${rows.map((row, index) => `(${[index + 1, ...row.map((one) => one ?? 'NULL'), `'${index % 3}x'`].join(', ')})`).join(', ')}`,
        ],
  );
  const keys = tables.flatMap(({ parents }, at) =>
    parents.map(
      (parent, index) =>
        `ALTER TABLE ${tableName(at)} ADD CONSTRAINT f${at}_${index} FOREIGN KEY (r${index}) REFERENCES ${tableName(parent)} (id)`,
    ),
  );
  return [...creates, ...inserts, ...keys];
}

describe('what is chosen', () => {
  let test: SeedingDatabase;
  beforeAll(async () => {
    test = await SeedingDatabase.create();
  });
  afterAll(async () => test.close());

  it('is the closure of the roots, and nothing more, whatever the schema', async () => {
    await fc.assert(
      fc.asyncProperty(schema, async (tables) => {
        await test.connection.query('SET foreign_key_checks = 0');
        for (const [row] of await tablesOf(test)) await test.connection.query(`DROP TABLE ${row}`);
        await test.connection.query('SET foreign_key_checks = 1');
        for (const sql of statements(tables)) await test.connection.query(sql);
        const seeds: Record<string, Seed> = {};
        tables.forEach(({ isListed, upto, hasChildren }, at) => {
          if (!isListed && upto === undefined) return;
          seeds[tableName(at)] = { children: hasChildren, ...(upto !== undefined && { where: `id <= ${upto}` }) };
        });
        const names = tables.map((_, at) => tableName(at));
        const seeding = await test.shadowed(names, seeds);
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
