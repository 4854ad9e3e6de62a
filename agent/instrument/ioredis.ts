import { bind, runWith } from '../context.js';
import { wrapMethod } from '../redirect/issue.js';
import { RedisGate, type RedisPipeline } from '../redirect/redis-gate.js';
import type { RedisCommand } from '../redirect/redis-rewrite.js';
import type { AgentRuntime, Instrumentation } from '../runtime.js';

/**
 * ioredis 5. A command gets its mode when it is issued, at the gates that every command passes: `sendCommand` of a client, of a cluster and of a
 * pipeline (MULTI and automatic pipelines are pipelines). They pass a command on to each other, and the offline queue sends it again later: the
 * first gate marks it, and the others let it through. Real and shadow commands share the connection; their keys never meet.
 *
 * | operation                    | shadow                                                        | ordinary or unknown             |
 * |------------------------------|---------------------------------------------------------------|---------------------------------|
 * | keys, channels               | prefix of the run, taken off again in answers                 | a shadow name is reported       |
 * | writes                       | the key lives no longer than maxTtl                           | without a context: by policy    |
 * | SCAN, KEYS                   | names below the prefix                                        | shadow names are left out       |
 * | MULTI in a pipeline          | all or nothing: a refused part refuses the whole              | passes                          |
 * | MULTI, WATCH, SELECT alone   | refused: they belong to the connection                        | noted; shadow MULTI waits for it|
 * | scripts, SUBSCRIBE, blocking,| refused, COMMAND_REFUSED; in a pipeline an empty command takes| pass                            |
 * | server, unknown commands     | the place, so that what others put there is not moved         |                                 |
 * | no `redis` in the config     | refused, STORE_UNDECLARED                                     | pass                            |
 */
export const ioredisInstrumentation: Instrumentation = {
  name: 'ioredis',
  versions: '>=5 <6',
  targets: [
    { file: 'ioredis/built/Redis.js', wrap: wrapClient },
    { file: 'ioredis/built/cluster/index.js', wrap: wrapClient },
    { file: 'ioredis/built/Pipeline.js', wrap: wrapPipeline },
  ],
};

const gates = new WeakMap<AgentRuntime, RedisGate>();

function gateOf(runtime: AgentRuntime): RedisGate {
  let gate = gates.get(runtime);
  if (gate === undefined) {
    gate = new RedisGate(runtime);
    gates.set(runtime, gate);
  }
  return gate;
}

function wrapClient(exports: any, runtime: AgentRuntime): () => void {
  const gate = gateOf(runtime);
  const { prototype } = exports.default;
  const restores = [
    wrapMethod(prototype, 'sendCommand', (original) => {
      return function sendCommand(this: any, command: RedisCommand, ...rest: unknown[]) {
        const refusal = gate.issue(command, this);
        if (refusal === undefined) return original.call(this, command, ...rest);
        command.reject(refusal);
        return command.promise;
      };
    }),
    wrapMethod(prototype, 'connect', (original) => {
      // the connection outlives the request that happens to open it, and serves both modes: it belongs to none
      return function connect(this: any, callback?: (...args: any[]) => unknown, ...rest: unknown[]) {
        gate.connected(this);
        const bound = typeof callback === 'function' ? bind(callback) : callback;
        return runWith(undefined, () => original.call(this, bound, ...rest));
      };
    }),
  ];
  return () => {
    for (const restore of restores) restore();
  };
}

function wrapPipeline(exports: any, runtime: AgentRuntime): () => void {
  const gate = gateOf(runtime);
  return wrapMethod(exports.default.prototype, 'sendCommand', (original) => {
    return function sendCommand(this: RedisPipeline, command: RedisCommand) {
      gate.issueInPipeline(command, this);
      return original.call(this, command);
    };
  });
}
