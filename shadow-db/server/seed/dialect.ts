import type { Db } from '../db.js';
import type { SeedPlan, SeedTable } from './plan.js';
import type { SeedSql } from './sql.js';

/** What seeding needs of one kind of server: its SQL, its sessions, its errors. */
export interface SeedDialect {
  readonly sql: SeedSql;
  openSession(db: Db): Promise<SeedSession>;
  /** A chunk that can be tried again as it is. */
  isTransient(error: unknown): boolean;
  /** The message of a driver's error without values of rows, which must not get into logs. */
  translated(error: unknown, about: string): Error;
  /** Of a copy within the server: rows that it wrote. */
  insertSelected(db: Db, table: SeedTable, condition: string): Promise<number>;
  /** Takes off what must not happen, or would refuse rows, while shadow tables are filled; the result puts it back. */
  takeOff(db: Db, plan: SeedPlan): Promise<PutBack>;
  /** Before references are checked: what the server should know of the rows. */
  settle(db: Db, plan: SeedPlan): Promise<void>;
  /** Makes the next shadow id one that is in the reserved range and free. */
  keepRange(db: Db, table: SeedTable): Promise<void>;
  readonly load: LoadQuestions;
}

/** @param isWhole everything is filled: what was put back can be relied on */
export type PutBack = (isWhole: boolean) => Promise<void>;

/** One connection whose settings are the seeder's from `openSession` to `close`. */
export interface SeedSession {
  readonly db: Db;
  /** Longest statement, in bytes. */
  readonly maxPacket: number;
  /** INSERT … SELECT neither locks real rows nor is refused. */
  readonly canInsertSelect: boolean;
  /** Throws SeedError SEED_POOL: settings of a session are nothing on a pool, which sends each statement where it likes. */
  checkSame(): Promise<void>;
  /** The same at the end of each transaction, where `checkSame` cannot be sure. */
  checkStill?(): Promise<void>;
  /** From now on all reads are as of one moment. */
  snapshot(): Promise<void>;
  /** False: another seeder has it. A seeder that was killed keeps it until the server notices. @param schema where the shadow side is kept */
  lock(name: string, schema: string): Promise<boolean>;
  unlock(name: string, schema: string): Promise<void>;
  close(): Promise<void>;
}

export interface LoadQuestions {
  threadsRunning(db: Db): Promise<number>;
  lockWaits(db: Db): Promise<number>;
  /** In seconds; undefined: this is no replica; stopped: it does not go on. */
  replicaLagSec(db: Db): Promise<number | 'stopped' | undefined>;
}
