import type { Db } from '../db.js';
import { lockName } from '../mysql/lock.js';
import type { SeedSession } from './dialect.js';
import { errnoOf, SeedError, type SeedErrorCode } from './errors.js';
import { textOf } from './text.js';

type Row = Record<string, unknown>;

const codes: Record<number, SeedErrorCode> = {
  1044: 'SEED_RIGHTS',
  1142: 'SEED_RIGHTS',
  1143: 'SEED_RIGHTS',
  1227: 'SEED_RIGHTS',
  1290: 'SEED_RIGHTS',
  1049: 'SEED_TABLE_GONE',
  1054: 'SEED_TABLE_GONE',
  1146: 'SEED_TABLE_GONE',
  1136: 'SEED_TABLE_GONE',
  1062: 'SEED_DUPLICATE',
  1264: 'SEED_RANGE',
  1690: 'SEED_RANGE',
  1153: 'SEED_PACKET',
  1301: 'SEED_PACKET',
  1205: 'SEED_LOCKED',
  1213: 'SEED_LOCKED',
};
const deadlock = 1213;
const lockWait = 1205;
const lost = new Set(['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNREFUSED']);
const lostNumbers = new Set([1053, 1317, 1927, 2006, 2013, 4031]);

/** A chunk that can be tried again as it is. */
export function isTransient(error: unknown): boolean {
  return errnoOf(error) === deadlock || errnoOf(error) === lockWait;
}

/**
 * The message of a driver's error without values of rows, which must not get into logs. The error itself is not kept as a cause:
 * drivers put the statement on it, and a statement of seeding holds rows.
 */
export function translated(error: unknown, about: string): Error {
  if (error instanceof SeedError) return error;
  const { code, message = '' } = error as { code?: string; message?: string };
  const errno = errnoOf(error);
  if (
    lost.has(code ?? '') ||
    (errno !== undefined && lostNumbers.has(errno)) ||
    /closed state|is closed/i.test(message)
  ) {
    return new SeedError('SEED_CONNECTION', `${about}: the connection was lost (${code ?? errno})`);
  }
  if (errno === undefined) return error as Error;
  const named = /(?:for key|for column|CONSTRAINT|for table) [`']?([\w$.`]+)[`']?/i
    .exec(message)?.[1]
    ?.replaceAll('`', '');
  const known = codes[errno];
  const detail =
    known === 'SEED_RIGHTS' || known === 'SEED_TABLE_GONE' ? `: ${message}` : named === undefined ? '' : ` at ${named}`;
  return new SeedError(known ?? 'SEED_VALUE', `${about}: the server says ${code ?? ''} (${errno})${detail}`);
}

const keptTexts = ['sql_mode', 'time_zone'];
const keptNumbers = ['foreign_key_checks', 'lock_wait_timeout', 'innodb_lock_wait_timeout'];
const kept = [...keptTexts, ...keptNumbers];

export class MysqlSession implements SeedSession {
  readonly db: Db;
  readonly maxPacket: number;
  readonly canInsertSelect: boolean;
  private readonly before: Row;
  private readonly isolation: string;

  private constructor(db: Db, before: Row, isolation: string) {
    this.db = db;
    this.isolation = isolation;
    this.before = before;
    this.maxPacket = Number(before.packet);
    this.canInsertSelect = !(Number(before.logs) === 1 && String(before.format).toUpperCase() === 'STATEMENT');
  }

  /** READ COMMITTED: reads take no lock, and INSERT … SELECT takes none on the rows that it reads. Strict, but what a real row holds may be held by its copy. */
  static async open(db: Db): Promise<MysqlSession> {
    const list = kept.map((name) => `@@SESSION.${name} AS ${name}`).join(', ');
    const [before] = await db.query(
      `SELECT ${list}, @@max_allowed_packet AS packet, @@log_bin AS logs, @@SESSION.binlog_format AS format, CONNECTION_ID() AS id`,
    );
    const session = new MysqlSession(db, before!, await isolationOf(db));
    const level = session.canInsertSelect ? 'READ COMMITTED' : 'REPEATABLE READ';
    await db.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${level}`);
    await db.query(
      "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, time_zone = '+00:00', " +
        'lock_wait_timeout = 10, innodb_lock_wait_timeout = 5, @shadowline_run = NULL',
    );
    return session;
  }

  async checkSame(): Promise<void> {
    const ids = await Promise.all([1, 2, 3].map(() => this.db.query('SELECT CONNECTION_ID() AS id')));
    if (ids.some(([row]) => String(row?.id) !== String(this.before.id))) {
      throw new SeedError('SEED_POOL', 'statements of one seeder ran on several connections');
    }
  }

  async snapshot(): Promise<void> {
    await this.db.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await this.db.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  }

  /** Also false while another connection provisions the schema: it may take a table away, which the journal would not know. */
  async lock(name: string, schema: string): Promise<boolean> {
    const [row] = await this.db.query('SELECT GET_LOCK(?, 3) AS ok', [name]);
    if (Number(row?.ok) !== 1) return false;
    const [other] = await this.db.query('SELECT IS_USED_LOCK(?) <> CONNECTION_ID() AS isOther', [lockName(schema)]);
    if (Number(other?.isOther ?? 0) !== 1) return true;
    await this.unlock(name);
    return false;
  }

  async unlock(name: string): Promise<void> {
    await this.db.query('SELECT RELEASE_LOCK(?)', [name]);
  }

  async close(): Promise<void> {
    const settings = kept.map((name) => `${name} = ?`).join(', ');
    // drivers may give numbers as text, which the server takes for none
    const values = kept.map((name) => (keptTexts.includes(name) ? this.before[name] : Number(this.before[name])));
    await this.db.query(`SET SESSION ${settings}`, values);
    await this.db.query(`SET SESSION TRANSACTION ISOLATION LEVEL ${this.isolation.replaceAll('-', ' ')}`);
  }
}

/** MariaDB up to 11.0 has the variable by its old name. */
async function isolationOf(db: Db): Promise<string> {
  const [row] = await db
    .query('SELECT @@SESSION.transaction_isolation AS level')
    .catch(() => db.query('SELECT @@SESSION.tx_isolation AS level'));
  return textOf(row?.level);
}
