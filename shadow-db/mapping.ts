import { type Claim, claims, overlap, parseClaim, rank } from './claim.js';
import {
  checkSuffix,
  foldName,
  isShadowName,
  isShortened,
  type NameLimit,
  nameLimits,
  ShadowNameError,
  shadowName,
} from './names.js';

/** shadow: redirected. real-read: read from the real table, never written. refuse: neither. */
export type TableClass = 'shadow' | 'real-read' | 'refuse';
/** table: `orders_shadow` beside `orders`. schema: the same name in a shadow schema. instance: another server. */
export type IsolationMode = 'table' | 'schema' | 'instance';

export interface MappingOptions extends Partial<NameLimit> {
  mode: IsolationMode;
  /** The real schema that plain names are in (PostgreSQL: the schema, such as `public`). */
  database: string;
  /**
   * Keys: a table of `database` (`orders`) or of another schema (`crm.people`); a pattern (`order_*`, `crm.order_*`, `*`); or a
   * range of numbered tables (`order_00..order_63`, equally many digits). A name beats a range beats a pattern; a longer literal
   * prefix beats a shorter one.
   */
  tables: Readonly<Record<string, TableClass>>;
  /** Default `_shadow`. */
  suffix?: string;
  /** Mode schema: the shadow schema of `database`; default `<database><suffix>`. */
  schema?: string;
  /** Mode schema: the shadow schemas of further databases; default `<name><suffix>`. */
  schemas?: Readonly<Record<string, string>>;
  /** The server ignores case in names of tables and schemas (MySQL: lower_case_table_names is not 0). Default false. */
  ignoreCase?: boolean;
}

/** A table, fully named. */
export interface TableName {
  schema: string;
  table: string;
}

interface Looked extends TableName {
  tableClass: TableClass | undefined;
  target: TableName;
}

/** Names that were looked up once are kept; hostile text could bring any number of them. */
const mostLookedUp = 10_000;

/**
 * The names of one configuration: which table goes where. Pure; never changes once built.
 * Throws ShadowNameError or RangeError for a configuration that cannot work: a name that carries the suffix, two tables with one
 * shadow, a shadow schema that is a real one, keys that contradict each other.
 */
export class Mapping {
  readonly mode: IsolationMode;
  readonly database: string;
  readonly suffix: string;
  readonly ignoreCase: boolean;
  /** Every real schema that a key names; `database` comes first. */
  readonly databases: readonly string[];
  private readonly limit: NameLimit;
  private readonly named = new Map<string, Claim & { kind: 'exact' }>();
  /** Ranges and patterns, the strongest first. */
  private readonly wide: Claim[] = [];
  /** What is classed shadow, in lower case: for names that come without a schema. */
  private readonly shadowStems = new Set<string>();
  private readonly shadowWide: Claim[];
  /** Keyed by the folded real schema. */
  private readonly shadowSchemas = new Map<string, string>();
  private readonly foldedShadowSchemas = new Set<string>();
  private readonly lookedUp = new Map<string, Map<string, Looked>>();
  private lookedUpCount = 0;

  constructor(options: MappingOptions) {
    this.mode = options.mode;
    this.database = options.database;
    this.suffix = options.suffix ?? '_shadow';
    this.ignoreCase = options.ignoreCase ?? false;
    this.limit = { ...nameLimits.mysql, ...defined(options) };
    checkSuffix(this.suffix);
    this.databases = this.realSchemas(options);
    for (const [key, tableClass] of Object.entries(options.tables)) {
      this.claim(parseClaim(key, tableClass, this.database, (name) => this.fold(name)));
    }
    this.wide.sort((one, other) => rank(one) - rank(other));
    this.checkContradictions();
    this.shadowWide = this.wide.filter((one) => one.tableClass === 'shadow').map(lowered);
    if (this.mode === 'schema') this.nameShadowSchemas(options);
    this.checkNames();
  }

  /** Undefined: no key names the table. A name that carries the suffix has no class in mode table. */
  classOf(schema: string, table: string): TableClass | undefined {
    return this.lookUp(schema, table).tableClass;
  }

  /** Where a table of class `shadow` goes. */
  targetOf(schema: string, table: string): TableName {
    return this.lookUp(schema, table).target;
  }

  /** The real table; in lower case where the server ignores case, so that one table has one name. */
  realOf(schema: string, table: string): TableName {
    return this.lookUp(schema, table);
  }

  /** The schema in which the shadow tables of a real schema are; in the modes table and instance it is the same. */
  shadowSchemaOf(schema: string): string {
    return this.shadowSchemas.get(this.fold(schema)) ?? schema;
  }

  isDatabase(schema: string): boolean {
    const folded = this.fold(schema);
    return this.databases.some((one) => this.fold(one) === folded);
  }

  /** Mode schema: every shadow schema. */
  get shadowSchemaNames(): string[] {
    return [...this.shadowSchemas.values()];
  }

  /** True for a name that traffic may never write itself: a shadow table's (mode table), or anything in a shadow schema. */
  isShadowName(schema: string, table: string): boolean {
    if (this.mode === 'table') return isShadowName(table, this.suffix);
    return this.isShadowSchema(schema);
  }

  /** Mode schema: true for a shadow schema. Case is ignored, since servers on some file systems ignore it too. */
  isShadowSchema(schema: string): boolean {
    return this.foldedShadowSchemas.has(schema.toLowerCase());
  }

  /**
   * Mode table: true when a name without a known schema can only be one of our shadow tables: it carries the suffix, and what
   * stands before it is classed `shadow` in one of the databases (or was shortened). A column such as `drop_shadow` is none.
   */
  mayBeShadowTable(name: string): boolean {
    if (this.mode !== 'table' || !isShadowName(name, this.suffix)) return false;
    if (isShortened(name, this.suffix, this.limit)) return true;
    const stem = name.slice(0, -this.suffix.length).toLowerCase();
    return this.shadowStems.has(stem) || this.shadowWide.some((claim) => claims(claim, stem));
  }

  /** The tables of a schema that have this class, of those that exist. Shadow names never match. Throws ShadowNameError where two share a shadow. */
  tablesOf(schema: string, existing: readonly string[], tableClass: TableClass): string[] {
    const found = existing.filter((table) => this.classOf(schema, table) === tableClass);
    if (tableClass === 'shadow') this.checkTargets(found.map((table) => ({ schema, table })));
    return found;
  }

  /** What makes two names of tables or schemas equal on this server. */
  fold(name: string): string {
    return this.ignoreCase ? foldName(name) : name;
  }

  private lookUp(schema: string, table: string): Looked {
    const known = this.lookedUp.get(schema)?.get(table);
    if (known !== undefined) return known;
    const looked = this.look(schema, table);
    if (this.lookedUpCount >= mostLookedUp) {
      this.lookedUp.clear();
      this.lookedUpCount = 0;
    }
    let ofSchema = this.lookedUp.get(schema);
    if (ofSchema === undefined) {
      ofSchema = new Map();
      this.lookedUp.set(schema, ofSchema);
    }
    ofSchema.set(table, looked);
    this.lookedUpCount += 1;
    return looked;
  }

  private look(schema: string, table: string): Looked {
    const [foldedSchema, folded] = [this.fold(schema), this.fold(table)];
    const isShadow = this.isShadowName(schema, table);
    const claim = isShadow
      ? undefined
      : (this.named.get(keyOf(foldedSchema, folded)) ??
        this.wide.find((one) => one.schema === foldedSchema && claims(one, folded)));
    const real = { schema: this.databases.find((one) => this.fold(one) === foldedSchema) ?? schema, table: folded };
    const tableClass = claim?.tableClass;
    const target = tableClass === 'shadow' ? this.target(real) : real;
    return { ...real, tableClass, target };
  }

  private target({ schema, table }: TableName): TableName {
    if (this.mode === 'table') return { schema, table: shadowName(table, this.suffix, this.limit) };
    return { schema: this.shadowSchemaOf(schema), table };
  }

  private realSchemas({ tables, schemas = {} }: MappingOptions): string[] {
    const found = new Map([[this.fold(this.database), this.database]]);
    for (const key of Object.keys(tables)) {
      const dot = key.indexOf('.');
      if (dot <= 0 || key[dot + 1] === '.') continue;
      const schema = key.slice(0, dot);
      if (!found.has(this.fold(schema))) found.set(this.fold(schema), schema);
    }
    for (const schema of Object.keys(schemas)) {
      if (!found.has(this.fold(schema))) {
        throw new RangeError(`schemas."${schema}" has a shadow schema, but no key of tables names a table in it`);
      }
    }
    return [...found.values()];
  }

  private claim(claim: Claim): void {
    if (claim.kind !== 'exact') {
      this.wide.push(claim);
      return;
    }
    const key = keyOf(claim.schema, claim.table);
    const other = this.named.get(key);
    if (other !== undefined && other.written !== claim.written) {
      throw new ShadowNameError(`"${other.key}" and "${claim.key}" differ in case only, and this server ignores case`);
    }
    if (other !== undefined && other.tableClass !== claim.tableClass) throw contradiction(other, claim);
    this.named.set(key, claim);
    if (claim.tableClass === 'shadow') this.shadowStems.add(claim.table.toLowerCase());
  }

  private checkContradictions(): void {
    for (const [index, one] of this.wide.entries()) {
      for (let at = index + 1; at < this.wide.length; at += 1) {
        const other = this.wide[at] as Claim;
        if (rank(other) !== rank(one)) break;
        if (one.tableClass !== other.tableClass && overlap(one, other)) throw contradiction(one, other);
      }
    }
  }

  private get claims(): Claim[] {
    return [...this.named.values(), ...this.wide];
  }

  private nameShadowSchemas(options: MappingOptions): void {
    const { database, databases } = this;
    const all = this.claims;
    for (const real of databases) {
      const isShadowed = all.some((one) => one.schema === this.fold(real) && one.tableClass === 'shadow');
      // a schema that is only read from needs no twin
      if (!isShadowed && real !== database) continue;
      const given = real === database ? (options.schema ?? options.schemas?.[real]) : options.schemas?.[real];
      const shadow = given ?? shadowName(real, this.suffix, this.limit);
      const taken = databases.find((one) => one.toLowerCase() === shadow.toLowerCase());
      if (taken !== undefined) throw new RangeError(`the shadow schema "${shadow}" is the real one: "${taken}"`);
      for (const [other, schema] of this.shadowSchemas) {
        if (schema.toLowerCase() !== shadow.toLowerCase()) continue;
        throw new ShadowNameError(`the schemas "${other}" and "${real}" would share the shadow schema "${shadow}"`);
      }
      this.shadowSchemas.set(this.fold(real), shadow);
      this.foldedShadowSchemas.add(shadow.toLowerCase());
    }
  }

  /** Checked for every class and mode, so that a suffix always tells a shadow from a real table. */
  private checkNames(): void {
    const shadowed: TableName[] = [];
    for (const claim of this.claims) {
      const names =
        claim.kind === 'exact'
          ? [claim.table]
          : claim.kind === 'range'
            ? [numberedTable(claim, claim.first), numberedTable(claim, claim.last)]
            : [];
      for (const table of names) {
        shadowName(table, this.suffix, this.limit);
        if (claim.tableClass === 'shadow') shadowed.push({ schema: claim.schema, table });
      }
      if (claim.kind === 'pattern' && isShadowName(claim.parts.at(-1) ?? '', this.suffix)) {
        throw new ShadowNameError(`the pattern "${claim.key}" ends with the shadow suffix "${this.suffix}"`);
      }
    }
    this.checkTargets(shadowed);
  }

  private checkTargets(tables: readonly TableName[]): void {
    if (this.mode === 'instance') return;
    const taken = new Map<string, string>();
    for (const table of tables) {
      const { schema, table: name } = this.target(table);
      const key = this.fold(`${schema}.${name}`);
      const other = taken.get(key);
      if (other !== undefined && other !== table.table) {
        throw new ShadowNameError(
          `"${table.schema}.${other}" and "${table.schema}.${table.table}" would share the shadow "${schema}.${name}"`,
        );
      }
      taken.set(key, table.table);
    }
  }
}

function numberedTable({ prefix, digits, tail }: Extract<Claim, { kind: 'range' }>, number: number): string {
  return prefix + String(number).padStart(digits, '0') + tail;
}

function keyOf(schema: string, table: string): string {
  return `${schema}\0${table}`;
}

function contradiction(one: Claim, other: Claim): RangeError {
  return new RangeError(
    `tables "${one.key}" (${one.tableClass}) and "${other.key}" (${other.tableClass}) claim the same table: make one of them longer, or name the table`,
  );
}

/** The parts of a limit that are given. */
function defined({ maxNameLength, lengthIn }: MappingOptions): Partial<NameLimit> {
  return { ...(maxNameLength !== undefined && { maxNameLength }), ...(lengthIn !== undefined && { lengthIn }) };
}

function lowered(claim: Claim): Claim {
  if (claim.kind === 'exact') return { ...claim, table: claim.table.toLowerCase() };
  if (claim.kind === 'pattern') return { ...claim, parts: claim.parts.map((part) => part.toLowerCase()) };
  return { ...claim, prefix: claim.prefix.toLowerCase(), tail: claim.tail.toLowerCase() };
}
