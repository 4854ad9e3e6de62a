import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { applyIn, contextsActive, REAL, type ShadowContext } from '../context.js';
import type { Runtime } from '../create-runtime.js';
import { refusals, type ShadowRefusedError } from '../errors.js';
import { allowedCallers } from '../propagate/caller.js';
import {
  ACK_HEADER,
  acknowledgement,
  type CarriedFlag,
  carrierNames,
  PROBE_HEADER,
  rawHeader,
  readFlag,
  stripFlag,
} from '../propagate/carrier.js';
import { routeOf } from '../propagate/route.js';
import type { ShadowScope } from '../scope.js';
import { isOwnServer } from './own-server.js';

/** Sees ordinary requests, also while the agent is idle. */
export interface RequestObserver {
  observe(request: IncomingMessage, response: ServerResponse): void;
}

type Emit = (this: any, event: string | symbol, ...args: any[]) => boolean;

/** On the response: when its request came in, and under which context. Also says that the request was seen. */
const kEntry = Symbol('shadowline.entry');
interface Entry {
  runtime: Runtime;
  request: IncomingMessage;
  startedMs: number;
  context: ShadowScope | undefined;
}

type Response = ServerResponse & { [kEntry]?: Entry };

/** Events that carry a request and a response, as `request` does. */
const REQUEST_EVENTS = new Set<string | symbol>(['request', 'checkContinue', 'checkExpectation']);

/**
 * Incoming requests: one look at the raw headers. While idle an ordinary request goes on as if there were no agent; while armed it runs
 * in the REAL context and is measured; a flagged one is admitted and runs in its shadow context, or it is refused.
 */
export function wrapServer(
  prototype: Server,
  runtime: Runtime,
  observer: () => RequestObserver | undefined,
): () => void {
  const original = prototype.emit as Emit;
  const names = carrierNames(runtime.config);
  const isAllowed = allowedCallers(runtime.config);
  const ack = acknowledgement(runtime.service, runtime.configVersion);

  function emit(this: Server, event: string | symbol, ...args: any[]): boolean {
    if (REQUEST_EVENTS.has(event)) return entered(this, event, args[0], args[1]);
    if (event === 'upgrade' || event === 'connect') return switched(this, event, args);
    return original.call(this, event, ...args);
  }

  function entered(server: Server, event: string | symbol, request: IncomingMessage, response: Response): boolean {
    const flag = readFlag(request.rawHeaders, names);
    if (flag !== undefined) return flagged(server, event, request, response, flag);
    // The way of nearly every request of a service's life.
    if (!contextsActive() && observer() === undefined) return original.call(server, event, request, response);
    return ordinary(server, event, request, response);
  }

  function ordinary(server: Server, event: string | symbol, request: IncomingMessage, response: Response): boolean {
    const isSeen = response[kEntry] !== undefined || isOwnServer(server);
    if (!isSeen) observer()?.observe(request, response);
    if (isSeen || !contextsActive()) return original.call(server, event, request, response);
    measure(request, response, undefined);
    request.emit = emitReal;
    return applyIn(REAL, original, server as any, [event, request, response]);
  }

  function flagged(
    server: Server,
    event: string | symbol,
    request: IncomingMessage,
    response: Response,
    flag: CarriedFlag,
  ): boolean {
    // A server may hand a request on to another one: it was dealt with at the first.
    if (response[kEntry] !== undefined || isOwnServer(server)) return original.call(server, event, request, response);
    const admitted = enter(request, flag);
    if (admitted === undefined) {
      strip(request);
      return ordinary(server, event, request, response);
    }
    response.setHeader(ACK_HEADER, ack);
    if (!admitted.ok) {
      refuse(request, response, admitted.error, admitted.status);
      return true;
    }
    const { context } = admitted;
    measure(request, response, context);
    bindEmit(request, context);
    bindEmit(response, context);
    return applyIn(context, original, server as any, [event, request, response]);
  }

  /** undefined: the flag is nobody's and the caller may not send one; it is taken out and the request is ordinary. */
  function enter(
    request: IncomingMessage,
    flag: CarriedFlag,
  ): { ok: true; context: ShadowScope } | { ok: false; error: ShadowRefusedError; status: 403 | 503 } | undefined {
    if (isAllowed !== undefined && !isAllowed(request.socket.remoteAddress)) {
      // A signed flag is never processed as real, wherever it comes from.
      const isSigned = flag.all.some((token) => runtime.verifier.verify(token, Date.now()).flag !== undefined);
      if (!isSigned) return undefined;
      const detail = `from ${request.socket.remoteAddress}`;
      return { ok: false, error: runtime.refuse('FLAG_NOT_ALLOWED', detail), status: 403 };
    }
    if (flag.conflict) {
      return { ok: false, error: runtime.refuse('FLAG_CONFLICT', `${request.method} ${request.url}`), status: 403 };
    }
    const admission = runtime.admit(flag.token, 'request', rawHeader(request.rawHeaders, PROBE_HEADER));
    return admission.ok ? { ok: true, context: admission.context as ShadowScope } : admission;
  }

  /** Node makes both views once, from as many raw headers as came in: they are made first, so that none is missing. */
  function strip(request: IncomingMessage): void {
    const { headers, headersDistinct } = request;
    stripFlag(request.rawHeaders, names);
    const raw = request.rawHeaders;
    const rest = raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === 'baggage');
    for (const name of [names.header, PROBE_HEADER, 'baggage']) {
      delete headers[name];
      delete headersDistinct[name];
    }
    if (rest.length === 0) return;
    headers.baggage = rest.join(', ');
    headersDistinct.baggage = rest;
  }

  /** Upgrades and CONNECT tunnels: what is said in them cannot be redirected. */
  function switched(server: Server, event: string, args: any[]): boolean {
    const request: IncomingMessage = args[0];
    const socket: Duplex = args[1];
    if (isOwnServer(server)) return original.call(server, event, ...args);
    const flag = readFlag(request.rawHeaders, names);
    if (flag === undefined) {
      return contextsActive()
        ? applyIn(REAL, original, server as any, [event, ...args])
        : original.call(server, event, ...args);
    }
    const error = runtime.refuse('COMMAND_REFUSED', `HTTP ${event} (${request.headers.upgrade ?? request.url})`);
    const body = problem(error, 403);
    socket.on('error', () => socket.destroy());
    socket.end(
      `HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-type: application/problem+json\r\n${ACK_HEADER}: ${ack}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return true;
  }

  function measure(request: IncomingMessage, response: Response, context: ShadowScope | undefined): void {
    response[kEntry] = { runtime, request, startedMs: performance.now(), context };
    response.on('close', onClose);
  }

  prototype.emit = emit as Server['emit'];
  return () => {
    // Another agent or tracer may have wrapped it since; then ours stays in between and only passes on.
    if (prototype.emit === (emit as Server['emit'])) prototype.emit = original as Server['emit'];
  };
}

/** One function for all requests: a closure for each would cost more than what it does. */
function onClose(this: Response): void {
  const { runtime, request, startedMs, context } = this[kEntry]!;
  const route = routeOf(request.method ?? '', request.url ?? '');
  const durationUs = (performance.now() - startedMs) * 1000;
  // A client that went away before the answer was whole: 499, as nginx counts it.
  const status = this.writableFinished ? this.statusCode : 499;
  runtime.meter.serverRequest(context !== undefined, route, status, durationUs);
  if (context === undefined) return;
  runtime.acknowledge(context, 'http', route);
  context.close();
}

/** The parser emits `data` and `end` outside of the request's context. */
function bindEmit(emitter: { emit: Emit }, context: ShadowContext): void {
  const original = emitter.emit;
  emitter.emit = function emit(this: unknown, event, ...args) {
    return contextsActive() ? applyIn(context, original, this, [event, ...args]) : original.call(this, event, ...args);
  };
}

const emitReal: Emit = function emitReal(this: any, event, ...args) {
  const original: Emit = Object.getPrototypeOf(this).emit;
  return contextsActive() ? applyIn(REAL, original, this, [event, ...args]) : original.call(this, event, ...args);
};

function refuse(request: IncomingMessage, response: ServerResponse, error: ShadowRefusedError, status: number): void {
  const body = problem(error, status);
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
  // What is left of the body must be read away, or the connection cannot be used again.
  request.resume();
}

function problem(error: ShadowRefusedError, status: number): string {
  return JSON.stringify({
    type: 'about:blank',
    title: refusals[error.code],
    status,
    code: error.code,
    detail: error.detail,
  });
}
