import type { Db } from '../db.js';
import { quote } from '../postgres/quote.js';
import { sqlState } from '../postgres/session.js';
import type { PutBack } from './dialect.js';
import type { SeedPlan } from './plan.js';
import { isTransient } from './postgres-session.js';

interface Key {
  table: string;
  name: string;
  definition: string;
  isPartitioned: boolean;
}

interface Trigger {
  table: string;
  name: string;
  enable: string;
}

/** The shadow tables that are filled, and their partitions. What does not carry our mark is not looked at. */
const filled = `WITH RECURSIVE filled(oid) AS (
    SELECT c.oid FROM jsonb_to_recordset($1::jsonb) AS x(schema text, "table" text) JOIN pg_namespace n ON n.nspname = x.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = x."table" WHERE obj_description(c.oid, 'pg_class') ~ '^shadowline( |$)'
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN filled f ON i.inhparent = f.oid)`;

/**
 * Only the superuser may leave foreign keys unchecked, so those of the shadow tables are taken off and put back: rows come in any order, keys in a cycle too, and
 * a real row that refers to nothing does not stop the seed. Triggers are disabled, that of the bookkeeping as well. Definitions are kept in memory
 * only: text on the server would be run with the seeder's rights, whoever had written it there. After a kill they are missing or disabled: the drift
 * check says so, and provisioning makes them anew, once the rows are there.
 */
export async function takeOffLinks(db: Db, { tables }: SeedPlan): Promise<PutBack> {
  const targets = JSON.stringify(tables.map(({ target }) => target));
  const keys = (
    await db.query(
      `${filled} SELECT format('%I.%I', n.nspname, c.relname) AS t, k.conname::text AS name, c.relkind::text AS kind,
         regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') AS definition
       FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE k.contype = 'f' AND k.conparentid = 0 AND obj_description(c.oid, 'pg_class') ~ '^shadowline( |$)'
         AND (k.conrelid IN (SELECT oid FROM filled) OR k.confrelid IN (SELECT oid FROM filled)) ORDER BY 1, 2`,
      [targets],
    )
  ).map(
    (row): Key => ({
      table: String(row.t),
      name: quote(String(row.name)),
      definition: String(row.definition),
      isPartitioned: row.kind === 'p',
    }),
  );
  const triggers = (
    await db.query(
      `${filled} SELECT format('%I.%I', n.nspname, c.relname) AS t, g.tgname::text AS name,
         CASE g.tgenabled WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END AS enable
       FROM pg_trigger g JOIN filled f ON f.oid = g.tgrelid JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' ORDER BY g.tgparentid <> 0, 1, 2`,
      [targets],
    )
  ).map((row): Trigger => ({ table: String(row.t), name: quote(String(row.name)), enable: String(row.enable) }));
  const offKeys: Key[] = [];
  const offTriggers: Trigger[] = [];
  const putBack: PutBack = async (isWhole) => {
    await db.query('SET statement_timeout = 0');
    for (const { table, name, enable } of offTriggers)
      await patient(db, `ALTER TABLE ${table} ${enable} TRIGGER ${name}`);
    for (const key of offKeys) await addKey(db, key, isWhole);
  };
  try {
    for (const key of keys) {
      await patient(db, `ALTER TABLE ${key.table} DROP CONSTRAINT ${key.name}`);
      offKeys.push(key);
    }
    for (const trigger of triggers) {
      await patient(db, `ALTER TABLE ${trigger.table} DISABLE TRIGGER ${trigger.name}`);
      offTriggers.push(trigger);
    }
  } catch (error) {
    await putBack(false).catch(() => undefined);
    throw error;
  }
  return putBack;
}

/** Rows that are there are checked only when all are; a row that somebody else has left may refuse that, and the report has counted it. */
async function addKey(db: Db, { table, name, definition, isPartitioned }: Key, isWhole: boolean): Promise<void> {
  const add = `ALTER TABLE ${table} ADD CONSTRAINT ${name} ${definition}`;
  try {
    // partitioned tables have no unchecked keys
    await patient(db, isPartitioned ? add : `${add} NOT VALID`);
    if (isWhole && !isPartitioned) await patient(db, `ALTER TABLE ${table} VALIDATE CONSTRAINT ${name}`);
  } catch (error) {
    if (sqlState(error) !== '23503') throw error;
  }
}

async function patient(db: Db, sql: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await db.query(sql);
      return;
    } catch (error) {
      if (!isTransient(error) || attempt === 4) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt * (0.5 + Math.random())));
    }
  }
}
