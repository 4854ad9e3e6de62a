import type { Instrumentation } from '../runtime.js';
import { httpInstrumentation } from './http.js';
import { ioredisInstrumentation } from './ioredis.js';
import { kafkajsInstrumentation } from './kafkajs.js';
import { mysql2Instrumentation } from './mysql2.js';
import { undiciInstrumentation } from './undici.js';

/** Every library that the agent knows. */
export const instrumentations: readonly Instrumentation[] = [
  httpInstrumentation,
  undiciInstrumentation,
  mysql2Instrumentation,
  kafkajsInstrumentation,
  ioredisInstrumentation,
];
