import { currentContext, runWith, type ShadowContext } from '../context.js';
import type { ShadowRefusedError } from '../errors.js';
import type { AgentRuntime } from '../runtime.js';

/**
 * In which mode an operation runs that is issued now. A read without a context is ordinary: the policy for unknown contexts is
 * about writes, messages and egress.
 * @throws ShadowRefusedError as `AgentRuntime.modeOf` does
 */
export function issueMode(runtime: AgentRuntime, operation: string, write: boolean): ShadowContext | undefined {
  const context = currentContext();
  if (context === undefined ? !write : context.mode === 'real') return undefined;
  return runtime.modeOf(operation);
}

/** By name, not by class: the error may come from a second copy of this library in the process. */
export function isRefusal(error: unknown): error is ShadowRefusedError {
  return error instanceof Error && error.name === 'ShadowRefusedError';
}

/**
 * A fault of the agent inside an operation: in shadow it becomes a refusal (fail closed), else undefined, and the caller goes on
 * with the original call (fail open).
 */
export function refusalOf(runtime: AgentRuntime, error: unknown): ShadowRefusedError | undefined {
  if (isRefusal(error)) return error;
  if (currentContext()?.mode !== 'shadow') return undefined;
  return runtime.refuse(
    'AGENT_NOT_READY',
    `the agent failed: ${error instanceof Error ? error.message : String(error)}`,
  );
}

/**
 * Runs a driver outside of any shadow context, for connections that serve both modes: what it keeps (sockets, timers) must not belong to the
 * request that happened to come first.
 */
export function outside<T>(fn: () => T): T {
  return currentContext()?.mode === 'shadow' ? runWith(undefined, fn) : fn();
}

const WRAPPED = Symbol.for('shadowline.agent.wrapped');

/**
 * Replaces a method and returns what restores it. A method that is wrapped already (by a second copy of this library) stays as it is.
 * @throws TypeError when there is no such method: the library is of another version than the wrap was written for
 */
export function wrapMethod(
  target: any,
  name: string,
  make: (original: (...args: any[]) => any) => (this: any, ...args: any[]) => any,
): () => void {
  const original = target?.[name];
  if (typeof original !== 'function') throw new TypeError(`there is no method ${name} to wrap`);
  if (original[WRAPPED] === true) return () => undefined;
  const own = Object.hasOwn(target, name);
  const wrapped = make(original);
  Object.defineProperty(wrapped, WRAPPED, { value: true });
  target[name] = wrapped;
  return () => {
    // another tool may have wrapped on top since: then it stays, and its way leads through our wrap
    if (target[name] !== wrapped) return;
    if (own) target[name] = original;
    else delete target[name];
  };
}

/** Microseconds since `startedMs` of `performance.now()`. */
export function elapsedUs(startedMs: number): number {
  return (performance.now() - startedMs) * 1000;
}
