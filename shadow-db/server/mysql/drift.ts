import type { Db } from '../db.js';
import { type Desired, type DesiredTable, desired } from './desired.js';
import {
  type ForeignKeyModel,
  type IndexModel,
  inspect,
  type SchemaModel,
  type TableModel,
  type TriggerModel,
} from './inspect.js';
import { Names, type ShadowDbOptions } from './options.js';

type Change<What extends string> = {
  what: What;
  /** The real table. */
  table: string;
  /** Column, index, key, trigger, … Absent for the table as a whole. */
  name?: string;
  /** As the shadow side should be; undefined: it should have none. */
  real?: string;
  /** As it is; undefined: there is none. */
  shadow?: string;
};

/** One difference between what the shadow table should be and what it is. */
export type Difference =
  | Change<'missing'>
  | Change<'column'>
  | Change<'type'>
  | Change<'nullability'>
  | Change<'default'>
  | Change<'generated'>
  | Change<'collation'>
  | Change<'index'>
  | Change<'foreign-key'>
  | Change<'trigger'>
  | Change<'check'>
  | Change<'partition'>
  | Change<'engine'>
  | Change<'view'>;

/** Compares all shadow tables with their real ones. Keys and triggers that provisioning leaves out on purpose do not count. */
export async function drift(db: Db, options: ShadowDbOptions): Promise<Difference[]> {
  const names = new Names(options);
  const real = await inspect(db, options.database);
  const shadow = names.schema === options.database ? real : await inspect(db, names.schema);
  return differences(desired(real, names), shadow, names);
}

/** Pure part of `drift`. */
export function differences(wanted: Desired, shadow: SchemaModel, names: Names): Difference[] {
  const found = wanted.tables.flatMap((table): Difference[] => {
    const actual = shadow.tables.find(({ name }) => name === table.name);
    if (actual === undefined) return [{ what: 'missing', table: table.real.name, real: table.name }];
    return [...structure(table, actual), ...links(table, actual)];
  });
  for (const view of wanted.views) {
    const actual = shadow.views.find(({ name }) => name === view.name);
    if (actual === undefined) found.push({ what: 'view', table: view.name, real: view.definition });
    else if (!readsShadowOnly(actual.definition, wanted, names)) {
      found.push({ what: 'view', table: view.name, real: view.definition, shadow: actual.definition });
    }
  }
  return found;
}

/** The server rewrites a view's text, so it is not compared; what counts is that no real table is named in it. */
function readsShadowOnly(definition: string, wanted: Desired, names: Names): boolean {
  return wanted.tables.every(({ real }) => !definition.includes(`\`${names.options.database}\`.\`${real.name}\``));
}

/** What CREATE TABLE … LIKE makes: a difference means that the table must be made anew. */
export function structure({ real }: DesiredTable, shadow: TableModel): Difference[] {
  const table = real.name;
  const found: Difference[] = [];
  const compare = (
    what: Difference['what'],
    name: string | undefined,
    one: string | null,
    two: string | null,
  ): void => {
    if (one === two) return;
    found.push({
      what,
      table,
      ...(name && { name }),
      ...(one !== null && { real: one }),
      ...(two !== null && { shadow: two }),
    });
  };
  compare('engine', undefined, real.engine, shadow.engine);
  compare('collation', undefined, real.collation, shadow.collation);
  for (const column of real.columns) {
    const other = shadow.columns.find(({ name }) => name === column.name);
    compare('column', column.name, place(real, column.name), other ? place(shadow, column.name) : null);
    if (other === undefined) continue;
    compare('type', column.name, column.type, other.type);
    compare('nullability', column.name, String(column.nullable), String(other.nullable));
    compare('default', column.name, column.default, other.default);
    compare('collation', column.name, column.collation, other.collation);
    compare(
      'generated',
      column.name,
      `${column.extra} ${column.generation ?? ''}`,
      `${other.extra} ${other.generation ?? ''}`,
    );
  }
  for (const { name } of shadow.columns) {
    if (!real.columns.some((column) => column.name === name)) compare('column', name, null, name);
  }
  const keyNames = new Set([...real.foreignKeys, ...shadow.foreignKeys].map(({ name }) => name));
  const ofIndex = ({ unique, method, columns }: IndexModel): string =>
    `${unique ? 'unique ' : ''}${method} (${columns.join(', ')})`;
  const ofKeys = new Set(real.indexes.filter(({ name }) => keyNames.has(name)).map(ofIndex));
  // the server names the index that it makes for a foreign key after the key, and renames it when the key is made anew
  const named = (indexes: IndexModel[]): IndexModel[] =>
    indexes.map((index) => {
      const known = real.indexes.some(({ name }) => name === index.name) && !keyNames.has(index.name);
      return !known && ofKeys.has(ofIndex(index)) ? { ...index, name: `of a key: ${ofIndex(index)}` } : index;
    });
  compareNamed(found, 'index', table, named(real.indexes), named(shadow.indexes), ofIndex);
  compareNamed(found, 'check', table, real.checks, shadow.checks, ({ clause }) => clause);
  compare('partition', undefined, real.partitions.join(', ') || null, shadow.partitions.join(', ') || null);
  return found;
}

/** What is added after the tables exist: can be mended without making the table anew. */
export function links(table: DesiredTable, shadow: TableModel): Difference[] {
  const found: Difference[] = [];
  compareNamed(found, 'foreign-key', table.real.name, table.foreignKeys, shadow.foreignKeys, foreignKeyText);
  compareNamed(found, 'trigger', table.real.name, table.triggers, shadow.triggers, triggerText);
  return found;
}

export function foreignKeyText(key: ForeignKeyModel): string {
  const parent = `${key.parentSchema}.${key.parent}(${key.parentColumns.join(', ')})`;
  return `(${key.columns.join(', ')}) → ${parent} ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`;
}

export function triggerText({ timing, event, body }: TriggerModel): string {
  return `${timing} ${event} ${body}`;
}

function place(table: TableModel, column: string): string {
  return `position ${table.columns.findIndex(({ name }) => name === column) + 1}`;
}

function compareNamed<Item extends { name: string }>(
  found: Difference[],
  what: Difference['what'],
  table: string,
  real: Item[],
  shadow: Item[],
  textOf: (item: Item) => string,
): void {
  for (const name of new Set([...real, ...shadow].map((item) => item.name))) {
    const one = real.find((item) => item.name === name);
    const two = shadow.find((item) => item.name === name);
    const [left, right] = [one && textOf(one), two && textOf(two)];
    if (left === right) continue;
    found.push({
      what,
      table,
      name,
      ...(left !== undefined && { real: left }),
      ...(right !== undefined && { shadow: right }),
    });
  }
}
