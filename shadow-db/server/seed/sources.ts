import { createRewriter } from '../../mysql/rewriter.js';
import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { type Desired, desired } from '../mysql/desired.js';
import { existingTable } from '../mysql/drift.js';
import type { Names } from '../mysql/options.js';
import { firstShadowId, markedFirst } from '../mysql/range.js';
import type { Sides } from '../mysql/sides.js';
import { isSeedDue } from './due.js';
import { SeedError } from './errors.js';
import { type SeedPlan, seedPlan } from './plan.js';
import type { SourceTable } from './source-tables.js';

/** What is to be filled and how; undefined when there is nothing to do. Changes nothing. Throws SeedError. */
export async function readSeedPlan(db: Db, sides: Sides): Promise<SeedPlan | undefined> {
  const { seed } = sides.names.options;
  if (seed === undefined || Object.keys(seed).length === 0) return undefined;
  const wanted = desired(sides);
  const planned = seedPlanOf(sides, wanted, await estimatedRows(db, sides.names));
  const isThere = (key: string): boolean => {
    const table = wanted.tables.find(({ label }) => label === key);
    return table !== undefined && existingTable(sides, table) !== undefined;
  };
  return planned && (await isSeedDue(db, planned, isThere)) ? planned : undefined;
}

/** How the shadow side that is wanted is filled. Pure. Throws SeedError, and ShadowDbError for a range that has no room. */
export function seedPlanOf(
  sides: Sides,
  wanted: Desired,
  estimates?: ReadonlyMap<string, number>,
): SeedPlan | undefined {
  const { names } = sides;
  const { seed } = names.options;
  if (seed === undefined || Object.keys(seed).length === 0) return undefined;
  return seedPlan(seedSources(sides, wanted), seed, {
    helper: (name) => ({ schema: names.schema, table: names.shadow(name) }),
    checkCondition: (table, where) => checkCondition(table, where),
    ...(estimates && { estimates }),
  });
}

function seedSources(sides: Sides, wanted: Desired): SourceTable[] {
  const { names, server } = sides;
  const labels = new Map(wanted.tables.map(({ schema, name, label }) => [`${schema}.${name}`, label]));
  return wanted.tables.map((table) => {
    const { real, label, database, schema, name, foreignKeys } = table;
    const existing = existingTable(sides, table);
    const marked = existing && markedFirst(existing);
    const first =
      marked === undefined ? firstShadowId(real, names.gap(label), label, server.idIncrement) : BigInt(marked);
    return {
      key: label,
      real,
      realSchema: database,
      target: { schema, table: name },
      foreignKeys: foreignKeys.map((key) => ({
        name: key.name,
        columns: key.columns,
        parent: labels.get(`${key.parentSchema}.${key.parent}`) ?? key.parent,
        parentColumns: key.parentColumns,
      })),
      ...(first !== undefined && { firstShadowId: first }),
    };
  });
}

/** The condition is text of the configuration: it may read this table only, and must be one expression. */
function checkCondition({ key, real, realSchema }: SourceTable, where: string): void {
  const rewriter = createRewriter({
    dialect: 'mysql',
    mode: 'table',
    database: realSchema,
    tables: { [real.name]: 'real-read' },
  });
  const result = rewriter.rewrite(`SELECT 1 FROM ${quoteName(real.name)} WHERE (${where}) LIMIT 1`, {
    charset: 'utf8mb4',
  });
  if (result.action === 'rewrite') return;
  const why = result.action === 'refuse' ? result.message : where;
  throw new SeedError('SEED_SPEC', `the condition of ${key} is refused: ${why}`);
}

/** Rows per real table, as the server estimates them; by label. */
async function estimatedRows(db: Db, names: Names): Promise<Map<string, number>> {
  const estimates = new Map<string, number>();
  for (const database of names.databases) {
    const rows = await db.query(
      'SELECT TABLE_NAME AS name, CAST(TABLE_ROWS AS CHAR) AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_ROWS IS NOT NULL',
      [database],
    );
    for (const row of rows) estimates.set(names.label(database, String(row.name)), Number(row.n));
  }
  return estimates;
}

/** The journal and the lists of chosen keys: no table's shadow, and dropped with the shadow tables. */
export function isSeedHelper(table: string, names: Names): boolean {
  return /^shadowline_(?:seed|keys_\d+)$/.test(helperStem(table, names));
}

function helperStem(table: string, names: Names): string {
  const suffix = names.shadow('x').slice(1);
  return table.endsWith(suffix) ? table.slice(0, table.length - suffix.length) : '';
}
