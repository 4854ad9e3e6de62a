import { type Html, html } from './html.js';
import { section } from './parts.js';

const METHOD: [string, string][] = [
  [
    'Open model',
    'Requests are due at times that are fixed before the run: by the recording, or by the stages. A slow answer does not slow the next arrival down, so waiting is measured and not hidden (coordinated omission).',
  ],
  [
    'Response time (the headline)',
    'From the moment a request was due until its last byte: end − due. A request that times out counts with its timeout.',
  ],
  ['Service time', 'From the moment a request was sent until its last byte: end − sent.'],
  ['Lateness', 'From due to sent: sent − due. It is the generator’s own delay.'],
  ['Session wait', 'How long a request waited for the one before it in the same session.'],
  [
    'Percentiles',
    'From HdrHistograms with microseconds as unit; those of several workers are merged by adding counts. Percentiles are never averaged. A percentile of a hop comes from exponential histograms whose buckets grow by 2.2 %, so it is exact to about 1.1 %.',
  ],
  [
    'Achieved rate',
    'Completed requests of a step divided by its seconds. Offered are those that were due, dropped those that were never sent.',
  ],
  [
    'Generator-limited',
    'A step in which lateness passes its bound, or less than 99 % of what was offered was achieved for the generator’s own reasons. Such a step says nothing about the system and is left out.',
  ],
  ['Steady', 'Neither p95 nor the number in flight has a slope over the step.'],
  [
    'Sustained',
    'The highest held rate whose step is within every threshold, steady, and not generator-limited. It is a finding of these steps on this day, not an interval: repeat the run before you rely on it.',
  ],
  ['Margin', '(limit − observed) ÷ limit; negative when the threshold was missed.'],
  [
    'Calls per request',
    'Calls on a hop divided by flagged requests that reached the entry (the visits of queueing theory).',
  ],
  [
    'Isolation audit',
    'Agents count the rows, messages and keys they committed, inserts less deletes. After the load these are compared with what the shadow stores hold, at the end less at the start; and the real stores are searched for this run’s canary and for ids of the shadow range. “Derived” rows are written by the database itself, by triggers for example.',
  ],
  [
    'Real users',
    'Requests without a flag, as the entry’s agent saw them: before the load (the baseline) and during it. Both are from merged histograms.',
  ],
];

export function method(): Html {
  return section(
    'method',
    'How this was measured',
    html`<dl class="method">${METHOD.map(([term, text]) => html`<dt>${term}</dt><dd>${text}</dd>`)}</dl>`,
  );
}
