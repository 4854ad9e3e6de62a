import {
  type AuditLimits,
  type AuditMark,
  type AuditSearch,
  auditOf,
  type Coverage,
  type DatabaseAudit,
  type IdColumn,
  type NotSearchedReason,
  type Suspect,
  type TableMark,
  writesOf,
} from '../audit.js';
import type { Db } from '../db.js';
import { realSide } from './desired.js';
import { actualSequence } from './drift.js';
import { growingKey, isIndexed, type Position, rowKey } from './key.js';
import { markedFirst } from './mark.js';
import type { SequenceModel, TableModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { full, literal, quote, shown } from './quote.js';
import { highestOf } from './range.js';
import { bothSides, shadowRows } from './scan.js';
import { type Question, Search, type Searched, suspectOf, type Walked, WholeTableRead } from './search.js';

export interface AuditIds {
  /** Further columns that hold identities; the reserved ids of shadow tables are known without. */
  idColumns?: readonly IdColumn[];
}

export type BeginOptions = AuditIds & AuditLimits;
export type FinishOptions = AuditIds & AuditSearch;

/** A service's clock may differ from the server's; the canary is of this run alone, so that looking too far back finds nothing wrong. */
const CLOCK_MARGIN_S = 300;
/** Types that hold no text of a payload. */
const textless =
  /^(?:smallint|integer|bigint|numeric|real|double precision|boolean|date|time|timestamp|interval|uuid|oid|money|inet|cidr|macaddr|bit|"char"|point|line|lseg|box|path|polygon|circle|pg_lsn|.*range)\b/;

/**
 * Remembers, before the first flagged request, where each real table ends and what looked like a shadow row already. Reads by indexes only, but
 * counts the rows of the shadow tables.
 */
export async function beginAudit(db: Db, options: ShadowDbOptions, ids: BeginOptions = {}): Promise<AuditMark> {
  const search = new Search(db, ids);
  const [clock] = await db.query(
    `SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS utc, (now() - interval '${CLOCK_MARGIN_S} s')::text AS since`,
  );
  const since = String(clock?.since);
  const tables: TableMark[] = [];
  for (const table of await realTables(db, options, ids)) {
    const known: TableMark['known'] = [];
    for (const question of table.ids) {
      const count = question.indexed
        ? await search.byIndex(table, question)
        : await knownRows(search, table, question, since);
      if (count > 0) known.push({ reason: question.reason, columns: question.columns, count });
    }
    tables.push({
      table: table.name,
      tableClass: table.tableClass,
      idsReached: table.idsReached,
      key: keyMark(table, since),
      known,
    });
  }
  return { version: 1, takenAt: String(clock?.utc), tables, shadow: await shadowRows(db, options) };
}

/**
 * Looks for rows of a run in the real tables, and counts its rows in the shadow tables. Real tables are read by ranges of their keys, in pieces: the rows
 * added since the mark, small tables whole, and id columns by their own index. What could not be searched so is said, and searched only with
 * `fullScan`. Not seen: updates of rows that were there before.
 */
export async function finishAudit(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<DatabaseAudit> {
  const search = new Search(db, asked);
  const suspects: Suspect[] = [];
  const coverage: Coverage = { rows: 0, searched: [], notSearched: [] };
  for (const table of await realTables(db, options, asked)) {
    const known = mark.tables.find((one) => one.table === table.name);
    const byId = asksById(table, known);
    const questions = [...byId, ...canaryIn(table.model, asked.canary)];
    const missed = (reason: NotSearchedReason, detail: string): void => {
      const sql = `SELECT * FROM ${table.from} WHERE ${questions.map((question) => `(${question.sql})`).join(' OR ') || 'false'}`;
      coverage.notSearched.push({ table: table.name, tableClass: table.tableClass, reason, detail, sql });
    };
    if (known?.idsReached)
      missed('ids-reached', 'ids of real rows have reached the shadow range, so that ids tell nothing');
    const found: Suspect[] = [];
    try {
      for (const question of byId.filter(({ indexed }) => indexed)) {
        const count = await search.byIndex(table, question);
        if (count > 0) found.push(suspectOf(table, question, count, await search.samples(table, question)));
      }
      const walked = await searchRows(
        search,
        table,
        known,
        questions.filter(({ indexed }) => !indexed),
        missed,
      );
      if (walked !== undefined) {
        found.push(...walked.suspects);
        coverage.rows += walked.rows;
        coverage.searched.push({ table: table.name, tableClass: table.tableClass, by: walked.by, rows: walked.rows });
      }
    } catch (error) {
      missed(error instanceof WholeTableRead ? 'no-index' : 'failed', (error as Error).message);
    }
    suspects.push(...withoutKnown(found, known));
  }
  const writes = (await shadowRows(db, options)).map((after) =>
    writesOf(
      mark.shadow.find(({ shadow }) => shadow === after.shadow),
      after,
      asked,
    ),
  );
  return auditOf(suspects, writes, coverage);
}

/**
 * For looks during a run: each finds what came since the last one, by key ranges alone. What commits later than a row above it is left to `finishAudit`, as is
 * every table without a growing key.
 */
export async function watchReal(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<() => Promise<Suspect[]>> {
  const tables = await realTables(db, options, asked);
  const reached = new Map<string, Position>();
  const canaries = new Map<string, Suspect>();
  return async () => {
    const search = new Search(db, { ...asked, maxRows: asked.maxRows ?? 20_000, budgetMs: asked.budgetMs ?? 2_000 });
    const suspects: Suspect[] = [];
    for (const table of tables) {
      const known = mark.tables.find((one) => one.table === table.name);
      const found: Suspect[] = [];
      for (const question of asksById(table, known).filter(({ indexed }) => indexed)) {
        const count = await search.byIndex(table, question);
        if (count > 0) found.push(suspectOf(table, question, count, []));
      }
      suspects.push(...withoutKnown(found, known));
      const questions = canaryIn(table.model, asked.canary);
      if (table.growing === undefined || questions.length === 0) continue;
      const after = reached.get(table.name) ?? positionAfter(known);
      const walked = await search.walk(table, table.growing.key, after, questions);
      if (walked.reached !== null) reached.set(table.name, walked.reached);
      for (const one of walked.suspects)
        canaries.set(one.table, { ...one, count: one.count + (canaries.get(one.table)?.count ?? 0) });
    }
    return [...suspects, ...canaries.values()];
  };
}

interface RealTable extends Searched {
  tableClass: TableMark['tableClass'];
  ids: Question[];
  growing: ReturnType<typeof growingKey>;
  /** The real sequence gives ids of the shadow range. */
  idsReached: boolean;
}

/** Tables of every schema that the options name, without what is ours; partitions are read with their table. */
async function realTables(db: Db, options: ShadowDbOptions, { idColumns = [] }: AuditIds): Promise<RealTable[]> {
  const { names, model, wanted } = await bothSides(db, options);
  const real = realSide(model, names);
  return real.tables
    .filter(({ partitionOf }) => partitionOf === null)
    .map((table): RealTable => {
      const name = shown(table);
      const ids: Question[] = [];
      let idsReached = false;
      for (const sequence of wanted.sequences) {
        const actual = actualSequence(sequence, model);
        const first = actual && markedFirst(actual);
        if (first === undefined) continue;
        for (const user of sequence.users.filter(
          (one) => one.table === table && highestOf(one.column.type) !== undefined,
        )) {
          ids.push(idQuestion(table, 'reserved-id', user.column.name, `>= ${first}`));
          idsReached ||= reaches(sequence.real, first);
        }
      }
      for (const { table: wantedTable, column, from, to } of idColumns) {
        const whole = wantedTable.includes('.') ? wantedTable : `${options.database}.${wantedTable}`;
        if (whole !== name) continue;
        for (const value of [from, to])
          if (!/^-?\d+$/.test(String(value)))
            throw new RangeError(`id column ${column}: ${JSON.stringify(value)} is no integer`);
        ids.push(idQuestion(table, 'id-range', column, `BETWEEN ${from} AND ${to}`));
      }
      const primaryKey = table.constraints.find(({ kind }) => kind === 'p')?.columns ?? [];
      const from = table.kind === 'r' ? `ONLY ${full(table)}` : full(table);
      const tableClass = names.mapping.classOf(table.schema, table.table) ?? 'unclassed';
      return {
        name,
        from,
        model: table,
        primaryKey,
        tableClass,
        ids,
        growing: growingKey(table, real.sequences),
        idsReached,
      };
    });
}

/** Shadow ids in a real table do not move its sequence; ids that it gave itself tell nothing any more. */
function reaches(sequence: SequenceModel, first: string): boolean {
  return sequence.last !== undefined && BigInt(sequence.last) >= BigInt(first);
}

function idQuestion(table: TableModel, reason: Question['reason'], column: string, condition: string): Question {
  return { reason, columns: [column], sql: `${quote(column)} ${condition}`, indexed: isIndexed(table, column) };
}

function asksById({ ids }: RealTable, known: TableMark | undefined): Question[] {
  return known?.idsReached ? ids.filter(({ reason }) => reason !== 'reserved-id') : ids;
}

/** Nothing to ask without a canary. @throws RangeError for one that is not made of letters and digits */
function canaryIn(table: TableModel, canary: string): Question[] {
  if (canary === '') return [];
  if (!/^[A-Za-z0-9]{4,100}$/.test(canary))
    throw new RangeError(`canary ${JSON.stringify(canary)}: letters and digits only`);
  const columns = table.columns.filter(({ type }) => !textless.test(type));
  if (columns.length === 0) return [];
  const conditions = columns.map(({ name, type }) =>
    type === 'bytea'
      ? `position(${literal(canary)}::bytea IN ${quote(name)}) > 0`
      : `${quote(name)}::text LIKE ${literal(`%${canary}%`)}`,
  );
  return [
    { reason: 'canary', columns: columns.map(({ name }) => name), sql: `(${conditions.join(' OR ')})`, indexed: false },
  ];
}

/** Shadow ids in a column without an index, among the rows that `finishAudit` will read though they were there before. */
async function knownRows(search: Search, table: RealTable, question: Question, since: string): Promise<number> {
  const { growing } = table;
  if (growing?.by === 'auto-increment') return 0;
  const key = rowKey(table.model);
  const { wholeTableRows, fullScan } = search.limits;
  const read = async (): Promise<Walked | undefined> => {
    if (growing !== undefined) return search.walk(table, growing.key, [since], [question], { inclusive: true });
    if (key === undefined) return fullScan ? search.scan(table, [question]) : undefined;
    if (!fullScan && (await search.hasMore(table, key, wholeTableRows))) return undefined;
    return search.walk(table, key, null, [question]);
  };
  return (await read())?.suspects[0]?.count ?? 0;
}

/** Ids that the sequence has given already may still come in, from transactions that go on; those of the run are above. */
function keyMark({ growing }: RealTable, since: string): TableMark['key'] {
  const column = growing?.key.columns[0]?.name;
  if (growing === undefined || column === undefined) return null;
  const last = growing.sequence === undefined ? since : (growing.sequence.last ?? null);
  return { by: growing.by, column, index: column, after: last };
}

function positionAfter(known: TableMark | undefined): Position | null {
  const after = known?.key?.after ?? null;
  return after === null ? null : [after];
}

/** Rows of a table that may hold an answer to the questions: new ones where they can be told, else all where they are few. */
async function searchRows(
  search: Search,
  table: RealTable,
  known: TableMark | undefined,
  questions: readonly Question[],
  missed: (reason: NotSearchedReason, detail: string) => void,
): Promise<(Walked & { by: Coverage['searched'][0]['by'] }) | undefined> {
  const { growing } = table;
  const key = rowKey(table.model);
  const { wholeTableRows, fullScan, rowsPerSec, maxRows, budgetMs } = search.limits;
  const pace = { ratePerSec: rowsPerSec };
  const ended = (walked: Walked): Walked => {
    if (walked.stopped === 'row-limit')
      missed('row-limit', `only the first ${walked.rows} rows were read (limit ${maxRows})`);
    if (walked.stopped === 'budget')
      missed('budget', `the time was over after ${walked.rows} rows (${budgetMs} ms for the database)`);
    return walked;
  };
  if (questions.length === 0) return { rows: 0, suspects: [], reached: null, by: 'ids' };
  if (growing !== undefined) {
    const inclusive = growing.by === 'timestamp';
    const added = ended(await search.walk(table, growing.key, positionAfter(known), questions, { inclusive }));
    if (!fullScan) return { ...added, by: growing.by };
    // ids of earlier leaks lie in older rows, the canary of this run only where this run wrote
    const canary = questions.filter(({ reason }) => reason === 'canary');
    const whole =
      key === undefined ? await search.scan(table, canary) : ended(await search.walk(table, key, null, canary, pace));
    const suspects = [...added.suspects.filter(({ reason }) => reason !== 'canary'), ...whole.suspects];
    return { ...whole, suspects, by: 'whole' };
  }
  if (key === undefined) {
    if (fullScan) return { ...(await search.scan(table, questions)), by: 'whole' };
    missed('no-key', 'it has no key by which it could be read in pieces');
    return undefined;
  }
  if (!fullScan && (await search.hasMore(table, key, wholeTableRows))) {
    missed(
      'no-growing-key',
      `it has more than ${wholeTableRows} rows, and no indexed serial, identity or timestamptz column tells the new ones`,
    );
    return undefined;
  }
  return { ...ended(await search.walk(table, key, null, questions, pace)), by: 'whole' };
}

/** What was there before is not found again; a row that is gone meanwhile cannot make others vanish. */
function withoutKnown(found: readonly Suspect[], known: TableMark | undefined): Suspect[] {
  return found.flatMap((one) => {
    const same = known?.known.find(
      ({ reason, columns }) => reason === one.reason && columns.join() === one.columns.join(),
    );
    const count = one.count - (same?.count ?? 0);
    return count > 0 ? [{ ...one, count }] : [];
  });
}
