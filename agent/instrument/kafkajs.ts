import { currentShadow } from '../context.js';
import { issueMode, outside, refusalOf, wrapMethod } from '../redirect/issue.js';
import { wrapConsumer } from '../redirect/kafka-consumer.js';
import { wrapProducer } from '../redirect/kafka-producer.js';
import { KafkaTopics } from '../redirect/kafka-topics.js';
import type { AgentRuntime, Instrumentation } from '../runtime.js';

/**
 * kafkajs. Producers and consumers are closures, so they are wrapped as `Kafka` makes them, armed or not; what a call does is decided when it is
 * made. Shadow messages go to `<topic><suffix>`, and come back through a twin consumer.
 */
export const kafkajsInstrumentation: Instrumentation = {
  name: 'kafkajs',
  versions: '>=2.2 <3',
  targets: [{ file: 'kafkajs/src/index.js', wrap: wrapKafka }],
};

/** Admin calls that change nothing. */
const ADMIN_READS = new Set(
  'connect disconnect on events logger listTopics fetchTopicMetadata fetchOffsets fetchTopicOffsets fetchTopicOffsetsByTimestamp describeCluster describeConfigs listGroups describeGroups describeAcls listPartitionReassignments'.split(
    ' ',
  ),
);

function wrapKafka(Kafka: any, runtime: AgentRuntime): () => void {
  const topics = new KafkaTopics(runtime.config);
  const restores = [
    wrapMethod(Kafka.prototype, 'producer', (original) => {
      return function producer(this: any, options: any = {}) {
        const made = original.call(this, options);
        const transactionalId = `${options?.transactionalId}${topics.suffix || '.shadow'}`;
        const twin = () => original.call(this, { ...options, transactionalId });
        return open(runtime, made, () =>
          wrapProducer(
            runtime,
            topics,
            made,
            options?.transactionalId === undefined ? () => original.call(this, options) : twin,
          ),
        );
      };
    }),
    wrapMethod(Kafka.prototype, 'consumer', (original) => {
      return function consumer(this: any, options: any = {}) {
        const made = original.call(this, options);
        const groupId = `${options?.groupId}${topics.suffix}`;
        const twin = () => original.call(this, { ...options, groupId, allowAutoTopicCreation: false });
        return open(runtime, made, () => wrapConsumer(runtime, topics, made, options?.groupId, twin));
      };
    }),
    wrapMethod(Kafka.prototype, 'admin', (original) => {
      return function admin(this: any, ...args: unknown[]) {
        const made = original.apply(this, args);
        return open(runtime, made, () => wrapAdmin(runtime, made));
      };
    }),
  ];
  return () => {
    for (const restore of restores) restore();
  };
}

/** A fault while wrapping leaves the service with what it asked for, closed to shadow. */
function open(runtime: AgentRuntime, made: any, wrap: () => any): any {
  try {
    return wrap();
  } catch (error) {
    const reason = `kafkajs could not be wrapped: ${(error as Error).message}`;
    runtime.refuse('AGENT_NOT_READY', reason);
    const guarded = { ...made };
    for (const [name, original] of Object.entries<any>(made)) {
      if (typeof original !== 'function') continue;
      guarded[name] = (...args: unknown[]) => {
        if (currentShadow() !== undefined) throw runtime.refuse('AGENT_NOT_READY', reason);
        return original(...args);
      };
    }
    return guarded;
  }
}

function wrapAdmin(runtime: AgentRuntime, admin: any): any {
  for (const [name, original] of Object.entries<any>(admin)) {
    if (typeof original !== 'function') continue;
    admin[name] = (...args: unknown[]) => {
      if (runtime.state() === 'idle') return original(...args);
      if (!ADMIN_READS.has(name)) {
        try {
          if (issueMode(runtime, `kafka admin ${name}`, true) !== undefined) {
            return Promise.reject(runtime.refuse('COMMAND_REFUSED', `kafka admin ${name} has no shadow rule`));
          }
        } catch (error) {
          const refusal = refusalOf(runtime, error);
          if (refusal !== undefined) return Promise.reject(refusal);
        }
      }
      return outside(() => original(...args));
    };
  }
  return admin;
}
