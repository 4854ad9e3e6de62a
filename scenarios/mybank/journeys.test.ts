import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CUSTOMERS, journeys } from './journeys.js';

const SECOND = 1_000_000;

describe('journeys', () => {
  it('keeps the mean rate, the order and the bursts', () => {
    const arrivals = [0, 0, 1, 1, 1, 9].map((s, i) => ({ tUs: s * SECOND, session: `s${i % 2}` }));
    const actions = journeys(arrivals, 6);
    expect(actions.map(({ dueMs }) => Math.round(dueMs))).toEqual([0, 56, 111, 148, 185, 1000]);
    expect(actions.map(({ kind }) => kind)).toEqual(['login', 'login', 'transfer', 'transfer', 'account', 'account']);
  });

  it('cuts pauses to ten seconds, since the log has one minute of each hour', () => {
    const at = (s: number) => ({ tUs: s * SECOND, session: 'a' });
    const gaps = journeys([at(0), at(5), at(3600), at(3605)], 1).map(({ dueMs }) => dueMs);
    expect(gaps[2]! - gaps[1]!).toBeCloseTo(2 * (gaps[1]! - gaps[0]!));
  });

  it('starts every session with a login and gives one customer to it, whatever the order of the log', () => {
    const log = fc.array(
      fc.record({ tUs: fc.integer({ min: 0, max: 1e12 }), session: fc.constantFrom('a', 'b', 'c') }),
    );
    fc.assert(
      fc.property(log, fc.integer({ min: 1, max: 500 }), (arrivals, rate) => {
        const actions = journeys(arrivals, rate);
        for (const session of new Set(arrivals.map((arrival) => arrival.session))) {
          const own = actions.filter((action) => action.session === session);
          expect(own.map(({ kind }) => kind === 'login')).toEqual(own.map((_, index) => index === 0));
          expect(new Set(own.map(({ customer }) => customer)).size).toBe(1);
        }
        for (const { dueMs, customer } of actions) {
          expect(dueMs).toBeGreaterThanOrEqual(0);
          expect(dueMs).toBeLessThanOrEqual((actions.length / rate) * 1000 + 1);
          expect(customer).toBeGreaterThanOrEqual(1);
          expect(customer).toBeLessThanOrEqual(CUSTOMERS);
        }
      }),
    );
  });
});
