import type { TableName } from '../../mapping.js';

/** Always in quotes: whether a word is reserved depends on the server's version. */
export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function full({ schema, table }: TableName): string {
  return `${quote(schema)}.${quote(table)}`;
}

/** For people. */
export function shown({ schema, table }: TableName): string {
  return `${schema}.${table}`;
}

export function list(names: readonly string[]): string {
  return names.map(quote).join(', ');
}

/** A string literal that reads the same whatever standard_conforming_strings is. */
export function literal(text: string): string {
  const doubled = text.replaceAll("'", "''");
  return text.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}

export function sameTable(one: TableName, other: TableName): boolean {
  return one.schema === other.schema && one.table === other.table;
}
