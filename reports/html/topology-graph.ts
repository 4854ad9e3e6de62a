import type { Edge, Result } from '../../orchestrator/result/schema.js';

/** What is drawn: services and stores as nodes, all calls between two of them as one link. */
export interface Node {
  key: string;
  name: string;
  kind: 'users' | 'service' | 'mysql' | 'kafka' | 'redis' | 'egress';
  /** Second line: the service's layer and instances, or what kind of store it is. */
  detail: string;
  lost: boolean;
}

export interface Link {
  from: string;
  to: string;
  protocol: Edge['protocol'];
  callsPerEntryRequest: number;
  errors: number;
  /** The highest p99 among the targets (tables, key spaces) of the link: percentiles of different targets are not merged. */
  p99Us: number;
}

export interface Graph {
  nodes: Node[];
  links: Link[];
  /** Links left out because the picture would not be legible. */
  omittedLinks: number;
}

const MAX_LINKS = 40;

export function graphOf({ services, edges }: Result['topology']): Graph {
  const byName = new Map(services.map((service) => [service.name, service]));
  const links = new Map<string, Link>();
  const nodes = new Map<string, Node>();
  const add = (name: string, edge: Edge, isSource: boolean): string => {
    const { key, node } = nodeOf(name, edge, isSource, byName);
    if (!nodes.has(key)) nodes.set(key, node);
    return key;
  };
  for (const edge of edges) {
    const from = add(edge.from, edge, true);
    const to = add(edge.to, edge, false);
    const key = `${from}\0${to}\0${edge.protocol}`;
    const known = links.get(key);
    if (known === undefined) {
      const { protocol, callsPerEntryRequest, errors, p99Us } = edge;
      links.set(key, { from, to, protocol, callsPerEntryRequest, errors, p99Us });
    } else {
      known.callsPerEntryRequest += edge.callsPerEntryRequest;
      known.errors += edge.errors;
      known.p99Us = Math.max(known.p99Us, edge.p99Us);
    }
  }
  for (const service of services) {
    if (!nodes.has(service.name)) nodes.set(service.name, serviceNode(service));
  }
  const sorted = [...links.values()].sort((a, b) => b.callsPerEntryRequest - a.callsPerEntryRequest);
  const shown = sorted.slice(0, MAX_LINKS);
  const omittedLinks = sorted.length - shown.length;
  const linked = new Set(shown.flatMap((link) => [link.from, link.to]));
  const all = [...nodes.values()];
  return { nodes: omittedLinks === 0 ? all : all.filter((node) => linked.has(node.key)), links: shown, omittedLinks };
}

type ServiceInfo = Result['topology']['services'][number];

function nodeOf(
  name: string,
  edge: Edge,
  isSource: boolean,
  services: Map<string, ServiceInfo>,
): { key: string; node: Node } {
  const service = services.get(name);
  if (service !== undefined) return { key: name, node: serviceNode(service) };
  const { protocol, target } = edge;
  const plain = (kind: Node['kind'], detail: string, key = name, label = name) => ({
    key,
    node: { key, name: label, kind, detail, lost: false },
  });
  // A topic stands between its producers and its consumers, so each topic is a node of its own.
  if (protocol === 'kafka') return plain('kafka', 'Kafka topic', `kafka\0${target}`, target || name);
  if (protocol === 'mysql' || protocol === 'redis')
    return isSource
      ? plain('service', 'not heard')
      : plain(protocol, protocol === 'mysql' ? 'MySQL tables' : 'Redis keys');
  if (protocol === 'egress' && !isSource) return plain('egress', 'outside');
  return isSource ? plain('users', 'replayed') : plain('service', 'not heard');
}

function serviceNode(service: ServiceInfo): Node {
  const instances = service.instances === 1 ? '1 instance' : `${service.instances} instances`;
  return {
    key: service.name,
    name: service.name,
    kind: 'service',
    detail: service.layer === null ? instances : `${service.layer}, ${instances}`,
    lost: service.lostAtS !== null || service.instances === 0,
  };
}
