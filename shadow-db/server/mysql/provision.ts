import type { Db } from '../db.js';
import { guardShadowOnly } from './guard.js';
import { type Account, Names } from './options.js';
import { type Plan, type Step, withPassword } from './plan.js';

export interface ProvisionOptions {
  onStep?: (step: Step, index: number, count: number) => void;
  /** The account's password; a plan does not hold it. Needed when the plan has a step of kind `account`. */
  password?: Account['password'];
}

/**
 * Carries out a plan, step by step. MySQL commits DDL implicitly, so an error leaves the steps before it done; planning again
 * goes on from there. Every statement passes the guard: nothing real is changed, ever.
 */
export async function provision(db: Db, plan: Plan, { onStep, password }: ProvisionOptions = {}): Promise<void> {
  const { account, ...rest } = plan.options;
  const names = new Names(rest);
  if (!password && plan.steps.some(({ kind }) => kind === 'account')) {
    throw new RangeError(`the password of ${account?.user ?? 'the account'} is missing or empty`);
  }
  for (const [index, step] of plan.steps.entries()) {
    if (!['schema', 'account', 'grant'].includes(step.kind)) guardShadowOnly(step.sql, names);
    onStep?.(step, index, plan.steps.length);
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
