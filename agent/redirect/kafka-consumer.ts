import { currentShadow, runWith } from '../context.js';
import type { AgentRuntime } from '../runtime.js';
import { outside } from './issue.js';
import { wrapHandlers } from './kafka-handlers.js';
import type { KafkaTopics } from './kafka-topics.js';

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;
const LONGEST_STOP_MS = 5_000;

/**
 * A consumer with a twin: a second consumer with its own group (`<group><suffix>`) on the shadow topics, which runs the same handler. Offsets are apart,
 * and a shadow message that cannot be processed never holds up ordinary ones. The twin starts with `run()`, whether armed or not: a flag on
 * a message can only be seen by who reads it. When the twin cannot start, ordinary consumption is unaffected; it is reported and tried again.
 */
export function wrapConsumer(
  runtime: AgentRuntime,
  topics: KafkaTopics,
  consumer: any,
  groupId: string,
  makeTwin: () => any,
): any {
  const driver = { ...consumer };
  const twin = new TwinConsumer(runtime, topics, groupId, makeTwin);

  consumer.connect = () => outside(() => driver.connect());
  consumer.subscribe = async (subscription: any) => {
    await outside(() => driver.subscribe(withoutShadow(topics, subscription)));
    twin.subscribe(subscription);
  };
  consumer.run = async (config: any = {}) => {
    const wrapped = wrapHandlers(runtime, topics, config);
    await outside(() => driver.run(wrapped));
    twin.start(wrapped);
  };
  // what a shadow handler does to its consumer concerns the twin alone
  consumer.stop = async () => {
    if (currentShadow() === undefined) await Promise.all([driver.stop(), twin.stop('stop')]);
    else await twin.stop('stop');
  };
  consumer.disconnect = async () => {
    if (currentShadow() === undefined) await Promise.all([driver.disconnect(), twin.stop('disconnect')]);
    else await twin.stop('disconnect');
  };
  for (const name of ['pause', 'resume'] as const) {
    consumer[name] = (partitions: any[] = []) => {
      const inShadow = currentShadow() !== undefined;
      const result = inShadow ? undefined : driver[name](partitions);
      twin.partitions(name, partitions, inShadow);
      return result;
    };
  }
  consumer.paused = () => (currentShadow() === undefined ? driver.paused() : twin.paused());
  // offsets of an ordinary topic say nothing about its twin
  consumer.seek = (target: any) => (currentShadow() === undefined ? driver.seek(target) : twin.seek(target));
  consumer.commitOffsets = (offsets: any[] = []) =>
    currentShadow() === undefined ? driver.commitOffsets(offsets) : twin.commitOffsets(offsets);
  return consumer;
}

/** A pattern that matches a shadow topic too must not make the ordinary consumer read it. */
function withoutShadow(topics: KafkaTopics, subscription: any): any {
  const filtered = (one: unknown) => {
    if (!(one instanceof RegExp)) return one;
    const pattern = new RegExp(one.source, one.flags);
    pattern.test = (topic: string) => !topics.isShadow(topic) && one.test(topic);
    return pattern;
  };
  if (subscription?.topic instanceof RegExp) return { ...subscription, topic: filtered(subscription.topic) };
  if (!Array.isArray(subscription?.topics)) return subscription;
  return { ...subscription, topics: subscription.topics.map(filtered) };
}

/**
 * | state    | start()  | started | failed, crashed for good | stop()  |
 * |----------|----------|---------|--------------------------|---------|
 * | stopped  | starting | –       | –                        | stopped |
 * | starting | –        | running | waiting                  | stopped |
 * | running  | –        | –       | waiting                  | stopped |
 * | waiting  | –        | –       | –                        | stopped |
 *
 * waiting → starting after a delay that doubles.
 */
class TwinConsumer {
  readonly #runtime: AgentRuntime;
  readonly #topics: KafkaTopics;
  readonly #groupId: string;
  readonly #make: () => any;
  readonly #subscribed: (string | RegExp)[] = [];
  #state: 'stopped' | 'starting' | 'running' | 'waiting' = 'stopped';
  #consumer: any;
  #config: any;
  #timer: NodeJS.Timeout | undefined;
  #delayMs = FIRST_RETRY_MS;
  #starting: Promise<void> = Promise.resolve();

  constructor(runtime: AgentRuntime, topics: KafkaTopics, groupId: string, make: () => any) {
    this.#runtime = runtime;
    this.#topics = topics;
    this.#groupId = groupId;
    this.#make = make;
  }

  subscribe(subscription: { topic?: string | RegExp; topics?: (string | RegExp)[] }): void {
    this.#subscribed.push(...(subscription.topics ?? [subscription.topic!]));
  }

  /** Does nothing when no declared topic is subscribed. Never throws, and is not waited for. */
  start(config: any): void {
    if (this.#state !== 'stopped') return;
    this.#config = config;
    this.#delayMs = FIRST_RETRY_MS;
    if (this.#shadowTopics().length > 0) this.#begin();
  }

  /** What is still starting ends by itself; the service's own shutdown waits a moment for it, not more. */
  async stop(how: 'stop' | 'disconnect'): Promise<void> {
    this.#state = 'stopped';
    clearTimeout(this.#timer);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LONGEST_STOP_MS);
    });
    await Promise.race([this.#starting.then(() => this.#close(how)), late]);
    clearTimeout(timer);
  }

  /** stop() of a consumer keeps its connections for a later run(); the twin makes new ones, so both end here. */
  async #close(how: string): Promise<void> {
    const consumer = this.#consumer;
    this.#consumer = undefined;
    await outside(async () => consumer?.disconnect()).catch((error: Error) => this.#report(how, error));
  }

  partitions(name: 'pause' | 'resume', partitions: any[], inShadow: boolean): void {
    if (this.#state !== 'running') return;
    const known = partitions.filter(({ topic }) => this.#topics.declared.includes(this.#topics.toReal(topic)));
    if (known.length === 0) return;
    try {
      this.#consumer[name](known.map((one) => this.#shadow(one)));
    } catch (error) {
      if (inShadow) throw error;
      this.#report(name, error as Error);
    }
  }

  paused(): any[] {
    const paused: any[] = this.#consumer?.paused() ?? [];
    return paused.map((one) => ({ ...one, topic: this.#topics.toReal(one.topic) }));
  }

  seek(target: any): void {
    this.#consumer?.seek(this.#shadow(target));
  }

  async commitOffsets(offsets: any[]): Promise<void> {
    await outside(() => this.#consumer?.commitOffsets(offsets.map((one) => this.#shadow(one))));
  }

  #shadow<T extends { topic: string }>(one: T): T {
    return { ...one, topic: this.#topics.toShadow(one.topic) };
  }

  #shadowTopics(): string[] {
    return this.#topics.declared
      .filter((topic) => this.#subscribed.some((one) => (typeof one === 'string' ? one === topic : one.test(topic))))
      .map((topic) => this.#topics.toShadow(topic));
  }

  #begin(): void {
    this.#state = 'starting';
    // the twin outlives the request or message that happened to start it
    this.#starting = runWith(undefined, () => this.#open());
  }

  async #open(): Promise<void> {
    let consumer: any;
    try {
      consumer = this.#make();
      consumer.on(consumer.events.CRASH, ({ payload }: any) => {
        if (payload.restart || this.#consumer !== consumer) return;
        this.#consumer = undefined;
        this.#retry(payload.error);
      });
      await consumer.connect();
      // from the beginning: what was sent before the group existed belongs to it too
      await consumer.subscribe({ topics: this.#shadowTopics(), fromBeginning: true });
      this.#consumer = consumer;
      await consumer.run(this.#config);
      if (this.#state === 'starting') this.#state = 'running';
      this.#delayMs = FIRST_RETRY_MS;
    } catch (error) {
      this.#consumer = undefined;
      await consumer?.disconnect().catch(() => undefined);
      this.#retry(error as Error);
    }
  }

  #retry(error: Error): void {
    this.#report('start', error);
    if (this.#state === 'stopped') return;
    this.#state = 'waiting';
    this.#timer = setTimeout(() => this.#begin(), this.#delayMs);
    this.#timer.unref();
    this.#delayMs = Math.min(this.#delayMs * 2, LAST_RETRY_MS);
  }

  #report(what: string, error: Error): void {
    const group = `${this.#groupId}${this.#topics.suffix}`;
    this.#runtime.refuse(
      'TOPIC_REFUSED',
      `shadow consumer of group "${group}" (${this.#shadowTopics()}): ${what}: ${error.message}`,
    );
  }
}
