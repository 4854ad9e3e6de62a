import { nameLimits, shadowName } from '../../names.js';
import type { DesiredTable } from './desired.js';
import type { Names } from './options.js';
import { full, literal, quote, sameTable, shown } from './quote.js';

/**
 * The bookkeeping that tells shadow rows of one run from those of another. PostgreSQL has no hidden columns, so an AFTER INSERT
 * trigger of each shadow table notes the keys of new rows in a table beside them: run, table, key and time. The run is the session's
 * `shadowline.run`; without one (seeded rows) nothing is noted.
 */
export const rowsTable = 'shadowline_rows';
export const rowsTrigger = 'shadowline_rows';

export function rowsName(names: Names): { schema: string; table: string } {
  return { schema: names.home, table: rowsTable };
}

export function rowsStatements(names: Names): { create: string; index: string; mark: string } {
  const table = full(rowsName(names));
  return {
    create:
      `CREATE TABLE ${table} ("run" text NOT NULL, "table_name" text NOT NULL, "key" jsonb NOT NULL, ` +
      `"at" timestamp with time zone NOT NULL DEFAULT now())`,
    index: `CREATE INDEX "shadowline_rows_run" ON ${table} USING btree ("run", "table_name")`,
    mark: `COMMENT ON TABLE ${table} IS 'shadowline'`,
  };
}

export function noteFunction(table: DesiredTable): { schema: string; table: string } {
  return {
    schema: table.target.schema,
    table: shadowName(`shadowline_${table.target.table}`, '_note', nameLimits.postgres),
  };
}

/** Types whose values JSON holds in one way, whatever the session's settings are, and that their input takes again. Others are kept as text. */
const plainInJson =
  /^(?:smallint|integer|bigint|numeric|real|double precision|boolean|uuid|date|timestamp|time|text|character)\b[^[]*$/;

/**
 * The function runs with its owner's rights, since shadow traffic itself may not write to the notes; so every name and operator in it is
 * qualified, which makes it independent of the session's search_path. One function a table keeps its plan: a common one would have to build its
 * statement anew each time.
 */
export function noteBody(table: DesiredTable, names: Names): string {
  const pairs = table.key.map((name) => {
    const type = table.columns.find((column) => column.name === name)?.type ?? '';
    return `${literal(name)}, n.${quote(name)}${plainInJson.test(type) ? '' : '::pg_catalog.text'}`;
  });
  return (
    // the label tells the variable from a column of the same name
    `<<shadowline>> DECLARE run pg_catalog.text := pg_catalog.current_setting('shadowline.run', true); BEGIN ` +
    `IF shadowline.run IS NULL OR shadowline.run OPERATOR(pg_catalog.=) '' THEN RETURN NULL; END IF; ` +
    `INSERT INTO ${full(rowsName(names))} ("run", "table_name", "key") ` +
    `SELECT shadowline.run, ${literal(shown(table.target))}, pg_catalog.jsonb_build_object(${pairs.join(', ')}) FROM inserted n; RETURN NULL; END`
  );
}

export function noteStatements(
  table: DesiredTable,
  names: Names,
): { create: string; close: string; mark: string; trigger: string } {
  const name = full(noteFunction(table));
  return {
    create: `CREATE OR REPLACE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS ${literal(noteBody(table, names))}`,
    close: `REVOKE ALL ON FUNCTION ${name}() FROM PUBLIC`,
    mark: `COMMENT ON FUNCTION ${name}() IS 'shadowline'`,
    trigger:
      `CREATE TRIGGER ${quote(rowsTrigger)} AFTER INSERT ON ${full(table.target)} REFERENCING NEW TABLE AS inserted ` +
      `FOR EACH STATEMENT EXECUTE FUNCTION ${name}()`,
  };
}

/** Condition on a row `row` of a shadow table: noted by this run. `tables`: the table, and its partitions. */
export function notedBy(run: string, table: DesiredTable, tables: readonly DesiredTable[], row: string): string {
  const within = [table, ...descendants(table, tables)].map(({ target }) => literal(shown(target)));
  return `n."run" = ${literal(run)} AND n."table_name" IN (${within.join(', ')}) AND ${sameKey(table, row)}`;
}

/** Condition that a note `n` is of a row `row`. */
export function sameKey(table: DesiredTable, row: string): string {
  return table.key
    .map((name) => {
      const type = table.columns.find((column) => column.name === name)?.type ?? 'text';
      return `${row}.${quote(name)} = (n."key" ->> ${literal(name)})::${type}`;
    })
    .join(' AND ');
}

export function descendants(table: DesiredTable, tables: readonly DesiredTable[]): DesiredTable[] {
  const children = tables.filter(({ partitionOf }) => partitionOf !== null && sameTable(partitionOf, table.target));
  return children.flatMap((child) => [child, ...descendants(child, tables)]);
}
