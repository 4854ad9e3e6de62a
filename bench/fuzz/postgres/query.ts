import { columnOf, condition, type Draft, expression, name, type Scope, type Source } from './expression.js';
import type { Kind, Table, View } from './world.js';

export interface Query {
  text: string;
  columns: Source['columns'];
}

export interface Wishes {
  /** Kinds of the output columns; drawn when left out. */
  kinds?: Kind[];
  /** At most one row. */
  single?: boolean;
  /** Inside another statement: every column gets a name of its own, no row is locked. */
  nested?: boolean;
}

const anyKind: Kind[] = ['int', 'text', 'num', 'date', 'json', 'bool'];
const aliases = ['a', 'b', 'o', 'my alias', 'Ab', 'é', 'x"y', 'orders', 'items'];

/** One query, with set operations now and then. */
export function query(draft: Draft, parent: Scope | undefined, depth: number, wishes: Wishes = {}): Query {
  const { choices } = draft;
  const roll = wishes.single === true || depth <= 0 ? 99 : choices.below(100);
  if (roll >= 10) return select(draft, parent, depth, wishes);
  const kinds = wishes.kinds ?? choices.list(1, 3, () => choices.pick(anyKind));
  if (roll < 2) {
    const row = (): string => `(${kinds.map((kind) => expression(draft, withParent(parent), kind, 0)).join(', ')})`;
    return {
      text: `values ${choices.list(1, 3, row).join(', ')}`,
      columns: kinds.map((kind, at) => ({ name: `column${at + 1}`, kind })),
    };
  }
  const first = select(draft, parent, depth - 1, { ...wishes, kinds, nested: true });
  const operator = choices.pick(['union', 'union all', 'except', 'intersect', 'except all']);
  const next = select(draft, parent, depth - 1, { ...wishes, kinds, nested: true });
  return { text: `(${first.text}) ${operator} (${next.text})`, columns: first.columns };
}

const withParent = (parent: Scope | undefined): Scope => ({ sources: [], ...(parent && { parent }) });

function select(draft: Draft, parent: Scope | undefined, depth: number, wishes: Wishes): Query {
  const { choices, world } = draft;
  if (wishes.kinds === undefined && !wishes.nested && choices.chance(4)) {
    const table = choices.pick(world.tables);
    if (!hides(draft, table.name)) {
      const text = choices.pick([(one: string) => one, (one: string) => `only ${one}`, (one: string) => `${one} *`])(
        tableName(draft, table),
      );
      return { text: `table ${text}`, columns: table.columns };
    }
  }
  const scope = withParent(parent);
  const locks: string[] = [];
  const from = choices.chance(94) || parent === undefined ? fromClause(draft, scope, depth, locks) : '';
  const where = from !== '' && choices.chance(60) ? ` where ${condition(draft, scope, depth)}` : '';
  const grouped = from !== '' && wishes.single !== true && choices.chance(12);
  const kinds = wishes.kinds ?? choices.list(1, 4, () => choices.pick(anyKind));
  const starred =
    wishes.kinds === undefined && !wishes.nested && !grouped && scope.sources.length > 0 && choices.chance(25);
  if (starred) {
    const source = choices.pick(scope.sources);
    const star = source.qualifiers.length > 0 && choices.chance(60) ? `${choices.pick(source.qualifiers)}.*` : '*';
    return { text: `select ${star}${from}${where}${lock(draft, locks, wishes)}`, columns: [] };
  }
  const columns: Source['columns'] = kinds.map((kind, at) => ({ name: `c${at}`, kind }));
  const items = kinds.map((kind, at) => {
    const value = wishes.single || grouped ? aggregate(draft, scope, kind, depth) : outputOf(draft, scope, kind, depth);
    return wishes.nested || choices.chance(50) ? `${value} as c${at}` : value;
  });
  const distinct = !grouped && choices.chance(8) ? 'distinct ' : '';
  const group =
    grouped && choices.chance(70) ? ` group by ${choices.pick(['', 'rollup '])}(${column(draft, scope)})` : '';
  const having =
    grouped && choices.chance(30) ? ` having count(*) > ${expression(draft, { sources: [] }, 'int', 0)}` : '';
  const limit = choices.chance(15)
    ? ` order by ${kinds.map((_, at) => at + 1).join(', ')} limit ${choices.between(1, 5)}`
    : '';
  const locking = grouped || distinct !== '' || wishes.single ? '' : lock(draft, locks, wishes);
  return { text: `select ${distinct}${items.join(', ')}${from}${where}${group}${having}${limit}${locking}`, columns };
}

function lock({ choices }: Draft, locks: readonly string[], wishes: Wishes): string {
  if (wishes.nested || locks.length === 0 || !choices.chance(8)) return '';
  return ` for ${choices.pick(['update', 'share', 'no key update', 'key share'])} of ${choices.pick(locks)}`;
}

function column(draft: Draft, scope: Scope): string {
  const { choices } = draft;
  const source = choices.pick(scope.sources);
  return source.columns.length === 0 ? '1' : columnOf(draft, scope, source, choices.pick(source.columns).name);
}

function outputOf(draft: Draft, scope: Scope, kind: Kind, depth: number): string {
  const { choices } = draft;
  if (kind === 'int' && scope.sources.length > 0 && choices.chance(6)) {
    return `(sum(${expression(draft, scope, 'int', 0)}) over (partition by ${expression(draft, scope, 'text', 0)}))::int`;
  }
  return expression(draft, scope, kind, depth);
}

function aggregate(draft: Draft, scope: Scope, kind: Kind, depth: number): string {
  const { choices } = draft;
  const inner = (): string => expression(draft, scope, kind, Math.min(depth, 1));
  switch (kind) {
    case 'int':
      return choices.pick([() => 'count(*)::int', () => `max(${inner()})`, () => `count(distinct ${inner()})::int`])();
    case 'json':
      return `(jsonb_agg(${inner()} order by 1) -> 0)`;
    case 'bool':
      return `bool_or(${inner()})`;
    default:
      return `${choices.pick(['min', 'max'])}(${inner()})`;
  }
}

/** FROM, with its sources put into the scope. `locks`: names that FOR UPDATE OF may take. */
function fromClause(draft: Draft, scope: Scope, depth: number, locks: string[]): string {
  const { choices } = draft;
  let text = ` from ${fromItem(draft, scope, depth, locks)}`;
  for (
    let more = choices.weighted([
      [6, 0],
      [4, 1],
      [1, 2],
    ]);
    more > 0;
    more -= 1
  ) {
    const joined = choices.pick(['join', 'left join', 'cross join', ',', 'join lateral', 'full join using']);
    const before = locks.length;
    if (
      joined === 'full join using' &&
      scope.sources.every(({ columns }) => columns.some(({ name }) => name === 'id')) &&
      scope.sources.length === 1
    ) {
      const item = tableItem(draft, scope, locks);
      const found = scope.sources.at(-1)?.columns.some(({ name }) => name === 'id');
      // both sides of an outer join may be empty, so their rows cannot be locked
      locks.length = 0;
      text += found ? ` full join ${item} using (id)` : ` cross join ${item}`;
    } else if (joined === 'join lateral') {
      const { text: inner, columns } = query(draft, { sources: [...scope.sources] }, depth - 1, { nested: true });
      const alias = fresh(draft, scope);
      text += ` join lateral (${inner}) ${alias} on true`;
      scope.sources.push({ qualifiers: [alias], columns });
    } else {
      text += ` ${joined === 'full join using' ? 'cross join' : joined} ${fromItem(draft, scope, depth, locks)}`;
      if (joined === 'left join') locks.length = before;
      if (joined === 'join' || joined === 'left join') text += ` on ${condition(draft, { ...scope }, 0)}`;
    }
  }
  return text;
}

function fromItem(draft: Draft, scope: Scope, depth: number, locks: string[]): string {
  const { choices } = draft;
  const roll = choices.below(100);
  if (roll >= 92 && depth > 0) {
    const { text, columns } = query(draft, undefined, depth - 1, { nested: true });
    const alias = fresh(draft, scope);
    scope.sources.push({ qualifiers: [alias], columns });
    return `(${text}) as ${alias}`;
  }
  if (roll >= 88) {
    const alias = fresh(draft, scope);
    scope.sources.push({ qualifiers: [alias], columns: [{ name: 'g', kind: 'int' }] });
    return `generate_series(1, 2) with ordinality as ${alias}(g, ord)`;
  }
  return tableItem(draft, scope, locks);
}

function tableItem(draft: Draft, scope: Scope, locks: string[]): string {
  const { choices, world, common } = draft;
  const part = common.length > 0 && choices.chance(40) ? choices.pick(common) : undefined;
  if (part !== undefined) {
    const alias = choices.chance(50) || taken(scope, part.name) ? fresh(draft, scope) : undefined;
    scope.sources.push({ qualifiers: [alias ?? name(choices, part.name)], columns: part.columns });
    return `${name(choices, part.name)}${alias === undefined ? '' : ` ${alias}`}`;
  }
  const table = choices.pick<Table | View>([...world.tables, ...world.views]);
  const { text, source } = named(draft, table, scope);
  scope.sources.push(source);
  if ('class' in table && table.class === 'shadow') locks.push(source.qualifiers[0] as string);
  return text;
}

/** A table as it stands in FROM or as the target of a write. `plain`: neither ONLY nor the star nor a sample. */
export function named(
  draft: Draft,
  table: Table | View,
  scope: Scope,
  plain = false,
): { text: string; source: Source } {
  const { choices } = draft;
  const alias = choices.chance(45) || taken(scope, table.name) ? fresh(draft, scope) : undefined;
  const schema = 'schema' in table ? table.schema : 'public';
  // a name that a WITH part hides, or that is not on the search path, takes its schema
  const qualifiedName = schema === 'crm' || hides(draft, table.name) || choices.chance(30);
  let text = `${qualifiedName ? `${name(choices, schema)}.` : ''}${name(choices, table.name)}`;
  if (!plain && choices.chance(8)) text = choices.pick([`only ${text}`, `only (${text})`, `${text} *`]);
  if (alias !== undefined) text += `${plain ? ' as ' : choices.pick([' as ', ' '])}${alias}`;
  if (!plain && !('table' in table) && choices.chance(3)) text += ' tablesample bernoulli(100)';
  const qualifiers = alias === undefined ? [name(choices, table.name)] : [alias];
  // the table's identity: also without its schema in FROM
  if (alias === undefined) qualifiers.push(`${name(choices, schema)}.${name(choices, table.name)}`);
  return { text, source: { qualifiers, columns: table.columns } };
}

/** The name alone. */
export function tableName(draft: Draft, table: Table): string {
  const { choices } = draft;
  const schema = table.schema === 'crm' || hides(draft, table.name) || choices.chance(30);
  return `${schema ? `${name(choices, table.schema)}.` : ''}${name(choices, table.name)}`;
}

const hides = ({ common }: Draft, table: string): boolean => common.some(({ name: one }) => one === table);

/** Aliases in the text are quoted, so that one can be told from a name. */
function fresh({ choices }: Draft, scope: Scope): string {
  const free = aliases.filter((alias) => !taken(scope, alias));
  return `"${choices.pick(free).replaceAll('"', '""')}"`;
}

function taken(scope: Scope, wanted: string): boolean {
  const used = (text: string): string => {
    const last = text.replace(/^.*\.(?=[^"]*(?:"[^"]*"[^"]*)*$)/s, '');
    if (/^U&"/i.test(last)) return decoded(last);
    return last.startsWith('"') ? last.slice(1, -1).replaceAll('""', '"') : last.toLowerCase();
  };
  return scope.sources.some(({ qualifiers }) => qualifiers.some((one) => used(one) === wanted));
}

function decoded(text: string): string {
  const inside = text.slice(3, text.lastIndexOf('"')).replaceAll('""', '"');
  return String.fromCodePoint(Number.parseInt(inside.slice(1, 5), 16)) + inside.slice(5);
}

/** `with …`, and its names put into the draft; with parts that write where `writes` is given. */
export function withClause(draft: Draft, depth: number, write?: (draft: Draft) => Query): string {
  const { choices, world } = draft;
  const parts: string[] = [];
  const pool = ['cte', 'w', ...world.tables.map(({ name: table }) => table)];
  for (const _ of choices.list(1, 2, (index) => index)) {
    const free = pool.filter((one) => !hides(draft, one));
    const chosen = choices.pick(free);
    const { text, columns } =
      write !== undefined && choices.chance(50) ? write(draft) : query(draft, undefined, depth - 1, { nested: true });
    parts.push(`${name(choices, chosen)} as ${choices.pick(['', '', 'materialized ', 'not materialized '])}(${text})`);
    draft.common.push({ name: chosen, columns });
  }
  // a part that writes to a table of its own name is a recursion to the server, unless the table is redirected
  const recursive = write === undefined && choices.chance(15) ? 'recursive ' : '';
  return `with ${recursive}${parts.join(', ')} `;
}
