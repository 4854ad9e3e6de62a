import type { Db } from '../db.js';
import { SeedError } from './errors.js';

/** Bounds beyond which the seeder rests: real users come first. */
export interface LoadBounds {
  /** Threads that run a statement, on the source. */
  threadsRunning?: number;
  /** Transactions that wait for a row lock, on the source. */
  lockWaits?: number;
  /** Seconds that a replica is behind: of `replicas`, and of the source when it is one. */
  replicaLagSec?: number;
}

/** What is over its bound, or undefined. A replica that has stopped counts as over. */
export async function overBound(source: Db, replicas: readonly Db[], bounds: LoadBounds): Promise<string | undefined> {
  const { threadsRunning, lockWaits, replicaLagSec } = bounds;
  if (threadsRunning !== undefined) {
    const found = await status(source, 'Threads_running');
    if (found > threadsRunning) return `${found} threads run, the bound is ${threadsRunning}`;
  }
  if (lockWaits !== undefined) {
    const found = await status(source, 'Innodb_row_lock_current_waits');
    if (found > lockWaits) return `${found} row locks are waited for, the bound is ${lockWaits}`;
  }
  if (replicaLagSec === undefined) return undefined;
  for (const db of [source, ...replicas]) {
    const [row] = await replicaStatus(db);
    if (row === undefined) continue;
    const lag = row.Seconds_Behind_Master ?? row.Seconds_Behind_Source;
    if (lag === null || lag === undefined) return 'a replica does not run';
    if (Number(lag) > replicaLagSec) return `a replica is ${String(lag)} s behind, the bound is ${replicaLagSec} s`;
  }
  return undefined;
}

async function status(db: Db, name: string): Promise<number> {
  const [row] = await db.query(`SHOW GLOBAL STATUS LIKE '${name}'`);
  return Number(row?.Value ?? 0);
}

async function replicaStatus(db: Db): Promise<Record<string, unknown>[]> {
  try {
    return await db.query('SHOW REPLICA STATUS');
  } catch {
    try {
      return await db.query('SHOW SLAVE STATUS');
    } catch (error) {
      throw new SeedError(
        'SEED_RIGHTS',
        `the lag of a replica cannot be read: ${(error as Error).message} (GRANT REPLICATION CLIENT)`,
      );
    }
  }
}
