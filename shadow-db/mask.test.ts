import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Tokens } from './mask.js';
import { isCardNumber, luhnDigit } from './mask-patterns.js';

const tokens = new Tokens('key');
const digitText = (minLength: number, maxLength: number) =>
  fc.stringMatching(new RegExp(`^[1-9][0-9]{${minLength - 1},${maxLength - 1}}$`));

describe('keyed tokens', () => {
  it('are the same for the same key and domain, and unrelated otherwise', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (value) => {
        expect(new Tokens('key').token(value)).toBe(tokens.token(value));
        const others = [new Tokens('kez'), new Tokens('key', 'people'), new Tokens('key', 'peoplf')];
        expect(new Set([tokens, ...others].map((one) => one.token(value))).size).toBe(4);
        expect(new Set([tokens, ...others].map((one) => one.email(value))).size).toBe(4);
      }),
      { numRuns: 100 },
    );
  });

  it('keep their format', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(tokens.token(value)).toMatch(/^m_[\w-]{22}$/);
        expect(tokens.email(value)).toMatch(/^m_[\w-]{22}@masked\.invalid$/);
        expect(tokens.email(value.toUpperCase())).toBe(tokens.email(value.toUpperCase().toLowerCase()));
        expect(tokens.name(value)).toMatch(/^[A-Z][a-z]{5} [A-Z][a-z]{5}$/);
        const masked = tokens.digits(value);
        expect(masked.replaceAll(/\d/g, '0')).toBe(value.replaceAll(/\d/g, '0'));
      }),
    );
  });

  it.each([1, 2, 3, 4])('permute all numbers of %s digits', (length) => {
    const seen = new Set<string>();
    const from = 10 ** (length - 1);
    for (let value = from; value < from * 10; value += 1) seen.add(tokens.digits(String(value)));
    expect(seen.size).toBe(from * 9);
    for (const masked of seen) expect(masked).toMatch(new RegExp(`^[1-9]\\d{${length - 1}}$`));
    const zeros = new Set<string>();
    for (let value = 0; value < from; value += 1) zeros.add(tokens.digits(`0${String(value).padStart(length, '0')}`));
    expect(zeros.size).toBe(from);
  });

  it('never give two numbers one token, whatever their length', () => {
    fc.assert(
      fc.property(fc.uniqueArray(digitText(1, 45), { minLength: 2, maxLength: 200 }), (values) => {
        const masked = values.map((value) => tokens.digits(value));
        expect(new Set(masked).size).toBe(values.length);
        expect(masked.map((value) => value.length)).toEqual(values.map((value) => value.length));
        for (const value of masked) expect(value).not.toMatch(/^0/);
      }),
      { numRuns: 50 },
    );
  });

  it('keep cards valid, and apart', () => {
    const card = fc.stringMatching(/^4[0-9]{14}$/).map((start) => start + luhnDigit(start));
    fc.assert(
      fc.property(fc.uniqueArray(card, { minLength: 2, maxLength: 50 }), (cards) => {
        const masked = cards.map((one) => tokens.digits(one, true));
        expect(masked.every(isCardNumber)).toBe(true);
        expect(new Set(masked).size).toBe(cards.length);
      }),
      { numRuns: 30 },
    );
  });

  it('are spread evenly', () => {
    const counts = new Map<string, number>();
    for (let value = 0; value < 20_000; value += 1) {
      const masked = tokens.digits(`0${String(value).padStart(9, '0')}`);
      for (const place of [1, 5, 9]) {
        const key = `${place} ${masked[place]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    // 2,000 are expected in each of ten; six standard deviations are 255
    expect(counts.size).toBe(30);
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(255);
  });
});
