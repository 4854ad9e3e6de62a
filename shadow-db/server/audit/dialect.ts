import type { KeyMark, ShadowRows, Suspect, TableMark } from './audit.js';

/** What the audit needs of one kind of server. `Key` is an index in whose order rows can be read in pieces, as the dialect has it. */
export interface AuditDialect<Key = unknown> {
  /** Schema of tables that are named without one. */
  readonly database: string;
  /** Which columns tell new rows, for people. */
  readonly growing: string;
  /** The server's clock: `utc` in ISO 8601; `since` so many seconds ago, as growing keys of kind timestamp are written. */
  clock(marginSec: number): Promise<{ utc: string; since: string }>;
  /** Real tables of every schema that the options name, without what is ours. */
  tables(): Promise<RealTable<Key>[]>;
  shadowRows(): Promise<ShadowRows[]>;
  /** `budgetMs`: no statement takes longer. */
  reads(budgetMs: number): AuditReads<Key>;
}

export interface RealTable<Key = unknown> {
  /** `schema.table` */
  name: string;
  /** Quoted, for FROM: rows of this table and no other. */
  from: string;
  tableClass: TableMark['tableClass'];
  /** Columns; empty without one. */
  primaryKey: string[];
  /** Columns whose values shadow rows have from `first` on. */
  reserved: { column: string; first: string }[];
  /** Real ids have reached a reserved range. */
  idsReached: boolean;
  growing: GrowingKey<Key> | undefined;
  /** Highest value that its growing key of kind auto-increment has given; null when there was none. */
  highest(): Promise<string | null>;
  /** What the counter of that key has reached: it only grows, unless somebody sets it back. */
  reached: string | null;
  /** See KeyMark. */
  counter?: string;
  /** A key that tells every row. */
  rowKey: Key | undefined;
  /** `condition`: what follows the column. */
  asksId(reason: 'reserved-id' | 'id-range', column: string, condition: string): Question;
  /** Whether any column holds this text of letters and digits; undefined where none could. */
  asksText(text: string): Question | undefined;
}

/** A key of one column whose values the server itself gives, and that only grow: what is added later lies above all that is there. */
export interface GrowingKey<Key = unknown> {
  by: KeyMark['by'];
  column: string;
  index: string;
  key: Key;
}

/** One thing to look for in a table. */
export interface Question {
  reason: Suspect['reason'];
  columns: string[];
  /** A condition with its values in it. */
  sql: string;
  /** Answers it without reading other rows. */
  index: string | undefined;
}

/** A value of each key column, as text. */
export type Position = readonly string[];

/** Rows between two positions of a key. */
export interface Range<Key> {
  key: Key;
  from: Position;
  /** `>`: without the row at `from`. */
  comparison: '>' | '>=';
  /** Included. */
  to: Position;
}

/** Reads of real tables, each by an index. Where `Throws WholeTableRead` is not said, the server may have no other way than to read more. */
export interface AuditReads<Key> {
  /** Rows of the whole table, by the question's own index. @throws WholeTableRead */
  byIndex(table: RealTable<Key>, question: Question): Promise<number>;
  /** Primary keys of up to five rows that answer a question, by its index or within a range. */
  samples(table: RealTable<Key>, question: Question, range?: Range<Key>): Promise<Suspect['samples']>;
  /** True when there are more rows than that; reads so many entries of the key at most. */
  hasMore(table: RealTable<Key>, key: Key, rows: number): Promise<boolean>;
  /** Lowest or highest position; null when the table is empty. @throws WholeTableRead */
  edge(table: RealTable<Key>, key: Key, direction: 'ASC' | 'DESC'): Promise<Position | null>;
  /** Position of the so-many-th row of the range; null when there are fewer before its end. Reads the key alone. */
  pieceEnd(table: RealTable<Key>, range: Range<Key>, rows: number): Promise<Position | null>;
  /** Rows of a range, and how many of them answer each question. @throws WholeTableRead where `check` is set */
  count(table: RealTable<Key>, questions: readonly Question[], range: Range<Key>, check: boolean): Promise<Counted>;
  /** The same of all rows, without a key. */
  countAll(table: RealTable<Key>, questions: readonly Question[]): Promise<Counted>;
}

export interface Counted {
  rows: number;
  /** By question. */
  found: number[];
}

/** Of a row with the columns n, q0, q1, …: rows, and how many of them answer each question. */
export function countedOf(questions: readonly Question[], [row]: Record<string, unknown>[]): Counted {
  return { rows: Number(row?.n ?? 0), found: questions.map((_, at) => Number(row?.[`q${at}`] ?? 0)) };
}

/** Of rows that hold primary keys. */
export function samplesOf(rows: readonly Record<string, unknown>[]): Suspect['samples'] {
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, String(value)])));
}

/** A statement would read a whole table though it was not asked for. */
export class WholeTableRead extends Error {}
