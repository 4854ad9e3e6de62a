import type { AuditIds, TableMark } from './audit.js';
import type { AuditDialect, Question, RealTable } from './dialect.js';

/**
 * What is asked about a table's ids. Reserved ids tell nothing where real ones had reached the shadow range at the mark.
 * @throws RangeError for an id column whose range is not made of integers: they stand in SQL as they are
 */
export function asksById(
  table: RealTable,
  { database }: AuditDialect,
  { idColumns = [] }: AuditIds,
  known?: TableMark,
): Question[] {
  const reserved = known?.idsReached ? [] : table.reserved;
  const questions = reserved.map(({ column, first }) => table.asksId('reserved-id', column, `>= ${first}`));
  for (const { table: name, column, from, to } of idColumns) {
    if ((name.includes('.') ? name : `${database}.${name}`) !== table.name) continue;
    for (const value of [from, to])
      if (!/^-?\d+$/.test(String(value)))
        throw new RangeError(`id column ${column}: ${JSON.stringify(value)} is no integer`);
    questions.push(table.asksId('id-range', column, `BETWEEN ${from} AND ${to}`));
  }
  return questions;
}

/** Nothing to ask without a canary. @throws RangeError for one that is not made of letters and digits: it stands in SQL as it is */
export function asksByCanary(table: RealTable, canary: string): Question[] {
  if (canary === '') return [];
  if (!/^[A-Za-z0-9]{4,100}$/.test(canary))
    throw new RangeError(`canary ${JSON.stringify(canary)}: letters and digits only`);
  const question = table.asksText(canary);
  return question === undefined ? [] : [question];
}
