import type { Instrumentation } from '../runtime.js';

/** Being filled in: it wraps nothing yet. */
export const ioredisInstrumentation: Instrumentation = {
  name: 'ioredis',
  versions: '>=5 <6',
  targets: [],
};
