import { change, count, duration, inUnit, margin, ms, NOT_MEASURED, rate, share, wallClock } from './format.js';
import type { RunView } from './run-folder.js';
import { escapeMarkdown as md } from './text.js';
import { errorShare, leakCount, otherReasons, outcomeWords, verdictSentence } from './view.js';

/** summary.md: what fits into a merge request or a chat. */
export function renderSummary({ result, notes }: RunView): string {
  const { run, verdict, capacity, latencies, totals, realUsers, isolation } = result;
  const { response } = latencies;
  const { baseline, during } = realUsers;
  const leaks = leakCount(result);
  const limits = [...result.omissions, ...notes];
  const lines = [
    `# ${outcomeWords[verdict.outcome].word}: ${md(run.name)}`,
    '',
    `**${md(verdictSentence(result))}**`,
    '',
    `Run ${md(run.id)}, ${md(wallClock(run.startedAt))}, exit code ${verdict.exitCode}.`,
    '',
    ...list(otherReasons(result)),
    '## Capacity',
    '',
    md(capacity.sentence),
    '',
    '## Figures',
    '',
    '| | |',
    '|---|---:|',
    `| Sustained within the SLO | ${rate(capacity.sustained?.ratePerSec)} |`,
    `| Completed of offered | ${count(totals.completed)} of ${count(totals.offered)} |`,
    `| Errors | ${count(totals.errors)} (${share(errorShare(result))}) |`,
    `| Response p50, p95, p99 | ${response.count === 0 ? NOT_MEASURED : [response.p50Us, response.p95Us, response.p99Us].map((us) => duration(us)).join(', ')} |`,
    `| Leaks | ${leaks === null ? 'not checked' : count(leaks)} |`,
    `| Real users’ p99 | ${baseline !== null && during !== null ? `${duration(during.p99Us)} (${change(during.p99Us, baseline.p99Us)})` : NOT_MEASURED} |`,
    '',
    ...block(
      'Thresholds',
      ['Threshold', 'Observed', 'Limit', 'Margin', ''],
      result.thresholds.map((one) => [
        md(one.source),
        inUnit(one.observed, one.unit),
        inUnit(one.limit, one.unit),
        margin(one.marginShare),
        one.ok === null ? 'not known' : one.ok ? 'held' : '**missed**',
      ]),
    ),
    ...block(
      'Steps',
      ['Step', 'Achieved', 'p50 ms', 'p99 ms', 'Errors', 'Within SLO'],
      result.steps
        .slice(0, 50)
        .map((step) => [
          md(step.label),
          rate(step.achievedRatePerSec),
          step.latencies.response.count === 0 ? NOT_MEASURED : ms(step.latencies.response.p50Us),
          step.latencies.response.count === 0 ? NOT_MEASURED : ms(step.latencies.response.p99Us),
          count(step.errors),
          step.generatorLimited
            ? 'generator-limited'
            : step.withinSlo === null
              ? NOT_MEASURED
              : step.withinSlo
                ? 'yes'
                : '**missed**',
        ]),
    ),
    '## Isolation',
    '',
    md(isolation.sentence),
    '',
    ...list(
      isolation.leaks
        .slice(0, 50)
        .map((leak) => `Leak: ${count(leak.count)} in ${leak.store} ${leak.target} (${leak.kind})`),
    ),
    ...(limits.length > 0 ? ['## Limits of this run', '', ...list(limits.slice(0, 50))] : []),
  ];
  return `${lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

function list(items: string[]): string[] {
  return items.length === 0 ? [] : [...items.map((item) => `- ${md(item)}`), ''];
}

function block(title: string, heads: string[], rows: string[][]): string[] {
  if (rows.length === 0) return [];
  const row = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `## ${title}`,
    '',
    row(heads),
    `|${heads.map((_, i) => (i === 0 ? '---' : '---:')).join('|')}|`,
    ...rows.map(row),
    '',
  ];
}
