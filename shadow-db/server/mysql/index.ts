/** Shadow tables on a real server: plan, provision, drift, verify, clean, and the leak scanner's SQL. Brings no driver of its own. */

export type * from '../audit/audit.js';
export { coverageSentence, gapOf, noMark } from '../audit/audit.js';
export { type Db, ShadowDbError, type ShadowDbErrorCode } from '../db.js';
export { SeedError, type SeedErrorCode } from '../seed/errors.js';
export type { SeedPlan } from '../seed/plan.js';
export { type SeedReport, seed } from '../seed/run.js';
export { type Mask, type MaskKind, maskKinds, type Seed } from '../seed/spec.js';
export type { SeedOptions, SeedProgress } from '../seed/work.js';
export { beginAudit, finishAudit, watchReal } from './audit.js';
export { type CleanOptions, type CleanReport, clean } from './clean.js';
export type { CleanProgress } from './clean-run.js';
export { type Difference, drift } from './drift.js';
export { inspect, type SchemaModel, type TableModel } from './inspect.js';
export type { Account, ShadowDbOptions } from './options.js';
export { type Plan, plan, planFrom, type Situation } from './plan.js';
export { type ProvisionOptions, provision } from './provision.js';
export type { ReservedRange } from './range.js';
export { readSchemas, type Schemas, shadowRows, shadowTables } from './rows.js';
export { countRows, reservedRanges } from './scan.js';
export type { Step } from './step.js';
export { type Check, type Verification, verify } from './verify.js';
