import { REAL, runWith, type ShadowContext } from '../context.js';
import { PROBE_HEADER } from '../propagate/carrier.js';
import type { AgentRuntime } from '../runtime.js';
import { elapsedUs } from './issue.js';
import { headerText, type KafkaTopics, readMessageFlag } from './kafka-topics.js';

/**
 * What a consumer does with a message:
 *
 * | topic  | flag    | handler                                   |
 * |--------|---------|-------------------------------------------|
 * | real   | none    | as ordinary work                          |
 * | real   | valid   | in shadow (topics that both modes share)  |
 * | shadow | valid   | in shadow, under the topic's real name    |
 * | any    | invalid | not called; counted, its offset goes on   |
 * | shadow | none    | not called; counted                       |
 */
type Verdict = 'real' | 'skip' | { token: string; probe: string | undefined };

/** Wraps the handlers of `consumer.run(config)`; serves the service's own consumer and its twin alike. */
export function wrapHandlers(runtime: AgentRuntime, topics: KafkaTopics, config: any): any {
  const wrapped = { ...config };
  if (typeof config?.eachMessage === 'function') wrapped.eachMessage = eachMessage(runtime, topics, config.eachMessage);
  if (typeof config?.eachBatch === 'function') {
    wrapped.eachBatch = eachBatch(runtime, topics, config.eachBatch, config.eachBatchAutoResolve ?? true);
  }
  return wrapped;
}

function eachMessage(runtime: AgentRuntime, topics: KafkaTopics, handler: (payload: any) => unknown) {
  return async (payload: any): Promise<void> => {
    const verdict = judge(runtime, topics, payload.topic, payload.message);
    if (verdict === 'real') return inReal(runtime, payload.topic, () => handler(payload));
    const context = verdict === 'skip' ? undefined : admit(runtime, verdict, payload.topic);
    if (context === undefined) return;
    const topic = topics.toReal(payload.topic);
    await inShadow(runtime, topics, context, topic, () => handler({ ...payload, topic }));
  };
}

/** A batch is cut into runs of one mode, in order; each is given to the handler as a batch of its own. */
function eachBatch(
  runtime: AgentRuntime,
  topics: KafkaTopics,
  handler: (payload: any) => unknown,
  autoResolve: boolean,
) {
  return async (payload: any): Promise<void> => {
    const { batch } = payload;
    const groups = group(runtime, topics, batch);
    if (groups.length === 1 && groups[0]!.verdict === 'real') {
      return inReal(runtime, batch.topic, () => handler(payload));
    }
    const topic = topics.toReal(batch.topic);
    for (const [index, { verdict, messages }] of groups.entries()) {
      const last = messages.at(-1).offset;
      let resolved = -1n;
      const part = {
        ...payload,
        batch: view(batch, messages, topic, index === groups.length - 1),
        resolveOffset: (offset: string) => {
          resolved = BigInt(offset);
          payload.resolveOffset(offset);
        },
        commitOffsetsIfNecessary: (offsets?: any) =>
          payload.commitOffsetsIfNecessary(
            topics.isShadow(batch.topic) ? named(offsets, (name) => topics.toShadow(name)) : offsets,
          ),
        uncommittedOffsets: () => named(payload.uncommittedOffsets(), (name) => topics.toReal(name)),
      };
      const context = typeof verdict === 'string' ? undefined : admit(runtime, verdict, batch.topic);
      if (verdict === 'real') await inReal(runtime, batch.topic, () => handler(part));
      else if (context !== undefined) await inShadow(runtime, topics, context, topic, () => handler(part));
      const handled = verdict === 'real' || context !== undefined;
      // a handler that resolves by itself may have stopped half-way: what comes after would overtake what it left
      if (handled && !autoResolve && resolved < BigInt(last)) return;
      if (!handled || autoResolve) payload.resolveOffset(last);
    }
  };
}

interface Group {
  verdict: Verdict;
  messages: any[];
}

function group(runtime: AgentRuntime, topics: KafkaTopics, batch: any): Group[] {
  const groups: Group[] = [];
  for (const message of batch.messages) {
    const verdict = judge(runtime, topics, batch.topic, message);
    const open = groups.at(-1);
    if (open !== undefined && same(open.verdict, verdict)) open.messages.push(message);
    else groups.push({ verdict, messages: [message] });
  }
  return groups;
}

function same(one: Verdict, other: Verdict): boolean {
  if (typeof one === 'string' || typeof other === 'string') return one === other;
  return one.token === other.token && one.probe === other.probe;
}

function judge(runtime: AgentRuntime, topics: KafkaTopics, topic: string, message: any): Verdict {
  let carried: ReturnType<typeof readMessageFlag>;
  try {
    carried = readMessageFlag(message.headers, runtime.config);
  } catch {
    // headers that cannot be read carry no flag
  }
  if (carried === undefined) {
    if (!topics.isShadow(topic)) return 'real';
    runtime.suspect('FORGED_MESSAGE', `a message without a flag on the shadow topic "${topic}"`);
    return 'skip';
  }
  if (carried.conflict) {
    runtime.refuse('FLAG_CONFLICT', `a message on "${topic}"`);
    runtime.suspect('FORGED_MESSAGE', `a message with two flags on "${topic}"`);
    return 'skip';
  }
  return { token: carried.token, probe: headerText(message.headers, PROBE_HEADER) };
}

/** Undefined when the flag is not admitted: the message is never processed as real. */
function admit(
  runtime: AgentRuntime,
  { token, probe }: { token: string; probe: string | undefined },
  topic: string,
): ShadowContext | undefined {
  const admission = runtime.admit(token, 'message', probe);
  if (admission.ok) return admission.context;
  const { code } = admission.error;
  if (code === 'FLAG_FORGED' || code === 'FLAG_MALFORMED') runtime.suspect('FORGED_MESSAGE', `${code} on "${topic}"`);
  return undefined;
}

async function inReal(runtime: AgentRuntime, topic: string, handle: () => unknown): Promise<void> {
  if (runtime.state() === 'idle') {
    await handle();
    return;
  }
  await timed(runtime, false, topic, () => runWith(REAL, handle));
}

async function inShadow(
  runtime: AgentRuntime,
  topics: KafkaTopics,
  context: ShadowContext,
  topic: string,
  handle: () => unknown,
): Promise<void> {
  try {
    await timed(runtime, true, topics.declared.includes(topic) ? topics.toShadow(topic) : topic, () =>
      runWith(context, handle),
    );
    if (context.probe !== undefined) runtime.acknowledge(context, 'kafka', topic);
  } finally {
    // the agent's own contexts have a grace period for work that the handler did not wait for
    const closing = context as ShadowContext & { close?(): void };
    if (typeof closing.close === 'function') closing.close();
    else context.ended = true;
  }
}

async function timed(runtime: AgentRuntime, shadow: boolean, topic: string, handle: () => unknown): Promise<void> {
  const startedMs = performance.now();
  let code: string | undefined;
  try {
    await handle();
  } catch (error) {
    code = String((error as { code?: unknown })?.code ?? (error as Error)?.name ?? 'error');
    throw error;
  } finally {
    try {
      runtime.meter.message(shadow, 'process', topic, code, elapsedUs(startedMs));
    } catch {
      // a fault of the meter must not become one of the message
    }
  }
}

/** A batch of some of the messages of another. The last one also stands for the control records behind them. */
function view(batch: any, messages: any[], topic: string, isLast: boolean): any {
  const first = messages[0].offset;
  const last = isLast ? batch.lastOffset() : messages.at(-1).offset;
  const behind = (offset: string) => (BigInt(batch.highWatermark) - 1n - BigInt(offset)).toString();
  return Object.create(batch, {
    topic: { value: topic, enumerable: true },
    messages: { value: messages, enumerable: true, writable: true },
    isEmpty: { value: () => messages.length === 0 },
    firstOffset: { value: () => first },
    lastOffset: { value: () => last },
    offsetLag: { value: () => behind(last) },
    offsetLagLow: { value: () => behind(first) },
  });
}

/** Offsets by topic and partition, with other topic names. */
function named(offsets: any, name: (topic: string) => string): any {
  if (!Array.isArray(offsets?.topics)) return offsets;
  return { ...offsets, topics: offsets.topics.map((one: any) => ({ ...one, topic: name(one.topic) })) };
}
