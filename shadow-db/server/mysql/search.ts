import { setTimeout as sleep } from 'node:timers/promises';
import { quoteName } from '../../names.js';
import type { AuditLimits, Suspect } from '../audit.js';
import type { Db } from '../db.js';
import { beyond, type Key, orderOf, type Position, positionList, positionOf } from './key.js';
import type { TableModel } from './model.js';

/** One thing to look for in a table. */
export interface Question {
  reason: Suspect['reason'];
  columns: string[];
  sql: string;
  params: unknown[];
  /** The same with its values in it, for people. */
  text: string;
  /** Answers it without reading other rows. */
  index: string | undefined;
}

/** A real table. */
export interface Searched {
  /** `schema.table` */
  name: string;
  /** Quoted. */
  from: string;
  model: TableModel;
}

export interface Walked {
  /** Rows read. */
  rows: number;
  suspects: Suspect[];
  /** Set when the end was not reached. */
  stopped?: 'row-limit' | 'budget';
  /** Up to here, included; null when nothing was there. */
  reached: Position | null;
}

/** A statement would read a whole table though it was not asked for. */
export class WholeTableRead extends Error {}

/** Asks questions of real tables, always by an index; each kind of statement is shown to EXPLAIN before it is sent. */
export class Search {
  readonly limits: Required<Omit<AuditLimits, 'signal'>>;
  readonly #db: Db;
  readonly #signal: AbortSignal | undefined;
  readonly #untilMs: number;

  constructor(db: Db, { signal, ...limits }: AuditLimits = {}) {
    const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
    this.limits = { ...defaults, ...given };
    for (const [name, value] of Object.entries(this.limits)) {
      if (typeof value === 'number' && !(value >= (name === 'wholeTableRows' ? 0 : 1)))
        throw new RangeError(`${name} is ${value}: it must be a positive number`);
    }
    this.#db = db;
    this.#signal = signal;
    this.#untilMs = performance.now() + this.limits.budgetMs;
  }

  get over(): boolean {
    return this.#signal?.aborted === true || performance.now() >= this.#untilMs;
  }

  /** Rows of the whole table, by the question's own index. @throws WholeTableRead */
  async byIndex(table: Searched, question: Question): Promise<number> {
    const sql = `SELECT COUNT(*) AS n FROM ${table.from} FORCE INDEX (${quoteName(question.index ?? '')}) WHERE ${question.sql}`;
    await this.#mustUseIndex(sql, question.params);
    const [row] = await this.#db.query(sql, question.params);
    return Number(row?.n ?? 0);
  }

  /** Some of the rows that answer a question; with a range of a key when they were found there. */
  async samples(
    { from, model }: Searched,
    question: Question,
    index: string,
    range: { sql: string; params: unknown[] } = { sql: 'TRUE', params: [] },
  ): Promise<Suspect['samples']> {
    if (model.primaryKey.length === 0) return [];
    const keys = model.primaryKey.map((name) => `CAST(${quoteName(name)} AS CHAR) AS ${quoteName(name)}`).join(', ');
    const sql = `SELECT ${keys} FROM ${from} FORCE INDEX (${quoteName(index)}) WHERE ${range.sql} AND ${question.sql} LIMIT 5`;
    const rows = await this.#db.query(sql, [...range.params, ...question.params]);
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])));
  }

  /** True when there are more rows than that; reads so many entries of the key at most. */
  async hasMore({ from }: Searched, key: Key, rows: number): Promise<boolean> {
    const sql = `SELECT 1 AS one FROM ${from} FORCE INDEX (${quoteName(key.index)}) ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${rows}`;
    return (await this.#db.query(sql)).length > 0;
  }

  /**
   * Reads the rows after a position (all of them with null) in the order of a key, piece by piece, up to the highest that is there now.
   * @throws WholeTableRead
   */
  async walk(
    table: Searched,
    key: Key,
    after: Position | null,
    questions: readonly Question[],
    { inclusive = false, ratePerSec }: { inclusive?: boolean; ratePerSec?: number } = {},
  ): Promise<Walked> {
    const walked: Walked = { rows: 0, suspects: [], reached: after };
    const found = new Map<Question, Suspect>();
    const end = await this.#edge(table, key, 'DESC');
    const first = after ?? (await this.#edge(table, key, 'ASC'));
    if (end === null || first === null) return walked;
    let from = beyond(key, after === null || inclusive ? '>=' : '>', first);
    for (let checked = false; ; checked = true) {
      if (this.over) walked.stopped = 'budget';
      else if (walked.rows >= this.limits.maxRows) walked.stopped = 'row-limit';
      if (walked.stopped !== undefined) break;
      const startedMs = performance.now();
      const stop = await this.#pieceEnd(table, key, from, end);
      const to = beyond(key, '<=', stop ?? end);
      const range = { sql: `${from.sql} AND ${to.sql}`, params: [...from.params, ...to.params] };
      const asked = questions.map(({ sql }, at) => `, COALESCE(SUM(${sql}), 0) AS q${at}`).join('');
      const sql = `SELECT COUNT(*) AS n${asked} FROM ${table.from} FORCE INDEX (${quoteName(key.index)}) WHERE ${range.sql}`;
      const params = [...questions.flatMap((question) => question.params), ...range.params];
      if (!checked) await this.#mustUseIndex(sql, params);
      const [row] = await this.#db.query(sql, params);
      walked.rows += Number(row?.n ?? 0);
      for (const [at, question] of questions.entries()) {
        const count = Number(row?.[`q${at}`] ?? 0);
        if (count === 0) continue;
        const one = found.get(question) ?? suspectOf(table, question, 0, []);
        one.count += count;
        if (one.samples.length < 5) {
          one.samples = [...one.samples, ...(await this.samples(table, question, key.index, range))].slice(0, 5);
        }
        found.set(question, one);
      }
      walked.reached = stop ?? end;
      if (stop === null) break;
      from = beyond(key, '>', stop);
      if (ratePerSec !== undefined) await this.#pause(startedMs, ratePerSec);
    }
    walked.suspects = [...found.values()];
    return walked;
  }

  /** Reads all rows of a table that has no key to read it by. Only when it was asked for. */
  async scan(table: Searched, questions: readonly Question[]): Promise<Walked> {
    const asked = questions.map(({ sql }, at) => `, COALESCE(SUM(${sql}), 0) AS q${at}`).join('');
    const params = questions.flatMap((question) => question.params);
    const [row] = await this.#db.query(`SELECT COUNT(*) AS n${asked} FROM ${table.from}`, params);
    const suspects = questions.flatMap((question, at) => {
      const count = Number(row?.[`q${at}`] ?? 0);
      return count > 0 ? [suspectOf(table, question, count, [])] : [];
    });
    return { rows: Number(row?.n ?? 0), suspects, reached: null };
  }

  /** Lowest or highest position; null when the table is empty. */
  async #edge({ from }: Searched, key: Key, direction: 'ASC' | 'DESC'): Promise<Position | null> {
    const sql = `SELECT ${positionList(key)} FROM ${from} FORCE INDEX (${quoteName(key.index)}) ORDER BY ${orderOf(key, direction)} LIMIT 1`;
    // a key with a descending column is not in this order
    for (const { Extra } of await this.#db.query(`EXPLAIN ${sql}`)) {
      if (/filesort/i.test(String(Extra))) throw new WholeTableRead(`the server would sort all of ${from}`);
    }
    const [row] = await this.#db.query(sql);
    return row === undefined ? null : positionOf(key, row);
  }

  /** Where a piece ends that has `chunkRows` rows; null when the rest is shorter. Reads the key alone. */
  async #pieceEnd(
    { from: table }: Searched,
    key: Key,
    from: { sql: string; params: string[] },
    end: Position,
  ): Promise<Position | null> {
    const to = beyond(key, '<', end);
    const sql =
      `SELECT ${positionList(key)} FROM ${table} FORCE INDEX (${quoteName(key.index)}) WHERE ${from.sql} AND ${to.sql} ` +
      `ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${this.limits.chunkRows - 1}`;
    const [row] = await this.#db.query(sql, [...from.params, ...to.params]);
    return row === undefined ? null : positionOf(key, row);
  }

  async #mustUseIndex(sql: string, params: unknown[]): Promise<void> {
    for (const row of await this.#db.query(`EXPLAIN ${sql}`, params)) {
      const type = String(row.type ?? '').toLowerCase();
      if (type === 'all' || type === 'index') {
        throw new WholeTableRead(`the server would read ${String(row.table)} as a whole (EXPLAIN: ${type})`);
      }
    }
  }

  async #pause(startedMs: number, ratePerSec: number): Promise<void> {
    const leftMs = (this.limits.chunkRows / ratePerSec) * 1000 - (performance.now() - startedMs);
    if (leftMs > 0) await sleep(leftMs, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

const defaults: Search['limits'] = {
  chunkRows: 1_000,
  maxRows: 1_000_000,
  wholeTableRows: 10_000,
  fullScan: false,
  rowsPerSec: 50_000,
  budgetMs: 60_000,
};

export function suspectOf(
  { name }: Searched,
  { reason, columns }: Question,
  count: number,
  samples: Suspect['samples'],
): Suspect {
  return { reason, table: name, columns, count, samples };
}
