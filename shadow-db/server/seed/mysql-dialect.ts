import type { Db } from '../db.js';
import type { SeedDialect } from './dialect.js';
import { SeedError } from './errors.js';
import { mysqlSql } from './mysql.js';
import { isTransient, MysqlSession, translated } from './mysql-session.js';
import { putBackTriggers, takeOffTriggers } from './mysql-triggers.js';
import type { SeedTable } from './plan.js';
import { textOf } from './text.js';

/** MySQL and MariaDB. */
export const mysqlDialect: SeedDialect = {
  sql: mysqlSql,
  openSession: (db) => MysqlSession.open(db),
  isTransient,
  translated,
  async insertSelected(db, table, condition) {
    await db.query(mysqlSql.insertSelect(table, condition));
    const [row] = await db.query('SELECT ROW_COUNT() AS n');
    return Number(row?.n ?? 0);
  },
  // foreign keys stay: the session does not check them
  async takeOff(db, plan) {
    const triggers = await takeOffTriggers(db, plan);
    return () => putBackTriggers(db, triggers);
  },
  settle: async () => undefined,
  keepRange,
  load: {
    threadsRunning: (db) => status(db, 'Threads_running'),
    lockWaits: (db) => status(db, 'Innodb_row_lock_current_waits'),
    async replicaLagSec(db) {
      const [row] = await replicaStatus(db);
      if (row === undefined) return undefined;
      const lag = row.Seconds_Behind_Master ?? row.Seconds_Behind_Source;
      return lag === null || lag === undefined ? 'stopped' : Number(lag);
    },
  },
};

/** Explicit ids never lower AUTO_INCREMENT; looked at all the same, since a shadow id among real ones would not be known as one. */
async function keepRange(db: Db, { target, firstShadowId }: SeedTable): Promise<void> {
  if (firstShadowId === undefined) return;
  const [row] = await db.query(
    'SELECT CAST(AUTO_INCREMENT AS CHAR) AS next FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [target.schema, target.table],
  );
  if (row?.next === null || row?.next === undefined || BigInt(textOf(row.next)) >= BigInt(firstShadowId)) return;
  await db.query(`ALTER TABLE ${mysqlSql.named(target)} AUTO_INCREMENT = ${firstShadowId}`);
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
