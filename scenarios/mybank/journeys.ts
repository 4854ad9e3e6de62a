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
  'transfer',
  'account',
  'transfer',
  'lookup',
  'transfer',
  'statement',
  'transfer',
  'transfer',
];

/**
 * Turns real arrivals into journeys: who comes when, and for how long, is the log's; what they do is a bank's. Time is compressed evenly so that
 * the mean rate is `ratePerSec`; the bursts stay.
 */
export function journeys(arrivals: Arrival[], ratePerSec: number): Action[] {
  const sorted = [...arrivals].sort((a, b) => a.tUs - b.tUs);
  const offsetsMs = arrivalOffsetsMs(sorted.map(({ tUs }) => tUs));
  const spanMs = Math.max(1, offsetsMs.at(-1) ?? 0);
  const totalMs = (sorted.length / ratePerSec) * 1000;
  const seen = new Map<string, number>();
  return sorted.map(({ session }, index) => {
    const step = seen.get(session) ?? 0;
    seen.set(session, step + 1);
    return {
      dueMs: (offsetsMs[index]! / spanMs) * totalMs,
      session,
      kind: step === 0 ? 'login' : STEPS[(step - 1) % STEPS.length]!,
      customer: numberOf(session, 'customer'),
    };
  });
}

const MAX_GAP_MS = 10_000;

/**
 * Milliseconds after the first arrival. The log has one minute of each hour, so pauses are cut to 10 s; its stamps are whole seconds, so arrivals of
 * one second are spread over it.
 */
function arrivalOffsetsMs(sortedUs: number[]): number[] {
  const inSecond = new Map<number, number>();
  for (const tUs of sortedUs) inSecond.set(tUs, (inSecond.get(tUs) ?? 0) + 1);
  let secondMs = 0;
  let nth = 0;
  return sortedUs.map((tUs, index) => {
    const gapMs = index === 0 ? 0 : (tUs - sortedUs[index - 1]!) / 1000;
    nth = gapMs === 0 && index > 0 ? nth + 1 : 0;
    secondMs += Math.min(gapMs, MAX_GAP_MS);
    return secondMs + (nth / inSecond.get(tUs)!) * 1000;
  });
}

/** A customer's number, or a payee's, that is always the same for the same words. 1…CUSTOMERS. */
export function numberOf(...words: string[]): number {
  return 1 + (createHash('sha256').update(words.join('\n')).digest().readUInt32BE(0) % CUSTOMERS);
}
