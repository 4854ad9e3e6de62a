import type { AuditMark, BeginOptions, DatabaseAudit, FinishOptions, Suspect } from '../audit/audit.js';
import { PostgresAudit } from '../audit/postgres.js';
import { begin, finish, watch } from '../audit/run.js';
import type { Db } from '../db.js';
import type { ShadowDbOptions } from './options.js';

/** See `begin`. */
export function beginAudit(db: Db, options: ShadowDbOptions, asked: BeginOptions = {}): Promise<AuditMark> {
  return begin(new PostgresAudit(db, options), asked);
}

/** See `finish`. @throws RangeError for a canary, an id column or a limit that cannot be */
export function finishAudit(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<DatabaseAudit> {
  return finish(new PostgresAudit(db, options), mark, asked);
}

/** See `watch`. */
export function watchReal(
  db: Db,
  options: ShadowDbOptions,
  mark: AuditMark,
  asked: FinishOptions,
): Promise<() => Promise<Suspect[]>> {
  return watch(new PostgresAudit(db, options), mark, asked);
}
