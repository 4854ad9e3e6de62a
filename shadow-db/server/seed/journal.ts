import type { Db } from '../db.js';
import { SeedError } from './errors.js';
import type { TableName } from './plan.js';
import type { SeedSql } from './sql.js';

/** The part of a copy's fingerprint that the configuration alone decides, without any key. */
export const ownLength = 24;

export function ownPart(fingerprint: string): string {
  return fingerprint.slice(0, ownLength);
}

export interface Entry {
  fingerprint: string;
  /** JSON; its form belongs to the kind of step. */
  position: string | null;
  rows: number;
  isDone: boolean;
}

/**
 * How far each step has come, kept on the shadow side. An entry is written in the transaction of the rows that it counts, so that
 * after a kill at any moment rows and entry agree.
 */
export class Journal {
  private readonly db: Db;
  private readonly sql: SeedSql;
  private readonly table: TableName;
  private entries = new Map<string, Entry>();

  private constructor(db: Db, sql: SeedSql, journal: TableName) {
    this.db = db;
    this.sql = sql;
    this.table = journal;
  }

  static async open(db: Db, sql: SeedSql, journal: TableName): Promise<Journal> {
    for (const text of sql.createJournal(journal)) await db.query(text);
    const opened = new Journal(db, sql, journal);
    await opened.load();
    return opened;
  }

  /** Also after a transaction that was rolled back. */
  async load(): Promise<void> {
    const rows = await this.db.query(this.sql.readJournal(this.table));
    this.entries = new Map(
      rows.map((row) => [
        String(row.step),
        {
          fingerprint: String(row.fingerprint),
          position: row.position === null ? null : String(row.position),
          rows: Number(row.n),
          isDone: Number(row.done) === 1,
        },
      ]),
    );
  }

  get(step: string): Entry | undefined {
    return this.entries.get(step);
  }

  steps(prefix: string): [string, Entry][] {
    return [...this.entries].filter(([step]) => step.startsWith(prefix));
  }

  async set(step: string, entry: Entry): Promise<void> {
    const { fingerprint, position, rows, isDone } = entry;
    await this.db.query(this.sql.setEntry(this.table), [step, fingerprint, position, rows, isDone ? 1 : 0]);
    this.entries.set(step, entry);
  }

  async remove(step: string): Promise<void> {
    await this.db.query(this.sql.removeEntry(this.table), [step]);
    this.entries.delete(step);
  }
}

const notOurs = 'the journal of the seed holds a position that the seeder did not write';

/** A position that is spliced into statements; it comes from a table that others may write to. */
export function literals(value: unknown, literalPattern: RegExp): string[] | undefined {
  if (value === null || value === undefined) return undefined;
  if (Array.isArray(value) && value.every((one) => typeof one === 'string' && literalPattern.test(one))) return value;
  throw new SeedError('SEED_CHANGED', notOurs);
}

/** The same for the number of a chosen key. */
export function seqOf(text: string): string {
  if (/^\d+$/.test(text)) return text;
  throw new SeedError('SEED_CHANGED', notOurs);
}
