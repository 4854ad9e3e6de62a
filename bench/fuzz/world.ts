import type { Choices } from './choices.js';

// What is drawn here, in this order and from lists in this order, decides which statements a seed makes.

export interface ColumnOf<Kind extends string> {
  name: string;
  /** What it holds, as far as the generator of expressions cares. */
  kind: Kind;
  /** SQL of the definition after the name. */
  definition: string;
  /** An expression fills it: no statement may. */
  generated?: boolean;
  /** An INSERT may leave it out. */
  optional?: boolean;
}

export interface TableOf<Kind extends string> {
  name: string;
  class: 'shadow' | 'real-read';
  columns: ColumnOf<Kind>[];
  /** Clauses after the columns: keys and checks. */
  clauses: string[];
  /** Another table of the world; `rule`: SQL after the reference. */
  parent?: { table: string; rule: string };
  /** Rows of SQL literals, generated columns left out. */
  rows: string[][];
}

export interface ViewOf<Kind extends string> {
  name: string;
  table: string;
  columns: ColumnOf<Kind>[];
}

/** A schema with its data. */
export interface WorldOf<Table, View> {
  mode: 'table' | 'schema';
  tables: Table[];
  views: View[];
}

/** Table names that every dialect begins its list with. */
export const commonTableNames: readonly string[] = [
  'orders',
  'items',
  'people',
  'Orders',
  'order',
  'my table',
  'naïve',
];

/** No two of them are equal in one collation and different in another. */
export const commonTexts: readonly string[] = [
  'ann',
  'bob',
  'Cid',
  "d'or",
  'e"e',
  'from orders',
  'f`g',
  '',
  '-- h',
  '/* i */',
  'jé',
  '表',
  'k%_',
  'NULL',
];

/** Two to four tables, each made in view of those before it; the last may be one that is only read. */
export function makeTables<Table extends TableOf<string>>(
  choices: Choices,
  names: readonly string[],
  make: (name: string, before: readonly Table[]) => Table,
): Table[] {
  const tables: Table[] = [];
  for (const name of choices.list(2, 4, distinct(choices, names))) tables.push(make(name, tables));
  const last: TableOf<string> | undefined = tables.at(-1);
  if (choices.chance(50) && last !== undefined) {
    last.class = 'real-read';
    // a reference from a real table to a shadow one cannot be
    delete last.parent;
  }
  return tables;
}

/** One to five columns. One name has one kind in all tables: what NATURAL JOIN and USING compare needs no conversion, which would depend on the plan. */
export function makeColumns<Kind extends string>(
  choices: Choices,
  kinds: Readonly<Record<string, Kind>>,
  make: (name: string, kind: Kind) => ColumnOf<Kind>,
): ColumnOf<Kind>[] {
  const next = distinct(choices, Object.keys(kinds));
  return choices.list(1, 5, () => {
    const name = next();
    return make(name, kinds[name] as Kind);
  });
}

/** Draws another name each time; the first free one where the draw falls on a taken one. */
function distinct(choices: Choices, pool: readonly string[]): () => string {
  const taken = new Set<string>();
  return () => {
    const drawn = choices.pick(pool);
    const name = taken.has(drawn) ? (pool.find((one) => !taken.has(one)) as string) : drawn;
    taken.add(name);
    return name;
  };
}

type CommonKind = 'int' | 'date' | 'json';

/** SQL of a value in row `index` of the start data; `own` draws those of the dialect's own kinds. */
export function startValue<Kind extends string>(
  choices: Choices,
  { definition, kind }: ColumnOf<Kind>,
  index: number,
  own: Readonly<Record<Exclude<Kind, CommonKind>, () => string>>,
): string {
  if (!definition.includes('NOT NULL') && choices.chance(20)) return 'NULL';
  switch (kind) {
    case 'int':
      return String(choices.between(0, 9));
    case 'date':
      return `'2024-0${choices.between(1, 9)}-1${choices.between(0, 9)}'`;
    case 'json':
      return choices.pick([`'{"a": ${index}, "b": [1, 2]}'`, `'[${index}, "x"]'`, "'1'"]);
    default:
      return own[kind as Exclude<Kind, CommonKind>]();
  }
}
