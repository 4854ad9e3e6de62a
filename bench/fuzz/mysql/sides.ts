import { quoteName, shadowName } from '@shadowline/shadow-db';
import { quoted } from './text.js';
import { literal, type Table, type View, type World } from './world.js';

/** Stands in every text of the real tables beside the shadow ones: no result may ever show it. */
export const canary = 'LEAKED';
export const suffix = '_shadow';

/** Where a world's tables are on the redirected side. */
export interface Places {
  /** Schema and name of each shadow table or view, by the real name. */
  schema: string;
  nameOf(real: string): string;
}

export function placesOf(world: World, database: string): Places {
  return world.mode === 'table'
    ? { schema: database, nameOf: (real) => shadowName(real, suffix) }
    : { schema: `${database}${suffix}`, nameOf: (real) => real };
}

/** CREATE TABLE and INSERT for one side; `nameOf` gives the names, parents included. */
export function tableSql(table: Table, nameOf: (real: string) => string, runColumn: boolean): string[] {
  const lines = table.columns.map(({ name, definition }) => `${quoted(name)} ${definition}`);
  if (runColumn)
    lines.push(
      // as provisioning writes it: a function of the session makes the server read the variable anew for each statement
      'shadowline_run VARCHAR(64) CHARACTER SET ascii INVISIBLE DEFAULT (IF(CONNECTION_ID() IS NULL, NULL, @shadowline_run))',
    );
  lines.push(...table.clauses);
  if (table.parent !== undefined) {
    const { columns, references, rule } = table.parent;
    // names that the server gives are the same for `orders` and `Orders`
    const constraint = `fk_${Buffer.from(nameOf(table.name)).toString('hex')}`;
    lines.push(
      `CONSTRAINT ${constraint} FOREIGN KEY (${columns.map(quoted).join(', ')}) REFERENCES ${quoteName(nameOf(table.parent.table))} (${references.map(quoted).join(', ')})${rule}`,
    );
  }
  // plans follow the statistics: both sides must have the same
  const options = 'ENGINE=InnoDB CHARACTER SET utf8mb4 STATS_PERSISTENT=1 STATS_AUTO_RECALC=0';
  return [`CREATE TABLE ${quoteName(nameOf(table.name))} (${lines.join(', ')}) ${options}${table.partitioning}`];
}

export function fillSql(table: Table, name: string): string[] {
  const columns = table.columns.filter(({ generated }) => !generated).map((column) => quoted(column.name));
  const rows = table.rows.map((row) => `(${row.join(', ')})`);
  return [`INSERT INTO ${quoteName(name)} (${columns.join(', ')}) VALUES ${rows.join(', ')}`];
}

export const viewSql = (view: View, nameOf: (real: string) => string): string =>
  `CREATE VIEW ${quoteName(nameOf(view.name))} AS SELECT ${view.columns.map(({ name }) => quoted(name)).join(', ')} FROM ${quoteName(nameOf(view.table))}${view.where}`;

/** The same shape with other rows: numbers far away, and the canary in every text. */
export function canaryRows(table: Table): Table {
  const stored = table.columns.filter(({ generated }) => !generated);
  const rows = table.rows.map((row, at) =>
    stored.map((column, index) => {
      if (table.key.includes(column.name) || table.parent?.columns.includes(column.name)) return row[index] as string;
      if (column.kind === 'int') return /TINYINT/.test(column.definition) ? '77' : String(770_000 + at);
      if (column.kind === 'dec') return '777';
      if (column.kind === 'str') return literal(`${canary}${at}`);
      if (column.kind === 'blob') return `'${canary}'`;
      if (column.kind === 'json') return `'{"a": "${canary}"}'`;
      if (column.kind === 'date') return "'1977-07-07'";
      return row[index] as string;
    }),
  );
  return { ...table, rows };
}
