import type { Db } from '../db.js';
import type { SeedPlan } from '../seed/plan.js';
import { accountSteps, grantOn, scramVerifier, wantedGrants } from './account.js';
import { dropSteps, strayWarnings } from './drop-steps.js';
import { foreignKeySteps, noteSteps, triggerSteps, viewSteps } from './link-steps.js';
import { isOurs } from './mark.js';
import { Names, type ShadowDbOptions } from './options.js';
import { literal } from './quote.js';
import type { ReservedRange } from './range.js';
import { checkHeirs } from './reach.js';
import { Remake } from './remake.js';
import { readSeedPlan } from './seed.js';
import { readServer } from './session.js';
import { checkTaken, fingerprint, readSituation, type Situation } from './situation.js';
import type { Step } from './step.js';
import { indexSteps, ownerSteps, partitionSteps, schemaSteps, sequenceSteps, tableSteps } from './table-steps.js';

export interface Plan {
  options: Omit<ShadowDbOptions, 'account'> & { account?: { user: string } };
  steps: Step[];
  /** What is left out, and why. */
  warnings: string[];
  reserved: ReservedRange[];
  /** What the steps of kind `seed` show. */
  seed?: SeedPlan;
  /** Digest of what the plan is about, as it was when the plan was made. */
  fingerprint: string;
}

/** Reads both sides and says what would have to be done; changes nothing. Throws ShadowDbError. */
export async function plan(db: Db, options: ShadowDbOptions): Promise<Plan> {
  const server = await readServer(db, { mustWrite: true });
  const situation = await readSituation(db, server, options);
  const seed = await readSeedPlan(db, situation, new Names(options));
  return planFrom({ ...situation, ...(seed && { seed }) }, options);
}

/** Pure part of `plan`. */
export function planFrom(situation: Situation, options: ShadowDbOptions): Plan {
  const { account, ...rest } = options;
  const names = new Names(options);
  checkTaken(situation, names);
  checkHeirs(situation.model.tables.filter((table) => isOurs(table, names)));
  const remake = new Remake(situation, names);
  return {
    options: { ...rest, ...(account && { account: { user: account.user } }) },
    steps: [...shadowSteps(remake), ...rightSteps(remake, account?.user)],
    warnings: [
      ...situation.wanted.warnings,
      ...situation.warnings,
      ...strayWarnings(remake),
      ...(situation.seed?.warnings ?? []),
    ],
    reserved: remake.reserved,
    ...(situation.seed && { seed: situation.seed }),
    fingerprint: fingerprint(situation, names),
  };
}

/** In an order in which each finds what it needs, and nothing stands in the way of a drop. */
function shadowSteps(remake: Remake): Step[] {
  return [
    ...schemaSteps(remake),
    ...dropSteps(remake),
    // a default calls its sequence, which belongs to a column of the table: so it is made before, and given away after
    ...sequenceSteps(remake),
    ...tableSteps(remake),
    ...ownerSteps(remake),
    // the indexes of partitions are joined to that of the whole when the partitions are
    ...indexSteps(remake),
    ...partitionSteps(remake),
    // rows come before what checks them or is called by them, so that an interrupted seed can go on
    ...seedSteps(remake),
    ...foreignKeySteps(remake),
    ...triggerSteps(remake),
    ...noteSteps(remake),
    ...viewSteps(remake),
  ];
}

function seedSteps({ situation }: Remake): Step[] {
  return (situation.seed?.steps ?? []).map(({ table, sql, reason }) => ({ kind: 'seed', subject: table, sql, reason }));
}

/** Rights come last, when all that they are on is there. */
function rightSteps({ situation, names, targets }: Remake, user: string | undefined): Step[] {
  if (user === undefined) return [];
  return accountSteps(user, situation.role, wantedGrants(situation, names), grantOn(targets));
}

/** The text of a step as it is sent; the password goes in as the server keeps it. */
export function textOf({ kind, sql }: Step, password: string): string {
  return kind === 'account' ? sql.replace(/\{password\}$/, () => literal(scramVerifier(password))) : sql;
}
