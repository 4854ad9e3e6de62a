import type { Instrumentation } from '../runtime.js';

/** Being filled in: it wraps nothing yet. */
export const mysql2Instrumentation: Instrumentation = {
  name: 'mysql2',
  versions: '>=3 <4',
  targets: [],
};
