import { createHash } from 'node:crypto';

export { AgentConfigError, parseAgentConfig } from './config-check.js';

/**
 * The agent's configuration, version 1 (docs/formats/agent-config.md). It is JSON: a YAML parser would be the agent's heaviest part. `stress
 * agent-config scenario.yaml` writes it from a scenario, so that all services of a chain share one file and one
 * configuration version. Options given to `startAgent` win over `SHADOWLINE_*` variables, which win over the file.
 */
export interface AgentConfig {
  version: 1;
  flag: {
    /** Public Ed25519 keys by name: 32 raw bytes in base64url, or PEM. */
    keys: Record<string, string>;
    /** Plain header; default `x-shadow`. */
    header: string;
    /** Baggage member; default `shadow`. */
    member: string;
    /** `strict`: the flag is stripped from callers outside `allowFrom`; `open`: every caller may send a signed flag. */
    edge: 'open' | 'strict';
    /** IP addresses or CIDR ranges. */
    allowFrom: string[];
  };
  mysql: Record<string, MysqlStoreConfig>;
  kafka: { suffix: string; messageMaxAgeS: number; topics: string[] } | undefined;
  redis: { prefix: string; maxTtlS: number } | undefined;
  /** By `host:port`. What is not listed is denied to shadow traffic. */
  egress: Record<string, EgressRule>;
  /** What to do with a database write, message or egress that has no context while armed. Ordinary work may be such (timers). */
  unknown: 'allow' | 'alarm' | 'block';
  /** Reserved range of shadow ids: `from` inclusive. Bound parameters of real writes are scanned for it. */
  taint: { from: number; to: number } | undefined;
}

export interface MysqlStoreConfig {
  /** A connection belongs to this store when its database (and host and port where given) match. */
  database: string;
  host?: string;
  port?: number;
  mode: 'table' | 'schema' | 'instance';
  suffix: string;
  schema: string;
  /** Mode `schema`: shadow schemas of further databases; default `<database><suffix>`. */
  schemas: Record<string, string>;
  /** `host:port` of the shadow server, for mode `instance`. */
  instance?: string;
  account: { user: string /** Name of the environment variable that holds the password. */; passwordEnv: string };
  /** Tables, `schema.table`, patterns (`order_*`) and ranges (`order_00..order_63`). */
  tables: Record<string, 'shadow' | 'real-read' | 'refuse'>;
  /** Lets TRUNCATE through to shadow tables; it commits implicitly and resets AUTO_INCREMENT. */
  truncate: boolean;
  /** Lets statements that write read real-read tables, though InnoDB locks the rows that they read until the transaction ends. */
  readLocks: boolean;
}

export type EgressRule =
  /** An agent runs there: the flag goes along, and an answer without its acknowledgement is reported. */
  | { action: 'propagate' }
  /** Let through without the flag (a harmless read). */
  | { action: 'allow' }
  /** A canned response, without a connection. */
  | { action: 'mock'; status: number; headers: Record<string, string>; body: string; latencyMs: number };

/** How one process runs its agent: not part of the configuration's version. */
export interface AgentOptions {
  /** Name of the service, as in the scenario. Env SHADOWLINE_SERVICE. */
  service: string;
  /** Path of the JSON file, or the configuration itself. Env SHADOWLINE_CONFIG. */
  config: string | AgentConfig;
  /** Where telemetry goes: an OTLP/HTTP base URL. Env SHADOWLINE_TELEMETRY. Without it nothing is sent. */
  telemetry?: string;
  /** While this file exists the agent is killed. Env SHADOWLINE_KILL_FILE. */
  killFile?: string;
  /** Port of the admin server on loopback (GET /status, POST /kill, POST /rearm); 0 = any. Env SHADOWLINE_ADMIN_PORT. */
  adminPort?: number;
  /** Signal that throws the kill switch; none by default, because a service may use signals itself. Env SHADOWLINE_KILL_SIGNAL. */
  killSignal?: NodeJS.Signals;
  /**
   * How long contexts are kept after the last flag has expired, in milliseconds; default 10 minutes. Work that a shadow request left behind (a
   * timer) is refused for so long. Env SHADOWLINE_LINGER_MS.
   */
  lingerMs?: number;
  /** Records ordinary requests to this folder. Env SHADOWLINE_RECORD_DIR (and SHADOWLINE_RECORD_* for the rest). */
  record?: {
    dir: string;
    /** `header:<name>`, `cookie:<name>` or `peer`. */
    session: string;
    /** Share of sessions, 0…1. */
    sample: number;
    maxBodyBytes: number;
    maxBufferBytes: number;
    segmentSeconds: number;
    /** Key of the masking tokens; env SHADOWLINE_MASK_KEY. Masking without a key uses a random one per process. */
    maskKeyEnv: string;
    /** Further fields to mask: `header:x`, `body.a.b`, `query:x`. */
    mask: string[];
  };
}

/**
 * The version of a configuration: the first 12 hex digits of the SHA-256 of its canonical JSON (keys sorted, defaults filled in).
 * The same in all services that share the file, and computed by the orchestrator for the preflight.
 */
export function configVersionOf(config: AgentConfig): string {
  return createHash('sha256').update(canonicalJson(config)).digest('hex').slice(0, 12);
}

function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`;
}
