import type { TransformSpec } from '../engines/engine.js';
import { monotonicClock } from '../engines/node/clock.js';
import { alwaysHeaders, type OutgoingRequest, outgoing, wireHeaders } from '../engines/node/request.js';
import { liveResponse } from '../engines/node/response.js';
import { type Answer, Sender } from '../engines/node/sender.js';
import { newSession } from '../engines/node/session.js';
import { buildTransforms } from '../engines/node/transforms/index.js';
import type { Transform, TransformContext } from '../engines/node/transforms/transform.js';
import type { ProbeSession } from './cover.js';
import { codeOf } from './negative.js';

export interface ProbeAnswer {
  id: string;
  route: string;
  recordedStatus: number;
  /** 0 when there was none. */
  status: number;
  /** Of a problem+json body, or of the network. */
  code: string | undefined;
  /** `x-shadow-ack`: `<service>;<agent version>;<config version>`. */
  ack: string | undefined;
  /** Turned down, and another session showed that the route works. */
  excused?: boolean;
}

export interface ProberOptions {
  target: string;
  runId: string;
  canary: string;
  transforms: TransformSpec[];
  timeoutMs: number;
  headers(): Record<string, string>;
  routeOf(method: string, url: string): string;
}

/**
 * Plays single sessions as the engine would, request after request, with its own transforms, so that a token, an identity or a correlated value is
 * as right in a probe as in the load. Every request carries an id of its own that each hop acknowledges.
 */
export class Prober {
  readonly #o: ProberOptions;
  readonly #transforms: Transform[];
  readonly #sender: Sender;
  readonly #expiry: NodeJS.Timeout;
  #probes = 0;
  canariesPlaced = 0;

  private constructor(options: ProberOptions, transforms: Transform[], sender: Sender) {
    this.#o = options;
    this.#transforms = transforms;
    this.#sender = sender;
    this.#expiry = setInterval(() => sender.expire(monotonicClock.nowUs()), 100);
  }

  /** @throws EngineError that names the transform that cannot be built. */
  static async open(options: ProberOptions): Promise<Prober> {
    const sender = new Sender({
      origin: options.target,
      timeoutMs: options.timeoutMs,
      clock: monotonicClock,
      stopped: () => false,
    });
    let prober: Prober | undefined;
    const transforms = await buildTransforms(
      // Another canary than the load's: its idempotency keys must not make the load's own requests repetitions. It begins with the
      // run's, so that a search for the run's finds it.
      { transforms: options.transforms, canary: `${options.canary}p` },
      {
        count: () => undefined,
        canaryPlaced: () => {
          if (prober !== undefined) prober.canariesPlaced++;
        },
        renew: (login) => prober!.#extra(login),
        nowMs: () => Date.now(),
      },
    );
    prober = new Prober(options, transforms, sender);
    return prober;
  }

  async play(session: ProbeSession): Promise<ProbeAnswer[]> {
    const answers: ProbeAnswer[] = [];
    const live = newSession(session.session, 0, session.records[0]?.tUs ?? 0);
    for (const record of session.records) {
      const id = `${this.#o.runId}-p${++this.#probes}`;
      const context: TransformContext = { record, session: live, runId: this.#o.runId };
      const request = outgoing(record);
      for (const transform of this.#transforms) await transform.apply(request, context);
      const answer = await this.#send(request, id);
      const response = liveResponse(answer);
      if (answer.error === undefined) {
        for (const transform of this.#transforms) {
          if (transform.learnsFrom?.(record) === true) transform.learn?.(request, response, context);
        }
      }
      answers.push({
        id,
        route: this.#o.routeOf(record.method, record.url),
        recordedStatus: record.status,
        status: answer.status,
        code: answer.error ?? (answer.status >= 400 ? codeOf(response.body) : undefined),
        ack: response.header('x-shadow-ack'),
      });
    }
    return answers;
  }

  /** One flagged read, which keeps the agents armed. Its answer does not matter. */
  async touch(path: string): Promise<void> {
    await this.#send({ method: 'GET', url: path, headers: [], body: undefined }, `${this.#o.runId}-t`);
  }

  async close(): Promise<void> {
    clearInterval(this.#expiry);
    await this.#sender.close();
  }

  async #extra(login: OutgoingRequest): Promise<ReturnType<typeof liveResponse>> {
    const answer = await this.#send(login, `${this.#o.runId}-x`);
    if (answer.error !== undefined) throw new Error(answer.error);
    return liveResponse(answer);
  }

  #send(request: OutgoingRequest, id: string): Promise<Answer> {
    const always = alwaysHeaders({ ...this.#o.headers(), 'x-shadow-probe': id });
    const { method, url: path, body } = request;
    return new Promise((resolve) => {
      this.#sender.send({ method, path, headers: wireHeaders(request, always), body, wantsBody: true }, resolve);
    });
  }
}
