import { createHash } from 'node:crypto';
import { wallClock } from '../format.js';
import type { RunView } from '../run-folder.js';
import { outcomeWords } from '../view.js';
import { capacity, steps, thresholds } from './capacity.js';
import { endpoints, errors } from './endpoints.js';
import { environment, recording } from './environment.js';
import { Html, html } from './html.js';
import { isolation } from './isolation.js';
import { method } from './method.js';
import { realUsers } from './real-users.js';
import { overTime } from './series.js';
import { style } from './style.js';
import { topology } from './topology.js';
import { notice, tiles, top, verdict } from './verdict.js';

/** The sections in the order of the questions that readers ask. */
const SECTIONS: { id: string; short: string; render(view: RunView): Html }[] = [
  { id: 'capacity', short: 'Capacity', render: capacity },
  { id: 'thresholds', short: 'Thresholds', render: thresholds },
  { id: 'topology', short: 'Topology', render: topology },
  { id: 'time', short: 'Over time', render: overTime },
  { id: 'steps', short: 'Steps', render: steps },
  { id: 'endpoints', short: 'Endpoints', render: endpoints },
  { id: 'errors', short: 'Errors', render: errors },
  { id: 'isolation', short: 'Isolation', render: isolation },
  { id: 'real-users', short: 'Real users', render: realUsers },
  { id: 'recording', short: 'Recording', render: recording },
  { id: 'environment', short: 'Environment', render: environment },
  { id: 'method', short: 'Method', render: method },
];

/** report.html: one file that loads nothing, with a policy that lets it load nothing. */
export function renderHtml(view: RunView): string {
  const { run, verdict: decided } = view.result;
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'`;
  const page = html`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${new Html(policy)}"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer"><title>${`${outcomeWords[decided.outcome].word}: ${run.name}, ${wallClock(run.startedAt)}`}</title><style>${new Html(style)}</style></head>
<body><a class="skip" href="#capacity">Skip to the results</a><div class="layout">
${top(view)}
<main>${verdict(view)}
${notice(view)}
${tiles(view)}
<div class="columns"><nav class="toc" aria-labelledby="toc-title"><h2 id="toc-title">In this report</h2><ol>${SECTIONS.map(
    ({ id, short }) => html`<li><a href="${`#${id}`}">${short}</a></li>`,
  )}</ol></nav>
<div>${SECTIONS.map(({ render }) => html`${render(view)}\n`)}</div></div></main>
<footer><p>Made by Shadowline ${view.result.environment.shadowline} from the files of run ${run.id}. The same numbers are in result.json.</p></footer>
</div></body></html>
`;
  return page.markup;
}
