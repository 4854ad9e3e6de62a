import type { AgentRuntime } from '../runtime.js';
import { elapsedUs } from './issue.js';
import type { RedisRule } from './redis-commands.js';
import { word } from './redis-expiry.js';
import type { RedisNames, RedisText } from './redis-names.js';
import { mapReply, type RedisCommand } from './redis-rewrite.js';

/**
 * Ordinary traffic while the agent is armed: measured and looked at, never changed, but for the names of shadow keys, which it does not get to see
 * in SCAN and KEYS. What looks like a leak is reported and passes.
 */
export function watchRedis(
  runtime: AgentRuntime,
  names: RedisNames | undefined,
  command: RedisCommand,
  rule: RedisRule,
  client: any,
): void {
  const { name } = command;
  const target = databaseOf(client);
  const startedMs = performance.now();
  onAnswer(command, (error) => {
    runtime.meter.dbOperation(false, 'redis', target, name, errorCode(error), elapsedUs(startedMs));
  });
  if (names === undefined) return;
  if (rule.kind === 'scan' || rule.kind === 'keys') {
    if (!names.asksForShadow(patternOf(command, rule))) hideShadow(command, rule, names);
    return;
  }
  const keys = rule.kind === 'publish' ? command.args.slice(0, 1) : command._iterateKeys((key) => key);
  for (const key of keys) {
    if (key !== undefined && names.isShadow(key)) {
      runtime.suspect('SHADOW_NAME_IN_REAL', `redis ${name} ${String(key).slice(0, 120)}`);
      return;
    }
  }
  const { taint } = runtime.config;
  if (taint === undefined || !rule.write) return;
  for (const key of keys) {
    const id = taintedId(key, taint);
    if (id === undefined) continue;
    runtime.suspect('TAINTED_WRITE', `${id} in redis ${name} ${String(key).slice(0, 120)}`);
    return;
  }
}

/** A number of the shadow range as a part of a key (`account:9000000001`). */
function taintedId(key: RedisText, taint: { from: number; to: number }): number | undefined {
  if (typeof key !== 'string' || key.length > 512) return undefined;
  for (const digits of key.match(/(?<![\w.])\d{4,16}(?![\w.])/g) ?? []) {
    const id = Number(digits);
    if (id >= taint.from && id < taint.to) return id;
  }
  return undefined;
}

function patternOf({ args }: RedisCommand, rule: RedisRule): RedisText {
  if (rule.kind === 'keys') return args[0] ?? '';
  let pattern: RedisText = '';
  for (let i = 1; i + 1 < args.length; i += 2) if (word(args[i]) === 'MATCH') pattern = args[i + 1]!;
  return pattern;
}

function hideShadow(command: RedisCommand, rule: RedisRule, names: RedisNames): void {
  const visible = (list: unknown): unknown =>
    Array.isArray(list) ? list.filter((one) => !names.isShadow(one as RedisText)) : list;
  mapReply(command, (reply) => {
    if (rule.kind === 'keys') return visible(reply);
    return Array.isArray(reply) ? [reply[0], visible(reply[1])] : reply;
  });
}

/** Is told of the answer before the service is; nothing is added to the promise, whose rejections may be nobody's to handle. */
export function onAnswer(command: RedisCommand, told: (error: unknown, reply: unknown) => void): void {
  const { resolve, reject } = command;
  let open = true;
  const tell = (error: unknown, reply: unknown): void => {
    if (!open) return;
    open = false;
    try {
      told(error, reply);
    } catch {
      // the answer belongs to the service: a fault of ours must not keep it back
    }
  };
  command.resolve = (value) => {
    tell(undefined, value);
    return resolve.call(command, value);
  };
  command.reject = (error) => {
    tell(error ?? new Error('rejected'), undefined);
    return reject.call(command, error);
  };
}

/** `db0`: keys are too many to be told apart in a metric. */
export function databaseOf(client: any): string {
  return `db${Number(client?.condition?.select ?? client?.options?.db ?? 0) || 0}`;
}

/** `WRONGTYPE` of an answer, the name of any other error. */
export function errorCode(error: unknown): string | undefined {
  if (error === undefined) return undefined;
  const { name, message, code } = error as { name?: string; message?: string; code?: unknown };
  if (name === 'ReplyError') return /^[A-Z]+/.exec(String(message))?.[0] ?? name;
  return String(code ?? name ?? 'error');
}
