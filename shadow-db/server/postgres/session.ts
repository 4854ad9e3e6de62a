import { type Db, ShadowDbError } from '../db.js';

/** Short waits: nobody else should wait in line behind a statement of ours that waits for a lock. */
const lockTimeoutMs = 3000;
const statementTimeoutMs = 120_000;

/**
 * Values are read as text, here and in the next transaction, perhaps of another session: it must say the same in all of them. In other styles a time loses
 * its zone to an abbreviation that means several, and a number its last digits.
 */
const steadyText = `SELECT ${Object.entries({
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
})
  .map(([name, value]) => `set_config('${name}', '${value}', true)`)
  .join(', ')}`;

/** Reads all in one snapshot; names outside of pg_catalog are printed with their schema. */
export async function inSnapshot<Result>(db: Db, work: () => Promise<Result>): Promise<Result> {
  await db.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    await db.query("SET LOCAL search_path = ''");
    await db.query(steadyText);
    await db.query('SET LOCAL jit = off');
    await db.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    const result = await work();
    await db.query('COMMIT');
    return result;
  } catch (error) {
    await db.query('ROLLBACK').catch(() => undefined);
    throw sqlState(error) === lockNotAvailable
      ? new ShadowDbError('REAL_BUSY', textOfError(error), { cause: error })
      : error;
  }
}

const lockNotAvailable = '55P03';

export function textOfError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * One transaction that writes; any error rolls all of it back. Throws ShadowDbError ONE_SESSION when the statements do not all reach
 * one session: a pool could carry out some of them outside of the transaction.
 */
export async function inTransaction<Result>(db: Db, work: () => Promise<Result>): Promise<Result> {
  await db.query('BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE');
  try {
    await db.query("SET LOCAL search_path = ''");
    await db.query(steadyText);
    await db.query('SET LOCAL jit = off');
    await db.query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
    await db.query(`SET LOCAL statement_timeout = ${statementTimeoutMs}`);
    const token = Math.random().toString(36).slice(2);
    await db.query("SELECT set_config('shadowline.transaction', $1, true)", [token]);
    await checkSession(db, token);
    const result = await work();
    await checkSession(db, token);
    await db.query('COMMIT');
    return result;
  } catch (error) {
    await db.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function checkSession(db: Db, token: string): Promise<void> {
  const [row] = await db.query("SELECT current_setting('shadowline.transaction', true) AS token");
  if (row?.token !== token)
    throw new ShadowDbError('ONE_SESSION', 'statements of one transaction reach several sessions');
}

export interface Server {
  /** As server_version_num: 150004. */
  version: number;
  database: string;
  user: string;
}

/** Facts that everything else needs. Throws ShadowDbError READ_ONLY when `mustWrite` and the server does not take writes. */
export async function readServer(db: Db, { mustWrite }: { mustWrite: boolean }): Promise<Server> {
  const [row] = await db.query(
    `SELECT current_setting('server_version_num') AS version, current_database()::text AS database, current_user::text AS who,
       pg_is_in_recovery()::text AS standby, current_setting('default_transaction_read_only') AS readonly`,
  );
  const server = { version: Number(row?.version), database: String(row?.database), user: String(row?.who) };
  if (server.version < 130_000) throw new ShadowDbError('SERVER', `this is version ${server.version}`);
  if (mustWrite && row?.standby === 'true')
    throw new ShadowDbError('READ_ONLY', 'the server is a standby (pg_is_in_recovery)');
  if (mustWrite && row?.readonly === 'on') {
    throw new ShadowDbError(
      'READ_ONLY',
      `default_transaction_read_only is on for ${server.user} in ${server.database} (ALTER ROLE or ALTER DATABASE … RESET default_transaction_read_only)`,
    );
  }
  return server;
}

/** A value of type json, which some drivers give parsed and some as text. */
export function fromJson<T>(value: unknown): T {
  return (typeof value === 'string' ? JSON.parse(value) : value) as T;
}

/** The SQLSTATE of a server's error. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
