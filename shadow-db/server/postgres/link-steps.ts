import * as ddl from './ddl.js';
import type { DesiredTable } from './desired.js';
import { foreignKeyText, links, triggerText } from './drift.js';
import { viewMark } from './mark.js';
import { full, literal, sameTable } from './quote.js';
import type { Remake } from './remake.js';
import { noteFunction, noteStatements, rowsName, rowsStatements, rowsTable } from './rows.js';
import { type Step, stepper } from './step.js';

/** What stands on tables and follows their rows: foreign keys, triggers, notes of who wrote a row, views. */

export function foreignKeySteps(remake: Remake): Step[] {
  return remake.situation.wanted.tables.flatMap((table) => addForeignKeys(remake, table));
}

function addForeignKeys(remake: Remake, table: DesiredTable): Step[] {
  const step = stepper(remake.names);
  const kept = remake.kept(table);
  const isKept = (key: DesiredTable['foreignKeys'][number]): boolean =>
    (kept?.foreignKeys.some((other) => other.name === key.name && foreignKeyText(other) === foreignKeyText(key)) ??
      false) &&
    !remake.takes(key.parent);
  return table.foreignKeys
    .filter((key) => !isKept(key))
    .map((key) =>
      step('foreign-key', table, ddl.addForeignKey(table, key), `refers to the shadow parent: ${foreignKeyText(key)}`),
    );
}

export function triggerSteps(remake: Remake): Step[] {
  return remake.situation.wanted.tables.flatMap((table) => createTriggers(remake, table));
}

function createTriggers(remake: Remake, table: DesiredTable): Step[] {
  const step = stepper(remake.names);
  const kept = remake.kept(table);
  return table.triggers
    .filter(
      (trigger) =>
        !kept?.triggers.some((other) => other.name === trigger.name && triggerText(other) === triggerText(trigger)),
    )
    .flatMap((trigger) => {
      const state = ddl.setTrigger(table, trigger);
      return [
        step(
          'trigger',
          table,
          ddl.createTrigger(table, trigger),
          `touches the row at hand only: ${triggerText(trigger).slice(0, 80)}`,
        ),
        ...(state === undefined ? [] : [step('trigger', table, state, 'as the real one')]),
      ];
    });
}

/** The table that tells which run wrote a row, and what fills it. */
export function noteSteps(remake: Remake): Step[] {
  const { names, situation } = remake;
  const { wanted, model } = situation;
  const steps: Step[] = [];
  if (wanted.tables.length === 0) return steps;
  const run = (subject: string, sql: string, reason: string): void =>
    void steps.push({ kind: 'run', subject, sql, reason });
  if (!model.tables.some((table) => sameTable(table, rowsName(names)))) {
    const { create, index, mark } = rowsStatements(names);
    run(rowsTable, create, 'tells which run wrote which shadow row');
    run(rowsTable, mark, 'marked as made by Shadowline');
    run(rowsTable, index, 'rows of one run are found at once');
  }
  for (const table of wanted.tables.filter(({ key }) => key.length > 0)) {
    const kept = remake.kept(table);
    if (kept && !links(table, kept, model, names).some(({ what }) => what === 'run')) continue;
    const { create, close, mark, trigger } = noteStatements(table, names);
    const subject = names.plain(table.real);
    run(subject, create, `notes the keys (${table.key.join(', ')}) of rows that a run inserts`);
    run(subject, close, 'only as a trigger');
    run(subject, mark, 'marked as made by Shadowline');
    run(subject, trigger, `calls ${noteFunction(table).table}`);
  }
  return steps;
}

export function viewSteps({ names, situation, droppedViews }: Remake): Step[] {
  const step = stepper(names);
  const { wanted, model, server } = situation;
  return wanted.views
    .filter((view) => droppedViews.includes(view) || !model.views.some((one) => sameTable(one, view.target)))
    .flatMap((view) => [
      step('view', view, ddl.createView(view, server.version), 'view over shadow tables'),
      step(
        'view',
        view,
        `COMMENT ON VIEW ${full(view.target)} IS ${literal(viewMark(view.digest))}`,
        'marked as made by Shadowline',
      ),
    ]);
}
