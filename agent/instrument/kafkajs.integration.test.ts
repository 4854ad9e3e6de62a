import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { currentContext, runWith } from '../context.js';
import { readMembers } from '../propagate/baggage.js';
import {
  codeOf,
  deniedSockets,
  inReal,
  inShadow,
  randomName,
  shadowContext,
  TestRuntime,
  token,
} from '../redirect/fixtures/test-runtime.js';
import { kafkajsInstrumentation } from './kafkajs.js';

const require = createRequire(import.meta.url);
const { Kafka, logLevel, Partitioners } = require('kafkajs');
const broker = process.env.SHADOWLINE_TEST_KAFKA!;
const options = { clientId: 'test', brokers: [broker], logLevel: logLevel.NOTHING, retry: { initialRetryTime: 50 } };

let runtime: TestRuntime;
let restores: (() => void)[] = [];
let topic: string;
let shadow: string;
let admin: any;
const closing: { disconnect(): Promise<void> }[] = [];
const topics: string[] = [];

beforeAll(async () => {
  admin = new Kafka(options).admin();
  await admin.connect();
});

afterAll(async () => {
  await admin.deleteTopics({ topics }).catch(() => undefined);
  await admin.disconnect();
});

beforeEach(async () => {
  topic = randomName('orders');
  shadow = `${topic}.shadow`;
  await create(topic, shadow);
  use([topic]);
});

afterEach(async () => {
  await Promise.all(closing.splice(0).map((one) => one.disconnect()));
  for (const restore of restores.splice(0)) restore();
});

async function create(...names: string[]): Promise<void> {
  topics.push(...names);
  await admin.createTopics({ waitForLeaders: true, topics: names.map((name) => ({ topic: name, numPartitions: 1 })) });
}

function use(declared: string[] | undefined): void {
  for (const restore of restores.splice(0)) restore();
  runtime = new TestRuntime({
    kafka: declared === undefined ? undefined : { suffix: '.shadow', messageMaxAgeS: 60, topics: declared },
  });
  const root = join(dirname(require.resolve('kafkajs/package.json')), '..');
  restores = kafkajsInstrumentation.targets.map(({ file, wrap }) => wrap(require(join(root, file)), runtime));
}

async function producer(more: object = {}): Promise<any> {
  const made = new Kafka(options).producer({ createPartitioner: Partitioners.DefaultPartitioner, ...more });
  closing.push(made);
  await made.connect();
  return made;
}

interface Seen {
  topic: string;
  value: string;
  mode: string | undefined;
}

/** A consumer whose handler notes what it was given and in which mode. */
async function consumer(
  config: (seen: Seen[]) => object,
  subscription: object = { topic },
): Promise<{ seen: Seen[]; consumer: any }> {
  const made = new Kafka(options).consumer({ groupId: randomName('group'), maxWaitTimeInMs: 50 });
  closing.push(made);
  const seen: Seen[] = [];
  await made.connect();
  await made.subscribe({ fromBeginning: true, ...subscription });
  await made.run(config(seen));
  return { seen, consumer: made };
}

const eachMessage = (seen: Seen[]) => ({
  eachMessage: async ({ topic: name, message }: any) => {
    await Promise.resolve();
    seen.push({ topic: name, value: String(message.value), mode: currentContext()?.mode });
  },
});

/** Waits for something to be true; the test fails by its timeout when it never is. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** What lies in a topic, read by a client that is not wrapped. */
async function content(name: string, count: number): Promise<any[]> {
  const restored = restores.splice(0);
  for (const restore of restored) restore();
  const reader = new Kafka(options).consumer({ groupId: randomName('reader'), maxWaitTimeInMs: 50 });
  const found: any[] = [];
  await reader.connect();
  await reader.subscribe({ topic: name, fromBeginning: true });
  await reader.run({ eachMessage: async ({ message }: any) => void found.push(message) });
  await until(() => found.length >= count);
  await reader.disconnect();
  return found;
}

async function end(name: string): Promise<number> {
  const [partition] = await admin.fetchTopicOffsets(name);
  return Number(partition.high);
}

const values = (seen: Seen[], mode: string) => seen.filter((one) => one.mode === mode).map(({ value }) => value);

describe('producer', () => {
  it('sends shadow messages to the shadow topic with the flag, ordinary ones as they are', async () => {
    const one = await producer();
    const context = shadowContext('run1', 'probe-7');
    const message = { key: 'k', value: 's', headers: { trace: 'abc', baggage: 'a=1' } };
    const metadata = await runWith(context, () => one.send({ topic, messages: [message] }));
    await inReal(() => one.send({ topic, messages: [{ value: 'r' }] }));
    await inShadow(() => one.sendBatch({ topicMessages: [{ topic, messages: [{ value: 's2' }, { value: 's3' }] }] }));
    expect(metadata[0].topicName).toBe(topic);
    expect(message).toEqual({ key: 'k', value: 's', headers: { trace: 'abc', baggage: 'a=1' } });
    expect(runtime.writes.get(`kafka ${shadow} send`)).toBe(3);
    expect([...context.touched!]).toEqual([`kafka:${shadow}`]);
    const real = await content(topic, 1);
    expect(real.map(({ value, headers }) => [String(value), headers])).toEqual([['r', {}]]);
    const [first, ...rest] = await content(shadow, 3);
    expect(rest).toHaveLength(2);
    expect(String(first.headers['x-shadow'])).toBe(context.token);
    expect(readMembers(String(first.headers.baggage), 'shadow')).toEqual([context.token]);
    expect(readMembers(String(first.headers.baggage), 'a')).toEqual(['1']);
    expect(String(first.headers['x-shadow-probe'])).toBe('probe-7');
    expect(String(first.headers.trace)).toBe('abc');
  });

  it('that was made before the agent armed redirects too, and connects outside of the shadow context', async () => {
    runtime.current = 'idle';
    const one = new Kafka(options).producer({ createPartitioner: Partitioners.DefaultPartitioner });
    closing.push(one);
    runtime.current = 'armed';
    const denied = await deniedSockets(runtime, async () => {
      await inShadow(() => one.connect());
      await inShadow(() => one.send({ topic, messages: [{ value: 's' }] }));
    });
    expect(denied).toBe(0);
    expect([await end(topic), await end(shadow)]).toEqual([0, 1]);
  });

  it('refuses topics that are not declared, shadow topics, and everything without a configuration', async () => {
    const one = await producer();
    const send = (name: string) => inShadow(() => codeOf(one.send({ topic: name, messages: [{ value: 'x' }] })));
    expect(await send('elsewhere')).toBe('TOPIC_REFUSED');
    expect(await send(shadow)).toBe('TOPIC_REFUSED');
    const ended = shadowContext();
    ended.ended = true;
    expect(await runWith(ended, () => codeOf(one.send({ topic, messages: [{ value: 'x' }] })))).toBe('CONTEXT_ENDED');
    use(undefined);
    const undeclared = await producer();
    expect(await inShadow(() => codeOf(undeclared.send({ topic, messages: [{ value: 'x' }] })))).toBe(
      'STORE_UNDECLARED',
    );
    expect([await end(topic), await end(shadow)]).toEqual([0, 0]);
  });

  it('reports ordinary messages to a shadow topic or with a flag, and lets them pass', async () => {
    const one = await producer();
    await inReal(() => one.send({ topic: shadow, messages: [{ value: 'x' }] }));
    await inReal(() => one.send({ topic, messages: [{ value: 'x', headers: { 'x-shadow': token() } }] }));
    expect(runtime.suspects.map(({ code }) => code)).toEqual(['SHADOW_NAME_IN_REAL', 'SHADOW_NAME_IN_REAL']);
    expect([await end(topic), await end(shadow)]).toEqual([1, 1]);
  });

  it('keeps transactions of both modes apart, at the same time', async () => {
    const one = await producer({ transactionalId: randomName('tx'), maxInFlightRequests: 1, idempotent: true });
    const real = await inReal<Promise<any>>(() => one.transaction());
    const twin = await inShadow<Promise<any>>(() => one.transaction());
    await inReal(() => real.send({ topic, messages: [{ value: 'r' }] }));
    await inShadow(() => twin.send({ topic, messages: [{ value: 's' }] }));
    expect(await inReal(() => codeOf(twin.send({ topic, messages: [{ value: 'x' }] })))).toBe('MODE_MISMATCH');
    expect(await inShadow(() => codeOf(real.send({ topic, messages: [{ value: 'x' }] })))).toBe('MODE_MISMATCH');
    expect(runtime.writes.size).toBe(0);
    await inShadow(() => twin.commit());
    await inReal(() => real.commit());
    expect(runtime.writes.get(`kafka ${shadow} send`)).toBe(1);
    const aborted = await inShadow<Promise<any>>(() => one.transaction());
    await inShadow(() => aborted.send({ topic, messages: [{ value: 'no' }] }));
    await inShadow(() => aborted.abort());
    expect(runtime.writes.get(`kafka ${shadow} send`)).toBe(1);
    expect((await content(topic, 1)).map(({ value }) => String(value))).toEqual(['r']);
    expect((await content(shadow, 1)).map(({ value }) => String(value))).toEqual(['s']);
  });

  it('refuses admin changes in shadow, not reads', async () => {
    const one = new Kafka(options).admin();
    closing.push(one);
    await one.connect();
    expect(await inShadow(() => codeOf(one.deleteTopics({ topics: [topic] })))).toBe('COMMAND_REFUSED');
    expect(await inShadow(() => codeOf(one.createTopics({ topics: [{ topic: 'never' }] })))).toBe('COMMAND_REFUSED');
    expect(await inShadow<Promise<string[]>>(() => one.listTopics())).toContain(topic);
  });
});

describe('consumer', () => {
  it('runs its handler for both modes, each in its own context and under the real topic’s name', async () => {
    const one = await producer();
    const context = shadowContext('run1', 'probe-1');
    await inReal(() => one.send({ topic, messages: [{ value: 'r1' }, { value: 'r2' }] }));
    await runWith(context, () => one.send({ topic, messages: [{ value: 's1' }, { value: 's2' }] }));
    const { seen } = await consumer(eachMessage);
    await until(() => seen.length === 4);
    expect(values(seen, 'real')).toEqual(['r1', 'r2']);
    expect(values(seen, 'shadow')).toEqual(['s1', 's2']);
    expect(new Set(seen.map((entry) => entry.topic))).toEqual(new Set([topic]));
    await until(() => runtime.acknowledged.length === 2);
    expect(runtime.acknowledged).toEqual([`probe-1 kafka ${topic}`, `probe-1 kafka ${topic}`]);
    expect(runtime.operations).toContain(`shadow process ${shadow} ok`);
    expect(runtime.operations).toContain(`real process ${topic} ok`);
  });

  it('never processes forged or unflagged shadow messages, and goes on', async () => {
    const one = await producer();
    const forged = `${token().slice(0, -4)}AAAA`;
    const old = token('run1', Date.now() - 3_600_000);
    const late = token('run1', Date.now() - 5_000);
    // sent as a stranger would: the agent is idle
    runtime.current = 'idle';
    const send = (value: string, headers: object) => one.send({ topic: shadow, messages: [{ value, headers }] });
    await send('none', {});
    await send('forged', { 'x-shadow': forged });
    await send('garbage', { 'x-shadow': 'yes' });
    await send('two', { 'x-shadow': token('run1'), baggage: `shadow=${token('run2')}` });
    await send('doubled', { 'x-shadow': [token('run1'), token('run2')] });
    await send('old', { 'x-shadow': old });
    await send('late', { 'x-shadow': late });
    await send('good', { 'x-shadow': token() });
    await one.send({ topic, messages: [{ value: 'forged', headers: { 'x-shadow': forged } }, { value: 'plain' }] });
    await one.send({ topic, messages: [{ value: 'shared', headers: { 'x-shadow': token() } }] });
    runtime.current = 'armed';
    const { seen } = await consumer(eachMessage);
    await until(() => seen.length >= 4);
    expect(values(seen, 'shadow').sort()).toEqual(['good', 'late', 'shared']);
    expect(values(seen, 'real')).toEqual(['plain']);
    expect(runtime.suspects.map(({ code }) => code)).toEqual(Array(6).fill('FORGED_MESSAGE'));
  });

  it('is not held up by a shadow message that cannot be processed', async () => {
    const one = await producer();
    await inShadow(() => one.send({ topic, messages: [{ value: 'poison' }] }));
    let failures = 0;
    const { seen } = await consumer((noted) => ({
      eachMessage: async ({ message }: any) => {
        if (String(message.value) === 'poison') {
          failures++;
          throw new Error('cannot be processed');
        }
        noted.push({ topic: '', value: String(message.value), mode: currentContext()?.mode });
      },
    }));
    await until(() => failures > 0);
    await inReal(() => one.send({ topic, messages: [{ value: 'r1' }, { value: 'r2' }] }));
    await until(() => seen.length === 2);
    expect(runtime.acknowledged).toEqual([]);
  });

  it('cuts a mixed batch into runs of one mode, in order, with working offsets', async () => {
    const one = await producer();
    runtime.current = 'idle';
    const flag = token();
    const headers = { 'x-shadow': flag };
    await one.send({
      topic,
      messages: [
        { value: 'r0' },
        { value: 's1', headers },
        { value: 's2', headers },
        { value: 'forged', headers: { 'x-shadow': 'forged' } },
        { value: 'r4' },
        { value: 'o5', headers: { 'x-shadow': token('run2') } },
      ],
    });
    runtime.current = 'armed';
    const batches: { mode: string | undefined; values: string[]; first: string; last: string; lag: string }[] = [];
    const { consumer: made } = await consumer(() => ({
      eachBatchAutoResolve: false,
      eachBatch: async ({
        batch,
        resolveOffset,
        heartbeat,
        commitOffsetsIfNecessary,
        isRunning,
        isStale,
        uncommittedOffsets,
      }: any) => {
        expect([isRunning(), isStale(), batch.isEmpty(), batch.topic]).toEqual([true, false, false, topic]);
        for (const message of batch.messages) resolveOffset(message.offset);
        await heartbeat();
        expect(uncommittedOffsets().topics[0].topic).toBe(topic);
        await commitOffsetsIfNecessary(uncommittedOffsets());
        batches.push({
          mode: currentContext()?.mode,
          values: batch.messages.map(({ value }: any) => String(value)),
          first: batch.firstOffset(),
          last: batch.lastOffset(),
          lag: batch.offsetLag(),
        });
      },
    }));
    await until(() => batches.length === 4);
    expect(batches).toEqual([
      { mode: 'real', values: ['r0'], first: '0', last: '0', lag: '5' },
      { mode: 'shadow', values: ['s1', 's2'], first: '1', last: '2', lag: '3' },
      { mode: 'real', values: ['r4'], first: '4', last: '4', lag: '1' },
      { mode: 'shadow', values: ['o5'], first: '5', last: '5', lag: '0' },
    ]);
    const { groupId } = await made.describeGroup();
    await made.disconnect();
    const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
    expect(committed.partitions[0].offset).toBe('6');
  });

  it('does not overtake what a batch handler left unresolved', async () => {
    const one = await producer();
    runtime.current = 'idle';
    await one.send({
      topic,
      messages: [{ value: 'r0' }, { value: 'r1' }, { value: 's2', headers: { 'x-shadow': token() } }],
    });
    runtime.current = 'armed';
    const order: string[] = [];
    await consumer(() => ({
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset }: any) => {
        // one message a call: the rest is fetched again
        order.push(String(batch.messages[0].value));
        resolveOffset(batch.messages[0].offset);
      },
    }));
    await until(() => order.length >= 3);
    expect(order).toEqual(['r0', 'r1', 's2']);
  });

  it('commits shadow offsets in the shadow group, by batches of the shadow topic', async () => {
    const one = await producer();
    await inShadow(() => one.send({ topic, messages: [{ value: 's0' }, { value: 's1' }] }));
    const { seen, consumer: made } = await consumer((noted) => ({
      eachBatch: async ({ batch, resolveOffset, uncommittedOffsets, commitOffsetsIfNecessary }: any) => {
        for (const message of batch.messages) {
          resolveOffset(message.offset);
          noted.push({ topic: batch.topic, value: String(message.value), mode: currentContext()?.mode });
        }
        await commitOffsetsIfNecessary(uncommittedOffsets());
      },
    }));
    await until(() => seen.length === 2);
    const { groupId } = await made.describeGroup();
    await made.disconnect();
    const [committed] = await admin.fetchOffsets({ groupId: `${groupId}.shadow`, topics: [shadow] });
    expect(committed.partitions[0].offset).toBe('2');
    expect(seen[0]!.topic).toBe(topic);
  });

  it('subscribes by pattern without reading shadow topics as ordinary ones', async () => {
    const one = await producer();
    await inReal(() => one.send({ topic, messages: [{ value: 'r' }] }));
    await inShadow(() => one.send({ topic, messages: [{ value: 's' }] }));
    const { seen } = await consumer(eachMessage, { topics: [new RegExp(`^${topic}`)] });
    await until(() => seen.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([values(seen, 'real'), values(seen, 'shadow')]).toEqual([['r'], ['s']]);
  });

  it('is unaffected when its twin cannot start, and the twin comes when it can', async () => {
    const later = randomName('later');
    await create(later);
    use([later]);
    const one = await producer();
    const { seen } = await consumer(eachMessage, { topic: later });
    await inReal(() => one.send({ topic: later, messages: [{ value: 'r' }] }));
    await until(() => values(seen, 'real').length === 1);
    await until(() => runtime.refusals.some(({ code }) => code === 'TOPIC_REFUSED'));
    await create(`${later}.shadow`);
    await inShadow(() => one.send({ topic: later, messages: [{ value: 's' }] }));
    await until(() => values(seen, 'shadow').length === 1);
  });

  it('lets a shadow handler pause only its twin, and stops both', async () => {
    const one = await producer();
    let resume: (() => void) | undefined;
    let made: any;
    const { seen, consumer: built } = await consumer((noted) => ({
      eachMessage: async ({ topic: name, message, pause }: any) => {
        const mode = currentContext()?.mode;
        noted.push({ topic: name, value: String(message.value), mode });
        if (mode === 'shadow' && resume === undefined) resume = pause();
      },
    }));
    made = built;
    await inShadow(() => one.send({ topic, messages: [{ value: 's1' }] }));
    await until(() => resume !== undefined);
    expect(made.paused()).toEqual([]);
    expect(inShadow(() => made.paused())).toEqual([{ topic, partitions: [0] }]);
    await inShadow(() => one.send({ topic, messages: [{ value: 's2' }] }));
    await inReal(() => one.send({ topic, messages: [{ value: 'r1' }] }));
    await until(() => values(seen, 'real').length === 1);
    expect(values(seen, 'shadow')).toEqual(['s1']);
    inShadow(() => made.resume([{ topic }]));
    await until(() => values(seen, 'shadow').length === 2);
    await made.stop();
    const { groupId } = await made.describeGroup();
    const { groups } = await admin.describeGroups([groupId, `${groupId}.shadow`]);
    expect(groups.map((group: any) => group.members.length)).toEqual([0, 0]);
  });
});
