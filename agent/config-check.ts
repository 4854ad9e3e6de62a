import { isIP } from 'node:net';
import type { AgentConfig, EgressRule, MysqlStoreConfig } from './config.js';
import { readPublicKey } from './flag.js';

/** Thrown by parseAgentConfig: everything that is wrong with the configuration, at once. */
export class AgentConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`the agent configuration has ${problems.length} problem(s): ${problems.join('; ')}`);
    this.name = 'AgentConfigError';
    this.problems = problems;
  }
}

type Fields = Record<string, unknown>;

/** Reads values out of one JSON object, with defaults, and collects what is wrong. Written by hand: zod would outweigh the agent. */
class Reader {
  readonly #at: string;
  readonly #fields: Fields;
  readonly #known = new Set<string>();
  readonly problems: string[];

  constructor(value: unknown, at: string, problems: string[]) {
    this.#at = at;
    this.problems = problems;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (!isObject) this.problem('', `must be an object, not ${describe(value)}`);
    this.#fields = isObject ? (value as Fields) : {};
  }

  path(key: string): string {
    return this.#at === '' ? key : key === '' ? this.#at : `${this.#at}.${key}`;
  }

  problem(key: string, text: string): void {
    this.problems.push(`${this.path(key) || 'the configuration'} ${text}`);
  }

  raw(key: string): unknown {
    this.#known.add(key);
    const value = this.#fields[key];
    return value === null ? undefined : value;
  }

  text(key: string, fallback?: string): string {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'string' && value !== '') return value;
    this.problem(key, value === undefined ? 'is missing' : `must be a text, not ${describe(value)}`);
    return '';
  }

  optionalText(key: string): string | undefined {
    return this.raw(key) === undefined ? undefined : this.text(key);
  }

  oneOf<T extends string>(key: string, values: readonly T[], fallback?: T): T {
    const value = this.raw(key) ?? fallback;
    if (values.includes(value as T)) return value as T;
    this.problem(key, `must be one of ${values.join(', ')}, not ${describe(value)}`);
    return values[0]!;
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    this.problem(key, `must be true or false, not ${describe(value)}`);
    return fallback;
  }

  integer(key: string, min: number, max: number, fallback?: number): number {
    const value = this.raw(key) ?? fallback;
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.problem(key, `must be a whole number from ${min} to ${max}, not ${describe(value)}`);
    return min;
  }

  texts(key: string): string[] {
    const value = this.raw(key) ?? [];
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
    this.problem(key, `must be a list of texts, not ${describe(value)}`);
    return [];
  }

  object(key: string): Reader {
    return new Reader(this.raw(key), this.path(key), this.problems);
  }

  map<T>(key: string, read: (entry: unknown, at: string, name: string) => T): Record<string, T> {
    const value = this.raw(key) ?? {};
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.problem(key, `must be an object, not ${describe(value)}`);
      return {};
    }
    const result: Record<string, T> = {};
    for (const [name, entry] of Object.entries(value)) result[name] = read(entry, this.path(`${key}.${name}`), name);
    return result;
  }

  /** Unknown keys are errors: a misspelt class of a table would be a write in production. */
  done(): void {
    for (const key of Object.keys(this.#fields)) {
      if (!this.#known.has(key)) this.problem(key, `is not known here; known are ${[...this.#known].join(', ')}`);
    }
  }
}

function describe(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60);
}

/**
 * Checks a configuration (already read from JSON) and fills in the defaults.
 * @throws AgentConfigError with every problem.
 */
export function parseAgentConfig(value: unknown): AgentConfig {
  const problems: string[] = [];
  const root = new Reader(value, '', problems);
  if (root.raw('version') !== 1) root.problem('version', `must be 1, not ${describe(root.raw('version'))}`);
  const config: AgentConfig = {
    version: 1,
    flag: readFlagSection(root.object('flag')),
    mysql: root.map('mysql', (entry, at) => readMysql(new Reader(entry, at, problems))),
    kafka: root.raw('kafka') === undefined ? undefined : readKafka(root.object('kafka')),
    redis: root.raw('redis') === undefined ? undefined : readRedis(root.object('redis')),
    egress: root.map('egress', (entry, at, name) => readEgress(new Reader(entry, at, problems), name)),
    unknown: root.oneOf('unknown', ['allow', 'alarm', 'block'], 'alarm'),
    taint: root.raw('taint') === undefined ? undefined : readTaint(root.object('taint')),
  };
  root.done();
  if (problems.length > 0) throw new AgentConfigError(problems);
  return config;
}

function readFlagSection(reader: Reader): AgentConfig['flag'] {
  const keys = reader.map('keys', (entry, at) => {
    try {
      readPublicKey(String(entry));
    } catch (error) {
      reader.problems.push(`${at} is not a public Ed25519 key (32 raw bytes in base64url, or PEM): ${message(error)}`);
    }
    return String(entry);
  });
  if (Object.keys(keys).length === 0) reader.problem('keys', 'has no key: no flag could ever be verified');
  const flag: AgentConfig['flag'] = {
    keys,
    header: reader.text('header', 'x-shadow').toLowerCase(),
    member: reader.text('member', 'shadow'),
    edge: reader.oneOf('edge', ['open', 'strict'], 'open'),
    allowFrom: reader.texts('allowFrom'),
  };
  const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
  if (!token.test(flag.header)) reader.problem('header', `is not a header name: ${describe(flag.header)}`);
  if (!token.test(flag.member)) reader.problem('member', `is not a baggage key: ${describe(flag.member)}`);
  for (const range of flag.allowFrom) {
    const [address, bits] = range.split('/');
    const family = isIP(address ?? '');
    const limit = family === 6 ? 128 : 32;
    if (family === 0 || (bits !== undefined && !(/^\d+$/.test(bits) && Number(bits) <= limit))) {
      reader.problem('allowFrom', `has ${describe(range)}, which is no IP address or CIDR range`);
    }
  }
  reader.done();
  return flag;
}

function readMysql(reader: Reader): MysqlStoreConfig {
  const mode = reader.oneOf('mode', ['table', 'schema', 'instance']);
  const account = reader.object('account');
  const host = reader.optionalText('host');
  const port = reader.raw('port') === undefined ? undefined : reader.integer('port', 1, 65_535);
  const instance = reader.optionalText('instance');
  const database = reader.text('database');
  const store: MysqlStoreConfig = {
    database,
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    mode,
    suffix: reader.text('suffix', '_shadow'),
    schema: reader.text('schema', `${database || 'x'}_shadow`),
    schemas: reader.map('schemas', (entry, at) => {
      if (typeof entry === 'string' && entry !== '') return entry;
      reader.problems.push(`${at} must be the name of a schema, not ${describe(entry)}`);
      return 'x';
    }),
    ...(instance === undefined ? {} : { instance }),
    account: { user: account.text('user'), passwordEnv: account.text('passwordEnv') },
    tables: reader.map('tables', (entry, at) => {
      if (entry === 'shadow' || entry === 'real-read' || entry === 'refuse') return entry;
      reader.problems.push(`${at} must be one of shadow, real-read, refuse, not ${describe(entry)}`);
      return 'refuse' as const;
    }),
    truncate: reader.boolean('truncate', false),
    readLocks: reader.boolean('readLocks', false),
  };
  if (mode === 'instance' && instance === undefined) reader.problem('instance', 'is missing: mode is "instance"');
  account.done();
  reader.done();
  return store;
}

function readKafka(reader: Reader): AgentConfig['kafka'] {
  const kafka = {
    suffix: reader.text('suffix', '.shadow'),
    messageMaxAgeS: reader.integer('messageMaxAgeS', 0, 30 * 86_400, 3_600),
    topics: reader.texts('topics'),
  };
  reader.done();
  return kafka;
}

function readRedis(reader: Reader): AgentConfig['redis'] {
  const redis = {
    prefix: reader.text('prefix', 'shadow:{run}:'),
    maxTtlS: reader.integer('maxTtlS', 1, 30 * 86_400, 3_600),
  };
  if (!redis.prefix.includes('{run}')) reader.problem('prefix', 'must contain {run}: clean-up works by run');
  reader.done();
  return redis;
}

function readEgress(reader: Reader, host: string): EgressRule {
  if (!/^[^\s/]+:\d{1,5}$/.test(host)) reader.problem('', 'must be written host:port');
  const action = reader.oneOf('action', ['propagate', 'allow', 'mock']);
  if (action !== 'mock') {
    reader.done();
    return { action };
  }
  const rule: EgressRule = {
    action,
    status: reader.integer('status', 200, 599, 200),
    headers: reader.map('headers', (entry) => String(entry)),
    body: reader.raw('body') === '' ? '' : reader.raw('body') === undefined ? '' : reader.text('body'),
    latencyMs: reader.integer('latencyMs', 0, 600_000, 0),
  };
  reader.done();
  return rule;
}

function readTaint(reader: Reader): AgentConfig['taint'] {
  const taint = {
    from: reader.integer('from', 0, Number.MAX_SAFE_INTEGER),
    to: reader.integer('to', 0, Number.MAX_SAFE_INTEGER),
  };
  if (taint.to < taint.from) reader.problem('to', 'is smaller than taint.from');
  reader.done();
  return taint;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
