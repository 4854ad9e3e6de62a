import type { Edge } from './graph.js';
import { literals, seqOf } from './journal.js';
import { Pace } from './pace.js';
import type { SeedTable } from './plan.js';
import { hashLimit } from './spec.js';
import { textOf } from './text.js';
import type { Work } from './work.js';

type Row = Record<string, unknown>;

/** Keys of one list in a statement: fewer than at which MariaDB turns a list into a subquery. */
const mostKeys = 900;
/** Rows that one statement finds. */
const pageRows = 5000;

/**
 * Chooses the rows of narrowed tables, by key: roots by their condition and sample, then children of chosen rows until there are no more, then
 * the parents of all of these. Only reads the real tables, by range or by index.
 */
export async function chooseRows(work: Work): Promise<void> {
  const { plan, db, sql } = work;
  const narrowed = plan.tables.filter(({ chosen }) => chosen !== undefined);
  for (const table of narrowed) {
    for (const text of sql.createChosen(table)) await db.query(text);
  }
  for (const table of narrowed.filter(({ role }) => role === 'root')) await chooseRoots(work, table);
  await untilNone(work, 'down', plan.down);
  await untilNone(work, 'up', plan.up);
}

async function untilNone(work: Work, direction: 'down' | 'up', edges: readonly Edge[]): Promise<void> {
  const step = `${direction} all`;
  // parents that were chosen on the way up choose no children: the way down is not gone again
  if (work.journal.get(step)?.isDone) return;
  for (let went = edges.length > 0; went; ) {
    went = false;
    for (const edge of edges) went = (await chooseAlong(work, edge, direction)) || went;
  }
  await work.journal.set(step, { fingerprint: work.plan.choiceFingerprint, position: null, rows: 0, isDone: true });
}

interface RootPosition {
  after?: string[] | undefined;
  threshold?: number | undefined;
}

async function chooseRoots(work: Work, table: SeedTable): Promise<void> {
  const { journal, plan, source, sql } = work;
  const step = `choose ${table.key}`;
  const fingerprint = plan.choiceFingerprint;
  const known = journal.get(step);
  if (known?.isDone) return;
  const stored = JSON.parse(known?.position ?? '{}') as RootPosition;
  let after = literals(stored.after, sql.literalPattern);
  let threshold = stored.threshold ?? firstThreshold(table);
  let rows = known?.rows ?? 0;
  const pace = new Pace(work.options, 2000);
  for (;;) {
    const startMs = performance.now();
    const end = await source.query(sql.chunkEnd(table.real, table, after, pace.rows));
    const upto = end[0] && keyOf(table, end[0], 'k');
    const found = await source.query(sql.chooseRoots(table, after, upto, threshold));
    await work.transaction(`choosing rows of ${table.key}`, async () => {
      await keep(work, table, found);
      await journal.set(step, {
        fingerprint,
        position: JSON.stringify({ after: upto, threshold }),
        rows: rows + found.length,
        isDone: false,
      });
    });
    rows += found.length;
    pace.done(pace.rows, performance.now() - startMs);
    await work.between({ phase: 'choose', table: table.key, rows, ...about(table) }, 0);
    after = upto;
    if (upto !== undefined) continue;
    if (threshold === undefined || table.sample?.kind !== 'count') break;
    const chosen = await countChosen(work, table);
    if (chosen >= table.sample.rows || threshold >= hashLimit) {
      await dropSurplus(work, table, chosen - table.sample.rows);
      break;
    }
    // the estimate was too high: from the start, with more; what is chosen stays
    threshold = Math.min(hashLimit, threshold * 4);
  }
  await journal.set(step, { fingerprint, position: null, rows: await countChosen(work, table), isDone: true });
}

/** Somewhat more than wanted; what is too much goes again. */
function firstThreshold({ sample, estimatedRows }: SeedTable): number | undefined {
  if (sample?.kind !== 'count') return undefined;
  if (estimatedRows === undefined || estimatedRows === 0) return hashLimit;
  return Math.min(hashLimit, Math.ceil((hashLimit * (sample.rows * 1.3 + 50)) / estimatedRows));
}

async function countChosen(work: Work, table: SeedTable): Promise<number> {
  const [row] = await work.db.query(`SELECT COUNT(*) AS n FROM ${work.sql.named(table.chosen!)}`);
  return Number(row?.n ?? 0);
}

async function dropSurplus(work: Work, table: SeedTable, surplus: number): Promise<void> {
  for (let left = surplus; left > 0; left -= 5000) {
    await work.transaction(`choosing rows of ${table.key}`, () =>
      work.db.query(work.sql.dropSurplus(table, Math.min(left, 5000))),
    );
    work.checkSignal();
  }
}

interface EdgePosition {
  /** All chosen keys up to here have been followed. */
  seq: string;
  /** The batch under way, and how far its page has come. */
  until?: string | undefined;
  after?: string[] | undefined;
}

/** Follows what was chosen since the last time. Returns whether there was any. */
async function chooseAlong(work: Work, edge: Edge, direction: 'down' | 'up'): Promise<boolean> {
  const { journal, plan, source, db, sql } = work;
  const [child, parent] = [work.table(edge.child), work.table(edge.parent)];
  const [from, to] = direction === 'down' ? [parent, child] : [child, parent];
  const step = `${direction} ${edge.child}.${edge.name}`;
  let position = JSON.parse(journal.get(step)?.position ?? '{"seq":"0"}') as EdgePosition;
  let went = false;
  let size = mostKeys;
  for (;;) {
    const batch = await db.query(
      sql.nextChosen(from, seqOf(position.seq), position.until && seqOf(position.until), size),
    );
    if (batch.length === 0) return went;
    went = true;
    const until = textOf(batch.at(-1)!.s);
    const keys = batch.map((row) => keyOf(from, row, 'l'));
    const after = literals(position.after, sql.literalPattern);
    const found = await source.query(
      direction === 'down'
        ? sql.chooseChildren(edge, child, parent, keys, after, pageRows)
        : sql.chooseParents(edge, child, parent, keys),
    );
    const isPaged = direction === 'down' && found.length === pageRows;
    if (isPaged && batch.length > 1) {
      // pages of several parents would each be sorted anew; those of one parent come from its index in order
      size = Math.max(1, Math.floor(batch.length / 4));
      continue;
    }
    if (found.length < pageRows / 4) size = Math.min(mostKeys, size * 2);
    const next: EdgePosition = isPaged ? { ...position, until, after: keyOf(to, found.at(-1)!, 'k') } : { seq: until };
    await work.transaction(`choosing rows of ${to.key}`, async () => {
      await keep(work, to, found);
      await journal.set(step, {
        fingerprint: plan.choiceFingerprint,
        position: JSON.stringify(next),
        rows: 0,
        isDone: false,
      });
    });
    position = next;
    await work.between({ phase: 'choose', table: to.key, rows: found.length, ...about(to) }, 0);
  }
}

async function keep({ db, sql }: Work, table: SeedTable, found: readonly Row[]): Promise<void> {
  for (let at = 0; at < found.length; at += 1000) {
    const keys = found
      .slice(at, at + 1000)
      .map((row) => [row.h === undefined ? 'NULL' : textOf(row.h), ...keyOf(table, row, 'k')]);
    await db.query(sql.insertChosen(table, keys));
  }
}

export function keyOf(table: SeedTable, row: Row, prefix: 'k' | 'l'): string[] {
  return table.keyColumns.map((_, at) => textOf(row[`${prefix}${at}`]));
}

export function about({ estimatedRows }: SeedTable): { ofAbout?: number } {
  return estimatedRows === undefined ? {} : { ofAbout: estimatedRows };
}
