import { readFileSync } from 'node:fs';
import { type AgentConfig, AgentConfigError, type AgentOptions, parseAgentConfig } from './config.js';

/** Options with everything decided, and the configuration or why there is none. */
export interface Settings {
  service: string;
  config: AgentConfig | undefined;
  /** What is wrong, for people: a service runs on with it, shadow traffic is refused. */
  problems: string[];
  telemetry: string | undefined;
  killFile: string | undefined;
  adminPort: number | undefined;
  killSignal: NodeJS.Signals | undefined;
  /** How long contexts are kept after the last flag has expired. */
  lingerMs: number;
  record: AgentOptions['record'];
}

/**
 * A timer that a shadow request left behind is known as shadow, and refused, only while contexts are kept; afterwards it would be taken for ordinary
 * work.
 */
export const DEFAULT_LINGER_MS = 10 * 60_000;

type Env = Record<string, string | undefined>;

/**
 * Puts options, `SHADOWLINE_*` variables and the file together, in this order of precedence. It never throws: an agent must not keep
 * a service from starting.
 */
export function resolveSettings(options: Partial<AgentOptions>, env: Env = process.env): Settings {
  const problems: string[] = [];
  const service = options.service ?? text(env.SHADOWLINE_SERVICE);
  if (service === undefined) problems.push('the service has no name: set SHADOWLINE_SERVICE or the option `service`');
  else if (!/^[\w.-]{1,100}$/.test(service))
    problems.push(`"${service}" is not a service name: letters, digits, . _ -`);
  return {
    service: service ?? 'unnamed',
    config: readConfig(options.config ?? text(env.SHADOWLINE_CONFIG), problems),
    problems,
    telemetry: readUrl(options.telemetry ?? text(env.SHADOWLINE_TELEMETRY), problems),
    killFile: options.killFile ?? text(env.SHADOWLINE_KILL_FILE),
    adminPort: options.adminPort ?? number(env, 'SHADOWLINE_ADMIN_PORT', undefined, problems),
    killSignal: options.killSignal ?? (text(env.SHADOWLINE_KILL_SIGNAL) as NodeJS.Signals | undefined),
    lingerMs: options.lingerMs ?? number(env, 'SHADOWLINE_LINGER_MS', DEFAULT_LINGER_MS, problems)!,
    record: options.record ?? readRecord(env, problems),
  };
}

function readConfig(source: string | AgentConfig | undefined, problems: string[]): AgentConfig | undefined {
  if (source === undefined) {
    problems.push('there is no configuration: set SHADOWLINE_CONFIG or the option `config`');
    return undefined;
  }
  const from = typeof source === 'string' ? source : 'the option `config`';
  try {
    return parseAgentConfig(typeof source === 'string' ? JSON.parse(readFileSync(source, 'utf8')) : source);
  } catch (error) {
    const found = error instanceof AgentConfigError ? error.problems : [(error as Error).message];
    for (const problem of found) problems.push(`${from}: ${problem}`);
    return undefined;
  }
}

function readUrl(value: string | undefined, problems: string[]): string | undefined {
  if (value === undefined) return undefined;
  if (URL.canParse(value) && new URL(value).protocol === 'http:') return value.replace(/\/+$/, '');
  problems.push(`telemetry "${value}" is not an http:// URL`);
  return undefined;
}

function readRecord(env: Env, problems: string[]): AgentOptions['record'] {
  const dir = text(env.SHADOWLINE_RECORD_DIR);
  if (dir === undefined) return undefined;
  return {
    dir,
    session: text(env.SHADOWLINE_RECORD_SESSION) ?? 'peer',
    sample: number(env, 'SHADOWLINE_RECORD_SAMPLE', 1, problems)!,
    maxBodyBytes: number(env, 'SHADOWLINE_RECORD_MAX_BODY_BYTES', 64 * 1024, problems)!,
    maxBufferBytes: number(env, 'SHADOWLINE_RECORD_MAX_BUFFER_BYTES', 16 * 1024 * 1024, problems)!,
    segmentSeconds: number(env, 'SHADOWLINE_RECORD_SEGMENT_SECONDS', 60, problems)!,
    maskKeyEnv: text(env.SHADOWLINE_RECORD_MASK_KEY_ENV) ?? 'SHADOWLINE_MASK_KEY',
    mask: (text(env.SHADOWLINE_RECORD_MASK) ?? '').split(',').filter((field) => field !== ''),
  };
}

function number(env: Env, name: string, fallback: number | undefined, problems: string[]): number | undefined {
  const value = text(env[name]);
  if (value === undefined) return fallback;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value);
  problems.push(`${name}="${value}" is not a number`);
  return fallback;
}

function text(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}
