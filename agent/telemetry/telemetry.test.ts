import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ExponentialHistogram } from './histogram.js';
import { DurationMeter, WriteLedger } from './meter.js';
import { MAX_SERIES, SeriesTable } from './series.js';

const interval = { startTimeUnixNano: '0', timeUnixNano: '1' };

describe('histogram', () => {
  it('puts each duration into the bucket that the data model says', () => {
    fc.assert(
      fc.property(fc.double({ min: 1.01, max: 2e9, noNaN: true }), (durationUs) => {
        const histogram = new ExponentialHistogram();
        histogram.record(durationUs);
        const { offset, buckets, count, sum } = histogram.take();
        const base = 2 ** (1 / 32);
        const seconds = durationUs / 1e6;
        expect(buckets).toEqual([1]);
        expect(count).toBe(1);
        expect(sum).toBe(seconds);
        // (base^i, base^(i+1)], with room for the logarithm's rounding at the border.
        expect(seconds).toBeGreaterThan(base ** offset * (1 - 1e-9));
        expect(seconds).toBeLessThanOrEqual(base ** (offset + 1) * (1 + 1e-9));
      }),
    );
  });

  it('a percentile is off by 1.1 % at most', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 1e8 }), { minLength: 1, maxLength: 200 }), (durations) => {
        const histogram = new ExponentialHistogram();
        for (const duration of durations) histogram.record(duration);
        const { offset, buckets } = histogram.take();
        const sorted = durations.toSorted((a, b) => a - b);
        const rank = Math.ceil(sorted.length * 0.9);
        let seen = 0;
        const index = buckets.findIndex((count) => {
          seen += count;
          return seen >= rank;
        });
        const middle = 2 ** ((offset + index + 0.5) / 32) * 1e6;
        expect(Math.abs(middle / sorted[rank - 1]! - 1)).toBeLessThan(0.0111);
      }),
    );
  });

  it('starts anew after take, and takes what is not a duration for zero', () => {
    const histogram = new ExponentialHistogram();
    for (const value of [0, -1, Number.NaN, 1e15]) histogram.record(value);
    expect(histogram.take()).toMatchObject({ count: 4, zeroCount: 3, min: 0, buckets: [1] });
    expect(histogram.take()).toEqual({ count: 0, sum: 0, min: 0, max: 0, zeroCount: 0, offset: 0, buckets: [] });
    histogram.record(5);
    expect(histogram.take()).toMatchObject({ count: 1, buckets: [1], min: 5e-6, max: 5e-6 });
  });
});

describe('series', () => {
  it('bounds the number, keeps real and shadow apart in the overflow, forgets what is not used', () => {
    const table = new SeriesTable(() => ({ n: 0 }));
    for (let i = 0; i < 2 * MAX_SERIES; i++) table.at(i % 2 === 0, `route ${i}`, 200).n++;
    const entries = () => {
      const list: unknown[][] = [];
      table.flush((keys, value) => {
        list.push([...keys, value.n]);
        return false;
      });
      return list;
    };
    const all = entries();
    expect(all).toHaveLength(MAX_SERIES + 2);
    expect(all.filter(([, route]) => route === 'other')).toEqual([
      [true, 'other', undefined, undefined, MAX_SERIES / 2],
      [false, 'other', undefined, undefined, MAX_SERIES / 2],
    ]);
    for (let i = 0; i < 60; i++) entries();
    expect(entries()).toEqual([]);
    table.at(true, 'fresh').n++;
    expect(entries()).toEqual([[true, 'fresh', undefined, undefined, 1]]);
  });
});

describe('meter and ledger', () => {
  it('gives each measurement its attributes', () => {
    const meter = new DurationMeter();
    meter.serverRequest(true, 'GET /a/:id', 200, 10);
    meter.clientRequest(true, 'account', 200, 10);
    meter.clientRequest(true, '127.0.0.1:1', 'ECONNREFUSED', 10);
    meter.dbOperation(false, 'mysql', 'bank.t', 'insert', undefined, 10);
    meter.message(true, 'process', 'topic', 'Error', 10);
    const text = JSON.stringify(meter.collect(interval));
    for (const part of [
      '"http.route","value":{"stringValue":"/a/:id"}',
      '"http.response.status_code","value":{"intValue":"200"}',
      '"error.type","value":{"stringValue":"ECONNREFUSED"}',
      '"shadow","value":{"boolValue":false}',
      '"name":"messaging.process.duration"',
    ]) {
      expect(text).toContain(part);
    }
    expect(meter.collect(interval)).toEqual([]);
  });

  it('sums writes, deletes counting down, and says zero for updates', () => {
    const ledger = new WriteLedger();
    ledger.wrote('r', 'mysql', 'bank.t_shadow', 'insert', 3);
    ledger.wrote('r', 'mysql', 'bank.t_shadow', 'insert', 2);
    ledger.wrote('r', 'mysql', 'bank.t_shadow', 'delete', -4);
    ledger.wrote('r', 'mysql', 'bank.t_shadow', 'update', 0);
    const [metric] = ledger.collect(interval) as any[];
    expect(metric.sum.isMonotonic).toBe(false);
    expect(metric.sum.dataPoints.map((point: any) => point.asInt)).toEqual(['5', '-4', '0']);
    expect(ledger.collect(interval)).toEqual([]);
  });
});
