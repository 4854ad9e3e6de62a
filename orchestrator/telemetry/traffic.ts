import { ExponentialHistogram } from './exponential.js';
import type { Attributes, Batch } from './otlp.js';

/** Requests of one kind: how many, how many failed, how long they took (s). */
export class Tally {
  count = 0;
  errors = 0;
  readonly durations = new ExponentialHistogram();

  merge(other: Tally): void {
    this.count += other.count;
    this.errors += other.errors;
    this.durations.merge(other.durations);
  }

  errorShare(): number {
    return this.count === 0 ? 0 : this.errors / this.count;
  }

  /** In µs; null without samples. */
  percentileUs(p: number): number | null {
    const seconds = this.durations.percentile(p);
    return seconds === null ? null : seconds * 1e6;
  }
}

export type EdgeProtocol = 'http' | 'kafka' | 'mysql' | 'redis';

/** Shadow traffic from one place to the next. */
export interface EdgeTally {
  from: string;
  to: string;
  protocol: EdgeProtocol;
  target: string;
  tally: Tally;
}

/** Attributes are bounded by the agents; a broken sender must not fill the memory either. */
const MAX_EDGES = 5_000;

/** Durations from all agents: real users by service and second, shadow traffic by edge. */
export class Traffic {
  readonly #edges = new Map<string, EdgeTally>();
  /** Flagged requests that services answered. */
  readonly #served = new Map<string, Tally>();
  /** Real requests since `takeReal` was called last. */
  readonly #real = new Map<string, Tally>();

  ingest(batch: Batch): void {
    const { service } = batch.origin;
    for (const { name, attributes, histogram } of batch.points) {
      if (histogram === undefined) continue;
      const shadow = attributes.shadow === true || attributes.shadow === 'true';
      const one = new Tally();
      one.durations.add(histogram);
      one.count = one.durations.count;
      one.errors = isError(attributes) ? one.count : 0;
      if (name === 'http.server.request.duration') {
        add(shadow ? this.#served : this.#real, service, one);
      } else if (shadow) {
        this.#addEdge(name, service, attributes, one);
      }
    }
  }

  /** What the real users of a service saw since the last call. */
  takeReal(service: string | undefined): Tally {
    const taken = (service === undefined ? undefined : this.#real.get(service)) ?? new Tally();
    this.#real.clear();
    return taken;
  }

  served(service: string): Tally {
    return this.#served.get(service) ?? new Tally();
  }

  edges(): EdgeTally[] {
    return [...this.#edges.values()];
  }

  /** From here on edges count: what probes did is left out. */
  resetEdges(): void {
    this.#edges.clear();
    this.#served.clear();
  }

  #addEdge(metric: string, service: string, attributes: Attributes, one: Tally): void {
    const edge = edgeOf(metric, service, attributes);
    if (edge === undefined) return;
    const key = Object.values(edge).join('\0');
    let known = this.#edges.get(key);
    if (known === undefined) {
      if (this.#edges.size >= MAX_EDGES) return;
      known = { ...edge, tally: new Tally() };
      this.#edges.set(key, known);
    }
    known.tally.merge(one);
  }
}

function add(to: Map<string, Tally>, service: string, one: Tally): void {
  const known = to.get(service);
  if (known === undefined) to.set(service, one);
  else known.merge(one);
}

function isError(attributes: Attributes): boolean {
  if (attributes['error.type'] !== undefined && attributes['error.type'] !== '') return true;
  return Number(attributes['http.response.status_code'] ?? 0) >= 500;
}

function edgeOf(metric: string, service: string, attributes: Attributes): Omit<EdgeTally, 'tally'> | undefined {
  const topic = String(attributes['messaging.destination.name'] ?? '');
  switch (metric) {
    case 'http.client.request.duration':
      return { from: service, to: String(attributes['server.address'] ?? '?'), protocol: 'http', target: '' };
    case 'db.client.operation.duration': {
      const protocol = attributes['db.system.name'] === 'redis' ? 'redis' : 'mysql';
      return { from: service, to: protocol, protocol, target: String(attributes['db.collection.name'] ?? '') };
    }
    case 'messaging.client.operation.duration':
      return { from: service, to: 'kafka', protocol: 'kafka', target: topic };
    case 'messaging.process.duration':
      return { from: 'kafka', to: service, protocol: 'kafka', target: topic };
    default:
      return undefined;
  }
}
