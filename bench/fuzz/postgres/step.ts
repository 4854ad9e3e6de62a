import type { Choices } from '../choices.js';
import { condition, type Draft, expression, name, type Scope } from './expression.js';
import { named, type Query, query, tableName, withClause } from './query.js';
import { type Column, type Kind, keyOf, type Table, type World } from './world.js';

/** One statement. */
export interface Step {
  text: string;
  /** Text of each parameter, in the order of $1, $2, … */
  parameters: (string | null)[];
  /** Plans differ in names: only errors are compared. */
  plan: boolean;
}

export function makeStep(choices: Choices, world: World): Step {
  const parameters: (string | null)[] | undefined = choices.chance(30) ? [] : undefined;
  const draft: Draft = {
    choices,
    world,
    ...(parameters && { parameters }),
    common: [],
    subquery: (scope, depth, kind, single) => query(draft, scope, depth, { kinds: [kind], single, nested: true }).text,
  };
  const kind = choices.weighted([
    [45, 'select'],
    [16, 'insert'],
    [12, 'update'],
    [9, 'delete'],
    [4, 'merge'],
    [5, 'with'],
    [2, 'explain'],
    [2, 'other'],
  ] as const);
  const text = statement(draft, kind);
  return {
    text: ornate(choices, text) + choices.pick(['', '', '', ' ;', ' -- end']),
    parameters: parameters ?? [],
    plan: kind === 'explain',
  };
}

/** Comments and other space between tokens, where a space stands outside of quotes. */
function ornate(choices: Choices, text: string): string {
  if (!choices.chance(15)) return text;
  const gap = choices.pick(['\n', ' /* from orders; */ ', '\t', " /* /* nested */ ' */ ", ' -- "x\n', '\r\n']);
  // quoted parts stay as they are; the parser takes no comment where it looks two words ahead, and is refused there
  return text.replace(
    /with ordinality|not (?:in|like|between)|"(?:[^"]|"")*"(?: UESCAPE '!')?|[eE]?'(?:[^'\\]|\\.|'')*'|\$(x?)\$[\s\S]*?\$\1\$| /g,
    (found) => (found === ' ' ? gap : found),
  );
}

function statement(draft: Draft, kind: string): string {
  const { choices, world } = draft;
  const depth = choices.weighted([
    [6, 1],
    [3, 2],
    [3, 0],
    [1, 3],
  ]);
  switch (kind) {
    case 'insert':
      return insert(draft).text;
    case 'update':
      return update(draft).text;
    case 'delete':
      return remove(draft).text;
    case 'merge':
      return merge(draft);
    case 'with': {
      const clause = withClause(draft, depth, (inner) => choices.pick([insert, update, remove])(inner));
      return (
        clause +
        choices.pick([() => query(draft, undefined, depth).text, () => update(draft).text, () => insert(draft).text])()
      );
    }
    case 'explain':
      return `explain ${choices.pick(['', '(costs off) ', 'analyze ', 'verbose '])}${choices.pick([insert, update, remove])(draft).text}`;
    case 'other':
      return choices.pick([
        () => `truncate ${tableName(draft, choices.pick(world.tables))}`,
        () => `lock table ${tableName(draft, choices.pick(world.tables))} in share mode`,
        () => "select relname from pg_class where relname = 'pg_class'",
        () => "set local application_name = 'x'",
        () => 'show datestyle',
        () => `select count(*) from information_schema.tables where table_name = 'none'`,
      ])();
    default:
      return (choices.chance(12) ? withClause(draft, depth) : '') + query(draft, undefined, depth).text;
  }
}

/** Mostly tables that may be written. */
function target({ choices, world }: Draft): Table {
  const shadows = world.tables.filter((table) => table.class === 'shadow');
  return choices.chance(2) ? choices.pick(world.tables) : choices.pick(shadows);
}

const writable = (table: Table): Column[] => table.columns.filter(({ generated }) => !generated);

function value(draft: Draft, scope: Scope, column: Column, depth: number): string {
  const { choices } = draft;
  if (column.name === 'id') return String(choices.between(1, 40));
  if (column.name === 'parent') return choices.pick(['1', '2', 'null', '99']);
  return choices.chance(8) ? 'default' : expression(draft, scope, column.kind, depth);
}

function returning(
  draft: Draft,
  scope: Scope,
  table: Table,
): { text: string; columns: { name: string; kind: Kind }[] } {
  const { choices } = draft;
  const [source] = scope.sources;
  switch (choices.below(4)) {
    case 0:
      return { text: '', columns: [] };
    case 1:
      return { text: ' returning *', columns: scope.sources.length === 1 ? table.columns : [] };
    case 2:
      return { text: ` returning ${choices.pick(source?.qualifiers ?? [])}.*`, columns: table.columns };
    default: {
      const kind = choices.pick<Kind>(['int', 'text']);
      return { text: ` returning ${expression(draft, scope, kind, 1)} as c0`, columns: [{ name: 'c0', kind }] };
    }
  }
}

function insert(draft: Draft): Query {
  const { choices } = draft;
  const table = target(draft);
  const scope: Scope = { sources: [] };
  const { text, source } = named(draft, table, scope, true);
  scope.sources.push(source);
  const columns = writable(table).filter(({ optional }) => !optional || choices.chance(70));
  let what: string;
  if (choices.chance(4)) what = ' default values';
  else {
    const list = columns.map((column) => name(choices, column.name)).join(', ');
    const row = (): string => `(${columns.map((column) => value(draft, { sources: [] }, column, 1)).join(', ')})`;
    const rows =
      columns.length === 0
        ? ' default values'
        : choices.chance(30)
          ? ` ${query(draft, undefined, 1, { kinds: columns.map(({ kind }) => kind), nested: true }).text}`
          : ` values ${choices.list(1, 3, row).join(', ')}`;
    what = columns.length === 0 ? rows : ` (${list})${rows}`;
  }
  const conflict = choices.chance(35) ? onConflict(draft, table, scope) : '';
  const back = returning(draft, scope, table);
  return { text: `insert into ${text}${what}${conflict}${back.text}`, columns: back.columns };
}

function onConflict(draft: Draft, table: Table, scope: Scope): string {
  const { choices } = draft;
  const key = choices.pick(['(id)', '(id)', `on constraint ${name(choices, keyOf(table))}`]);
  if (choices.chance(40)) return ` on conflict ${choices.pick(['', `${key} `])}do nothing`;
  const all: Scope = { sources: [...scope.sources, { qualifiers: ['excluded'], columns: table.columns }] };
  const column = choices.pick(writable(table).filter(({ name: one }) => one !== 'id' && one !== 'parent'));
  const where = choices.chance(30) ? ` where ${condition(draft, all, 0)}` : '';
  return ` on conflict ${key} do update set ${name(choices, column.name)} = ${expression(draft, all, column.kind, 1)}${where}`;
}

function assignments(draft: Draft, table: Table, scope: Scope): string {
  const { choices } = draft;
  const columns = writable(table).filter(({ name: one }) => one !== 'id');
  const chosen = choices.some(columns);
  if (chosen.length === 2 && choices.chance(30)) {
    const values = chosen.map((column) => value(draft, scope, column, 0));
    return `(${chosen.map((column) => name(choices, column.name)).join(', ')}) = (${values.join(', ')})`;
  }
  return chosen.map((column) => `${name(choices, column.name)} = ${value(draft, scope, column, 1)}`).join(', ');
}

function update(draft: Draft): Query {
  const { choices } = draft;
  const table = target(draft);
  const scope: Scope = { sources: [] };
  const { text, source } = named(draft, table, scope, true);
  scope.sources.push(source);
  const more = other(draft, scope);
  const where = choices.chance(75) ? ` where ${condition(draft, scope, 1)}` : '';
  const one = more === undefined ? '' : `${where === '' ? ' where' : ' and'} ${more.condition}`;
  const back = returning(draft, scope, table);
  const from = more === undefined ? '' : ` from ${more.from}`;
  return {
    text: `update ${text} set ${assignments(draft, table, scope)}${from}${where}${one}${back.text}`,
    columns: back.columns,
  };
}

/** A second table, of which one row is taken: any of its rows could be otherwise. */
function other(draft: Draft, scope: Scope): { from: string; condition: string } | undefined {
  const { choices, world } = draft;
  if (!choices.chance(35)) return undefined;
  const { text, source } = named(draft, choices.pick(world.tables), scope);
  scope.sources.push(source);
  return { from: text, condition: `${source.qualifiers[0]}.id = ${choices.between(1, 3)}` };
}

function remove(draft: Draft): Query {
  const { choices } = draft;
  const table = target(draft);
  const scope: Scope = { sources: [] };
  const { text, source } = named(draft, table, scope, true);
  scope.sources.push(source);
  const more = other(draft, scope);
  const where = ` where ${condition(draft, scope, 1)}`;
  const back = returning(draft, scope, table);
  const using = more === undefined ? '' : ` using ${more.from}`;
  const only = choices.chance(10) && !text.includes(' as ') ? 'only ' : '';
  return {
    text: `delete from ${only}${text}${using}${where}${more === undefined ? '' : ` and ${more.condition}`}${back.text}`,
    columns: back.columns,
  };
}

function merge(draft: Draft): string {
  const { choices } = draft;
  const table = target(draft);
  const scope: Scope = { sources: [] };
  const into = named(draft, table, scope, true);
  scope.sources.push(into.source);
  const using = named(draft, choices.pick(draft.world.tables), scope);
  scope.sources.push(using.source);
  const matched = choices.pick([
    () => `update set ${assignments(draft, table, scope)}`,
    () => 'delete',
    () => 'do nothing',
  ])();
  const columns = writable(table).filter(({ optional }) => !optional);
  const inserted =
    columns.length === 0
      ? 'do nothing'
      : `insert (${columns.map((column) => name(choices, column.name)).join(', ')}) values (${columns.map((column) => value(draft, { sources: [using.source] }, column, 0)).join(', ')})`;
  const on = `${into.source.qualifiers[0]}.id = ${using.source.qualifiers[0]}.id`;
  const when = choices.chance(40) ? ` and ${condition(draft, scope, 0)}` : '';
  return `merge into ${into.text} using ${using.text} on ${on} when matched${when} then ${matched} when not matched then ${inserted}`;
}
