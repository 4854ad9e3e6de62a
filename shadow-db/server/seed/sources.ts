import { createRewriter } from '../../mysql/rewriter.js';
import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import type { Desired } from '../mysql/desired.js';
import type { SchemaModel } from '../mysql/inspect.js';
import type { Names } from '../mysql/options.js';
import { firstShadowId, markedFirst } from '../mysql/range.js';
import { SeedError } from './errors.js';
import { named } from './mysql.js';
import { type SeedPlan, seedPlan } from './plan.js';
import type { SourceTable } from './source-tables.js';

/** How the shadow side that is wanted is filled. Pure. Throws SeedError, and ShadowDbError for a range that has no room. */
export function seedPlanOf(
  wanted: Desired,
  names: Names,
  shadow: SchemaModel,
  estimates?: ReadonlyMap<string, number>,
): SeedPlan | undefined {
  const { seed } = names.options;
  if (seed === undefined || Object.keys(seed).length === 0) return undefined;
  return seedPlan(seedSources(wanted, names, shadow), seed, {
    helper: (name) => ({ schema: names.schema, table: names.shadow(name) }),
    checkCondition: (table, where) => checkCondition(table, where),
    ...(estimates && { estimates }),
  });
}

function seedSources(wanted: Desired, names: Names, shadow: SchemaModel): SourceTable[] {
  const keyOf = new Map(wanted.tables.map(({ name, real }) => [name, real.name]));
  return wanted.tables.map(({ real, name, foreignKeys }) => {
    const existing = shadow.tables.find((table) => table.name === name);
    const marked = existing && markedFirst(existing);
    const first = marked === undefined ? firstShadowId(real, names.gap(real.name)) : BigInt(marked);
    return {
      key: real.name,
      real,
      realSchema: names.options.database,
      target: { schema: names.schema, table: name },
      foreignKeys: foreignKeys.map((key) => ({
        name: key.name,
        columns: key.columns,
        parent: keyOf.get(key.parent) ?? key.parent,
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
  const result = rewriter.rewrite(`SELECT 1 FROM ${quoteName(real.name)} WHERE (${where}) LIMIT 1`);
  if (result.action === 'rewrite') return;
  const why = result.action === 'refuse' ? result.message : where;
  throw new SeedError('SEED_SPEC', `the condition of ${key} is refused: ${why}`);
}

/** Rows per real table, as the server estimates them. */
export async function estimatedRows(db: Db, database: string): Promise<Map<string, number>> {
  const rows = await db.query(
    'SELECT TABLE_NAME AS name, CAST(TABLE_ROWS AS CHAR) AS n FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_ROWS IS NOT NULL',
    [database],
  );
  return new Map(rows.map((row) => [String(row.name), Number(row.n)]));
}

/** Whether there is something to fill: a table without rows that was not found empty before, or a seed that was interrupted. */
export async function isSeedDue(db: Db, plan: SeedPlan, existing: (table: string) => boolean): Promise<boolean> {
  const { journal, tables } = plan;
  const known = new Map<string, Record<string, unknown>>();
  const [found] = await db.query(
    'SELECT 1 AS x FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [journal.schema, journal.table],
  );
  if (found !== undefined) {
    for (const row of await db.query(
      `SELECT step, CAST(row_count AS CHAR) AS n, is_done AS done FROM ${named(journal)}`,
    )) {
      known.set(String(row.step), row);
    }
  }
  if (known.has('check') && Number(known.get('check')?.done) === 0) return true;
  for (const { key, target } of tables) {
    const entry = known.get(`copy ${key}`);
    if (entry !== undefined && Number(entry.done) === 0) return true;
    if (!existing(target.table)) return true;
    if (entry !== undefined && Number(entry.n) === 0) continue;
    const [any] = await db.query(`SELECT 1 AS x FROM ${named(target)} LIMIT 1`);
    if (any === undefined) return true;
  }
  return false;
}

/** The journal and the lists of chosen keys: no table's shadow, and dropped with the shadow tables. */
export function isSeedHelper(table: string, names: Names): boolean {
  return /^shadowline_(?:seed|keys_\d+)$/.test(helperStem(table, names));
}

function helperStem(table: string, names: Names): string {
  const suffix = names.shadow('x').slice(1);
  return table.endsWith(suffix) ? table.slice(0, table.length - suffix.length) : '';
}
