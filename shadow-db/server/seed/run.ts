import { createHash, createHmac } from 'node:crypto';
import type { Db } from '../db.js';
import { type ClosureFinding, checkClosure } from './check.js';
import { chooseRows } from './choose.js';
import { copyTable } from './copy.js';
import type { PutBack, SeedDialect, SeedSession } from './dialect.js';
import { dialects } from './dialects.js';
import { SeedError } from './errors.js';
import { Journal, ownLength, ownPart } from './journal.js';
import type { SeedPlan, SeedTable } from './plan.js';
import { type SeedOptions, Work } from './work.js';

export interface SeedReport {
  tables: {
    table: string;
    /** Copied by this and earlier seeders, before the check of references. */
    rows: number;
    ms: number;
    /** before: seeded earlier. foreign: holds rows that no seeder wrote, and was left as it is. */
    skipped?: 'before' | 'foreign';
  }[];
  /** References that were not in order. */
  closure: ClosureFinding[];
  ms: number;
}

type State = { kind: 'skip'; why: 'before' | 'foreign'; rows: number } | { kind: 'copy'; fingerprint: string };

/**
 * Fills the shadow tables of a plan, in chunks, from where the last seeder stopped. `db` is one connection of its own (no pool); its
 * settings are put back at the end. Throws SeedError; what was committed stays, and seeding again goes on from there.
 */
export async function seed(db: Db, plan: SeedPlan, options: SeedOptions = {}): Promise<SeedReport> {
  const startMs = performance.now();
  checkSeedOptions(plan, options);
  const dialect = dialects[plan.dialect];
  const { sql } = dialect;
  const session = await dialect.openSession(db).catch((error: unknown) => {
    throw dialect.translated(error, 'opening the session');
  });
  const lock = seedLockName(sql.named(plan.journal));
  let isLocked = false;
  let source: SeedSession | undefined;
  let putBack: PutBack | undefined;
  try {
    await session.checkSame();
    if (!(await session.lock(lock, plan.journal.schema)))
      throw new SeedError(
        'SEED_BUSY',
        `another seeder fills the tables of ${plan.journal.schema}, or they are changed`,
      );
    isLocked = true;
    if (options.source !== undefined) source = await openSource(dialect, options.source, options.snapshot === true);
    const work = new Work(plan, options, session, await Journal.open(db, sql, plan.journal), async () => {
      putBack ??= await dialect.takeOff(db, plan);
    });
    const states = await statesOf(work);
    const isDue =
      [...states.values()].some(({ kind }) => kind === 'copy') || work.journal.get('check')?.isDone === false;
    if (isDue) await work.open();
    const tables = await fill(work, states);
    const closure = isDue ? await finish(work) : [];
    const whole = putBack;
    putBack = undefined;
    await whole?.(true);
    return { tables, closure, ms: performance.now() - startMs };
  } catch (error) {
    throw dialect.translated(error, 'seeding');
  } finally {
    // without a connection nothing can be put back; the server has rolled back, and let go of the lock
    await putBack?.(false).catch(() => undefined);
    if (isLocked) await session.unlock(lock, plan.journal.schema).catch(() => undefined);
    await session.close().catch(() => undefined);
    if (source) {
      await source.db.query('ROLLBACK').catch(() => undefined);
      await source.close().catch(() => undefined);
    }
  }
}

/** Named lock that a seeder holds. `journal`: quoted, with its schema. */
export function seedLockName(journal: string): string {
  return `shadowline seed ${createHash('sha256').update(journal).digest('hex').slice(0, 32)}`;
}

/** Throws SeedError for options that do not fit the plan; asks no server. */
export function checkSeedOptions(plan: SeedPlan, options: SeedOptions): void {
  const masked = plan.tables.find(({ columns }) => columns.some(({ change }) => change.kind === 'mask'));
  if (masked !== undefined && !options.maskKey) {
    throw new SeedError('SEED_KEY', `columns of ${masked.key} are masked, and there is no key`);
  }
  if (options.snapshot && options.source === undefined) {
    throw new SeedError('SEED_SPEC', 'a snapshot needs a source of its own: rows are written in short transactions');
  }
  const { ratePerSec } = options;
  if (ratePerSec !== undefined && !(ratePerSec > 0))
    throw new SeedError('SEED_SPEC', `ratePerSec is ${ratePerSec}: it must be above 0`);
}

async function openSource(dialect: SeedDialect, db: Db, snapshot: boolean): Promise<SeedSession> {
  try {
    const source = await dialect.openSession(db);
    await source.checkSame();
    if (snapshot) await source.snapshot();
    return source;
  } catch (error) {
    throw dialect.translated(error, 'opening the source');
  }
}

async function statesOf(work: Work): Promise<Map<SeedTable, State>> {
  const states = new Map<SeedTable, State>();
  for (const table of work.plan.tables) states.set(table, await stateOf(work, table));
  if (![...states.values()].some(({ kind }) => kind === 'copy')) return states;
  for (const { child, parent } of work.plan.edges) {
    const table = work.table(parent);
    const state = states.get(table);
    if (state?.kind !== 'skip' || state.why !== 'foreign' || states.get(work.table(child))?.kind !== 'copy') continue;
    if (work.options.onChanged !== 'restart') {
      throw new SeedError(
        'SEED_CHANGED',
        `the shadow of ${parent} holds rows that no seeder wrote, so rows of ${child} would refer to nothing`,
      );
    }
    states.set(
      table,
      await startOver(work, table, fingerprintOf(table, work.plan.choiceFingerprint, work.options.maskKey)),
    );
  }
  // what had no rows may have some by now
  for (const [table, state] of states) {
    if (state.kind !== 'skip' || state.why !== 'before' || state.rows > 0) continue;
    states.set(
      table,
      await startOver(work, table, fingerprintOf(table, work.plan.choiceFingerprint, work.options.maskKey)),
    );
  }
  return states;
}

async function fill(work: Work, states: ReadonlyMap<SeedTable, State>): Promise<SeedReport['tables']> {
  const { plan } = work;
  if (plan.tables.some((table) => table.chosen !== undefined && states.get(table)?.kind === 'copy')) {
    await resetChoice(work);
    await chooseRows(work);
  }
  const report: SeedReport['tables'] = [];
  for (const table of plan.tables) {
    const state = states.get(table)!;
    if (state.kind === 'skip') {
      report.push({ table: table.key, rows: state.rows, ms: 0, skipped: state.why });
      continue;
    }
    const startMs = performance.now();
    const rows = await copyTable(work, table, state.fingerprint);
    report.push({ table: table.key, rows, ms: performance.now() - startMs });
  }
  return report;
}

/** What is to be done with one table, after what the journal says and what is there. May empty it, or forget an entry. */
async function stateOf(work: Work, table: SeedTable): Promise<State> {
  const { journal, db, options, plan, sql } = work;
  const step = `copy ${table.key}`;
  const fingerprint = fingerprintOf(table, plan.choiceFingerprint, options.maskKey);
  const entry = journal.get(step);
  const [any] = await db.query(`SELECT 1 AS x FROM ${sql.named(table.target)} LIMIT 1`);
  if (entry === undefined) {
    return any === undefined ? { kind: 'copy', fingerprint } : { kind: 'skip', why: 'foreign', rows: 0 };
  }
  if (any === undefined && entry.rows > 0) return startOver(work, table, fingerprint);
  if (!isSameSeed(entry.fingerprint, fingerprint, entry.isDone)) {
    if (any === undefined || options.onChanged === 'restart') return startOver(work, table, fingerprint);
    throw new SeedError(
      'SEED_CHANGED',
      `${table.key} was seeded, wholly or in part, by another specification or another key`,
    );
  }
  if (entry.isDone) return { kind: 'skip', why: 'before', rows: entry.rows };
  if (!table.isTransactional) return startOver(work, table, fingerprint);
  const [row] = await db.query(`SELECT COUNT(*) AS n FROM ${sql.named(table.target)}`);
  if (Number(row?.n) === entry.rows) return { kind: 'copy', fingerprint };
  if (options.onChanged === 'restart') return startOver(work, table, fingerprint);
  throw new SeedError(
    'SEED_CHANGED',
    `the shadow of ${table.key} holds ${Number(row?.n)} rows, of which ${entry.rows} are seeded, and seeding is unfinished`,
  );
}

/**
 * Three parts: what the configuration says of the table; which keys are chosen, on which positions of a copy under way depend; and the key of the tokens, of
 * which no more is told than a token tells.
 */
function fingerprintOf(table: SeedTable, choiceFingerprint: string, maskKey: string | undefined): string {
  const isMasked = table.columns.some(({ change }) => change.kind === 'mask');
  const key = isMasked
    ? createHmac('sha256', maskKey ?? '')
        .update('check of the masking key')
        .digest('hex')
    : noKey;
  return (
    ownPart(table.fingerprint) + choiceFingerprint.slice(0, choiceLength) + key.slice(0, 64 - ownLength - choiceLength)
  );
}

const choiceLength = 20;
const noKey = '0'.repeat(64);

/** Whether what was copied under one fingerprint is good, or may be gone on with, under another. */
function isSameSeed(before: string, now: string, isDone: boolean): boolean {
  const choice = (text: string): string => text.slice(ownLength, ownLength + choiceLength);
  const key = (text: string): string => text.slice(ownLength + choiceLength);
  return ownPart(before) === ownPart(now) && key(before) === key(now) && (isDone || choice(before) === choice(now));
}

async function startOver(work: Work, table: SeedTable, fingerprint: string): Promise<State> {
  const { db, journal, sql } = work;
  await work.open();
  const step = `copy ${table.key}`;
  // the entry goes last: until then the next seeder starts over as well
  for (;;) {
    await work.transaction(`emptying the shadow of ${table.key}`, () => db.query(sql.deleteSome(table, 5000)));
    const [left] = await db.query(`SELECT 1 AS x FROM ${sql.named(table.target)} LIMIT 1`);
    if (left === undefined) break;
  }
  await journal.remove(step);
  return { kind: 'copy', fingerprint };
}

const choiceSteps = ['choose ', 'down ', 'up '];

/** Keys that were chosen by another specification, or by a seeder that has ended, are forgotten. */
async function resetChoice(work: Work): Promise<void> {
  const { journal, plan } = work;
  const known = choiceSteps.flatMap((prefix) => journal.steps(prefix));
  if (known.length > 0 && known.every(([, { fingerprint }]) => fingerprint === plan.choiceFingerprint)) return;
  await forgetChoice(work);
}

async function forgetChoice({ db, journal, plan, sql }: Work): Promise<void> {
  // entries first: keys without entries are dropped by the next seeder, entries without keys would be believed
  for (const [step] of choiceSteps.flatMap((prefix) => journal.steps(prefix))) await journal.remove(step);
  for (const { chosen } of plan.tables)
    if (chosen !== undefined) await db.query(`DROP TABLE IF EXISTS ${sql.named(chosen)}`);
}

async function finish(work: Work): Promise<ClosureFinding[]> {
  const { plan, db, journal } = work;
  await journal.set('check', { fingerprint: '', position: null, rows: 0, isDone: false });
  await work.dialect.settle(db, plan);
  const findings = await checkClosure(work, (key) => journal.get(`copy ${key}`) !== undefined);
  await forgetChoice(work);
  for (const table of plan.tables) await work.dialect.keepRange(db, table);
  await journal.set('check', { fingerprint: '', position: null, rows: 0, isDone: true });
  return findings;
}
