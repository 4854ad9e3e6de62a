import type { Db } from '../db.js';
import { dialects } from './dialects.js';
import { ownPart } from './journal.js';
import type { SeedPlan } from './plan.js';

/** Whether there is something to fill: a table without rows that was not found empty before, a seed that was interrupted, or another specification. */
export async function isSeedDue(db: Db, plan: SeedPlan, isThere: (key: string) => boolean): Promise<boolean> {
  const { journal, tables } = plan;
  const { sql } = dialects[plan.dialect];
  const known = new Map<string, Record<string, unknown>>();
  const [found] = await db.query(sql.findTable(journal));
  if (found !== undefined) {
    for (const row of await db.query(sql.readJournal(journal))) {
      known.set(String(row.step), row);
    }
  }
  if (known.has('check') && Number(known.get('check')?.done) === 0) return true;
  for (const { key, target, fingerprint } of tables) {
    const entry = known.get(`copy ${key}`);
    // seeded by another specification: the seeder refuses that, or starts over
    if (entry !== undefined && ownPart(String(entry.fingerprint)) !== ownPart(fingerprint)) return true;
    if (entry !== undefined && Number(entry.done) === 0) return true;
    if (!isThere(key)) return true;
    if (entry !== undefined && Number(entry.n) === 0) continue;
    const [any] = await db.query(`SELECT 1 AS x FROM ${sql.named(target)} LIMIT 1`);
    if (any === undefined) return true;
  }
  return false;
}
