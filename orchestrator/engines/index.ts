import type { Engine } from './engine.js';
import { EngineError } from './errors.js';
import { nodeEngine } from './node/index.js';

export * from './engine.js';
export { nodeEngine } from './node/index.js';

/** @throws EngineError (`ENGINE_NOT_BUILT`) for an engine that a scenario may name but this version does not have. */
export function engineByName(name: Engine['name']): Engine {
  if (name === 'node') return nodeEngine;
  throw new EngineError(
    'ENGINE_NOT_BUILT',
    `load.engine: the engine ${JSON.stringify(name)} is not built yet; use "node", which needs no installation`,
  );
}
