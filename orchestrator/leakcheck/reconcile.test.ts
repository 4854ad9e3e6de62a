import { describe, expect, it } from '@jest/globals';
import { type Reckoning, reconcile } from './reconcile.js';

const base: Reckoning = {
  store: 'mysql',
  real: 'bank.transfers',
  shadow: 'bank.transfers_shadow',
  issued: 10,
  uncounted: 0,
  found: 10,
  others: [],
  derivedBy: undefined,
  incomparable: undefined,
};

describe('reconcile', () => {
  it.each([
    // what, change, lost services, outcome of the store, leaks, gaps
    ['all arrived', {}, [], 'equal', 0, 0],
    ['all arrived although a service was lost', {}, ['payment'], 'equal', 0, 0],
    ['a write went elsewhere', { found: 9 }, [], 'missing', 1, 0],
    ['fewer, and a service was lost', { found: 9 }, ['payment'], 'missing', 0, 1],
    ['fewer, and another run wrote there', { found: 9, others: ['r-2'] }, [], 'missing', 0, 1],
    ['more, and another run wrote there', { found: 11, others: ['r-2'] }, [], 'excess', 0, 1],
    ['all arrived, and another run wrote there', { others: ['r-2'] }, [], 'equal', 0, 0],
    ['rows that nobody reported', { found: 11 }, [], 'excess', 0, 1],
    ['more, and a service was lost', { found: 11 }, ['payment'], 'excess', 0, 1],
    ['rows by a trigger', { issued: 0, derivedBy: 'trigger audit' }, [], 'derived', 0, 0],
    ['a trigger that did nothing', { issued: 0, found: 0, derivedBy: 'trigger audit' }, [], 'equal', 0, 0],
    ['upserts', { uncounted: 2, found: 12 }, [], 'not-counted', 0, 0],
    ['a store that cannot be asked', { found: null }, [], 'not-counted', 0, 1],
    ['a cache', { found: 3, incomparable: 'keys expire' }, [], 'not-counted', 0, 0],
    ['nothing at all', { issued: 0, found: 0 }, [], 'equal', 0, 0],
    ['deletions', { issued: -2, found: -2 }, [], 'equal', 0, 0],
  ] as const)('%s', (_what, change, lost, outcome, leaks, gaps) => {
    const result = reconcile([{ ...base, ...change }], lost);
    expect(result.stores.map((store) => store.outcome)).toEqual([outcome]);
    expect(result.leaks).toHaveLength(leaks);
    expect(result.gaps).toHaveLength(gaps);
  });

  it('names the real table and how many are missing', () => {
    expect(reconcile([{ ...base, found: 7 }], []).leaks).toEqual([
      { store: 'mysql', target: 'bank.transfers', kind: 'missing-rows', count: 3, samples: [] },
    ]);
  });
});
