import type {
  AuditSearch,
  CleanOptions,
  CleanProgress,
  DatabaseAudit,
  SeedOptions,
  SeedPlan,
  SeedReport,
} from '@shadowline/shadow-db/server';
import { CliError, exitCodes } from '../exit-codes.js';

/** One change of a plan: typed, with its SQL and the reason for it. */
export interface PlannedStep {
  kind: string;
  /** The real table, view or account that the step is about. */
  subject: string;
  sql: string;
  reason: string;
  /** MySQL: the sql_mode under which this is sent, where it matters. */
  sqlMode?: string;
}

/** A plan as every dialect has it. */
export interface StorePlan {
  steps: PlannedStep[];
  /** What is left out, and why. */
  warnings: string[];
  /** Where shadow ids begin. */
  reserved: { table: string; column: string; firstShadowId: string }[];
  seed?: SeedPlan;
}

export interface StoreDifference {
  what: string;
  table: string;
  name?: string;
  real?: string;
  shadow?: string;
  /** What to do about it. */
  remedy?: string;
}

export interface StoreCheck {
  name: string;
  subject: string;
  ok: boolean;
  detail: string;
}

export interface StoreClean {
  dryRun: boolean;
  what: 'rows' | 'drop';
  run?: string;
  tables: { table: string; rows: number; kept?: { rows: number; because: string } }[];
  views: string[];
  sequences: string[];
  account?: string;
  statements: string[];
  /** False when it was interrupted; dialects that clean in one transaction do not say. */
  complete?: boolean;
  updatedSeedRows: 'unknown' | 'none';
}

export type CleanAsked = Pick<CleanOptions, 'dryRun' | 'what' | 'run' | 'signal'> & {
  onProgress?: (progress: CleanProgress) => void;
};

/**
 * One store of a scenario, connected with the account that may read everything and provision shadow tables: what the sub-commands of
 * `stress shadow-db` need of it, whatever its dialect. Errors of the parts below go through as they are.
 */
export interface ShadowStore {
  name: string;
  dialect: 'mysql' | 'postgres';
  /** Database, and schema where the dialect has one. */
  label: string;
  plan(): Promise<StorePlan>;
  /** Carries out the plan that `plan` gave last. @throws CliError when the password of the restricted account is not set */
  provision(options: {
    onStep(step: PlannedStep, index: number, count: number): void;
    seed: SeedOptions;
  }): Promise<void>;
  drift(): Promise<StoreDifference[]>;
  /** @throws CliError when the restricted account may not log in */
  verify(): Promise<{ ok: boolean; checks: StoreCheck[] }>;
  seed(plan: SeedPlan, options: SeedOptions): Promise<SeedReport>;
  clean(asked: CleanAsked): Promise<StoreClean>;
  audit(asked: AuditSearch): Promise<DatabaseAudit>;
  close(): Promise<void>;
}

/** Password of the restricted account. @throws CliError when its variable is not set */
export function passwordOf({ user, passwordEnv }: { user: string; passwordEnv: string }): string {
  const password = process.env[passwordEnv];
  if (password !== undefined && password !== '') return password;
  throw new CliError(
    exitCodes.usage,
    `the password of account ${user} is not set`,
    `set ${passwordEnv} to the password that the services use for it`,
  );
}
