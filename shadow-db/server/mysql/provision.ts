import { type Db, numberOf, quoteText, ShadowDbError, textOf } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import { checkSeedOptions, type SeedReport, seed, seedLockName } from '../seed/run.js';
import type { SeedOptions } from '../seed/work.js';
import { accountName, foreignGrant, readGrants } from './account.js';
import { desired } from './desired.js';
import { guardAccount, guardShadowOnly } from './guard.js';
import { lockName } from './lock.js';
import { type Account, Names } from './options.js';
import { type Plan, withPassword } from './plan.js';
import { readSides } from './sides.js';
import { checkFresh } from './stale.js';
import type { Step } from './step.js';

export interface ProvisionOptions {
  onStep?: (step: Step, index: number, count: number) => void;
  /** The account's password; a plan does not hold it. Needed when the plan has a step of kind `account`. */
  password?: Account['password'];
  /** Longest wait for a lock of a table, in seconds. Default 10. */
  lockWaitSec?: number;
  /** How shadow tables are filled; `seed.maskKey` is needed when columns are masked. */
  seed?: SeedOptions;
  onSeeded?: (report: SeedReport) => void;
}

/** As dumps are loaded: defaults that today's mode would refuse are taken, and a 0 stays a 0. Strict, so that nothing is cut off. */
export const ddlMode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';

/**
 * Carries out a plan, step by step, on one connection. Every step is one statement that the server does whole or not at all, and what it makes carries
 * our mark from the first moment; so an interruption leaves no doubt, and planning again shows the rest. Before the first change: the
 * plan must be of today (PLAN_STALE), nobody else may be provisioning the same schema (LOCKED), and every statement passes the
 * guard: nothing real is changed, ever. Errors of the server are STOPPED, with the step and the cause.
 */
export async function provision(db: Db, plan: Plan, options: ProvisionOptions = {}): Promise<void> {
  const { account, ...rest } = plan.options;
  const names = new Names(rest);
  const { password, onStep, lockWaitSec = 10 } = options;
  if (!password && plan.steps.some(({ kind }) => kind === 'account')) {
    throw new RangeError(`the password of ${account?.user ?? 'the account'} is missing or empty`);
  }
  for (const { kind, sql } of plan.steps) {
    // what seeding sends is made of names that it has checked itself
    if (kind === 'seed') continue;
    if (['schema', 'account', 'grant'].includes(kind)) guardAccount(sql, names, accountName(account ?? { user: '' }));
    else guardShadowOnly(sql, names);
  }
  const seeding = plan.steps.some(({ kind }) => kind === 'seed') ? plan.seed : undefined;
  if (seeding) checkSeedOptions(seeding, options.seed ?? {});
  if (plan.steps.length === 0) return;
  const schemas = [...new Set(names.databases.map((database) => names.shadowSchema(database)))].sort();
  const settings = await enter(db, names, schemas, lockWaitSec);
  try {
    await checkPlan(db, plan);
    let sqlMode: string | undefined;
    for (const [index, step] of plan.steps.entries()) {
      onStep?.(step, index, plan.steps.length);
      if (step.kind === 'seed') {
        // these steps show what one seeder does, table by table
        if (seeding && plan.steps[index - 1]?.kind !== 'seed') await fill(db, seeding, options);
        // seeding has settings of its own
        sqlMode = undefined;
        continue;
      }
      try {
        const wanted = step.sqlMode ?? ddlMode;
        if (wanted !== sqlMode) await db.query(`SET SESSION sql_mode = ${quoteText(wanted)}`);
        sqlMode = wanted;
        await db.query(step.kind === 'account' ? withPassword(step.sql, password ?? '') : step.sql);
      } catch (cause) {
        throw stopped(plan, index, cause);
      }
    }
  } finally {
    await leave(db, schemas, settings);
  }
}

async function fill(db: Db, seeding: SeedPlan, { seed: seedOptions, onSeeded }: ProvisionOptions): Promise<void> {
  const report = await seed(db, seeding, seedOptions);
  onSeeded?.(report);
}

/** Whatever stops a plan from being made now makes the old one stale too. */
async function checkPlan(db: Db, plan: Plan): Promise<void> {
  const { account: _, ...rest } = plan.options;
  try {
    const sides = await readSides(db, rest);
    checkFresh(plan.seen, sides, desired(sides), plan.reserved);
    await checkAccount(db, plan, sides.names);
  } catch (error) {
    if (!(error instanceof ShadowDbError) || error.code === 'REAL_BUSY' || error.code === 'PLAN_STALE') throw error;
    throw new ShadowDbError('PLAN_STALE', error.message.replace(/\.$/, ''), { cause: error });
  }
}

/** Nobody else's account gets our password, however long ago the plan looked at it. */
async function checkAccount(db: Db, { options: { account }, steps }: Plan, names: Names): Promise<void> {
  const step = steps.find(({ kind }) => kind === 'account');
  if (account === undefined || step === undefined) return;
  const grants = await readGrants(db, { ...account, password: '' });
  const isStale =
    step.sql.startsWith('CREATE') !== (grants === undefined) ||
    (grants !== undefined && foreignGrant(grants, names) !== undefined);
  if (isStale)
    throw new ShadowDbError('PLAN_STALE', `${accountName(account)} or its rights have changed since the plan was made`);
}

interface SessionSettings {
  sqlMode: string;
  lockWait: number;
  foreignKeyChecks: number;
}

/** Takes the lock of each schema, and sets the session up. Throws LOCKED, which says who holds it, or ONE_SESSION. */
async function enter(db: Db, names: Names, schemas: string[], lockWaitSec: number): Promise<SessionSettings> {
  const [row] = await db.query(
    'SELECT @@SESSION.sql_mode AS mode, @@SESSION.lock_wait_timeout AS wait, @@SESSION.foreign_key_checks AS fks',
  );
  const settings = { sqlMode: textOf(row?.mode), lockWait: numberOf(row?.wait), foreignKeyChecks: numberOf(row?.fks) };
  const taken: string[] = [];
  try {
    for (const schema of schemas) {
      const [got] = await db.query('SELECT GET_LOCK(?, 0) AS got', [lockName(schema)]);
      if (numberOf(got?.got) !== 1) throw await lockedBy(db, schema);
      taken.push(schema);
      const [mine] = await db.query('SELECT IS_USED_LOCK(?) = CONNECTION_ID() AS mine', [lockName(schema)]);
      if (numberOf(mine?.mine) !== 1) throw new ShadowDbError('ONE_SESSION', 'two statements went to two sessions');
    }
    // tables that go under a seeder would be filled from where it stands, and its journal would say that they are whole
    for (const database of names.databases) {
      const lock = seedLockName(names.named(names.shadow('shadowline_seed', database), names.shadowSchema(database)));
      const [row] = await db.query('SELECT IS_USED_LOCK(?) AS holder', [lock]);
      if (textOf(row?.holder) !== '') throw await lockedBy(db, names.shadowSchema(database), lock, 'seeding');
    }
    // no user of a real table may queue behind us for longer than this, should a statement ever have to wait; without its checks the server
    // would drop a table to which a real key leads
    await db.query(`SET SESSION lock_wait_timeout = ${Math.max(1, Math.floor(lockWaitSec))}, foreign_key_checks = 1`);
    await db.query('SET @shadowline_run = NULL');
    return settings;
  } catch (error) {
    for (const schema of taken)
      await db.query('SELECT RELEASE_LOCK(?) AS released', [lockName(schema)]).catch(() => []);
    throw error;
  }
}

/** A connection that has died has given its locks and settings up by itself. */
async function leave(
  db: Db,
  schemas: string[],
  { sqlMode, lockWait, foreignKeyChecks }: SessionSettings,
): Promise<void> {
  try {
    for (const schema of schemas) await db.query('SELECT RELEASE_LOCK(?) AS released', [lockName(schema)]);
    await db.query(
      `SET SESSION sql_mode = ${quoteText(sqlMode)}, lock_wait_timeout = ${lockWait || 86_400}, foreign_key_checks = ${foreignKeyChecks}`,
    );
  } catch {
    // the error that ended the plan is the one that counts
  }
}

async function lockedBy(
  db: Db,
  schema: string,
  lock = lockName(schema),
  what = 'provisioning',
): Promise<ShadowDbError> {
  const [row] = await db.query(
    'SELECT ID AS id, USER AS user, HOST AS host FROM information_schema.PROCESSLIST WHERE ID = IS_USED_LOCK(?)',
    [lock],
  );
  const who = row
    ? `connection ${textOf(row.id)} of ${textOf(row.user)}@${textOf(row.host)}`
    : 'a connection that this account may not see';
  return new ShadowDbError('LOCKED', `${who} is ${what} ${schema}`);
}

/** Too many columns, or a row that is too long: the hidden column may be what had no room. */
const rowSizeErrors: unknown[] = [1117, 1118];

function stopped(plan: Plan, index: number, cause: unknown): ShadowDbError {
  const step = plan.steps[index] as Step;
  const { errno } = cause as { errno?: unknown };
  const hint = rowSizeErrors.includes(errno)
    ? `; list ${step.subject} in withoutRun when it was the hidden column that had no room`
    : '';
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ShadowDbError(
    'STOPPED',
    `step ${index + 1} of ${plan.steps.length} (${step.sql.replace(/\s+/g, ' ').slice(0, 300)}) failed: ${why}${hint}`,
    { cause },
  );
}
