import type { Result, Service } from '../../orchestrator/result/schema.js';
import { count, digits, duration, ms, NOT_MEASURED, share } from '../format.js';
import type { RunView } from '../run-folder.js';
import { escapeHtml, oneLine } from '../text.js';
import { orUnknown } from '../view.js';
import { Html, html } from './html.js';
import { section, state, table } from './parts.js';
import { type Graph, graphOf } from './topology-graph.js';
import { type Layout, layOut, NODE, type Placed, type Routed, type Spot } from './topology-layout.js';

export function topology(view: RunView): Html {
  const { result, partial } = view;
  const none = orUnknown(view, 'No call between services was seen.');
  const { topology: chain } = result;
  const graph = graphOf(chain);
  return section(
    'topology',
    'Topology',
    graph.links.length > 0 ? picture(graph, chain) : html`<p class="none">${none}</p>`,
    services(chain.services, partial),
    hops(chain, none),
  );
}

function picture(graph: Graph, chain: Result['topology']): Html {
  const layout = layOut(graph);
  const text = caption(chain, graph);
  return html`<figure><figcaption>${text}</figcaption><div class="scroll chart" role="region" tabindex="0" aria-label="Picture of the topology">${svg(layout, text)}</div><p class="hint">On each link: calls per entry request, and the highest p99 among its tables, topics or keys. Solid: HTTP and SQL; dashed: Kafka; dotted: Redis; dash and dot: outside hosts.${
    graph.omittedLinks > 0 ? ` ${count(graph.omittedLinks)} links with fewer calls are in the table only.` : ''
  }</p></figure>`;
}

function caption({ services: all, edges }: Result['topology'], graph: Graph): string {
  const inner = edges.filter((edge) => edge.from !== 'users');
  const slowest = inner.reduce<(typeof edges)[number] | undefined>(
    (worst, edge) => (worst === undefined || edge.p99Us > worst.p99Us ? edge : worst),
    undefined,
  );
  const fan = inner.reduce((sum, edge) => sum + edge.callsPerEntryRequest, 0);
  const lost = all.filter((service) => service.lostAtS !== null).map((service) => service.name);
  const hop =
    slowest === undefined
      ? ''
      : ` the slowest hop is ${oneLine(`${slowest.from} → ${slowest.target || slowest.to}`, 90)} with p99 ${duration(slowest.p99Us)}.`;
  const end = lost.length > 0 ? ` Lost in mid-run: ${lost.join(', ')}.` : '';
  return `One entry request causes ${digits(fan)} calls over ${count(graph.links.length)} links;${hop}${end}`;
}

function svg({ width, height, nodes, links }: Layout, title: string): Html {
  const size = `viewBox="0 0 ${width} ${Math.ceil(height)}" width="${width}" height="${Math.ceil(height)}"`;
  const labels = placeLabels(links, nodes);
  return new Html(
    `<svg class="topology" role="img" aria-label="${escapeHtml(title)}" ${size}>` +
      '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>' +
      links
        .map(({ link, points }) => `<path class="edge ${link.protocol}" marker-end="url(#tip)" d="${curve(points)}"/>`)
        .join('') +
      nodes.map(box).join('') +
      labels.map(label).join('') +
      '</svg>',
  );
}

function curve(points: Routed['points']): string {
  const [first, ...rest] = points;
  let from = first!;
  const parts = [`M${round(from.x)} ${round(from.y)}`];
  for (const to of rest) {
    const bend = (to.y - from.y) / 2;
    parts.push(
      from.x === to.x
        ? `L${round(to.x)} ${round(to.y)}`
        : `C${round(from.x)} ${round(from.y + bend)} ${round(to.x)} ${round(to.y - bend)} ${round(to.x)} ${round(to.y)}`,
    );
    from = to;
  }
  return parts.join('');
}

const round = (value: number): number => Math.round(value * 10) / 10;

function box({ node, x, y }: Placed): string {
  const detail = node.lost ? `${node.detail}, lost` : node.detail;
  return `<g>${outline(node.kind, round(x - NODE.width / 2), y - NODE.height / 2, node.lost)}${text('name', x, y - 2, oneLine(node.name, 18))}${text('quiet', x, y + 15, oneLine(detail, 26))}</g>`;
}

function text(style: string, x: number, y: number, words: string): string {
  return `<text class="${style}" text-anchor="middle" x="${round(x)}" y="${round(y)}">${escapeHtml(words)}</text>`;
}

/** Stores have shapes of their own: a drum for data, a pipe for topics. */
function outline(kind: Placed['node']['kind'], x: number, top: number, lost: boolean): string {
  const { width: w, height: h } = NODE;
  const style = `node ${kind}${lost ? ' lost' : ''}`;
  if (kind === 'mysql' || kind === 'redis') {
    return `<path class="${style}" d="M${x} ${round(top + 5)}c0 -7 ${w} -7 ${w} 0v${h - 10}c0 7 ${-w} 7 ${-w} 0z"/><path class="${style}" fill-opacity="0" d="M${x} ${round(top + 5)}c0 7 ${w} 7 ${w} 0"/>`;
  }
  const radius = kind === 'kafka' || kind === 'users' ? h / 2 : 7;
  return `<rect class="${style}" x="${x}" y="${round(top)}" width="${w}" height="${h}" rx="${radius}"/>`;
}

interface Label {
  x: number;
  y: number;
  lines: [string, string];
}

const LABEL = { width: 80, height: 30 };

/** Each label on its link, at the first spot that is free of nodes and other labels. */
function placeLabels(links: Routed[], nodes: Placed[]): Label[] {
  const taken: { x: number; y: number; width: number; height: number }[] = nodes.map(({ x, y }) => ({
    x,
    y,
    ...NODE,
  }));
  return links.map(({ link, points }) => {
    const spots = spotsOn(points);
    const isFree = (spot: Spot) =>
      taken.every(
        (other) =>
          Math.abs(other.x - spot.x) >= (other.width + LABEL.width) / 2 ||
          Math.abs(other.y - spot.y) >= (other.height + LABEL.height) / 2,
      );
    const spot = spots.find(isFree) ?? spots[0]!;
    taken.push({ ...spot, ...LABEL });
    return { ...spot, lines: [`${digits(link.callsPerEntryRequest)}/request`, `p99 ${duration(link.p99Us)}`] };
  });
}

function spotsOn(points: Routed['points']): Spot[] {
  const spots: Spot[] = [];
  for (const t of [0.5, 0.42, 0.58, 0.34, 0.66]) {
    for (let i = points.length - 1; i > 0; i--) {
      const a = points[i - 1]!;
      const b = points[i]!;
      // The curve between two places is symmetric: its way to the side follows a smooth step.
      spots.push({ x: a.x + (b.x - a.x) * t * t * (3 - 2 * t), y: a.y + (b.y - a.y) * t });
    }
  }
  return spots;
}

function label({ x, y, lines }: Label): string {
  // About 6.4 px a character; the paper behind the words keeps the link out of them.
  const width = 6.4 * Math.max(...lines.map((line) => line.length)) + 6;
  const paper = `<rect class="paper" x="${round(x - width / 2)}" y="${round(y - 15)}" width="${round(width)}" height="31" rx="3"/>`;
  return paper + text('', x, y - 3, lines[0]) + text('quiet', x, y + 12, lines[1]);
}

function services(all: Service[], partial: boolean): Html {
  const sorted = [...all].sort(
    (a, b) => (a.layer ?? '~').localeCompare(b.layer ?? '~') || a.name.localeCompare(b.name),
  );
  return table({
    caption: 'Services by layer',
    columns: [
      { head: 'Layer' },
      { head: 'Service' },
      { head: 'instances', kind: 'num' },
      { head: 'CPU, highest', kind: 'num' },
      { head: 'event loop, highest', kind: 'num' },
      { head: 'agent' },
      { head: 'configuration', kind: 'code' },
      { head: 'heard' },
    ],
    rows: sorted.map((service) => [
      service.layer ?? NOT_MEASURED,
      service.name,
      count(service.instances),
      service.cpuShareMax === null ? NOT_MEASURED : `${share(service.cpuShareMax)} of a core`,
      service.eventLoopUtilizationMax === null ? NOT_MEASURED : share(service.eventLoopUtilizationMax),
      service.agentVersions.join(', ') || NOT_MEASURED,
      service.configVersions.map((version) => oneLine(version, 24)).join(', ') || NOT_MEASURED,
      partial
        ? state('quiet', 'not known')
        : service.instances === 0
          ? state('bad', 'never heard')
          : service.lostAtS === null
            ? state('good', 'to the end')
            : state('bad', `lost at ${digits(service.lostAtS)} s`),
    ]),
    empty: 'No service was heard.',
  });
}

function hops({ edges }: Result['topology'], empty: string): Html {
  return table({
    caption: 'Hops of the shadow traffic; latencies in ms as the caller’s agent saw them',
    columns: [
      { head: 'From' },
      { head: 'To' },
      { head: 'Over' },
      { head: 'Table, topic or key', kind: 'code' },
      { head: 'calls/request', kind: 'num' },
      { head: 'calls', kind: 'num' },
      { head: 'errors', kind: 'num' },
      { head: 'p50', kind: 'num' },
      { head: 'p95', kind: 'num' },
      { head: 'p99', kind: 'num' },
    ],
    rows: edges.map((edge) => [
      edge.from,
      edge.to,
      edge.protocol,
      oneLine(edge.target, 200),
      digits(edge.callsPerEntryRequest),
      count(edge.calls),
      count(edge.errors),
      ms(edge.p50Us),
      ms(edge.p95Us),
      ms(edge.p99Us),
    ]),
    empty,
  });
}
