import { readFileSync } from 'node:fs';
import Module, { builtinModules, createRequire, syncBuiltinESMExports } from 'node:module';
import { sep } from 'node:path';
import type { Runtime } from '../create-runtime.js';
import type { Instrumentation } from '../runtime.js';

type Compile = (this: { exports: unknown }, content: string, filename: string, ...rest: unknown[]) => unknown;
type Target = Instrumentation['targets'][number] & { instrumentation: Instrumentation };

/**
 * Wraps libraries when they are loaded. `Module.prototype._compile` sees every CommonJS file, also when an ES module imports it; what was
 * loaded before is found in `require.cache`. Each copy of a library is wrapped once.
 */
export function installHook(instrumentations: readonly Instrumentation[], runtime: Runtime): () => void {
  const restores: (() => void)[] = [];
  const seen = new WeakSet<object>();
  const files: Target[] = [];
  const require = createRequire(import.meta.url);
  for (const instrumentation of instrumentations) {
    for (const target of instrumentation.targets) {
      if (isBuiltin(target.file)) apply({ ...target, instrumentation }, require(target.file), undefined);
      else files.push({ ...target, instrumentation });
    }
  }
  syncBuiltinESMExports();

  const prototype = Module.prototype as unknown as { _compile: Compile };
  const original = prototype._compile;
  const wrapped: Compile = function _compile(content, filename, ...rest) {
    const result = original.call(this, content, filename, ...rest);
    loaded(filename, this);
    return result;
  };
  prototype._compile = wrapped;
  for (const [filename, module] of Object.entries(require.cache)) if (module?.loaded) loaded(filename, module);

  function loaded(filename: string, module: { exports: unknown }): void {
    const path = sep === '/' ? filename : filename.replaceAll(sep, '/');
    for (const target of files) {
      if (path.endsWith(target.file) && path.at(-target.file.length - 1) === '/') {
        apply(target, module.exports, path.slice(0, -target.file.length));
      }
    }
  }

  /** Never throws into the loading service: a library that could not be wrapped makes the agent refuse shadow traffic. */
  function apply(target: Target, exports: unknown, folder: string | undefined): void {
    const { name } = target.instrumentation;
    const copy = `${target.file}`;
    if (typeof exports === 'object' || typeof exports === 'function') {
      if (exports !== null && folder !== undefined) {
        if (seen.has(exports)) return;
        seen.add(exports);
      }
    }
    const version = folder === undefined ? process.version : versionOf(`${folder}${name}/package.json`);
    try {
      restores.push(target.wrap(exports, runtime));
      runtime.addInstrumented(`${name}@${version}`);
    } catch (error) {
      runtime.addProblem(`${name}@${version} is not instrumented (${copy}): ${(error as Error).message}`);
    }
  }

  return () => {
    if (prototype._compile === wrapped) prototype._compile = original;
    for (const restore of restores.reverse()) restore();
    syncBuiltinESMExports();
  };
}

function isBuiltin(file: string): boolean {
  return file.startsWith('node:') && builtinModules.includes(file.slice(5));
}

function versionOf(file: string): string {
  try {
    return String((JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }).version);
  } catch {
    return 'unknown';
  }
}
