import type { AuditMark, BeginOptions, DatabaseAudit, FinishOptions, ShadowRows, Suspect } from '../audit/audit.js';
import type { AuditDialect, AuditReads, Question, RealTable } from '../audit/dialect.js';
import { begin, finish, watch } from '../audit/run.js';
import type { Db } from '../db.js';
import { PostgresReads } from './audit-reads.js';
import { realSide } from './desired.js';
import { actualSequence } from './drift.js';
import { growingKey, indexOn, type Key, rowKey } from './key.js';
import { markedFirst } from './mark.js';
import type { SequenceModel, TableModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { full, literal, quote, sameTable, shown } from './quote.js';
import { highestOf } from './range.js';
import { bothSides, shadowRows } from './scan.js';

/** Types of the server that hold no text of a payload, and lists of them. Types of users have any name: one that is not known is searched. */
/** See `begin`. */
export function beginAudit(db: Db, options: ShadowDbOptions, asked: BeginOptions = {}): Promise<AuditMark> {
  return begin(new PostgresAudit(db, options), asked);
}

/** See `finish`. @throws RangeError for a canary, an id column or a limit that cannot be */
export function finishAudit(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<DatabaseAudit> {
  return finish(new PostgresAudit(db, options), mark, asked);
}

/** See `watch`. */
export function watchReal(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<() => Promise<Suspect[]>> {
  return watch(new PostgresAudit(db, options), mark, asked);
}

const textless =
  /^(?:smallint|integer|bigint|numeric|real|double precision|boolean|date|time|timestamp|interval|uuid|oid|money|inet|cidr|macaddr8?|bit|bit varying|"char"|point|line|lseg|box|path|polygon|circle|pg_lsn|(?:int4|int8|num|ts|tstz|date)(?:multi)?range)(?:\([\d,-]+\))?(?: with(?:out)? time zone)?(?:\[\])*$/;

const plainText = /^(?:text|character(?: varying)?(?:\(\d+\))?|jsonb?|xml|name)$/;

class PostgresAudit implements AuditDialect<Key> {
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
