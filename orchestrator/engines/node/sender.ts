import { Client, type Dispatcher } from 'undici';
import type { Clock } from './clock.js';

/** What is kept of a body, when it is wanted. */
export const MAX_BODY_BYTES = 64 * 1024;

export interface WireRequest {
  method: string;
  path: string;
  headers: string[];
  body: Uint8Array | undefined;
  /** Keep the body of every answer; otherwise only of refusals (status >= 400), for their code. */
  wantsBody: boolean;
}

export interface Answer {
  /** 0 when there was none. */
  status: number;
  /** `timeout`, `ECONNREFUSED`, …: why there was no whole answer. */
  error: string | undefined;
  message: string;
  /** Name, value, name, value, as received; empty unless the body was wanted. */
  headers: Buffer[];
  body: Buffer | undefined;
  sentUs: number;
  endUs: number;
}

/** Its request was not sent: the load was stopped while it waited for a connection. */
export const NOT_SENT = 'not-sent';

export interface SenderOptions {
  origin: string;
  timeoutMs: number;
  clock: Clock;
  /** No request may go out any more. */
  stopped(): boolean;
}

/**
 * Connections on which one request at a time is under way; the last used is used first. (undici's Pool looks through all its clients for
 * a free one at each request, which costs more the more are busy.)
 *
 * | a flight  | connects           | answers        | fails or times out     |
 * | --------- | ------------------ | -------------- | ---------------------- |
 * | waiting   | sent, unless stopped: aborted | -   | client closed, another next time |
 * | sent      | -                  | client is idle | client is idle; undici opens a new socket |
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #idle: Client[] = [];
  readonly #clients = new Set<Client>();
  /** In order of sending, so that the first is the next to time out. */
  readonly #flights = new Set<Flight>();

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  /** `done` is called exactly once, and never before this returns. */
  send(request: WireRequest, done: (answer: Answer) => void): void {
    const client = this.#idle.pop() ?? this.#open();
    const flight = new Flight(
      request.wantsBody,
      this.#options.clock.nowUs(),
      client,
      this.#options.stopped,
      (ended) => {
        this.#flights.delete(ended);
        // undici asserts that nothing new is queued while it hands out the error of a connection.
        if (ended.failed) queueMicrotask(() => this.#rest(client));
        else this.#rest(client);
        done(ended.answer(this.#options.clock.nowUs()));
      },
    );
    this.#flights.add(flight);
    try {
      client.dispatch(
        {
          path: request.path,
          method: request.method as Dispatcher.HttpMethod,
          headers: request.headers,
          body: request.body ?? null,
          reset: false,
        },
        flight,
      );
    } catch (error) {
      queueMicrotask(() => flight.onError(error as Error));
    }
  }

  /** Ends flights that took too long. To be called every few milliseconds. */
  expire(nowUs: number): void {
    const limitUs = nowUs - this.#options.timeoutMs * 1000;
    for (const flight of this.#flights) {
      if (flight.sentUs > limitUs) return;
      this.#cut(flight, 'timeout', `no whole answer within ${this.#options.timeoutMs} ms`);
    }
  }

  /** Ends all flights, e.g. when the time to drain is over. */
  cutAll(code: string, message: string): void {
    for (const flight of this.#flights) this.#cut(flight, code, message);
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#clients].map((client) => client.destroy()));
  }

  #rest(client: Client): void {
    if (!client.destroyed) this.#idle.push(client);
  }

  #cut(flight: Flight, code: string, message: string): void {
    const client = flight.client;
    this.#clients.delete(client);
    // Destroying the client rather than aborting the request: this works in every state, also while it connects.
    void client.destroy().catch(() => {});
    flight.fail(code, message);
  }

  #open(): Client {
    const client = new Client(this.#options.origin, {
      pipelining: 1,
      // The timeout is kept here, for all alike; undici's own would run one more timer a connection.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: this.#options.timeoutMs + 1000 },
    });
    this.#clients.add(client);
    return client;
  }
}

/** One request under way, as undici's handler. The raw form of the handler is used: headers are not made into objects that nobody reads. */
class Flight implements Dispatcher.DispatchHandler {
  readonly client: Client;
  readonly sentUs: number;
  readonly #wantsBody: boolean;
  readonly #stopped: () => boolean;
  #ended: ((flight: Flight) => void) | undefined;
  #status = 0;
  #headers: Buffer[] = [];
  #chunks: Buffer[] | undefined;
  #bodyBytes = 0;
  #error: string | undefined;
  #message = '';

  constructor(
    wantsBody: boolean,
    sentUs: number,
    client: Client,
    stopped: () => boolean,
    ended: (flight: Flight) => void,
  ) {
    this.#wantsBody = wantsBody;
    this.sentUs = sentUs;
    this.client = client;
    this.#stopped = stopped;
    this.#ended = ended;
  }

  get failed(): boolean {
    return this.#error !== undefined;
  }

  answer(endUs: number): Answer {
    return {
      status: this.#status,
      error: this.#error,
      message: this.#message,
      headers: this.#headers,
      body:
        this.#chunks === undefined
          ? undefined
          : this.#chunks.length === 1
            ? this.#chunks[0]
            : Buffer.concat(this.#chunks),
      sentUs: this.sentUs,
      endUs,
    };
  }

  onConnect(abort: (error?: Error) => void): void {
    if (!this.#stopped()) return;
    this.#error = NOT_SENT;
    abort(new Error('the load was stopped'));
  }

  onHeaders(status: number, headers: Buffer[]): boolean {
    if (status < 200) return true;
    this.#status = status;
    if (this.#wantsBody || status >= 400) {
      this.#chunks = [];
      this.#headers = headers;
    }
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#chunks !== undefined && this.#bodyBytes < MAX_BODY_BYTES) {
      // A copy: the parser uses its memory again.
      this.#chunks.push(Buffer.from(chunk.subarray(0, MAX_BODY_BYTES - this.#bodyBytes)));
    }
    this.#bodyBytes += chunk.length;
    return true;
  }

  onComplete(): void {
    this.#end();
  }

  onError(error: Error & { code?: string }): void {
    this.fail(error.code ?? error.name, error.message);
  }

  fail(code: string, message: string): void {
    this.#status = 0;
    this.#error ??= code;
    this.#message = message;
    this.#end();
  }

  #end(): void {
    const ended = this.#ended;
    this.#ended = undefined;
    ended?.(this);
  }
}
