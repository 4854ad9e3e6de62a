import type { Db } from '../db.js';
import type { LoadQuestions } from './dialect.js';

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
export async function overBound(
  load: LoadQuestions,
  source: Db,
  replicas: readonly Db[],
  bounds: LoadBounds,
): Promise<string | undefined> {
  const { threadsRunning, lockWaits, replicaLagSec } = bounds;
  if (threadsRunning !== undefined) {
    const found = await load.threadsRunning(source);
    if (found > threadsRunning) return `${found} threads run, the bound is ${threadsRunning}`;
  }
  if (lockWaits !== undefined) {
    const found = await load.lockWaits(source);
    if (found > lockWaits) return `${found} row locks are waited for, the bound is ${lockWaits}`;
  }
  if (replicaLagSec === undefined) return undefined;
  for (const db of [source, ...replicas]) {
    const lag = await load.replicaLagSec(db);
    if (lag === undefined) continue;
    if (lag === 'stopped') return 'a replica does not run';
    if (lag > replicaLagSec) return `a replica is ${lag} s behind, the bound is ${replicaLagSec} s`;
  }
  return undefined;
}
