import { createHash } from 'node:crypto';
import { type Change, columnChanges } from './columns.js';
import { type DialectName, dialects } from './dialects.js';
import { SeedError } from './errors.js';
import { type Edge, type Role, seedGraph } from './graph.js';
import type { SeedColumn, SourceTable } from './source-tables.js';
import { hashLimit, type Sample, type Seed } from './spec.js';
import type { SeedSql, TypeFacts } from './sql.js';

export interface TableName {
  schema: string;
  table: string;
}

export interface CopiedColumn {
  model: SeedColumn;
  change: Change;
}

/** One table of a seed. Rows are copied in ranges of `key`; narrowed tables by lists of keys that were chosen before. */
export interface SeedTable {
  /** As the configuration names it. */
  key: string;
  role: Role;
  real: TableName;
  target: TableName;
  /** Columns of the primary key, or of a unique key without NULL; empty: one statement copies all. */
  keyColumns: SeedColumn[];
  /** Name of the key's index. Ranges are read by it even where a condition makes another one look better: that would be read whole for each chunk. */
  keyIndex?: string;
  /** Holds the chosen keys while the seed is under way. Narrowed tables only. */
  chosen?: TableName;
  columns: CopiedColumn[];
  where?: string;
  sample?: Sample;
  /** Chunks and progress can be committed together. */
  isTransactional: boolean;
  /** First AUTO_INCREMENT value of the shadow table; decimal digits. */
  firstShadowId?: string;
  /** PostgreSQL: the shadow sequence, and the column that takes its ids from it. */
  ids?: { sequence: TableName; column: string };
  /** The server's estimate of the real table's rows. */
  estimatedRows?: number;
  /** Changes with what the configuration says of its rows, and with its columns; not with what merely refers to it. */
  fingerprint: string;
}

export interface SeedStep {
  table: string;
  phase: 'choose' | 'copy' | 'check';
  /** `{…}` stands for what differs from chunk to chunk; `{tokens}` for values that are masked here, so that the server never sees the key. */
  sql: string;
  reason: string;
}

export interface SeedPlan {
  dialect: DialectName;
  /** In the order of copying. */
  tables: SeedTable[];
  edges: Edge[];
  down: Edge[];
  up: Edge[];
  journal: TableName;
  /** Of what decides which keys are chosen. */
  choiceFingerprint: string;
  steps: SeedStep[];
  warnings: string[];
}

export interface SeedPlanOptions {
  /** Default mysql. */
  dialect?: DialectName;
  /** Where helper tables go, and what they are called. */
  helper: (name: string) => TableName;
  /** Rows of real tables, as the server estimates them. */
  estimates?: ReadonlyMap<string, number>;
  /** Throws for a condition that is not one expression over its table. */
  checkCondition: (table: SourceTable, where: string) => void;
}

/** A table without a usable key is copied by one statement up to this many rows. */
const mostRowsWithoutKey = 100_000;

/** How the shadow tables are filled. Pure. Throws SeedError for what cannot be done, before anything is done. */
export function seedPlan(
  sources: readonly SourceTable[],
  seeds: Readonly<Record<string, Seed>>,
  options: SeedPlanOptions,
): SeedPlan {
  const graph = seedGraph(sources, seeds);
  const { dialect = 'mysql' } = options;
  const { sql } = dialects[dialect];
  const { types } = sql;
  const changes = columnChanges(graph, seeds, types);
  const warnings: string[] = [];
  const narrowed = [...graph.nodes.keys()].filter((key) => graph.nodes.get(key)!.role !== 'whole').sort();
  const choice = narrowed.map((key) => {
    const { source, role, where, sample } = graph.nodes.get(key)!;
    return [key, role, where, sample, keyOf(source, types).columns.map(({ name, type }) => [name, type])];
  });
  const choiceFingerprint = digest([choice, graph.down, graph.up]);
  const asked = Object.keys(seeds)
    .sort()
    .map((key) => [key, graph.nodes.get(key)?.where, graph.nodes.get(key)?.sample, seeds[key]?.children === true]);
  const tables = graph.order.map((key): SeedTable => {
    const { source, role, where, sample } = graph.nodes.get(key)!;
    if (where !== undefined) options.checkCondition(source, where);
    const { columns: keyColumns, index: keyIndex } = keyOf(source, types);
    const estimatedRows = options.estimates?.get(key);
    if (keyColumns.length === 0) checkKeyless(key, role, sample, where, estimatedRows, warnings);
    const isKeyless = keyColumns.length === 0;
    const columns = source.real.columns
      .filter(({ generation }) => generation === null)
      .map((model) => ({ model, change: changes.get(key)!.get(model.name) ?? ({ kind: 'keep' } as const) }));
    const isTransactional = types.isTransactional(source.real.engine);
    if (!isTransactional) {
      warnings.push(`${key} is a table of engine ${source.real.engine}: its seed, when interrupted, begins anew`);
    }
    return {
      key,
      role: isKeyless ? 'whole' : role,
      real: { schema: source.realSchema, table: source.real.name },
      target: source.target,
      keyColumns,
      ...(keyIndex !== undefined && { keyIndex }),
      ...(role !== 'whole' && !isKeyless && { chosen: options.helper(`shadowline_keys_${narrowed.indexOf(key)}`) }),
      columns,
      ...(where !== undefined && { where }),
      ...(sample !== undefined && { sample }),
      isTransactional,
      ...(source.firstShadowId !== undefined && { firstShadowId: String(source.firstShadowId) }),
      ...(source.sequence !== undefined && {
        ids: { sequence: source.sequence, column: source.real.autoIncrement?.column ?? '' },
      }),
      ...(estimatedRows !== undefined && { estimatedRows }),
      fingerprint: digest([
        key,
        where,
        role === 'whole' ? '' : asked,
        columns.map(({ model, change }) => [model.name, model.type, change]),
      ]),
    };
  });
  const keyless = new Set(tables.filter(({ keyColumns }) => keyColumns.length === 0).map(({ key }) => key));
  const walked = (edge: Edge): boolean => !keyless.has(edge.child) && !keyless.has(edge.parent);
  const plan: SeedPlan = {
    dialect,
    tables,
    edges: graph.edges,
    down: graph.down.filter(walked),
    up: graph.up.filter(walked),
    journal: options.helper('shadowline_seed'),
    choiceFingerprint,
    steps: [],
    warnings,
  };
  plan.steps = shownSteps(plan, sql);
  return plan;
}

function checkKeyless(
  key: string,
  role: Role,
  sample: Sample | undefined,
  where: string | undefined,
  estimatedRows: number | undefined,
  warnings: string[],
): void {
  if (sample !== undefined || role === 'follower' || role === 'needed' || (role === 'root' && where === undefined)) {
    throw new SeedError(
      'SEED_NO_KEY',
      `${key} has no primary key and no unique key without NULL, so rows of it cannot be chosen one by one`,
    );
  }
  if ((estimatedRows ?? 0) > mostRowsWithoutKey) {
    throw new SeedError(
      'SEED_NO_KEY',
      `${key} has no key to divide it by, and about ${estimatedRows} rows: one statement copies up to ${mostRowsWithoutKey}`,
    );
  }
  warnings.push(`${key} has no key to divide it by: one statement copies it`);
}

function keyOf({ real }: SourceTable, types: TypeFacts): { columns: SeedColumn[]; index?: string } {
  const candidates = [
    { name: 'PRIMARY', columns: real.primaryKey },
    ...real.indexes.filter(({ unique, name }) => unique && name !== 'PRIMARY'),
  ];
  for (const { name, columns: names } of candidates) {
    const columns = names.flatMap((one) => real.columns.find((column) => column.name === one) ?? []);
    const isUsable = columns.every(({ nullable, type }) => !nullable && !types.isUnusableAsKey(type));
    if (isUsable && columns.length > 0 && columns.length === names.length) return { columns, index: name };
  }
  return { columns: [] };
}

/** What is sent, with placeholders for what differs from chunk to chunk. */
function shownSteps(plan: SeedPlan, sql: SeedSql): SeedStep[] {
  const steps: SeedStep[] = [];
  const table = (key: string): SeedTable => plan.tables.find((candidate) => candidate.key === key)!;
  for (const one of plan.tables.filter(({ role, chosen }) => chosen !== undefined && role === 'root')) {
    steps.push({
      table: one.key,
      phase: 'choose',
      sql: sql.chooseRoots(one, ['{after}'], ['{upto}'], undefined),
      reason: reasonOf(one),
    });
  }
  for (const edge of plan.down) {
    const shown = sql.chooseChildren(edge, table(edge.child), table(edge.parent), [['{keys}']], undefined, 1000);
    steps.push({
      table: edge.child,
      phase: 'choose',
      sql: shown,
      reason: `rows that refer to chosen rows of ${edge.parent} (${edge.name})`,
    });
  }
  for (const edge of plan.up) {
    const shown = sql.chooseParents(edge, table(edge.child), table(edge.parent), [['{keys}']]);
    steps.push({
      table: edge.parent,
      phase: 'choose',
      sql: shown,
      reason: `rows that chosen rows of ${edge.child} refer to (${edge.name})`,
    });
  }
  for (const one of plan.tables) {
    const condition = sql.shownCondition(one);
    const isMasked = one.columns.some(({ change }) => change.kind === 'mask');
    const shown = isMasked
      ? `${sql.selectRows(one, condition)}; ${sql.insertRows(one, ['({row}, {tokens})'])}`
      : sql.insertSelect(one, condition);
    const rows = one.estimatedRows === undefined ? '' : `, of about ${one.estimatedRows}`;
    steps.push({
      table: one.key,
      phase: 'copy',
      sql: shown,
      reason: `${one.chosen ? 'the chosen rows' : reasonOf(one)}${rows}, in chunks`,
    });
  }
  for (const edge of plan.edges) {
    const shown = sql.selectDangling(edge, table(edge.child), table(edge.parent), 'TRUE');
    steps.push({ table: edge.child, phase: 'check', sql: shown, reason: `no row refers to nothing (${edge.name})` });
  }
  return steps;
}

function reasonOf({ role, where, sample }: SeedTable): string {
  if (role === 'whole' && where === undefined) return 'all rows';
  const share =
    sample?.kind === 'share' ? `${Number(((sample.threshold / hashLimit) * 100).toPrecision(4))} % of ` : '';
  const count = sample?.kind === 'count' ? `${sample.rows} of ` : '';
  return `${share}${count}the rows${where === undefined ? '' : ' that meet the condition'}`;
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
