import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { threadId } from 'node:worker_threads';
import { type AgentConfig, configVersionOf } from './config.js';
import {
  activateContexts,
  contextsActive,
  currentContext,
  deactivateContexts,
  REAL,
  runWith,
  type ShadowContext,
} from './context.js';
import { type RefusalCode, ShadowRefusedError } from './errors.js';
import { type Flag, FlagVerifier, readPublicKey } from './flag.js';
import { DEFAULT_LINGER_MS, type Settings } from './options.js';
import type { Admission, AgentRuntime, AgentState, SuspectCode } from './runtime.js';
import { ShadowScope } from './scope.js';
import { Telemetry } from './telemetry/telemetry.js';

const TICK_MS = 1_000;
/** Requests that were under way when the agent armed have no context: for so long that says nothing. */
const SETTLE_MS = 2_000;
/** What the agent stands in for when there is no valid configuration: it knows no key, so nothing is ever admitted. */
const NO_CONFIG: AgentConfig = {
  version: 1,
  flag: { keys: {}, header: 'x-shadow', member: 'shadow', edge: 'open', allowFrom: [] },
  mysql: {},
  kafka: undefined,
  redis: undefined,
  egress: {},
  unknown: 'alarm',
  taint: undefined,
};

/** These say that shadow work may have touched something real: the agent refuses everything flagged from then on. */
const KILLING: ReadonlySet<SuspectCode> = new Set([
  'TAINTED_WRITE',
  'SHADOW_NAME_IN_REAL',
  'HOP_UNACKNOWLEDGED',
  'UNSEEN_OPERATION',
]);

export interface AgentCounters {
  admitted: number;
  refused: Record<string, number>;
  suspects: Record<string, number>;
  /** Flagged requests and messages that are not over. */
  open: number;
}

/**
 * The state of one agent.
 *
 * | state  | valid flag | last flag expired, nothing open, linger over | kill()          | rearm()                |
 * | ------ | ---------- | ------------------------------------------- | --------------- | ---------------------- |
 * | idle   | armed      | –                                           | killed          | –                      |
 * | armed  | armed      | idle                                        | killed          | –                      |
 * | killed | refused    | killed (contexts off)                       | killed          | armed or idle          |
 *
 * Contexts stay on after a kill until everything open is over: what is in flight must still be known as shadow, to be refused.
 */
export class Runtime implements AgentRuntime {
  readonly service: string;
  readonly instance =
    `${hostname()}-${process.pid}${threadId === 0 ? '' : `.${threadId}`}-${Math.random().toString(36).slice(2, 8)}`;
  readonly config: AgentConfig;
  readonly configVersion: string;
  readonly verifier: FlagVerifier;
  readonly telemetry: Telemetry;
  readonly counters: AgentCounters = { admitted: 0, refused: {}, suspects: {}, open: 0 };
  /** Libraries wrapped, `name@version`. */
  readonly instrumented = new Set<string>();
  readonly #problems: string[];
  readonly #killFile: string | undefined;
  readonly #lingerMs: number;
  readonly #onDisarm: (() => void)[] = [];
  readonly #onArm: (() => void)[] = [];
  #armedAtMs = 0;
  #armedUntilMs = 0;
  #killed: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #permitted = 0;

  constructor(settings: Settings) {
    this.service = settings.service;
    this.config = settings.config ?? NO_CONFIG;
    this.configVersion = settings.config === undefined ? 'none' : configVersionOf(settings.config);
    this.verifier = new FlagVerifier(Object.values(this.config.flag.keys).map(readPublicKey));
    this.#problems = [...settings.problems];
    this.#killFile = settings.killFile;
    this.#lingerMs = settings.lingerMs;
    this.telemetry = new Telemetry(
      {
        service: this.service,
        instance: this.instance,
        configVersion: this.configVersion,
        state: () => this.state(),
        instrumented: () => [...this.instrumented],
        problems: () => this.problems,
      },
      settings.telemetry,
    );
  }

  get meter(): Telemetry['meter'] {
    return this.telemetry.meter;
  }

  get ledger(): Telemetry['ledger'] {
    return this.telemetry.ledger;
  }

  get problems(): string[] {
    return this.#problems;
  }

  get killedBecause(): string | undefined {
    return this.#killed;
  }

  /** Something is wrong with this agent: from now on it refuses all that is flagged. */
  addProblem(problem: string): void {
    if (this.#problems.includes(problem)) return;
    this.#problems.push(problem);
    process.stderr.write(`[shadowline] ${this.service}: ${problem}. Shadow traffic is refused.\n`);
    this.telemetry.hello();
  }

  addInstrumented(name: string): void {
    if (this.instrumented.has(name)) return;
    this.instrumented.add(name);
    this.telemetry.hello();
  }

  onArm(listener: () => void): void {
    this.#onArm.push(listener);
  }

  onDisarm(listener: () => void): void {
    this.#onDisarm.push(listener);
  }

  state(): AgentState {
    if (this.#killed !== undefined) return 'killed';
    return contextsActive() ? 'armed' : 'idle';
  }

  admit(token: string, kind: 'request' | 'message', probe: string | undefined): Admission {
    if (this.#problems.length > 0) return this.#refusal('AGENT_NOT_READY', this.#problems[0]!, 503);
    const nowMs = Date.now();
    const verdict = this.verifier.verify(token, nowMs);
    const { flag } = verdict;
    if (flag === undefined || !(verdict.ok || (kind === 'message' && this.#isYoung(flag, nowMs)))) {
      return this.#refusal(verdict.ok ? 'FLAG_MALFORMED' : verdict.code, `in a ${kind}`, 403);
    }
    if (this.#killed === undefined) this.#arm(flag.expiresAtMs, `run ${flag.runId}`);
    if (this.#killed !== undefined) return this.#refusal('AGENT_KILLED', this.#killed, 503);
    this.counters.admitted++;
    this.counters.open++;
    const context = new ShadowScope(flag, token, probe, () => this.#closed());
    return { ok: true, context };
  }

  #isYoung(flag: Flag, nowMs: number): boolean {
    return nowMs - flag.expiresAtMs <= (this.config.kafka?.messageMaxAgeS ?? 0) * 1000;
  }

  #refusal(code: RefusalCode, detail: string, status: 403 | 503): Admission {
    return { ok: false, error: this.refuse(code, detail), status };
  }

  refuse(code: RefusalCode, detail: string): ShadowRefusedError {
    this.counters.refused[code] = (this.counters.refused[code] ?? 0) + 1;
    this.telemetry.refused(code, detail);
    return new ShadowRefusedError(code, detail);
  }

  suspect(code: SuspectCode, detail: string): void {
    this.counters.suspects[code] = (this.counters.suspects[code] ?? 0) + 1;
    this.telemetry.suspect(code, detail, new Error(code).stack);
    // A probe finds hops without an agent before there is any load; the preflight refuses then, and nothing has to be re-armed.
    const context = currentContext();
    const isProbe = context?.mode === 'shadow' && context.probe !== undefined;
    if (KILLING.has(code) && !isProbe) this.kill(`${code}: ${detail}`);
  }

  modeOf(operation: string): ShadowContext | undefined {
    if (!contextsActive()) return undefined;
    const context = currentContext();
    if (context === undefined) {
      if (this.config.unknown === 'allow' || Date.now() - this.#armedAtMs < SETTLE_MS) return undefined;
      this.suspect('UNKNOWN_WRITE', operation);
      if (this.config.unknown === 'block') throw this.refuse('MODE_MISMATCH', `${operation} has no context`);
      return undefined;
    }
    if (context.mode === 'real') return undefined;
    this.assertUsable(context, operation);
    return context;
  }

  /** @throws ShadowRefusedError when nothing may be issued under this context any more. */
  assertUsable(context: ShadowContext, operation: string): void {
    if (context.ended) throw this.refuse('CONTEXT_ENDED', operation);
    if (this.#killed !== undefined) throw this.refuse('AGENT_KILLED', `${operation}: ${this.#killed}`);
  }

  permitted<T>(fn: () => T): T {
    this.#permitted++;
    try {
      return fn();
    } finally {
      this.#permitted--;
    }
  }

  get isPermitted(): boolean {
    return this.#permitted > 0;
  }

  acknowledge(context: ShadowContext, via: 'http' | 'kafka', route: string): void {
    if (context.probe === undefined) return;
    const touched = [...(context.touched ?? [])].join(',');
    this.telemetry.event('shadowline.acknowledge', `${this.service} took part in probe ${context.probe}: ${route}`, {
      'shadowline.probe': context.probe,
      'shadowline.run': context.flag.runId,
      via,
      'http.route': via === 'http' ? route : undefined,
      'messaging.destination.name': via === 'kafka' ? route : undefined,
      touched,
    });
  }

  /** Arms by hand, for as long as no flag says otherwise: ordinary requests are measured. */
  arm(forMs = 60_000): void {
    if (this.#killed === undefined) this.#arm(Date.now() + forMs, 'by hand');
  }

  kill(reason: string): void {
    if (this.#killed !== undefined) return;
    const from = this.state();
    this.#killed = reason;
    process.stderr.write(`[shadowline] ${this.service}: kill switch on, flagged requests are refused: ${reason}\n`);
    this.#changed(from, reason);
  }

  /** @returns false when the kill file is still there. */
  rearm(): boolean {
    if (this.#killed === undefined) return true;
    if (this.#killFileExists()) return false;
    this.#killed = undefined;
    this.#changed('killed', 're-armed');
    return true;
  }

  /** From now on everything flagged is refused, what is in flight included. */
  async stop(): Promise<void> {
    this.kill('the agent was stopped');
    if (this.counters.open === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      deactivateContexts();
    }
    await this.telemetry.stop();
  }

  #arm(untilMs: number, reason: string): void {
    // An expired message still needs its context known until it is worked off, and so does what a request left behind.
    const until = Math.max(untilMs, Date.now()) + this.#lingerMs;
    if (until > this.#armedUntilMs) this.#armedUntilMs = until;
    if (contextsActive()) return;
    if (this.#killFileExists()) {
      this.kill(`kill file ${this.#killFile}`);
      return;
    }
    for (const listener of this.#onArm) listener();
    activateContexts();
    this.#armedAtMs = Date.now();
    this.#timer = runWith(REAL, () => setInterval(() => this.#tick(), TICK_MS));
    this.#timer.unref();
    this.#changed('idle', reason);
  }

  #tick(): void {
    if (this.#killed === undefined && this.#killFileExists()) this.kill(`kill file ${this.#killFile}`);
    if (Date.now() < this.#armedUntilMs || this.counters.open > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    const from = this.state();
    deactivateContexts();
    for (const listener of this.#onDisarm) listener();
    if (this.#killed === undefined) this.#changed(from, 'the last flag has expired');
  }

  #closed(): void {
    this.counters.open--;
    const until = Date.now() + this.#lingerMs;
    if (until > this.#armedUntilMs) this.#armedUntilMs = until;
  }

  #killFileExists(): boolean {
    return this.#killFile !== undefined && existsSync(this.#killFile);
  }

  #changed(from: AgentState, reason: string): void {
    const to = this.state();
    this.telemetry.hello();
    this.telemetry.event('shadowline.state', `${this.service}: ${from} → ${to}: ${reason}`, { from, to, reason });
  }
}

/** A runtime by itself, without any library wrapped: for the tests of an instrumentation. `startAgent` is what a service wants. */
export function createRuntime(options: Partial<Settings> & { service: string }): Runtime {
  return new Runtime({
    config: undefined,
    problems: [],
    telemetry: undefined,
    killFile: undefined,
    adminPort: undefined,
    killSignal: undefined,
    lingerMs: DEFAULT_LINGER_MS,
    record: undefined,
    ...options,
  });
}
