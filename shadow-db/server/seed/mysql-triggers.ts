import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { mysqlSql } from './mysql.js';
import type { SeedPlan, TableName } from './plan.js';

interface Trigger {
  name: string;
  create: string;
  sqlMode: string;
}

/**
 * Takes the triggers off the shadow tables that are filled: what they would write is copied from the real tables as well. Kept in memory
 * only. Text of triggers on the server would be run with the seeder's rights, whoever had written it there. After a kill the triggers
 * are missing: the drift check says so, and provisioning makes them anew.
 */
export async function takeOffTriggers(db: Db, plan: SeedPlan): Promise<Trigger[]> {
  const found: Trigger[] = [];
  for (const schema of new Set(plan.tables.map(({ target }) => target.schema))) {
    const rows = await db.query(
      `SELECT TRIGGER_NAME AS name, EVENT_OBJECT_TABLE AS t, ACTION_TIMING AS timing, EVENT_MANIPULATION AS event, ACTION_STATEMENT AS body,
         SQL_MODE AS mode, DEFINER AS definer, DEFINER = CURRENT_USER() AS own FROM information_schema.TRIGGERS
       WHERE TRIGGER_SCHEMA = ? ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`,
      [schema],
    );
    for (const row of rows) {
      const table: TableName = { schema, table: String(row.t) };
      if (!plan.tables.some(({ target }) => target.schema === schema && target.table === table.table)) continue;
      const name = `${quoteName(schema)}.${quoteName(String(row.name))}`;
      const create = `CREATE ${definer(row)}TRIGGER ${name} ${row.timing} ${row.event} ON ${mysqlSql.named(table)} FOR EACH ROW ${row.body}`;
      found.push({ name, create, sqlMode: String(row.mode) });
    }
  }
  for (const { name } of found) await db.query(`DROP TRIGGER IF EXISTS ${name}`);
  return found;
}

function definer(row: Record<string, unknown>): string {
  if (Number(row.own) === 1) return '';
  const text = String(row.definer);
  const at = text.lastIndexOf('@');
  return `DEFINER = ${quoteName(text.slice(0, at))}@${quoteName(text.slice(at + 1))} `;
}

/** In the order in which they fired. */
export async function putBackTriggers(db: Db, triggers: readonly Trigger[]): Promise<void> {
  for (const { create, sqlMode } of triggers) {
    await db.query('SET SESSION sql_mode = ?', [sqlMode]);
    await db.query(create);
  }
}
