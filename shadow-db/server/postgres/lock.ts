import { type Db, ShadowDbError } from '../db.js';
import type { Names } from './options.js';

/** What is locked, by the schema in which what belongs to no single table is kept. */
export function lockSubject(home: string): string {
  return `shadowline ${home}`;
}

/**
 * One at a time: two that change the same shadow side would each see half of the other's work. The lock belongs to the session, and
 * goes with it. Throws ShadowDbError LOCKED with the one who holds it.
 */
export async function withLock<Result>(db: Db, names: Names, work: () => Promise<Result>): Promise<Result> {
  const subject = lockSubject(names.home);
  const [row] = await db.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS got', [subject]);
  if (row?.got !== true) {
    const holders = await db.query(
      `SELECT coalesce(nullif(a.application_name, ''), 'a program without a name') || ', user ' || a.usename || ', process ' || a.pid
         || coalesce(', from ' || host(a.client_addr), '') || ', since ' || date_trunc('second', a.xact_start) AS who
       FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
       WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended($1, 0)`,
      [subject],
    );
    throw new ShadowDbError(
      'LOCKED',
      `the shadow side of ${names.options.database} is being changed by ${String(holders[0]?.who ?? 'a session that has just ended')}`,
    );
  }
  try {
    return await work();
  } finally {
    // an error here means that the session is gone, and the lock with it
    await db.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [subject]).catch(() => undefined);
  }
}
