import { currentContext, type ShadowContext } from '../context.js';
import type { AgentRuntime } from '../runtime.js';
import { elapsedUs, issueMode, outside, refusalOf } from './issue.js';
import { flaggedHeaders, type KafkaTopics, readMessageFlag } from './kafka-topics.js';

interface TopicMessages {
  topic: string;
  messages: any[];
}
type Send = (record: any) => Promise<any>;

/**
 * A producer whose shadow messages go to shadow topics with the flag in their headers. It stays one producer and one connection, but for
 * transactions: those of shadow go through a twin with a transactional id of its own, or they would lock ordinary ones out.
 * The driver connects late and keeps timers, so it is called without a shadow context.
 */
export function wrapProducer(runtime: AgentRuntime, topics: KafkaTopics, producer: any, makeTwin: () => any): any {
  const { send, sendBatch, transaction, connect, disconnect } = producer;
  let twin: Promise<any> | undefined;

  Object.assign(producer, wrapSends(runtime, topics, { send, sendBatch }, { transaction: undefined }));
  producer.connect = () => outside(() => connect());
  producer.disconnect = async () => {
    const open = twin;
    twin = undefined;
    await Promise.all([outside(() => disconnect()), open?.then((one) => one.disconnect()).catch(() => undefined)]);
  };
  producer.transaction = async () => {
    let shadow: ShadowContext | undefined;
    if (runtime.state() !== 'idle') shadow = issueMode(runtime, 'kafka transaction', true);
    if (shadow === undefined) return wrapTransaction(runtime, topics, await transaction(), false);
    twin ??= outside(async () => {
      const one = makeTwin();
      await one.connect();
      return one;
    });
    twin.catch(() => {
      twin = undefined;
    });
    const one = await twin;
    return wrapTransaction(runtime, topics, await outside(() => one.transaction()), true);
  };
  return producer;
}

interface Mode {
  /** Set on a transaction: it belongs to one mode for its whole life. */
  transaction: 'shadow' | 'real' | undefined;
  /** Counts what the broker took; default: the ledger at once. */
  count?(runId: string, topic: string, messages: number): void;
}

function wrapSends(runtime: AgentRuntime, topics: KafkaTopics, driver: { send: Send; sendBatch: Send }, mode: Mode) {
  const wrap =
    (
      original: Send,
      batchOf: (record: any) => TopicMessages[],
      withBatch: (record: any, batch: TopicMessages[]) => any,
    ) =>
    (record: any): Promise<any> => {
      if (runtime.state() === 'idle' && mode.transaction !== 'shadow') return original(record);
      let shadow: ShadowContext | undefined;
      let batch: TopicMessages[] = [];
      try {
        batch = batchOf(record);
        shadow = issueMode(runtime, `kafka send ${batch[0]?.topic}`, true);
        assertMode(runtime, mode.transaction, shadow !== undefined);
        if (shadow === undefined) watch(runtime, topics, batch);
        else batch = redirect(runtime, topics, batch, shadow);
      } catch (error) {
        const refusal = refusalOf(runtime, error);
        if (refusal !== undefined) return Promise.reject(refusal);
      }
      if (shadow === undefined) return measured(runtime, false, batch, original(record));
      const context = shadow;
      const sent = outside(() => original(withBatch(record, batch)));
      return measured(runtime, true, batch, sent).then((metadata: any) => {
        for (const { topic, messages } of batch) {
          if (mode.count) mode.count(context.flag.runId, topic, messages.length);
          else runtime.ledger.wrote(context.flag.runId, 'kafka', topic, 'send', messages.length);
        }
        return Array.isArray(metadata)
          ? metadata.map((one) => ({ ...one, topicName: topics.toReal(one.topicName) }))
          : metadata;
      });
    };
  return {
    send: wrap(
      driver.send,
      (record) => [{ topic: record.topic, messages: record.messages ?? [] }],
      (record, [only]) => ({ ...record, ...only }),
    ),
    sendBatch: wrap(
      driver.sendBatch,
      (record) =>
        (record.topicMessages ?? []).map(({ topic, messages }: TopicMessages) => ({ topic, messages: messages ?? [] })),
      (record, topicMessages) => ({ ...record, topicMessages }),
    ),
  };
}

function wrapTransaction(runtime: AgentRuntime, topics: KafkaTopics, transaction: any, isShadow: boolean): any {
  const { send, sendBatch, commit, abort, sendOffsets } = transaction;
  let pending: [string, string, number][] = [];
  const mode: Mode = {
    transaction: isShadow ? 'shadow' : 'real',
    count: (runId, topic, messages) => pending.push([runId, topic, messages]),
  };
  const assert = () => assertMode(runtime, mode.transaction, currentContext()?.mode === 'shadow');
  Object.assign(transaction, wrapSends(runtime, topics, { send, sendBatch }, mode));
  transaction.commit = async () => {
    assert();
    await outside(() => commit());
    for (const [runId, topic, messages] of pending) runtime.ledger.wrote(runId, 'kafka', topic, 'send', messages);
    pending = [];
  };
  transaction.abort = async () => {
    pending = [];
    await outside(() => abort());
  };
  transaction.sendOffsets = async (offsets: any) => {
    assert();
    if (!isShadow) return sendOffsets(offsets);
    return outside(() =>
      sendOffsets({
        ...offsets,
        consumerGroupId: `${offsets.consumerGroupId}${topics.suffix}`,
        topics: offsets.topics.map((one: any) => ({ ...one, topic: topics.toShadow(one.topic) })),
      }),
    );
  };
  return transaction;
}

/** @throws ShadowRefusedError MODE_MISMATCH */
function assertMode(runtime: AgentRuntime, transaction: Mode['transaction'], isShadow: boolean): void {
  if (transaction === undefined || (transaction === 'shadow') === isShadow) return;
  throw runtime.refuse(
    'MODE_MISMATCH',
    `a Kafka transaction of ${transaction} work was used in ${isShadow ? 'shadow' : 'ordinary'} work`,
  );
}

function redirect(
  runtime: AgentRuntime,
  topics: KafkaTopics,
  batch: TopicMessages[],
  context: ShadowContext,
): TopicMessages[] {
  return batch.map(({ topic, messages }) => {
    const target = topics.require(topic, runtime);
    context.touched?.add(`kafka:${target}`);
    const flagged = messages.map((message) => ({
      ...message,
      headers: flaggedHeaders(message.headers, context, runtime.config),
    }));
    return { topic: target, messages: flagged };
  });
}

/** Ordinary messages pass in any case; a shadow topic or a flag in them is a context that was lost. */
function watch(runtime: AgentRuntime, topics: KafkaTopics, batch: TopicMessages[]): void {
  for (const { topic, messages } of batch) {
    if (topics.isShadow(topic)) runtime.suspect('SHADOW_NAME_IN_REAL', `ordinary work sends to "${topic}"`);
    else if (messages.some((message) => readMessageFlag(message?.headers, runtime.config) !== undefined)) {
      runtime.suspect('SHADOW_NAME_IN_REAL', `ordinary work sends a flagged message to "${topic}"`);
    }
  }
}

async function measured(
  runtime: AgentRuntime,
  shadow: boolean,
  batch: TopicMessages[],
  sent: Promise<any>,
): Promise<any> {
  const startedMs = performance.now();
  const done = (code: string | undefined) => {
    try {
      for (const { topic } of batch) runtime.meter.message(shadow, 'send', topic, code, elapsedUs(startedMs));
    } catch {
      // a fault of the meter must not become one of the message
    }
  };
  try {
    const result = await sent;
    done(undefined);
    return result;
  } catch (error) {
    done((error as Error)?.name ?? 'error');
    throw error;
  }
}
