import type { Db } from '../db.js';
import { checkSeedOptions, type SeedReport, seed } from '../seed/run.js';
import type { SeedOptions } from '../seed/work.js';
import { guardShadowOnly } from './guard.js';
import { type Account, Names } from './options.js';
import { type Plan, type Step, withPassword } from './plan.js';

export interface ProvisionOptions {
  onStep?: (step: Step, index: number, count: number) => void;
  /** The account's password; a plan does not hold it. Needed when the plan has a step of kind `account`. */
  password?: Account['password'];
  /** How shadow tables are filled; `seed.maskKey` is needed when columns are masked. */
  seed?: SeedOptions;
  onSeeded?: (report: SeedReport) => void;
}

/**
 * Carries out a plan, step by step. MySQL commits DDL implicitly, so an error leaves the steps before it done; planning again
 * goes on from there. Every statement passes the guard: nothing real is changed, ever.
 */
export async function provision(
  db: Db,
  plan: Plan,
  { onStep, password, seed: seedOptions = {}, onSeeded }: ProvisionOptions = {},
): Promise<void> {
  const { account, ...rest } = plan.options;
  const names = new Names(rest);
  if (!password && plan.steps.some(({ kind }) => kind === 'account')) {
    throw new RangeError(`the password of ${account?.user ?? 'the account'} is missing or empty`);
  }
  const seedPlan = plan.steps.some(({ kind }) => kind === 'seed') ? plan.seed : undefined;
  if (seedPlan) checkSeedOptions(seedPlan, seedOptions);
  let isSeeded = false;
  for (const [index, step] of plan.steps.entries()) {
    if (!['schema', 'account', 'grant', 'seed'].includes(step.kind)) guardShadowOnly(step.sql, names);
    onStep?.(step, index, plan.steps.length);
    if (step.kind === 'seed') {
      // the steps show what one seeder does, table by table
      if (isSeeded || seedPlan === undefined) continue;
      const report = await seed(db, seedPlan, seedOptions);
      onSeeded?.(report);
      isSeeded = true;
      continue;
    }
    try {
      await db.query(withPassword(step.sql, password ?? ''));
    } catch (cause) {
      throw new Error(
        `provisioning stopped at step ${index + 1} of ${plan.steps.length} (${step.sql}): ${String(cause)}`,
        { cause },
      );
    }
  }
}
