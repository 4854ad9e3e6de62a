/** The SQL text of seeding for PostgreSQL. Pure. */
import { literal, quote } from '../postgres/quote.js';
import { highestOf } from '../postgres/range.js';
import type { SeedTable, TableName } from './plan.js';
import type { SeedColumn } from './source-tables.js';
import { SeedSql, type TypeFacts } from './sql.js';

const maskedTextType = /^(?:character(?: varying)?(?:\(\d+\))?|bpchar|text|(?:[\w"]+\.)?citext)$/;
const exactType = /^(?:smallint|integer|bigint|numeric(?:\(\d+,-?\d+\))?)$/;
const wholeType = /^(?:smallint|integer|bigint)$/;
const smallType =
  /^(?:smallint|integer|bigint|numeric|real|double precision|boolean|uuid|date|time|timestamp|interval|oid|"char"|character(?: varying)?\()[^[\]]*$/;
const unusableKeyType =
  /^(?:real|double precision|json|jsonb|xml|money|point|line|lseg|box|path|polygon|circle|tsvector)\b|\[\]$/;

const types: TypeFacts = {
  isText: (type) => maskedTextType.test(type),
  lengthOf(type) {
    const length = /^character(?: varying)?\((\d+)\)$/.exec(type)?.[1];
    return length === undefined ? undefined : Number(length);
  },
  isExact: (type) => exactType.test(type),
  isNumber: (type) => exactType.test(type),
  highestOf,
  isLarge: (type) => !smallType.test(type),
  isUnusableAsKey: (type) => unusableKeyType.test(type),
  isTransactional: () => true,
};

class PostgresSeedSql extends SeedSql {
  override readonly types = types;
  override readonly literalPattern = /^(?:NULL|'(?:[^'\\]|'')*'|E'(?:[^'\\]|''|\\\\)*')$/;
  /** Identities that are GENERATED ALWAYS are copied as well; for other columns this says nothing. */
  protected override readonly overriding = ' OVERRIDING SYSTEM VALUE';

  override quote(name: string): string {
    return quote(name);
  }

  /** Text of the type, of no type of its own: the server reads it as what it is compared with, or put into. */
  override literalOf(_column: SeedColumn, value: string): string {
    return `quote_literal((${value})::text)`;
  }

  override maskedLiteral(_column: SeedColumn, text: string): string {
    return literal(text);
  }

  override selectRows(table: SeedTable, condition: string): string {
    // joined by an operator: a function takes 100 arguments at most
    const plain = table.columns
      .filter(({ change }) => change.kind !== 'mask')
      .map((column) => {
        const value = this.valueText(column);
        if (column.change.kind === 'set') return literal(value);
        if (wholeType.test(column.model.type)) return `coalesce((${value})::text, 'NULL')`;
        return `quote_nullable((${value})::text)`;
      })
      .join(" || ',' || ");
    const masked = table.columns
      .filter(({ change }) => change.kind === 'mask')
      .map(({ model }, at) => {
        const name = `${quote(model.name)}::text`;
        const text = types.isNumber(model.type) ? name : `encode(convert_to(${name}, 'UTF8'), 'hex')`;
        return `, coalesce(${text}, 'NULL') AS m${at}`;
      });
    return `SELECT ${plain === '' ? "''" : plain} AS v${masked.join('')} FROM ${this.named(table.real)} WHERE ${condition}`;
  }

  override createChosen(table: SeedTable): string[] {
    const columns = table.keyColumns.map(
      ({ type, collation }, at) => `k${at} ${type}${collation === null ? '' : ` COLLATE ${collation}`} NOT NULL`,
    );
    const names = table.keyColumns.map((_, at) => `k${at}`).join(', ');
    return marked(
      table.chosen!,
      `seq bigint NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY, h bigint, ${columns.join(', ')}, UNIQUE (${names})`,
    );
  }

  override insertChosen(table: SeedTable, keys: readonly (readonly string[])[]): string {
    const names = ['h', ...table.keyColumns.map((_, at) => `k${at}`)].join(', ');
    return `INSERT INTO ${this.named(table.chosen!)} (${names}) VALUES ${keys.map((key) => `(${key.join(',')})`).join(',')} ON CONFLICT DO NOTHING`;
  }

  override dropSurplus(table: SeedTable, rows: number): string {
    const name = this.named(table.chosen!);
    const order = ['h', ...table.keyColumns.map((_, at) => `k${at}`)].map((one) => `${one} DESC NULLS LAST`).join(', ');
    return `DELETE FROM ${name} WHERE seq IN (SELECT seq FROM ${name} ORDER BY ${order} LIMIT ${rows})`;
  }

  /** In a partitioned table rows of several partitions may stand in one place: then some more go. */
  override deleteSome(table: SeedTable, rows: number): string {
    const name = this.named(table.target);
    return `DELETE FROM ${name} WHERE ctid = ANY (ARRAY(SELECT ctid FROM ${name} LIMIT ${rows}))`;
  }

  override createJournal(journal: TableName): string[] {
    return marked(
      journal,
      'step text NOT NULL PRIMARY KEY, fingerprint text NOT NULL, "position" text, row_count bigint NOT NULL, is_done smallint NOT NULL, ' +
        'at timestamp with time zone NOT NULL DEFAULT now()',
    );
  }

  override findTable({ schema, table }: TableName): string {
    return (
      'SELECT 1 AS x FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ' +
      `WHERE n.nspname = ${literal(schema)} AND c.relname = ${literal(table)}`
    );
  }

  override readJournal(journal: TableName): string {
    return `SELECT step, fingerprint, "position", row_count::text AS n, is_done AS done FROM ${this.named(journal)}`;
  }

  override setEntry(journal: TableName): string {
    return (
      `INSERT INTO ${this.named(journal)} (step, fingerprint, "position", row_count, is_done) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (step) DO UPDATE ` +
      'SET fingerprint = EXCLUDED.fingerprint, "position" = EXCLUDED."position", row_count = EXCLUDED.row_count, is_done = EXCLUDED.is_done, at = now()'
    );
  }

  override removeEntry(journal: TableName): string {
    return `DELETE FROM ${this.named(journal)} WHERE step = $1`;
  }

  /** A copy within the server, and how many rows it wrote. */
  countedInsertSelect(table: SeedTable, condition: string): string {
    return `WITH copied AS (${this.insertSelect(table, condition)} RETURNING 1) SELECT count(*)::text AS n FROM copied`;
  }

  protected override hash(columns: readonly SeedColumn[]): string {
    const whole = `concat_ws('|', ${columns.map(({ name }) => `${quote(name)}::text`).join(', ')})`;
    return `('x' || encode(substr(sha256(convert_to(${whole}, 'UTF8')), 1, 4), 'hex'))::bit(32)::bigint`;
  }

  protected override asText(value: string): string {
    return `(${value})::text`;
  }

  protected override fixed(value: string | number | null): string {
    return value === null ? 'NULL' : literal(String(value)).trimStart();
  }

  protected override byKey(): string {
    return '';
  }

  /** A plain name would mean a column of the result where there is one of that name. */
  protected override orderOf(table: TableName, columns: readonly SeedColumn[]): string {
    return this.keyNames(columns, `${this.named(table)}.`);
  }
}

function marked(table: TableName, columns: string): string[] {
  const name = `${quote(table.schema)}.${quote(table.table)}`;
  return [`CREATE TABLE IF NOT EXISTS ${name} (${columns})`, `COMMENT ON TABLE ${name} IS 'shadowline'`];
}

export const postgresSql = new PostgresSeedSql();
