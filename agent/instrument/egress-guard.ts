import net from 'node:net';
import { currentShadow } from '../context.js';
import type { Runtime } from '../create-runtime.js';
import { egressKey, isSocketAllowed } from './egress.js';

type Connect = (this: net.Socket, ...args: any[]) => net.Socket;

/**
 * The last line: every driver opens its sockets through `net.Socket.prototype.connect`. A socket that shadow work opens to a host that is
 * neither in the egress list nor a declared store never connects.
 */
export function wrapConnect(runtime: Runtime): () => void {
  const prototype = net.Socket.prototype as unknown as { connect: Connect };
  const original = prototype.connect;
  const wrapped: Connect = function connect(...args) {
    const context = currentShadow();
    if (context === undefined || runtime.isPermitted) return original.apply(this, args);
    const key = targetOf(args);
    if (isSocketAllowed(runtime, key) || isStore(runtime, key)) return original.apply(this, args);
    const error = runtime.refuse('EGRESS_DENIED', `a socket to ${key}`);
    // As a refused connection would come.
    this.destroy(error);
    return this;
  };
  prototype.connect = wrapped;
  return () => {
    if (prototype.connect === wrapped) prototype.connect = original;
  };
}

/** connect(options), connect([options, callback]) (from net.connect), connect(port, host?), connect(path). */
function targetOf(args: any[]): string {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof first === 'object' && first !== null) {
    if (first.path !== undefined && first.path !== null && first.port === undefined) return `unix:${first.path}`;
    return egressKey(String(first.host ?? 'localhost'), first.port);
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return `unix:${first}`;
  return egressKey(typeof args[1] === 'string' ? args[1] : 'localhost', first);
}

function isStore(runtime: Runtime, key: string): boolean {
  for (const store of Object.values(runtime.config.mysql)) {
    if (store.instance === key) return true;
    if (store.host !== undefined && egressKey(store.host, store.port ?? 3306) === key) return true;
  }
  return false;
}
