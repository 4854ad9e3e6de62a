import { describe, expect, it } from '@jest/globals';
import { bytes, change, digits, duration, inUnit, margin, number, rate, seconds, share, wallClock } from './format.js';

describe('numbers for people', () => {
  it.each([
    [0, '0'],
    [0.00042, '0.00042'],
    [0.123, '0.12'],
    [1.234, '1.23'],
    [9.996, '10.0'],
    [99.96, '100'],
    [1234.5, '1,235'],
    [Number.NaN, '–'],
  ])('digits(%p) is %p', (value, text) => expect(digits(value)).toBe(text));

  it.each([
    [0, '0 ms'],
    [850, '850 µs'],
    [34_200, '34.2 ms'],
    [9_999_000, '9,999 ms'],
    [12_300_000, '12.3 s'],
    [null, '–'],
  ])('duration(%p) is %p', (us, text) => expect(duration(us)).toBe(text));

  it.each([
    [5, '5 s'],
    [119, '119 s'],
    [200, '3 min 20 s'],
    [7500, '2 h 5 min'],
    [-12, '−12 s'],
  ])('seconds(%p) is %p', (value, text) => expect(seconds(value)).toBe(text));

  it('keeps whole rates whole', () => {
    expect(number(60)).toBe('60');
    expect(rate(59.97)).toBe('60.0/s');
    expect(rate(null)).toBe('–');
  });

  it('shows a missed margin as negative', () => {
    expect(margin(-0.3733)).toBe('−37.3 %');
    expect(margin(0.84)).toBe('84.0 %');
    expect(margin(null)).toBe('–');
  });

  it('shows changes with their sign', () => {
    expect(change(26.8, 21.3)).toBe('+25.8 %');
    expect(change(1, 2)).toBe('−50.0 %');
    expect(change(1, 1)).toBe('±0 %');
    expect(change(1, 0)).toBe('–');
  });

  it('knows units', () => {
    expect(inUnit(412_000, 'us')).toBe('412 ms');
    expect(inUnit(0.001, 'share')).toBe('0.10 %');
    expect(inUnit(null, 'us')).toBe('–');
    expect(share(0)).toBe('0 %');
    expect(bytes(8 * 1024 ** 3)).toBe('8.00 GiB');
    expect(wallClock('not a date')).toBe('not a date');
  });
});
