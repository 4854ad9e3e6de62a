import { quoteName } from '../../names.js';
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

/** Each kind of statement is shown to EXPLAIN before it is sent. */
export class MysqlReads implements AuditReads<Key> {
  readonly #db: Db;

  constructor(db: Db) {
    this.#db = db;
  }

  async byIndex({ from }: RealTable<Key>, { sql: condition, index = '' }: Question): Promise<number> {
    const sql = `SELECT COUNT(*) AS n FROM ${from} ${by(index)} WHERE ${condition}`;
    await this.#mustUseIndex(sql, []);
    const [row] = await this.#db.query(sql);
    return Number(row?.n ?? 0);
  }

  async samples(
    { from, primaryKey }: RealTable<Key>,
    { sql: condition, index = '' }: Question,
    range?: Range<Key>,
  ): Promise<Suspect['samples']> {
    if (primaryKey.length === 0) return [];
    const keys = primaryKey.map((name) => `CAST(${quoteName(name)} AS CHAR) AS ${quoteName(name)}`).join(', ');
    const within = range === undefined ? { sql: 'TRUE', params: [] } : between(range);
    const rows = await this.#db.query(
      `SELECT ${keys} FROM ${from} ${by(range?.key.index ?? index)} WHERE ${within.sql} AND ${condition} LIMIT 5`,
      within.params,
    );
    return samplesOf(rows);
  }

  async hasMore({ from }: RealTable<Key>, key: Key, rows: number): Promise<boolean> {
    const sql = `SELECT 1 AS one FROM ${from} ${by(key.index)} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${rows}`;
    return (await this.#db.query(sql)).length > 0;
  }

  async edge({ from }: RealTable<Key>, key: Key, direction: 'ASC' | 'DESC'): Promise<Position | null> {
    const sql = `SELECT ${positionList(key)} FROM ${from} ${by(key.index)} ORDER BY ${orderOf(key, direction)} LIMIT 1`;
    // a key with a descending column is not in this order
    for (const { Extra } of await this.#db.query(`EXPLAIN ${sql}`)) {
      if (/filesort/i.test(String(Extra))) throw new WholeTableRead(`the server would sort all of ${from}`);
    }
    const [row] = await this.#db.query(sql);
    return row === undefined ? null : positionOf(key, row);
  }

  async pieceEnd({ from }: RealTable<Key>, range: Range<Key>, rows: number): Promise<Position | null> {
    const { key } = range;
    const { sql, params } = between(range, '<');
    const [row] = await this.#db.query(
      `SELECT ${positionList(key)} FROM ${from} ${by(key.index)} WHERE ${sql} ORDER BY ${orderOf(key)} LIMIT 1 OFFSET ${rows - 1}`,
      params,
    );
    return row === undefined ? null : positionOf(key, row);
  }

  async count(
    { from }: RealTable<Key>,
    questions: readonly Question[],
    range: Range<Key>,
    check: boolean,
  ): Promise<Counted> {
    const within = between(range);
    const sql = `${countList(questions)} FROM ${from} ${by(range.key.index)} WHERE ${within.sql}`;
    if (check) await this.#mustUseIndex(sql, within.params);
    return countedOf(questions, await this.#db.query(sql, within.params));
  }

  async countAll({ from }: RealTable<Key>, questions: readonly Question[]): Promise<Counted> {
    return countedOf(questions, await this.#db.query(`${countList(questions)} FROM ${from}`));
  }

  async #mustUseIndex(sql: string, params: unknown[]): Promise<void> {
    for (const row of await this.#db.query(`EXPLAIN ${sql}`, params)) {
      const type = String(row.type ?? '').toLowerCase();
      if (type === 'all' || type === 'index') {
        throw new WholeTableRead(`the server would read ${String(row.table)} as a whole (EXPLAIN: ${type})`);
      }
    }
  }
}

/** The server may not choose another way. */
function by(index: string): string {
  return `FORCE INDEX (${quoteName(index)})`;
}

function between({ key, from, comparison, to }: Range<Key>, end: '<' | '<=' = '<='): { sql: string; params: string[] } {
  const [above, below] = [beyond(key, comparison, from), beyond(key, end, to)];
  return { sql: `${above.sql} AND ${below.sql}`, params: [...above.params, ...below.params] };
}

function countList(questions: readonly Question[]): string {
  return `SELECT COUNT(*) AS n${questions.map(({ sql }, at) => `, COALESCE(SUM(${sql}), 0) AS q${at}`).join('')}`;
}
