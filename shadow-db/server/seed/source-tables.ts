/** A column, as far as seeding needs it. `type` as its server prints it. */
export interface SeedColumn {
  name: string;
  type: string;
  nullable: boolean;
  /** MySQL: always for text. PostgreSQL: where it is not the type's own. */
  collation: string | null;
  /** Expression of a generated column. */
  generation: string | null;
}

/** A real table, as far as seeding needs it. */
export interface SeedTableModel {
  name: string;
  engine: string;
  columns: SeedColumn[];
  primaryKey: string[];
  /** The primary key among them, as PRIMARY. */
  indexes: { name: string; unique: boolean; columns: string[] }[];
  /** Column of which the server gives the values, and the highest that is there, as decimal digits. */
  autoIncrement?: { column: string; highest: string };
}

/** A real table, its shadow, and its foreign keys to tables that have shadows as well. */
export interface SourceTable {
  /** As the configuration names it: `orders`, or `crm.people` for a table of another schema. */
  key: string;
  real: SeedTableModel;
  realSchema: string;
  target: { schema: string; table: string };
  foreignKeys: SourceKey[];
  /** Where the reserved range of the AUTO_INCREMENT column begins. */
  firstShadowId?: bigint;
  /** PostgreSQL: the shadow sequence of that column. */
  sequence?: { schema: string; table: string };
}

export interface SourceKey {
  name: string;
  columns: string[];
  /** `key` of the parent. */
  parent: string;
  parentColumns: string[];
}
