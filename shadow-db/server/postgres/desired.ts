import { type Claim, parseClaim } from '../../claim.js';
import type { TableName } from '../../mapping.js';
import { ShadowDbError } from '../db.js';
import { objection, withoutKnownSequences, withSequences } from './expression.js';
import { isOurs } from './mark.js';
import type {
  ColumnModel,
  ConstraintModel,
  ForeignKeyModel,
  IndexModel,
  SchemaModel,
  SequenceModel,
  TableModel,
  TriggerModel,
} from './model.js';
import type { Names } from './options.js';
import { full, literal, sameTable, shown } from './quote.js';
import { triggerObjection } from './trigger.js';
import { type DesiredView, ordered, shadowView } from './view.js';

/** What the shadow side should look like. */
export interface Desired {
  /** A partitioned table comes before its partitions. */
  tables: DesiredTable[];
  sequences: DesiredSequence[];
  /** In an order in which each can be created. */
  views: DesiredView[];
  /** What is left out, and why. */
  warnings: string[];
}

export interface DesiredTable {
  real: TableModel;
  target: TableName;
  columns: ColumnModel[];
  constraints: ConstraintModel[];
  foreignKeys: ForeignKeyModel[];
  indexes: IndexModel[];
  triggers: TriggerModel[];
  statistics: { name: string; definition: string }[];
  partitionOf: TableName | null;
  /** Columns that tell its rows apart; empty when there are none. */
  key: string[];
}

export interface DesiredSequence {
  real: SequenceModel;
  target: TableName;
  /** Columns of real tables that take their ids from it. */
  users: { table: TableModel; column: ColumnModel }[];
  /** Shadow column that it belongs to. */
  owner: (TableName & { column: string; kind: 'a' | 'i' }) | null;
}

/** Derives the shadow side from the real one. Throws ShadowDbError for classes that cannot be had. */
export async function desired(model: SchemaModel, names: Names): Promise<Desired> {
  const real = realSide(model, names);
  checkKeys(real, names);
  const chosen = chosenTables(real.tables, names);
  const isShadow = (table: TableName): boolean => chosen.some((one) => sameTable(one, table));
  const isShadowView = (table: TableName): boolean => names.mapping.classOf(table.schema, table.table) === 'shadow';
  const warnings: string[] = [];
  const sequences = new Sequences(real.sequences, names, isShadow);
  const tables: DesiredTable[] = [];
  for (const table of chosen) {
    warnings.push(...leftOut(table));
    tables.push({
      real: table,
      target: names.target(table),
      columns: table.columns.map((column) => shadowColumn(table, column, sequences, warnings)),
      constraints: table.constraints
        .filter((one) => isSafe(`${kinds[one.kind]} ${one.name}`, table, one.definition, one.functions, warnings))
        // the name of an index must be free in the schema; CHECKs are named within their table
        .map((one) => (one.kind === 'c' ? one : { ...one, name: names.shadow(one.name) })),
      foreignKeys: shadowKeys(table, names, isShadow, warnings),
      indexes: table.indexes
        .filter((one) => isSafe(`index ${one.name}`, table, one.definition, one.functions, warnings))
        .map((one) => ({ ...one, name: names.shadow(one.name) })),
      triggers: await shadowTriggers(table, warnings),
      statistics: table.statistics.map((one) => ({ ...one, name: names.shadow(one.name) })),
      partitionOf: table.partitionOf && names.target(table.partitionOf),
      // rows are noted by the key of the whole, whichever partition they come in by
      key:
        tables.find(({ real }) => table.partitionOf && sameTable(real, table.partitionOf))?.key ??
        keyOf(table, warnings),
    });
  }
  const views: DesiredView[] = [];
  const wantedViews = real.views.filter(isShadowView);
  for (const view of wantedViews) {
    const made = await shadowView(
      view,
      names,
      (table) => isShadow(table) || wantedViews.some((one) => sameTable(one, table)),
    );
    if (typeof made === 'string') warnings.push(`view ${shown(view)} is left out: ${made}`);
    else views.push(made);
  }
  checkTargets([...tables, ...sequences.all, ...views], names);
  return {
    tables,
    sequences: sequences.all,
    views: ordered(
      possible(
        views,
        wantedViews.map((view) => names.target(view)),
        warnings,
      ),
    ),
    warnings,
  };
}

const kinds = { c: 'CHECK', p: 'primary key', u: 'unique constraint', x: 'exclusion constraint' } as const;

/** Everything of the real schemas that is not ours. */
export function realSide(model: SchemaModel, names: Names): Pick<SchemaModel, 'tables' | 'views' | 'sequences'> {
  const isReal = <Item extends TableName & { comment: string }>(item: Item): boolean =>
    names.realSchemas.includes(item.schema) && !isOurs(item, names);
  const tables = model.tables.filter(isReal);
  return {
    tables,
    views: model.views.filter(isReal),
    // that of an unmarked table is real whatever its own name is
    sequences: model.sequences.filter(isReal),
  };
}

/** A name that is written out must exist; a pattern may match nothing. */
function checkKeys(real: Pick<SchemaModel, 'tables' | 'views'>, names: Names): void {
  const { options } = names;
  for (const [key, tableClass] of Object.entries(options.tables)) {
    const claim: Claim = parseClaim(key, tableClass, options.database, (name) => name);
    if (claim.kind !== 'exact' || tableClass === 'refuse') continue;
    const isThat = ({ schema, table }: TableName): boolean => schema === claim.schema && table === claim.table;
    if (![...real.tables, ...real.views].some(isThat)) {
      throw new ShadowDbError('TABLE_MISSING', `${claim.schema}.${claim.table} does not exist in this database`);
    }
  }
}

/** Tables classed shadow, and all partitions of those; parents first. */
function chosenTables(tables: readonly TableModel[], names: Names): TableModel[] {
  const classOf = (table: TableName) => names.mapping.classOf(table.schema, table.table);
  const find = (name: TableName): TableModel | undefined => tables.find((table) => sameTable(table, name));
  const chosen: TableModel[] = [];
  const visit = (table: TableModel): void => {
    if (chosen.includes(table)) return;
    if (table.partitionOf !== null) {
      const parent = find(table.partitionOf);
      if (parent) visit(parent);
    }
    chosen.push(table);
  };
  const rootOf = (table: TableModel): TableModel | undefined => {
    let root: TableModel | undefined = table;
    while (root && root.partitionOf !== null) root = find(root.partitionOf);
    return root;
  };
  for (const table of tables) {
    const own = classOf(table);
    if (table.partitionOf === null) {
      if (own === 'shadow') visit(table);
      continue;
    }
    const root = rootOf(table);
    const above = root && classOf(root);
    if (own !== undefined && own !== above) {
      throw new ShadowDbError(
        'PARTITION_CLASS',
        `${shown(table)} is classed ${own}, but it is a partition of ${shown(root ?? table.partitionOf)} (${above ?? 'no class'})`,
      );
    }
    if (above === 'shadow') visit(table);
  }
  for (const table of chosen) {
    if (table.kind === 'f') throw new ShadowDbError('FOREIGN_TABLE', `${shown(table)} is a foreign table`);
    const found = tables.filter(({ partitionOf }) => partitionOf && sameTable(partitionOf, table)).length;
    if (found < table.partitionCount) {
      throw new ShadowDbError(
        'PARTITION_CLASS',
        `${shown(table)} has partitions in a schema that no key of \`tables\` names`,
      );
    }
    const relative = table.inherits[0] ?? (table.hasHeirs ? { schema: 'its', table: 'heirs' } : undefined);
    if (relative) throw new ShadowDbError('INHERITANCE', `${shown(table)} is tied by INHERITS to ${shown(relative)}`);
  }
  return chosen;
}

function leftOut(table: TableModel): string[] {
  return [
    ...table.rules.map(
      (rule) => `rule ${rule} of ${shown(table)} is left out: it would rewrite statements to real tables`,
    ),
    ...(table.rowSecurity || table.policies.length > 0
      ? [
          `row-level security of ${shown(table)} is left out (${table.policies.join(', ') || 'no policy'}): every shadow row can be seen`,
        ]
      : []),
  ];
}

function isSafe(
  what: string,
  table: TableModel,
  text: string,
  functions: ConstraintModel['functions'],
  warnings: string[],
): boolean {
  const reason = objection(text, functions);
  if (reason !== undefined) warnings.push(`${what} of ${shown(table)} is left out: ${reason}`);
  return reason === undefined;
}

function shadowColumn(table: TableModel, column: ColumnModel, sequences: Sequences, warnings: string[]): ColumnModel {
  // a partition has no identity of its own
  const identity = table.partitionOf === null ? column.identity : '';
  if (identity !== '') sequences.takeIdentity(table, column);
  if (column.expression === null) return { ...column, identity };
  const without = (reason: string): ColumnModel => {
    warnings.push(
      `${column.generated === '' ? 'default' : 'generation'} of ${shown(table)}.${column.name} is left out: ${reason}`,
    );
    return { ...column, identity, expression: null, generated: '', sequences: [] };
  };
  const reason = objection(withoutKnownSequences(column), column.functions);
  if (reason !== undefined) return without(reason);
  const taken = column.sequences.map((sequence) => sequences.take(sequence, table, column));
  if (taken.includes(undefined)) return without('its sequence is in a schema that no key of `tables` names');
  const targets = taken as TableName[];
  const expression = withSequences(
    column,
    (sequence) => `${literal(full(targets[column.sequences.indexOf(sequence)] as TableName))}::regclass`,
  );
  return {
    ...column,
    identity,
    expression,
    sequences: targets.map((target) => ({ ...target, text: `${literal(full(target))}::regclass` })),
  };
}

/** The sequences that shadow columns need, each once. */
class Sequences {
  readonly all: DesiredSequence[] = [];
  private readonly real: readonly SequenceModel[];
  private readonly names: Names;
  private readonly isShadow: (table: TableName) => boolean;

  constructor(real: readonly SequenceModel[], names: Names, isShadow: (table: TableName) => boolean) {
    this.real = real;
    this.names = names;
    this.isShadow = isShadow;
  }

  takeIdentity(table: TableModel, column: ColumnModel): void {
    const found = this.real.find(
      ({ owner }) => owner?.kind === 'i' && sameTable(owner, table) && owner.column === column.name,
    );
    if (found === undefined)
      throw new ShadowDbError(
        'SEQUENCE_RANGE',
        `the sequence of ${shown(table)}.${column.name} is not in a schema that a key names`,
      );
    this.take(found, table, column);
  }

  /** The shadow sequence; undefined when the real one is in a schema that was not looked at. */
  take(name: TableName, table: TableModel, column: ColumnModel): TableName | undefined {
    const real = this.real.find((sequence) => sameTable(sequence, name));
    if (real === undefined) return undefined;
    if (BigInt(real.increment) < 0n)
      throw new ShadowDbError(
        'SEQUENCE_RANGE',
        `${shown(real)}, which fills ${shown(table)}.${column.name}, counts down`,
      );
    let found = this.all.find((one) => one.real === real);
    if (found === undefined) {
      const owner =
        real.owner && this.isShadow(real.owner) ? { ...real.owner, ...this.names.target(real.owner) } : null;
      found = { real, target: this.names.target(real), users: [], owner };
      this.all.push(found);
    }
    found.users.push({ table, column });
    return found.target;
  }
}

function shadowKeys(
  table: TableModel,
  names: Names,
  isShadow: (table: TableName) => boolean,
  warnings: string[],
): ForeignKeyModel[] {
  return table.foreignKeys.flatMap((key) => {
    if (isShadow(key.parent)) return [{ ...key, parent: names.target(key.parent) }];
    warnings.push(
      `foreign key ${key.name} of ${shown(table)} is left out: a shadow row that refers to the real table ${shown(key.parent)} would block deletes there`,
    );
    return [];
  });
}

async function shadowTriggers(table: TableModel, warnings: string[]): Promise<TriggerModel[]> {
  const kept: TriggerModel[] = [];
  for (const trigger of table.triggers) {
    const reason = await triggerObjection(trigger);
    if (reason === undefined) kept.push(trigger);
    else warnings.push(`trigger ${trigger.name} of ${shown(table)} is left out: ${reason}`);
  }
  return kept;
}

/** The primary key, or a unique constraint whose columns are never NULL. */
function keyOf(table: TableModel, warnings: string[]): string[] {
  const isKey = ({ kind, columns, definition }: ConstraintModel): boolean =>
    kind === 'p' ||
    (kind === 'u' &&
      !definition.includes('DEFERRABLE') &&
      columns.every((name) => table.columns.find((column) => column.name === name)?.notNull));
  const key = [...table.constraints].sort((a, b) => Number(b.kind === 'p') - Number(a.kind === 'p')).find(isKey);
  if (key === undefined) {
    warnings.push(
      `${shown(table)} has no primary key: its shadow rows do not know their run, and clean by run refuses while there are any`,
    );
  }
  return key?.columns ?? [];
}

function checkTargets(all: readonly { real: TableName; target: TableName }[], names: Names): void {
  const seen = new Map<string, TableName>();
  for (const { real, target } of all) {
    const key = JSON.stringify(target);
    const other = seen.get(key);
    if (other)
      throw new ShadowDbError('NAMES', `${shown(real)} and ${shown(other)} would both become ${shown(target)}`);
    if (names.options.mode === 'schema' && names.realSchemas.includes(target.schema))
      throw new ShadowDbError('NAMES', `${shown(target)} would be in a real schema`);
    seen.set(key, real);
  }
}

/** Without the views that read a view that is left out. */
function possible(views: readonly DesiredView[], wanted: readonly TableName[], warnings: string[]): DesiredView[] {
  const isThere = (read: TableName): boolean =>
    !wanted.some((target) => sameTable(target, read)) || views.some(({ target }) => sameTable(target, read));
  const kept = views.filter((view) => view.reads.every(isThere));
  for (const view of views) {
    if (!kept.includes(view)) warnings.push(`view ${shown(view.real)} is left out: a view that it reads is left out`);
  }
  return kept.length === views.length ? kept : possible(kept, wanted, warnings);
}
