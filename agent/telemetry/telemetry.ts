import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import { REAL, runWith } from '../context.js';
import type { AgentState } from '../runtime.js';
import { AGENT_VERSION } from '../version.js';
import { Counter, DurationMeter, WriteLedger } from './meter.js';
import {
  type Attributes,
  attributes,
  gaugeMetric,
  type Interval,
  type LogEvent,
  logsBody,
  metricsBody,
  nanos,
  numberPoint,
  sumMetric,
} from './otlp.js';
import { Poster } from './post.js';

const TICK_MS = 1_000;
/** While idle only the state is sent, and not so often. */
const IDLE_TICKS = 5;
const MAX_KEPT_BATCHES = 64;
const MAX_EVENTS = 1_000;
/** Long enough to take the acknowledgements of one moment together. */
const SOON_MS = 20;
const STATES: Record<AgentState, number> = { idle: 0, armed: 1, killed: 2 };

interface Post {
  id: string;
  path: '/v1/metrics' | '/v1/logs';
  body: string;
  /** False for a batch that says nothing but the state: not worth keeping. */
  keep: boolean;
}

export interface TelemetrySource {
  service: string;
  instance: string;
  configVersion: string;
  state(): AgentState;
  instrumented(): string[];
  problems(): string[];
}

/**
 * Collects and sends what docs/formats/telemetry.md says. Counters leave once a second while armed, so that a killed process loses a second at
 * most. A batch that could not be delivered is sent again, oldest first; after 64 the oldest is lost, and counted.
 */
export class Telemetry {
  readonly meter = new DurationMeter();
  readonly ledger = new WriteLedger();
  readonly #refused = new Counter('shadowline.refused', '1', ([code]) => ({ code }));
  readonly #suspects = new Counter('shadowline.suspects', '1', ([code]) => ({ code }));
  readonly #source: TelemetrySource;
  readonly #poster: Poster | undefined;
  readonly #resource: object[];
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #reported = new Set<string>();
  #queue: Post[] = [];
  #events: LogEvent[] = [];
  #soon: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #batches = 0;
  #lostBatches = 0;
  #helloDue = true;
  #ticks = 0;
  #sinceMs = Date.now();
  #cpu = process.cpuUsage();
  #utilization = performance.eventLoopUtilization();
  #stopped = false;

  constructor(source: TelemetrySource, endpoint: string | undefined) {
    this.#source = source;
    this.#poster = endpoint === undefined ? undefined : new Poster(endpoint);
    this.#resource = attributes({
      'service.name': source.service,
      'service.instance.id': source.instance,
      'host.name': hostname(),
      'process.pid': process.pid,
      'telemetry.sdk.name': 'shadowline',
      'shadowline.telemetry.version': '1',
      'shadowline.agent.version': AGENT_VERSION,
      'shadowline.config.version': source.configVersion,
    });
    if (this.#poster === undefined) return;
    this.#timer = runWith(REAL, () => setInterval(() => this.#tick(), TICK_MS));
    this.#timer.unref();
    this.#flushSoon();
  }

  refused(code: string, detail: string): void {
    this.#refused.add(1, code);
    this.#firstInSecond('shadowline.refused', code, detail, undefined);
  }

  suspect(code: string, detail: string, stack: string | undefined): void {
    this.#suspects.add(1, code);
    this.#firstInSecond('shadowline.suspect', code, detail, stack);
  }

  /** Queues a log record and sends it within a few milliseconds. */
  event(name: string, body: string, values: Attributes): void {
    if (this.#poster === undefined) return;
    if (this.#events.length >= MAX_EVENTS) return;
    this.#events.push({ timeMs: Date.now(), name, body, attributes: values });
    this.#flushSoon();
  }

  /** Says hello (again): what is instrumented, or what is wrong, has changed. */
  hello(): void {
    this.#helloDue = true;
    if (this.#poster !== undefined) this.#flushSoon();
  }

  /** Sends what there is and says goodbye. Gives up after one attempt. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    if (this.#poster === undefined) return;
    await this.#sending;
    this.#collect();
    this.#addEvents([
      { timeMs: Date.now(), name: 'shadowline.bye', body: `${this.#source.service} stops`, attributes: {} },
    ]);
    await this.#send(true);
    this.#poster.close();
  }

  #firstInSecond(name: string, code: string, detail: string, stack: string | undefined): void {
    if (this.#poster === undefined || this.#reported.has(name + code)) return;
    this.#reported.add(name + code);
    this.event(name, `${code}: ${detail}`, { code, detail, 'exception.stacktrace': stack });
  }

  #tick(): void {
    this.#ticks++;
    this.#reported.clear();
    if (this.#source.state() === 'idle' && this.#ticks % IDLE_TICKS !== 0) return;
    this.#flush();
  }

  #flushSoon(): void {
    if (this.#stopped || this.#soon !== undefined) return;
    this.#soon = runWith(REAL, () =>
      setTimeout(() => {
        this.#soon = undefined;
        this.#flush();
      }, SOON_MS),
    );
    this.#soon.unref();
  }

  #flush(): void {
    this.#collect();
    this.#sending ??= this.#send(false).finally(() => {
      this.#sending = undefined;
    });
  }

  #collect(): void {
    const nowMs = Date.now();
    const interval: Interval = { startTimeUnixNano: nanos(this.#sinceMs), timeUnixNano: nanos(nowMs) };
    this.#sinceMs = nowMs;
    const counted = [
      ...this.meter.collect(interval),
      ...this.ledger.collect(interval),
      ...this.#refused.collect(interval),
      ...this.#suspects.collect(interval),
    ];
    if (this.#lostBatches > 0) {
      counted.push(sumMetric('shadowline.telemetry.lost', '{batch}', [numberPoint({}, this.#lostBatches, interval)]));
      this.#lostBatches = 0;
    }
    const keep = counted.length > 0;
    const metrics = [...counted, ...this.#processMetrics(interval)];
    this.#enqueue('/v1/metrics', metricsBody(this.#resource, metrics), keep);
    const events = this.#events;
    this.#events = [];
    this.#addEvents(events);
  }

  #addEvents(events: LogEvent[]): void {
    if (this.#helloDue) {
      this.#helloDue = false;
      const hello = this.#hello();
      if (events.length === 0) {
        // A greeting alone is not kept: it is said anew after every failure.
        this.#enqueue('/v1/logs', logsBody(this.#resource, [hello]), false);
        return;
      }
      events = [hello, ...events];
    }
    if (events.length > 0) this.#enqueue('/v1/logs', logsBody(this.#resource, events), true);
  }

  #hello(): LogEvent {
    const problems = this.#source.problems();
    const state = this.#source.state();
    const body = `${this.#source.service} is ${state}${problems.length > 0 ? `; ${problems.join('; ')}` : ''}`;
    return {
      timeMs: Date.now(),
      name: 'shadowline.hello',
      body,
      attributes: {
        'shadowline.state': state,
        instrumented: this.#source.instrumented().join(','),
        problems: problems.join('; '),
      },
    };
  }

  #processMetrics(interval: Interval): object[] {
    const cpu = process.cpuUsage(this.#cpu);
    this.#cpu = process.cpuUsage();
    const utilization = performance.eventLoopUtilization();
    const share = performance.eventLoopUtilization(utilization, this.#utilization).utilization;
    this.#utilization = utilization;
    return [
      gaugeMetric('shadowline.state', '1', [numberPoint({}, STATES[this.#source.state()], interval)]),
      sumMetric('process.cpu.time', 's', [numberPoint({}, (cpu.user + cpu.system) / 1e6, interval)]),
      gaugeMetric('nodejs.eventloop.utilization', '1', [numberPoint({}, share, interval)]),
    ];
  }

  #enqueue(path: Post['path'], body: string, keep: boolean): void {
    this.#queue.push({ id: `${this.#source.instance}/${++this.#batches}`, path, body, keep });
    while (this.#queue.length > MAX_KEPT_BATCHES) {
      if (this.#queue.shift()!.keep) this.#lostBatches++;
    }
  }

  async #send(holdProcess: boolean): Promise<void> {
    while (this.#queue.length > 0) {
      const post = this.#queue[0]!;
      if (!(await this.#poster!.post(post.path, post.body, post.id, holdProcess))) {
        this.#queue = this.#queue.filter((one) => one.keep);
        this.#helloDue = true;
        return;
      }
      // It may have been pushed out by newer ones meanwhile.
      if (this.#queue[0] === post) this.#queue.shift();
    }
  }
}
