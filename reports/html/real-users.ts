import { realUsersCaption } from '../captions.js';
import { timeChart } from '../charts/time-chart.js';
import { change, count, duration, ms, NOT_MEASURED, share } from '../format.js';
import type { RunView } from '../run-folder.js';
import { guardrailLimitUs } from '../view.js';
import type { Html } from './html.js';
import { html } from './html.js';
import { figure, section, table } from './parts.js';
import { inMs, pointsOf, seriesTable } from './series.js';

export function realUsers({ result, series }: RunView): Html {
  const { baseline, during } = result.realUsers;
  const caption = realUsersCaption(series, result.realUsers);
  const seen = series.filter((point) => point.realP99Us !== null || point.realCount !== null);
  const limit = guardrailLimitUs(result, 'real p99');
  const marks = [
    ...(limit === null ? [] : [{ y: limit / 1000, text: `guardrail ${duration(limit)}` }]),
    ...(baseline === null
      ? []
      : [{ y: baseline.p99Us / 1000, text: `baseline ${duration(baseline.p99Us)}`, kind: 'reference' as const }]),
  ];
  const chart = seen.some((point) => point.realP99Us !== null)
    ? figure({
        picture: timeChart({
          axis: 'real users, ms',
          lines: [
            {
              label: 'p99 of real users',
              colour: 'blue',
              dash: [],
              points: pointsOf(series, (point) => inMs(point.realP99Us)),
            },
            {
              label: 'p50 of real users',
              colour: 'green',
              dash: [2, 3],
              points: pointsOf(series, (point) => inMs(point.realP50Us)),
            },
          ],
          steps: result.steps,
          limits: marks,
          height: 240,
        }),
        alt: 'Response times of real users over time, before and during the load',
        caption,
        data: seriesTable(seen, 'Real users by second', (point) => point.realP99Us, [
          { head: 'requests', text: (point) => count(point.realCount) },
          { head: 'errors', text: (point) => count(point.realErrors) },
          { head: 'p50 ms', text: (point) => ms(point.realP50Us) },
          { head: 'p99 ms', text: (point) => ms(point.realP99Us) },
        ]),
      })
    : html`<p>${caption}</p>`;
  const row = (name: string, of: typeof baseline) => [
    name,
    of === null ? NOT_MEASURED : count(of.count),
    of === null ? NOT_MEASURED : ms(of.p50Us),
    of === null ? NOT_MEASURED : ms(of.p99Us),
    of === null ? NOT_MEASURED : share(of.errorShare),
  ];
  const both = baseline !== null && during !== null;
  return section(
    'real-users',
    'Real users',
    baseline === null && during === null
      ? null
      : table({
          caption: 'Ordinary requests at the entry, as its agent saw them',
          columns: [
            { head: 'When' },
            { head: 'requests', kind: 'num' },
            { head: 'p50 ms', kind: 'num' },
            { head: 'p99 ms', kind: 'num' },
            { head: 'errors', kind: 'num' },
          ],
          rows: [
            row('before the load (baseline)', baseline),
            row('during the load', during),
            ...(both
              ? [['change', '', change(during.p50Us, baseline.p50Us), change(during.p99Us, baseline.p99Us), '']]
              : []),
          ],
          empty: '',
        }),
    chart,
  );
}
