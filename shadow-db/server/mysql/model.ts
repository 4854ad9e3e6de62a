/** What a schema holds, as far as its shadow needs it. Texts are the server's own, canonical ones. */

export interface ColumnModel {
  name: string;
  type: string;
  nullable: boolean;
  default: string | null;
  collation: string | null;
  extra: string;
  generation: string | null;
  /** Bytes that a value may take, for character and binary types; undefined for others. */
  octets?: number;
}

export interface IndexModel {
  name: string;
  unique: boolean;
  method: string;
  /** Column names, with the prefix length where there is one: `name(10)`. */
  columns: string[];
  /** The server does not use it, and does not take it in FORCE INDEX. */
  ignored?: true;
}

export interface ForeignKeyModel {
  name: string;
  columns: string[];
  parentSchema: string;
  parent: string;
  parentColumns: string[];
  onDelete: string;
  onUpdate: string;
}

export interface TriggerModel {
  name: string;
  table: string;
  timing: string;
  event: string;
  body: string;
  sqlMode: string;
}

export interface ViewModel {
  name: string;
  definition: string;
  updatable: boolean;
  /** UNDEFINED, MERGE or TEMPTABLE. */
  algorithm: string;
  /** NONE, LOCAL or CASCADED. */
  checkOption: string;
  columns: string[];
}

export interface AutoIncrementModel {
  column: string;
  type: string;
  /** Decimal digits, since ids may pass 2^53. `next`: AUTO_INCREMENT; `highest`: the highest id in the table, '0' if none. */
  next: string;
  highest: string;
  /** False: second in a composite key (MyISAM, Aria), where each prefix counts from 1 and no range can be reserved. */
  leads: boolean;
}

export interface TableModel {
  name: string;
  engine: string;
  collation: string;
  comment: string;
  versioned: boolean;
  columns: ColumnModel[];
  primaryKey: string[];
  indexes: IndexModel[];
  foreignKeys: ForeignKeyModel[];
  checks: { name: string; clause: string }[];
  partitions: string[];
  /** In the order in which they run. */
  triggers: TriggerModel[];
  autoIncrement?: AutoIncrementModel;
}

export interface SequenceModel {
  name: string;
  comment: string;
}

export interface SchemaModel {
  database: string;
  exists: boolean;
  tables: TableModel[];
  views: ViewModel[];
  sequences: SequenceModel[];
}
