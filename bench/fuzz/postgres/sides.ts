import { shadowName } from '@shadowline/shadow-db';
import { escaped, keyOf, quoted, type Table, type View, type World } from './world.js';

/** Stands in every text of the real tables beside the shadow ones: no result may ever show it. */
export const canary = 'LEAKED';
export const suffix = '_shadow';

const limit = { maxNameLength: 63, lengthIn: 'bytes' } as const;

export type NameOf = (schema: string, table: string) => string;

export const real: NameOf = (schema, table) => `${quoted(schema)}.${quoted(table)}`;

/** Where a table's shadow is, in full. */
export function shadowOf(world: World): NameOf {
  if (world.mode === 'schema') return (schema, table) => `${quoted(`${schema}${suffix}`)}.${quoted(table)}`;
  return (schema, table) => `${quoted(schema)}.${quoted(shadowName(table, suffix, limit))}`;
}

/** Keys share their schema with tables: beside the real ones, those of shadow tables need names of their own. */
const keyName = (table: Table, full: string): string =>
  full.endsWith(`${suffix}"`) ? shadowName(keyOf(table), suffix, limit) : keyOf(table);

export function tableSql(table: Table, nameOf: NameOf, parentOf: NameOf): string[] {
  const key = quoted(keyName(table, nameOf(table.schema, table.name)));
  const lines = [
    ...table.columns.map(({ name, definition }) => `${quoted(name)} ${definition}`),
    `CONSTRAINT ${key} PRIMARY KEY (id)`,
    ...table.clauses,
  ];
  if (table.parent !== undefined) {
    const { schema, table: parent, rule } = table.parent;
    lines.push(`FOREIGN KEY (parent) REFERENCES ${parentOf(schema, parent)} (id)${rule}`);
  }
  const name = nameOf(table.schema, table.name);
  const columns = table.columns.filter(({ generated }) => !generated).map((column) => quoted(column.name));
  const rows = table.rows.map((row) => `(${row.join(', ')})`);
  return [
    // plans must not differ by what autovacuum has seen
    `CREATE TABLE ${name} (${lines.join(', ')}) WITH (autovacuum_enabled = false)`,
    `INSERT INTO ${name} (${columns.join(', ')}) VALUES ${rows.join(', ')}`,
  ];
}

export function viewSql(view: View, nameOf: NameOf): string {
  const columns = view.columns.map(({ name }) => quoted(name)).join(', ');
  return `CREATE VIEW ${nameOf('public', view.name)} AS SELECT ${columns} FROM ${nameOf('public', view.table)}`;
}

/** The same shape with other rows: numbers far away, and the canary in every text. */
export function canaryRows(table: Table): Table {
  const stored = table.columns.filter(({ generated }) => !generated);
  const rows = table.rows.map((row, at) =>
    stored.map((column, index) => {
      if (column.name === 'id' || column.name === 'parent') return row[index] as string;
      if (column.kind === 'int') return String(7700 + at);
      if (column.kind === 'num') return '777';
      if (column.kind === 'text') return escaped(`${canary}${at}`);
      if (column.kind === 'json') return `'{"a": "${canary}"}'`;
      if (column.kind === 'date') return "'1977-07-07'";
      return row[index] as string;
    }),
  );
  return { ...table, rows };
}
