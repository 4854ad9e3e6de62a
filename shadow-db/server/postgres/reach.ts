import type { TableName } from '../../mapping.js';
import { ShadowDbError } from '../db.js';
import type { SchemaModel, TableModel } from './model.js';
import { sameTable, shown } from './quote.js';

/**
 * What is done to a table is done to its partitions and heirs too, and goes on along foreign keys that lead to it, into whatever schema. So nothing is
 * emptied or dropped while one of these is not ours. Throws ShadowDbError REAL_HEIR or REAL_KEY.
 */
export function checkReach(ours: readonly TableModel[], model: SchemaModel): void {
  checkHeirs(ours);
  const isOurs = (name: TableName): boolean => ours.some((one) => sameTable(one, name));
  for (const table of ours) {
    // a key that came from the partitioned table above is told there
    const key = table.referrers.find((one) => !isOurs(one));
    if (key === undefined) continue;
    const child = model.tables.find((one) => sameTable(one, key));
    const whose = child === undefined ? ', in another schema,' : '';
    throw new ShadowDbError(
      'REAL_KEY',
      `foreign key ${key.key} of ${shown(key)}${whose} refers to the shadow table ${shown(table)}`,
    );
  }
}

/** Throws ShadowDbError REAL_HEIR for a partition or heir that is not among the tables themselves. */
export function checkHeirs(ours: readonly TableModel[]): void {
  for (const table of ours) {
    const heir = table.heirs.find((one) => !ours.some((other) => sameTable(other, one)));
    if (heir === undefined) continue;
    const what = table.kind === 'p' ? 'a partition of' : 'tied by INHERITS to';
    throw new ShadowDbError('REAL_HEIR', `${shown(heir)} is ${what} the shadow table ${shown(table)}, and is not ours`);
  }
}
