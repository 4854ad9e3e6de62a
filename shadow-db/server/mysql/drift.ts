import { lex } from '../../mysql/lexer.js';
import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { comparable, isRunDefault, runCollation, runColumn, runDefault } from './definition.js';
import { type Desired, type DesiredTable, type DesiredView, desired } from './desired.js';
import type { ForeignKeyModel, IndexModel, SchemaModel, TableModel, TriggerModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { isMarked, markedFirst, reachedId } from './range.js';
import { readSides, type Sides } from './sides.js';

type Change<What extends string> = {
  what: What;
  /** The real table or view; with its schema where that is not the main one. */
  table: string;
  /** Column, index, key, trigger, … Absent for the table as a whole. */
  name?: string;
  /** As the shadow side should be; undefined: it should have none. */
  real?: string;
  /** As it is; undefined: there is none. */
  shadow?: string;
  /** What to do about it. */
  remedy: string;
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
  /** Anything else in the table's definition: comments, row format, options. */
  | Change<'definition'>
  /** The hidden column that holds the run. */
  | Change<'run-column'>
  /** Real ids have reached the shadow range, or shadow ids would begin outside of it. */
  | Change<'range'>
  | Change<'sequence'>
  | Change<'view'>;

type What = Difference['what'];

const anew = 'provision drops the shadow table, its rows with it, and makes it anew';

const remedies: Record<What, string> = {
  missing: 'provision makes it',
  column: anew,
  type: anew,
  nullability: anew,
  default: anew,
  generated: anew,
  collation: anew,
  index: anew,
  check: anew,
  partition: anew,
  engine: anew,
  definition: anew,
  'run-column': anew,
  range: 'look for leaked rows first; provision then reserves a new range',
  'foreign-key': 'provision makes it anew',
  trigger: 'provision makes it anew',
  sequence: 'provision makes it',
  view: 'provision makes it anew',
};

/** Compares everything shadow with the real side. Keys and triggers that provisioning leaves out on purpose do not count. Reads only; a pool will do. */
export async function drift(db: Db, options: ShadowDbOptions): Promise<Difference[]> {
  const sides = await readSides(db, options);
  return differences(desired(sides), sides);
}

/** Pure part of `drift`. */
export function differences(wanted: Desired, sides: Sides): Difference[] {
  const found: Difference[] = [];
  for (const table of wanted.tables) {
    const actual = existingTable(sides, table);
    if (actual === undefined) found.push(difference('missing', table.label, undefined, table.name));
    else found.push(...structure(table, actual, sides), ...links(table, actual));
  }
  for (const { label, schema, name } of wanted.sequences) {
    if (!sides.shadow.get(schema)?.sequences.some((one) => one.name === name)) {
      found.push(difference('sequence', label, undefined, name));
    }
  }
  for (const view of wanted.views) {
    const actual = sides.shadow.get(view.schema)?.views.find(({ name }) => name === view.name);
    if (actual === undefined) found.push(difference('view', view.label, undefined, view.view.definition));
    else if (!sameView(view, actual)) {
      found.push(difference('view', view.label, undefined, view.view.definition, actual.definition));
    }
  }
  return found;
}

export function existingTable(sides: Sides, { schema, name }: DesiredTable): TableModel | undefined {
  return sides.shadow.get(schema)?.tables.find((one) => one.name === name);
}

function difference(
  what: What,
  table: string,
  name?: string,
  real?: string | null,
  shadow?: string | null,
): Difference {
  return {
    what,
    table,
    ...(name !== undefined && { name }),
    ...(real !== undefined && real !== null && { real }),
    ...(shadow !== undefined && shadow !== null && { shadow }),
    remedy: remedies[what],
  };
}

/** The server writes a view's text anew, so words and qualifiers are compared, not characters. */
export function sameView({ view }: DesiredView, actual: SchemaModel['views'][number]): boolean {
  if (view.algorithm !== actual.algorithm || view.checkOption !== actual.checkOption) return false;
  return normal(view.definition) === normal(actual.definition);
}

function normal(definition: string): string {
  const tokens = lex(definition, { ansiQuotes: false, noBackslashEscapes: false });
  const words: string[] = [];
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined || (token.kind === 'word' && token.text === 'AS')) continue;
    const chain = tokens.slice(at, at + 5).map(({ kind, text }) => (kind === 'ident' ? 'name' : text));
    if (chain.join(' ') === 'name . name . name') {
      // schema.table.column: the schema falls out
      at += 1;
    } else if (token.kind === 'ident') {
      words.push(quoteName(token.text));
    } else {
      words.push(token.kind === 'word' ? token.text : definition.slice(token.start, token.end));
    }
  }
  return words.join(' ');
}

/** What the table is made with: a difference means that it must be made anew (but for the range). */
export function structure(table: DesiredTable, shadow: TableModel, sides: Sides): Difference[] {
  const { real, label } = table;
  const found: Difference[] = [];
  const compare = (what: What, name: string | undefined, one: string | null, two: string | null): void => {
    if (one !== two) found.push(difference(what, label, name, one, two));
  };
  const definition = sides.definitions.get(`${table.schema}.${table.name}`);
  compare('engine', undefined, real.engine, shadow.engine);
  compare('collation', undefined, real.collation, shadow.collation);
  compareColumns(table, shadow, compare);
  const ofIndex = ({ unique, method, columns }: IndexModel): string =>
    `${unique ? 'unique ' : ''}${method} (${columns.join(', ')})`;
  found.push(...compareNamed('index', label, real.indexes, shadow.indexes, ofIndex));
  found.push(...compareNamed('check', label, real.checks, shadow.checks, ({ clause }) => clause));
  if (!real.partitions.some((text) => text.includes(' SYSTEM_TIME '))) {
    compare('partition', undefined, real.partitions.join(', ') || null, shadow.partitions.join(', ') || null);
  }
  if (found.length === 0 && definition !== undefined) {
    const wanted = comparable(table.definition);
    const actual = comparable(definition);
    for (const part of new Set([...wanted.keys(), ...actual.keys()])) {
      compare('definition', part, wanted.get(part) ?? null, actual.get(part) ?? null);
    }
  }
  found.push(...compareRun(table, shadow), ...compareRange(table, shadow));
  return found;
}

function compareColumns(
  { real, definition }: DesiredTable,
  shadow: TableModel,
  compare: (what: What, name: string | undefined, one: string | null, two: string | null) => void,
): void {
  const others = shadow.columns.filter(({ name }) => name !== runColumn);
  const places = new Map(others.map(({ name }, index) => [name, index]));
  const drawn = new Set(
    definition.items.filter(({ text }) => /\b(?:next|last|set)val\(/i.test(text)).map(({ name }) => name),
  );
  for (const [index, column] of real.columns.entries()) {
    const at = places.get(column.name);
    const other = at === undefined ? undefined : others[at];
    compare('column', column.name, `position ${index + 1}`, at === undefined ? null : `position ${at + 1}`);
    if (other === undefined) continue;
    compare('type', column.name, column.type, other.type);
    compare('nullability', column.name, String(column.nullable), String(other.nullable));
    // defaults that draw from a sequence draw from its twin; the definition tells
    if (!drawn.has(column.name)) compare('default', column.name, column.default, other.default);
    compare('collation', column.name, column.collation, other.collation);
    const generated = (one: typeof column): string => `${one.extra} ${one.generation ?? ''}`;
    compare('generated', column.name, generated(column), generated(other));
  }
  const known = new Set(real.columns.map(({ name }) => name));
  for (const { name } of others) if (!known.has(name)) compare('column', name, null, name);
}

/** Whether the hidden column is there as it should be, and only where it should be. */
function compareRun({ hasRunColumn, label }: DesiredTable, shadow: TableModel): Difference[] {
  const column = shadow.columns.find(({ name }) => name === runColumn);
  const wanted = hasRunColumn ? `varchar(64) ${runCollation} default ${runDefault}` : undefined;
  const actual = column && `${column.type} ${column.collation} default ${column.default ?? 'NULL'}`;
  const isRight = column?.type === 'varchar(64)' && column.collation === runCollation && isRunDefault(column.default);
  const isSame = hasRunColumn ? isRight : column === undefined;
  return isSame ? [] : [difference('run-column', label, runColumn, wanted, actual)];
}

function compareRange({ label, real }: DesiredTable, shadow: TableModel): Difference[] {
  const marked = isMarked(shadow) ? markedFirst(shadow) : undefined;
  const [ids, other] = [real.autoIncrement, shadow.autoIncrement];
  if (marked === undefined || ids === undefined || other === undefined) return [];
  const first = BigInt(marked);
  if (reachedId(real) >= first) {
    return [difference('range', label, ids.column, `real ids up to ${reachedId(real)}`, `shadow ids from ${first}`)];
  }
  if (BigInt(other.next) >= first) return [];
  return [difference('range', label, ids.column, `next shadow id from ${first}`, `next shadow id ${other.next}`)];
}

/** True for what can be mended in place: where ids go on. */
export function isMendable({ what, real }: Difference): boolean {
  return what === 'range' && (real ?? '').startsWith('next');
}

/** What is added after the tables exist: can be mended without making the table anew. */
export function links(table: DesiredTable, shadow: TableModel): Difference[] {
  return [
    ...compareNamed('foreign-key', table.label, table.foreignKeys, shadow.foreignKeys, foreignKeyText),
    ...compareNamed('trigger', table.label, table.triggers, shadow.triggers, triggerText),
    ...triggerOrder(table, shadow.triggers),
  ];
}

/** Several triggers of one event run in the order in which they were made. */
function triggerOrder({ label, triggers }: DesiredTable, actual: TriggerModel[]): Difference[] {
  const both = (list: TriggerModel[], other: TriggerModel[]): string[] =>
    list.filter(({ name }) => other.some((one) => one.name === name)).map(({ name }) => name);
  const [one, two] = [both(triggers, actual), both(actual, triggers)];
  const at = one.findIndex((name, index) => name !== two[index]);
  return at === -1 ? [] : [difference('trigger', label, one[at], `order ${one.join(', ')}`, `order ${two.join(', ')}`)];
}

export function foreignKeyText(key: ForeignKeyModel): string {
  const parent = `${key.parentSchema}.${key.parent}(${key.parentColumns.join(', ')})`;
  return `(${key.columns.join(', ')}) → ${parent} ON DELETE ${key.onDelete} ON UPDATE ${key.onUpdate}`;
}

export function triggerText({ timing, event, body, sqlMode }: TriggerModel): string {
  return `${timing} ${event} ${body}${sqlMode === '' ? '' : ` (sql_mode ${sqlMode})`}`;
}

function compareNamed<Item extends { name: string }>(
  what: What,
  table: string,
  real: Item[],
  shadow: Item[],
  textOf: (item: Item) => string,
): Difference[] {
  const wanted = new Map(real.map((item) => [item.name, textOf(item)]));
  const actual = new Map(shadow.map((item) => [item.name, textOf(item)]));
  return [...new Set([...wanted.keys(), ...actual.keys()])]
    .filter((name) => wanted.get(name) !== actual.get(name))
    .map((name) => difference(what, table, name, wanted.get(name), actual.get(name)));
}
