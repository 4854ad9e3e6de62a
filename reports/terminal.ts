import type { Result } from '../orchestrator/result/schema.js';
import { change, count, duration, inUnit, margin, ms, rate, seconds, share } from './format.js';
import { oneLine } from './text.js';
import { errorShare, leakCount, otherReasons, outcomeWords, verdictSentence } from './view.js';

export interface TerminalOptions {
  color: boolean;
  /** Columns of the terminal; text is wrapped to it (40 at least). */
  width: number;
}

type Style = 'bold' | 'dim' | 'good' | 'bad' | 'warn';
const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  bad: [31, 39],
  warn: [33, 39],
};
const LABEL_WIDTH = 14;

/** What is printed at the end of a run. Ends without a line break. */
export function renderTerminal(result: Result, { color, width: columns }: TerminalOptions): string {
  const width = Math.max(40, columns);
  const paint = (style: Style, text: string): string =>
    color ? `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m` : text;
  const { word, tone } = outcomeWords[result.verdict.outcome];
  const out: string[] = ['', paint('bold', paint(tone, word.toUpperCase()))];
  for (const line of wrap(verdictSentence(result), width)) out.push(line);
  const row = (label: string, text: string, style?: Style): void => {
    const [first = '', ...more] = wrap(text, width - LABEL_WIDTH - 2);
    const painted = (line: string): string => (style === undefined ? line : paint(style, line));
    out.push(`  ${paint('dim', label.padEnd(LABEL_WIDTH))}${painted(first)}`);
    for (const line of more) out.push(`  ${' '.repeat(LABEL_WIDTH)}${painted(line)}`);
  };
  const reasons = otherReasons(result);
  for (const reason of reasons.slice(0, 8)) row(reason === reasons[0] ? 'because' : '', reason);
  out.push('');
  figures(result, row);
  for (const { source, ok, observed, unit, marginShare } of result.thresholds) {
    const word_ = ok === null ? 'not known' : ok ? 'held' : 'missed';
    row(
      word_,
      `${source}  ${inUnit(observed, unit)}${marginShare === null ? '' : `, margin ${margin(marginShare)}`}`,
      ok === null ? 'warn' : ok ? undefined : 'bad',
    );
  }
  for (const rail of result.guardrails.filter((one) => one.tripped)) {
    row('tripped', `${rail.source} at ${rail.trippedAtS ?? '?'} s, worst ${inUnit(rail.worst, rail.unit)}`, 'bad');
  }
  for (const leak of result.isolation.leaks.slice(0, 10)) {
    row('leak', `${count(leak.count)} in ${leak.store} ${leak.target} (${leak.kind})`, 'bad');
  }
  for (const omission of result.omissions.slice(0, 5)) row('left out', omission, 'warn');
  return out.join('\n');
}

function figures(result: Result, row: (label: string, text: string, style?: Style) => void): void {
  const { totals, latencies, isolation, realUsers, capacity, run } = result;
  const { response } = latencies;
  row(
    'load',
    `${count(totals.completed)} of ${count(totals.offered)} requests completed in ${seconds(run.loadSeconds)}, ${count(totals.errors)} errors (${share(errorShare(result))})`,
  );
  if (response.count > 0)
    row(
      'response',
      `p50 ${duration(response.p50Us)}, p95 ${duration(response.p95Us)}, p99 ${duration(response.p99Us)}, max ${ms(response.maxUs)} ms`,
    );
  if (capacity.sustained !== null) row('sustained', `${rate(capacity.sustained.ratePerSec)} within the SLO`);
  const { baseline, during } = realUsers;
  if (during !== null) {
    row(
      'real users',
      `p99 ${duration(during.p99Us)}${baseline === null ? '' : `, ${change(during.p99Us, baseline.p99Us)} against ${duration(baseline.p99Us)} before`}`,
    );
  }
  const leaks = leakCount(result);
  row(
    'isolation',
    leaks === null ? isolation.sentence : `${count(leaks)} leaks; ${isolation.sentence}`,
    leaks !== null && leaks > 0 ? 'bad' : undefined,
  );
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of oneLine(text, 1000).split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
