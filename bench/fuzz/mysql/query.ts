import {
  aggregate,
  columnOf,
  condition,
  type Draft,
  expression,
  qualified,
  type Scope,
  type Source,
  windowFunction,
} from './expression.js';
import { between, brackets, name, type Pieces, sql } from './text.js';
import type { Column, Kind, Table, View } from './world.js';

/** What a query gives back, for those around it. */
export interface Query {
  pieces: Pieces;
  columns: Source['columns'];
}

export interface QueryWishes {
  /** Kinds of the output columns; drawn when left out. */
  kinds?: Kind[];
  /** At most one row. */
  single?: boolean;
  /** Every output column gets a name of its own. */
  named?: boolean;
  /** No clause that locks rows. */
  nested?: boolean;
}

export const database = '__db__';
const anyKind: Kind[] = ['int', 'str', 'dec', 'date', 'enum', 'json', 'blob'];
const aliases = ['a', 'b', 'o', 'my alias', 'Ab', 'é', 'x`y'];

/** One query, with set operations now and then. */
export function query(draft: Draft, parent: Scope | undefined, depth: number, wishes: QueryWishes = {}): Query {
  const { choices } = draft;
  if (wishes.single !== true && depth > 0 && choices.chance(12)) return setOperation(draft, parent, depth, wishes);
  if (wishes.single !== true && wishes.nested && choices.chance(2)) return valueRows(draft, parent, wishes);
  return select(draft, parent, depth, wishes);
}

function valueRows(draft: Draft, parent: Scope | undefined, wishes: QueryWishes): Query {
  const kinds = wishes.kinds ?? ['int'];
  const row = (): Pieces =>
    brackets(
      between(
        ',',
        kinds.map((kind) => expression(draft, { sources: [], ...(parent && { parent }) }, kind, 0)),
      ),
    );
  return { pieces: sql`VALUES ${between(',', draft.choices.list(1, 3, row))}`, columns: [] };
}

function setOperation(draft: Draft, parent: Scope | undefined, depth: number, wishes: QueryWishes): Query {
  const { choices } = draft;
  const kinds = wishes.kinds ?? choices.list(1, 3, () => choices.pick(anyKind));
  const first = select(draft, parent, depth - 1, { ...wishes, kinds, nested: true });
  const pieces = choices.chance(30) ? brackets(first.pieces) : first.pieces;
  for (const _ of choices.list(1, 2, (index) => index)) {
    const operator = choices.pick(['UNION', 'UNION ALL', 'UNION DISTINCT', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL']);
    const next = select(draft, parent, depth - 1, { ...wishes, kinds, nested: true });
    pieces.push(...operator.split(' '), ...(choices.chance(30) ? brackets(next.pieces) : next.pieces));
  }
  return { pieces, columns: first.columns };
}

function select(draft: Draft, parent: Scope | undefined, depth: number, wishes: QueryWishes): Query {
  const { choices } = draft;
  const scope: Scope = { sources: [], ...(parent && { parent }) };
  const from = choices.chance(94) || parent === undefined ? fromClause(draft, scope, depth) : [];
  const grouped = from.length > 0 && choices.chance(15);
  const window =
    !grouped && from.length > 0 && depth > 0 && choices.chance(8) ? name(choices, 'w', draft.quoting) : undefined;
  const modifiers = choices.chance(10)
    ? [choices.pick(['DISTINCT', 'ALL', 'SQL_NO_CACHE', 'STRAIGHT_JOIN', 'HIGH_PRIORITY', 'SQL_CALC_FOUND_ROWS'])]
    : [];
  const list = selectList(draft, scope, depth, wishes, grouped, window);
  const groups = grouped && choices.chance(70) ? [columnPieces(draft, scope)] : [];
  const where = from.length > 0 && choices.chance(60) ? sql`WHERE ${condition(draft, scope, depth)}` : [];
  const pieces = sql`SELECT ${modifiers} ${list.pieces} ${from} ${where}`;
  if (groups.length > 0) {
    pieces.push(...sql`GROUP BY ${between(',', groups)}`);
    if (choices.chance(15)) pieces.push('WITH', 'ROLLUP');
  }
  if (grouped && choices.chance(40)) pieces.push(...sql`HAVING ${aggregate(draft, scope, 0).pieces} > 0`);
  if (window !== undefined) pieces.push(...sql`WINDOW ${window} AS ( ORDER BY ${expression(draft, scope, 'int', 0)} )`);
  pieces.push(...tail(draft, list.columns.length, wishes, from.length > 0 && !grouped, parent === undefined));
  return { pieces, columns: list.columns };
}

function columnPieces(draft: Draft, scope: Scope): Pieces {
  const { choices } = draft;
  const named = scope.sources.filter(({ columns }) => columns.length > 0);
  if (named.length === 0) return ['1'];
  const source = choices.pick(named);
  return [columnOf(draft, scope, source, choices.pick(source.columns))];
}

function selectList(
  draft: Draft,
  scope: Scope,
  depth: number,
  wishes: QueryWishes,
  grouped: boolean,
  window: string | undefined,
): Query {
  const { choices } = draft;
  const mayStar = wishes.kinds === undefined && !wishes.named && !grouped && scope.sources.length > 0;
  // of a table of VALUES the number of columns is not noted, and ORDER BY must name them all
  if (mayStar && choices.chance(25) && scope.sources.every((source) => source.columns.length > 0)) {
    const source = choices.pick(scope.sources);
    if (choices.chance(50) || source.qualifiers.length === 0)
      return { pieces: ['*'], columns: scope.sources.flatMap(({ columns }) => columns) };
    return { pieces: [qualified(draft, choices.pick(source.qualifiers), '*')], columns: source.columns };
  }
  const kinds = wishes.kinds ?? choices.list(1, 4, () => choices.pick(anyKind));
  const columns: Source['columns'] = [];
  let hasWindow = false;
  const items = kinds.map((kind, index) => {
    let pieces: Pieces;
    if (grouped) ({ pieces } = aggregate(draft, scope, depth));
    else if (scope.sources.length > 0 && depth > 0 && !hasWindow && choices.chance(6)) {
      // two windows of different orders give other ranks from one run to the next on MariaDB 11.4.5, on one and the same table
      hasWindow = true;
      ({ pieces } = windowFunction(draft, scope, depth, window));
    } else pieces = expression(draft, scope, kind, depth);
    const alias = wishes.named
      ? `c${index}`
      : choices.chance(25)
        ? `${choices.pick(['c', 'name', 'my out', 'value', 'order'])}${index > 0 ? index : ''}`
        : undefined;
    columns.push({ name: alias ?? `?${index}`, kind });
    if (alias === undefined) return pieces;
    // a quoted or a non-reserved name may stand without AS
    return [...pieces, ...(wishes.named || choices.chance(60) ? ['AS'] : []), name(choices, alias, draft.quoting)];
  });
  return { pieces: between(',', items), columns };
}

/** ORDER BY over every output column, so that LIMIT means the same rows on both sides. */
function tail(draft: Draft, width: number, wishes: QueryWishes, mayLock: boolean, isOuter: boolean): Pieces {
  const { choices } = draft;
  const pieces: Pieces = [];
  const limited = wishes.single || choices.chance(wishes.nested ? 5 : 20);
  if (limited && wishes.nested && !wishes.single) return pieces;
  if (limited || (!wishes.nested && choices.chance(20))) {
    const ordinals = Array.from({ length: width }, (_, index) => [
      String(index + 1),
      ...(choices.chance(30) ? ['DESC'] : []),
    ]);
    pieces.push('ORDER', 'BY', ...between(',', ordinals));
  }
  if (limited) {
    const count = wishes.single ? '1' : String(choices.between(0, 4));
    pieces.push(
      ...choices.pick([
        sql`LIMIT ${count}`,
        sql`LIMIT ${count} OFFSET 0`,
        sql`LIMIT 0 , ${count}`,
        sql`OFFSET 0 ROWS FETCH FIRST ${count} ROWS ONLY`,
      ]),
    );
  }
  if (
    mayLock &&
    isOuter &&
    !wishes.nested &&
    choices.chance(6) &&
    draft.world.tables.every((table) => table.class === 'shadow')
  ) {
    pieces.push(
      ...choices.pick(['FOR UPDATE', 'LOCK IN SHARE MODE', 'FOR UPDATE SKIP LOCKED', 'FOR UPDATE NOWAIT']).split(' '),
    );
  }
  return pieces;
}

// ---- table references

function fromClause(draft: Draft, scope: Scope, depth: number): Pieces {
  const { choices } = draft;
  const pieces = ['FROM', ...factor(draft, scope, depth)];
  const more = choices.weighted([
    [5, 0],
    [4, 1],
    [1, 2],
  ]);
  const segment = { from: 0 };
  for (let index = 0; index < more; index += 1) pieces.push(...joined(draft, scope, depth, segment));
  return pieces;
}

/** `segment.from`: where the tables begin that ON may name; a comma begins anew, since it binds weaker than JOIN. */
function joined(draft: Draft, scope: Scope, depth: number, segment: { from: number }): Pieces {
  const { choices } = draft;
  const kind = choices.pick([
    'JOIN',
    ',',
    'INNER JOIN',
    'CROSS JOIN',
    'LEFT JOIN',
    'RIGHT OUTER JOIN',
    'LEFT OUTER JOIN',
    'NATURAL JOIN',
    'NATURAL LEFT JOIN',
    'STRAIGHT_JOIN',
  ]);
  const before = scope.sources.slice();
  const right = factor(draft, scope, depth);
  const pieces = [...kind.split(' '), ...right];
  if (kind === ',') segment.from = before.length;
  if (kind === ',' || kind === 'CROSS JOIN' || kind.startsWith('NATURAL')) return pieces;
  const added = scope.sources.at(-1) as Source;
  const shared = added.columns.filter(
    (column) => before.length === 1 && before[0]?.columns.some((other) => other.name === column.name),
  );
  const first = shared[0];
  if (first !== undefined && kind !== 'STRAIGHT_JOIN' && choices.chance(30))
    return [...pieces, ...sql`USING ( ${name(choices, first.name, draft.quoting)} )`];
  const seen: Scope = { ...scope, sources: scope.sources.slice(segment.from), block: scope.sources };
  return [...pieces, 'ON', ...condition(draft, seen, Math.min(1, depth))];
}

function factor(draft: Draft, scope: Scope, depth: number): Pieces {
  const { choices } = draft;
  const { commonTables } = draft;
  return choices.weighted<() => Pieces>([
    [60, () => tableFactor(draft, scope)],
    [commonTables.length > 0 ? 30 : 0, () => commonTable(draft, scope)],
    [depth > 0 ? 12 : 0, () => derived(draft, scope, depth)],
    [depth > 0 ? 6 : 0, () => group(draft, scope, depth)],
    [1, () => jsonTable(draft, scope)],
  ])();
}

/** An alias that the block does not have yet; names of tables are good aliases too, to confuse. */
function freshAlias({ choices, world }: Draft, scope: Scope): string {
  const taken = new Set(
    scope.sources.flatMap(({ qualifiers }) => qualifiers.map((parts) => parts.at(-1)?.toLowerCase())),
  );
  const pool = [...aliases, ...world.tables.map((table) => table.name)].filter(
    (alias) => !taken.has(alias.toLowerCase()),
  );
  return pool.length > 0 ? choices.pick(pool) : `z${scope.sources.length}`;
}

const hints = [
  'USE INDEX ()',
  'IGNORE INDEX ( PRIMARY )',
  'FORCE KEY ( PRIMARY )',
  'USE INDEX FOR JOIN ( PRIMARY )',
  'IGNORE INDEX FOR ORDER BY ( PRIMARY )',
];

function tableFactor(draft: Draft, scope: Scope): Pieces {
  const { choices, world } = draft;
  const view = world.views[0];
  const table: Table | View = view !== undefined && choices.chance(15) ? view : choices.pick(world.tables);
  const pieces = [tableName(draft, table.name)];
  if ('partitions' in table && table.partitions.length > 0 && choices.chance(30))
    pieces.push(...sql`PARTITION ( ${choices.pick(['p0', 'p1', 'p0 , p1'])} )`);
  const isThere = scope.sources.some(({ qualifiers }) => qualifiers.some((parts) => parts.at(-1) === table.name));
  const alias = isThere || choices.chance(50) ? freshAlias(draft, scope) : undefined;
  if (alias !== undefined) pieces.push(...(choices.chance(50) ? ['AS'] : []), asAlias(draft, alias));
  if ('partitions' in table && choices.chance(8)) pieces.push(...choices.pick(hints).split(' '));
  scope.sources.push({
    qualifiers: alias === undefined ? [[table.name], [database, table.name]] : [[alias]],
    columns: table.columns,
  });
  return pieces;
}

/** Without AS a keyword as an alias would be read as one: such names are quoted. */
export const asAlias = ({ choices, quoting }: Draft, alias: string): string =>
  ['end', 'user', 'count', 'partition'].includes(alias) ? `\`${alias}\`` : name(choices, alias, quoting);

/** A table as statements name it: with the schema now and then, and odd spacing around the dot. */
export function tableName(draft: Draft, table: string): string {
  const { choices, quoting, commonTables } = draft;
  const isHidden = commonTables.some((common) => common.name.toLowerCase() === table.toLowerCase());
  const bare = name(choices, table, quoting);
  return isHidden || choices.chance(20) ? qualified(draft, [database], bare) : bare;
}

function commonTable(draft: Draft, scope: Scope): Pieces {
  const { choices } = draft;
  const common = choices.pick(draft.commonTables);
  const alias = freshAlias(draft, scope);
  const written =
    choices.chance(20) && /^[a-z]+$/.test(common.name)
      ? `\`${common.name.toUpperCase()}\``
      : name(choices, common.name, draft.quoting);
  scope.sources.push({ qualifiers: [[alias]], columns: common.columns });
  return [written, 'AS', asAlias(draft, alias)];
}

function derived(draft: Draft, scope: Scope, depth: number): Pieces {
  const { choices } = draft;
  const inner = query(draft, undefined, depth - 1, {
    named: true,
    nested: true,
    kinds: choices.list(1, 3, () => choices.pick(anyKind)),
  });
  const alias = freshAlias(draft, scope);
  scope.sources.push({ qualifiers: [[alias]], columns: inner.columns });
  return [...brackets(inner.pieces), ...(choices.chance(60) ? ['AS'] : []), asAlias(draft, alias)];
}

/** `( a JOIN b )`: brackets around references, not around a query. */
function group(draft: Draft, scope: Scope, depth: number): Pieces {
  const segment = { from: scope.sources.length };
  return brackets([...factor(draft, scope, depth - 1), ...joined(draft, scope, depth - 1, segment)]);
}

function jsonTable(draft: Draft, scope: Scope): Pieces {
  const alias = freshAlias(draft, scope);
  scope.sources.push({
    qualifiers: [[alias]],
    columns: [
      { name: 'jn', kind: 'int' },
      { name: 'nr', kind: 'int' },
    ],
  });
  const columns = sql`nr FOR ORDINALITY , jn INT PATH '$' DEFAULT '9' ON ERROR`;
  return [...sql`JSON_TABLE( ${'\'[1, 2, "from"]\''} , '$[*]' COLUMNS ( ${columns} ) )`, 'AS', asAlias(draft, alias)];
}

// ---- WITH

/** `WITH …` in front of a query; what it defines is known to the draft afterwards. */
export function commonTableExpressions(draft: Draft, depth: number): Pieces {
  const { choices, world } = draft;
  const recursive = choices.chance(25);
  const parts: Pieces[] = [];
  for (const index of choices.list(1, 2, (at) => at)) {
    // a name that a table has too: from here on it means the CTE
    const cte = choices.weighted([
      [2, `w${index}`],
      [1, world.tables[index % world.tables.length]?.name ?? 'w'],
    ]);
    if (recursive && index === 0) {
      parts.push(
        sql`counted ( n ) AS ( SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ${String(choices.between(1, 5))} )`,
      );
      draft.commonTables.push({ name: 'counted', columns: [{ name: 'n', kind: 'int' }] });
      continue;
    }
    const inner = query(draft, undefined, depth - 1, {
      named: true,
      nested: true,
      kinds: choices.list(1, 3, () => choices.pick(anyKind)),
    });
    parts.push(sql`${name(choices, cte, draft.quoting)} AS ${brackets(inner.pieces)}`);
    draft.commonTables.push({ name: cte, columns: inner.columns });
  }
  return sql`WITH ${recursive ? 'RECURSIVE' : []} ${between(',', parts)}`;
}

export const columnsOf = (table: { columns: Column[] }): Column[] =>
  table.columns.filter(({ generated }) => !generated);
