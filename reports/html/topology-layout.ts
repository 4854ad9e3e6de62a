import type { Graph, Link, Node } from './topology-graph.js';

/**
 * Layered layout (after Sugiyama): columns by the longest way from where calls enter, dummy places where a link passes a column, order within a
 * column by the mean of the neighbours' places, and coordinates. Pure and deterministic.
 */
export interface Placed {
  node: Node;
  x: number;
  y: number;
}

export interface Routed {
  link: Link;
  /** From the right side of the source to the left side of the target, over the places in between. */
  points: { x: number; y: number }[];
  /** Against the direction of the columns: part of a circle of calls. */
  backwards: boolean;
}

export interface Layout {
  width: number;
  height: number;
  nodes: Placed[];
  links: Routed[];
}

export const NODE = { width: 148, height: 52 };
const GAP = { x: 132, y: 30 };
const PASS_HEIGHT = 34;
const EDGE = 16;

interface Place {
  key: string;
  node?: Node;
  height: number;
  y: number;
}

export function layOut({ nodes, links }: Graph): Layout {
  const back = backLinks(nodes, links);
  const forward = links.filter((link) => !back.has(link));
  const column = columnsOf(nodes, forward);
  const columns: Place[][] = Array.from({ length: Math.max(0, ...column.values()) + 1 }, () => []);
  for (const node of nodes) columns[column.get(node.key)!]!.push({ key: node.key, node, height: NODE.height, y: 0 });
  const neighbours = new Map<string, string[]>();
  const connect = (a: string, b: string): void => {
    neighbours.set(`${a} >`, [...(neighbours.get(`${a} >`) ?? []), b]);
    neighbours.set(`${b} <`, [...(neighbours.get(`${b} <`) ?? []), a]);
  };
  const ways = new Map<Link, string[]>();
  forward.forEach((link, index) => {
    const way = [link.from];
    for (let c = column.get(link.from)! + 1; c < column.get(link.to)!; c++) {
      const key = `pass\0${index}\0${c}`;
      columns[c]!.push({ key, height: PASS_HEIGHT, y: 0 });
      way.push(key);
    }
    way.push(link.to);
    for (let i = 1; i < way.length; i++) connect(way[i - 1]!, way[i]!);
    ways.set(link, way);
  });
  order(columns, neighbours);
  const height = stack(columns, neighbours);
  const width = EDGE * 2 + columns.length * NODE.width + (columns.length - 1) * GAP.x;
  const at = new Map<string, { x: number; y: number; isNode: boolean }>();
  columns.forEach((places, c) => {
    for (const place of places) at.set(place.key, { x: xOf(c), y: place.y, isNode: place.node !== undefined });
  });
  return {
    width,
    height: height + (back.size > 0 ? 40 : 0),
    nodes: columns.flatMap((places, c) =>
      places.flatMap((place) => (place.node === undefined ? [] : [{ node: place.node, x: xOf(c), y: place.y }])),
    ),
    links: links.map((link) => route(link, ways.get(link), at, height)),
  };
}

const xOf = (column: number): number => EDGE + column * (NODE.width + GAP.x);

function route(
  link: Link,
  way: string[] | undefined,
  at: Map<string, { x: number; y: number; isNode: boolean }>,
  height: number,
): Routed {
  const from = at.get(link.from)!;
  const to = at.get(link.to)!;
  const start = { x: from.x + NODE.width, y: from.y };
  const end = { x: to.x, y: to.y };
  if (way === undefined) {
    const below = height + 18;
    return { link, backwards: true, points: [start, { x: start.x, y: below }, { x: end.x, y: below }, end] };
  }
  const between = way.slice(1, -1).flatMap((key) => {
    const { x, y } = at.get(key)!;
    return [
      { x, y },
      { x: x + NODE.width, y },
    ];
  });
  return { link, backwards: false, points: [start, ...between, end] };
}

/** Links that close a circle, found depth first from the nodes that nobody calls. */
function backLinks(nodes: Node[], links: Link[]): Set<Link> {
  const back = new Set<Link>();
  const state = new Map<string, 'open' | 'done'>();
  const outgoing = group(links);
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

function group(links: Link[]): Map<string, Link[]> {
  const groups = new Map<string, Link[]>();
  for (const link of links) groups.set(link.from, [...(groups.get(link.from) ?? []), link]);
  return groups;
}

function columnsOf(nodes: Node[], links: Link[]): Map<string, number> {
  const column = new Map(nodes.map((node) => [node.key, 0]));
  // Without circles the longest way has fewer links than there are nodes.
  for (let round = 0; round < nodes.length; round++) {
    for (const { from, to } of links) column.set(to, Math.max(column.get(to)!, column.get(from)! + 1));
  }
  return column;
}

function order(columns: Place[][], neighbours: Map<string, string[]>): void {
  for (let round = 0; round < 8; round++) {
    const forwards = round % 2 === 0;
    const side = forwards ? '<' : '>';
    const indices = columns.map((_, index) => index);
    for (const c of forwards ? indices : indices.reverse()) {
      const index = new Map<string, number>();
      for (const places of columns)
        places.forEach((place, i) => {
          index.set(place.key, i / Math.max(1, places.length - 1));
        });
      const mean = (place: Place): number => {
        const around = neighbours.get(`${place.key} ${side}`) ?? [];
        return around.length === 0
          ? index.get(place.key)!
          : around.reduce((sum, key) => sum + index.get(key)!, 0) / around.length;
      };
      const keyed = columns[c]!.map((place) => ({ place, at: mean(place) }));
      columns[c] = keyed.sort((a, b) => a.at - b.at).map(({ place }) => place);
    }
  }
}

/** Gives each place its middle; returns the height. Columns are centred on the highest one. */
function stack(columns: Place[][], neighbours: Map<string, string[]>): number {
  const heights = columns.map((places) => places.reduce((sum, place) => sum + place.height + GAP.y, -GAP.y));
  const height = Math.max(NODE.height, ...heights) + EDGE * 2;
  columns.forEach((places, c) => {
    let y = (height - heights[c]!) / 2;
    for (const place of places) {
      place.y = y + place.height / 2;
      y += place.height + GAP.y;
    }
  });
  straighten(columns, neighbours, height);
  return height;
}

/** Moves each place towards its neighbours as far as its column leaves room. */
function straighten(columns: Place[][], neighbours: Map<string, string[]>, height: number): void {
  const yOf = new Map(columns.flat().map((place) => [place.key, place]));
  for (let round = 0; round < 6; round++) {
    for (const places of columns) {
      places.forEach((place, i) => {
        const around = [...(neighbours.get(`${place.key} <`) ?? []), ...(neighbours.get(`${place.key} >`) ?? [])];
        if (around.length === 0) return;
        const wish = around.reduce((sum, key) => sum + yOf.get(key)!.y, 0) / around.length;
        const before = places[i - 1];
        const after = places[i + 1];
        const lowest =
          before === undefined ? EDGE + place.height / 2 : before.y + before.height / 2 + GAP.y + place.height / 2;
        const highest =
          after === undefined
            ? height - EDGE - place.height / 2
            : after.y - after.height / 2 - GAP.y - place.height / 2;
        place.y = Math.min(highest, Math.max(lowest, wish));
      });
    }
  }
}
