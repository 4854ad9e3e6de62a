import type { GuardrailResult, Isolation, Result, Step, Threshold } from '../result/schema.js';

export type Outcome = Result['verdict']['outcome'];

/** The same numbers as `stress help exit-codes`. */
export const exitCodeOf: Record<Outcome, number> = {
  pass: 0,
  error: 1,
  refused: 3,
  'slo-missed': 4,
  'guardrail-aborted': 5,
  leak: 6,
  inconclusive: 7,
  interrupted: 130,
};

/** All that decides. Pure: the same evidence gives the same verdict. */
export interface Evidence {
  isolation: Pick<Isolation, 'outcome' | 'sentence' | 'leaks'>;
  interrupted: boolean;
  guardrails: readonly GuardrailResult[];
  /** Problems of the preflight; nothing was sent but probes, if anything. */
  refusals: readonly string[];
  /** What broke the run itself: the disk, the engine. */
  failure: string | undefined;
  thresholds: readonly Threshold[];
  steps: readonly Step[];
  /** Services that were lost in mid-run. */
  lost: readonly string[];
  /** The load ended before its schedule did. */
  endedEarly: string | undefined;
  /** For the sentence of a pass: what was sustained. */
  capacitySentence: string;
  omissions: readonly string[];
}

interface Finding {
  outcome: Outcome;
  sentence: string;
}

/**
 * Most severe first: leak, interrupted, guardrail, refused, error, inconclusive, SLO, pass. All that was found is among the reasons; the first
 * decides.
 */
export function verdictOf(evidence: Evidence): Result['verdict'] {
  const findings: Finding[] = [
    ...leaks(evidence),
    ...(evidence.interrupted
      ? [{ outcome: 'interrupted' as const, sentence: 'Interrupted: the load was stopped by hand before its end.' }]
      : []),
    ...evidence.guardrails.filter((one) => one.tripped).map(guardrail),
    ...refused(evidence.refusals),
    ...(evidence.failure === undefined ? [] : [{ outcome: 'error' as const, sentence: evidence.failure }]),
    ...(evidence.refusals.length > 0 || evidence.failure !== undefined ? [] : inconclusive(evidence)),
    ...missed(evidence.thresholds),
  ];
  const omitted =
    evidence.omissions.length > 0
      ? ` Left out: ${evidence.omissions.map((one) => one.replace(/\.+$/, '')).join('; ')}.`
      : '';
  const first = findings[0] ?? { outcome: 'pass' as const, sentence: `Pass: ${evidence.capacitySentence}` };
  const reasons = findings.map((finding) => finding.sentence);
  const limited = evidence.steps.filter((step) => step.generatorLimited).map((step) => step.label);
  if (limited.length > 0) reasons.push(`The generator, not the system, was the limit in: ${limited.join(', ')}.`);
  if (reasons.length === 0) {
    reasons.push(
      `${evidence.thresholds.length} of ${evidence.thresholds.length} thresholds held.`,
      evidence.isolation.sentence,
    );
  }
  return {
    outcome: first.outcome,
    exitCode: exitCodeOf[first.outcome],
    sentence: first.sentence + omitted,
    reasons,
  };
}

function leaks({ isolation }: Evidence): Finding[] {
  return isolation.leaks.map((leak) => ({
    outcome: 'leak',
    sentence: `Leak: ${leakText(leak)}.`,
  }));
}

export function leakText(leak: Isolation['leaks'][number]): string {
  const what = {
    canary: `${leak.count} ${leak.store === 'kafka' ? 'messages' : leak.store === 'redis' ? 'keys' : 'rows'} with this run's canary in the real ${place(leak)}`,
    'shadow-id': `${leak.count} rows with shadow ids in the real ${place(leak)}`,
    'shadow-flag': `${leak.count} flagged messages in the real ${place(leak)}`,
    'missing-rows': `${leak.count} writes that were issued for the shadow of ${leak.target} did not arrive there: they went elsewhere`,
  };
  return what[leak.kind];
}

function place(leak: Isolation['leaks'][number]): string {
  return `${{ mysql: 'table', kafka: 'topic', redis: 'key', egress: 'host' }[leak.store]} ${leak.target}`;
}

function guardrail(one: GuardrailResult): Finding {
  const figure = (value: number | null) => (value === null ? 'unknown' : format(value, one.unit));
  return {
    outcome: 'guardrail-aborted',
    sentence: `Aborted to protect real users: ${one.source} did not hold at ${one.trippedAtS ?? '?'} s (worst ${figure(one.worst)}, limit ${figure(one.limit)}, baseline ${figure(one.baseline)}).`,
  };
}

function refused(problems: readonly string[]): Finding[] {
  if (problems.length === 0) return [];
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return [
    { outcome: 'refused', sentence: `Refused by the preflight, no load was sent: ${problems[0]}${more}` },
    ...problems.slice(1).map((problem): Finding => ({ outcome: 'refused', sentence: problem })),
  ];
}

function inconclusive(evidence: Evidence): Finding[] {
  const found: Finding[] = [];
  const add = (sentence: string) => found.push({ outcome: 'inconclusive', sentence });
  if (evidence.isolation.outcome === 'incomplete') {
    add(`Inconclusive: the isolation audit could not be completed. ${evidence.isolation.sentence}`);
  }
  if (evidence.isolation.outcome === 'not-checked') add('Inconclusive: isolation was not checked.');
  if (evidence.lost.length > 0) {
    add(`Inconclusive: ${evidence.lost.join(', ')} stopped reporting in mid-run.`);
  }
  if (evidence.endedEarly !== undefined) add(`Inconclusive: the load ended early: ${evidence.endedEarly}.`);
  const counted = evidence.steps.filter((step) => step.kind !== 'ramp');
  const limited = counted.filter((step) => step.generatorLimited);
  const anyMissed = evidence.thresholds.some((threshold) => threshold.ok === false);
  if (counted.length > 0 && limited.length === counted.length) {
    add('Inconclusive: the load generator was the limit in every step, so this run says nothing about the system.');
  } else if (limited.length > 0 && anyMissed) {
    add('Inconclusive: a threshold was missed, but the load generator was the limit in part of the run.');
  }
  const unknown = evidence.thresholds.filter((threshold) => threshold.ok === null);
  if (unknown.length > 0) {
    add(`Inconclusive: too few samples for ${unknown.map((threshold) => threshold.source).join(', ')}.`);
  }
  return found;
}

function missed(thresholds: readonly Threshold[]): Finding[] {
  return thresholds
    .filter((threshold) => threshold.ok === false)
    .map((threshold) => ({
      outcome: 'slo-missed',
      sentence: `SLO missed: ${threshold.source}, observed ${threshold.observed === null ? 'nothing' : format(threshold.observed, threshold.unit)}.`,
    }));
}

/** A figure with its unit, for sentences. */
export function format(value: number, unit: 'us' | 'share' | 'perSec' | 'count'): string {
  switch (unit) {
    case 'us':
      return value >= 10_000 ? `${Math.round(value / 1000)} ms` : `${(value / 1000).toFixed(1)} ms`;
    case 'share':
      return `${(value * 100).toFixed(2)} %`;
    case 'perSec':
      return `${Number(value.toPrecision(4))}/s`;
    case 'count':
      return String(Math.round(value));
  }
}
