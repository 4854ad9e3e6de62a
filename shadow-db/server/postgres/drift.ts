import type { TableName } from '../../mapping.js';
import type { Db } from '../db.js';
import { type Desired, type DesiredSequence, type DesiredTable, desired } from './desired.js';
import { canonical } from './expression.js';
import { inspect } from './inspect.js';
import { isMarked, viewMark } from './mark.js';
import type { ColumnModel, ForeignKeyModel, SchemaModel, SequenceModel, TableModel, TriggerModel } from './model.js';
import { Names, type ShadowDbOptions } from './options.js';
import { full, quote, sameTable, shown } from './quote.js';
import { lastShadowId } from './range.js';
import { noteBody, noteFunction, rowsName, rowsTrigger } from './rows.js';
import { inSnapshot, readServer } from './session.js';
import type { DesiredView } from './view.js';

type Change<What extends string> = {
  what: What;
  /** The real table, view or sequence, as a key of `tables` would write it. */
  table: string;
  /** Column, index, key, trigger, … Absent for the table as a whole. */
  name?: string;
  /** As the shadow side should be; undefined: it should have none. */
  real?: string;
  /** As it is; undefined: there is none. */
  shadow?: string;
  /** What a person has to do; undefined: a plan mends it. */
  remedy?: string;
};

/** One difference between what the shadow table should be and what it is. */
export type Difference =
  | Change<'missing'>
  | Change<'column'>
  | Change<'type'>
  | Change<'nullability'>
  | Change<'default'>
  | Change<'generated'>
  | Change<'identity'>
  | Change<'collation'>
  | Change<'constraint'>
  | Change<'check'>
  | Change<'partition'>
  | Change<'storage'>
  | Change<'index'>
  | Change<'statistics'>
  | Change<'foreign-key'>
  | Change<'trigger'>
  | Change<'rule'>
  | Change<'run'>
  | Change<'sequence'>
  | Change<'view'>;

/** Compares all shadow tables with their real ones. What provisioning leaves out on purpose does not count. */
export async function drift(db: Db, options: ShadowDbOptions): Promise<Difference[]> {
  const names = new Names(options);
  const server = await readServer(db, { mustWrite: false });
  return inSnapshot(db, async () => {
    const model = await inspect(db, server, [...names.realSchemas, ...names.shadowSchemas]);
    return differences(await desired(model, names), model, names);
  });
}

/** Pure part of `drift`. */
export function differences(wanted: Desired, model: SchemaModel, names: Names): Difference[] {
  const found: Difference[] = [];
  if (wanted.tables.length > 0 && !model.tables.some((table) => sameTable(table, rowsName(names)) && isMarked(table))) {
    found.push({ what: 'run', table: rowsName(names).table, real: 'the table that tells which run wrote a row' });
  }
  for (const table of wanted.tables) {
    const actual = actualTable(table.target, model);
    if (actual === undefined)
      found.push({ what: 'missing', table: names.plain(table.real), real: shown(table.target) });
    else found.push(...structure(table, actual, names), ...links(table, actual, model, names));
  }
  for (const sequence of wanted.sequences) found.push(...sequenceDrift(sequence, model, names));
  for (const view of wanted.views) found.push(...viewDrift(view, model, names));
  return found;
}

export function actualTable(target: TableName, model: SchemaModel): TableModel | undefined {
  return model.tables.find((table) => sameTable(table, target));
}

export function actualSequence({ target }: DesiredSequence, model: SchemaModel): SequenceModel | undefined {
  return model.sequences.find((sequence) => sameTable(sequence, target));
}

/** What is made with the table: a difference means that the table must be made anew. */
export function structure({ real, ...wanted }: DesiredTable, shadow: TableModel, names: Names): Difference[] {
  const table = names.plain(real);
  const found: Difference[] = [];
  const compare = comparer(found, table);
  compare('storage', undefined, tableText(real), tableText(shadow));
  const parent = isLoose(wanted.partitionOf, shadow) ? null : wanted.partitionOf;
  compare('partition', undefined, partitionText(real, parent), partitionText(shadow, shadow.partitionOf));
  for (const [place, column] of wanted.columns.entries()) {
    const at = shadow.columns.findIndex(({ name }) => name === column.name);
    const other = shadow.columns[at];
    compare('column', column.name, `position ${place + 1}`, other ? `position ${at + 1}` : null);
    if (other === undefined) continue;
    compare('type', column.name, column.type, other.type);
    compare('nullability', column.name, notNull(column), notNull(other));
    compare('collation', column.name, column.collation, other.collation);
    compare(
      'storage',
      column.name,
      `${column.storage ?? ''} ${column.compression ?? ''}`,
      `${other.storage ?? ''} ${other.compression ?? ''}`,
    );
    // the server gives partitions the identity of the table above from version 17 on
    if (shadow.partitionOf === null) compare('identity', column.name, column.identity || null, other.identity || null);
    const [left, right] = [expressionOf(column), expressionOf(other)];
    compare(column.generated || other.generated ? 'generated' : 'default', column.name, left, right);
  }
  for (const { name } of shadow.columns) {
    if (!wanted.columns.some((column) => column.name === name)) compare('column', name, null, name);
  }
  const text = ({ definition, options }: DesiredTable['constraints'][number]): string =>
    [definition, ...options].join(' ');
  const parts = (list: DesiredTable['constraints'], isCheck: boolean) =>
    list.filter(({ kind }) => (kind === 'c') === isCheck);
  compareNamed(found, 'constraint', table, parts(wanted.constraints, false), parts(shadow.constraints, false), text);
  compareNamed(found, 'check', table, parts(wanted.constraints, true), parts(shadow.constraints, true), text);
  for (const rule of shadow.rules) compare('rule', rule, null, rule);
  return found;
}

/** Made, but not yet joined to its partitioned table. */
export function isLoose(parent: TableName | null, shadow: TableModel): boolean {
  return parent !== null && shadow.partitionOf === null;
}

/** What is added after the tables exist: can be mended without making the table anew. */
export function links(table: DesiredTable, shadow: TableModel, model: SchemaModel, names: Names): Difference[] {
  const found: Difference[] = [];
  const name = names.plain(table.real);
  compareNamed(found, 'index', name, table.indexes, shadow.indexes, indexText);
  const { schema } = table.target;
  const beside = shadow.statistics.filter((one) => one.schema === schema);
  compareNamed(found, 'statistics', name, table.statistics, beside, ({ definition }) => definition);
  for (const one of found) {
    const place = { schema, table: one.name ?? '' };
    if (one.real === undefined && !names.isShadow(place)) one.remedy = byHand(one.what, place);
  }
  // CREATE STATISTICS without a schema takes the session's first one
  for (const one of shadow.statistics.filter((other) => other.schema !== schema)) {
    const place = { schema: one.schema, table: one.name };
    const remedy = byHand('statistics', place);
    found.push({ what: 'statistics', table: name, name: shown(place), shadow: one.definition, remedy });
  }
  compareNamed(found, 'foreign-key', name, table.foreignKeys, shadow.foreignKeys, foreignKeyText);
  const own = shadow.triggers.filter(({ name: trigger }) => trigger !== rowsTrigger);
  compareNamed(found, 'trigger', name, table.triggers, own, triggerText);
  if (isLoose(table.partitionOf, shadow))
    comparer(found, name)('partition', undefined, partitionText(table.real, table.partitionOf), null);
  comparer(found, name)('run', undefined, noteText(table, names), actualNote(table, shadow, model));
  return found;
}

/** DROP INDEX does not say of which table: it is sent for what lies beside the table under a shadow name, and for nothing else. */
function byHand(what: Difference['what'], place: TableName): string {
  return `DROP ${what.toUpperCase()} ${full(place)} (not dropped here: its name does not say that it is a shadow table's)`;
}

function noteText(table: DesiredTable, names: Names): string | null {
  return table.key.length === 0 ? null : `AFTER INSERT FOR EACH STATEMENT ${noteBody(table, names)}`;
}

function actualNote(table: DesiredTable, shadow: TableModel, model: SchemaModel): string | null {
  const trigger = shadow.triggers.find(({ name }) => name === rowsTrigger);
  if (trigger === undefined || trigger.enabled !== 'O') return null;
  const { schema, table: name } = noteFunction(table);
  const { function: called } = trigger;
  // the trigger's name does not say what it calls; the server quotes names only where it must
  const isOwn = called.schema === schema && [name, quote(name)].some((text) => called.text.endsWith(`.${text}`));
  const body = isOwn ? model.functions.find((one) => one.schema === schema && one.name === name)?.body : undefined;
  return `${trigger.events} ${trigger.scope.replace('REFERENCING NEW TABLE AS inserted ', '')} ${body ?? trigger.function.name}`;
}

export function sequenceText(sequence: {
  type: string;
  increment: string;
  max: string;
  cache: string;
  cycle: boolean;
}): string {
  return `${sequence.type} by ${sequence.increment} to ${sequence.max} cache ${sequence.cache}${sequence.cycle ? ' cycle' : ''}`;
}

export function wantedSequence(sequence: DesiredSequence): string {
  return sequenceText({ ...sequence.real, max: String(lastShadowId(sequence)) });
}

function sequenceDrift(sequence: DesiredSequence, model: SchemaModel, names: Names): Difference[] {
  const actual = actualSequence(sequence, model);
  const wanted = wantedSequence(sequence);
  const found = actual && (isMarked(actual) ? sequenceText(actual) : 'not marked as made by Shadowline');
  if (wanted === found) return [];
  return [
    {
      what: 'sequence',
      table: names.plain(sequence.real),
      real: wanted,
      ...(found !== undefined && { shadow: found }),
    },
  ];
}

/** The server prints a view's text anew, so what counts is what it was made from, what it reads and the columns that it has. */
export function viewDrift(view: DesiredView, model: SchemaModel, names: Names): Difference[] {
  const actual = model.views.find((one) => sameTable(one, view.target));
  const real = `${view.reads.map(shown).sort().join(', ')} (${view.real.columns.join(', ')})`;
  if (actual === undefined) return [{ what: 'view', table: names.plain(view.real), real }];
  const shadow = `${actual.reads.map(shown).sort().join(', ')} (${actual.columns.join(', ')})`;
  if (shadow === real && actual.comment === viewMark(view.digest)) return [];
  return [{ what: 'view', table: names.plain(view.real), real, shadow }];
}

export function indexText({ unique, definition }: { unique: boolean; definition: string }): string {
  return `${unique ? 'UNIQUE ' : ''}${definition}`;
}

export function foreignKeyText(key: ForeignKeyModel): string {
  return `(${key.columns.join(', ')}) → ${shown(key.parent)}(${key.parentColumns.join(', ')})${key.rules}`;
}

export function triggerText(trigger: TriggerModel): string {
  const state = trigger.enabled === 'O' ? '' : ` (state ${trigger.enabled})`;
  return `${trigger.events} ${trigger.scope} EXECUTE FUNCTION ${trigger.function.text}(${trigger.arguments})${state}`;
}

function tableText(table: TableModel): string {
  return [table.unlogged ? 'unlogged' : 'logged', table.accessMethod ?? 'heap', ...table.options].join(' ');
}

function partitionText({ partitionKey, bound }: TableModel, parent: TableName | null): string | null {
  const text = [partitionKey && `BY ${partitionKey}`, parent && `OF ${shown(parent)} ${bound ?? ''}`]
    .filter(Boolean)
    .join(' ');
  return text === '' ? null : text;
}

function notNull(column: ColumnModel): string {
  return column.notNull ? 'NOT NULL' : 'NULL';
}

function expressionOf(column: ColumnModel): string | null {
  const text = canonical(column, (sequence) => sequence);
  return text === null ? null : `${column.generated && `generated (${column.generated}) `}${text}`;
}

function comparer(found: Difference[], table: string) {
  return (what: Difference['what'], name: string | undefined, real: string | null, shadow: string | null): void => {
    if (real === shadow) return;
    found.push({
      what,
      table,
      ...(name !== undefined && { name }),
      ...(real !== null && { real }),
      ...(shadow !== null && { shadow }),
    });
  };
}

function compareNamed<Item extends { name: string }>(
  found: Difference[],
  what: Difference['what'],
  table: string,
  real: Item[],
  shadow: Item[],
  textOf: (item: Item) => string,
): void {
  const compare = comparer(found, table);
  for (const name of new Set([...real, ...shadow].map((item) => item.name))) {
    const one = real.find((item) => item.name === name);
    const two = shadow.find((item) => item.name === name);
    compare(what, name, one ? textOf(one) : null, two ? textOf(two) : null);
  }
}
