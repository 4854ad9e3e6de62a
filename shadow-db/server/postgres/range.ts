import { type Db, ShadowDbError } from '../db.js';
import type { DesiredSequence } from './desired.js';
import { indexOn } from './key.js';
import type { Names } from './options.js';
import { full, quote, shown } from './quote.js';
import { inSnapshot } from './session.js';

/** Ids that belong to shadow rows of one table. Decimal digits, since they may pass 2^53. */
export interface ReservedRange {
  /** The real table, as a key of `tables` writes it. */
  table: string;
  column: string;
  firstShadowId: string;
}

const limits: Record<string, bigint> = { smallint: 2n ** 15n - 1n, integer: 2n ** 31n - 1n, bigint: 2n ** 63n - 1n };

/** Highest value of a type that ids may have; undefined where there is none. */
export function highestOf(type: string): bigint | undefined {
  const digits = /^numeric\((\d+),0\)$/.exec(type)?.[1];
  return digits === undefined ? limits[type] : 10n ** BigInt(digits) - 1n;
}

/** Reads of real tables that share a transaction: their locks, however weak, are soon given back. */
const readsTogether = 20;

/**
 * The highest id of each real table, by the name of its sequence; only where an index gives it at once. Not to be called in a transaction.
 * Columns without an index are told in `warnings`: there the sequence alone is asked. Throws ShadowDbError REAL_BUSY.
 */
export async function readHighest(
  db: Db,
  sequences: readonly DesiredSequence[],
  warnings: string[],
): Promise<Map<string, bigint>> {
  const reads = sequences
    .flatMap((sequence) => sequence.users.map((user) => ({ ...user, sequence })))
    .filter(({ column }) => highestOf(column.type) !== undefined)
    .filter(({ table, column, sequence }) => {
      if (indexOn(table, column.name) !== undefined) return true;
      warnings.push(
        `${shown(table)}.${column.name} has no index: its highest id is not looked for, only what ${shown(sequence.real)} has reached`,
      );
      return false;
    });
  const found = new Map<string, bigint>();
  for (let at = 0; at < reads.length; at += readsTogether) {
    await inSnapshot(db, async () => {
      for (const { table, column, sequence } of reads.slice(at, at + readsTogether)) {
        const [row] = await db.query(`SELECT max(${quote(column.name)})::text AS highest FROM ${full(table)}`);
        if (row?.highest === null || row?.highest === undefined) continue;
        const highest = BigInt(String(row.highest));
        const key = shown(sequence.real);
        const known = found.get(key);
        if (known === undefined || highest > known) found.set(key, highest);
      }
    });
  }
  return found;
}

/**
 * First shadow id: the highest real id, or what the sequence has reached, plus the gap, in the sequence's own steps. Throws ShadowDbError
 * when the type, or what is left of the sequence, has no room for it and for a million rows more (or as many as the gap, if that is less).
 */
export function firstShadowId({ real, users }: DesiredSequence, highest: bigint | undefined, names: Names): bigint {
  const [start, step, max] = [BigInt(real.start), BigInt(real.increment), BigInt(real.max)];
  const reached = real.last === undefined ? start - step : BigInt(real.last);
  const from = highest !== undefined && highest > reached ? highest : reached;
  const gaps = users.map(({ table }) => names.gap(table));
  const gap = BigInt(Math.max(...gaps));
  // ids of several writers may be told apart by their remainder: it is kept
  const steps = (from + gap - start + step - 1n) / step;
  const first = start + (steps > 0n ? steps : 0n) * step;
  const room = (gap < 1_000_000n ? gap : 1_000_000n) * step;
  const limit = users.reduce((lowest, { column }) => {
    const own = highestOf(column.type);
    return own !== undefined && own < lowest ? own : lowest;
  }, max);
  if (first + room > limit) {
    const columns = users.map(({ table, column }) => `${shown(table)}.${column.name} (${column.type})`).join(', ');
    throw new ShadowDbError(
      'AUTO_INCREMENT_RANGE',
      `${columns} with ${shown(real)} ends at ${limit}; shadow ids would begin at ${from} + ${gap}`,
    );
  }
  return first;
}

/** Where a shadow sequence ends: as the real one, but never past its columns' types. */
export function lastShadowId({ real, users }: DesiredSequence): bigint {
  return users.reduce((lowest, { column }) => {
    const own = highestOf(column.type);
    return own !== undefined && own < lowest ? own : lowest;
  }, BigInt(real.max));
}
