import { RouteTable } from '../../recording/routes.js';
import type { Failure } from './failure.js';
import type { FailureExample, Progress, StepCounts } from './messages.js';
import { NOT_MEASURED, SampleBlock } from './samples.js';
import type { Answer } from './sender.js';
import type { Due } from './session.js';

/** Distinct routes a worker tells apart. */
const MAX_ROUTES = 200;
const MAX_EXAMPLES = 500;

/** Counts what happens in a worker and hands it on about once a second. */
export class Reporter {
  readonly #send: (progress: Progress) => void;
  readonly #extras: () => Pick<Progress, 'inFlight' | 'sessions' | 'canariesPlaced' | 'eventLoopUtilization'>;
  readonly #samples = new SampleBlock();
  readonly #counts = new Map<number, StepCounts>();
  readonly #routes = new RouteTable(MAX_ROUTES);
  readonly #routeIds = new Map<string, number>();
  readonly #codeIds = new Map<string, number>();
  readonly #examplesSeen = new Set<string>();
  #newRoutes: string[] = [];
  #newCodes: string[] = [];
  #examples: FailureExample[] = [];
  #tS = 0;

  constructor(
    send: (progress: Progress) => void,
    extras: () => Pick<Progress, 'inFlight' | 'sessions' | 'canariesPlaced' | 'eventLoopUtilization'>,
  ) {
    this.#send = send;
    this.#extras = extras;
  }

  offered(step: number): void {
    this.#of(step).offered++;
  }

  started(step: number): void {
    this.#of(step).started++;
  }

  dropped(step: number): void {
    this.#of(step).dropped++;
  }

  late(step: number): void {
    this.#of(step).late++;
  }

  /** It was counted as started, but the load was stopped before it went out. */
  takenBack(step: number): void {
    const counts = this.#of(step);
    counts.started--;
    counts.dropped++;
  }

  ended(due: Due, answer: Answer, failure: Failure | undefined, startAtUs: number): void {
    const sentUs = answer.sentUs - startAtUs;
    const endUs = answer.endUs - startAtUs;
    const latenessUs = sentUs - due.dueUs - due.sessionWaitUs;
    this.#sample(due, answer.status, failure, endUs - due.dueUs, endUs - sentUs, latenessUs);
  }

  /** It never went out, so there is no latency: a fast failure must not make percentiles look good. */
  failedUnsent(due: Due, code: string, message: string): void {
    this.#sample(due, 0, { code, example: message.slice(0, 200) }, NOT_MEASURED, NOT_MEASURED, NOT_MEASURED);
  }

  /** Reports what there is. `secondEnds`: the second `tS` is complete, and the next begins. */
  flush(secondEnds: boolean, wholeSecond = secondEnds): void {
    this.#send({
      tS: this.#tS,
      counts: [...this.#counts.values()],
      samples: this.#samples.take(),
      routes: this.#newRoutes,
      codes: this.#newCodes,
      examples: this.#examples,
      secondEnds,
      wholeSecond,
      ...this.#extras(),
    });
    this.#counts.clear();
    this.#newRoutes = [];
    this.#newCodes = [];
    this.#examples = [];
    if (secondEnds) this.#tS++;
  }

  #sample(
    due: Due,
    status: number,
    failure: Failure | undefined,
    responseUs: number,
    serviceUs: number,
    latenessUs: number,
  ): void {
    const { record } = due;
    const [route, routeId] = this.#route(record.method, record.url);
    let failureId = 0;
    if (failure !== undefined) {
      failureId = idOf(this.#codeIds, failure.code, this.#newCodes) + 1;
      this.#example(failure, route);
    }
    this.#samples.push(due.step, routeId, status, failureId, responseUs, serviceUs, latenessUs, due.sessionWaitUs);
    if (this.#samples.full) this.flush(false);
  }

  #route(method: string, url: string): [string, number] {
    const route = this.#routes.routeOf(method, url);
    return [route, idOf(this.#routeIds, route, this.#newRoutes)];
  }

  #example(failure: Failure, route: string): void {
    const key = `${failure.code} ${route}`;
    if (this.#examplesSeen.has(key) || this.#examplesSeen.size >= MAX_EXAMPLES) return;
    this.#examplesSeen.add(key);
    this.#examples.push({ code: failure.code, route, tS: this.#tS, example: failure.example });
  }

  #of(step: number): StepCounts {
    let counts = this.#counts.get(step);
    if (counts === undefined) {
      counts = { step, offered: 0, started: 0, dropped: 0, late: 0 };
      this.#counts.set(step, counts);
    }
    return counts;
  }
}

function idOf(ids: Map<string, number>, name: string, fresh: string[]): number {
  let id = ids.get(name);
  if (id === undefined) {
    id = ids.size;
    ids.set(name, id);
    fresh.push(name);
  }
  return id;
}
