import type { ShadowContext } from '../context.js';
import type { ShadowRefusedError } from '../errors.js';
import type { AgentRuntime } from '../runtime.js';
import { isRefusal, issueMode, refusalOf } from './issue.js';
import { type RedisRule, redisRule } from './redis-commands.js';
import { RedisEffects } from './redis-effects.js';
import { issuedAs, markIssued, nameOf, refuseInPlace } from './redis-issued.js';
import { RedisNames } from './redis-names.js';
import { watchRedis } from './redis-real.js';
import { CannotRedirect, type RedisCommand, rewriteCommand } from './redis-rewrite.js';

export interface RedisPipeline {
  redis: any;
  isCluster: boolean;
  _queue: RedisCommand[];
  _transactions: number;
}

/** What ordinary work has open on a connection that it shares with shadow work. */
interface OpenWork {
  watching: boolean;
  /** MULTI without a pipeline. */
  transaction: boolean;
}

/** The one place where a command gets its mode, for clients, clusters and pipelines. */
export class RedisGate {
  readonly #runtime: AgentRuntime;
  readonly #names: RedisNames | undefined;
  readonly #effects: RedisEffects;
  readonly #open = new WeakMap<object, OpenWork>();

  constructor(runtime: AgentRuntime) {
    this.#runtime = runtime;
    const { redis } = runtime.config;
    this.#names = redis === undefined ? undefined : new RedisNames(redis.prefix);
    this.#effects = new RedisEffects(runtime);
  }

  /** A command that is sent at once. @returns a refusal: the command must not be sent then */
  issue(command: RedisCommand, client: any): ShadowRefusedError | undefined {
    if (issuedAs(command) !== undefined) return undefined;
    const refusal = this.#decide(command, client, undefined);
    markIssued(command, refusal === undefined ? (issuedAs(command) ?? 'real') : 'refused');
    return refusal;
  }

  /**
   * A command that is put into a pipeline. Others wait for the answers around it, so a refused one is not left out: an empty command takes its
   * place, and its answer becomes the refusal.
   */
  issueInPipeline(command: RedisCommand, pipeline: RedisPipeline): void {
    if (issuedAs(command) !== undefined) return;
    const refusal = this.#decide(command, pipeline.redis, pipeline);
    if (refusal !== undefined) refuseInPlace(command, refusal);
    else if (issuedAs(command) === undefined) markIssued(command, 'real');
  }

  #decide(command: RedisCommand, client: any, pipeline: RedisPipeline | undefined): ShadowRefusedError | undefined {
    const runtime = this.#runtime;
    if (runtime.state() === 'idle') return undefined;
    try {
      const rule = redisRule(command.name);
      const context = this.#ends(command, client, pipeline)
        ? undefined
        : issueMode(runtime, `redis ${command.name}`, rule.write);
      if (context === undefined) {
        this.#note(command, client, pipeline);
        watchRedis(runtime, this.#names, command, rule, client);
        return undefined;
      }
      return this.#redirect(command, rule, context, client, pipeline);
    } catch (error) {
      if (isRefusal(error)) return error;
      if (error instanceof CannotRedirect) {
        return runtime.refuse('COMMAND_REFUSED', `${command.name}: ${error.message}`);
      }
      return refusalOf(runtime, error);
    }
  }

  /** Whoever issues it, and whenever: refused, because its request is over say, it would leave the connection open for good. */
  #ends(command: RedisCommand, client: object, pipeline: RedisPipeline | undefined): boolean {
    return pipeline === undefined && nameOf(command) === 'quit' && this.#open.get(client)?.transaction !== true;
  }

  #redirect(
    command: RedisCommand,
    rule: RedisRule,
    context: ShadowContext,
    client: any,
    pipeline: RedisPipeline | undefined,
  ): ShadowRefusedError | undefined {
    const runtime = this.#runtime;
    const { redis } = runtime.config;
    if (redis === undefined || this.#names === undefined) {
      return runtime.refuse('STORE_UNDECLARED', 'there is no redis in the configuration');
    }
    if (rule.kind === 'refuse') return runtime.refuse('COMMAND_REFUSED', `${command.name}: ${rule.reason}`);
    const mismatch = this.#mismatch(command, client, pipeline);
    if (mismatch !== undefined) return runtime.refuse('MODE_MISMATCH', mismatch);
    const prefix = this.#names.prefix(context.flag.runId);
    const maxTtlMs = redis.maxTtlS * 1000;
    const rewritten = rewriteCommand(command, rule, this.#names, prefix, maxTtlMs);
    if (rewritten.cap.length > 0) this.#effects.assertCaps(client);
    markIssued(command, 'shadow');
    this.#effects.follow({ command, rule, context, client, pipeline, prefix, maxTtlMs, ...rewritten });
    context.touched?.add(`redis:${redis.prefix}`);
    return undefined;
  }

  /** State of the connection that ordinary work would find changed. */
  #mismatch(command: RedisCommand, client: any, pipeline: RedisPipeline | undefined): string | undefined {
    const open = this.#open.get(client);
    if (open?.transaction) return 'the connection is inside a MULTI of ordinary work';
    const name = nameOf(command);
    const control = name === 'multi' || name === 'exec' || name === 'discard';
    if (pipeline === undefined) {
      return control ? `${name} without a pipeline would take in what others send on this connection` : undefined;
    }
    if (pipeline.isCluster && isAutomatic(pipeline)) {
      return 'automatic pipelines of a cluster are grouped by the slots of real keys';
    }
    const begun = lastTransaction(pipeline);
    if (name === 'multi') {
      if (open?.watching) return 'ordinary work watches keys on this connection, and EXEC would end that';
      // the pipeline counts its own multi(); call('multi') would leave the connection open
      return pipeline._transactions > 0 ? undefined : 'multi must be called as a method';
    }
    if (begun.length > 0 && issuedAs(begun[0]!) === 'real') {
      // ending it is the only thing to do with it
      return control ? undefined : 'a shadow command in a MULTI of ordinary work';
    }
    if (name !== 'exec' || begun.some((one) => issuedAs(one) === 'real')) return undefined;
    const refused = begun.some((one) => issuedAs(one) === 'refused');
    if (!refused && !open?.watching) return undefined;
    // nothing of a transaction happens when a part of it may not
    const detail = refused ? 'a command of the transaction was refused' : 'ordinary work watches keys here';
    for (const one of begun) {
      if (issuedAs(one) !== 'refused') refuseInPlace(one, this.#runtime.refuse('MODE_MISMATCH', detail));
    }
    return detail;
  }

  /** Remembers what ordinary work has open on a connection. */
  #note(command: RedisCommand, client: object, pipeline: RedisPipeline | undefined): void {
    switch (command.name.toLowerCase()) {
      case 'watch':
        this.#openOf(client).watching = true;
        return;
      case 'multi':
        if (pipeline === undefined) this.#openOf(client).transaction = true;
        return;
      case 'exec':
      case 'discard':
      case 'reset':
      case 'quit':
        this.#open.delete(client);
        return;
      case 'unwatch': {
        const open = this.#open.get(client);
        if (open !== undefined) open.watching = false;
      }
    }
  }

  #openOf(client: object): OpenWork {
    let open = this.#open.get(client);
    if (open === undefined) {
      open = { watching: false, transaction: false };
      this.#open.set(client, open);
    }
    return open;
  }

  /** A new connection has nothing open. */
  connected(client: object): void {
    this.#open.delete(client);
  }
}

/** The commands since the last MULTI that is not ended, with it. */
function lastTransaction({ _queue }: RedisPipeline): RedisCommand[] {
  for (let i = _queue.length - 1; i >= 0; i--) {
    const name = nameOf(_queue[i]!);
    if (name === 'exec' || name === 'discard') return [];
    if (name === 'multi') return _queue.slice(i);
  }
  return [];
}

function isAutomatic(pipeline: RedisPipeline): boolean {
  for (const one of pipeline.redis._autoPipelines.values()) if (one === pipeline) return true;
  return false;
}
