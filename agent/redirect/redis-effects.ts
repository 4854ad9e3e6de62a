import { runWith, type ShadowContext } from '../context.js';
import type { AgentRuntime } from '../runtime.js';
import { elapsedUs } from './issue.js';
import type { RedisRule } from './redis-commands.js';
import { word } from './redis-expiry.js';
import { issuedAs, markIssued, nameOf } from './redis-issued.js';
import type { RedisText } from './redis-names.js';
import { databaseOf, errorCode, onAnswer } from './redis-real.js';
import { CannotRedirect, type RedisCommand } from './redis-rewrite.js';

/** A shadow command on its way. */
export interface FollowedCommand {
  command: RedisCommand;
  rule: RedisRule;
  context: ShadowContext;
  client: any;
  pipeline: object | undefined;
  prefix: string;
  maxTtlMs: number;
  keys: RedisText[];
  cap: RedisText[];
}

interface Pending {
  followed: FollowedCommand;
  name: string;
  args: RedisText[];
}

/**
 * What follows from the answer to a shadow command: keys without an expiry get one, and the ledger counts. Inside MULTI that waits for the answer
 * to EXEC.
 *
 * Expiry is set by `PEXPIRE key maxTtl LT`, sent the moment the write is answered, before the service can send anything that depends on it. A
 * process that dies between the two leaves a key to the clean-up of the run.
 */
export class RedisEffects {
  readonly #runtime: AgentRuntime;
  /** Commands of a pipeline that the server has queued. */
  readonly #queued = new WeakMap<object, Pending[]>();
  /** Clients whose server did not set an expiry, and why. */
  readonly #uncapped = new WeakMap<object, string>();

  constructor(runtime: AgentRuntime) {
    this.#runtime = runtime;
  }

  /** @throws CannotRedirect when keys could be written by this client that live for ever */
  assertCaps(client: object): void {
    const why = this.#uncapped.get(client);
    if (why !== undefined)
      throw new CannotRedirect(`keys cannot be given an expiry (Redis 7 or later is needed): ${why}`);
  }

  follow(followed: FollowedCommand): void {
    const { command, client, pipeline } = followed;
    // the driver changes both on the way
    const name = nameOf(command);
    const pending = { followed, name, args: [...command.args] };
    const startedMs = performance.now();
    const target = databaseOf(client);
    onAnswer(command, (failure, reply) => {
      // it may have been taken out of its transaction since
      const error = issuedAs(command) === 'refused' ? { code: 'MODE_MISMATCH' } : failure;
      this.#runtime.meter.dbOperation(true, 'redis', target, name, errorCode(error), elapsedUs(startedMs));
      if (pipeline !== undefined && (name === 'exec' || name === 'discard')) {
        this.#ended(pipeline, name === 'exec' && error === undefined ? reply : undefined);
      } else if (error === undefined && name !== 'multi') {
        if (pipeline === undefined || !command.inTransaction) this.#done(pending, reply);
        else this.#queue(pipeline).push(pending);
      }
    });
  }

  #queue(pipeline: object): Pending[] {
    let queue = this.#queued.get(pipeline);
    if (queue === undefined) {
      queue = [];
      this.#queued.set(pipeline, queue);
    }
    return queue;
  }

  /** @param reply of EXEC; nothing was done when it is no list */
  #ended(pipeline: object, reply: unknown): void {
    const queue = this.#queue(pipeline).splice(0);
    if (!Array.isArray(reply)) return;
    // an ordinary command put into a shadow transaction shifts the answers: then each counts as done
    const same = queue.length === reply.length;
    for (const [i, pending] of queue.entries()) {
      if (!same) this.#done(pending, 'OK');
      else if (!(reply[i] instanceof Error)) this.#done(pending, reply[i]);
    }
  }

  #done({ followed, name, args }: Pending, reply: unknown): void {
    const { rule, context, client, prefix, maxTtlMs, cap, command } = followed;
    if (rule.write && rule.kind !== 'publish' && rule.kind !== 'read') {
      const rows = rowsOf(followed, name, args, reply);
      this.#runtime.ledger.wrote(context.flag.runId, 'redis', prefix, name, rows);
    }
    for (const key of cap) this.#cap(client, command, key, maxTtlMs);
  }

  #cap(client: any, command: RedisCommand, key: RedisText, maxTtlMs: number): void {
    const Command = command.constructor as new (name: string, args: unknown[]) => RedisCommand;
    const expire = new Command('pexpire', [key, String(maxTtlMs), 'LT']);
    expire.promise.catch((error: Error) => {
      // anything else is the connection's state, which the service hears of in its own commands
      if (/^(ERR|NOPERM)\b/.test(error.message)) this.#uncapped.set(client, error.message);
    });
    runWith(undefined, () => client.sendCommand(markIssued(expire, 'shadow')));
  }
}

/** Keys written minus keys deleted. A key written twice counts twice: a cache cannot be reconciled. */
function rowsOf({ rule, keys }: FollowedCommand, name: string, args: RedisText[], reply: unknown): number {
  switch (name) {
    case 'del':
    case 'unlink':
      return -(Number(reply) || 0);
    case 'getdel':
      return reply === null ? 0 : -1;
    case 'set':
      return reply === null && !args.slice(2).some((one) => word(one) === 'GET') ? 0 : 1;
    case 'setnx':
    case 'msetnx':
      return Number(reply) === 0 ? 0 : keys.length;
    case 'mset':
      return keys.length;
    case 'setex':
    case 'psetex':
      return 1;
  }
  return rule.kind === 'grow' || rule.kind === 'store' ? 1 : 0;
}
