import type { Choices } from '../choices.js';
import { escaped, type Kind, quoted, textPool, type World } from './world.js';

/** A table, view, derived table, function or WITH part that a query block sees. */
export interface Source {
  /** How a qualifier may name it, ready for the text. */
  qualifiers: string[];
  columns: { name: string; kind: Kind }[];
}

export interface Scope {
  parent?: Scope;
  sources: Source[];
}

/** What the generator of one statement knows. */
export interface Draft {
  choices: Choices;
  world: World;
  /** Present when literals may become parameters. */
  parameters?: (string | null)[];
  /** WITH names that hide tables. */
  common: { name: string; columns: Source['columns'] }[];
  /** A query of one column. `single`: at most one row. */
  subquery(scope: Scope | undefined, depth: number, kind: Kind, single: boolean): string;
}

const typeOf: Record<Kind, string> = {
  int: 'int',
  text: 'text',
  num: 'numeric',
  date: 'date',
  json: 'jsonb',
  bool: 'boolean',
};
const reserved = new Set('select order values user only table from'.split(' '));

/** A name in one of the ways it may be written. */
export function name(choices: Choices, text: string): string {
  const plain = /^[a-z_][a-z0-9_$]*$/.test(text) && !reserved.has(text);
  const way = choices.weighted([
    [plain ? 8 : 0, 'plain'],
    [4, 'quoted'],
    [plain ? 1 : 0, 'upper'],
    [1, 'unicode'],
    [1, 'escape'],
  ]);
  if (way === 'plain') return text;
  if (way === 'upper') return text.toUpperCase();
  const [first] = [...text] as [string];
  const code = (first.codePointAt(0) as number).toString(16).padStart(4, '0');
  const rest = text.slice(first.length).replaceAll('"', '""');
  if (way === 'unicode') return `U&"\\${code}${rest}"`;
  if (way === 'escape') return `U&"!${code}${rest}" UESCAPE '!'`;
  return quoted(text);
}

export function string({ choices, world }: Draft, text: string): string {
  const way = choices.weighted([
    [text.includes('\\') && !world.conforming ? 0 : 6, 'plain'],
    [2, 'escapes'],
    [text.includes('$') ? 0 : 1, 'dollar'],
    [text.includes('$x$') ? 0 : 1, 'tagged'],
  ]);
  if (way === 'escapes') return escaped(text);
  if (way === 'dollar') return `$$${text}$$`;
  if (way === 'tagged') return `$x$${text}$x$`;
  return `'${text.replaceAll("'", "''")}'`;
}

function literal(draft: Draft, kind: Kind): string {
  const { choices, parameters } = draft;
  const type = typeOf[kind];
  if (choices.chance(4)) return `NULL::${type}`;
  const [value, text] = ((): [string, string] => {
    switch (kind) {
      case 'int': {
        const number = String(choices.between(0, 12));
        return [number, number];
      }
      case 'num': {
        const number = `${choices.between(0, 40)}.${choices.between(0, 99)}`;
        return [number, number];
      }
      case 'text': {
        const chosen = choices.pick(textPool);
        return [chosen, string(draft, chosen)];
      }
      case 'date':
        return ['2024-03-12', choices.pick(["date '2024-03-12'", "'2024-03-12'::date"])];
      case 'bool':
        return ['true', choices.pick(['true', 'false'])];
      case 'json':
        return ['{"a": 1}', `'{"a": ${choices.between(0, 5)}}'::jsonb`];
    }
  })();
  if (parameters === undefined || !choices.chance(50)) return text;
  parameters.push(value);
  return `$${parameters.length}::${type}`;
}

function column(draft: Draft, scope: Scope, kind: Kind): string | undefined {
  const { choices } = draft;
  const outer = scope.parent !== undefined && choices.chance(25) ? scope.parent : scope;
  const found = outer.sources.flatMap((source) =>
    source.columns.filter((one) => one.kind === kind).map((one) => ({ source, one })),
  );
  if (found.length === 0) return undefined;
  const { source, one } = choices.pick(found);
  return columnOf(draft, outer, source, one.name);
}

export function columnOf({ choices }: Draft, scope: Scope, source: Source, column: string): string {
  const bare = name(choices, column);
  const seen = scope.sources.filter(({ columns }) => columns.some((one) => one.name === column)).length;
  if (source.qualifiers.length === 0 || (seen <= 1 && choices.chance(35))) return bare;
  return `${choices.pick(source.qualifiers)}${choices.pick(['.', '.', '.', ' . ', '/**/.'])}${bare}`;
}

/** An expression of a kind. */
export function expression(draft: Draft, scope: Scope, kind: Kind, depth: number): string {
  const { choices } = draft;
  const base = (): string => column(draft, scope, kind) ?? literal(draft, kind);
  if (depth <= 0) return choices.chance(65) ? base() : literal(draft, kind);
  const inner = (of: Kind): string => expression(draft, scope, of, depth - 1);
  const ways: (() => string)[] = [
    base,
    base,
    () => literal(draft, kind),
    () => `(${draft.subquery(scope, depth - 1, kind, true)})`,
    () => `case when ${condition(draft, scope, depth - 1)} then ${inner(kind)} else ${inner(kind)} end`,
    () => `coalesce(${inner(kind)}, ${inner(kind)})`,
    () => `nullif(${inner(kind)}, ${inner(kind)})`,
    ...special(draft, scope, kind, inner, depth),
  ];
  return choices.pick(ways)();
}

function special(draft: Draft, scope: Scope, kind: Kind, inner: (of: Kind) => string, depth: number): (() => string)[] {
  switch (kind) {
    case 'int':
      return [
        () => `${inner('int')} + ${inner('int')}`,
        () => `length(${inner('text')})`,
        () => `(${inner('int')} % 5)`,
        () => `extract(year from ${inner('date')})::int`,
        () => `position(${inner('text')} in ${inner('text')})`,
        () => `cardinality(array(${draft.subquery(scope, depth - 1, 'int', false)}))`,
        () => `jsonb_array_length(jsonb_build_array(${inner('int')}))`,
      ];
    case 'num':
      return [() => `round(${inner('num')}, 1)`, () => `${inner('num')} * 2`, () => `abs(${inner('int')}::numeric)`];
    case 'text':
      return [
        () => `${inner('text')} || ${inner('text')}`,
        () => `upper(${inner('text')})`,
        () => `substring(${inner('text')} from 2 for 3)`,
        () => `trim(both from ${inner('text')})`,
        () => `pg_catalog.concat(${inner('text')}, ${inner('int')})`,
        () => `(${inner('int')})::text`,
        () => `overlay(${inner('text')} placing 'x' from 1)`,
        () => wholeRow(draft, scope) ?? inner('text'),
      ];
    case 'date':
      return [() => `(${inner('date')} + 1)`, () => `date_trunc('month', ${inner('date')})::date`];
    case 'json':
      return [
        () => `jsonb_build_object('k', ${inner('int')}, 't', ${inner('text')})`,
        () => `to_jsonb(${inner('int')})`,
        () => `(${inner('json')} -> 'a')`,
        () => (wholeRow(draft, scope) === undefined ? inner('json') : `to_jsonb(${wholeRow(draft, scope)})`),
      ];
    case 'bool':
      return [() => condition(draft, scope, depth - 1)];
  }
}

/** A row as one value: by the name of its table or alias. */
function wholeRow({ choices }: Draft, scope: Scope): string | undefined {
  // with a schema in front it would be a column of a table
  const named = scope.sources.flatMap(({ qualifiers }) => qualifiers.slice(0, 1));
  if (named.length === 0) return undefined;
  const one = choices.pick(named);
  return choices.pick([`(${one}.*)::text`, `row_to_json(${one})::text`, `(${one})::text`]);
}

export function condition(draft: Draft, scope: Scope, depth: number): string {
  const { choices } = draft;
  const kind = choices.pick<Kind>(['int', 'text', 'num', 'date', 'json']);
  const side = (of: Kind): string => expression(draft, scope, of, depth - 1);
  const ways: (() => string)[] = [
    () =>
      `${side(kind)} ${choices.pick(['=', '<>', '<', '>=', 'is distinct from', 'operator(pg_catalog.=)'])} ${side(kind)}`,
    () => `${side(kind)} is ${choices.pick(['', 'not '])}null`,
    () => `${side('text')} like '%o%'`,
    () => `${side('int')} between ${side('int')} and ${side('int')}`,
    () => `${side('int')} in (1, 2, ${side('int')})`,
  ];
  if (depth > 0) {
    ways.push(
      () => `exists (${draft.subquery(scope, depth - 1, kind, false)})`,
      () => `${side(kind)} in (${draft.subquery(scope, depth - 1, kind, false)})`,
      () => `${side(kind)} = ${choices.pick(['any', 'all'])} (${draft.subquery(scope, depth - 1, kind, false)})`,
      () =>
        `(${condition(draft, scope, depth - 1)} ${choices.pick(['and', 'or'])} ${condition(draft, scope, depth - 1)})`,
      () => `not (${condition(draft, scope, depth - 1)})`,
      () => `(${side('int')}, ${side('text')}) = (${side('int')}, ${side('text')})`,
    );
  }
  return choices.pick(ways)();
}
