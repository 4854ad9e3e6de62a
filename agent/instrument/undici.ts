import type { EgressRule } from '../config.js';
import { currentContext, currentShadow, runWith, type ShadowContext } from '../context.js';
import type { Runtime } from '../create-runtime.js';
import { ACK_HEADER, carrierNames, type HeaderValue, withFlag } from '../propagate/carrier.js';
import type { AgentRuntime, Instrumentation } from '../runtime.js';
import { egressKeyOf, egressRule, judgeAnswer } from './egress.js';

/**
 * On options: under which context the request was issued. It sits on a copy of our own, because callers use one options object for many
 * requests; the copy goes along through Agent, Pool and their queues, which are drained in somebody else's context.
 */
const kIssued = Symbol('shadowline.issued');
const kWrapped = Symbol.for('shadowline.agent.1.undici');

type Issued = ShadowContext | 'real';
type Options = Record<string | symbol, any>;
type Handler = Record<string | symbol, any>;
type Dispatch = (this: object, options: Options, handler: Handler) => boolean;

/** Handlers that dispatch again later, from a timer or a socket's callback: they remember for what they were made. */
const REDISPATCHING = new Set(['RetryHandler', 'RedirectHandler', 'DNSDispatchHandler']);
const remembered = new WeakMap<Handler, Issued>();

/** Wraps `DispatcherBase.prototype.dispatch`, which all dispatchers of one copy of undici share. Safe to call twice. */
export function wrapDispatch(prototype: any, runtime: Runtime): () => void {
  if (Object.hasOwn(prototype, kWrapped)) return () => undefined;
  const names = carrierNames(runtime.config);
  const original: Dispatch = prototype.dispatch;

  function dispatch(this: object, options: Options, handler: Handler): boolean {
    if (options === null || typeof options !== 'object' || handler === null || typeof handler !== 'object') {
      return original.call(this, options, handler);
    }
    if (options[kIssued] !== undefined) return original.call(this, options, handler);
    const isRedispatching = REDISPATCHING.has(handler.constructor?.name);
    const issued = (isRedispatching ? remembered.get(handler) : undefined) ?? currentShadow() ?? 'real';
    if (isRedispatching) remembered.set(handler, issued);
    if (issued === 'real') {
      // Also while idle: it may wait in a queue until a run arms the agent.
      return original.call(this, mark(options, 'real'), handler);
    }
    return dispatchShadow(this, options, handler, issued);
  }

  function dispatchShadow(dispatcher: object, options: Options, handler: Handler, context: ShadowContext): boolean {
    const key = egressKeyOf(String(options.origin ?? originOf(dispatcher) ?? ''));
    let rule: EgressRule;
    try {
      rule = egressRule(runtime, context, key, options.method ?? 'GET');
    } catch (error) {
      fail(handler, error as Error);
      return true;
    }
    const watched = watch(runtime, handler, context, rule, key!);
    if (rule.action === 'mock') {
      answer(watched, rule);
      discard(options.body);
      return true;
    }
    const flagged = mark(options, context);
    flagged.headers = withFlag(entriesOf(options.headers), names, rule.action === 'propagate' ? context : undefined);
    return runWith(context, () => runtime.permitted(() => original.call(dispatcher, flagged, watched)));
  }

  prototype.dispatch = dispatch;
  prototype[kWrapped] = true;
  return () => {
    Reflect.deleteProperty(prototype, kWrapped);
    if (prototype.dispatch === dispatch) prototype.dispatch = original;
  };
}

function mark(options: Options, issued: Issued): Options {
  const prototype = Object.getPrototypeOf(options);
  // An instance may have getters that a copy would lose.
  const copy: Options = prototype === Object.prototype || prototype === null ? { ...options } : Object.create(options);
  copy[kIssued] = issued;
  return copy;
}

/** The origin of a Client or Pool whose options name none. */
function originOf(dispatcher: any): string | undefined {
  for (const symbol of Object.getOwnPropertySymbols(dispatcher)) {
    if (symbol.description === 'url' && dispatcher[symbol] instanceof URL) return dispatcher[symbol].origin;
  }
  return undefined;
}

/** Undici takes a flat list, a list of pairs, an iterable, or an object. */
function* entriesOf(headers: any): Generator<[string, HeaderValue]> {
  if (headers === undefined || headers === null) return;
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    for (let i = 0; i < headers.length; i += 2) yield [String(headers[i]), headers[i + 1]];
  } else if (typeof headers[Symbol.iterator] === 'function') {
    for (const [name, value] of headers) yield [String(name), value];
  } else {
    for (const name of Object.keys(headers)) yield [name, headers[name]];
  }
}

/**
 * A handler that measures, looks for the acknowledgement, and calls the caller's handler in the issuing context. Undici knows two styles
 * of handlers (`onHeaders` with raw headers; since 7 also `onResponseStart` with an object); ours has the style of the caller's.
 */
function watch(runtime: Runtime, handler: Handler, context: ShadowContext, rule: EgressRule, key: string): Handler {
  const startedMs = performance.now();
  let peer = key;
  let status = 0;
  const started = (code: number, ack: string | undefined) => {
    if (code < 200) return;
    status = code;
    peer = judgeAnswer(runtime, rule, key, ack);
  };
  const over = (outcome: number | string) =>
    runtime.meter.clientRequest(true, peer, outcome, (performance.now() - startedMs) * 1000);
  const errorType = (error: any) => String(error?.code ?? error?.name ?? 'Error');
  const before: Record<string, (args: any[]) => void> = {
    onHeaders: ([code, rawHeaders]) => started(code, findRaw(rawHeaders)),
    onResponseStart: ([, code, headers]) => started(code, text(headers?.[ACK_HEADER])),
    onUpgrade: ([code, rawHeaders]) => started(code, findRaw(rawHeaders)),
    onRequestUpgrade: ([, code, headers]) => started(code, text(headers?.[ACK_HEADER])),
    onComplete: () => over(status),
    onResponseEnd: () => over(status),
    onError: ([error]) => over(errorType(error)),
    onResponseError: ([, error]) => over(errorType(error)),
  };
  const watched: Handler = {};
  for (const name of HANDLER_METHODS) {
    if (typeof handler[name] !== 'function') continue;
    const first = before[name];
    watched[name] = (...args: any[]) => {
      // The socket may have been opened by another request: its callbacks come in that one's context.
      return runWith(context, () => {
        first?.(args);
        return handler[name](...args);
      });
    };
  }
  return watched;
}

const HANDLER_METHODS = [
  'onConnect',
  'onResponseStarted',
  'onHeaders',
  'onData',
  'onComplete',
  'onUpgrade',
  'onBodySent',
  'onRequestSent',
  'onError',
  'onRequestStart',
  'onRequestUpgrade',
  'onResponseStart',
  'onResponseData',
  'onResponseEnd',
  'onResponseError',
];

function findRaw(rawHeaders: readonly (Buffer | string)[] | Record<string, string> | undefined): string | undefined {
  if (!Array.isArray(rawHeaders)) return text((rawHeaders as Record<string, string> | undefined)?.[ACK_HEADER]);
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]!.length === ACK_HEADER.length && rawHeaders[i]!.toString().toLowerCase() === ACK_HEADER) {
      return text(rawHeaders[i + 1]);
    }
  }
  return undefined;
}

function text(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? String(value[0]) : String(value);
}

function fail(handler: Handler, error: Error): void {
  if (typeof handler.onResponseError === 'function' && typeof handler.onRequestStart === 'function') {
    handler.onResponseError(undefined, error);
  } else if (typeof handler.onError === 'function') {
    handler.onError(error);
  } else {
    throw error;
  }
}

/** Says the canned response to a handler, without a connection. */
function answer(handler: Handler, rule: Extract<EgressRule, { action: 'mock' }>): void {
  let aborted: Error | undefined;
  let paused = false;
  const abort = (reason?: Error) => {
    if (aborted !== undefined) return;
    aborted = reason ?? new Error('aborted');
    clearTimeout(timer);
    fail(handler, aborted);
  };
  const controller = {
    rawHeaders: undefined as unknown,
    get aborted() {
      return aborted !== undefined;
    },
    get reason() {
      return aborted ?? null;
    },
    get paused() {
      return paused;
    },
    abort,
    pause: () => {
      paused = true;
    },
    resume: () => {
      if (!paused) return;
      paused = false;
      advance();
    },
  };
  const isNewStyle = typeof handler.onRequestStart === 'function';
  const body = Buffer.from(rule.body);
  const headers = { ...rule.headers, 'content-length': String(body.length) };
  const raw = Object.entries(headers).flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]);
  controller.rawHeaders = raw;
  const steps: (() => unknown)[] = [
    () =>
      isNewStyle
        ? handler.onResponseStart?.(controller, rule.status, lowered(headers), 'Mocked')
        : handler.onHeaders?.(rule.status, raw, controller.resume, 'Mocked'),
    () => {
      if (body.length === 0) return true;
      return isNewStyle ? handler.onResponseData?.(controller, body) : handler.onData?.(body);
    },
    () => (isNewStyle ? handler.onResponseEnd?.(controller, {}) : handler.onComplete?.([])),
  ];
  function advance(): void {
    try {
      while (steps.length > 0 && !paused && aborted === undefined) {
        const goesOn = steps.shift()!();
        if (!isNewStyle && goesOn === false && steps.length > 0) paused = true;
      }
    } catch (error) {
      abort(error as Error);
    }
  }
  const timer = setTimeout(advance, rule.latencyMs);
  if (isNewStyle) handler.onRequestStart?.(controller, null);
  else handler.onConnect?.(abort, null);
}

function lowered(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

/** A body that nobody will send. */
function discard(body: any): void {
  if (typeof body?.destroy === 'function') body.destroy();
  else if (typeof body?.cancel === 'function' && body.locked !== true) body.cancel().catch(() => undefined);
  else if (typeof body?.return === 'function') Promise.resolve(body.return()).catch(() => undefined);
}

/** npm's undici. */
export const undiciInstrumentation: Instrumentation = {
  name: 'undici',
  versions: '>=6 <8',
  targets: [
    {
      file: 'undici/lib/dispatcher/dispatcher-base.js',
      wrap: (exports: any, runtime: AgentRuntime) => wrapDispatch(exports.prototype, runtime as Runtime),
    },
  ],
};

const GLOBAL_DISPATCHER = Symbol.for('undici.globalDispatcher.1');

/**
 * `globalThis.fetch`: the undici inside of Node is no file that could be patched, but its dispatchers have the same base class, and the global
 * one is within reach. It is loaded only when the agent arms (30 ms, once), and looked at again at each shadow call, because a service may set another
 * global dispatcher or pass one.
 */
export function wrapFetch(runtime: Runtime): () => void {
  const restores: (() => void)[] = [];
  const original = globalThis.fetch;
  const wrapDispatcher = (dispatcher: any) => {
    const base = baseOf(dispatcher);
    if (base !== undefined) restores.push(wrapDispatch(base, runtime));
    return base !== undefined;
  };
  const wrapGlobal = () => {
    // Touching the class loads undici.
    void globalThis.Headers;
    return wrapDispatcher((globalThis as any)[GLOBAL_DISPATCHER]);
  };
  runtime.onArm(wrapGlobal);
  const wrapped: typeof fetch = function fetch(input, init) {
    if (currentContext()?.mode === 'shadow') {
      const own = (init as { dispatcher?: object } | undefined)?.dispatcher;
      if (!(own === undefined ? wrapGlobal() : wrapDispatcher(own))) {
        const error = runtime.refuse('EGRESS_DENIED', 'fetch through a dispatcher that the agent cannot wrap');
        return Promise.reject(new TypeError('fetch failed', { cause: error }));
      }
    }
    return original(input, init);
  };
  globalThis.fetch = wrapped;
  return () => {
    if (globalThis.fetch === wrapped) globalThis.fetch = original;
    for (const restore of restores) restore();
  };
}

/** The prototype that holds the shared `dispatch`; composed dispatchers are proxies, and mocks have none. */
function baseOf(dispatcher: any): object | undefined {
  for (let at = dispatcher; at !== null && at !== undefined; at = Object.getPrototypeOf(at)) {
    if (at.constructor?.name === 'DispatcherBase' && Object.hasOwn(at, 'dispatch')) return at;
  }
  return undefined;
}
