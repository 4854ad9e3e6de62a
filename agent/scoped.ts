import { bind, currentShadow, runWith } from './context.js';
import type { Flag } from './flag.js';
import type { ShadowScope } from './scope.js';
import { startedRuntime } from './start-agent.js';

/** The flag under which the running code works; undefined for ordinary work. */
export function currentFlag(): Flag | undefined {
  return currentShadow()?.flag;
}

/**
 * Runs `fn` as shadow work, as a request with this flag would: for jobs, tests and protocols that the agent does not know.
 * @throws ShadowRefusedError when the flag is not admitted; Error when no agent runs.
 */
export function withShadow<T>(token: string, fn: () => T): T {
  const runtime = startedRuntime();
  if (runtime === undefined) throw new Error('no Shadowline agent runs in this process: call startAgent() first');
  const admission = runtime.admit(token, 'request', undefined);
  if (!admission.ok) throw admission.error;
  const scope = admission.context as ShadowScope;
  let result: T;
  try {
    result = runWith(scope, fn);
  } catch (error) {
    scope.close();
    throw error;
  }
  if (result instanceof Promise) {
    return result.finally(() => scope.close()) as T;
  }
  scope.close();
  return result;
}

/** How many runs' values are kept; a run's value is dropped when newer runs have come. */
const MAX_RUNS = 4;

/**
 * One value for ordinary work and one for each run: for caches, single-flight maps and batchers, which would carry shadow data into real
 * requests or the other way.
 * @returns a function that gives the value of the running code's mode
 */
export function shadowScoped<T>(factory: () => T): () => T {
  let real: { value: T } | undefined;
  const byRun = new Map<string, T>();
  return () => {
    const runId = currentShadow()?.flag.runId;
    if (runId === undefined) {
      real ??= { value: factory() };
      return real.value;
    }
    if (!byRun.has(runId)) {
      if (byRun.size >= MAX_RUNS) byRun.delete(byRun.keys().next().value!);
      byRun.set(runId, factory());
    }
    return byRun.get(runId)!;
  };
}

/** Binds a callback to the mode in which it was registered: for listeners, queues and batches of a service's own. */
export const bindShadow: typeof bind = bind;
