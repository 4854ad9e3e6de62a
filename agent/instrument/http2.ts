import { createRequire } from 'node:module';
import net from 'node:net';
import { Duplex } from 'node:stream';
import { currentShadow } from '../context.js';
import type { Runtime } from '../create-runtime.js';
import { refusals } from '../errors.js';
import { ACK_HEADER, acknowledgement, carrierNames, readFlag } from '../propagate/carrier.js';

type Emit = (this: net.Server, event: string | symbol, ...args: any[]) => boolean;

/**
 * HTTP/2 (and gRPC, which goes over it) has no shadow rule. Until it has one nothing flagged may pass as ordinary: an incoming stream with a
 * flag is refused, and so is a stream that shadow work opens. Servers of HTTP/2 emit `stream` through the class that all servers share, so
 * node:http2 need not be loaded for services that do not use it.
 */
export function wrapHttp2Server(runtime: Runtime): () => void {
  const prototype = net.Server.prototype as unknown as { emit: Emit };
  const hadOwn = Object.hasOwn(prototype, 'emit');
  const original = prototype.emit;
  const names = carrierNames(runtime.config);
  const wrapped: Emit = function emit(event, ...args) {
    if (event !== 'stream' || !Array.isArray(args[3])) return original.call(this, event, ...args);
    if (readFlag(args[3], names) === undefined) return original.call(this, event, ...args);
    const [stream, headers] = args;
    const error = runtime.refuse('COMMAND_REFUSED', `HTTP/2 ${headers[':method']} ${headers[':path']}`);
    stream.respond({
      ':status': 403,
      'content-type': 'application/problem+json',
      [ACK_HEADER]: acknowledgement(runtime.service, runtime.configVersion),
    });
    const title = refusals[error.code];
    stream.end(JSON.stringify({ type: 'about:blank', title, status: 403, code: error.code, detail: error.detail }));
    return true;
  };
  prototype.emit = wrapped;
  return () => {
    if (prototype.emit !== wrapped) return;
    if (hadOwn) prototype.emit = original;
    else Reflect.deleteProperty(prototype, 'emit');
  };
}

/** Outgoing streams, from the first arming on, for sessions that are open by then as well. */
export function wrapHttp2Client(runtime: Runtime): () => void {
  let restore: (() => void) | undefined;
  runtime.onArm(() => {
    restore ??= wrapSessions(runtime);
  });
  return () => restore?.();
}

function wrapSessions(runtime: Runtime): () => void {
  const prototype = sessionPrototype();
  const original = prototype.request;
  const wrapped = function request(this: object, ...args: any[]) {
    // Undici's requests were dealt with when they were dispatched; here they come from a queue.
    if (currentShadow() !== undefined && !isOfUndici(this)) {
      throw runtime.refuse('EGRESS_DENIED', `HTTP/2 to ${args[0]?.[':authority'] ?? 'a session opened before'}`);
    }
    return original.apply(this, args);
  };
  prototype.request = wrapped;
  return () => {
    if (prototype.request === wrapped) prototype.request = original;
  };
}

/** The class is not exported: a session over a stream that leads nowhere has it. */
function sessionPrototype(): { request(...args: any[]): unknown } {
  const http2 = createRequire(import.meta.url)('node:http2') as typeof import('node:http2');
  const nowhere = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const session = http2.connect('http://localhost', { createConnection: () => nowhere });
  session.on('error', () => undefined);
  const prototype = Object.getPrototypeOf(session);
  session.destroy();
  return prototype;
}

function isOfUndici(session: object): boolean {
  return Object.getOwnPropertySymbols(session).some((symbol) => symbol.description === 'open streams');
}
