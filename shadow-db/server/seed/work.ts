import type { Db } from '../db.js';
import type { SeedDialect, SeedSession } from './dialect.js';
import { dialects } from './dialects.js';
import { SeedError } from './errors.js';
import type { Journal } from './journal.js';
import { type LoadBounds, overBound } from './load.js';
import { type PaceOptions, restMs } from './pace.js';
import type { SeedPlan, SeedTable } from './plan.js';
import type { SeedSql } from './sql.js';

export interface SeedProgress {
  phase: 'choose' | 'copy' | 'check';
  /** As the configuration names it. */
  table: string;
  /** Chosen or copied so far, with what earlier seeders did. */
  rows: number;
  /** The server's estimate of the real table's rows. */
  ofAbout?: number;
}

export interface SeedOptions extends PaceOptions {
  /** Key of the tokens; the same as of recordings. Needed when columns are masked. Never sent to a server, never stored. */
  maskKey?: string;
  /** Another connection to read real rows from: a replica, or the same server. Default: the connection that writes. */
  source?: Db;
  /** Reads all real rows as of one moment. Needs `source`. A long snapshot holds back purging on its server: take a replica. */
  snapshot?: boolean;
  /** Rows per second at most, over all tables. */
  ratePerSec?: number;
  /** Rest after each chunk. */
  pauseMs?: number;
  bounds?: LoadBounds;
  /** Replicas to watch for `bounds.replicaLagSec`. */
  replicas?: readonly Db[];
  /** How long the seeder rests in one piece while a bound is passed, before it gives up. Default 60,000. */
  patienceMs?: number;
  /** What happens when rows of an earlier, different seed are there. restart: the seeded tables are emptied. Default refuse. */
  onChanged?: 'refuse' | 'restart';
  onProgress?: (progress: SeedProgress) => void;
  signal?: AbortSignal;
}

/** What the steps of one seeding share. */
export class Work {
  readonly plan: SeedPlan;
  readonly options: SeedOptions;
  readonly session: SeedSession;
  readonly dialect: SeedDialect;
  readonly sql: SeedSql;
  /** To be awaited before the first row of a shadow table is written or removed: nothing fires, and no key refuses. */
  readonly open: () => Promise<void>;
  readonly source: Db;
  readonly journal: Journal;
  private readonly startMs = performance.now();
  private moved = 0;
  private lookedMs = Number.NEGATIVE_INFINITY;

  constructor(plan: SeedPlan, options: SeedOptions, session: SeedSession, journal: Journal, open: () => Promise<void>) {
    this.dialect = dialects[plan.dialect];
    this.sql = this.dialect.sql;
    this.open = open;
    this.plan = plan;
    this.options = options;
    this.session = session;
    this.source = options.source ?? session.db;
    this.journal = journal;
  }

  get db(): Db {
    return this.session.db;
  }

  table(key: string): SeedTable {
    return this.plan.tables.find((table) => table.key === key)!;
  }

  /** Between two chunks: progress, rests, bounds, the signal. Throws SeedError SEED_ABORTED or SEED_LOAD. */
  async between(progress: SeedProgress, moved: number): Promise<void> {
    const { options } = this;
    this.moved += moved;
    options.onProgress?.(progress);
    await this.rest(restMs(this.moved, performance.now() - this.startMs, options.ratePerSec) + (options.pauseMs ?? 0));
    await this.waitForCalm();
  }

  /** All or nothing; tried again a few times when another transaction was in the way. */
  async transaction<Result>(
    about: string,
    work: () => Promise<Result>,
    onRetry: () => void = () => {},
  ): Promise<Result> {
    const { db, dialect } = this;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await db.query('START TRANSACTION');
        const result = await work();
        await this.session.checkStill?.();
        await db.query('COMMIT');
        return result;
      } catch (error) {
        await db.query('ROLLBACK').catch(() => undefined);
        if (!dialect.isTransient(error) || attempt === 6) throw dialect.translated(error, about);
        onRetry();
        await new Promise((resolve) => setTimeout(resolve, 50 * 2 ** attempt * (0.5 + Math.random())));
      }
    }
  }

  translated(error: unknown, about: string): Error {
    return this.dialect.translated(error, about);
  }

  checkSignal(): void {
    if (this.options.signal?.aborted) throw new SeedError('SEED_ABORTED', 'seeding was aborted');
  }

  private async waitForCalm(): Promise<void> {
    const { bounds, replicas = [], patienceMs = 60_000 } = this.options;
    if (bounds === undefined || performance.now() - this.lookedMs < 500) return;
    const sinceMs = performance.now();
    for (;;) {
      const over = await overBound(this.dialect.load, this.source, replicas, bounds);
      this.lookedMs = performance.now();
      if (over === undefined) return;
      if (this.lookedMs - sinceMs >= patienceMs) throw new SeedError('SEED_LOAD', `${over}, for ${patienceMs} ms`);
      await this.rest(Math.min(500, patienceMs));
    }
  }

  private async rest(ms: number): Promise<void> {
    this.checkSignal();
    if (ms < 1) return;
    const { signal } = this.options;
    await new Promise<void>((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end, { once: true });
    });
    this.checkSignal();
  }
}
