import { type Db, ShadowDbError } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import { checkSeedOptions, type SeedReport, seed } from '../seed/run.js';
import type { SeedOptions } from '../seed/work.js';
import { guardShadowOnly } from './guard.js';
import { withLock } from './lock.js';
import { Names, type ShadowDbOptions } from './options.js';
import { type Plan, planFrom, textOf } from './plan.js';
import { inTransaction, readServer } from './session.js';
import { readSituation } from './situation.js';
import type { Step } from './step.js';

export interface ProvisionOptions {
  onStep?: (step: Step, index: number, count: number) => void;
  /** The account's password; a plan does not hold it. Needed when the plan has a step of kind `account`. */
  password?: string;
  /** How shadow tables are filled; `seed.maskKey` is needed when columns are masked. */
  seed?: SeedOptions;
  onSeeded?: (report: SeedReport) => void;
}

/**
 * Carries out a plan. All of it is one transaction, so an error or a lost connection leaves nothing behind; only where the server's
 * table of locks is too small for that are there several, each of which leaves what a new plan goes on from. A seed has transactions of its own,
 * between what it needs (tables) and what follows it (keys, triggers, the account). Every statement passes the
 * guard: nothing real is changed, ever; nothing real is locked either, beyond what reading a table takes.
 * Throws ShadowDbError: PLAN_STALE when either side is no longer what the plan was made from, LOCKED while another one provisions.
 */
export async function provision(db: Db, plan: Plan, asked: ProvisionOptions = {}): Promise<void> {
  const { onStep, password } = asked;
  const { account, ...rest } = plan.options;
  const options: ShadowDbOptions = {
    ...rest,
    ...(account && { account: { user: account.user, password: password ?? '' } }),
  };
  const names = new Names(options);
  if (!password && plan.steps.some(({ kind }) => kind === 'account')) {
    throw new RangeError(`the password of ${account?.user ?? 'the account'} is missing or empty`);
  }
  for (const step of plan.steps) {
    // what seeding sends is made of names that it has checked itself
    if (step.kind !== 'seed') await guardShadowOnly(textOf(step, 'x'), names);
  }
  const seeding = plan.steps.some(({ kind }) => kind === 'seed') ? plan.seed : undefined;
  if (seeding) checkSeedOptions(seeding, asked.seed ?? {});
  const server = await readServer(db, { mustWrite: true });
  await withLock(db, names, async () => {
    const now = await readSituation(db, server, options);
    if (planFrom(now, options).fingerprint !== plan.fingerprint) {
      throw new ShadowDbError('PLAN_STALE', 'tables or rights are no longer what the plan was made from');
    }
    const parts = partsOf(plan.steps, await lockRoom(db));
    let done = 0;
    for (const part of parts) {
      if (part[0]?.kind === 'seed') {
        for (const [index, step] of part.entries()) onStep?.(step, done + index, plan.steps.length);
        if (seeding) await fill(db, seeding, asked);
        done += part.length;
        continue;
      }
      await inTransaction(db, async () => {
        for (const [index, step] of part.entries()) {
          onStep?.(step, done + index, plan.steps.length);
          await carryOut(db, step, password ?? '', done + index, plan.steps.length, done > 0);
        }
      });
      done += part.length;
    }
  });
}

async function fill(db: Db, seeding: SeedPlan, { seed: seedOptions, onSeeded }: ProvisionOptions): Promise<void> {
  const report = await seed(db, seeding, seedOptions);
  onSeeded?.(report);
}

async function carryOut(
  db: Db,
  step: Step,
  password: string,
  index: number,
  count: number,
  isPartDone: boolean,
): Promise<void> {
  try {
    await db.query(textOf(step, password));
  } catch (cause) {
    const text = `provisioning stopped at step ${index + 1} of ${count} (${step.sql.slice(0, 200)}): ${cause instanceof Error ? cause.message : String(cause)}`;
    if (isPartDone) throw new ShadowDbError('STOPPED', text, { cause });
    throw new ShadowDbError('ROLLED_BACK', text, { cause });
  }
}

/** How many objects one transaction may lock: half of the server's table, which all sessions share. */
export async function lockRoom(db: Db): Promise<number> {
  const [row] = await db.query(
    `SELECT (current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)) / 2 AS room`,
  );
  return Number(row?.room ?? 0);
}

/** A table with its key, its TOAST table and that one's index, and one to spare. */
export const locksPerTable = 5;

/** Objects that a statement locks beside the table that it is about. */
const furtherLocks: Partial<Record<Step['kind'], number>> = { sequence: 1, index: 1, view: 1, 'foreign-key': 1 };

/**
 * Steps that go together. A table is marked in the transaction that makes it, so parts end only before a table's first step. The steps of a seed
 * are a part of their own.
 */
export function partsOf(steps: readonly Step[], room: number): Step[][] {
  const parts: Step[][] = [];
  let [part, locks, subjects] = [[] as Step[], 0, new Set<string>()];
  for (const step of steps) {
    const cost = (furtherLocks[step.kind] ?? 0) + (subjects.has(step.subject) ? 0 : locksPerTable);
    const mayEnd =
      step.kind !== 'range' && !/^(?:COMMENT|REVOKE)/.test(step.sql) && step.subject !== part.at(-1)?.subject;
    const isOther = part[0] !== undefined && (part[0].kind === 'seed') !== (step.kind === 'seed');
    const isFull = step.kind !== 'seed' && locks + cost > room && mayEnd && part.length > 0;
    if (isOther || isFull) {
      parts.push(part);
      [part, locks, subjects] = [[], 0, new Set()];
    }
    part.push(step);
    subjects.add(step.subject);
    locks += cost;
  }
  if (part.length > 0) parts.push(part);
  return parts;
}
