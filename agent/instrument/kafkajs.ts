import type { Instrumentation } from '../runtime.js';

/** Being filled in: it wraps nothing yet. */
export const kafkajsInstrumentation: Instrumentation = {
  name: 'kafkajs',
  versions: '>=2.2 <3',
  targets: [],
};
