import type { SeriesPoint } from '../../orchestrator/result/schema.js';
import { errorsCaption, inFlightCaption, latencyCaption, latenessCaption, rateCaption } from '../captions.js';
import { type Line, timeChart } from '../charts/time-chart.js';
import { downsample, type Point } from '../downsample.js';
import { count, duration, ms } from '../format.js';
import type { RunView } from '../run-folder.js';
import { guardrailLimitUs, p99LimitUs } from '../view.js';
import { type Html, html } from './html.js';
import { figure, section, type Table } from './parts.js';

/** Rows of a chart's table; the full series is in series.ndjson. */
const TABLE_ROWS = 120;

export function pointsOf(series: readonly SeriesPoint[], of: (point: SeriesPoint) => number | null): Point[] {
  return series.map((point) => ({ x: point.tS, y: of(point) }));
}

export const inMs = (us: number | null): number | null => (us === null ? null : us / 1000);

export interface ChartColumn {
  head: string;
  text(point: SeriesPoint): string;
}

/** A table over time, thinned by the same rule as the curves: the extremes of its first column stay. */
export function seriesTable(
  series: readonly SeriesPoint[],
  caption: string,
  key: (point: SeriesPoint) => number | null,
  columns: ChartColumn[],
): Table {
  const at = new Map(series.map((point) => [point.tS, point]));
  const kept = downsample(pointsOf(series, key), TABLE_ROWS).map(({ x }) => at.get(x)!);
  const thinned =
    kept.length < series.length
      ? `; ${count(kept.length)} of ${count(series.length)} seconds, extremes kept, all are in series.ndjson`
      : '';
  return {
    caption: `${caption}${thinned}`,
    columns: [
      { head: 'second', kind: 'num' },
      { head: 'phase' },
      ...columns.map(({ head }) => ({ head, kind: 'num' as const })),
    ],
    rows: kept.map((point) => [point.tS, point.phase, ...columns.map(({ text }) => text(point))]),
    empty: 'No second was written.',
    maxRows: TABLE_ROWS,
  };
}

export function overTime({ result, series }: RunView): Html {
  const shown = series.filter((point) => point.phase !== 'baseline');
  if (shown.length === 0) {
    return section(
      'time',
      'Over time',
      html`<p class="none">No second of load was written, so there are no curves.</p>`,
    );
  }
  const { steps, totals } = result;
  const line = (
    label: string,
    colour: Line['colour'],
    dash: number[],
    of: (point: SeriesPoint) => number | null,
    width?: number,
  ): Line => ({
    label,
    colour,
    dash,
    points: pointsOf(shown, of),
    ...(width !== undefined && { width }),
  });
  const limit = p99LimitUs(result);
  const late = guardrailLimitUs(result, 'generator lateness');
  const mark = (us: number | null) => (us === null ? [] : [{ y: us / 1000, text: `limit ${duration(us)}` }]);
  const rates = [
    line('offered', 'orange', [6, 4], (point) => point.offered, 2.5),
    line('completed (achieved)', 'blue', [], (point) => point.completed),
    ...(totals.dropped > 0 ? [line('dropped', 'violet', [2, 3], (point) => point.dropped)] : []),
  ];
  return section(
    'time',
    'Over time',
    html`<p class="hint">Behind the curves: the steps; held rates are tinted, ramps hatched.</p>`,
    figure({
      picture: timeChart({ axis: 'requests/s', lines: rates, steps }),
      alt: 'Offered and achieved requests per second over time',
      caption: rateCaption(series, totals),
      data: seriesTable(shown, 'Requests by second', (point) => point.completed, [
        { head: 'offered', text: (point) => count(point.offered) },
        { head: 'started', text: (point) => count(point.started) },
        { head: 'completed', text: (point) => count(point.completed) },
        { head: 'dropped', text: (point) => count(point.dropped) },
      ]),
    }),
    figure({
      picture: timeChart({
        axis: 'response, ms',
        lines: [
          line('p99', 'red', [], (point) => inMs(point.p99Us)),
          line('p95', 'orange', [7, 4], (point) => inMs(point.p95Us)),
          line('p50', 'blue', [2, 3], (point) => inMs(point.p50Us)),
        ],
        steps,
        limits: mark(limit),
        height: 300,
      }),
      alt: 'Percentiles of the response time over time',
      caption: latencyCaption(series, steps, limit),
      data: seriesTable(shown, 'Response times by second, ms', (point) => point.p99Us, [
        { head: 'p50', text: (point) => ms(point.p50Us) },
        { head: 'p95', text: (point) => ms(point.p95Us) },
        { head: 'p99', text: (point) => ms(point.p99Us) },
      ]),
    }),
    figure({
      picture: timeChart({
        axis: 'requests in flight',
        lines: [line('in flight', 'green', [], (point) => point.inFlight)],
        steps,
        height: 210,
      }),
      alt: 'Requests in flight over time',
      caption: inFlightCaption(series, steps),
      data: seriesTable(shown, 'In flight by second', (point) => point.inFlight, [
        { head: 'in flight', text: (point) => count(point.inFlight) },
      ]),
    }),
    errors({ result, series: shown }),
    figure({
      picture: timeChart({
        axis: 'lateness, ms',
        lines: [line('p99 of the generator’s lateness', 'violet', [], (point) => inMs(point.latenessP99Us))],
        steps,
        limits: mark(late),
        height: 210,
      }),
      alt: 'Lateness of the generator over time',
      caption: latenessCaption(series, late, steps),
      data: seriesTable(shown, 'Lateness by second, ms', (point) => point.latenessP99Us, [
        { head: 'lateness p99', text: (point) => ms(point.latenessP99Us) },
      ]),
    }),
  );
}

function errors({ result: { totals, steps }, series }: Pick<RunView, 'result' | 'series'>): Html {
  const caption = errorsCaption(series, totals, steps);
  if (series.every((point) => point.errors === 0)) return html`<h3>Errors over time</h3><p>${caption}</p>`;
  return figure({
    picture: timeChart({
      axis: 'errors/s',
      lines: [{ label: 'errors', colour: 'red', dash: [4, 3], points: pointsOf(series, (point) => point.errors) }],
      steps,
      height: 200,
    }),
    alt: 'Failed requests per second over time',
    caption,
    data: seriesTable(series, 'Errors by second', (point) => point.errors, [
      { head: 'errors', text: (point) => count(point.errors) },
    ]),
  });
}
