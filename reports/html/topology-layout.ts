import type { Graph, Link, Node } from './topology-graph.js';

/**
 * Layered layout (after Sugiyama), from top to bottom: rows by the longest way from where calls enter, dummy places where a link passes a row,
 * order within a row by the mean of the neighbours' places, coordinates, and a place of its own for each link on the side of a node. Pure and
 * deterministic.
 */
export interface Placed {
  node: Node;
  /** Middle of the node. */
  x: number;
  y: number;
}

export interface Spot {
  x: number;
  y: number;
}

export interface Routed {
  link: Link;
  /** From the lower side of the source to the upper side of the target, over the places in between. */
  points: Spot[];
  /** Against the direction of the rows: part of a circle of calls. */
  backwards: boolean;
}

export interface Layout {
  width: number;
  height: number;
  nodes: Placed[];
  links: Routed[];
}

export const NODE = { width: 164, height: 52 };
const GAP = { x: 36, y: 76 };
const PASS_WIDTH = 70;
const EDGE = 16;
/** Room for links that go back up. */
const RETURN_WIDTH = 60;
const PORT_PX = 26;

interface Place {
  key: string;
  node?: Node;
  width: number;
  x: number;
}

export function layOut({ nodes, links }: Graph): Layout {
  const back = backLinks(nodes, links);
  const forward = links.filter((link) => !back.has(link));
  const row = rowsOf(nodes, forward);
  const rows: Place[][] = Array.from({ length: Math.max(0, ...row.values()) + 1 }, () => []);
  for (const node of nodes) rows[row.get(node.key)!]!.push({ key: node.key, node, width: NODE.width, x: 0 });
  const neighbours = new Neighbours();
  const ways = new Map<Link, string[]>();
  forward.forEach((link, index) => {
    const way = [link.from];
    for (let r = row.get(link.from)! + 1; r < row.get(link.to)!; r++) {
      const key = `pass\0${index}\0${r}`;
      rows[r]!.push({ key, width: PASS_WIDTH, x: 0 });
      way.push(key);
    }
    way.push(link.to);
    for (let i = 1; i < way.length; i++) neighbours.connect(way[i - 1]!, way[i]!);
    ways.set(link, way);
  });
  order(rows, neighbours);
  const inner = spread(rows, neighbours);
  const placed = rows.flatMap((places, r) =>
    places.flatMap(({ node, x }) => (node === undefined ? [] : [{ node, x, y: yOf(r) }])),
  );
  const at = new Map(rows.flatMap((places, r) => places.map((place) => [place.key, { x: place.x, y: yOf(r) }])));
  return {
    width: inner + (back.size > 0 ? RETURN_WIDTH : 0),
    height: EDGE * 2 + rows.length * NODE.height + (rows.length - 1) * GAP.y,
    nodes: placed,
    links: spreadPorts(links.map((link) => route(link, ways.get(link), at, inner))),
  };
}

const yOf = (row: number): number => EDGE + NODE.height / 2 + row * (NODE.height + GAP.y);

class Neighbours {
  readonly #above = new Map<string, string[]>();
  readonly #below = new Map<string, string[]>();

  connect(upper: string, lower: string): void {
    this.#below.set(upper, [...this.below(upper), lower]);
    this.#above.set(lower, [...this.above(lower), upper]);
  }
  above(key: string): string[] {
    return this.#above.get(key) ?? [];
  }
  below(key: string): string[] {
    return this.#below.get(key) ?? [];
  }
}

function route(link: Link, way: string[] | undefined, at: Map<string, Spot>, inner: number): Routed {
  const from = at.get(link.from)!;
  const to = at.get(link.to)!;
  const half = NODE.height / 2;
  if (way === undefined) {
    const side = inner + RETURN_WIDTH / 2;
    const points = [
      { x: from.x, y: from.y + half },
      { x: side, y: from.y },
      { x: side, y: to.y },
      { x: to.x, y: to.y - half },
    ];
    return { link, backwards: true, points };
  }
  const between = way.slice(1, -1).flatMap((key) => {
    const { x, y } = at.get(key)!;
    return [
      { x, y: y - half },
      { x, y: y + half },
    ];
  });
  return {
    link,
    backwards: false,
    points: [{ x: from.x, y: from.y + half }, ...between, { x: to.x, y: to.y - half }],
  };
}

/** Links that meet at a node get places side by side, in the order of where they come from, so that they do not cross there. */
function spreadPorts(routed: Routed[]): Routed[] {
  const ends: { key: string; end: Spot; next: Spot }[] = routed.flatMap(({ link, points }) => [
    { key: `${link.from} below`, end: points[0]!, next: points[1]! },
    { key: `${link.to} above`, end: points.at(-1)!, next: points.at(-2)! },
  ]);
  // Where a link goes is read before any end is moved.
  const sorted = ends.map((one) => ({ ...one, towards: one.next.x })).sort((a, b) => a.towards - b.towards);
  const byKey = new Map<string, Spot[]>();
  for (const { key, end } of sorted) byKey.set(key, [...(byKey.get(key) ?? []), end]);
  for (const spots of byKey.values()) {
    const step = Math.min(PORT_PX, (NODE.width - 30) / spots.length);
    spots.forEach((spot, i) => {
      spot.x += (i - (spots.length - 1) / 2) * step;
    });
  }
  return routed;
}

/** Links that close a circle, found depth first from the nodes that nobody calls. */
function backLinks(nodes: Node[], links: Link[]): Set<Link> {
  const back = new Set<Link>();
  const state = new Map<string, 'open' | 'done'>();
  const outgoing = new Map<string, Link[]>();
  for (const link of links) outgoing.set(link.from, [...(outgoing.get(link.from) ?? []), link]);
  const visit = (key: string): void => {
    state.set(key, 'open');
    for (const link of outgoing.get(key) ?? []) {
      if (state.get(link.to) === 'open') back.add(link);
      else if (!state.has(link.to)) visit(link.to);
    }
    state.set(key, 'done');
  };
  const called = new Set(links.map((link) => link.to));
  for (const node of [...nodes.filter(({ key }) => !called.has(key)), ...nodes]) {
    if (!state.has(node.key)) visit(node.key);
  }
  return back;
}

function rowsOf(nodes: Node[], links: Link[]): Map<string, number> {
  const row = new Map(nodes.map((node) => [node.key, 0]));
  // Without circles the longest way has fewer links than there are nodes.
  for (let round = 0; round < nodes.length; round++) {
    for (const { from, to } of links) row.set(to, Math.max(row.get(to)!, row.get(from)! + 1));
  }
  return row;
}

function order(rows: Place[][], neighbours: Neighbours): void {
  for (let round = 0; round < 8; round++) {
    const downwards = round % 2 === 0;
    const indices = rows.map((_, index) => index);
    for (const r of downwards ? indices : indices.reverse()) {
      const index = new Map(
        rows.flatMap((places) => places.map((place, i) => [place.key, (i + 1) / (places.length + 1)] as const)),
      );
      const keyed = rows[r]!.map((place) => {
        const around = downwards ? neighbours.above(place.key) : neighbours.below(place.key);
        const mean = around.reduce((sum, key) => sum + index.get(key)!, 0) / around.length;
        return { place, at: around.length === 0 ? index.get(place.key)! : mean };
      });
      rows[r] = keyed.sort((a, b) => a.at - b.at).map(({ place }) => place);
    }
  }
}

/** Gives each place its middle, rows centred on the widest one; returns the width. */
function spread(rows: Place[][], neighbours: Neighbours): number {
  const widths = rows.map((places) => places.reduce((sum, place) => sum + place.width + GAP.x, -GAP.x));
  const width = Math.max(NODE.width, ...widths) + EDGE * 2;
  rows.forEach((places, r) => {
    let x = (width - widths[r]!) / 2;
    for (const place of places) {
      place.x = x + place.width / 2;
      x += place.width + GAP.x;
    }
  });
  straighten(rows, neighbours, width);
  return width;
}

/** Moves each place towards its neighbours as far as its row leaves room. */
function straighten(rows: Place[][], neighbours: Neighbours, width: number): void {
  const byKey = new Map(rows.flat().map((place) => [place.key, place]));
  for (let round = 0; round < 12; round++) {
    for (const places of rows) {
      places.forEach((place, i) => {
        const around = [...neighbours.above(place.key), ...neighbours.below(place.key)];
        if (around.length === 0) return;
        const wish = around.reduce((sum, key) => sum + byKey.get(key)!.x, 0) / around.length;
        const before = places[i - 1];
        const after = places[i + 1];
        const half = place.width / 2;
        const lowest = before === undefined ? EDGE + half : before.x + before.width / 2 + GAP.x + half;
        const highest = after === undefined ? width - EDGE - half : after.x - after.width / 2 - GAP.x - half;
        place.x = Math.min(highest, Math.max(lowest, wish));
      });
    }
  }
}
