import type { Instrumentation } from '../runtime.js';

/**
 * ioredis 5. The design, which is being filled in (redirect/redis-*.ts): a command is bound to its mode when it is issued, at the two gates that
 * every command passes: `Redis.prototype.sendCommand` and `Pipeline.prototype.sendCommand` (auto-pipelining and MULTI are pipelines; a pipeline
 * sends its commands through Redis again, and so does the offline queue: each Command is marked once and then passes).
 *
 * | operation                  | shadow                                                                   | ordinary or unknown            |
 * |----------------------------|--------------------------------------------------------------------------|--------------------------------|
 * | keys                       | prefix `shadow:{run}:` through `Command._iterateKeys` after clearing keys | named shadow key: suspect      |
 * | writes                     | the key lives no longer than maxTtl                                      | without a context: by policy   |
 * | SCAN, KEYS                 | pattern below the prefix, names in the answer without it                 | pass                           |
 * | PUBLISH, streams           | channel or key below the prefix                                          | pass                           |
 * | SUBSCRIBE, blocking, EVAL, | refused, COMMAND_REFUSED                                                 | pass                           |
 * | server and unknown commands|                                                                          |                                |
 * | no `redis` in the config   | refused, STORE_UNDECLARED                                                | pass                           |
 */
export const ioredisInstrumentation: Instrumentation = {
  name: 'ioredis',
  versions: '>=5 <6',
  targets: [],
};
