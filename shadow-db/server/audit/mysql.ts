import { quoteName } from '../../names.js';
import type { Db } from '../db.js';
import { beyond, growingKey, indexOn, type Key, orderOf, positionList, positionOf, rowKey } from '../mysql/key.js';
import type { TableModel } from '../mysql/model.js';
import type { ShadowDbOptions } from '../mysql/options.js';
import { isOurs, markedFirst, reachedId } from '../mysql/range.js';
import { innodbPlace } from '../mysql/referrers.js';
import { readSchemas, shadowRows, shadowTables } from '../mysql/rows.js';
import { readServer } from '../mysql/server.js';
import type { ShadowRows, Suspect } from './audit.js';
import {
  type AuditDialect,
  type AuditReads,
  type Counted,
  type Position,
  type Question,
  type Range,
  type RealTable,
  WholeTableRead,
} from './dialect.js';

const textTypes =
  /^(?:char|varchar|tinytext|text|mediumtext|longtext|json|binary|varbinary|tinyblob|blob|mediumblob|longblob)\b/i;

export class MysqlAudit implements AuditDialect<Key> {
  readonly database: string;
  readonly growing = 'indexed AUTO_INCREMENT or TIMESTAMP column';
  readonly #db: Db;
  readonly #options: ShadowDbOptions;

  constructor(db: Db, options: ShadowDbOptions) {
    this.database = options.database;
    this.#db = new UtcDb(db);
    this.#options = options;
  }

  async clock(marginSec: number): Promise<{ utc: string; since: string }> {
    const [row] = await this.#db.query(
      `SELECT CAST(UTC_TIMESTAMP(3) AS CHAR) AS utc, CAST(NOW(6) - INTERVAL ${marginSec} SECOND AS CHAR) AS since`,
    );
    return { utc: `${String(row?.utc).replace(' ', 'T')}Z`, since: String(row?.since) };
  }

  async tables(): Promise<RealTable<Key>[]> {
    const schemas = await readSchemas(this.#db, this.#options);
    const { names } = schemas;
    const { mapping } = names;
    const counters = await this.#counters();
    const twins = new Map(shadowTables(schemas).map((one) => [one.table, one.model]));
    return [...schemas.real].flatMap(([database, { tables }]) =>
      tables
        .filter((table) => !isOurs(table, database, names))
        .map((table): RealTable<Key> => {
          const name = `${database}.${table.name}`;
          const reserved = reservedIn(twins.get(name));
          const growing = growingKey(table);
          const from = `${quoteName(database)}.${quoteName(table.name)}`;
          return {
            name,
            from,
            tableClass: mapping.classOf(database, table.name) ?? 'unclassed',
            primaryKey: table.primaryKey,
            reserved,
            idsReached: reserved.some(({ first }) => reaches(table, first)),
            growing,
            highest: () => this.#highest(from, growing?.column ?? ''),
            reached: table.autoIncrement ? String(reachedId(table)) : null,
            ...(counters.has(name) && { counter: counters.get(name)! }),
            rowKey: rowKey(table),
            asksId: (reason, column, condition) => ({
              reason,
              columns: [column],
              sql: `${quoteName(column)} ${condition}`,
              index: indexOn(table, column),
            }),
            asksText: (text) => asksText(table, text),
          };
        }),
    );
  }

  async #highest(from: string, column: string): Promise<string | null> {
    const [row] = await this.#db.query(`SELECT CAST(MAX(${quoteName(column)}) AS CHAR) AS highest FROM ${from}`);
    const highest = row?.highest ?? null;
    return highest === null ? null : String(highest);
  }

  /** InnoDB's number of each table, by `schema.table`; empty without the right PROCESS. */
  async #counters(): Promise<Map<string, string>> {
    try {
      const rows = await this.#db.query(
        'SELECT NAME AS name, TABLE_ID AS id FROM information_schema.INNODB_SYS_TABLES',
      );
      return new Map(rows.map(({ name, id }) => [innodbPlace(name), String(id)]));
    } catch {
      // the height of the counter is what is left to go by
      return new Map();
    }
  }

  shadowRows(): Promise<ShadowRows[]> {
    return shadowRows(this.#db, this.#options);
  }

  reads(): AuditReads<Key> {
    return new MysqlReads(this.#db);
  }
}

/**
 * A TIMESTAMP travels as text, which each session reads by its own time zone, and of which one hour comes twice where summer time ends: so all of them
 * read it as UTC. MySQL cannot set a variable for one statement alone: there the sessions must have one time zone.
 */
class UtcDb implements Db {
  readonly #db: Db;
  #prefix: string | undefined;

  constructor(db: Db) {
    this.#db = db;
  }

  async query(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]> {
    this.#prefix ??=
      (await readServer(this.#db)).flavour === 'mariadb' ? "SET STATEMENT time_zone = '+00:00' FOR " : '';
    return this.#db.query(/^(?:SELECT|EXPLAIN)\b/.test(sql) ? this.#prefix + sql : sql, params);
  }
}

function reservedIn(shadow: TableModel | undefined): RealTable['reserved'] {
  const first = shadow && markedFirst(shadow);
  return shadow?.autoIncrement && first ? [{ column: shadow.autoIncrement.column, first }] : [];
}

/** A shadow id in a real table, once written, moves its AUTO_INCREMENT into the shadow range; what real users add from then on lies there too. */
function reaches({ autoIncrement: counter }: TableModel, first: string): boolean {
  if (counter === undefined) return false;
  return BigInt(counter.next) > BigInt(first) || BigInt(counter.highest) >= BigInt(first);
}

function asksText(table: TableModel, text: string): Question | undefined {
  const columns = table.columns.filter(({ type }) => textTypes.test(type)).map(({ name }) => name);
  if (columns.length === 0) return undefined;
  const sql = `(${columns.map((name) => `${quoteName(name)} LIKE '%${text}%'`).join(' OR ')})`;
  return { reason: 'canary', columns, sql, index: undefined };
}

/** Each kind of statement is shown to EXPLAIN before it is sent. */
class MysqlReads implements AuditReads<Key> {
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
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])));
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

function countedOf(questions: readonly Question[], [row]: Record<string, unknown>[]): Counted {
  return { rows: Number(row?.n ?? 0), found: questions.map((_, at) => Number(row?.[`q${at}`] ?? 0)) };
}
