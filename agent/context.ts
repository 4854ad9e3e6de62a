import { AsyncLocalStorage } from 'node:async_hooks';
import type { Flag } from './flag.js';

/**
 * Which mode the running code is in. While the agent is armed there are three answers: a ShadowContext, REAL, or `undefined`
 * (unknown: nothing says under which request this code runs). While it is not armed the storage is off and costs nothing.
 *
 * Process-wide state lives under one symbol, so that two copies of this library in one process share it.
 */
export interface ShadowContext {
  readonly mode: 'shadow';
  readonly flag: Flag;
  /** The token as received: what goes to the next hop. */
  readonly token: string;
  /** Set on a preflight probe: each hop acknowledges it. */
  readonly probe: string | undefined;
  /** Stores touched by a probe, for its acknowledgement. */
  readonly touched: Set<string> | undefined;
  /** Set when the request or message is over: what is issued later under this context is refused. */
  ended: boolean;
}

export interface RealContext {
  readonly mode: 'real';
}

export type Context = ShadowContext | RealContext;

export const REAL: RealContext = Object.freeze({ mode: 'real' });

interface Shared {
  storage: AsyncLocalStorage<Context>;
  /** True while contexts are kept. */
  active: boolean;
}

const KEY = Symbol.for('shadowline.agent.1');
const holder = globalThis as unknown as Record<symbol, Shared | undefined>;
const shared: Shared = holder[KEY] ?? { storage: new AsyncLocalStorage<Context>(), active: false };
holder[KEY] = shared;

/** The context of the running code; undefined when unknown or when the agent is not armed. */
export function currentContext(): Context | undefined {
  return shared.active ? shared.storage.getStore() : undefined;
}

/** The shadow context of the running code, if it has one. */
export function currentShadow(): ShadowContext | undefined {
  const context = currentContext();
  return context?.mode === 'shadow' ? context : undefined;
}

/** Runs `fn` in a context. */
export function runWith<T>(context: Context | undefined, fn: () => T): T {
  if (!shared.active) return fn();
  return context === undefined ? shared.storage.exit(fn) : shared.storage.run(context, fn);
}

/**
 * Binds a callback to the context in which it was **registered**. Drivers call it from wherever their queue is drained. AsyncResource.bind
 * does the same at a hundred times the cost.
 */
export function bind<A extends unknown[], R, T>(fn: (this: T, ...args: A) => R): (this: T, ...args: A) => R {
  if (!shared.active) return fn;
  const context = shared.storage.getStore();
  return function bound(this: T, ...args: A): R {
    return runWith(context, () => fn.apply(this, args));
  };
}

/** True while contexts are kept: the one thing that a hot path asks first. */
export function contextsActive(): boolean {
  return shared.active;
}

/** `runWith` without a closure, for hot paths; only while contexts are active. */
export function applyIn<T, A extends unknown[], R>(
  context: Context,
  fn: (this: T, ...args: A) => R,
  self: T,
  args: A,
): R {
  return shared.storage.run(context, apply as typeof apply<T, A, R>, fn, self, args);
}

function apply<T, A extends unknown[], R>(fn: (this: T, ...args: A) => R, self: T, args: A): R {
  return fn.apply(self, args);
}

/** Called by the agent when it arms. */
export function activateContexts(): void {
  shared.active = true;
}

/** Called by the agent when the last flag has expired: switches the storage off, and with it its cost. */
export function deactivateContexts(): void {
  shared.active = false;
  shared.storage.disable();
}
