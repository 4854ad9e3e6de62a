import type { Result, Step, Threshold } from '../../orchestrator/result/schema.js';
import { capacityCaption } from '../captions.js';
import { rateChart, type ScatterGroup } from '../charts/time-chart.js';
import { count, digits, duration, inUnit, margin, ms, NOT_MEASURED, number, rate } from '../format.js';
import type { RunView } from '../run-folder.js';
import { oneLine } from '../text.js';
import { orUnknown, p99LimitUs } from '../view.js';
import { Html, html } from './html.js';
import { figure, section, state, type Table, table } from './parts.js';

export function capacity({ result }: RunView): Html {
  const { sustained, firstMissed, limitedBy, sentence } = result.capacity;
  const headroom =
    sustained !== null && firstMissed !== null
      ? html`<p>The limit lies between ${rate(sustained.ratePerSec)} and ${rate(firstMissed.ratePerSec)}; finer steps would narrow it.</p>`
      : null;
  return section(
    'capacity',
    'What the chain sustains',
    html`<p class="answer">${sentence}</p>`,
    headroom,
    limitedBy !== null && !sentence.includes(limitedBy) ? html`<p>Busiest at the limit: ${limitedBy}.</p>` : null,
    knee(result),
  );
}

/** p99 over rate, a dot a step. One step makes no curve. */
function knee(result: Result): Html | null {
  const steps = result.steps.filter((step) => step.kind !== 'ramp' && step.latencies.response.count > 0);
  if (steps.length < 2) return null;
  const points = (of: Step[]) =>
    of.map((step) => ({ x: step.achievedRatePerSec, y: step.latencies.response.p99Us / 1000 }));
  const groups: ScatterGroup[] = [
    {
      label: 'within the SLO',
      colour: 'green',
      shape: 'circle',
      points: points(steps.filter((step) => step.withinSlo === true)),
    },
    {
      label: 'SLO missed',
      colour: 'red',
      shape: 'crossRot',
      points: points(steps.filter((step) => step.withinSlo === false)),
    },
    {
      label: 'not counted',
      colour: 'muted',
      shape: 'triangle',
      points: points(steps.filter((step) => step.withinSlo === null)),
    },
  ];
  const path = points(steps).sort((a, b) => a.x - b.x);
  const limit = p99LimitUs(result);
  const marks = limit === null ? [] : [{ y: limit / 1000, text: `limit ${duration(limit)}` }];
  const data: Table = {
    caption: 'p99 by achieved rate',
    columns: [
      { head: 'Step' },
      { head: 'achieved /s', kind: 'num' },
      { head: 'p99 response ms', kind: 'num' },
      { head: 'within SLO' },
    ],
    rows: steps.map((step) => [
      step.label,
      number(step.achievedRatePerSec),
      ms(step.latencies.response.p99Us),
      withinSlo(step),
    ]),
    empty: 'No step.',
  };
  return figure({
    picture: rateChart(
      groups.filter((group) => group.points.length > 0),
      path,
      'p99 response, ms',
      marks,
    ),
    alt: 'p99 of the response time over the achieved rate, one mark for each held step',
    caption: capacityCaption(result.steps, limit),
    data,
  });
}

function withinSlo(step: Step): Html | string {
  if (step.generatorLimited) return state('warn', 'generator-limited');
  if (step.kind === 'ramp') return NOT_MEASURED;
  if (step.withinSlo === null) return state('quiet', 'not counted');
  return step.withinSlo ? state('good', 'yes') : state('bad', 'missed');
}

export function thresholds(view: RunView): Html {
  const { result } = view;
  return section(
    'thresholds',
    'Thresholds and guardrails',
    table({
      caption: 'Thresholds (SLO)',
      columns: [
        { head: 'Threshold', kind: 'code' },
        { head: 'observed', kind: 'num' },
        { head: 'limit', kind: 'num' },
        { head: 'margin', kind: 'num' },
        { head: 'observed against limit', kind: 'num' },
        { head: 'samples', kind: 'num' },
        { head: 'verdict' },
      ],
      rows: result.thresholds.map((threshold) => [
        threshold.source,
        inUnit(threshold.observed, threshold.unit),
        inUnit(threshold.limit, threshold.unit),
        margin(threshold.marginShare),
        marginBar(threshold),
        count(threshold.samples),
        [
          threshold.ok === null
            ? state('warn', 'not known')
            : threshold.ok
              ? state('good', 'held')
              : state('bad', 'missed'),
          threshold.note !== undefined ? html`<div class="hint">${threshold.note}</div>` : null,
        ],
      ]),
      empty: orUnknown(view, 'The scenario sets no threshold, so nothing was judged.'),
    }),
    table({
      caption: 'Guardrails for real users and the generator',
      columns: [
        { head: 'Guardrail', kind: 'code' },
        { head: 'baseline', kind: 'num' },
        { head: 'worst', kind: 'num' },
        { head: 'limit', kind: 'num' },
        { head: 'verdict' },
      ],
      rows: result.guardrails.map((rail) => [
        rail.source,
        inUnit(rail.baseline, rail.unit),
        inUnit(rail.worst, rail.unit),
        inUnit(rail.limit, rail.unit),
        rail.tripped
          ? [
              state('bad', 'tripped'),
              html`<div class="hint">at ${rail.trippedAtS === null ? NOT_MEASURED : `second ${digits(rail.trippedAtS)}`}${
                rail.stopTookMs === null ? '' : `; no request was sent any more after ${digits(rail.stopTookMs)} ms`
              }</div>`,
            ]
          : state('good', 'held'),
      ]),
      empty: orUnknown(view, 'No guardrail was set.'),
    }),
  );
}

const BAR_PX = 120;

/** The observed value as a bar, the limit as a mark at two thirds; what is over it has another colour. */
function marginBar({ observed, limit, ok }: Threshold): Html | string {
  if (observed === null || limit <= 0) return NOT_MEASURED;
  const markAt = (BAR_PX * 2) / 3;
  const width = Math.max(1, Math.min(BAR_PX, (observed / limit) * markAt));
  // Decoration: the numbers stand in the same row.
  return new Html(
    `<svg class="margin" width="${BAR_PX}" height="14" viewBox="0 0 ${BAR_PX} 14" aria-hidden="true"><rect class="track" x=".5" y="3.5" width="${BAR_PX - 1}" height="7" rx="2"/><rect class="${ok === false ? 'over' : 'held'}" x="0" y="3" width="${width.toFixed(1)}" height="8" rx="2"/><line class="mark" x1="${markAt}" x2="${markAt}" y1="0" y2="14"/></svg>`,
  );
}

export function steps({ result }: RunView): Html {
  const anyDropped = result.steps.some((step) => step.dropped > 0);
  return section(
    'steps',
    'Steps',
    table({
      caption: 'Steps of the load; latencies are response times in ms, from the intended start',
      columns: [
        { head: 'Step' },
        { head: 'seconds', kind: 'num' },
        { head: 'target /s', kind: 'num' },
        { head: 'achieved /s', kind: 'num' },
        { head: 'offered', kind: 'num' },
        { head: 'errors', kind: 'num' },
        ...(anyDropped ? [{ head: 'dropped', kind: 'num' as const }] : []),
        { head: 'p50', kind: 'num' },
        { head: 'p95', kind: 'num' },
        { head: 'p99', kind: 'num' },
        { head: 'max', kind: 'num' },
        { head: 'late p99', kind: 'num' },
        { head: 'steady' },
        { head: 'within SLO' },
      ],
      rows: result.steps.map((step) => {
        const { response, lateness } = step.latencies;
        const known = response.count > 0;
        return [
          [
            html`<span class="whole">${oneLine(step.label, 80)}</span>`,
            step.note !== undefined ? html`<div class="hint">${step.note}</div>` : null,
          ],
          `${number(Math.round(step.fromS))}–${number(Math.round(step.toS))}`,
          step.targetRatePerSec === null ? 'recorded' : number(step.targetRatePerSec),
          number(step.achievedRatePerSec),
          count(step.offered),
          count(step.errors),
          ...(anyDropped ? [count(step.dropped)] : []),
          ...[response.p50Us, response.p95Us, response.p99Us, response.maxUs].map((us) =>
            known ? ms(us) : NOT_MEASURED,
          ),
          lateness.count > 0 ? ms(lateness.p99Us) : NOT_MEASURED,
          step.steady === null ? NOT_MEASURED : step.steady ? 'yes' : 'no',
          withinSlo(step),
        ];
      }),
      empty: 'No step of load was begun.',
    }),
    latencyKinds(result),
  );
}

function latencyKinds({ latencies }: Result): Html {
  const rows: [string, keyof Result['latencies']][] = [
    ['response (headline)', 'response'],
    ['service', 'service'],
    ['lateness', 'lateness'],
    ['session wait', 'sessionWait'],
  ];
  return table({
    caption: 'The whole load, four latencies in ms',
    columns: [
      { head: 'Latency' },
      ...['samples', 'mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'].map((head) => ({
        head,
        kind: 'num' as const,
      })),
    ],
    rows: rows
      .filter(([, key]) => latencies[key].count > 0)
      .map(([name, key]) => {
        const one = latencies[key];
        return [
          name,
          count(one.count),
          ...[one.meanUs, one.p50Us, one.p90Us, one.p95Us, one.p99Us, one.p999Us, one.maxUs].map(ms),
        ];
      }),
    empty: 'No latency over the whole load is known.',
  });
}
