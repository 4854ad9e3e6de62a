import type { Batch } from './otlp.js';

export type AgentState = 'idle' | 'armed' | 'killed' | 'unknown';

/** What is known of one process with an agent. */
export interface Instance {
  service: string;
  instance: string;
  agentVersion: string;
  configVersion: string;
  telemetryVersion: string;
  state: AgentState;
  /** From its last hello; empty when it is fine or has not said. */
  problems: string;
  instrumented: string;
  firstSeenMs: number;
  lastSeenMs: number;
  /** Time stamp of its last metrics, by its own clock. */
  lastMetricsMs: number;
  /** Receipt less its own time stamp, the smallest seen: clock difference plus the quickest delivery. */
  clockDifferenceMs: number | undefined;
  /** Highest share of one core over one interval. */
  cpuShareMax: number | undefined;
  eventLoopUtilizationMax: number | undefined;
  /** Batches that it had to give up. */
  lostBatches: number;
  /** It said that it stops. */
  bye: boolean;
  /** Set while it is silent during the load. */
  lostAtMs: number | undefined;
}

const IDLE_INTERVAL_MS = 5_000;
const STATES: AgentState[] = ['idle', 'armed', 'killed'];

/**
 * Every agent that was heard.
 *
 * | state    | a batch comes    | silent too long while watched | says bye      |
 * | -------- | ---------------- | ----------------------------- | ------------- |
 * | present  | present          | lost                          | lost          |
 * | lost     | present again    | -                             | -             |
 */
export class Fleet {
  readonly #instances = new Map<string, Instance>();

  /** Takes what a batch says about its sender. */
  ingest(batch: Batch, receivedAtMs: number): Instance {
    const { origin } = batch;
    const key = `${origin.service}\0${origin.instance}`;
    let known = this.#instances.get(key);
    if (known === undefined) {
      known = {
        ...origin,
        state: 'unknown',
        problems: '',
        instrumented: '',
        firstSeenMs: receivedAtMs,
        lastSeenMs: receivedAtMs,
        lastMetricsMs: 0,
        clockDifferenceMs: undefined,
        cpuShareMax: undefined,
        eventLoopUtilizationMax: undefined,
        lostBatches: 0,
        bye: false,
        lostAtMs: undefined,
      };
      this.#instances.set(key, known);
    }
    Object.assign(known, origin);
    known.lastSeenMs = receivedAtMs;
    if (!known.bye) known.lostAtMs = undefined;
    for (const point of batch.points) {
      if (point.value === undefined) continue;
      known.lastMetricsMs = Math.max(known.lastMetricsMs, point.timeMs);
      if (point.timeMs > 0) difference(known, receivedAtMs - point.timeMs);
      if (point.name === 'shadowline.state') known.state = STATES[point.value] ?? 'unknown';
      if (point.name === 'shadowline.telemetry.lost') known.lostBatches += point.value;
      if (point.name === 'nodejs.eventloop.utilization') {
        known.eventLoopUtilizationMax = Math.max(known.eventLoopUtilizationMax ?? 0, point.value);
      }
      const intervalS = (point.timeMs - point.startMs) / 1000;
      // A share over a few milliseconds says nothing.
      if (point.name === 'process.cpu.time' && intervalS >= 0.2) {
        known.cpuShareMax = Math.max(known.cpuShareMax ?? 0, point.value / intervalS);
      }
    }
    for (const event of batch.events) {
      if (event.name === 'shadowline.hello') {
        known.problems = String(event.attributes.problems ?? '');
        known.instrumented = String(event.attributes.instrumented ?? '');
        const said = String(event.attributes['shadowline.state'] ?? '');
        known.state = STATES.find((state) => state === said) ?? known.state;
      }
      if (event.name === 'shadowline.state') {
        const to = String(event.attributes.to ?? '');
        known.state = STATES.find((state) => state === to) ?? known.state;
      }
      if (event.name === 'shadowline.bye') {
        known.bye = true;
        known.lostAtMs = receivedAtMs;
      }
    }
    return known;
  }

  /** Marks instances of these services that have been silent for too long; returns those that were not marked before. */
  watch(services: Iterable<string>, nowMs: number, silentMs: number): Instance[] {
    const watched = new Set(services);
    const lost: Instance[] = [];
    for (const one of this.#instances.values()) {
      if (!watched.has(one.service) || one.lostAtMs !== undefined) continue;
      // Idle agents speak every 5 s only.
      const limitMs = one.state === 'idle' ? silentMs + IDLE_INTERVAL_MS : silentMs;
      if (nowMs - one.lastSeenMs <= limitMs) continue;
      one.lostAtMs = one.lastSeenMs;
      lost.push(one);
    }
    return lost;
  }

  /** Forgets batches that were lost before this run: nobody listened then. */
  forgetLost(): void {
    for (const one of this.#instances.values()) one.lostBatches = 0;
  }

  /** Forgets peaks, so that they are those of the load and not of the start-up. */
  resetPeaks(): void {
    for (const one of this.#instances.values()) {
      one.cpuShareMax = undefined;
      one.eventLoopUtilizationMax = undefined;
    }
  }

  of(service: string): Instance[] {
    return this.all().filter((one) => one.service === service);
  }

  /** Those that run now: neither lost nor stopped. */
  present(service: string): Instance[] {
    return this.of(service).filter((one) => one.lostAtMs === undefined);
  }

  all(): Instance[] {
    return [...this.#instances.values()];
  }
}

function difference(known: Instance, ms: number): void {
  if (known.clockDifferenceMs === undefined || Math.abs(ms) < Math.abs(known.clockDifferenceMs)) {
    known.clockDifferenceMs = ms;
  }
}
