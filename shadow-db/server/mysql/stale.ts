import { createHash } from 'node:crypto';
import { ShadowDbError } from '../db.js';
import { comparable } from './definition.js';
import type { Desired } from './desired.js';
import { existingTable, foreignKeyText, triggerText } from './drift.js';
import type { TableModel } from './model.js';
import { type ReservedRange, reachedId } from './range.js';
import type { Sides } from './sides.js';

/** What a plan was made from: a hash for each table and view of either side. Rows and counters do not count. */
export type Seen = Record<string, string>;

export function seen(sides: Sides, wanted: Desired): Seen {
  const result: Seen = {};
  const note = (place: string, parts: unknown): void => {
    result[place] = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
  };
  const tableParts = (schema: string, table: TableModel | undefined): unknown => {
    const definition = sides.definitions.get(`${schema}.${table?.name}`);
    return (
      table && [
        definition ? [...comparable(definition)] : table.columns,
        table.comment,
        table.foreignKeys.map((key) => [key.name, foreignKeyText(key)]),
        table.triggers.map((trigger) => [trigger.name, triggerText(trigger)]),
      ]
    );
  };
  for (const table of wanted.tables) {
    note(`${table.database}.${table.real.name}`, tableParts(table.database, table.real));
    note(`${table.schema}.${table.name}`, tableParts(table.schema, existingTable(sides, table)) ?? null);
  }
  for (const { schema, name, view } of wanted.views) {
    note(`view ${schema}.${name}`, [view.definition, view.algorithm, view.checkOption]);
    note(`${schema}.${name}`, sides.shadow.get(schema)?.views.find((one) => one.name === name) ?? null);
  }
  for (const { schema, name } of wanted.sequences) {
    note(`${schema}.${name}`, sides.shadow.get(schema)?.sequences.find((one) => one.name === name) ?? null);
  }
  return result;
}

/** Throws ShadowDbError PLAN_STALE when something differs from what the plan was made from. */
export function checkFresh(before: Seen, sides: Sides, wanted: Desired, reserved: readonly ReservedRange[]): void {
  const now = seen(sides, wanted);
  for (const place of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (before[place] === now[place]) continue;
    const how = before[place] === undefined ? 'is new' : now[place] === undefined ? 'is gone' : 'has changed';
    throw new ShadowDbError('PLAN_STALE', `${place} ${how} since the plan was made`);
  }
  for (const { table, firstShadowId } of reserved) {
    const real = wanted.tables.find(({ label }) => label === table)?.real;
    if (real && reachedId(real) >= BigInt(firstShadowId)) {
      throw new ShadowDbError(
        'PLAN_STALE',
        `real ids of ${table} have reached ${firstShadowId} since the plan was made`,
      );
    }
  }
}
