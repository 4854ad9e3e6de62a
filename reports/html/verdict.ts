import { change, count, duration, rate, seconds, share, wallClock } from '../format.js';
import type { RunView } from '../run-folder.js';
import { errorShare, leakCount, otherReasons, outcomeWords, p99LimitUs, verdictSentence } from '../view.js';
import { type Html, html } from './html.js';

const SIGNS = { good: '✓', bad: '✗', warn: '!' };

export function top({ result }: RunView): Html {
  const { run } = result;
  return html`<header class="top"><p class="kicker">Shadowline stress test</p><h1>${run.name}</h1><ul class="meta"><li>Run <code>${run.id}</code></li><li>Target <code>${run.target}</code></li><li>${wallClock(run.startedAt)}</li><li>${seconds(run.loadSeconds)} of load, ${run.endedBecause}</li></ul></header>`;
}

export function verdict({ result }: RunView): Html {
  const { word, tone } = outcomeWords[result.verdict.outcome];
  const reasons = otherReasons(result);
  return html`<div id="verdict" class="verdict ${tone}" role="region" aria-labelledby="verdict-title"><h2 id="verdict-title"><span class="sign" aria-hidden="true">${SIGNS[tone]}</span>${word}</h2><p class="lead">${verdictSentence(result)}</p>${
    reasons.length > 0 ? html`<ul>${reasons.slice(0, 12).map((reason) => html`<li>${reason}</li>`)}</ul>` : null
  }<p class="exit">Exit code ${result.verdict.exitCode}</p></div>`;
}

/** What this run cannot say: left-out hops, damage found while reading. */
export function notice({ result, notes }: RunView): Html | null {
  const lines = [...result.omissions, ...notes];
  if (lines.length === 0) return null;
  return html`<div class="notice" role="note"><p>Limits of this run</p><ul>${lines.slice(0, 20).map((line) => html`<li>${line}</li>`)}</ul></div>`;
}

interface Tile {
  name: string;
  figure: string;
  beside: string;
  tone?: 'good' | 'bad' | undefined;
}

export function tiles(view: RunView): Html {
  return html`<dl class="tiles">${tilesOf(view).map(
    ({ name, figure, beside, tone }) =>
      html`<div><dt>${name}</dt><dd><div class="figure ${tone ?? ''}">${figure}</div><div class="beside">${beside}</div></dd></div>`,
  )}</dl>`;
}

function tilesOf({ result, partial }: RunView): Tile[] {
  const { capacity, latencies, totals, realUsers, isolation } = result;
  const limit = p99LimitUs(result);
  const { p99Us, count: samples } = latencies.response;
  const leaks = leakCount(result);
  const { baseline, during } = realUsers;
  return [
    {
      name: 'Sustained within the SLO',
      figure: rate(capacity.sustained?.ratePerSec),
      beside: partial
        ? 'not known'
        : capacity.firstMissed === null
          ? 'no held rate missed it'
          : `missed at ${rate(capacity.firstMissed.ratePerSec)}`,
    },
    {
      name: 'p99 response, all load',
      figure: samples === 0 ? '–' : duration(p99Us),
      beside: partial ? 'not known' : limit === null ? 'no threshold' : `limit ${duration(limit)}`,
      tone: samples === 0 || limit === null ? undefined : p99Us < limit ? 'good' : 'bad',
    },
    {
      name: 'Errors',
      figure: share(errorShare(result)),
      beside: `${count(totals.errors)} of ${count(totals.completed)}`,
    },
    {
      name: 'Leaks',
      figure: leaks === null ? 'not checked' : count(leaks),
      beside:
        isolation.outcome === 'incomplete'
          ? 'audit incomplete'
          : leaks === null
            ? 'the audit was not made'
            : 'shadow data in real stores',
      tone: leaks === null || isolation.outcome === 'incomplete' ? undefined : leaks === 0 ? 'good' : 'bad',
    },
    {
      name: 'Real users’ p99',
      figure: during === null ? '–' : duration(during.p99Us),
      beside:
        baseline === null || during === null
          ? 'no baseline'
          : `${change(during.p99Us, baseline.p99Us)} against ${duration(baseline.p99Us)} before`,
    },
  ];
}
