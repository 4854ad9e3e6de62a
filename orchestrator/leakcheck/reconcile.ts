import type { Leak, StoreAudit } from '../result/schema.js';

/** One shadow target with what was issued and what was found. Counts are null where they could not be had. */
export interface Reckoning {
  store: 'mysql' | 'kafka' | 'redis';
  /** `bank.transfers` */
  real: string;
  shadow: string;
  /** Rows or messages that agents say they committed; 0 when nobody wrote there. */
  issued: number;
  /** Operations whose rows the driver does not tell. */
  uncounted: number;
  /** End − start; null when the store could not be asked. */
  found: number | null;
  /** Other runs that had rows here meanwhile: they may have removed or replaced some of this run's, or it some of theirs. */
  others: readonly string[];
  /** Why rows come or go here without a statement of a service: `trigger entries_audit`, `ON DELETE CASCADE of …`. */
  derivedBy: string | undefined;
  /** Set for what is never comparable (keys of a cache): says why. */
  incomparable: string | undefined;
}

export interface Reconciliation {
  stores: StoreAudit[];
  leaks: Leak[];
  /** Why the audit cannot be called clean although no leak was found. */
  gaps: string[];
}

/**
 * Writes issued against rows found, per target.
 *
 * | found         | a service was lost in mid-run, | all telemetry is there                    |
 * |               | or another run wrote there    |                                            |
 * | ------------- | ----------------------------- | ------------------------------------------ |
 * | = issued      | equal                         | equal                                      |
 * | < issued      | missing, incomplete           | missing: a write went elsewhere, a leak    |
 * | > issued      | excess, incomplete            | excess: nobody reported it, incomplete     |
 * | by trigger    | derived                       | derived                                    |
 * | not countable | not-counted                   | not-counted                                |
 * | not reached   | not-counted, incomplete       | not-counted, incomplete                    |
 */
export function reconcile(reckonings: readonly Reckoning[], lost: readonly string[]): Reconciliation {
  const stores: StoreAudit[] = [];
  const leaks: Leak[] = [];
  const gaps: string[] = [];
  const lostSome = lost.length > 0 ? `telemetry of ${lost.join(', ')} was lost in mid-run` : undefined;
  for (const one of reckonings) {
    // either makes a difference that proves nothing
    const unheard = lostSome ?? (one.others.length > 0 ? `${one.others.join(', ')} wrote there as well` : undefined);
    const audit = (outcome: StoreAudit['outcome'], note?: string) => {
      stores.push({
        store: one.store,
        real: one.real,
        shadow: one.shadow,
        writesIssued: one.issued,
        rowsFound: one.found,
        outcome,
        ...(note === undefined ? {} : { note }),
      });
    };
    if (one.incomparable !== undefined) {
      audit('not-counted', one.incomparable);
    } else if (one.found === null) {
      audit('not-counted', 'the store could not be asked');
      gaps.push(`${one.shadow} could not be counted`);
    } else if (one.uncounted > 0) {
      audit('not-counted', `${one.uncounted} statements whose rows the driver does not tell (upserts of several rows)`);
    } else if (one.derivedBy !== undefined && one.found !== one.issued) {
      audit('derived', `rows come from ${one.derivedBy}`);
    } else if (one.found === one.issued) {
      audit('equal');
    } else if (one.found < one.issued) {
      const missing = one.issued - one.found;
      if (unheard !== undefined) {
        audit('missing', `${missing} fewer than issued; ${unheard}`);
        gaps.push(`${one.shadow}: ${missing} fewer than issued, and ${unheard}`);
      } else {
        audit('missing', `${missing} fewer than issued: they went elsewhere`);
        leaks.push({ store: one.store, target: one.real, kind: 'missing-rows', count: missing, samples: [] });
      }
    } else {
      const excess = one.found - one.issued;
      audit('excess', `${excess} more than issued; ${unheard ?? 'no agent reported them'}`);
      gaps.push(`${one.shadow}: ${excess} more than issued; ${unheard ?? 'no agent reported them'}`);
    }
  }
  return { stores, leaks, gaps };
}
