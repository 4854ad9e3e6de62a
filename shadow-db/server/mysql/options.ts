import { Mapping, type MappingOptions, type TableClass } from '../../mapping.js';
import { isShadowName, quoteName, shadowName } from '../../names.js';
import { ShadowDbError } from '../db.js';
import type { Seed } from '../seed/spec.js';

export interface Account {
  user: string;
  password: string;
  /** Default `%`. */
  host?: string;
}

export interface ShadowDbOptions extends MappingOptions {
  /** Real rows to copy into shadow tables that are empty; keys are real table names. */
  seed?: Record<string, Seed>;
  account?: Account;
  /** Distance from the highest real id to the first shadow id; one number, or one per table. Default 1e9. */
  autoIncrementGap?: number | Record<string, number>;
  /** Tables whose rows have no room for the hidden column that holds the run; names as in messages. */
  withoutRun?: readonly string[];
}

/** Names of both sides, for SQL text. Where no database is given, the one of the options is meant. */
export class Names {
  readonly options: ShadowDbOptions;
  readonly mapping: Mapping;
  /** The schema in which the shadow tables of the main database are. */
  readonly schema: string;

  /** Throws ShadowDbError for mode instance, and NAMES for a configuration that cannot work. */
  constructor(options: ShadowDbOptions) {
    if (options.mode === 'instance') throw new ShadowDbError('MODE_INSTANCE', `database ${options.database}`);
    this.options = options;
    this.mapping = named(() => new Mapping(options));
    this.schema = this.mapping.shadowSchemaOf(options.database);
  }

  /** Real databases that have shadow or real-read tables; the main one comes first. */
  get databases(): readonly string[] {
    return this.mapping.databases;
  }

  /** Name of the shadow of a table or view. */
  shadow(name: string, database = this.options.database): string {
    if (this.mapping.classOf(database, name) === 'shadow')
      return named(() => this.mapping.targetOf(database, name).table);
    return this.options.mode === 'schema' ? name : named(() => shadowName(name, this.mapping.suffix));
  }

  /** Name of the shadow of a trigger or constraint: these may carry the suffix already. */
  part(name: string): string {
    if (this.options.mode === 'schema') return name;
    const { suffix } = this.mapping;
    return shadowName(isShadowName(name, suffix) ? `${name}_` : name, suffix);
  }

  shadowSchema(database: string): string {
    return this.mapping.shadowSchemaOf(database);
  }

  real(table: string, database = this.options.database): string {
    return `${quoteName(database)}.${quoteName(table)}`;
  }

  /** Quoted name of the shadow of a real table. */
  target(table: string, database = this.options.database): string {
    return this.named(this.shadow(table, database), this.shadowSchema(database));
  }

  /** Quoted name of something in a shadow schema. */
  named(name: string, schema = this.schema): string {
    return `${quoteName(schema)}.${quoteName(name)}`;
  }

  /** How messages, plans and options name a real table: plain in the main database. */
  label(database: string, table: string): string {
    return database === this.options.database ? table : `${database}.${table}`;
  }

  gap(label: string): number {
    const gap = this.options.autoIncrementGap;
    return (typeof gap === 'object' ? gap[label] : gap) ?? 1e9;
  }

  /** The tables and views of a class, of those that exist. Throws ShadowDbError NAMES where two would share a shadow. */
  ofClass(tableClass: TableClass, existing: readonly string[], database = this.options.database): string[] {
    return named(() => this.mapping.tablesOf(database, existing, tableClass));
  }
}

/** What is wrong with names has a code, whatever part finds it. */
function named<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    if (error instanceof ShadowDbError) throw error;
    throw new ShadowDbError('NAMES', error instanceof Error ? error.message.replace(/\.$/, '') : String(error), {
      cause: error,
    });
  }
}
