import { parse } from 'libpg-query';
import type { TableName } from '../../mapping.js';
import { loadParser } from '../../postgres/parser.js';
import { createRewriter } from '../../postgres/rewriter.js';
import type { Db } from '../db.js';
import { isSeedDue } from '../seed/due.js';
import { SeedError } from '../seed/errors.js';
import { type SeedPlan, seedPlan } from '../seed/plan.js';
import type { SeedTableModel, SourceTable } from '../seed/source-tables.js';
import type { Desired, DesiredTable } from './desired.js';
import { actualSequence, actualTable } from './drift.js';
import { markedFirst } from './mark.js';
import type { IndexModel, SchemaModel } from './model.js';
import type { Names } from './options.js';
import { full, sameTable, shown } from './quote.js';
import { firstShadowId } from './range.js';

interface Sides {
  model: SchemaModel;
  wanted: Desired;
  /** Highest real ids by sequence. */
  highest: ReadonlyMap<string, bigint>;
}

/** What is to be filled and how; undefined when there is nothing to do. Changes nothing. Throws SeedError. */
export async function readSeedPlan(db: Db, sides: Sides, names: Names): Promise<SeedPlan | undefined> {
  const { seed } = names.options;
  if (seed === undefined || Object.keys(seed).length === 0) return undefined;
  await loadParser();
  const warnings: string[] = [];
  const sources = seedSources(sides, names, warnings);
  const planned = seedPlan(sources, seed, {
    dialect: 'postgres',
    helper: (name) => helperName(name, names),
    checkCondition,
    estimates: await estimatedRows(db, sources),
  });
  for (const { key } of planned.tables) {
    const where = seed[key]?.where;
    if (where !== undefined) await checkForm(key, where);
  }
  planned.warnings.push(...warnings);
  const isThere = (key: string): boolean => {
    const target = planned.tables.find((table) => table.key === key)?.target;
    return target !== undefined && actualTable(target, sides.model) !== undefined;
  };
  return (await isSeedDue(db, planned, isThere)) ? planned : undefined;
}

/** The journal and the lists of chosen keys: no table's shadow, and dropped with the shadow tables. */
export function isSeedHelper(table: TableName, names: Names): boolean {
  if (table.schema !== names.home) return false;
  const stem = names.options.mode === 'table' ? stemOf(table.table, names.mapping.suffix) : table.table;
  return /^shadowline_(?:seed|keys_\d+)$/.test(stem);
}

/** What the seeder makes, and must be free or ours. */
export function journalName(names: Names): TableName {
  return helperName('shadowline_seed', names);
}

function helperName(name: string, names: Names): TableName {
  return { schema: names.home, table: names.shadow(name) };
}

function stemOf(table: string, suffix: string): string {
  return table.endsWith(suffix) ? table.slice(0, -suffix.length) : '';
}

/** Partitions are filled through the table that they are of. */
function seedSources({ model, wanted, highest }: Sides, names: Names, warnings: string[]): SourceTable[] {
  const rootOf = (target: TableName): DesiredTable | undefined => {
    const table = wanted.tables.find((one) => sameTable(one.target, target));
    return table?.partitionOf ? rootOf(table.partitionOf) : table;
  };
  for (const table of wanted.tables.filter(({ partitionOf }) => partitionOf !== null)) {
    for (const { name } of table.foreignKeys)
      warnings.push(`foreign key ${name} of the partition ${shown(table.real)} is not followed by the seed`);
  }
  return wanted.tables
    .filter(({ partitionOf }) => partitionOf === null)
    .map((table) => {
      const sequence = wanted.sequences.find(({ users }) => users.some((user) => user.table === table.real));
      const column = sequence?.users.find((user) => user.table === table.real)?.column.name;
      const reached = sequence && highest.get(shown(sequence.real));
      const marked = sequence && markedFirst(actualSequence(sequence, model) ?? { comment: '' });
      const first = sequence && (marked === undefined ? firstShadowId(sequence, reached, names) : BigInt(marked));
      return {
        key: names.plain(table.real),
        real: modelOf(table, column, String(reached ?? sequence?.real.last ?? 0)),
        realSchema: table.real.schema,
        target: table.target,
        foreignKeys: table.foreignKeys.map((key) => ({
          name: key.name,
          columns: key.columns,
          parent: names.plain(rootOf(key.parent)?.real ?? key.parent),
          parentColumns: key.parentColumns,
        })),
        ...(first !== undefined && { firstShadowId: first }),
        ...(sequence !== undefined && { sequence: sequence.target }),
      };
    });
}

/** Columns as those of the shadow: of what is generated there the server computes the values, and only of that. */
function modelOf(table: DesiredTable, idColumn: string | undefined, highest: string): SeedTableModel {
  const { real, columns, constraints } = table;
  const keys = constraints.filter(
    ({ kind, definition }) => kind === 'p' || (kind === 'u' && !definition.includes('DEFERRABLE')),
  );
  return {
    name: real.table,
    engine: real.accessMethod ?? 'heap',
    columns: columns.map(({ name, type, notNull, collation, generated, expression }) => ({
      name,
      type,
      nullable: !notNull,
      collation,
      generation: generated === '' ? null : (expression ?? ''),
    })),
    primaryKey: keys.find(({ kind }) => kind === 'p')?.columns ?? [],
    indexes: [
      ...keys.map(({ kind, name, columns: own }) => ({
        name: kind === 'p' ? 'PRIMARY' : name,
        unique: true,
        columns: own,
      })),
      ...table.indexes.flatMap((index) => plainUnique(index) ?? []),
    ],
    ...(idColumn !== undefined && { autoIncrement: { column: idColumn, highest } }),
  };
}

/** A unique index over whole columns and all rows. */
function plainUnique({ name, unique, definition }: IndexModel): SeedTableModel['indexes'][number] | undefined {
  const list = unique
    ? /^USING btree \(((?:"(?:[^"]|"")+"|\w+)(?:, (?:"(?:[^"]|"")+"|\w+))*)\)$/.exec(definition)?.[1]
    : undefined;
  if (list === undefined) return undefined;
  const columns = [...list.matchAll(/"((?:[^"]|"")+)"|(\w+)/g)].map(([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'),
  );
  return { name, unique: true, columns };
}

/** The condition is text of the configuration: it may read this table only, and call what touches nothing. */
function checkCondition({ key, real, realSchema }: SourceTable, where: string): void {
  const rewriter = createRewriter({
    dialect: 'postgres',
    mode: 'table',
    database: realSchema,
    tables: { [real.name]: 'real-read' },
  });
  const text = `SELECT 1 FROM ${full({ schema: realSchema, table: real.name })} WHERE (${where}) LIMIT 1`;
  const result = rewriter.rewrite(text, { standardConformingStrings: true });
  if (result.action === 'rewrite') return;
  const why = result.action === 'refuse' ? result.message : where;
  throw new SeedError('SEED_SPEC', `the condition of ${key} is refused: ${why}`);
}

/** One expression: what follows it in a statement must still be there. */
async function checkForm(key: string, where: string): Promise<void> {
  const { stmts = [] } = (await parse(`SELECT 1 FROM t WHERE (${where}) AND (TRUE)`)) as {
    stmts?: { stmt: { SelectStmt?: Record<string, unknown> } }[];
  };
  const { targetList, fromClause, whereClause, limitOption, op, ...more } = stmts[0]?.stmt.SelectStmt ?? {};
  const last = (whereClause as { BoolExpr?: { args?: unknown[] } } | undefined)?.BoolExpr?.args?.at(-1);
  const isWhole = JSON.stringify(last)?.includes('"boolval":{"boolval":true}') && JSON.stringify(last).length < 120;
  if (stmts.length === 1 && Object.keys(more).length === 0 && isWhole) return;
  throw new SeedError('SEED_SPEC', `the condition of ${key} is not one expression: ${where}`);
}

/** Rows per real table, as the server estimates them, with those of partitions. */
async function estimatedRows(db: Db, sources: readonly SourceTable[]): Promise<Map<string, number>> {
  const asked = sources.map(({ key, real, realSchema }) => ({ key, schema: realSchema, table: real.name }));
  const rows = await db.query(
    `SELECT x.key, CASE WHEN c.relkind <> 'p' THEN nullif(c.reltuples, -1)::bigint::text
         ELSE (SELECT sum(p.reltuples)::bigint::text FROM pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid WHERE t.isleaf AND p.reltuples >= 0) END AS n
     FROM jsonb_to_recordset($1::jsonb) AS x(key text, schema text, "table" text)
       JOIN pg_namespace n ON n.nspname = x.schema JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = x."table"`,
    [JSON.stringify(asked)],
  );
  return new Map(rows.filter(({ n }) => n !== null).map(({ key, n }) => [String(key), Number(n)]));
}
