import type { Db } from '../db.js';
import { realSide } from '../postgres/desired.js';
import { actualSequence } from '../postgres/drift.js';
import { beyond, growingKey, indexOn, type Key, orderOf, positionList, positionOf, rowKey } from '../postgres/key.js';
import { markedFirst } from '../postgres/mark.js';
import type { SequenceModel, TableModel } from '../postgres/model.js';
import type { ShadowDbOptions } from '../postgres/options.js';
import { full, literal, quote, sameTable, shown } from '../postgres/quote.js';
import { highestOf } from '../postgres/range.js';
import { bothSides, shadowRows } from '../postgres/scan.js';
import { fromJson, inSnapshot } from '../postgres/session.js';
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

/** Types of the server that hold no text of a payload, and lists of them. Types of users have any name: one that is not known is searched. */
const textless =
  /^(?:smallint|integer|bigint|numeric|real|double precision|boolean|date|time|timestamp|interval|uuid|oid|money|inet|cidr|macaddr8?|bit|bit varying|"char"|point|line|lseg|box|path|polygon|circle|pg_lsn|(?:int4|int8|num|ts|tstz|date)(?:multi)?range)(?:\([\d,-]+\))?(?: with(?:out)? time zone)?(?:\[\])*$/;

const plainText = /^(?:text|character(?: varying)?(?:\(\d+\))?|jsonb?|xml|name)$/;

export class PostgresAudit implements AuditDialect<Key> {
  readonly database: string;
  readonly growing = 'indexed serial, identity or timestamptz column';
  readonly #db: Db;
  readonly #options: ShadowDbOptions;

  constructor(db: Db, options: ShadowDbOptions) {
    this.database = options.database;
    this.#db = db;
    this.#options = options;
  }

  async clock(marginSec: number): Promise<{ utc: string; since: string }> {
    const [row] = await this.#db.query(
      `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS utc, to_char((now() - interval '${marginSec} s') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"') AS since`,
    );
    return { utc: String(row?.utc), since: String(row?.since) };
  }

  /** Partitions are read with their table, where that is in a schema that is looked at. */
  async tables(): Promise<RealTable<Key>[]> {
    const { names, model, wanted } = await bothSides(this.#db, this.#options);
    const real = realSide(model, names);
    return real.tables
      .filter(({ partitionOf: parent }) => parent === null || !real.tables.some((one) => sameTable(one, parent)))
      .map((table): RealTable<Key> => {
        const reserved = wanted.sequences.flatMap((sequence) => {
          const actual = actualSequence(sequence, model);
          const first = actual && markedFirst(actual);
          if (first === undefined) return [];
          return sequence.users
            .filter((user) => user.table === table && highestOf(user.column.type) !== undefined)
            .map(({ column }) => ({ column: column.name, first, isReached: reaches(sequence.real, first) }));
        });
        const growing = growingKey(table, real.sequences);
        return {
          name: shown(table),
          from: table.kind === 'r' ? `ONLY ${full(table)}` : full(table),
          tableClass: names.mapping.classOf(table.schema, table.table) ?? 'unclassed',
          primaryKey: table.constraints.find(({ kind }) => kind === 'p')?.columns ?? [],
          reserved,
          idsReached: reserved.some(({ isReached }) => isReached),
          growing,
          // ids that the sequence has given already may still come in, from transactions that go on; those of the run are above
          highest: async () => growing?.sequence?.last ?? null,
          reached: growing?.sequence?.last ?? null,
          ...(growing?.sequence && { counter: growing.sequence.storage }),
          rowKey: rowKey(table),
          asksId: (reason, column, condition) => ({
            reason,
            columns: [column],
            sql: `${quote(column)} ${condition}`,
            index: indexOn(table, column),
          }),
          asksText: (text) => asksText(table, text),
        };
      });
  }

  shadowRows(): Promise<ShadowRows[]> {
    return shadowRows(this.#db, this.#options);
  }

  reads(budgetMs: number): AuditReads<Key> {
    return new PostgresReads(this.#db, budgetMs);
  }
}

/** Shadow ids in a real table do not move its sequence; ids that it gave itself tell nothing any more. */
function reaches(sequence: SequenceModel, first: string): boolean {
  return sequence.last !== undefined && BigInt(sequence.last) >= BigInt(first);
}

function asksText(table: TableModel, text: string): Question | undefined {
  const columns = table.columns.filter(({ type }) => !textless.test(type));
  if (columns.length === 0) return undefined;
  // bytes within a domain, a list or a composite are printed as hexadecimal digits
  const hex = Buffer.from(text).toString('hex');
  const conditions = columns.map(({ name, type }) => {
    if (type === 'bytea') return `position(${literal(text)}::bytea IN ${quote(name)}) > 0`;
    const plain = `${quote(name)}::text COLLATE "C"`;
    const like = `${plain} LIKE ${literal(`%${text}%`)}`;
    return plainText.test(type) ? like : `${like} OR ${plain} LIKE ${literal(`%${hex}%`)}`;
  });
  return {
    reason: 'canary',
    columns: columns.map(({ name }) => name),
    sql: `(${conditions.join(' OR ')})`,
    index: undefined,
  };
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

/** In short read-only transactions; each kind of statement is shown to EXPLAIN before it is sent. */
class PostgresReads implements AuditReads<Key> {
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
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])));
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

function countedOf(questions: readonly Question[], [row]: Record<string, unknown>[]): Counted {
  return { rows: Number(row?.n ?? 0), found: questions.map((_, at) => Number(row?.[`q${at}`] ?? 0)) };
}
