import type { Endpoint } from '../../orchestrator/result/schema.js';
import { count, digits, ms, NOT_MEASURED, number, share } from '../format.js';
import type { RunView } from '../run-folder.js';
import { oneLine } from '../text.js';
import { orUnknown } from '../view.js';
import type { Html, HtmlValue } from './html.js';
import { section, table } from './parts.js';

const TOP_ENDPOINTS = 50;
const TOP_ERRORS = 50;

export function endpoints(view: RunView): Html {
  const { result } = view;
  const sorted = [...result.endpoints].sort((a, b) => b.count - a.count);
  const top = sorted.slice(0, TOP_ENDPOINTS);
  const rest = sorted.slice(TOP_ENDPOINTS);
  return section(
    'endpoints',
    'Endpoints',
    table({
      caption: `Endpoints by requests${rest.length > 0 ? `: the first ${TOP_ENDPOINTS} of ${count(sorted.length)}` : ''}; response times in ms`,
      columns: [
        { head: 'Route', kind: 'code' },
        { head: 'requests', kind: 'num' },
        { head: '/s', kind: 'num' },
        { head: 'errors', kind: 'num' },
        { head: 'errors, share', kind: 'num' },
        { head: 'statuses' },
        { head: 'p50', kind: 'num' },
        { head: 'p95', kind: 'num' },
        { head: 'p99', kind: 'num' },
        { head: 'p99.9', kind: 'num' },
        { head: 'max', kind: 'num' },
        { head: 'service p99', kind: 'num' },
      ],
      rows: [...top.map(row), ...(rest.length > 0 ? [other(rest)] : [])],
      empty: orUnknown(view, 'No request was sent.'),
    }),
  );
}

function row(endpoint: Endpoint): HtmlValue[] {
  const { response, service } = endpoint;
  const known = response.count > 0;
  return [
    oneLine(endpoint.route, 200),
    count(endpoint.count),
    digits(endpoint.ratePerSec),
    count(endpoint.errors),
    endpoint.count === 0 ? NOT_MEASURED : share(endpoint.errors / endpoint.count),
    statuses(endpoint.statuses),
    ...[response.p50Us, response.p95Us, response.p99Us, response.p999Us, response.maxUs].map((us) =>
      known ? ms(us) : NOT_MEASURED,
    ),
    service.count > 0 ? ms(service.p99Us) : NOT_MEASURED,
  ];
}

function statuses(of: Record<string, number>): string {
  const sorted = Object.entries(of).sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, 6).map(([code, times]) => `${oneLine(code, 40)}: ${count(times)}`);
  return [...shown, ...(sorted.length > 6 ? [`${sorted.length - 6} more`] : [])].join(', ');
}

/** Sums of what is not shown. Percentiles cannot be added, so there are none. */
function other(rest: Endpoint[]): HtmlValue[] {
  const sum = (of: (endpoint: Endpoint) => number): number => rest.reduce((total, endpoint) => total + of(endpoint), 0);
  const requests = sum((one) => one.count);
  const failed = sum((one) => one.errors);
  const none = Array.from({ length: 6 }, () => NOT_MEASURED);
  return [
    `other: ${count(rest.length)} routes`,
    count(requests),
    digits(sum((one) => one.ratePerSec)),
    count(failed),
    requests === 0 ? NOT_MEASURED : share(failed / requests),
    ...none,
  ];
}

export function errors(view: RunView): Html {
  const { result } = view;
  return section(
    'errors',
    'Errors',
    table({
      caption: 'Errors by code, hop and route, in the order of their number',
      columns: [
        { head: 'Code', kind: 'code' },
        { head: 'Hop' },
        { head: 'Route', kind: 'code' },
        { head: 'count', kind: 'num' },
        { head: 'first seen, s', kind: 'num' },
        { head: 'Example', kind: 'code' },
      ],
      rows: [...result.errors]
        .sort((a, b) => b.count - a.count)
        .map((failure) => [
          oneLine(failure.code, 60),
          oneLine(failure.hop, 80),
          oneLine(failure.route, 200),
          count(failure.count),
          number(failure.firstSeenS),
          oneLine(failure.example, 300),
        ]),
      empty: orUnknown(view, 'No request failed.'),
      maxRows: TOP_ERRORS,
    }),
  );
}
