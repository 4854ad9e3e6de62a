import type { DesiredSequence, DesiredTable } from './desired.js';
import type { ColumnModel, ForeignKeyModel, IndexModel, TriggerModel } from './model.js';
import { full, list, quote, sameTable } from './quote.js';
import { lastShadowId } from './range.js';
import type { DesiredView } from './view.js';

/** Statements that make the shadow side. All names are quoted and qualified; every expression comes from the server's own printing. */

const storages: Record<string, string> = { p: 'PLAIN', e: 'EXTERNAL', x: 'EXTENDED', m: 'MAIN' };

export type FirstIds = (sequence: DesiredSequence) => bigint;

export function createTable(table: DesiredTable, sequences: readonly DesiredSequence[], firstOf: FirstIds): string {
  const { real } = table;
  const columns = table.columns.map((column) => columnText(column, identityOf(table, column, sequences), firstOf));
  const constraints = table.constraints.map(({ name, definition }) => `CONSTRAINT ${quote(name)} ${definition}`);
  return [
    `CREATE ${real.unlogged ? 'UNLOGGED ' : ''}TABLE ${full(table.target)} (${[...columns, ...constraints].join(', ')})`,
    real.partitionKey === null ? '' : ` PARTITION BY ${real.partitionKey}`,
    real.accessMethod === null ? '' : ` USING ${quote(real.accessMethod)}`,
    real.options.length === 0 ? '' : ` WITH (${real.options.map(parameter).join(', ')})`,
  ].join('');
}

export function identityOf(
  table: DesiredTable,
  column: ColumnModel,
  sequences: readonly DesiredSequence[],
): DesiredSequence | undefined {
  if (column.identity === '') return undefined;
  return sequences.find(
    ({ owner }) => owner?.kind === 'i' && sameTable(owner, table.target) && owner.column === column.name,
  );
}

function columnText(column: ColumnModel, identity: DesiredSequence | undefined, firstOf: FirstIds): string {
  const parts = [quote(column.name), column.type];
  if (column.compression !== null) parts.push(`COMPRESSION ${column.compression === 'l' ? 'lz4' : 'pglz'}`);
  if (column.collation !== null) parts.push(`COLLATE ${column.collation}`);
  if (identity !== undefined) {
    const rule = column.identity === 'a' ? 'ALWAYS' : 'BY DEFAULT';
    parts.push(
      `GENERATED ${rule} AS IDENTITY (SEQUENCE NAME ${full(identity.target)} ${rangeText(identity, firstOf(identity))})`,
    );
  } else if (column.expression !== null) {
    const generated = `GENERATED ALWAYS AS (${column.expression}) ${column.generated === 'v' ? 'VIRTUAL' : 'STORED'}`;
    parts.push(column.generated === '' ? `DEFAULT ${column.expression}` : generated);
  }
  if (column.notNull) parts.push('NOT NULL');
  return parts.join(' ');
}

/** A sequence that cycles begins again with the first shadow id, never with a real one. */
function rangeText(sequence: DesiredSequence, first: bigint): string {
  const { increment, cache, cycle } = sequence.real;
  return `INCREMENT BY ${increment} MINVALUE ${first} MAXVALUE ${lastShadowId(sequence)} START WITH ${first} CACHE ${cache} ${cycle ? 'CYCLE' : 'NO CYCLE'}`;
}

export function createSequence(sequence: DesiredSequence, first: bigint): string {
  return `CREATE SEQUENCE ${full(sequence.target)} AS ${sequence.real.type} ${rangeText(sequence, first)}`;
}

/** Settings as those of the real one; where it stands and begins is left. */
export function alterSequence(sequence: DesiredSequence): string {
  const { type, increment, cache, cycle } = sequence.real;
  return `ALTER SEQUENCE ${full(sequence.target)} AS ${type} INCREMENT BY ${increment} MAXVALUE ${lastShadowId(sequence)} CACHE ${cache} ${cycle ? 'CYCLE' : 'NO CYCLE'}`;
}

export function ownSequence(sequence: DesiredSequence): string | undefined {
  if (sequence.owner?.kind !== 'a') return undefined;
  return `ALTER SEQUENCE ${full(sequence.target)} OWNED BY ${full(sequence.owner)}.${quote(sequence.owner.column)}`;
}

/** What CREATE TABLE cannot say: how columns are stored, and parameters of the indexes of constraints. */
export function refine(table: DesiredTable): string[] {
  const storage = table.columns
    .filter((column) => column.storage !== null)
    .map((column) => `ALTER COLUMN ${quote(column.name)} SET STORAGE ${storages[column.storage ?? ''] ?? 'EXTENDED'}`);
  return [
    ...(storage.length > 0 ? [`ALTER TABLE ${full(table.target)} ${storage.join(', ')}`] : []),
    ...table.constraints
      .filter(({ kind, options }) => kind !== 'c' && options.length > 0)
      .map(
        ({ name, options }) =>
          `ALTER INDEX ${full({ schema: table.target.schema, table: name })} SET (${options.map(parameter).join(', ')})`,
      ),
  ];
}

/** `name=value` as the catalog keeps it. */
function parameter(option: string): string {
  const at = option.indexOf('=');
  return `${option.slice(0, at)} = '${option.slice(at + 1).replaceAll("'", "''")}'`;
}

export function createIndex(table: DesiredTable, index: IndexModel): string {
  // on a partitioned table alone: the indexes of the partitions are made by name, and joined when the partitions are
  const only = table.real.kind === 'p' ? 'ONLY ' : '';
  return `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${quote(index.name)} ON ${only}${full(table.target)} ${index.definition}`;
}

export function createStatistics(
  table: DesiredTable,
  { name, definition }: { name: string; definition: string },
): string {
  return `CREATE STATISTICS ${full({ schema: table.target.schema, table: name })} ${definition} FROM ${full(table.target)}`;
}

export function attachPartition(table: DesiredTable): string | undefined {
  if (table.partitionOf === null) return undefined;
  return `ALTER TABLE ${full(table.partitionOf)} ATTACH PARTITION ${full(table.target)} ${table.real.bound ?? ''}`;
}

export function addForeignKey(table: DesiredTable, key: ForeignKeyModel): string {
  return (
    `ALTER TABLE ${full(table.target)} ADD CONSTRAINT ${quote(key.name)} FOREIGN KEY (${list(key.columns)}) ` +
    `REFERENCES ${full(key.parent)} (${list(key.parentColumns)})${key.rules}`
  );
}

export function createTrigger(table: DesiredTable, trigger: TriggerModel): string {
  return `CREATE TRIGGER ${quote(trigger.name)} ${trigger.events} ON ${full(table.target)} ${trigger.scope} EXECUTE FUNCTION ${trigger.function.text}(${trigger.arguments})`;
}

const states: Record<string, string> = { D: 'DISABLE', R: 'ENABLE REPLICA', A: 'ENABLE ALWAYS' };

export function setTrigger(table: DesiredTable, trigger: TriggerModel): string | undefined {
  const state = states[trigger.enabled];
  return state && `ALTER TABLE ${full(table.target)} ${state} TRIGGER ${quote(trigger.name)}`;
}

/** Read with the rights of its reader where the server knows that (version 15). */
export function createView(view: DesiredView, version: number): string {
  const options = view.real.options.filter((option) => !option.startsWith('security_invoker='));
  if (version >= 150_000) options.push('security_invoker=true');
  return `CREATE VIEW ${full(view.target)}${options.length > 0 ? ` WITH (${options.map(parameter).join(', ')})` : ''} AS ${view.definition}`;
}
