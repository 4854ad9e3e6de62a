import { SeedError } from './errors.js';
import type { SourceTable } from './source-tables.js';
import { parseSample, type Sample, type Seed } from './spec.js';

/**
 * whole: all rows. root: rows of its own condition or sample. follower: rows that refer to a chosen row of a root or of another
 * follower. needed: only rows that chosen rows refer to.
 */
export type Role = 'whole' | 'root' | 'follower' | 'needed';

export interface Node {
  source: SourceTable;
  role: Role;
  where?: string;
  sample?: Sample;
}

export interface Edge {
  name: string;
  child: string;
  columns: string[];
  parent: string;
  parentColumns: string[];
}

export interface Graph {
  nodes: Map<string, Node>;
  /** Foreign keys among the nodes. */
  edges: Edge[];
  /** Along these, chosen parents choose their children. */
  down: Edge[];
  /** Along these, chosen children choose their parents, who choose no further children. */
  up: Edge[];
  /** Children before parents as far as there is such an order: a parent that comes late has all that its children refer to. */
  order: string[];
}

/** Which tables are seeded and how their rows are chosen. Pure. Throws SeedError. */
export function seedGraph(tables: readonly SourceTable[], seeds: Readonly<Record<string, Seed>>): Graph {
  const byKey = new Map(tables.map((table) => [table.key, table]));
  for (const key of Object.keys(seeds)) {
    if (!byKey.has(key))
      throw new SeedError('SEED_SPEC', `there is a seed for ${key}, which is no table with a shadow`);
  }
  const all: Edge[] = tables.flatMap((table) =>
    table.foreignKeys.filter(({ parent }) => byKey.has(parent)).map((key) => ({ ...key, child: table.key })),
  );
  const listed = withDescendants(new Set(Object.keys(seeds)), seeds, all);
  const nodes = new Map<string, Node>();
  for (const key of listed) {
    const { where, sample } = seeds[key] ?? {};
    const own = where !== undefined || sample !== undefined;
    nodes.set(key, {
      source: byKey.get(key)!,
      role: own ? 'root' : 'whole',
      ...(where !== undefined && { where }),
      ...(sample !== undefined && { sample: parseSample(key, sample) }),
    });
  }
  spread(all, (edge) => {
    const [child, parent] = [nodes.get(edge.child), nodes.get(edge.parent)];
    if (child?.role !== 'whole' || parent === undefined || parent.role === 'whole') return false;
    child.role = 'follower';
    return true;
  });
  spread(all, (edge) => {
    const child = nodes.get(edge.child);
    if (child === undefined || nodes.has(edge.parent)) return false;
    nodes.set(edge.parent, { source: byKey.get(edge.parent)!, role: 'needed' });
    return true;
  });
  // a whole table whose parents are only needed has to be walked row by row, to find them
  spread(all, (edge) => {
    const child = nodes.get(edge.child);
    if (child?.role !== 'whole' || nodes.get(edge.parent)?.role !== 'needed') return false;
    child.role = 'root';
    return true;
  });
  const edges = all.filter(({ child, parent }) => nodes.has(child) && nodes.has(parent));
  const narrowed = (key: string): boolean => nodes.get(key)!.role !== 'whole';
  return {
    nodes,
    edges,
    down: edges.filter(({ child, parent }) => nodes.get(child)!.role === 'follower' && chooses(nodes.get(parent)!)),
    up: edges.filter(({ child, parent }) => narrowed(child) && narrowed(parent)),
    order: childrenFirst([...nodes.keys()], edges),
  };
}

function chooses({ role }: Node): boolean {
  return role === 'root' || role === 'follower';
}

/** Repeats over all edges until none changes anything. */
function spread(edges: readonly Edge[], change: (edge: Edge) => boolean): void {
  let changed = true;
  while (changed) changed = edges.map(change).some(Boolean);
}

function withDescendants(
  listed: Set<string>,
  seeds: Readonly<Record<string, Seed>>,
  edges: readonly Edge[],
): Set<string> {
  const pulling = new Set([...listed].filter((key) => seeds[key]?.children === true));
  spread(edges, ({ child, parent }) => {
    if (!pulling.has(parent) || pulling.has(child) || seeds[child]?.children === false) return false;
    listed.add(child);
    pulling.add(child);
    return true;
  });
  return listed;
}

function childrenFirst(keys: string[], edges: readonly Edge[]): string[] {
  const order: string[] = [];
  const left = new Set(keys.sort());
  while (left.size > 0) {
    const free = [...left].filter(
      (key) => !edges.some(({ child, parent }) => parent === key && child !== key && left.has(child)),
    );
    // within a cycle any order is as good as another
    const next = free.length > 0 ? free : [...left].slice(0, 1);
    for (const key of next) {
      left.delete(key);
      order.push(key);
    }
  }
  return order;
}
