import { quoteName } from '../../names.js';
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
import { growingKey, indexOn, type Position, rowKey } from './key.js';
import type { TableModel } from './model.js';
import type { ShadowDbOptions } from './options.js';
import { isMarked, markedFirst } from './range.js';
import { readSchemas, shadowRows, shadowTables } from './rows.js';
import { type Question, Search, type Searched, suspectOf, type Walked, WholeTableRead } from './search.js';

export interface AuditIds {
  /** Further columns that hold identities; the reserved ids of shadow tables are known without. */
  idColumns?: readonly IdColumn[];
}

export type BeginOptions = AuditIds & AuditLimits;
export type FinishOptions = AuditIds & AuditSearch;

/** A service's clock may differ from the server's; the canary is of this run alone, so that looking too far back finds nothing wrong. */
const CLOCK_MARGIN_S = 300;
const textTypes =
  /^(?:char|varchar|tinytext|text|mediumtext|longtext|json|binary|varbinary|tinyblob|blob|mediumblob|longblob)\b/i;

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
      const after = reached.get(table.name) ?? positionAfter(known);
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

interface RealTable extends Searched {
  tableClass: TableMark['tableClass'];
  ids: Question[];
}

/** Base tables of every database that the options name, without what is ours; with the questions about their ids. */
async function realTables(db: Db, options: ShadowDbOptions, { idColumns = [] }: AuditIds): Promise<RealTable[]> {
  const schemas = await readSchemas(db, options);
  const { names } = schemas;
  const twins = new Map(shadowTables(schemas).map((one) => [one.table, one.model]));
  const tables: RealTable[] = [];
  for (const [database, real] of schemas.real) {
    for (const model of real.tables) {
      if (isMarked(model)) continue;
      const tableClass = names.mapping.classOf(database, model.name) ?? 'unclassed';
      const name = `${database}.${model.name}`;
      const ids: Question[] = [];
      const twin = twins.get(name);
      const first = twin && markedFirst(twin);
      if (twin?.autoIncrement && first) ids.push(reservedIds(model, twin.autoIncrement.column, first));
      for (const one of idColumns) {
        const whole = one.table.includes('.') ? one.table : `${options.database}.${one.table}`;
        if (whole === name) ids.push(idRange(model, one));
      }
      tables.push({ name, from: `${quoteName(database)}.${quoteName(model.name)}`, model, tableClass, ids });
    }
  }
  return tables;
}

/** A shadow id in a real table, once written, moves its AUTO_INCREMENT into the shadow range; what real users add from then on lies there too. */
function idsReached({ model, ids }: RealTable): boolean {
  const reserved = ids.find(({ reason }) => reason === 'reserved-id');
  const counter = model.autoIncrement;
  if (reserved === undefined || counter === undefined) return false;
  const first = BigInt(String(reserved.params[0]));
  return BigInt(counter.next) > first || BigInt(counter.highest) >= first;
}

function asksById({ ids }: RealTable, known: TableMark | undefined): Question[] {
  return known?.idsReached ? ids.filter(({ reason }) => reason !== 'reserved-id') : ids;
}

function reservedIds(table: TableModel, column: string, first: string): Question {
  const sql = `${quoteName(column)} >= `;
  return {
    reason: 'reserved-id',
    columns: [column],
    sql: `${sql}?`,
    params: [first],
    text: sql + first,
    index: indexOn(table, column),
  };
}

function idRange(table: TableModel, { column, from, to }: IdColumn): Question {
  for (const value of [from, to])
    if (!/^-?\d+$/.test(String(value)))
      throw new RangeError(`id column ${column}: ${JSON.stringify(value)} is no integer`);
  const sql = `${quoteName(column)} BETWEEN`;
  return {
    reason: 'id-range',
    columns: [column],
    sql: `${sql} ? AND ?`,
    params: [from, to],
    text: `${sql} ${from} AND ${to}`,
    index: indexOn(table, column),
  };
}

/** Nothing to ask without a canary. @throws RangeError for one that is not made of letters and digits */
function canaryIn(table: TableModel, canary: string): Question[] {
  if (canary === '') return [];
  if (!/^[A-Za-z0-9]{4,100}$/.test(canary))
    throw new RangeError(`canary ${JSON.stringify(canary)}: letters and digits only`);
  const columns = table.columns.filter(({ type }) => textTypes.test(type)).map(({ name }) => name);
  if (columns.length === 0) return [];
  const sql = (value: string) => `(${columns.map((name) => `${quoteName(name)} LIKE ${value}`).join(' OR ')})`;
  const params = columns.map(() => `%${canary}%`);
  return [{ reason: 'canary', columns, sql: sql('?'), params, text: sql(`'%${canary}%'`), index: undefined }];
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
  return (await read())?.suspects[0]?.count ?? 0;
}

async function keyMark(
  db: Db,
  { from }: Searched,
  growing: ReturnType<typeof growingKey>,
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

function positionAfter(known: TableMark | undefined): Position | null {
  const after = known?.key?.after ?? null;
  return after === null ? null : [after];
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
