import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditLimits, Suspect } from '../audit.js';
import type { Db } from '../db.js';
import { beyond, type Key, orderOf, type Position, positionList, positionOf } from './key.js';
import type { TableModel } from './model.js';
import { quote } from './quote.js';
import { fromJson, inSnapshot } from './session.js';

/** One thing to look for in a table. */
export interface Question {
  reason: Suspect['reason'];
  columns: string[];
  /** A condition with its values in it. */
  sql: string;
  /** An index answers it without reading other rows. */
  indexed: boolean;
}

/** A real table. */
export interface Searched {
  /** `schema.table` */
  name: string;
  /** Quoted; with ONLY where rows of other tables would be read along. */
  from: string;
  model: TableModel;
  /** Columns of the primary key. */
  primaryKey: string[];
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

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

/** Asks questions of real tables, always by an index, in short read-only transactions; each kind of statement is shown to EXPLAIN before it is sent. */
export class Search {
  readonly limits: Required<Omit<AuditLimits, 'signal'>>;
  readonly #db: Db;
  readonly #signal: AbortSignal | undefined;
  readonly #untilMs: number;

  constructor(db: Db, { signal, ...limits }: AuditLimits = {}) {
    const isLimit = ([name, value]: [string, unknown]): boolean => Object.hasOwn(defaults, name) && value !== undefined;
    const given = Object.fromEntries(Object.entries(limits).filter(isLimit));
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
    const sql = `SELECT count(*) AS n FROM ${table.from} WHERE ${question.sql}`;
    const [row] = await this.#ask(sql, [], { check: true });
    return Number(row?.n ?? 0);
  }

  /** Some of the rows that answer a question; with a range of a key when they were found there. */
  async samples(
    table: Searched,
    question: Question,
    range = 'true',
    params: string[] = [],
  ): Promise<Suspect['samples']> {
    if (table.primaryKey.length === 0) return [];
    const keys = table.primaryKey.map((name) => `${quote(name)}::text AS ${quote(name)}`).join(', ');
    const rows = await this.#ask(
      `SELECT ${keys} FROM ${table.from} WHERE ${range} AND ${question.sql} LIMIT 5`,
      params,
    );
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])));
  }

  /** True when there are more rows than that; reads so many entries of the key at most. */
  async hasMore({ from }: Searched, key: Key, rows: number): Promise<boolean> {
    const sql = `SELECT 1 AS one FROM ${from} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${rows}`;
    return (await this.#ask(sql, [])).length > 0;
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
    let from: { comparison: '>' | '>='; position: Position } = {
      comparison: after === null || inclusive ? '>=' : '>',
      position: first,
    };
    for (let checked = false; ; checked = true) {
      if (this.over) walked.stopped = 'budget';
      else if (walked.rows >= this.limits.maxRows) walked.stopped = 'row-limit';
      if (walked.stopped !== undefined) break;
      const startedMs = performance.now();
      const stop = await this.#pieceEnd(table, key, from, end);
      const params: string[] = [];
      const take = (value: string): string => `$${params.push(value)}`;
      const range = `${beyond(key, from.comparison, from.position, take)} AND ${beyond(key, '<=', stop ?? end, take)}`;
      const asked = questions.map(({ sql }, at) => `, count(*) FILTER (WHERE ${sql}) AS q${at}`).join('');
      const sql = `SELECT count(*) AS n${asked} FROM ${table.from} WHERE ${range}`;
      const [row] = await this.#ask(sql, params, { check: !checked });
      walked.rows += Number(row?.n ?? 0);
      for (const [at, question] of questions.entries()) {
        const count = Number(row?.[`q${at}`] ?? 0);
        if (count === 0) continue;
        const one = found.get(question) ?? suspectOf(table, question, 0, []);
        one.count += count;
        if (one.samples.length < 5)
          one.samples = [...one.samples, ...(await this.samples(table, question, range, params))].slice(0, 5);
        found.set(question, one);
      }
      walked.reached = stop ?? end;
      if (stop === null) break;
      from = { comparison: '>', position: stop };
      if (ratePerSec !== undefined) await this.#pause(startedMs, ratePerSec);
    }
    walked.suspects = [...found.values()];
    return walked;
  }

  /** Reads all rows of a table that has no key to read it by. Only when it was asked for. */
  async scan(table: Searched, questions: readonly Question[]): Promise<Walked> {
    const asked = questions.map(({ sql }, at) => `, count(*) FILTER (WHERE ${sql}) AS q${at}`).join('');
    const [row] = await this.#ask(`SELECT count(*) AS n${asked} FROM ${table.from}`, []);
    const suspects = questions.flatMap((question, at) => {
      const count = Number(row?.[`q${at}`] ?? 0);
      return count > 0 ? [suspectOf(table, question, count, [])] : [];
    });
    return { rows: Number(row?.n ?? 0), suspects, reached: null };
  }

  /** Lowest or highest position; null when the table is empty. */
  async #edge({ from }: Searched, key: Key, direction: 'ASC' | 'DESC'): Promise<Position | null> {
    const [row] = await this.#ask(
      `SELECT ${positionList(key)} FROM ${from} ORDER BY ${orderOf(key, direction)} LIMIT 1`,
      [],
    );
    return row === undefined ? null : positionOf(key, row);
  }

  /** Where a piece ends that has `chunkRows` rows; null when the rest is shorter. Reads the key alone. */
  async #pieceEnd(
    table: Searched,
    key: Key,
    from: { comparison: '>' | '>='; position: Position },
    end: Position,
  ): Promise<Position | null> {
    const params: string[] = [];
    const take = (value: string): string => `$${params.push(value)}`;
    const range = `${beyond(key, from.comparison, from.position, take)} AND ${beyond(key, '<', end, take)}`;
    const sql =
      `SELECT ${positionList(key)} FROM ${table.from} WHERE ${range} ` +
      `ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${this.limits.chunkRows - 1}`;
    const [row] = await this.#ask(sql, params);
    return row === undefined ? null : positionOf(key, row);
  }

  /**
   * One read. The planner may take the whole table only where it has no other way, which `check` refuses; rows that a policy would hide are an error and
   * not a silence.
   */
  #ask(sql: string, params: string[], { check = false } = {}): Promise<Record<string, unknown>[]> {
    return inSnapshot(this.#db, async () => {
      await this.#db.query('SET LOCAL enable_seqscan = off');
      await this.#db.query('SET LOCAL row_security = off');
      await this.#db.query(`SET LOCAL statement_timeout = ${Math.ceil(this.limits.budgetMs)}`);
      if (check) {
        const [row] = await this.#db.query(`EXPLAIN (FORMAT JSON) ${sql}`, params);
        const [explained] = fromJson<{ Plan: PlanNode }[]>(Object.values(row ?? {})[0]);
        if (explained) mustUseIndex(explained.Plan);
      }
      return this.#db.query(sql, params);
    });
  }

  async #pause(startedMs: number, ratePerSec: number): Promise<void> {
    const leftMs = (this.limits.chunkRows / ratePerSec) * 1000 - (performance.now() - startedMs);
    if (leftMs > 0) await sleep(leftMs, undefined, { signal: this.#signal }).catch(() => undefined);
  }
}

function mustUseIndex(node: PlanNode): void {
  const type = node['Node Type'];
  const isWhole =
    type === 'Seq Scan' || (/^(?:Index|Index Only|Bitmap Index) Scan$/.test(type) && node['Index Cond'] === undefined);
  if (isWhole)
    throw new WholeTableRead(
      `the server would read ${node['Relation Name'] ?? 'an index'} as a whole (EXPLAIN: ${type})`,
    );
  for (const child of node.Plans ?? []) mustUseIndex(child);
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
