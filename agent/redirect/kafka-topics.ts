import type { AgentConfig } from '../config.js';
import type { ShadowContext } from '../context.js';
import { type CarriedFlag, carrierNames, readFlag, withFlag } from '../propagate/carrier.js';
import type { AgentRuntime } from '../runtime.js';

/** Header values as kafkajs gives and takes them. */
export type MessageHeaders = Record<string, unknown> | undefined;

/** Which topic has which twin. Only declared topics have one. */
export class KafkaTopics {
  readonly #config: AgentConfig['kafka'];

  constructor(config: AgentConfig) {
    this.#config = config.kafka;
  }

  get suffix(): string {
    return this.#config?.suffix ?? '';
  }

  get declared(): readonly string[] {
    return this.#config?.topics ?? [];
  }

  isShadow(topic: string): boolean {
    return this.#config !== undefined && topic.endsWith(this.suffix) && this.declared.includes(this.#cut(topic));
  }

  toShadow(topic: string): string {
    return this.isShadow(topic) ? topic : topic + this.suffix;
  }

  toReal(topic: string): string {
    return this.isShadow(topic) ? this.#cut(topic) : topic;
  }

  /** @throws ShadowRefusedError STORE_UNDECLARED, TOPIC_REFUSED */
  require(topic: unknown, runtime: AgentRuntime): string {
    if (this.#config === undefined) throw runtime.refuse('STORE_UNDECLARED', 'kafka is not in the configuration');
    const name = String(topic);
    if (this.isShadow(name)) throw runtime.refuse('TOPIC_REFUSED', `"${name}" is a shadow topic already`);
    if (!this.declared.includes(name)) {
      throw runtime.refuse('TOPIC_REFUSED', `topic "${name}" is not in the configuration under kafka.topics`);
    }
    return name + this.suffix;
  }

  #cut(topic: string): string {
    return topic.slice(0, topic.length - this.suffix.length);
  }
}

/** The flag in a message's headers; undefined when there is none. */
export function readMessageFlag(headers: MessageHeaders, config: AgentConfig): CarriedFlag | undefined {
  if (headers === undefined || headers === null) return undefined;
  const names = carrierNames(config);
  const flag = headers[names.header];
  const { baggage } = headers;
  if (flag === undefined && baggage === undefined) return undefined;
  const raw: string[] = [];
  for (const [name, value] of [
    [names.header, flag],
    ['baggage', baggage],
  ] as const) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) raw.push(name, String(one));
    }
  }
  return readFlag(raw, names);
}

/** The value of a header as text. */
export function headerText(headers: MessageHeaders, name: string): string | undefined {
  const value = headers?.[name];
  return value === undefined || value === null ? undefined : String(Array.isArray(value) ? value[0] : value);
}

/** The headers of a shadow message: others stay, the flag is put in. */
export function flaggedHeaders(headers: MessageHeaders, context: ShadowContext, config: AgentConfig): object {
  const flat = withFlag(Object.entries(headers ?? {}) as [string, any][], carrierNames(config), context);
  const flagged: Record<string, unknown> = {};
  for (let i = 0; i < flat.length; i += 2) flagged[flat[i] as string] = flat[i + 1];
  return flagged;
}
