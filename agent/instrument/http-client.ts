import type { ClientRequest, IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import type { EgressRule } from '../config.js';
import { contextsActive, currentContext, runWith, type ShadowContext } from '../context.js';
import type { Runtime } from '../create-runtime.js';
import { ACK_HEADER, type CarrierNames, carrierNames, type HeaderValue, withFlag } from '../propagate/carrier.js';
import { egressKey, egressKeyOf, egressRule, judgeAnswer } from './egress.js';

/** On a request: that it was decided under which context it was issued. */
const kIssued = Symbol('shadowline.issued');
/** On a request: headers that its constructor wanted to store before the port was known. */
const kPending = Symbol('shadowline.pending');

type Request = ClientRequest & {
  [kIssued]?: ShadowContext | 'real';
  [kPending]?: [firstLine: string, headers: unknown];
  _header: string | null;
  onSocket(socket: unknown, error?: Error): void;
};
type StoreHeader = (this: Request, firstLine: string, headers: any) => unknown;
type AddRequest = (this: unknown, request: Request, options: any, port?: unknown, localAddress?: unknown) => unknown;

/**
 * Outgoing requests of node:http and node:https. The context is that in which the request was **made**: `addRequest` is called from the
 * constructor, also with `agent: false` and with agents that inherit from http.Agent. An agent of another kind is dealt with when the
 * headers are stored, which nothing gets around.
 */
export function wrapClient(http: any, runtime: Runtime): () => void {
  const names = carrierNames(runtime.config);
  const agent: { addRequest: AddRequest } = http.Agent.prototype;
  const client: { _storeHeader: StoreHeader } = http.ClientRequest.prototype;
  const addRequest = agent.addRequest;
  const storeHeader = client._storeHeader;
  const hadOwnStoreHeader = Object.hasOwn(client, '_storeHeader');

  function wrappedAddRequest(this: any, request: Request, options: any, port?: unknown, localAddress?: unknown) {
    if (!contextsActive() || request[kIssued] !== undefined) {
      return addRequest.call(this, request, options, port, localAddress);
    }
    const context = issuedUnder(runtime, request);
    if (context === undefined) return addRequest.call(this, request, options, port, localAddress);
    const settings = typeof options === 'string' ? { host: options, port } : options;
    const key =
      settings.socketPath === undefined || settings.socketPath === null
        ? egressKey(settings.hostname || settings.host || 'localhost', settings.port || this.defaultPort || 80)
        : `unix:${settings.socketPath}`;
    let rule: EgressRule;
    try {
      rule = egressRule(runtime, context, key, request.method);
    } catch (error) {
      request.onSocket(undefined, error as Error);
      return undefined;
    }
    observe(runtime, request, context, rule, key);
    if (rule.action === 'mock') {
      settle(request, storeHeader, names, undefined);
      request.onSocket(mockSocket(request, rule));
      return undefined;
    }
    settle(request, storeHeader, names, rule.action === 'propagate' ? context : undefined);
    return runtime.permitted(() => addRequest.call(this, request, options, port, localAddress));
  }

  const wrappedStoreHeader: StoreHeader = function _storeHeader(firstLine, headers) {
    if (!contextsActive() || this[kIssued] !== undefined) return storeHeader.call(this, firstLine, headers);
    const context = currentContext();
    if (context?.mode !== 'shadow') return storeHeader.call(this, firstLine, headers);
    const pending = this[kPending];
    if (pending === undefined && (Array.isArray(headers) || this.getHeader('expect') !== undefined)) {
      // Called from the constructor, before `addRequest`: that one knows the port.
      this[kPending] = [firstLine, headers];
      return undefined;
    }
    // An agent that does not inherit from http.Agent.
    this[kIssued] = context;
    const key = egressKeyOf(hostOf(pending?.[1]) ?? String(this.getHeader('host') ?? this.host), this.protocol);
    const rule = egressRule(runtime, context, key, this.method);
    // Its socket is its own: there is no way to answer in its place.
    if (rule.action === 'mock')
      throw runtime.refuse('EGRESS_DENIED', `${key} is mocked, but the request's agent is not an http.Agent`);
    observe(runtime, this, context, rule, key!);
    this[kPending] = pending ?? [firstLine, headers];
    return settle(this, storeHeader, names, rule.action === 'propagate' ? context : undefined);
  };

  agent.addRequest = wrappedAddRequest;
  client._storeHeader = wrappedStoreHeader;
  return () => {
    if (agent.addRequest === wrappedAddRequest) agent.addRequest = addRequest;
    if (client._storeHeader !== wrappedStoreHeader) return;
    if (hadOwnStoreHeader) client._storeHeader = storeHeader;
    else Reflect.deleteProperty(client, '_storeHeader');
  };
}

/** Decides once under which context a request was issued. */
function issuedUnder(runtime: Runtime, request: Request): ShadowContext | undefined {
  const context = currentContext();
  if (context?.mode === 'shadow') {
    request[kIssued] = context;
    return context;
  }
  request[kIssued] = 'real';
  const isRead = request.method === 'GET' || request.method === 'HEAD' || request.method === 'OPTIONS';
  if (context === undefined && !isRead) runtime.modeOf(`${request.method} ${request.host}${request.path}`);
  return undefined;
}

/** Puts the flag into the headers, or takes it out where `context` is undefined; stores them if the constructor had wanted to. */
function settle(request: Request, storeHeader: StoreHeader, names: CarrierNames, context: ShadowContext | undefined) {
  const pending = request[kPending];
  if (pending !== undefined && Array.isArray(pending[1])) {
    storeHeader.call(request, pending[0], pairs(withFlag(entriesOf(pending[1]), names, context)));
    return;
  }
  const before = request.getHeaders();
  const after = new Map<string, HeaderValue>();
  const flat = withFlag(Object.entries(before) as [string, HeaderValue][], names, context);
  for (let i = 0; i < flat.length; i += 2) after.set(String(flat[i]).toLowerCase(), flat[i + 1]);
  for (const name of Object.keys(before)) if (!after.has(name)) request.removeHeader(name);
  for (const [name, value] of after) {
    if (before[name] !== value && value !== undefined) request.setHeader(name, value as string);
  }
  // Read them anew: a header that was set just now is not in what the constructor handed over.
  if (pending !== undefined) storeHeader.call(request, pending[0], outHeaders(request) ?? pending[1]);
}

const symbols: { outHeaders?: symbol } = {};
function outHeaders(request: Request): unknown {
  symbols.outHeaders ??= Object.getOwnPropertySymbols(request).find((one) => one.description === 'kOutHeaders');
  return symbols.outHeaders === undefined ? undefined : (request as any)[symbols.outHeaders];
}

/** Header lists come as [[name, value], …] or as [name, value, …]. */
function* entriesOf(list: readonly unknown[]): Generator<[string, HeaderValue]> {
  if (Array.isArray(list[0])) {
    for (const [name, value] of list as [string, HeaderValue][]) yield [String(name), value];
  } else {
    for (let i = 0; i < list.length; i += 2) yield [String(list[i]), list[i + 1] as HeaderValue];
  }
}

function pairs(flat: readonly HeaderValue[]): [string, HeaderValue][] {
  const list: [string, HeaderValue][] = [];
  for (let i = 0; i < flat.length; i += 2) list.push([String(flat[i]), flat[i + 1]]);
  return list;
}

function hostOf(headers: unknown): string | undefined {
  if (!Array.isArray(headers)) return undefined;
  for (const [name, value] of entriesOf(headers)) if (name.toLowerCase() === 'host') return String(value);
  return undefined;
}

/** Measures a flagged call, looks for the acknowledgement, and keeps its events in the context that issued it. */
function observe(runtime: Runtime, request: Request, context: ShadowContext, rule: EgressRule, key: string): void {
  const startedMs = performance.now();
  const emit = request.emit as (this: unknown, event: string | symbol, ...args: unknown[]) => boolean;
  let isMeasured = false;
  const measured = (peer: string, status: number | string) => {
    if (isMeasured) return;
    isMeasured = true;
    runtime.meter.clientRequest(true, peer, status, (performance.now() - startedMs) * 1000);
  };
  request.emit = function observed(event: string | symbol, ...args: any[]): boolean {
    return runWith(context, () => {
      if (event === 'response' || event === 'upgrade' || event === 'connect') {
        const response: IncomingMessage = args[0];
        const ack = response.headers[ACK_HEADER];
        const peer = judgeAnswer(runtime, rule, key, Array.isArray(ack) ? ack[0] : ack);
        response.once('close', () => measured(peer, response.statusCode ?? 0));
      } else if (event === 'error') {
        const error = args[0] as NodeJS.ErrnoException;
        measured(key, error.code ?? error.name);
      }
      return emit.call(this, event, ...args);
    });
  };
}

/** Answers a request without a connection: takes everything, then says the canned response. */
function mockSocket(request: Request, rule: Extract<EgressRule, { action: 'mock' }>): Duplex {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  if (request.getHeader('expect') !== undefined) socket.push('HTTP/1.1 100 Continue\r\n\r\n');
  request.once('finish', () => {
    const timer = setTimeout(() => {
      const headers = Object.entries(rule.headers).filter(([name]) => !/^(content-length|connection)$/i.test(name));
      const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
      const length = `content-length: ${Buffer.byteLength(rule.body)}\r\n`;
      const body = request.method === 'HEAD' ? '' : rule.body;
      socket.push(`HTTP/1.1 ${rule.status} Mocked\r\nconnection: close\r\n${length}${lines}\r\n${body}`);
      socket.push(null);
    }, rule.latencyMs);
    socket.once('close', () => clearTimeout(timer));
  });
  // What http expects of a socket and a plain Duplex does not have.
  return Object.assign(socket, {
    setTimeout: () => socket,
    setKeepAlive: () => socket,
    setNoDelay: () => socket,
    ref: () => socket,
    unref: () => socket,
  });
}
