import type { Choices } from '../choices.js';
import { quoted } from './text.js';

/** What a column holds, as far as the generator of expressions cares. */
export type Kind = 'int' | 'dec' | 'str' | 'date' | 'json' | 'enum' | 'blob';

export interface Column {
  name: string;
  kind: Kind;
  /** SQL of the definition after the name. */
  definition: string;
  /** An expression fills it: no statement may. */
  generated?: boolean;
  /** An INSERT may leave it out. */
  optional?: boolean;
}

export interface Table {
  name: string;
  class: 'shadow' | 'real-read';
  columns: Column[];
  /** Columns of the primary key. */
  key: string[];
  /** Clauses after the columns: keys and checks. */
  clauses: string[];
  parent?: { table: string; columns: string[]; references: string[]; rule: string };
  partitions: string[];
  /** SQL of the partitioning. */
  partitioning: string;
  /** Rows of SQL literals, generated columns left out. */
  rows: string[][];
}

export interface View {
  name: string;
  table: string;
  columns: Column[];
  where: string;
}

export interface World {
  mode: 'table' | 'schema';
  /** sql_mode flags besides the strict ones. */
  flags: string[];
  tables: Table[];
  views: View[];
  /** Shadow tables know their run in a hidden column. */
  runColumn: boolean;
}

const tableNames = [
  'orders',
  'items',
  'people',
  'Orders',
  'order',
  'my table',
  'naïve',
  'a`b',
  'select',
  '表',
  '1abc',
  'x$y',
  'left',
  'values',
  "it's",
  'a"b',
  'count',
  'user',
  'set',
  'end',
  'partition',
];
/** One name, one kind: what NATURAL JOIN and USING compare is of one kind, so that no conversion depends on the plan. */
const columnKinds: Record<string, Kind> = {
  n: 'int',
  name: 'str',
  amount: 'dec',
  day: 'date',
  doc: 'json',
  state: 'enum',
  data: 'blob',
  key: 'str',
  'my col': 'int',
  Größe: 'dec',
  value: 'str',
  from: 'int',
  orders: 'str',
  items: 'int',
};
const columnNames = Object.keys(columnKinds);
// no two of them are equal in one collation and different in another
const texts = [
  'ann',
  'bob',
  'Cid',
  "d'or",
  'e"e',
  'from orders',
  '\\',
  'f`g',
  '',
  '-- h',
  '/* i */',
  'jé',
  '表',
  'k%_',
  'NULL',
];

export const textPool: readonly string[] = texts;

export function makeWorld(choices: Choices): World {
  const names = new Set<string>();
  const count = choices.between(2, 4);
  while (names.size < count) names.add(fresh(choices, tableNames, names));
  const tables: Table[] = [];
  for (const name of names) tables.push(makeTable(choices, name, tables));
  if (choices.chance(50)) Object.assign(tables.at(-1) as Table, { class: 'real-read' as const });
  const last = tables.at(-1) as Table;
  // a reference from a real table to a shadow one cannot be
  if (last.class === 'real-read') delete last.parent;
  const views = choices.chance(30) ? [makeView(choices, tables[0] as Table)] : [];
  const flags = ['ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'PIPES_AS_CONCAT'].filter(() => choices.chance(25));
  return { mode: choices.pick(['table', 'schema']), flags, tables, views, runColumn: !choices.chance(10) };
}

/** A name that was not taken yet; the first free one where the draw falls on a taken one. */
function fresh(choices: Choices, pool: readonly string[], taken: ReadonlySet<string>): string {
  const drawn = choices.pick(pool);
  return taken.has(drawn) ? (pool.find((name) => !taken.has(name)) as string) : drawn;
}

function makeTable(choices: Choices, name: string, before: readonly Table[]): Table {
  const parent =
    before.length > 0 && choices.chance(40)
      ? choices.pick(before.filter((table) => table.partitioning === ''))
      : undefined;
  const composite = choices.chance(25);
  const partitioned = parent === undefined && before.length > 0 && choices.chance(25);
  const auto = !composite && choices.chance(60);
  const columns: Column[] = [
    { name: 'id', kind: 'int', definition: `INT NOT NULL${auto ? ' AUTO_INCREMENT' : ''}`, optional: auto },
  ];
  if (composite) columns.push({ name: 'part', kind: 'int', definition: 'SMALLINT NOT NULL' });
  const taken = new Set<string>(['id', 'part']);
  for (const _ of choices.list(1, 5, (index) => index)) {
    const column = fresh(choices, columnNames, taken);
    taken.add(column);
    columns.push(makeColumn(choices, column, columnKinds[column] as Kind));
  }
  const table: Table = {
    name,
    class: 'shadow',
    columns,
    key: composite ? ['id', 'part'] : ['id'],
    clauses: [],
    partitions: partitioned ? ['p0', 'p1'] : [],
    partitioning: partitioned
      ? ' PARTITION BY RANGE (`id`) (PARTITION p0 VALUES LESS THAN (4), PARTITION p1 VALUES LESS THAN MAXVALUE)'
      : '',
    rows: [],
  };
  addKeys(choices, table);
  if (parent !== undefined) addParent(choices, table, parent);
  if (choices.chance(30)) addGenerated(choices, table);
  table.rows = makeRows(choices, table, parent);
  return table;
}

function makeColumn(choices: Choices, name: string, kind: Kind): Column {
  const filled = choices.chance(25);
  const type = {
    int: ['INT', 'BIGINT', 'TINYINT', 'INT UNSIGNED'],
    dec: ['DECIMAL(10,2)', 'DECIMAL(5,0)'],
    str: ['VARCHAR(40)', 'VARCHAR(40) COLLATE utf8mb4_bin', 'VARCHAR(12) CHARACTER SET latin1', 'TEXT', 'CHAR(20)'],
    date: ['DATE', 'DATETIME'],
    enum: ["ENUM('new','paid','sent')"],
    json: ['JSON'],
    blob: ['VARBINARY(40)', 'BLOB'],
  }[kind];
  const chosen = choices.pick(type);
  const preset = filled && kind === 'int' ? ' DEFAULT 7' : '';
  return {
    name,
    kind,
    definition: `${chosen}${filled ? ' NOT NULL' : ''}${preset}`,
    optional: !filled || preset !== '',
  };
}

function addKeys(choices: Choices, table: Table): void {
  const plain = table.columns.filter(
    ({ kind, name, definition }) => name !== 'id' && !/TEXT|BLOB|JSON/.test(definition) && kind !== 'blob',
  );
  const column = plain.length > 0 ? choices.pick(plain) : undefined;
  table.clauses.push(`PRIMARY KEY (${table.key.map(quoted).join(', ')})`);
  if (column === undefined) return;
  if (choices.chance(50)) table.clauses.push(`KEY \`by\` (${quoted(column.name)})`);
  if (choices.chance(25) && table.partitioning === '') {
    // with the whole primary key in it, no start data can break it
    const columns = [...new Set([column.name, ...table.key])].map(quoted);
    table.clauses.push(`UNIQUE KEY \`one\` (${columns.join(', ')})`);
  }
  const number = table.columns.find(({ kind, name }) => kind === 'int' && name !== 'id');
  if (number !== undefined && choices.chance(25)) table.clauses.push(`CHECK (${quoted(number.name)} > -100)`);
}

function addParent(choices: Choices, table: Table, parent: Table): void {
  const references = parent.key;
  const columns = references.map((key) => `parent ${key}`);
  for (const [index, name] of columns.entries()) {
    table.columns.push({ name, kind: 'int', definition: index === 0 ? 'INT' : 'SMALLINT', optional: true });
  }
  const rule = choices.pick(['', ' ON DELETE CASCADE', ' ON DELETE SET NULL', ' ON UPDATE CASCADE']);
  table.parent = { table: parent.name, columns, references, rule };
}

function addGenerated(choices: Choices, table: Table): void {
  const source = choices.pick(
    table.columns.filter(
      ({ kind, name, definition }) =>
        (kind === 'int' || kind === 'str') && !/^CHAR\b/.test(definition) && !table.parent?.columns.includes(name),
    ),
  );
  const [kind, type, expression] =
    source.kind === 'int'
      ? (['int', 'BIGINT', `${quoted(source.name)} + 1`] as const)
      : (['str', 'VARCHAR(60)', `concat(${quoted(source.name)}, '!')`] as const);
  const stored = choices.chance(50) ? 'STORED' : 'VIRTUAL';
  // an AUTO_INCREMENT column cannot be a source
  if (source.definition.includes('AUTO_INCREMENT')) return;
  table.columns.push({
    name: 'made',
    kind,
    definition: `${type} AS (${expression}) ${stored}`,
    generated: true,
    optional: true,
  });
}

function makeRows(choices: Choices, table: Table, parent: Table | undefined): string[][] {
  const composite = table.key.length > 1;
  return choices.list(1, 7, (index) =>
    table.columns
      .filter(({ generated }) => !generated)
      .map((column) => {
        if (column.name === 'id') return String(composite ? 1 + (index >> 1) : index + 1);
        if (column.name === 'part') return String(1 + (index & 1));
        const key = table.parent?.columns.indexOf(column.name) ?? -1;
        if (key >= 0) return parentValue(parent as Table, key, index);
        return value(choices, column, index);
      }),
  );
}

/** All columns of one key from one row of the parent. */
function parentValue(parent: Table, key: number, index: number): string {
  const row = parent.rows[index % parent.rows.length] as string[];
  const at = parent.columns.filter(({ generated }) => !generated).findIndex(({ name }) => name === parent.key[key]);
  return row[at] as string;
}

function value(choices: Choices, column: Column, index: number): string {
  if (!column.definition.includes('NOT NULL') && choices.chance(20)) return 'NULL';
  switch (column.kind) {
    case 'int':
      return String(choices.between(0, 9));
    case 'dec':
      return String(choices.between(0, 999));
    case 'date':
      return `'2024-0${choices.between(1, 9)}-1${choices.between(0, 9)}'`;
    case 'enum':
      return choices.pick(["'new'", "'paid'", "'sent'"]);
    case 'json':
      return choices.pick([`'{"a": ${index}, "b": [1, 2]}'`, `'[${index}, "x"]'`, "'1'"]);
    case 'blob':
      return choices.pick(["x'00'", "x'27ff'", "x'5c60'", "x''"]);
    case 'str':
      return literal(
        choices.pick(column.definition.includes('latin1') ? texts.filter((text) => text !== '表') : texts),
      );
  }
}

/** In no sql_mode does a hexadecimal literal mean anything else. */
export const literal = (text: string): string => `_utf8mb4 x'${Buffer.from(text).toString('hex')}'`;

function makeView(choices: Choices, table: Table): View {
  const columns = [table.columns[0] as Column, ...table.columns.slice(1).filter(() => choices.chance(60))];
  const where = choices.chance(50) ? ' WHERE `id` > 1' : '';
  // a column without a default that the view leaves out makes INSERT fail, on both sides
  return { name: choices.pick(['view one', 'recent']), table: table.name, columns, where };
}
