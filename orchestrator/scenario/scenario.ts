import type { Seed } from '@shadowline/shadow-db/server';
import type { Stage, Think, TransformSpec } from '../engines/engine.js';

/**
 * A scenario, version 1 (docs/formats/scenario.md), as the toolkit uses it: units converted, environment expanded, defaults filled in, paths
 * absolute. The zod parser in parse.ts makes it from YAML and is the only way to get one.
 */
export interface Scenario {
  version: 1;
  name: string;
  /** Absolute path of the file, for messages and relative paths. */
  file: string;
  /** Origin of the entry, e.g. `http://127.0.0.1:8080`. */
  target: string;
  /** `host:port` of every host that the toolkit itself may send to: the target's and these. */
  allowHosts: string[];
  /** One of those hosts is not loopback: `stress run` asks, or wants `--yes`. */
  confirmRequired: boolean;
  /** Absolute path. */
  recording: string;
  services: Record<string, { layer: string | null; instances: number }>;
  shadow: ShadowScenario;
  replay: {
    speed: number;
    think: Think;
    amplifySessions: number;
    /** Correlation is one of the transforms when it is `auto`. */
    transforms: TransformSpec[];
  };
  load: {
    engine: 'node' | 'autocannon' | 'k6';
    model: 'open' | 'closed';
    /** Empty: the recorded schedule. */
    stages: Stage[];
    maxInFlight: number;
    onLimit: 'late' | 'drop' | 'abort';
    timeoutMs: number;
    workers: number;
    /** How long requests in flight and messages may take to finish after the load. */
    drainMs: number;
  };
  slo: Threshold[];
  guardrails: Guardrail[];
  baselineMs: number;
  telemetry: {
    /** `host:port` on which the receiver listens; port 0 is refused since agents must know it. */
    listen: string;
  };
  capacity: { forecastPeakPerSec: number | null };
  report: { html: boolean; junit: boolean };
  /** Why hops are left out (a store that could not be had); goes into the verdict. */
  omissions: string[];
}

export interface ShadowScenario {
  flag: {
    ttlMs: number;
    unit: string | undefined;
    /** Ed25519 private key, PEM; from env or a file with mode 0600. */
    privateKeyPem: string;
    header: string;
    member: string;
    /** Keys that agents accept besides the one above (rotation), by name. */
    publicKeys: Record<string, string>;
    edge: 'open' | 'strict';
    allowFrom: string[];
  };
  mysql: Record<string, MysqlScenario>;
  /** Shadow tables can be made, checked and cleaned; a run is refused, since services cannot be redirected there yet. */
  postgres: Record<string, PostgresScenario>;
  kafka:
    | {
        suffix: string;
        brokers: string[];
        /** Topics of the chain: the preflight lists every consumer group on them. */
        topics: string[];
        messageMaxAgeMs: number;
      }
    | undefined;
  redis: { url: string; prefix: string; maxTtlMs: number } | undefined;
  egress: Record<
    string,
    | { action: 'propagate' }
    | { action: 'allow' }
    | { action: 'mock'; status: number; headers: Record<string, string>; body: string; latencyMs: number }
  >;
  unknown: 'allow' | 'alarm' | 'block';
}

export type TableClass = 'shadow' | 'real-read' | 'refuse';

export interface MysqlScenario {
  /** `mysql://user:password@host:port/database`: an account that may read everything and provision shadow tables. */
  url: string;
  mode: 'table' | 'schema' | 'instance';
  suffix: string;
  schema: string;
  /** Mode schema: shadow schemas of further databases. */
  schemas: Record<string, string>;
  /** Name of the restricted account, and the environment variable that holds its password (in the services as well). */
  account: { user: string; passwordEnv: string };
  /** Tables, `schema.table`, patterns (`order_*`) and ranges (`order_00..order_63`). */
  tables: Record<string, TableClass>;
  /** Distance from the highest real id to the first shadow id; default 1e9. */
  autoIncrementGap?: number | Record<string, number>;
  /** Lets shadow traffic TRUNCATE shadow tables. */
  truncate: boolean;
  /** Lets statements that write read real-read tables, though InnoDB locks the rows that they read until the transaction ends. */
  readLocks: boolean;
  /** Rows copied from real tables into their shadow tables before the run; integer columns may be shifted, others set. */
  seed: Record<string, Seed>;
  /** Tables whose rows have no room for the hidden column that holds the run. */
  withoutRun: string[];
  /** Columns that hold remapped identities: the leak check looks for the shadow range in them. */
  identityColumns: Record<string, string[]>;
  /** How much the leak check may read; default: no table as a whole but small ones. */
  audit: AuditScope;
}

/** Limits of the leak check, in rows and milliseconds. */
export interface AuditScope {
  fullScan?: boolean;
  wholeTableRows?: number;
  maxRows?: number;
  rowsPerSec?: number;
  budgetMs?: number;
}

export interface PostgresScenario {
  /** `postgres://user:password@host:port/database`: an account that may read everything and provision shadow tables. */
  url: string;
  mode: 'table' | 'schema' | 'instance';
  /** The schema that plain names are in. */
  realSchema: string;
  suffix: string;
  /** Shadow schema of `realSchema` (mode schema). */
  schema: string;
  schemas: Record<string, string>;
  account: { user: string; passwordEnv: string };
  tables: Record<string, TableClass>;
  autoIncrementGap?: number | Record<string, number>;
  /** As for MySQL. */
  seed: Record<string, Seed>;
  audit: AuditScope;
}

/** `p99(response, route="POST /transfers") < 400ms`, `errors < 0.1%`. */
export interface Threshold {
  source: string;
  metric:
    | {
        kind: 'latency';
        percentile: number;
        of: 'response' | 'service' | 'lateness' | 'sessionWait';
        route: string | null;
      }
    | { kind: 'errors'; route: string | null }
    | { kind: 'throughput' };
  comparison: '<' | '<=' | '>' | '>=';
  /** Microseconds, share or per second. */
  limit: number;
  unit: 'us' | 'share' | 'perSec';
}

/** `real p99 < 1.2x baseline for 10s`, `real errors < baseline + 0.1% for 5s`, `generator lateness p99 < 5ms`. */
export interface Guardrail {
  source: string;
  subject: 'real' | 'generator';
  metric: { kind: 'latency'; percentile: number } | { kind: 'errors' } | { kind: 'lateness'; percentile: number };
  limit: { kind: 'factor'; factor: number } | { kind: 'plus'; plus: number } | { kind: 'absolute'; value: number };
  forMs: number;
  /** `abort` for real users; a generator guardrail marks steps. */
  action: 'abort' | 'mark';
}
