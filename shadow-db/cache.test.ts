import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LruCache } from './cache.js';

describe('cache of statements', () => {
  it('gives back what was set, and never what was set for another key', () => {
    const key = fc.string({ unit: fc.constantFrom('a', 'b', '1'), maxLength: 80 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(key, fc.nat(), fc.boolean()), { maxLength: 60 }),
        fc.integer({ min: 1, max: 8 }),
        (steps, capacity) => {
          const cache = new LruCache<number>(capacity);
          const all = new Map<string, number>();
          for (const [text, value, atOnce] of steps) {
            if (atOnce) {
              cache.set(text, value);
            } else {
              cache.offer(text, value);
              cache.offer(text, value);
            }
            all.set(text, value);
            expect(cache.get(text)).toBe(value);
            expect(cache.size).toBeLessThanOrEqual(capacity);
            for (const [other, expected] of all) expect([undefined, expected]).toContain(cache.get(other));
          }
        },
      ),
    );
  });

  it('keeps what is used and drops what is not', () => {
    const cache = new LruCache<number>(100);
    for (let n = 0; n < 1000; n += 1) {
      cache.set(`statement ${n}`, n);
      expect(cache.get('statement 0')).toBe(0);
    }
    expect(cache.get('statement 1')).toBeUndefined();
    for (let n = 960; n < 1000; n += 1) expect(cache.get(`statement ${n}`)).toBe(n);
  });

  it('tells texts apart that agree in length and in most characters, and gives back what was set last', () => {
    const cache = new LruCache<number>(100);
    const text = (at: number): string => `${'a'.repeat(at)}b${'a'.repeat(39 - at)}`;
    for (let round = 0; round < 3; round += 1) {
      for (let at = 0; at < 40; at += 1) cache.set(text(at), 100 * round + at);
      for (let at = 0; at < 40; at += 1) {
        // twice: what was found is looked for in another place the next time
        expect(cache.get(text(at))).toBe(100 * round + at);
        expect(cache.get(text(at))).toBe(100 * round + at);
        cache.set(text(at), at);
        expect(cache.get(text(at))).toBe(at);
      }
    }
  });

  it('keeps what is offered twice', () => {
    const cache = new LruCache<number>(10);
    for (let n = 0; n < 100; n += 1) {
      cache.offer(`statement ${n}`, n);
      cache.offer('again', -1);
    }
    expect(cache.get('again')).toBe(-1);
    expect(cache.size).toBe(1);
    cache.offer('statement 99', 99);
    expect(cache.get('statement 99')).toBe(99);
  });

  it('holds nothing without capacity', () => {
    const cache = new LruCache<number>(0);
    cache.set('a', 1);
    expect(cache.get('a')).toBeUndefined();
  });

  it('holds texts that differ in few characters, and stays small when they share a sample', () => {
    const cache = new LruCache<number>(1000);
    const text = (n: number): string => `select ${'a'.repeat(51)} where id = ${n} ${'b'.repeat(200)}`;
    for (let n = 100_000; n < 100_100; n += 1) cache.set(text(n), n);
    let found = 0;
    for (let n = 100_000; n < 100_100; n += 1) if (cache.get(text(n)) === n) found += 1;
    expect(found).toBe(100);
    // two of three characters of a long text do not count: these all share one sample
    const alike = (n: number): string => n.toString(2).padStart(12, '0').replace(/./g, 'x$&x') + 'c'.repeat(100);
    for (let n = 0; n < 400; n += 1) cache.set(alike(n), n);
    let kept = 0;
    for (let n = 0; n < 400; n += 1) {
      const value = cache.get(alike(n));
      if (value !== undefined) kept += 1;
      expect([undefined, n]).toContain(value);
    }
    expect(kept).toBeLessThanOrEqual(64);
    expect(kept).toBeGreaterThan(0);
  });
});
