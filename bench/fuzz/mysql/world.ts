import type { Choices } from '../choices.js';
import {
  type ColumnOf,
  commonTableNames,
  commonTexts,
  makeColumns,
  makeTables,
  startValue,
  type TableOf,
  type ViewOf,
  type WorldOf,
} from '../world.js';
import { quoted } from './text.js';

export type Kind = 'int' | 'dec' | 'str' | 'date' | 'json' | 'enum' | 'blob';
export type Column = ColumnOf<Kind>;

export interface Table extends TableOf<Kind> {
  /** Columns of the primary key. */
  key: string[];
  parent?: { table: string; columns: string[]; references: string[]; rule: string };
  partitions: string[];
  /** SQL of the partitioning. */
  partitioning: string;
}

export interface View extends ViewOf<Kind> {
  where: string;
}

export interface World extends WorldOf<Table, View> {
  /** sql_mode flags besides the strict ones. */
  flags: string[];
  /** Shadow tables know their run in a hidden column. */
  runColumn: boolean;
}

const tableNames = [
  ...commonTableNames,
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
// its place in the list is part of what a seed's draws mean
export const textPool: readonly string[] = commonTexts.toSpliced(6, 0, '\\');

export function makeWorld(choices: Choices): World {
  const tables = makeTables<Table>(choices, tableNames, (name, before) => makeTable(choices, name, before));
  const views = choices.chance(30) ? [makeView(choices, tables[0] as Table)] : [];
  const flags = ['ANSI_QUOTES', 'NO_BACKSLASH_ESCAPES', 'PIPES_AS_CONCAT'].filter(() => choices.chance(25));
  return { mode: choices.pick(['table', 'schema']), flags, tables, views, runColumn: !choices.chance(10) };
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
  columns.push(...makeColumns(choices, columnKinds, (column, kind) => makeColumn(choices, column, kind)));
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
  return startValue(choices, column, index, {
    dec: () => String(choices.between(0, 999)),
    enum: () => choices.pick(["'new'", "'paid'", "'sent'"]),
    blob: () => choices.pick(["x'00'", "x'27ff'", "x'5c60'", "x''"]),
    str: () =>
      literal(choices.pick(column.definition.includes('latin1') ? textPool.filter((text) => text !== '表') : textPool)),
  });
}

/** In no sql_mode does a hexadecimal literal mean anything else. */
export const literal = (text: string): string => `_utf8mb4 x'${Buffer.from(text).toString('hex')}'`;

function makeView(choices: Choices, table: Table): View {
  const columns = [table.columns[0] as Column, ...table.columns.slice(1).filter(() => choices.chance(60))];
  const where = choices.chance(50) ? ' WHERE `id` > 1' : '';
  // a column without a default that the view leaves out makes INSERT fail, on both sides
  return { name: choices.pick(['view one', 'recent']), table: table.name, columns, where };
}
