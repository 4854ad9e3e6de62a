import { quoteName } from '../../names.js';
import {
  type AuditLimits,
  type AuditMark,
  type AuditSearch,
  auditOf,
  type Coverage,
  type DatabaseAudit,
  type NotSearchedReason,
  type Suspect,
  type TableMark,
  writesOf,
} from '../audit.js';
import type { Db } from '../db.js';
import { type GrowingKey, growingKey, type Position, rowKey } from './key.js';
import type { ShadowDbOptions } from './options.js';
import { type AuditIds, asksById, canaryIn, idsReached, type RealTable, realTables } from './questions.js';
import { shadowRows } from './rows.js';
import { type Question, Search, type Searched, suspectOf, type Walked, WholeTableRead } from './search.js';

export type BeginOptions = AuditIds & AuditLimits;
export type FinishOptions = AuditIds & AuditSearch;

/** A service's clock may differ from the server's; the canary is of this run alone, so that looking too far back finds nothing wrong. */
const CLOCK_MARGIN_S = 300;

/**
 * Remembers, before the first flagged request, where each real table ends and what looked like a shadow row already. Reads by indexes only, but
 * counts the rows of the shadow tables.
 */
export async function beginAudit(db: Db, options: ShadowDbOptions, ids: BeginOptions = {}): Promise<AuditMark> {
  const search = new Search(db, limitsOf(ids));
  const [clock] = await db.query(
    `SELECT CAST(UTC_TIMESTAMP(3) AS CHAR) AS utc, CAST(NOW(6) - INTERVAL ${CLOCK_MARGIN_S} SECOND AS CHAR) AS since`,
  );
  const tables: TableMark[] = [];
  for (const table of await realTables(db, options, ids)) {
    const growing = growingKey(table.model);
    const known: TableMark['known'] = [];
    for (const question of table.ids) {
      const count =
        question.index === undefined
          ? await knownRows(search, table, question, String(clock?.since))
          : await search.byIndex(table, question);
      if (count > 0) known.push({ reason: question.reason, columns: question.columns, count });
    }
    tables.push({
      table: table.name,
      tableClass: table.tableClass,
      idsReached: idsReached(table),
      key: await keyMark(db, table, growing, String(clock?.since)),
      known,
    });
  }
  return {
    version: 1,
    takenAt: `${String(clock?.utc).replace(' ', 'T')}Z`,
    tables,
    shadow: await shadowRows(db, options),
  };
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
  const search = new Search(db, limitsOf(asked));
  const suspects: Suspect[] = [];
  const coverage: Coverage = { rows: 0, searched: [], notSearched: [] };
  for (const table of await realTables(db, options, asked)) {
    const known = mark.tables.find((one) => one.table === table.name);
    const questions = [...asksById(table, known), ...canaryIn(table.model, asked.canary)];
    const missed = (reason: NotSearchedReason, detail: string) => {
      const sql = `SELECT * FROM ${table.from} WHERE ${questions.map(({ text }) => `(${text})`).join(' OR ')}`;
      coverage.notSearched.push({ table: table.name, tableClass: table.tableClass, reason, detail, sql });
    };
    const found: Suspect[] = [];
    if (known?.idsReached)
      missed('ids-reached', 'ids of real rows have reached the shadow range, so that ids tell nothing');
    try {
      for (const question of asksById(table, known)) {
        if (question.index === undefined) continue;
        const count = await search.byIndex(table, question);
        const samples = count > 0 ? await search.samples(table, question, question.index) : [];
        if (count > 0) found.push(suspectOf(table, question, count, samples));
      }
      const rest = questions.filter(({ index }) => index === undefined);
      const walked = await searchRows(search, table, known, rest, missed);
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
    const search = new Search(db, { maxRows: 20_000, budgetMs: 2_000, ...limitsOf(asked) });
    const suspects: Suspect[] = [];
    for (const table of tables) {
      const known = mark.tables.find((one) => one.table === table.name);
      const found: Suspect[] = [];
      for (const question of asksById(table, known)) {
        if (question.index === undefined) continue;
        const count = await search.byIndex(table, question);
        if (count > 0) found.push(suspectOf(table, question, count, []));
      }
      suspects.push(...withoutKnown(found, known));
      const growing = growingKey(table.model);
      const questions = canaryIn(table.model, asked.canary);
      if (growing === undefined || questions.length === 0) continue;
      const after = reached.get(table.name) ?? positionAfter(known, growing);
      const walked = await search.walk(table, growing.key, after, questions);
      if (walked.reached !== null) reached.set(table.name, walked.reached);
      for (const one of walked.suspects) {
        const count = one.count + (canaries.get(one.table)?.count ?? 0);
        canaries.set(one.table, { ...one, count });
      }
    }
    return [...suspects, ...canaries.values()];
  };
}

/** Shadow ids in a column without an index, among the rows that `finishAudit` will read though they were there before. */
async function knownRows(search: Search, table: Searched, question: Question, since: string): Promise<number> {
  const growing = growingKey(table.model);
  if (growing?.by === 'auto-increment') return 0;
  const key = rowKey(table.model);
  const { wholeTableRows, fullScan } = search.limits;
  const read = async () => {
    if (growing !== undefined) return search.walk(table, growing.key, [since], [question], { inclusive: true });
    if (key === undefined) return fullScan ? search.scan(table, [question]) : undefined;
    if (!fullScan && (await search.hasMore(table, key, wholeTableRows))) return undefined;
    return search.walk(table, key, null, [question]);
  };
  try {
    return (await read())?.suspects[0]?.count ?? 0;
  } catch (error) {
    // `finishAudit` will say that it cannot search here
    if (error instanceof WholeTableRead) return 0;
    throw error;
  }
}

async function keyMark(
  db: Db,
  { from }: Searched,
  growing: GrowingKey | undefined,
  since: string,
): Promise<TableMark['key']> {
  if (growing === undefined) return null;
  const name = growing.key.columns[0]?.name ?? '';
  const mark = { by: growing.by, column: name, index: growing.key.index };
  if (growing.by === 'timestamp') return { ...mark, after: since };
  const [row] = await db.query(`SELECT CAST(MAX(${quoteName(name)}) AS CHAR) AS highest FROM ${from}`);
  const highest = row?.highest ?? null;
  return { ...mark, after: highest === null ? null : String(highest) };
}

/** Null, so that all rows are read, for a table that was not there or had another key. */
function positionAfter(known: TableMark | undefined, { by, key }: GrowingKey): Position | null {
  const mark = known?.key;
  if (mark?.after == null || mark.by !== by || mark.column !== key.columns[0]?.name) return null;
  return [mark.after];
}

type Missed = (reason: NotSearchedReason, detail: string) => void;

/** Rows of a table that may hold an answer to the questions: new ones where they can be told, else all where they are few. */
async function searchRows(
  search: Search,
  table: RealTable,
  known: TableMark | undefined,
  questions: readonly Question[],
  missed: Missed,
): Promise<(Walked & { by: Coverage['searched'][0]['by'] }) | undefined> {
  const growing = growingKey(table.model);
  const key = rowKey(table.model);
  const { wholeTableRows, fullScan, rowsPerSec, maxRows, budgetMs } = search.limits;
  const pace = { ratePerSec: rowsPerSec };
  const ended = (walked: Walked) => {
    if (walked.stopped === 'row-limit')
      missed('row-limit', `only the first ${walked.rows} rows were read (limit ${maxRows})`);
    if (walked.stopped === 'budget')
      missed('budget', `the time was over after ${walked.rows} rows (${budgetMs} ms for the database)`);
    return walked;
  };
  if (questions.length === 0)
    return { rows: 0, suspects: [], reached: null, by: asksById(table, known).length > 0 ? 'ids' : 'none' };
  if (growing !== undefined) {
    const inclusive = growing.by === 'timestamp';
    const added = ended(await search.walk(table, growing.key, positionAfter(known, growing), questions, { inclusive }));
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
      `it has more than ${wholeTableRows} rows, and no indexed AUTO_INCREMENT or TIMESTAMP column tells the new ones`,
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

function limitsOf({
  chunkRows,
  maxRows,
  wholeTableRows,
  fullScan,
  rowsPerSec,
  budgetMs,
  signal,
}: AuditLimits): AuditLimits {
  const limits = { chunkRows, maxRows, wholeTableRows, fullScan, rowsPerSec, budgetMs, signal };
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}
