import type { Db } from '../db.js';
import { literal } from '../postgres/quote.js';
import type { SeedDialect } from './dialect.js';
import { SeedError } from './errors.js';
import type { SeedPlan, SeedTable } from './plan.js';
import { postgresSql } from './postgres.js';
import { takeOffLinks } from './postgres-links.js';
import { isTransient, PostgresSession, translated } from './postgres-session.js';

export const postgresDialect: SeedDialect = {
  sql: postgresSql,
  openSession: (db) => PostgresSession.open(db),
  isTransient,
  translated,
  async insertSelected(db, table, condition) {
    const [row] = await db.query(postgresSql.countedInsertSelect(table, condition));
    return Number(row?.n ?? 0);
  },
  takeOff: takeOffLinks,
  settle,
  keepRange,
  load: {
    async threadsRunning(db) {
      const [row] = await db.query(
        "SELECT count(*)::text AS n FROM pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend'",
      );
      return Number(row?.n ?? 0);
    },
    async lockWaits(db) {
      const [row] = await db.query("SELECT count(*)::text AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
      return Number(row?.n ?? 0);
    },
    replicaLagSec,
  },
};

/** Statistics, which the shadow tables have none of yet: the check of references joins them. */
async function settle(db: Db, plan: SeedPlan): Promise<void> {
  await db.query('SET statement_timeout = 0');
  for (const { target } of plan.tables) await db.query(`ANALYZE ${postgresSql.named(target)}`);
}

/** Copied ids do not move a sequence. Where they are shifted into the reserved range, it goes on behind them, in its own steps. */
async function keepRange(db: Db, { key, target, ids, firstShadowId }: SeedTable): Promise<void> {
  if (ids === undefined || firstShadowId === undefined) return;
  const [row] = await db.query(
    `SELECT (SELECT max(${postgresSql.quote(ids.column)})::text FROM ${postgresSql.named(target)}) AS high, q.last_value::text AS last, q.is_called::text AS called,
       s.seqincrement::text AS step, s.seqmax::text AS most
     FROM ${postgresSql.named(ids.sequence)} q, pg_sequence s WHERE s.seqrelid = ${literal(postgresSql.named(ids.sequence))}::regclass`,
  );
  if (row?.high === null || row?.high === undefined) return;
  const [high, last, step, first] = [row.high, row.last, row.step, firstShadowId].map((one) => BigInt(String(one)));
  const next = row.called === 'true' ? last! + step! : last!;
  if (high! < next) return;
  const reached = first! + ((high! - first! + step! - 1n) / step!) * step!;
  if (reached > BigInt(String(row.most))) {
    throw new SeedError(
      'SEED_RANGE',
      `ids of ${key} reach ${high}, and its shadow sequence ends at ${String(row.most)}`,
    );
  }
  await db.query('SELECT setval($1::text::regclass, $2::text::bigint)', [
    postgresSql.named(ids.sequence),
    String(reached),
  ]);
}

/** A replica that has replayed all that it received is not behind, however long ago the last change was. */
async function replicaLagSec(db: Db): Promise<number | 'stopped' | undefined> {
  const [row] = await db.query(
    `SELECT pg_is_in_recovery()::text AS replica, CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() END::text AS paused,
       CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver) AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN '0'
         ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())::text END AS lag`,
  );
  if (row?.replica !== 'true') return undefined;
  if (row.paused === 'true' || row.lag === null) return 'stopped';
  return Number(row.lag);
}
