import {
  type AuditMark,
  auditOf,
  type BeginOptions,
  type Coverage,
  type DatabaseAudit,
  type FinishOptions,
  type KeyMark,
  type NotSearchedReason,
  type SearchedTable,
  type Suspect,
  type TableMark,
  writesOf,
} from './audit.js';
import {
  type AuditDialect,
  type GrowingKey,
  type Position,
  type Question,
  type RealTable,
  WholeTableRead,
} from './dialect.js';
import { asksByCanary, asksById } from './questions.js';
import { Search, suspectOf, type Walked } from './search.js';

/** A service's clock may differ from the server's; the canary is of this run alone, so that looking too far back finds nothing wrong. */
const clockMarginSec = 300;

/**
 * Remembers, before the first flagged request, where each real table ends and what looked like a shadow row already. Reads by indexes only, but
 * counts the rows of the shadow tables.
 */
export async function begin<Key>(dialect: AuditDialect<Key>, asked: BeginOptions): Promise<AuditMark> {
  const search = new Search(dialect, asked);
  const { utc, since } = await dialect.clock(clockMarginSec);
  const tables: TableMark[] = [];
  for (const table of await dialect.tables()) {
    const known: TableMark['known'] = [];
    for (const question of asksById(table, dialect, asked)) {
      const count = await knownRows(search, table, question, since);
      if (count > 0) known.push({ reason: question.reason, columns: question.columns, count });
    }
    const { name, tableClass, idsReached } = table;
    tables.push({ table: name, tableClass, idsReached, key: await keyMark(table, since), known });
  }
  return { version: 1, takenAt: utc, tables, shadow: await dialect.shadowRows() };
}

/**
 * Looks for rows of a run in the real tables, and counts its rows in the shadow tables. Real tables are read by ranges of their keys, in pieces: the rows
 * added since the mark, small tables whole, and id columns by their own index. What could not be searched so is said, and searched only with
 * `fullScan`. Not seen: updates of rows that were there before.
 */
export async function finish<Key>(
  dialect: AuditDialect<Key>,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<DatabaseAudit> {
  const search = new Search(dialect, asked);
  const suspects: Suspect[] = [];
  const coverage: Coverage = { rows: 0, searched: [], notSearched: [] };
  for (const table of await dialect.tables()) {
    const { name, tableClass } = table;
    const known = mark.tables.find((one) => one.table === name);
    const byId = asksById(table, dialect, asked, known);
    const questions = [...byId, ...asksByCanary(table, asked.canary)];
    const missed = (reason: NotSearchedReason, detail: string): void => {
      const condition = questions.map(({ sql }) => `(${sql})`).join(' OR ') || 'FALSE';
      const sql = `SELECT * FROM ${table.from} WHERE ${condition}`;
      coverage.notSearched.push({ table: name, tableClass, reason, detail, sql });
    };
    if (known?.idsReached)
      missed('ids-reached', 'ids of real rows have reached the shadow range, so that ids tell nothing');
    const found: Suspect[] = [];
    try {
      for (const question of byId.filter(({ index }) => index !== undefined)) {
        const suspect = await search.suspectByIndex(table, question);
        if (suspect !== undefined) found.push(suspect);
      }
      const rest = questions.filter(({ index }) => index === undefined);
      const walked =
        rest.length > 0
          ? await searchRows(dialect, search, table, known, rest, missed)
          : ({ ...nothing, by: byId.length > 0 ? 'ids' : 'none' } as const);
      if (walked !== undefined) {
        found.push(...walked.suspects);
        coverage.rows += walked.rows;
        coverage.searched.push({ table: name, tableClass, by: walked.by, rows: walked.rows });
      }
    } catch (error) {
      missed(error instanceof WholeTableRead ? 'no-index' : 'failed', (error as Error).message);
    }
    suspects.push(...withoutKnown(found, known));
  }
  const before = new Map(mark.shadow.map((one) => [one.shadow, one]));
  const writes = (await dialect.shadowRows()).map((after) => writesOf(before.get(after.shadow), after, asked));
  return auditOf(suspects, writes, coverage);
}

/**
 * For looks during a run: each finds what came since the last one, by key ranges alone. What commits later than a row above it is left to `finish`, as is
 * every table without a growing key.
 */
export async function watch<Key>(
  dialect: AuditDialect<Key>,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<() => Promise<Suspect[]>> {
  const tables = await dialect.tables();
  const reached = new Map<string, Position>();
  const canaries = new Map<string, Suspect>();
  return async () => {
    const { maxRows = 20_000, budgetMs = 2_000 } = asked;
    const search = new Search(dialect, { ...asked, maxRows, budgetMs });
    const suspects: Suspect[] = [];
    for (const table of tables) {
      const { name, growing } = table;
      const known = mark.tables.find((one) => one.table === name);
      const found: Suspect[] = [];
      for (const question of asksById(table, dialect, asked, known).filter(({ index }) => index !== undefined)) {
        const count = await search.byIndex(table, question);
        if (count > 0) found.push(suspectOf(table, question, count, []));
      }
      suspects.push(...withoutKnown(found, known));
      const questions = asksByCanary(table, asked.canary);
      if (growing === undefined || questions.length === 0) continue;
      const after = reached.get(name) ?? positionAfter(table, known, growing);
      const walked = await search.walk(table, growing.key, after, questions);
      if (walked.reached !== null) reached.set(name, walked.reached);
      for (const one of walked.suspects)
        canaries.set(name, { ...one, count: one.count + (canaries.get(name)?.count ?? 0) });
    }
    return [...suspects, ...canaries.values()];
  };
}

const nothing: Walked = { rows: 0, suspects: [], reached: null };

/** Shadow ids that are there already among the rows that `finish` will read. */
async function knownRows<Key>(
  search: Search<Key>,
  table: RealTable<Key>,
  question: Question,
  since: string,
): Promise<number> {
  const { growing, rowKey } = table;
  const { wholeTableRows, fullScan } = search.limits;
  const read = async (): Promise<Walked | undefined> => {
    if (growing !== undefined) return search.walk(table, growing.key, [since], [question], { inclusive: true });
    if (rowKey === undefined) return fullScan ? search.scan(table, [question]) : undefined;
    if (!fullScan && (await search.hasMore(table, rowKey, wholeTableRows))) return undefined;
    return search.walk(table, rowKey, null, [question]);
  };
  try {
    if (question.index !== undefined) return await search.byIndex(table, question);
    // only rows above the mark will be read
    if (growing?.by === 'auto-increment') return 0;
    return (await read())?.suspects[0]?.count ?? 0;
  } catch (error) {
    // `finish` will say that it cannot search here
    if (error instanceof WholeTableRead) return 0;
    throw error;
  }
}

async function keyMark(table: RealTable, since: string): Promise<KeyMark | null> {
  const { growing } = table;
  if (growing === undefined) return null;
  const { by, column, index } = growing;
  if (by === 'timestamp') return { by, column, index, after: since };
  const { counter } = table;
  return { by, column, index, after: await table.highest(), ...(counter !== undefined && { counter }) };
}

/** Null, so that all rows are read, for a table that was not there, had another key, or whose counter has begun again (TRUNCATE, RESTART, a new table of the name). */
function positionAfter(
  { reached, counter }: RealTable,
  known: TableMark | undefined,
  { by, column }: GrowingKey,
): Position | null {
  const mark = known?.key;
  if (mark?.after == null || mark.by !== by || mark.column !== column) return null;
  if (by === 'timestamp') return [mark.after];
  const hasGrown = reached !== null && BigInt(reached) >= BigInt(mark.after) && counter === mark.counter;
  return hasGrown ? [mark.after] : null;
}

/** Rows of a table that may hold an answer to the questions: new ones where they can be told, else all where they are few. */
async function searchRows<Key>(
  dialect: AuditDialect<Key>,
  search: Search<Key>,
  table: RealTable<Key>,
  known: TableMark | undefined,
  questions: readonly Question[],
  missed: (reason: NotSearchedReason, detail: string) => void,
): Promise<(Walked & { by: SearchedTable['by'] }) | undefined> {
  const { growing, rowKey } = table;
  const { wholeTableRows, fullScan, rowsPerSec, maxRows, budgetMs } = search.limits;
  const pace = { ratePerSec: rowsPerSec };
  const ended = (walked: Walked): Walked => {
    if (walked.stopped === 'row-limit')
      missed('row-limit', `only the first ${walked.rows} rows were read (limit ${maxRows})`);
    if (walked.stopped === 'budget')
      missed('budget', `the time was over after ${walked.rows} rows (${budgetMs} ms for the database)`);
    return walked;
  };
  const whole = async (asked: readonly Question[]): Promise<Walked> =>
    rowKey === undefined ? search.scan(table, asked) : ended(await search.walk(table, rowKey, null, asked, pace));
  if (growing !== undefined) {
    const inclusive = growing.by === 'timestamp';
    const added = ended(
      await search.walk(table, growing.key, positionAfter(table, known, growing), questions, { inclusive }),
    );
    if (!fullScan) return { ...added, by: growing.by };
    // ids of earlier leaks lie in older rows, the canary of this run only where this run wrote
    const all = await whole(questions.filter(({ reason }) => reason === 'canary'));
    const suspects = [...added.suspects.filter(({ reason }) => reason !== 'canary'), ...all.suspects];
    return { ...all, suspects, by: 'whole' };
  }
  if (fullScan) return { ...(await whole(questions)), by: 'whole' };
  if (rowKey === undefined) {
    missed('no-key', 'it has no key by which it could be read in pieces');
    return undefined;
  }
  if (await search.hasMore(table, rowKey, wholeTableRows)) {
    missed('no-growing-key', `it has more than ${wholeTableRows} rows, and no ${dialect.growing} tells the new ones`);
    return undefined;
  }
  return { ...(await whole(questions)), by: 'whole' };
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
