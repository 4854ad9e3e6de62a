import { checkSuffix, shadowName } from './names.js';

/** shadow: redirected. real-read: read from the real table, never written. refuse: neither. */
export type TableClass = 'shadow' | 'real-read' | 'refuse';
/** table: `orders_shadow` beside `orders`. schema: the same name in a shadow schema. instance: another server. */
export type IsolationMode = 'table' | 'schema' | 'instance';

export interface MappingOptions {
  mode: IsolationMode;
  /** The real schema. */
  database: string;
  /** Keys are table names of `database`, or `schema.table` of another schema (real-read or refuse only). */
  tables: Readonly<Record<string, TableClass>>;
  /** Default `_shadow`. */
  suffix?: string;
  /** Name of the shadow schema (mode schema); default `<database>_shadow`. */
  schema?: string;
}

/** The names of one configuration: which table goes where. Throws ShadowNameError or RangeError for a configuration that cannot work. */
export class Mapping {
  readonly mode: IsolationMode;
  readonly database: string;
  readonly suffix: string;
  readonly shadowSchema: string;
  private readonly classes = new Map<string, TableClass>();
  private readonly targets = new Map<string, string>();
  private readonly shadowNames = new Set<string>();

  constructor(options: MappingOptions) {
    this.mode = options.mode;
    this.database = options.database;
    this.suffix = options.suffix ?? '_shadow';
    checkSuffix(this.suffix);
    this.shadowSchema = options.schema ?? shadowName(options.database, this.suffix);
    if (this.shadowSchema === this.database)
      throw new RangeError(`the shadow schema is the real one: "${this.database}"`);
    for (const [key, tableClass] of Object.entries(options.tables)) {
      if (!['shadow', 'real-read', 'refuse'].includes(tableClass)) {
        throw new RangeError(`table "${key}": unknown class "${String(tableClass)}" (shadow, real-read, refuse)`);
      }
      if (key.includes('.') && tableClass === 'shadow') {
        throw new RangeError(
          `table "${key}" is in another schema, where no shadow tables are made: class it real-read or refuse`,
        );
      }
      // checked for every class, so that a suffix always tells a shadow from a real table
      const target = shadowName(key.slice(key.indexOf('.') + 1), this.suffix);
      const own = key.startsWith(`${this.database}.`) ? key.slice(this.database.length + 1) : key;
      this.classes.set(own, tableClass);
      if (tableClass !== 'shadow' || this.mode === 'instance') continue;
      this.targets.set(own, this.mode === 'table' ? target : own);
      if (this.mode === 'table') this.shadowNames.add(target.toLowerCase());
    }
    if (this.mode === 'schema') this.shadowNames.add(this.shadowSchema.toLowerCase());
  }

  classOf(schema: string, table: string): TableClass | undefined {
    return this.classes.get(schema === this.database ? table : `${schema}.${table}`);
  }

  /** Name of the shadow table (mode table: with suffix; mode schema: the same). Only for tables classed `shadow`. */
  targetOf(table: string): string {
    return this.targets.get(table) ?? table;
  }

  /** True for a shadow table (mode table) or the shadow schema (mode schema). Case is ignored. */
  isShadowName(name: string): boolean {
    return this.shadowNames.has(name.toLowerCase());
  }

  get shadowTables(): string[] {
    return [...this.targets.keys()];
  }
}
