import type { RedisRule } from './redis-commands.js';
import { capExpiry, capSet, word } from './redis-expiry.js';
import { prefixed, prefixedPattern, type RedisNames, type RedisText, stripped } from './redis-names.js';

/** A command of ioredis, as far as it is needed. */
export interface RedisCommand {
  name: string;
  args: RedisText[];
  keys?: RedisText[] | undefined;
  slot?: unknown;
  inTransaction: boolean;
  promise: Promise<unknown>;
  callback?: unknown;
  resolve(value: unknown): unknown;
  reject(error: unknown): void;
  transformReply(reply: unknown): unknown;
  toWritable(socket: unknown): string | Buffer;
  _iterateKeys(transform: (key: RedisText) => RedisText): RedisText[];
}

export interface RewrittenCommand {
  /** Keys with their prefix. */
  keys: RedisText[];
  /** Those of them whose life has to be capped when the command has been answered. */
  cap: RedisText[];
}

/** A command cannot be redirected; the reason is meant for the detail of a refusal. */
export class CannotRedirect extends Error {}

/**
 * Rewrites the arguments of a command in place, so that it touches nothing but names below the prefix, and its answer, so that the service does
 * not see the prefix.
 * @param prefix of the run
 * @throws CannotRedirect
 */
export function rewriteCommand(
  command: RedisCommand,
  rule: RedisRule,
  names: RedisNames,
  prefix: string,
  maxTtlMs: number,
): RewrittenCommand {
  const name = command.name.toLowerCase();
  const { args } = command;
  checkWords(command, rule);
  const rename = (key: RedisText): RedisText => {
    if (typeof key !== 'string' && !Buffer.isBuffer(key)) throw new CannotRedirect('an argument is missing');
    if (names.isShadow(key)) throw new CannotRedirect(`${String(key).slice(0, 80)} has the shadow prefix already`);
    return prefixed(prefix, key);
  };
  switch (rule.kind) {
    case 'pass':
      return { keys: [], cap: [] };
    case 'publish':
      if (args.length > 0) args[0] = rename(args[0]!);
      forget(command);
      return { keys: [], cap: [] };
    case 'keys':
      if (args.length > 0) args[0] = prefixedPattern(prefix, args[0]!);
      mapReply(command, (reply) => stripAll(prefix, reply));
      return { keys: [], cap: [] };
    case 'scan':
      prefixMatch(args, prefix);
      mapReply(command, (reply) => (Array.isArray(reply) ? [reply[0], stripAll(prefix, reply[1])] : reply));
      return { keys: [], cap: [] };
  }
  const keys = renameKeys(command, rule, rename);
  const nowMs = Date.now();
  let cap: RedisText[] = [];
  if (rule.kind === 'grow') cap = keys;
  else if (rule.kind === 'store') cap = keys.slice(0, 1);
  else if (rule.kind === 'expiry') capExpiry(name, args, maxTtlMs, nowMs);
  else if (rule.kind === 'set' && capSet(args, maxTtlMs, nowMs)) cap = keys;
  if (rule.names === 'streams') mapReply(command, (reply) => stripStreams(prefix, reply));
  else if (rule.names === 'popped') mapReply(command, (reply) => stripFirst(prefix, reply));
  return { keys, cap };
}

function checkWords({ args, name }: RedisCommand, rule: RedisRule): void {
  if (rule.only !== undefined && !rule.only.includes(word(args[0]))) {
    throw new CannotRedirect(`${name} ${word(args[0])} has no shadow rule`);
  }
  if (rule.without === undefined) return;
  const found = args.slice(rule.names === 'streams' ? 0 : 1).find((arg) => rule.without!.includes(word(arg)));
  if (found !== undefined) throw new CannotRedirect(`${name} with ${word(found)} has no shadow rule`);
}

/** Positions of keys are what the service's own copy of ioredis knows; subcommands are told by the table of rules. */
function renameKeys(command: RedisCommand, rule: RedisRule, rename: (key: RedisText) => RedisText): RedisText[] {
  forget(command);
  if (rule.only !== undefined) {
    if (command.args.length < 2) throw new CannotRedirect('an argument is missing');
    command.args[1] = rename(command.args[1]!);
    command.keys = [command.args[1]];
    return command.keys;
  }
  const keys = command._iterateKeys(rename);
  if (keys.length === 0) throw new CannotRedirect('this version of ioredis knows none of its keys');
  return keys;
}

/** Keys and the slot are remembered by the command since its constructor. */
function forget(command: RedisCommand): void {
  command.keys = undefined;
  command.slot = undefined;
}

/** SCAN cursor [MATCH pattern] [COUNT n] [TYPE t]. The last MATCH counts for the server, so all are given the prefix. */
function prefixMatch(args: RedisText[], prefix: string): void {
  let matches = 0;
  for (let i = 1; i < args.length; i += 2) {
    if (word(args[i]) !== 'MATCH' || i + 1 >= args.length) continue;
    args[i + 1] = prefixedPattern(prefix, args[i + 1]!);
    matches++;
  }
  if (matches === 0) args.push('MATCH', prefixedPattern(prefix, '*'));
}

/** Changes the answer on its way to the service; inside MULTI it is asked again for the answer in EXEC. */
export function mapReply(command: RedisCommand, map: (reply: unknown) => unknown): void {
  const { transformReply } = command;
  command.transformReply = function (this: RedisCommand, reply: unknown) {
    return map(transformReply.call(this, reply));
  };
}

function stripAll(prefix: string, names: unknown): unknown {
  return Array.isArray(names) ? names.map((one) => stripped(prefix, one)) : names;
}

/** `[key, elements]` */
function stripFirst(prefix: string, reply: unknown): unknown {
  return Array.isArray(reply) ? [stripped(prefix, reply[0]), ...reply.slice(1)] : reply;
}

/** `[[key, entries], …]` */
function stripStreams(prefix: string, reply: unknown): unknown {
  return Array.isArray(reply) ? reply.map((one) => stripFirst(prefix, one)) : reply;
}
