import type { Db } from '../db.js';
import { lockSubject } from '../postgres/lock.js';
import { sqlState } from '../postgres/session.js';
import type { SeedSession } from './dialect.js';
import { SeedError, type SeedErrorCode } from './errors.js';

const codes: Record<string, SeedErrorCode> = {
  '42501': 'SEED_RIGHTS',
  '42P01': 'SEED_TABLE_GONE',
  '42703': 'SEED_TABLE_GONE',
  '3F000': 'SEED_TABLE_GONE',
  '23505': 'SEED_DUPLICATE',
  '22003': 'SEED_RANGE',
  '54000': 'SEED_PACKET',
  '55P03': 'SEED_LOCKED',
  '40P01': 'SEED_LOCKED',
  '40001': 'SEED_LOCKED',
  '57014': 'SEED_LOAD',
};
const transient = new Set(['55P03', '40P01', '40001']);
const lost = /^(?:ECONNRESET|EPIPE|ETIMEDOUT|ECONNREFUSED|08\w{3}|57P0[1-5]|25P03)$/;
const lostText = /connection (?:terminated|error|ended|was closed)|client was closed|not queryable/i;

/** A chunk that can be tried again as it is. */
export function isTransient(error: unknown): boolean {
  return transient.has(sqlState(error) ?? '');
}

/**
 * The message of a driver's error without values of rows, which must not get into logs. The error itself is not kept as a cause:
 * its detail holds a row.
 */
export function translated(error: unknown, about: string): Error {
  if (error instanceof SeedError) return error;
  const { message = '', constraint, column, table } = error as Record<string, string | undefined>;
  const state = sqlState(error);
  if (lost.test(state ?? '') || lostText.test(message)) {
    return new SeedError('SEED_CONNECTION', `${about}: the connection was lost (${state ?? message})`);
  }
  if (state === undefined || !/^[0-9A-Z]{5}$/.test(state)) return error as Error;
  const known = codes[state];
  const named = constraint ?? column ?? table;
  const isAboutNames = known === 'SEED_RIGHTS' || known === 'SEED_TABLE_GONE';
  const detail = isAboutNames ? `: ${message}` : named === undefined ? '' : ` at ${named}`;
  return new SeedError(known ?? 'SEED_VALUE', `${about}: the server says ${state}${detail}`);
}

/**
 * Text of values that any other session reads as the same values, in UTC; names with their schemas; row security tells what it would hide. Short waits
 * for locks, and statements that end. A scan in the order of the key reads a chunk only, where one of the whole table would be read for each.
 */
const settings: Record<string, string> = {
  search_path: '',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmloption: 'content',
  standard_conforming_strings: 'on',
  row_security: 'off',
  default_transaction_isolation: 'read committed',
  lock_timeout: '3000',
  statement_timeout: '120000',
  idle_in_transaction_session_timeout: '0',
  jit: 'off',
  enable_seqscan: 'off',
  'shadowline.run': '',
};

/** The server takes 1 GB, a text of this process half of that. */
const maxPacket = 256 * 1024 * 1024;

export class PostgresSession implements SeedSession {
  readonly db: Db;
  readonly maxPacket = maxPacket;
  readonly canInsertSelect = true;
  private readonly before: Record<string, unknown>;
  private readonly pid: string;

  private constructor(db: Db, before: Record<string, unknown>, pid: string) {
    this.db = db;
    this.before = before;
    this.pid = pid;
  }

  static async open(db: Db): Promise<PostgresSession> {
    const names = Object.keys(settings);
    const list = names.map((name, at) => `current_setting('${name}', true) AS s${at}`).join(', ');
    const [row] = await db.query(`SELECT ${list}, pg_backend_pid()::text AS pid`);
    const before = Object.fromEntries(names.map((name, at) => [name, row?.[`s${at}`]]));
    const session = new PostgresSession(db, before, String(row?.pid));
    // before anything is set: on a pool it could not be put back
    await session.checkSame();
    await set(db, settings);
    return session;
  }

  /** One after the other: a client of the usual driver takes one statement at a time. A pool may still give one connection three times. */
  async checkSame(): Promise<void> {
    for (let time = 0; time < 3; time += 1) await this.checkStill();
  }

  async checkStill(): Promise<void> {
    const [row] = await this.db.query('SELECT pg_backend_pid()::text AS pid');
    if (row?.pid !== this.pid) {
      throw new SeedError('SEED_POOL', 'statements of one seeder ran on several connections');
    }
  }

  async snapshot(): Promise<void> {
    await this.db.query('START TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    // the moment is that of the first statement
    await this.db.query('SELECT 1 AS x');
  }

  /** The lock of provisioning and cleaning as well, which this session may hold already: nobody would notice rows that were cleaned away meanwhile. */
  async lock(name: string, schema: string): Promise<boolean> {
    const taken: string[] = [];
    try {
      for (const one of [lockSubject(schema), name]) {
        await this.db.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [one]);
        taken.push(one);
      }
      return true;
    } catch (error) {
      for (const one of taken) await this.release(one);
      if (sqlState(error) === '55P03') return false;
      throw error;
    }
  }

  async unlock(name: string, schema: string): Promise<void> {
    for (const one of [name, lockSubject(schema)]) await this.release(one);
  }

  private async release(name: string): Promise<void> {
    await this.db.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [name]);
  }

  async close(): Promise<void> {
    await set(this.db, this.before);
  }
}

async function set(db: Db, values: Readonly<Record<string, unknown>>): Promise<void> {
  const names = Object.keys(values);
  const list = names.map((name, at) => `set_config('${name}', $${at + 1}, false)`).join(', ');
  await db.query(
    `SELECT ${list}`,
    names.map((name) => values[name] ?? ''),
  );
}
