import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { build as buildHistogram } from 'hdr-histogram-js';
import { ExpressionError } from './expression.js';
import { parseGuardrail } from './guardrail-line.js';
import { nearest } from './problem.js';
import type { Threshold } from './scenario.js';
import { evaluateThreshold, parseThreshold, samplesFor, type ThresholdData } from './slo.js';
import { parseDurationMs, parseRatePerSec, parseRatio, parseShare, parseSizeBytes, UnitError } from './units.js';

describe('units', () => {
  it.each<[(text: string) => number, string, number]>([
    [parseDurationMs, '250ms', 250],
    [parseDurationMs, '1.5s', 1500],
    [parseDurationMs, '5m', 300_000],
    [parseDurationMs, '1h', 3_600_000],
    [parseDurationMs, '500us', 0.5],
    [parseRatePerSec, '200/s', 200],
    [parseRatePerSec, '30/m', 0.5],
    [parseSizeBytes, '64KiB', 65_536],
    [parseSizeBytes, '1.5kB', 1500],
    [parseRatio, '1.2x', 1.2],
    [parseShare, '0.1%', 0.001],
    [parseShare, '5%', 0.05],
  ])('%p reads %s', (read, text, expected) => {
    expect(read(text)).toBe(expected);
  });

  it.each<[(text: string) => number, string]>([
    [parseDurationMs, '30'],
    [parseDurationMs, '30 sec'],
    [parseDurationMs, '1m30s'],
    [parseDurationMs, '-1s'],
    [parseDurationMs, ''],
    [parseDurationMs, 'NaNs'],
    [parseDurationMs, '1e9s'],
    [parseDurationMs, `${'9'.repeat(400)}s`],
    [parseDurationMs, '1toString'],
    [parseRatePerSec, '200'],
    [parseRatePerSec, '200ps'],
    [parseSizeBytes, '64KB'],
    [parseShare, '0.1'],
    [parseRatio, '1.2'],
  ])('%p refuses %j', (read, text) => {
    expect(() => read(text)).toThrow(UnitError);
  });

  it('shows the right form of a bare number', () => {
    expect(() => parseDurationMs('30')).toThrow(
      expect.objectContaining({ message: '30 has no unit', remedy: expect.stringContaining('30s') }),
    );
  });

  it('reads back what it would write', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1e9 }),
        (n) => parseDurationMs(`${n}ms`) === n && parseDurationMs(`${n}s`) === n * 1000,
      ),
    );
  });
});

describe('thresholds', () => {
  it.each<[string, Partial<Threshold>]>([
    [
      'p99(response) < 300ms',
      {
        metric: { kind: 'latency', percentile: 99, of: 'response', route: null },
        comparison: '<',
        limit: 300_000,
        unit: 'us',
      },
    ],
    [
      '  p99.9( service )<=1s ',
      { metric: { kind: 'latency', percentile: 99.9, of: 'service', route: null }, comparison: '<=', limit: 1_000_000 },
    ],
    [
      'p50(response, route="POST /a\\"b") > 1ms',
      { metric: { kind: 'latency', percentile: 50, of: 'response', route: 'POST /a"b' }, comparison: '>' },
    ],
    ['errors < 0.1%', { metric: { kind: 'errors', route: null }, limit: 0.001, unit: 'share' }],
    ['errors(route="GET /x") <= 0%', { metric: { kind: 'errors', route: 'GET /x' }, limit: 0 }],
    ['throughput >= 200/s', { metric: { kind: 'throughput' }, comparison: '>=', limit: 200, unit: 'perSec' }],
  ])('%s', (source, expected) => {
    expect(parseThreshold(source)).toMatchObject({ source, ...expected });
  });

  it.each<[string, number, RegExp]>([
    ['', 0, /is missing here/],
    ['p99 < 3ms', 4, /"\(" is missing/],
    ['p0(response) < 3ms', 0, /there is no p0/],
    ['p101(response) < 3ms', 0, /there is no p101/],
    ['p99(respons) < 3ms', 4, /"respons" is not a latency/],
    ['p99(response) = 3ms', 14, /is not a comparison/],
    ['p99(response) < ', 16, /a limit is missing/],
    ['p99(response) < 3', 16, /3 has no unit/],
    ['p99(response) < 3% ', 16, /is not a unit of a duration/],
    ['errors < 3ms', 9, /is not a unit of a share/],
    ['p99(response) < 3ms for 5s', 20, /"for" is too much/],
    ['p99(response, route=POST) < 3ms', 20, /a text in double quotes is missing/],
    ['p99(lateness, route="GET /x") < 3ms', 0, /is not measured by route/],
  ])('%s is wrong at %d', (source, offset, message) => {
    const error = thrown(() => parseThreshold(source));
    expect(error).toMatchObject({ offset, message: expect.stringMatching(message) });
  });

  it('never fails but with a place within the text', () => {
    const word = fc.constantFrom(
      'p99',
      '(',
      ')',
      'response',
      'errors',
      '<',
      '<=',
      '300ms',
      '0.1%',
      ' ',
      ',',
      'route',
      '=',
      '"x"',
      'real',
      'baseline',
      '+',
      '1.2x',
      'for',
      '5s',
      'generator',
      'lateness',
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join(' ')),
    );
    fc.assert(
      fc.property(text, fc.constantFrom(parseThreshold, parseGuardrail), (source, parse) => {
        try {
          expect(parse(source).source).toBe(source);
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error;
          expect(error.offset).toBeGreaterThanOrEqual(0);
          expect(error.offset).toBeLessThanOrEqual(source.length);
          expect(error.remedy).not.toBe('');
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function thrown(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('a threshold held against a run', () => {
  const histogram = (...values: number[]) => {
    const made = buildHistogram({ numberOfSignificantValueDigits: 3 });
    for (const value of values) made.recordValue(value);
    return made;
  };
  const data = (over: Partial<ThresholdData> = {}): ThresholdData => ({
    response: histogram(...Array.from({ length: 1000 }, (_, i) => (i + 1) * 100)),
    service: histogram(),
    lateness: histogram(1),
    sessionWait: histogram(),
    routes: [{ route: 'GET /x', count: 10, errors: 1, response: histogram(5), service: histogram(5) }],
    started: 1000,
    completed: 990,
    errors: 1,
    durationS: 10,
    ...over,
  });

  it.each<[string, ThresholdData, Partial<ReturnType<typeof evaluateThreshold>>]>([
    ['p50(response) < 60ms', data(), { ok: true, samples: 1000 }],
    ['p99(response) < 90ms', data(), { ok: false }],
    ['errors < 0.2%', data(), { ok: true, observed: 0.001, marginShare: 0.5 }],
    ['errors < 0.1%', data(), { ok: false, observed: 0.001, marginShare: 0 }],
    ['errors <= 0.1%', data(), { ok: true }],
    ['errors <= 0%', data({ errors: 0 }), { ok: true, marginShare: null }],
    ['errors(route="GET /x") < 5%', data(), { ok: false, observed: 0.1, samples: 10 }],
    [
      'errors(route="GET /y") < 5%',
      data(),
      { ok: null, observed: null, note: 'no request of GET /y was measured (routes: GET /x)' },
    ],
    ['throughput >= 100/s', data(), { ok: false, observed: 99 }],
    ['throughput > 100/s', data({ durationS: 0 }), { ok: null, observed: null }],
    ['p99(service) < 1ms', data(), { ok: null, samples: 0 }],
    ['p99(lateness) < 1ms', data(), { ok: true, note: '1 samples are few: p99 has no upper bound below 368' }],
    ['errors < 1%', data({ started: 0, errors: 0 }), { ok: null }],
  ])('%s', (source, of, expected) => {
    expect(evaluateThreshold(parseThreshold(source), of)).toMatchObject({ source, ...expected });
  });

  it('knows how many samples a percentile needs', () => {
    expect([samplesFor(99), samplesFor(99.9), samplesFor(100)]).toEqual([368, 3688, 1]);
  });

  it('has a margin whose sign agrees with the verdict', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 0, max: 1000 }),
        fc.integer({ min: 1, max: 100 }),
        (started, errors, limit) => {
          const result = evaluateThreshold(
            parseThreshold(`errors < ${limit}%`),
            data({ started, errors: Math.min(errors, started) }),
          );
          return result.ok === result.marginShare! > 0;
        },
      ),
    );
  });
});

describe('guardrails', () => {
  it.each<[string, object]>([
    [
      'real p99 < 1.2x baseline for 10s',
      {
        subject: 'real',
        metric: { kind: 'latency', percentile: 99 },
        limit: { kind: 'factor', factor: 1.2 },
        forMs: 10_000,
        action: 'abort',
      },
    ],
    ['real p95 < baseline + 50ms for 500ms', { limit: { kind: 'plus', plus: 50_000 }, forMs: 500 }],
    ['real p99 < 400ms', { limit: { kind: 'absolute', value: 400_000 }, forMs: 0 }],
    ['real errors < baseline + 0.1% for 5s', { metric: { kind: 'errors' }, limit: { kind: 'plus', plus: 0.001 } }],
    ['real errors < 2x baseline', { metric: { kind: 'errors' }, limit: { kind: 'factor', factor: 2 } }],
    [
      'generator lateness p99 < 5ms',
      {
        subject: 'generator',
        metric: { kind: 'lateness', percentile: 99 },
        limit: { kind: 'absolute', value: 5000 },
        action: 'mark',
      },
    ],
  ])('%s', (source, expected) => {
    expect(parseGuardrail(source)).toMatchObject({ source, ...expected });
  });

  it.each<[string, number]>([
    ['reel p99 < 1x baseline', 0],
    ['real p99 > 1x baseline', 9],
    ['real p99 < 1.2x', 15],
    ['real p99 < 1.2', 11],
    ['real p99 < baseline', 19],
    ['real p99 < baseline + 0.1%', 22],
    ['real errors < 300ms', 14],
    ['generator lateness p99 < 2x baseline', 0],
    ['generator p99 < 2ms', 10],
    ['real p99 < 1.2x baseline for 10', 29],
  ])('%s is wrong at %d', (source, offset) => {
    expect(thrown(() => parseGuardrail(source))).toMatchObject({ name: 'ExpressionError', offset });
  });
});

describe('suggestions', () => {
  it.each<[string, string | undefined]>([
    ['guardrail', 'guardrails'],
    ['gaurdrails', 'guardrails'],
    ['Load', 'load'],
    ['recordings', 'recording'],
    ['xyzzy', undefined],
    ['', undefined],
  ])('%s → %s', (word, expected) => {
    expect(nearest(word, ['guardrails', 'load', 'recording', 'replay'])).toBe(expected);
  });
});
