import type { TableName } from '../../mapping.js';

/** A function outside of pg_catalog that an expression or trigger calls. */
export interface FunctionRef {
  name: string;
  language: string;
  /** i: immutable, s: stable, v: volatile. */
  volatility: 'i' | 's' | 'v';
  /** Runs with its owner's rights. */
  definer: boolean;
}

export interface ColumnModel {
  name: string;
  type: string;
  notNull: boolean;
  /** Expression of the default or of the generated column, with every name outside of pg_catalog qualified. */
  expression: string | null;
  /** s: stored, v: virtual, empty: the expression is a default. */
  generated: '' | 's' | 'v';
  /** a: always, d: by default. */
  identity: '' | 'a' | 'd';
  collation: string | null;
  /** Where it differs from the type's own. */
  storage: string | null;
  compression: string | null;
  functions: FunctionRef[];
  /** Sequences that the default calls, and the text by which it names each. */
  sequences: (TableName & { text: string })[];
}

export interface ConstraintModel {
  name: string;
  /** c: CHECK, p: PRIMARY KEY, u: UNIQUE, x: EXCLUDE. */
  kind: 'c' | 'p' | 'u' | 'x';
  definition: string;
  columns: string[];
  /** Comes from the partitioned table above. */
  inherited: boolean;
  functions: FunctionRef[];
  /** Storage parameters of its index. */
  options: string[];
}

export interface ForeignKeyModel {
  name: string;
  columns: string[];
  parent: TableName;
  parentColumns: string[];
  /** What follows the list of the parent's columns: MATCH, ON UPDATE, ON DELETE, DEFERRABLE. */
  rules: string;
}

export interface IndexModel {
  name: string;
  unique: boolean;
  /** From USING on. */
  definition: string;
  functions: FunctionRef[];
}

export interface StatisticsModel {
  /** It need not be the table's. */
  schema: string;
  name: string;
  /** Between the name and FROM: `(ndistinct) ON a, b`. */
  definition: string;
}

export interface TriggerModel {
  name: string;
  /** From the timing up to the table's name: `AFTER INSERT OR UPDATE OF a`. */
  events: string;
  /** From behind the table's name up to the function: `FOR EACH ROW WHEN (…)`. */
  scope: string;
  arguments: string;
  function: FunctionRef & { schema: string; body: string; text: string };
  /** O: enabled, D: disabled, R: on replicas, A: always. */
  enabled: string;
  constraint: boolean;
}

export interface TableModel extends TableName {
  oid: string;
  /** r: table, p: partitioned, f: foreign. */
  kind: 'r' | 'p' | 'f';
  owner: string;
  unlogged: boolean;
  comment: string;
  options: string[];
  accessMethod: string | null;
  rowSecurity: boolean;
  policies: string[];
  rules: string[];
  /** Partition of this table, with its bounds. */
  partitionOf: TableName | null;
  bound: string | null;
  partitionKey: string | null;
  /** Of a partitioned table, in any schema. */
  partitionCount: number;
  /** Parents by INHERITS, and children. */
  inherits: TableName[];
  hasHeirs: boolean;
  /** Partitions and children by INHERITS, and the tables whose foreign keys lead here: of every schema. */
  heirs: TableName[];
  referrers: (TableName & { key: string })[];
  columns: ColumnModel[];
  constraints: ConstraintModel[];
  foreignKeys: ForeignKeyModel[];
  indexes: IndexModel[];
  triggers: TriggerModel[];
  statistics: StatisticsModel[];
}

export interface ViewModel extends TableName {
  oid: string;
  /** v: view, m: materialized. */
  kind: 'v' | 'm';
  comment: string;
  options: string[];
  definition: string;
  columns: string[];
  /** Relations that it reads. */
  reads: TableName[];
  functions: FunctionRef[];
}

export interface SequenceModel extends TableName {
  oid: string;
  comment: string;
  type: string;
  /** Decimal digits, since they may pass 2^53. */
  start: string;
  increment: string;
  min: string;
  max: string;
  cache: string;
  cycle: boolean;
  /** undefined: not used yet, or not to be read. */
  last: string | undefined;
  readable: boolean;
  /** Where its state is: another place once it was restarted. */
  storage: string;
  /** Column that it belongs to: serial (a) or identity (i). */
  owner: (TableName & { column: string; kind: 'a' | 'i' }) | null;
}

/** What stands in some schemas. */
export interface SchemaModel {
  /** Those of the asked schemas that exist, with their comments. */
  schemas: { name: string; comment: string }[];
  tables: TableModel[];
  views: ViewModel[];
  sequences: SequenceModel[];
  /** Every name in these schemas that a new relation could meet: indexes and types too. */
  taken: TableName[];
  /** Functions that Shadowline made. */
  functions: { schema: string; name: string; body: string }[];
}
