import type { DesiredTable } from './desired.js';
import { actualTable, links } from './drift.js';
import type { TableModel } from './model.js';
import { full, quote, shown } from './quote.js';
import type { Remake } from './remake.js';
import { rowsTrigger } from './rows.js';
import { type Step, stepper } from './step.js';

/** Takes away what is wrong, or in the way of a drop. */
export function dropSteps(remake: Remake): Step[] {
  const { wanted, model } = remake.situation;
  const steps = dropViews(remake);
  for (const table of wanted.tables) {
    const actual = actualTable(table.target, model);
    if (actual === undefined) continue;
    const wrong = wrongLinks(remake, table, actual);
    steps.push(...dropForeignKeys(remake, table, actual, wrong));
    // the rest goes with its table
    if (remake.kept(table)) steps.push(...dropLinks(remake, table, actual, wrong));
  }
  return [...steps, ...dropTables(remake)];
}

function dropViews({ names, droppedViews }: Remake): Step[] {
  const step = stepper(names);
  return [...droppedViews]
    .reverse()
    .map((view) =>
      step('drop', view, `DROP VIEW ${full(view.target)}`, 'it has drifted, or a table that it reads is made anew'),
    );
}

/** `what name` of each link that is not as it should be, or missing; without what is left to a person. */
function wrongLinks({ names, situation }: Remake, table: DesiredTable, actual: TableModel): Set<string> {
  const wrong = links(table, actual, situation.model, names).filter(({ remedy }) => remedy === undefined);
  return new Set(wrong.map(({ what, name }) => `${what} ${name ?? ''}`));
}

/** What no step drops. */
export function strayWarnings(remake: Remake): string[] {
  const { wanted, model } = remake.situation;
  return wanted.tables.flatMap((table) => {
    const kept = remake.kept(table);
    if (kept === undefined) return [];
    return links(table, kept, model, remake.names).flatMap(({ what, name, remedy }) =>
      remedy === undefined ? [] : [`${what} ${name} of ${shown(table.target)} is none of the real table's: ${remedy}`],
    );
  });
}

function dropForeignKeys(
  remake: Remake,
  table: DesiredTable,
  { foreignKeys }: TableModel,
  wrong: ReadonlySet<string>,
): Step[] {
  const step = stepper(remake.names);
  const isInWay = remake.kept(table) === undefined;
  return foreignKeys
    .filter(({ name, parent }) => isInWay || remake.takes(parent) || wrong.has(`foreign-key ${name}`))
    .map(({ name }) => {
      // a key of a partition that came from above cannot be dropped, and goes with it
      const sql = `ALTER TABLE ${full(table.target)} DROP CONSTRAINT ${quote(name)}`;
      return step('drop', table, sql, `foreign key ${name} is in the way or wrong`);
    });
}

function dropLinks(
  { names }: Remake,
  table: DesiredTable,
  { triggers, indexes, statistics }: TableModel,
  wrong: ReadonlySet<string>,
): Step[] {
  const step = stepper(names);
  const drop = (sql: string, reason: string): Step => step('drop', table, sql, reason);
  const beside = (name: string): string => full({ schema: table.target.schema, table: name });
  return [
    ...triggers
      .filter(({ name }) => wrong.has(name === rowsTrigger ? 'run ' : `trigger ${name}`))
      .map(({ name }) => drop(`DROP TRIGGER ${quote(name)} ON ${full(table.target)}`, `trigger ${name} is wrong`)),
    ...indexes
      .filter(({ name }) => wrong.has(`index ${name}`))
      .map(({ name }) => drop(`DROP INDEX ${beside(name)}`, `index ${name} is wrong`)),
    ...statistics
      .filter(({ name }) => wrong.has(`statistics ${name}`))
      .map(({ name }) => drop(`DROP STATISTICS ${beside(name)}`, `statistics ${name} are wrong`)),
  ];
}

/** One statement for all: a partition goes with its partitioned table, and would not be found after it. */
function dropTables({ names, situation, tables }: Remake): Step[] {
  const gone = tables.filter(({ target }) => actualTable(target, situation.model));
  if (gone.length === 0) return [];
  return [
    {
      kind: 'drop',
      subject: gone.map(({ real }) => names.plain(real)).join(', '),
      sql: `DROP TABLE ${gone.map(({ target }) => full(target)).join(', ')}`,
      reason: 'their structure has drifted',
    },
  ];
}
