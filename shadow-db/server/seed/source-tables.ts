import type { TableModel } from '../mysql/inspect.js';

/** A real table, its shadow, and its foreign keys to tables that have shadows as well. */
export interface SourceTable {
  /** As the configuration names it: `orders`, or `crm.people` for a table of another schema. */
  key: string;
  real: TableModel;
  realSchema: string;
  target: { schema: string; table: string };
  foreignKeys: SourceKey[];
  /** Where the reserved range of the AUTO_INCREMENT column begins. */
  firstShadowId?: bigint;
}

export interface SourceKey {
  name: string;
  columns: string[];
  /** `key` of the parent. */
  parent: string;
  parentColumns: string[];
}
