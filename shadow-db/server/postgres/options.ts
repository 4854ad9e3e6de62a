import { Mapping, type TableClass, type TableName } from '../../mapping.js';
import { nameLimits, ShadowNameError, shadowName } from '../../names.js';
import { ShadowDbError } from '../db.js';
import type { Seed } from '../seed/spec.js';

/** The restricted role of shadow traffic. Roles belong to the whole server. */
export interface Account {
  user: string;
  password: string;
}

export interface ShadowDbOptions {
  /** The schema that plain names are in, such as `public`; the database is that of the connection. */
  database: string;
  mode: 'table' | 'schema' | 'instance';
  suffix?: string;
  /** Mode schema: the shadow schema of `database`. */
  schema?: string;
  /** Mode schema: the shadow schemas of further schemas. */
  schemas?: Readonly<Record<string, string>>;
  tables: Readonly<Record<string, TableClass>>;
  account?: Account;
  /** Real rows that shadow tables begin with, by the names of `tables`. */
  seed?: Readonly<Record<string, Seed>>;
  /** Distance from the highest real id to the first shadow id; one number, or one per table. Default 1e9. */
  autoIncrementGap?: number | Record<string, number>;
}

export type { TableName };

/** Names of both sides, for SQL text. */
export class Names {
  readonly options: ShadowDbOptions;
  readonly mapping: Mapping;
  /** Where what belongs to no single table is kept: the bookkeeping of rows. */
  readonly home: string;

  /** Throws ShadowDbError for mode instance, and for names that cannot work together. */
  constructor(options: ShadowDbOptions) {
    if (options.mode === 'instance') throw new ShadowDbError('MODE_INSTANCE', `database ${options.database}`);
    this.options = options;
    this.mapping = named(() => new Mapping({ ...options, ...nameLimits.postgres }));
    this.home = this.mapping.shadowSchemaOf(options.database);
  }

  /** Name of the shadow of an index, sequence or other object that shares its schema with the table's. */
  shadow(name: string): string {
    if (this.options.mode === 'schema') return name;
    return named(() => shadowName(name, this.mapping.suffix, nameLimits.postgres));
  }

  /** The shadow of a table, view or sequence, whether a key of `tables` names it or not. */
  target({ schema, table }: TableName): TableName {
    return { schema: this.shadowSchema(schema), table: this.shadow(table) };
  }

  shadowSchema(schema: string): string {
    if (this.options.mode === 'table') return schema;
    return this.mapping.databases.includes(schema) ? this.mapping.shadowSchemaOf(schema) : this.home;
  }

  /** The real schemas that keys name. */
  get realSchemas(): readonly string[] {
    return this.mapping.databases;
  }

  /** Schemas that hold shadow tables. */
  get shadowSchemas(): string[] {
    return [...new Set(this.realSchemas.map((schema) => this.shadowSchema(schema)))];
  }

  isShadow({ schema, table }: TableName): boolean {
    return this.mapping.isShadowName(schema, table);
  }

  /** As a key of `tables` would write it. */
  plain({ schema, table }: TableName): string {
    return schema === this.options.database ? table : `${schema}.${table}`;
  }

  gap(table: TableName): number {
    const gap = this.options.autoIncrementGap;
    return (typeof gap === 'object' ? gap[this.plain(table)] : gap) ?? 1e9;
  }
}

/** Turns what the mapping throws into an error with a code. */
export function named<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof ShadowNameError || error instanceof RangeError)
      throw new ShadowDbError('NAMES', error.message, { cause: error });
    throw error;
  }
}
