import { describe, expect, it } from '@jest/globals';
import type { GuardrailResult, Step, Threshold } from '../result/schema.js';
import { type Evidence, verdictOf } from './verdict.js';

const clean = { outcome: 'clean' as const, sentence: 'Nothing leaked.', leaks: [] };
const leaked = {
  outcome: 'leak' as const,
  sentence: 'Shadow traffic leaked.',
  leaks: [{ store: 'mysql' as const, target: 'bank.notices', kind: 'canary' as const, count: 41, samples: [] }],
};
const incomplete = { outcome: 'incomplete' as const, sentence: 'MariaDB could not be asked.', leaks: [] };
const tripped: GuardrailResult = {
  source: 'real p99 < 1.2x baseline for 10s',
  baseline: 10_000,
  worst: 80_000,
  limit: 12_000,
  unit: 'us',
  tripped: true,
  trippedAtS: 31,
  stopTookMs: 80,
};
const held: Threshold = {
  source: 'p99(response) < 300ms',
  observed: 100_000,
  limit: 300_000,
  unit: 'us',
  marginShare: 0.66,
  ok: true,
  samples: 5000,
};
const missed: Threshold = { ...held, observed: 512_000, ok: false };
const unknown: Threshold = { ...held, observed: null, ok: null };
const step = (change: Partial<Step>): Step =>
  ({ index: 0, label: 'hold 100/s', kind: 'hold', generatorLimited: false, ...change }) as Step;
const fine: Evidence = {
  isolation: clean,
  interrupted: false,
  guardrails: [],
  refusals: [],
  failure: undefined,
  thresholds: [held],
  steps: [step({})],
  lost: [],
  endedEarly: undefined,
  capacitySentence: 'The chain sustained 100 requests/s.',
  omissions: [],
};
const everything: Partial<Evidence> = {
  isolation: leaked,
  interrupted: true,
  guardrails: [tripped],
  refusals: ['service x: no agent was heard.'],
  failure: 'the disk is full',
  thresholds: [missed],
  lost: ['payment'],
};

describe('verdict', () => {
  it.each([
    // what, evidence, outcome, exit code
    ['all is well', {}, 'pass', 0],
    ['a leak comes before all else', everything, 'leak', 6],
    ['then a hand that stopped it', { ...everything, isolation: clean }, 'interrupted', 130],
    ['then a guardrail', { ...everything, isolation: clean, interrupted: false }, 'guardrail-aborted', 5],
    ['then the preflight', { ...everything, isolation: clean, interrupted: false, guardrails: [] }, 'refused', 3],
    ['then what broke the run', { failure: 'the disk is full', thresholds: [missed] }, 'error', 1],
    ['an incomplete audit is inconclusive, not clean', { isolation: incomplete }, 'inconclusive', 7],
    ['also when a threshold was missed', { isolation: incomplete, thresholds: [missed] }, 'inconclusive', 7],
    ['a lost service', { lost: ['payment'] }, 'inconclusive', 7],
    ['a load that ended early', { endedEarly: 'in-flight limit' }, 'inconclusive', 7],
    ['a generator at its limit throughout', { steps: [step({ generatorLimited: true })] }, 'inconclusive', 7],
    ['a generator at its limit in part', { steps: [step({}), step({ generatorLimited: true })] }, 'pass', 0],
    [
      'the same with a threshold missed',
      { steps: [step({}), step({ generatorLimited: true })], thresholds: [missed] },
      'inconclusive',
      7,
    ],
    ['nothing was observed', { thresholds: [unknown] }, 'inconclusive', 7],
    ['a missed threshold', { thresholds: [held, missed] }, 'slo-missed', 4],
  ] as const)('%s', (_what, change, outcome, exitCode) => {
    expect(verdictOf({ ...fine, ...change } as Evidence)).toMatchObject({ outcome, exitCode });
  });

  it('names the table and the count of a leak', () => {
    const { sentence } = verdictOf({ ...fine, isolation: leaked });
    expect(sentence).toBe("Leak: 41 rows with this run's canary in the real table bank.notices.");
  });

  it('keeps every finding among the reasons, the deciding one first', () => {
    const { reasons } = verdictOf({ ...fine, ...everything } as Evidence);
    expect(reasons[0]).toMatch(/^Leak/);
    expect(reasons.join('\n')).toMatch(
      /Interrupted[\s\S]*Aborted[\s\S]*Refused[\s\S]*disk is full[\s\S]*SLO missed.*512 ms/,
    );
  });

  it('says in the sentence what was left out', () => {
    const { sentence } = verdictOf({ ...fine, omissions: ['Kafka is left out: no Java'] });
    expect(sentence).toContain('Left out: Kafka is left out: no Java.');
  });
});
