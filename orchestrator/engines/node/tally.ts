import { build, type Histogram } from 'hdr-histogram-js';
import { OTHER_ROUTES } from '../../recording/routes.js';
import type { EngineResult, FailureTally, LatencyHistograms, RouteTally, SecondSample, StepTally } from '../engine.js';
import type { Progress } from './messages.js';
import { NOT_MEASURED, SAMPLE_FIELDS, type Sample, sampleAt } from './samples.js';
import type { Step } from './schedule.js';

const MAX_ROUTES = 200;
const MAX_FAILURES = 1000;

/** Microseconds, three significant digits. 64-bit counts: a bucket may take more than 2³¹ of them in a long run. */
export function latencyHistogram(): Histogram {
  return build({
    bitBucketSize: 64,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2_000_000,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

function latencyHistograms(): LatencyHistograms {
  return {
    response: latencyHistogram(),
    service: latencyHistogram(),
    lateness: latencyHistogram(),
    sessionWait: latencyHistogram(),
  };
}

/** What one worker's numbers refer to, and how far it has come. */
interface WorkerState {
  routes: string[];
  codes: string[];
  inFlight: number;
  sessions: number;
  canariesPlaced: number;
  /** Seconds it has reported whole; Infinity once it ended. */
  seconds: number;
}

/** All figures of a run, from the reports of all workers. */
export class Tally {
  readonly totals: EngineResult['totals'] = {
    offered: 0,
    started: 0,
    completed: 0,
    errors: 0,
    dropped: 0,
    late: 0,
    sessions: 0,
    canariesPlaced: 0,
  };
  readonly latencies = latencyHistograms();
  eventLoopUtilizationMax = 0;
  readonly #steps: StepTally[];
  readonly #routes = new Map<string, RouteTally>();
  readonly #failures = new Map<string, FailureTally>();
  readonly #workers: WorkerState[];
  readonly #onSecond: (sample: SecondSample) => void;
  /** Seconds that not all workers have reported yet. */
  readonly #open = new Map<number, SecondSample>();
  #nextSecond = 0;

  constructor(steps: readonly Step[], workers: number, onSecond: (sample: SecondSample) => void) {
    this.#onSecond = onSecond;
    this.#workers = Array.from({ length: workers }, () => ({
      routes: [],
      codes: [],
      inFlight: 0,
      sessions: 0,
      canariesPlaced: 0,
      seconds: 0,
    }));
    this.#steps = steps.map((step) => ({
      index: step.index,
      label: step.label,
      kind: step.kind,
      fromS: step.fromUs / 1e6,
      toS: step.toUs / 1e6,
      targetRatePerSec: step.kind === 'recorded' ? null : step.endRatePerUs * 1e6,
      offered: 0,
      started: 0,
      completed: 0,
      errors: 0,
      dropped: 0,
      ...latencyHistograms(),
    }));
  }

  add(workerIndex: number, progress: Progress): void {
    const worker = this.#workers[workerIndex]!;
    worker.routes.push(...progress.routes);
    worker.codes.push(...progress.codes);
    worker.inFlight = progress.inFlight;
    worker.sessions = progress.sessions;
    worker.canariesPlaced = progress.canariesPlaced;
    if (progress.wholeSecond)
      this.eventLoopUtilizationMax = Math.max(this.eventLoopUtilizationMax, progress.eventLoopUtilization);
    const second = this.#second(progress.tS);
    for (const counts of progress.counts) {
      const step = this.#steps[counts.step]!;
      for (const key of ['offered', 'started', 'dropped'] as const) {
        step[key] += counts[key];
        second[key] += counts[key];
        this.totals[key] += counts[key];
      }
      second.late += counts.late;
      this.totals.late += counts.late;
    }
    const examples = new Map(progress.examples.map((example) => [`${example.code} ${example.route}`, example.example]));
    const ended = progress.samples.length / SAMPLE_FIELDS;
    for (let i = 0; i < ended; i++) this.#addSample(sampleAt(progress.samples, i), worker, second, examples);
    if (progress.secondEnds) worker.seconds = progress.tS + 1;
    this.#emit();
  }

  /** The worker will report no more, whether it is done or dead. */
  workerEnded(workerIndex: number): void {
    this.#workers[workerIndex]!.seconds = Number.POSITIVE_INFINITY;
    this.#workers[workerIndex]!.inFlight = 0;
    this.#emit();
  }

  /** Steps that had begun by then; the last one ends there when the load was stopped within it. */
  steps(endS: number, stopped: boolean): StepTally[] {
    const begun = this.#steps.filter((step) => step.fromS <= endS || step.offered > 0);
    return stopped ? begun.map((step) => ({ ...step, toS: Math.max(step.fromS, Math.min(step.toS, endS)) })) : begun;
  }

  routes(): RouteTally[] {
    return [...this.#routes.values()].sort((a, b) => b.count - a.count);
  }

  failures(): FailureTally[] {
    return [...this.#failures.values()].sort((a, b) => b.count - a.count);
  }

  #addSample(sample: Sample, worker: WorkerState, second: SecondSample, examples: Map<string, string>): void {
    const step = this.#steps[sample.step]!;
    const route = this.#route(worker.routes[sample.route] ?? OTHER_ROUTES);
    const code = sample.failure === 0 ? undefined : worker.codes[sample.failure - 1];
    route.count++;
    const status = sample.status === 0 ? (code ?? 'unknown') : String(sample.status);
    route.statuses[status] = (route.statuses[status] ?? 0) + 1;
    if (sample.status > 0) {
      step.completed++;
      second.completed++;
      this.totals.completed++;
    }
    if (code !== undefined) {
      step.errors++;
      second.errors++;
      this.totals.errors++;
      route.errors++;
      this.#fail(code, route.route, second.tS, examples);
    }
    if (sample.responseUs === NOT_MEASURED) return;
    for (const into of [step, this.latencies]) {
      into.response.recordValue(sample.responseUs);
      into.service.recordValue(sample.serviceUs);
      into.lateness.recordValue(sample.latenessUs);
      into.sessionWait.recordValue(sample.sessionWaitUs);
    }
    route.response.recordValue(sample.responseUs);
    route.service.recordValue(sample.serviceUs);
    second.response.recordValue(sample.responseUs);
    second.lateness.recordValue(sample.latenessUs);
  }

  #route(name: string): RouteTally {
    let route = this.#routes.get(name);
    if (route !== undefined) return route;
    if (this.#routes.size >= MAX_ROUTES && name !== OTHER_ROUTES) return this.#route(OTHER_ROUTES);
    route = {
      route: name,
      count: 0,
      errors: 0,
      statuses: {},
      response: latencyHistogram(),
      service: latencyHistogram(),
    };
    this.#routes.set(name, route);
    return route;
  }

  #fail(code: string, route: string, tS: number, examples: Map<string, string>): void {
    const key = `${code} ${route}`;
    const known = this.#failures.get(key);
    if (known !== undefined) {
      known.count++;
      known.example ||= examples.get(key) ?? '';
      return;
    }
    if (this.#failures.size >= MAX_FAILURES && route !== OTHER_ROUTES) this.#fail(code, OTHER_ROUTES, tS, examples);
    else this.#failures.set(key, { code, route, count: 1, firstSeenS: tS, example: examples.get(key) ?? '' });
  }

  #second(tS: number): SecondSample {
    let second = this.#open.get(tS);
    if (second === undefined) {
      const at = this.#steps.findLastIndex((step) => step.fromS <= tS);
      second = {
        tS,
        stepIndex: Math.max(0, at),
        offered: 0,
        started: 0,
        completed: 0,
        errors: 0,
        dropped: 0,
        late: 0,
        inFlight: 0,
        response: latencyHistogram(),
        lateness: latencyHistogram(),
      };
      this.#open.set(tS, second);
    }
    return second;
  }

  #emit(): void {
    this.totals.sessions = sum(this.#workers, (worker) => worker.sessions);
    this.totals.canariesPlaced = sum(this.#workers, (worker) => worker.canariesPlaced);
    const whole = Math.min(...this.#workers.map((worker) => worker.seconds));
    while (this.#nextSecond < whole && (whole !== Number.POSITIVE_INFINITY || this.#open.size > 0)) {
      const second = this.#second(this.#nextSecond);
      this.#open.delete(this.#nextSecond++);
      second.inFlight = sum(this.#workers, (worker) => worker.inFlight);
      this.#onSecond(second);
    }
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
