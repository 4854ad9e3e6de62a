import type { Result } from '../orchestrator/result/schema.js';

export type Outcome = Result['verdict']['outcome'];

/** How an outcome reads. `tone` carries the colour, `word` says the same without it. */
export const outcomeWords: Record<Outcome, { word: string; tone: 'good' | 'bad' | 'warn' }> = {
  pass: { word: 'Pass', tone: 'good' },
  'slo-missed': { word: 'SLO missed', tone: 'bad' },
  'guardrail-aborted': { word: 'Aborted by a guardrail', tone: 'bad' },
  leak: { word: 'Leak found', tone: 'bad' },
  inconclusive: { word: 'Inconclusive', tone: 'warn' },
  refused: { word: 'Refused by the preflight', tone: 'warn' },
  interrupted: { word: 'Interrupted', tone: 'warn' },
  error: { word: 'The run failed', tone: 'bad' },
};

/** The verdict's sentence without the word that the reader has just read, and without the omissions, which have a place of their own. */
export function verdictSentence({ verdict, omissions }: Result): string {
  const cut = omissions.length === 0 ? -1 : verdict.sentence.indexOf(' Left out: ');
  const sentence = cut === -1 ? verdict.sentence : verdict.sentence.slice(0, cut);
  const rest = sentence.replace(/^(Pass|Leak|Inconclusive|SLO missed|Interrupted): /, '');
  // `p99(response) < 300ms` is no word.
  return /^[a-z]+[ ,]/.test(rest) ? rest.charAt(0).toUpperCase() + rest.slice(1) : rest;
}

/** What else the verdict says, beyond its sentence. */
export function otherReasons({ verdict }: Result): string[] {
  return verdict.reasons.filter((reason) => !verdict.sentence.includes(reason));
}

export function errorShare({ totals }: Result): number | null {
  return totals.completed === 0 ? null : totals.errors / totals.completed;
}

export function leakCount({ isolation }: Result): number | null {
  if (isolation.outcome === 'not-checked') return null;
  return isolation.leaks.reduce((sum, leak) => sum + leak.count, 0);
}

/** The limit of `p99(response)` over all routes, in microseconds: what the curve of p99 is compared with. */
export function p99LimitUs({ thresholds }: Result): number | null {
  const found = thresholds.find(({ source, unit }) => unit === 'us' && /^p99\(\s*response\s*\)\s*</.test(source));
  return found?.limit ?? null;
}

/** The bound of a guardrail by what its line starts with: `generator lateness`, `real p99`. */
export function guardrailLimitUs({ guardrails }: Result, start: string): number | null {
  return guardrails.find(({ source, unit }) => unit === 'us' && source.startsWith(start))?.limit ?? null;
}

/** What an empty part means: nothing was there, or, of a run that did not end, nobody knows. */
export function orUnknown({ partial }: { partial: boolean }, nothing: string): string {
  return partial ? 'Not known: the run did not end.' : nothing;
}
