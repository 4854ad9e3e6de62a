import type { Suspect } from '../audit/audit.js';
import {
  type AuditReads,
  type Counted,
  countedOf,
  type Position,
  type Question,
  type Range,
  type RealTable,
  samplesOf,
  WholeTableRead,
} from '../audit/dialect.js';
import type { Db } from '../db.js';
import { beyond, type Key, orderOf, positionList, positionOf } from './key.js';
import { quote } from './quote.js';
import { fromJson, inSnapshot } from './session.js';

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

/** In short read-only transactions; each kind of statement is shown to EXPLAIN before it is sent. */
export class PostgresReads implements AuditReads<Key> {
  readonly #db: Db;
  readonly #budgetMs: number;

  constructor(db: Db, budgetMs: number) {
    this.#db = db;
    this.#budgetMs = budgetMs;
  }

  async byIndex({ from }: RealTable<Key>, { sql: condition }: Question): Promise<number> {
    const [row] = await this.#ask(`SELECT count(*) AS n FROM ${from} WHERE ${condition}`, [], true);
    return Number(row?.n ?? 0);
  }

  async samples(
    { from, primaryKey }: RealTable<Key>,
    { sql: condition }: Question,
    range?: Range<Key>,
  ): Promise<Suspect['samples']> {
    if (primaryKey.length === 0) return [];
    const keys = primaryKey.map((name) => `${quote(name)}::text AS ${quote(name)}`).join(', ');
    const within = range === undefined ? { sql: 'true', params: [] } : between(range);
    const sql = `SELECT ${keys} FROM ${from} WHERE ${within.sql} AND ${condition} LIMIT 5`;
    const rows = await this.#ask(sql, within.params);
    return samplesOf(rows);
  }

  async hasMore({ from }: RealTable<Key>, key: Key, rows: number): Promise<boolean> {
    const sql = `SELECT 1 AS one FROM ${from} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${rows}`;
    return (await this.#ask(sql)).length > 0;
  }

  async edge({ from }: RealTable<Key>, key: Key, direction: 'ASC' | 'DESC'): Promise<Position | null> {
    const sql = `SELECT ${positionList(key)} FROM ${from} ORDER BY ${orderOf(key, direction)} LIMIT 1`;
    const [row] = await this.#ask(sql);
    return row === undefined ? null : positionOf(key, row);
  }

  async pieceEnd({ from }: RealTable<Key>, range: Range<Key>, rows: number): Promise<Position | null> {
    const { key } = range;
    const within = between(range, '<');
    const [row] = await this.#ask(
      `SELECT ${positionList(key)} FROM ${from} WHERE ${within.sql} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${rows - 1}`,
      within.params,
    );
    return row === undefined ? null : positionOf(key, row);
  }

  async count(
    { from }: RealTable<Key>,
    questions: readonly Question[],
    range: Range<Key>,
    check: boolean,
  ): Promise<Counted> {
    const { sql, params } = between(range);
    return countedOf(questions, await this.#ask(`${countList(questions)} FROM ${from} WHERE ${sql}`, params, check));
  }

  async countAll({ from }: RealTable<Key>, questions: readonly Question[]): Promise<Counted> {
    return countedOf(questions, await this.#ask(`${countList(questions)} FROM ${from}`));
  }

  /**
   * One read. The planner may take the whole table only where it has no other way, which `check` refuses; rows that a policy would hide are an error and
   * not a silence.
   */
  #ask(sql: string, params: string[] = [], check = false): Promise<Record<string, unknown>[]> {
    return inSnapshot(this.#db, async () => {
      await this.#db.query('SET LOCAL enable_seqscan = off');
      await this.#db.query('SET LOCAL row_security = off');
      await this.#db.query(`SET LOCAL statement_timeout = ${Math.ceil(this.#budgetMs)}`);
      if (check) {
        const [row] = await this.#db.query(`EXPLAIN (FORMAT JSON) ${sql}`, params);
        const [explained] = fromJson<{ Plan: PlanNode }[]>(Object.values(row ?? {})[0]);
        if (explained) mustUseIndex(explained.Plan);
      }
      return this.#db.query(sql, params);
    });
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

function between({ key, from, comparison, to }: Range<Key>, end: '<' | '<=' = '<='): { sql: string; params: string[] } {
  const params: string[] = [];
  const take = (value: string): string => `$${params.push(value)}`;
  const sql = `${beyond(key, comparison, from, take)} AND ${beyond(key, end, to, take)}`;
  return { sql, params };
}

function countList(questions: readonly Question[]): string {
  return `SELECT count(*) AS n${questions.map(({ sql }, at) => `, count(*) FILTER (WHERE ${sql}) AS q${at}`).join('')}`;
}
