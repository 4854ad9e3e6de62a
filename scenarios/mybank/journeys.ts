import { createHash } from 'node:crypto';

/** One request of an access log: when, and from whom. */
export interface Arrival {
  /** µs since the epoch. */
  tUs: number;
  /** Who: address and user agent. */
  session: string;
}

/** One thing that a user does. `dueMs` counts from the start of the traffic. */
export interface Action {
  dueMs: number;
  session: string;
  kind: 'login' | 'account' | 'transfer' | 'statement' | 'lookup';
  customer: number;
}

export const CUSTOMERS = 2000;

/** What a user does after the login; the pattern repeats. Most of it moves money. */
const STEPS: Action['kind'][] = [
  'account',
  'transfer',
  'lookup',
  'transfer',
  'statement',
  'transfer',
  'transfer',
  'account',
];

/**
 * Turns real arrivals into journeys: who comes when, and for how long, is the log's; what they do is a bank's. Time is compressed evenly so that
 * the mean rate is `ratePerSec`; the bursts stay.
 */
export function journeys(arrivals: Arrival[], ratePerSec: number): Action[] {
  const sorted = [...arrivals].sort((a, b) => a.tUs - b.tUs);
  const first = sorted[0]?.tUs ?? 0;
  const spanUs = Math.max(1, (sorted.at(-1)?.tUs ?? 0) - first);
  const totalMs = (sorted.length / ratePerSec) * 1000;
  const seen = new Map<string, number>();
  return sorted.map(({ tUs, session }) => {
    const step = seen.get(session) ?? 0;
    seen.set(session, step + 1);
    return {
      dueMs: ((tUs - first) / spanUs) * totalMs,
      session,
      kind: step === 0 ? 'login' : STEPS[(step - 1) % STEPS.length]!,
      customer: numberOf(session, 'customer'),
    };
  });
}

/** A customer's number, or a payee's, that is always the same for the same words. 1…CUSTOMERS. */
export function numberOf(...words: string[]): number {
  return 1 + (createHash('sha256').update(words.join('\n')).digest().readUInt32BE(0) % CUSTOMERS);
}
