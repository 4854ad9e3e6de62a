import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { currentContext } from '../context.js';
import { TestRuntime, token } from './fixtures/test-runtime.js';
import { wrapHandlers } from './kafka-handlers.js';
import { flaggedHeaders, KafkaTopics, readMessageFlag } from './kafka-topics.js';

const config = { kafka: { suffix: '.shadow', messageMaxAgeS: 60, topics: ['orders'] } };
const flags: Record<string, string | undefined> = {
  real: undefined,
  run1: token('run1'),
  run2: token('run2'),
  forged: 'v1.run1.-.9999999999.forged',
};

/** What kafkajs gives to eachBatch, as far as it matters here; offsets count from 10. */
function payloadOf(topic: string, kinds: readonly string[]) {
  const resolved: string[] = [];
  const messages = kinds.map((kind, index) => ({
    offset: String(10 + index),
    value: Buffer.from(`${index}`),
    headers: flags[kind] === undefined ? {} : { 'x-shadow': Buffer.from(flags[kind]!) },
  }));
  const batch = {
    topic,
    partition: 0,
    // a control record stands behind the last message
    highWatermark: String(10 + kinds.length + 1),
    messages,
    lastOffset: () => String(10 + kinds.length),
  };
  return {
    resolved,
    payload: {
      batch,
      resolveOffset: (offset: string) => resolved.push(offset),
      commitOffsetsIfNecessary: async () => undefined,
      uncommittedOffsets: () => ({ topics: [] }),
    },
  };
}

describe('a batch with messages of several modes', () => {
  const kinds = fc.array(fc.constantFrom('real', 'run1', 'run2', 'forged'), { minLength: 1, maxLength: 20 });

  it('is handled message by message in order, each in its own mode, whatever the order', async () => {
    await fc.assert(
      fc.asyncProperty(
        kinds,
        fc.constantFrom('orders', 'orders.shadow'),
        fc.boolean(),
        async (mix, topic, autoResolve) => {
          const runtime = new TestRuntime(config);
          const handled: string[] = [];
          let calls = 0;
          const { eachBatch } = wrapHandlers(runtime, new KafkaTopics(runtime.config), {
            eachBatchAutoResolve: autoResolve,
            eachBatch: async ({ batch, resolveOffset }: any) => {
              calls++;
              expect(batch.topic).toBe('orders');
              expect(batch.firstOffset?.() ?? batch.messages[0].offset).toBe(batch.messages[0].offset);
              for (const message of batch.messages) {
                await Promise.resolve();
                const context = currentContext();
                handled.push(`${message.value} ${context?.mode === 'shadow' ? context.flag.runId : context?.mode}`);
                resolveOffset(message.offset);
              }
            },
          });
          const { payload, resolved } = payloadOf(topic, mix);
          await eachBatch(payload);
          const passes = (kind: string) => kind !== 'forged' && !(kind === 'real' && topic === 'orders.shadow');
          expect(handled).toEqual(mix.flatMap((kind, index) => (passes(kind) ? [`${index} ${kind}`] : [])));
          // one call for each run of equal messages, no more
          const runs = mix.filter((kind, index) => passes(kind) && kind !== mix[index - 1]).length;
          expect(calls).toBe(runs);
          // nothing is left behind, also where the last message was skipped
          expect(resolved.at(-1)).toBe(String(9 + mix.length));
          expect([...resolved].sort()).toEqual(resolved);
        },
      ),
    );
  });

  it('ends the shadow context of each part, and acknowledges no part that failed', async () => {
    const runtime = new TestRuntime(config);
    const contexts: any[] = [];
    const { eachBatch } = wrapHandlers(runtime, new KafkaTopics(runtime.config), {
      eachBatch: async () => {
        contexts.push(currentContext());
        throw new Error('failed');
      },
    });
    await expect(eachBatch(payloadOf('orders.shadow', ['run1', 'run1']).payload)).rejects.toThrow('failed');
    expect(contexts.map(({ ended }) => ended)).toEqual([true]);
    expect(runtime.acknowledged).toEqual([]);
    expect(runtime.operations).toEqual(['shadow process orders.shadow Error']);
  });
});

describe('flags in headers', () => {
  const { config: agentConfig } = new TestRuntime(config);
  it.each([
    ['no headers', undefined, undefined],
    ['others', { a: 'b', baggage: 'x=1' }, undefined],
    ['header', { 'x-shadow': Buffer.from('t') }, { token: 't', conflict: false }],
    ['baggage', { baggage: 'x=1,shadow=t;p' }, { token: 't', conflict: false }],
    ['both, the same', { 'x-shadow': 't', baggage: 'shadow=t' }, { token: 't', conflict: false }],
    ['both, not the same', { 'x-shadow': 't', baggage: 'shadow=u' }, { token: 't', conflict: true }],
    ['twice in a list', { 'x-shadow': ['t', 't'] }, { token: 't', conflict: true }],
  ])('%s', (_name, headers, flag) => {
    const found = readMessageFlag(headers, agentConfig);
    if (flag === undefined) expect(found).toBeUndefined();
    else expect(found).toMatchObject(flag);
  });

  it('are put in without touching the others, and read back', () => {
    const runtime = new TestRuntime(config);
    const admission = runtime.admit(token(), 'message', 'p1');
    if (!admission.ok) throw admission.error;
    const given = { keep: Buffer.from([1, 2]), many: ['a', 'b'], 'x-shadow': 'old', baggage: Buffer.from('x=1') };
    const headers: any = flaggedHeaders(given, admission.context, agentConfig);
    expect(headers.keep).toBe(given.keep);
    expect(headers.many).toBe(given.many);
    expect(headers.baggage).toBe(`shadow=${admission.context.token},x=1`);
    expect(headers['x-shadow-probe']).toBe('p1');
    expect(readMessageFlag(headers, agentConfig)).toMatchObject({ token: admission.context.token, conflict: false });
  });
});
