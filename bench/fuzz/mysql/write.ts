import { condition, type Draft, expression, literal, qualified, type Scope, type Source } from './expression.js';
import { asAlias, columnsOf, commonTableExpressions, database, query, tableName } from './query.js';
import { between, brackets, name, type Pieces, sql } from './text.js';
import type { Column, Table } from './world.js';

/** A table that statements may write, and how an alias-less statement may qualify its columns. */
function target(draft: Draft): { table: Table; source: Source; scope: Scope } {
  const table = draft.choices.pick(draft.world.tables.filter((each) => each.class === 'shadow'));
  const source = { qualifiers: [[table.name], [database, table.name]], columns: table.columns };
  return { table, source, scope: { sources: [source] } };
}

function modifier(draft: Draft, words: readonly string[]): Pieces {
  return draft.choices.chance(12) ? [draft.choices.pick(words)] : [];
}

function partition(draft: Draft, table: Table): Pieces {
  return table.partitions.length > 0 && draft.choices.chance(20)
    ? sql`PARTITION ( ${draft.choices.pick(['p1', 'p0 , p1'])} )`
    : [];
}

const written = (draft: Draft, qualifiers: string[][], column: Column, percent: number): string => {
  const bare = name(draft.choices, column.name, draft.quoting);
  return draft.choices.chance(percent) ? qualified(draft, draft.choices.pick(qualifiers), bare) : bare;
};

/** A value that the column mostly takes. */
function valueFor(draft: Draft, scope: Scope, table: Table, column: Column): Pieces {
  const { choices } = draft;
  if (column.name === 'id') return [choices.chance(70) ? String(choices.between(1, 30)) : literal(draft, 'int')];
  const key = table.parent?.columns.indexOf(column.name) ?? -1;
  if (key >= 0) return [choices.chance(40) ? 'NULL' : String(choices.between(1, 3))];
  if (choices.chance(8)) return column.optional ? ['DEFAULT'] : ['NULL'];
  if (choices.chance(65) || column.kind === 'enum' || column.kind === 'json') return [literal(draft, column.kind)];
  return expression(draft, scope, column.kind, 1);
}

export function insert(draft: Draft): Pieces {
  const { choices } = draft;
  const replace = choices.chance(20);
  const { table, source, scope } = target(draft);
  const into = tableName(draft, table.name);
  const pieces = replace
    ? sql`REPLACE ${modifier(draft, ['LOW_PRIORITY'])} ${choices.chance(80) ? 'INTO' : []} ${into}`
    : sql`INSERT ${modifier(draft, ['IGNORE', 'HIGH_PRIORITY', 'LOW_PRIORITY'])} ${choices.chance(80) ? 'INTO' : []} ${into}`;
  pieces.push(...partition(draft, table));
  // values may not look at the table's own rows
  const nothing: Scope = { sources: [] };
  const columns = columnsOf(table).filter((column) => !column.optional || choices.chance(60));
  const listed = columns.length > 0 ? columns : columnsOf(table).slice(0, 1);
  const names = between(
    ',',
    listed.map((column) => written(draft, source.qualifiers, column, 8)),
  );
  const form = choices.weighted([
    [5, 'values'],
    [2, 'set'],
    [3, 'select'],
    [1, 'all'],
  ]);
  const row = (of: Column[]): Pieces =>
    brackets(
      between(
        ',',
        of.map((column) => valueFor(draft, nothing, table, column)),
      ),
    );
  let selected: Source | undefined;
  if (form === 'set') {
    const assignments = listed.map(
      (column) => sql`${written(draft, source.qualifiers, column, 15)} = ${valueFor(draft, nothing, table, column)}`,
    );
    pieces.push('SET', ...between(',', assignments));
  } else if (form === 'select') {
    const insertSelect = selectFor(draft, table, listed);
    selected = insertSelect.source;
    pieces.push(...brackets(names), ...insertSelect.pieces);
  } else if (form === 'all') {
    pieces.push(choices.pick(['VALUES', 'VALUE']), ...row(columnsOf(table)));
  } else {
    pieces.push(
      ...brackets(names),
      choices.pick(['VALUES', 'VALUES', 'VALUE']),
      ...between(
        ',',
        choices.list(1, 3, () => row(listed)),
      ),
    );
  }
  if (!replace && choices.chance(30)) pieces.push(...onDuplicate(draft, table, source, selected));
  if (choices.chance(15)) pieces.push('RETURNING', ...returning(draft, scope));
  return pieces;
}

/** A query whose columns fit, over another table where possible: reading the target itself is error 1093 or a temporary copy. */
function selectFor(draft: Draft, table: Table, columns: Column[]): { pieces: Pieces; source?: Source } {
  const { choices, world } = draft;
  if (choices.chance(20)) {
    const definitions = commonTableExpressions(draft, 1);
    const inner = query(draft, undefined, 1, { kinds: columns.map(({ kind }) => kind), nested: true });
    // in an order of its own: which row comes last decides, where keys meet
    const order = columns.map((_, index) => String(index + 1));
    return { pieces: sql`${definitions} ${inner.pieces} ORDER BY ${between(',', order)}` };
  }
  const others = world.tables.filter((other) => other !== table);
  const from = choices.pick(others.length > 0 ? others : [table]);
  const alias = choices.chance(50) ? 's' : undefined;
  const source: Source = {
    qualifiers: alias === undefined ? [[from.name], [database, from.name]] : [[alias]],
    columns: from.columns,
  };
  const scope: Scope = { sources: [source] };
  const list = columns.map((column) => {
    if (column.name === 'id')
      return sql`${qualified(draft, choices.pick(source.qualifiers), '`id`')} + ${String(choices.between(0, 40))}`;
    return withoutDefault(valueFor(draft, scope, table, column));
  });
  const where = choices.chance(50) ? sql`WHERE ${condition(draft, scope, 1)}` : [];
  const order = qualified(draft, choices.pick(source.qualifiers), '`id`');
  const named = alias === undefined ? [] : [...(choices.chance(50) ? ['AS'] : []), alias];
  const key = from.key.length > 1 ? [',', 'part'] : [];
  return {
    pieces: sql`SELECT ${between(',', list)} FROM ${tableName(draft, from.name)} ${named} ${where} ORDER BY ${order} ${key}`,
    source,
  };
}

function onDuplicate(draft: Draft, table: Table, source: Source, selected: Source | undefined): Pieces {
  const { choices } = draft;
  const assignable = columnsOf(table).filter(({ name: column }) => column !== 'id' && column !== 'part');
  if (assignable.length === 0) return ['ON', 'DUPLICATE', 'KEY', 'UPDATE', 'id', '=', 'id'];
  const assignments = choices.some(assignable).map((column) => {
    const left = written(draft, source.qualifiers, column, 25);
    const inserted = sql`VALUES( ${written(draft, source.qualifiers, column, 10)} )`;
    const right = choices.pick<() => Pieces>([
      () => inserted,
      () =>
        sql`COALESCE( ${inserted} , ${qualified(draft, choices.pick(source.qualifiers), name(choices, column.name, draft.quoting))} )`,
      () => valueFor(draft, { sources: [selected ?? source] }, table, column),
      () => (column.kind === 'int' ? sql`${written(draft, source.qualifiers, column, 50)} + 1` : inserted),
    ])();
    return sql`${left} = ${right}`;
  });
  return [...'ON DUPLICATE KEY UPDATE'.split(' '), ...between(',', assignments)];
}

function returning(draft: Draft, scope: Scope): Pieces {
  const { choices } = draft;
  if (choices.chance(25)) return ['*'];
  return between(
    ',',
    choices.list(1, 2, () => [...expression(draft, scope, choices.pick(['int', 'str'] as const), 1), 'AS', 'r']),
  );
}

export function update(draft: Draft): Pieces {
  const { choices } = draft;
  if (choices.chance(35)) return updateJoined(draft);
  const { table, source, scope } = target(draft);
  const alias = choices.chance(30) ? choices.pick(['u', 'my alias']) : undefined;
  if (alias !== undefined) source.qualifiers = [[alias]];
  const named = alias === undefined ? [] : [...(choices.chance(50) ? ['AS'] : []), asAlias(draft, alias)];
  const pieces = sql`UPDATE ${modifier(draft, ['IGNORE', 'LOW_PRIORITY'])} ${tableName(draft, table.name)} ${alias === undefined ? partition(draft, table) : []} ${named} SET ${assignments(draft, scope, [{ table, source }])}`;
  if (choices.chance(80)) pieces.push('WHERE', ...condition(draft, scope, choices.between(1, 2)));
  if (choices.chance(25)) pieces.push(...ordered(draft, table));
  return pieces;
}

function ordered({ choices, quoting }: Draft, table: Table): Pieces {
  return sql`ORDER BY ${between(
    ',',
    table.key.map((column) => name(choices, column, quoting)),
  )} LIMIT ${String(choices.between(0, 3))}`;
}

/** A query has no DEFAULT. */
const withoutDefault = (pieces: Pieces): Pieces => pieces.map((piece) => (piece === 'DEFAULT' ? 'NULL' : piece));

function assignments(draft: Draft, scope: Scope, tables: { table: Table; source: Source }[]): Pieces {
  const { choices } = draft;
  const parts = tables.flatMap(({ table, source }) => {
    const columns = columnsOf(table).filter(({ name: column }) => column !== 'id' && column !== 'part');
    if (columns.length === 0)
      return [
        sql`${qualified(draft, choices.pick(source.qualifiers), '`id`')} = ${qualified(draft, choices.pick(source.qualifiers), '`id`')}`,
      ];
    return choices.some(columns).map((column) => {
      const left = written(draft, source.qualifiers, column, tables.length > 1 || scope.sources.length > 1 ? 100 : 30);
      return sql`${left} = ${valueFor(draft, scope, table, column)}`;
    });
  });
  return between(',', parts);
}

/** Two tables side by side, the first of them written (both now and then). */
function pair(draft: Draft): {
  pieces: Pieces;
  scope: Scope;
  sides: { table: Table; source: Source; aliased: boolean }[];
} {
  const { choices, world } = draft;
  const { table } = target(draft);
  const other = choices.pick(world.tables);
  // swapped names: each has the other table's name as its alias
  const swapped = table !== other && choices.chance(15);
  const sides = [table, other].map((each, index) => {
    const aliased = swapped || (index === 1 && each === table) || choices.chance(50);
    const alias = (swapped ? [other.name, table.name] : ['l', 'r x'])[index] as string;
    const source: Source = {
      qualifiers: aliased ? [[alias]] : [[each.name], [database, each.name]],
      columns: each.columns,
    };
    const pieces = [
      tableName(draft, each.name),
      ...(aliased ? [...(choices.chance(50) ? ['AS'] : []), asAlias(draft, alias)] : []),
    ];
    return { table: each, source, aliased, pieces };
  });
  const scope: Scope = { sources: sides.map(({ source }) => source) };
  const [left, right] = sides as [(typeof sides)[0], (typeof sides)[0]];
  const id = ({ source }: { source: Source }): string => qualified(draft, choices.pick(source.qualifiers), '`id`');
  const pieces = choices.pick<() => Pieces>([
    () => sql`${left.pieces} JOIN ${right.pieces} ON ${id(left)} = ${id(right)}`,
    () => sql`${left.pieces} , ${right.pieces}`,
    () => sql`${left.pieces} LEFT JOIN ${right.pieces} ON ${id(left)} = ${id(right)}`,
    () => sql`${left.pieces} JOIN ${right.pieces} USING ( id )`,
  ])();
  return { pieces, scope, sides };
}

function updateJoined(draft: Draft): Pieces {
  const { choices } = draft;
  const { pieces, scope, sides } = pair(draft);
  const set = sides.slice(0, choices.chance(25) && sides[1]?.table.class === 'shadow' ? 2 : 1);
  const where = sql`WHERE ${qualified(draft, choices.pick(scope.sources[0]?.qualifiers ?? []), '`id`')} < 4`;
  const more = choices.chance(40) ? sql`AND ${condition(draft, scope, 1)}` : [];
  return sql`UPDATE ${modifier(draft, ['IGNORE'])} ${pieces} SET ${assignments(draft, scope, set)} ${where} ${more}`;
}

export function remove(draft: Draft): Pieces {
  const { choices } = draft;
  if (choices.chance(40)) return removeJoined(draft);
  const { table, scope } = target(draft);
  const pieces = sql`DELETE ${modifier(draft, ['QUICK', 'IGNORE', 'LOW_PRIORITY'])} FROM ${tableName(draft, table.name)} ${partition(draft, table)}`;
  pieces.push('WHERE', ...condition(draft, scope, choices.between(1, 2)));
  if (choices.chance(50)) pieces.push(...ordered(draft, table));
  if (choices.chance(15)) pieces.push('RETURNING', ...returning(draft, scope));
  return pieces;
}

function removeJoined(draft: Draft): Pieces {
  const { choices } = draft;
  const { pieces, scope, sides } = pair(draft);
  const from = sides.slice(0, choices.chance(25) && sides[1]?.table.class === 'shadow' ? 2 : 1).map(({ source }) => {
    const parts = choices.pick(source.qualifiers).map((part) => name(choices, part, draft.quoting));
    return `${parts.join('.')}${choices.chance(25) ? '.*' : ''}`;
  });
  const where = sql`WHERE ${qualified(draft, choices.pick(scope.sources[0]?.qualifiers ?? []), '`id`')} > 3`;
  const more = choices.chance(40) ? sql`AND ${condition(draft, scope, 1)}` : [];
  const words = modifier(draft, ['QUICK', 'IGNORE']);
  return choices.chance(40)
    ? sql`DELETE ${words} FROM ${between(',', from)} USING ${pieces} ${where} ${more}`
    : sql`DELETE ${words} ${between(',', from)} FROM ${pieces} ${where} ${more}`;
}
