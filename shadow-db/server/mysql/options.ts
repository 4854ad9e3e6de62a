import { Mapping, type TableClass } from '../../mapping.js';
import { quoteName, shadowName } from '../../names.js';
import { ShadowDbError } from '../db.js';

export interface Seed {
  /** Condition on the real table; no ordering, no second statement. Default: every row. */
  where?: string;
  /** Integer columns that are shifted, so that copied identities lie in the shadow range. */
  idOffset?: Record<string, number>;
  /** Fixed values in place of what the real row holds: what must not be copied, such as names or PINs. */
  set?: Record<string, string | number | null>;
}

export interface Account {
  user: string;
  password: string;
  /** Default `%`. */
  host?: string;
}

export interface ShadowDbOptions {
  database: string;
  mode: 'table' | 'schema' | 'instance';
  suffix?: string;
  schema?: string;
  tables: Readonly<Record<string, TableClass>>;
  /** Real rows to copy into shadow tables that are empty; keys are real table names. */
  seed?: Record<string, Seed>;
  account?: Account;
  /** Distance from the highest real id to the first shadow id; one number, or one per table. Default 1e9. */
  autoIncrementGap?: number | Record<string, number>;
}

/** Names of both sides, for SQL text. */
export class Names {
  readonly options: ShadowDbOptions;
  readonly mapping: Mapping;
  /** The schema in which shadow tables are. */
  readonly schema: string;

  /** Throws ShadowDbError for mode instance. */
  constructor(options: ShadowDbOptions) {
    if (options.mode === 'instance') throw new ShadowDbError('MODE_INSTANCE', `database ${options.database}`);
    this.options = options;
    this.mapping = new Mapping(options);
    this.schema = this.mapping.shadowSchemaOf(options.database);
  }

  /** Name of the shadow of a table, view, trigger or constraint. */
  shadow(name: string): string {
    return this.options.mode === 'schema' ? name : shadowName(name, this.mapping.suffix);
  }

  real(table: string): string {
    return `${quoteName(this.options.database)}.${quoteName(table)}`;
  }

  /** Quoted name of the shadow of a real table. */
  target(table: string): string {
    return this.named(this.shadow(table));
  }

  /** Quoted name of something in the shadow schema. */
  named(name: string): string {
    return `${quoteName(this.schema)}.${quoteName(name)}`;
  }

  gap(table: string): number {
    const gap = this.options.autoIncrementGap;
    return (typeof gap === 'object' ? gap[table] : gap) ?? 1e9;
  }

  /** Own tables of a class, without those of other schemas. */
  ofClass(tableClass: TableClass): string[] {
    const own = `${this.options.database}.`;
    return Object.entries(this.options.tables)
      .filter(([, value]) => value === tableClass)
      .map(([key]) => (key.startsWith(own) ? key.slice(own.length) : key))
      .filter((key) => !key.includes('.'));
  }
}
