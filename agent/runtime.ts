import type { AgentConfig } from './config.js';
import type { ShadowContext } from './context.js';
import type { RefusalCode, ShadowRefusedError } from './errors.js';
import type { FlagVerifier } from './flag.js';

/**
 * What an instrumentation gets to work with. Every instrumentation has the shape of `Instrumentation` and lives in one file under
 * instrument/; it never imports the library that it instruments, and takes everything from `exports` and `AgentRuntime`.
 */
export interface Instrumentation {
  /** npm name, e.g. `mysql2`. */
  readonly name: string;
  /** Versions it was tested with, as a semver range of majors: shown in status and in the preflight. */
  readonly versions: string;
  /**
   * Files of the library to wrap, as a suffix of the path (`mysql2/lib/base/pool.js`) or a built-in (`node:http`), and what to do
   * with their exports when they are loaded. `wrap` returns the function that restores them. It must be safe to call once a copy
   * of the library; a throw is reported as "not instrumented", which makes the agent refuse shadow traffic.
   */
  readonly targets: readonly { file: string; wrap(exports: any, runtime: AgentRuntime): () => void }[];
}

export type AgentState =
  /** No run: the agent looks at one header and is gone. */
  | 'idle'
  /** A valid flag was seen and has not expired, or the agent was armed by hand. */
  | 'armed'
  /** Flagged requests are refused with 503 until the agent is re-armed. */
  | 'killed';

export interface AgentRuntime {
  readonly service: string;
  readonly instance: string;
  readonly config: AgentConfig;
  /** Hash of the configuration: the same in all services of a chain. */
  readonly configVersion: string;
  readonly verifier: FlagVerifier;
  readonly meter: Meter;
  readonly ledger: Ledger;
  state(): AgentState;
  /** Checks a token that came in, arms the agent when it is valid. Messages may be expired up to the configured age. */
  admit(token: string, kind: 'request' | 'message', probe: string | undefined): Admission;
  /** Counts a refusal, reports it and makes the error. The caller throws it or passes it to a callback. */
  refuse(code: RefusalCode, detail: string): ShadowRefusedError;
  /** Reports something that looks like a leak or a lost context; the stack of the caller is sampled. */
  suspect(code: SuspectCode, detail: string): void;
  /**
   * The mode in which an operation must run that is issued now on a store. Returns the shadow context, or undefined for ordinary
   * (also when unknown and the policy allows it).
   * @throws ShadowRefusedError when the shadow context has ended, or the agent was killed, or it is unknown and the policy blocks.
   */
  modeOf(operation: string): ShadowContext | undefined;
  /**
   * Runs `fn` with the egress guard off: for the connections that an instrumentation opens to a store on behalf of shadow traffic. Only
   * what connects synchronously inside `fn` is let through; a driver that connects later is started with `runWith(undefined, …)`.
   */
  permitted<T>(fn: () => T): T;
  /** Acknowledges a probe: called once by the hop's entry when the request or message is over. */
  acknowledge(context: ShadowContext, via: 'http' | 'kafka', route: string): void;
}

export type Admission =
  | { ok: true; context: ShadowContext }
  | { ok: false; error: ShadowRefusedError; status: 403 | 503 };

export type SuspectCode =
  /** A write without a context while armed. */
  | 'UNKNOWN_WRITE'
  /** A bound parameter of a real write lies in the shadow id range. */
  | 'TAINTED_WRITE'
  /** Real traffic names a shadow table, topic or key. */
  | 'SHADOW_NAME_IN_REAL'
  /** A flagged call was answered without an acknowledgement. */
  | 'HOP_UNACKNOWLEDGED'
  /** A driver's own channel fired for an operation that the wrap did not see. */
  | 'UNSEEN_OPERATION'
  /** A message with a flag that no key signed. */
  | 'FORGED_MESSAGE';

/** Attribute values in one fixed order per metric (docs/formats/telemetry.md); kept short, bounded in number. */
export interface Meter {
  /** `http.server.request.duration`: `route` is `METHOD /path/:id`. Real requests are measured while armed. */
  serverRequest(shadow: boolean, route: string, status: number, durationUs: number): void;
  /** `http.client.request.duration`: `peer` is the acknowledged service, or `host:port`. */
  clientRequest(shadow: boolean, peer: string, status: number | string, durationUs: number): void;
  /** `db.client.operation.duration`. `error` is a driver's code. */
  dbOperation(
    shadow: boolean,
    system: 'mysql' | 'redis',
    target: string,
    operation: string,
    error: string | undefined,
    durationUs: number,
  ): void;
  /** `messaging.client.operation.duration` and `messaging.process.duration`. */
  message(
    shadow: boolean,
    direction: 'send' | 'process',
    topic: string,
    error: string | undefined,
    durationUs: number,
  ): void;
}

/** Writes that were redirected, by run and target; committed ones only. Reconciled with what the shadow stores hold. */
export interface Ledger {
  /**
   * @param target `bank.transfers_shadow`, a topic, a key prefix
   * @param rows inserted minus deleted rows for a table (0 for updates), messages for a topic, keys for Redis
   */
  wrote(runId: string, store: 'mysql' | 'kafka' | 'redis', target: string, operation: string, rows: number): void;
}
