import { resolve } from 'node:path';
import { Mapping, type MappingOptions, type NameLimit, nameLimits } from '@shadowline/shadow-db';
import type { TransformSpec } from '../engines/engine.js';
import type { Path, ScenarioDocument } from './document.js';
import type { Expansion } from './expand.js';
import type { ScenarioInput } from './grammar.js';
import { isLoopback, storeUrl } from './hosts.js';
import type { Problem } from './problem.js';
import type { AuditScope, MysqlScenario, PostgresScenario, Scenario, ShadowScenario, TableClass } from './scenario.js';
import { checkPrivateKey, checkPublicKey, SecretError } from './secrets.js';

interface Surroundings {
  file: string;
  folder: string;
  document: ScenarioDocument;
  expansions: ReadonlyMap<string, Expansion>;
  readKey(path: string): string;
  needsKey: boolean;
}

/** From the grammar's values to the scenario: paths, keys and what depends on several keys. */
export function build(input: ScenarioInput, around: Surroundings): { scenario: Scenario; problems: Problem[] } {
  const problems: Problem[] = [];
  const report: Report = (path, cause, remedy, key = false) =>
    problems.push(around.document.problem(path, cause, remedy, { key }));
  const { replay, load, shadow } = input;
  checkLoad(input, report);
  checkTransforms(replay.transform, report);

  const targetHost = hostOf(input.target);
  const allowHosts = [...new Set([targetHost, ...input.allowHosts])];
  const scenario: Scenario = {
    version: 1,
    name: input.name,
    file: around.file,
    target: input.target,
    allowHosts,
    confirmRequired: !allowHosts.every(isLoopback),
    recording: resolve(around.folder, input.recording),
    services: input.services,
    shadow: {
      flag: buildFlag(shadow.flag, around, report),
      mysql: Object.fromEntries(
        Object.entries(shadow.mysql).map(([name, store]) => [name, buildMysql(name, store, around, report)]),
      ),
      postgres: Object.fromEntries(
        Object.entries(shadow.postgres).map(([name, store]) => [name, buildPostgres(name, store, around, report)]),
      ),
      kafka: shadow.kafka && {
        ...pick(shadow.kafka, 'suffix', 'brokers', 'topics'),
        messageMaxAgeMs: shadow.kafka.messageMaxAge,
      },
      redis: shadow.redis && buildRedis(shadow.redis, around, report),
      egress: Object.fromEntries(
        Object.entries(shadow.egress.hosts).map(([host, rule]) => [host.toLowerCase(), buildEgress(rule)]),
      ),
      unknown: shadow.unknown,
    },
    replay: {
      speed: replay.speed,
      think: replay.think,
      amplifySessions: replay.amplify.sessions,
      transforms: withCorrelation(replay.transform, replay.correlate === 'auto', around.folder),
    },
    load: {
      engine: load.engine,
      model: load.model,
      stages: load.stages,
      maxInFlight: load.maxInFlight,
      onLimit: load.onLimit,
      timeoutMs: load.timeout,
      workers: load.workers,
      drainMs: load.drain,
    },
    slo: input.slo,
    guardrails: input.guardrails,
    baselineMs: input.baseline,
    telemetry: input.telemetry,
    capacity: { forecastPeakPerSec: input.capacity.forecastPeak ?? null },
    report: input.report,
    // An omission from a variable that is empty is none.
    omissions: input.omissions.filter((line) => line.trim() !== ''),
  };
  return { scenario, problems };
}

type Report = (path: Path, cause: string, remedy: string, key?: boolean) => void;

function pick<T, K extends keyof T>(from: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Pick<T, K>;
}

function hostOf(origin: string): string {
  const url = new URL(origin);
  return `${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}

function checkLoad(input: ScenarioInput, report: Report): void {
  const { stages } = input.load;
  if (stages[0]?.kind === 'hold') {
    report(
      ['load', 'stages', 0],
      'the first stage holds a rate that nothing has set',
      'ramp first: { to: 200/s, in: 1s }',
    );
  }
  if (stages.length > 0 && !stages.some((stage) => stage.kind === 'ramp' && stage.toPerSec > 0)) {
    report(['load', 'stages'], 'no stage has a rate above 0', 'ramp up to a rate: { to: 200/s, in: 30s }', true);
  }
  const relative = input.guardrails.findIndex((guardrail) => guardrail.limit.kind !== 'absolute');
  if (relative >= 0 && input.baseline < 1000) {
    report(
      ['guardrails', relative],
      'it compares with a baseline, and none is measured',
      'set `baseline: 10s`, at least 1s',
    );
  }
}

/** Agents scan bound parameters for one range of shadow ids, so there must be one. */
function checkTransforms(transforms: TransformSpec[], report: Report): void {
  let covered: { from: number; to: number } | undefined;
  transforms.forEach((transform, index) => {
    if (transform.kind !== 'identity') return;
    if (covered !== undefined && (transform.from > covered.to + 1 || transform.to < covered.from - 1)) {
      report(
        ['replay', 'transform', index, 'identity', 'into'],
        'this range of shadow ids lies apart from the one above',
        'agents look for one range in the writes of real users: let the ranges be the same, overlap or touch',
      );
      return;
    }
    covered = {
      from: Math.min(covered?.from ?? transform.from, transform.from),
      to: Math.max(covered?.to ?? transform.to, transform.to),
    };
  });
}

/** Correlation sees the request as the other transforms left it, and a user's module (a signature, say) sees the request as it will be sent. */
function withCorrelation(transforms: TransformSpec[], correlate: boolean, folder: string): TransformSpec[] {
  const absolute = transforms.map((one) => (one.kind === 'module' ? { ...one, path: resolve(folder, one.path) } : one));
  if (!correlate) return absolute;
  const firstModule = absolute.findIndex((one) => one.kind === 'module');
  return absolute.toSpliced(firstModule < 0 ? absolute.length : firstModule, 0, { kind: 'correlate' });
}

function buildFlag(
  input: ScenarioInput['shadow']['flag'],
  around: Surroundings,
  report: Report,
): ShadowScenario['flag'] {
  const at = ['shadow', 'flag'];
  const attempt = <T>(path: Path, read: () => T, otherwise: T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SecretError)) throw error;
      report(path, error.message, error.remedy);
      return otherwise;
    }
  };
  const privateKeyPem = attempt(
    [...at, 'key'],
    () => {
      const isExpanded = around.expansions.has('shadow.flag.key');
      if (!isPem(input.key))
        return around.needsKey ? checkPrivateKey(around.readKey(resolve(around.folder, input.key))) : '';
      if (!isExpanded)
        throw new SecretError(
          'a private key stands in the file',
          'keep it in a variable (env:SHADOWLINE_KEY) or in a key file with mode 0600',
        );
      return around.needsKey ? checkPrivateKey(input.key) : '';
    },
    '',
  );
  for (const [name, key] of Object.entries(input.publicKeys)) {
    attempt([...at, 'publicKeys', name], () => checkPublicKey(key), undefined);
    if (name === 'run')
      report([...at, 'publicKeys', name], '"run" is the name of the key of this run', 'choose another name', true);
  }
  if (input.edge === 'strict' && input.allowFrom.length === 0) {
    report(
      [...at, 'edge'],
      'with edge: strict and no allowFrom the flag is stripped from every caller',
      'name the network of this machine: allowFrom: [127.0.0.1]',
    );
  }
  return {
    ttlMs: input.ttl,
    unit: input.unit,
    privateKeyPem,
    ...pick(input, 'header', 'member', 'publicKeys', 'edge', 'allowFrom'),
  };
}

function isPem(text: string): boolean {
  return text.trimStart().startsWith('-----BEGIN');
}

function buildMysql(
  name: string,
  input: ScenarioInput['shadow']['mysql'][string],
  around: Surroundings,
  report: Report,
): MysqlScenario {
  const at = ['shadow', 'mysql', name];
  const isExpanded = around.expansions.has([...at, 'url'].join('.'));
  const { problem, url } = storeUrl(input.url, ['mysql:', 'mariadb:'], isExpanded);
  if (problem !== undefined) report([...at, 'url'], problem.cause, problem.remedy);
  const database = decodeURIComponent(url?.pathname.slice(1) ?? '');
  if (url !== undefined && !/^[^/]+$/.test(database)) {
    report([...at, 'url'], 'the URL names no database', 'write it like this: mysql://user@host:3306/bank');
  }
  const tables = tableClasses(input.tables, at, report);
  const mapping = mappingOf({ ...input, database, tables: Object.fromEntries(tables) }, at, report);
  checkSeed(Object.keys(input.seed), mapping, at, report);
  for (const table of Object.keys(input.identityColumns)) {
    if (mapping !== undefined && classOf(mapping, table) === undefined)
      report(
        [...at, 'identityColumns', table],
        `table ${table} has no class`,
        'add it to tables, or leave it out here',
        true,
      );
  }
  return {
    ...pick(input, 'url', 'mode', 'suffix', 'schemas', 'account', 'identityColumns', 'truncate', 'readLocks'),
    schema: input.schema ?? `${database}${input.suffix}`,
    tables: Object.fromEntries(tables),
    seed: input.seed as MysqlScenario['seed'],
    withoutRun: input.withoutRun,
    audit: auditScope(input.audit),
    ...(input.autoIncrementGap !== undefined && { autoIncrementGap: input.autoIncrementGap }),
  };
}

function buildPostgres(
  name: string,
  input: ScenarioInput['shadow']['postgres'][string],
  around: Surroundings,
  report: Report,
): PostgresScenario {
  const at = ['shadow', 'postgres', name];
  const isExpanded = around.expansions.has([...at, 'url'].join('.'));
  const { problem, url } = storeUrl(input.url, ['postgres:', 'postgresql:'], isExpanded);
  if (problem !== undefined) report([...at, 'url'], problem.cause, problem.remedy);
  if (url !== undefined && !/^\/[^/]+$/.test(url.pathname))
    report([...at, 'url'], 'the URL names no database', 'write it like this: postgres://user@host:5432/bank');
  const tables = tableClasses(input.tables, at, report);
  const names = {
    ...input,
    database: input.realSchema,
    tables: Object.fromEntries(tables),
    limit: nameLimits.postgres,
  };
  checkSeed(Object.keys(input.seed), mappingOf(names, at, report), at, report);
  return {
    ...pick(input, 'url', 'mode', 'realSchema', 'suffix', 'schemas', 'account'),
    schema: input.schema ?? `${input.realSchema}${input.suffix}`,
    tables: Object.fromEntries(tables),
    seed: input.seed as PostgresScenario['seed'],
    ...(input.autoIncrementGap !== undefined && { autoIncrementGap: input.autoIncrementGap }),
    audit: auditScope(input.audit),
  };
}

function checkSeed(seeded: string[], mapping: Mapping | undefined, at: Path, report: Report): void {
  for (const table of seeded) {
    if (mapping === undefined || classOf(mapping, table) === 'shadow') continue;
    const cause = `table ${table} is not among tables.shadow, so it has no shadow to seed`;
    report([...at, 'seed', table], cause, 'add it there, or leave it out here', true);
  }
}

function auditScope({ budget, ...rest }: ScenarioInput['shadow']['mysql'][string]['audit']): AuditScope {
  return { ...defined(rest), ...(budget !== undefined && { budgetMs: budget }) };
}

/** Without keys that are there and undefined. */
function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The names of the store; what cannot work (two tables with one shadow, a shadow schema that is a real one) is a problem at `tables`. */
function mappingOf(input: NamesOfStore, at: Path, report: Report): Mapping | undefined {
  const { mode, database, tables, suffix, schema, schemas, limit } = input;
  // a URL without a database is a problem of its own
  if (database === '') return undefined;
  try {
    return new Mapping({ mode, database, tables, suffix, schemas, ...(schema && { schema }), ...limit });
  } catch (error) {
    const remedy = 'correct the names, or choose another suffix or schema';
    report([...at, 'tables'], (error as Error).message, remedy, true);
    return undefined;
  }
}

type NamesOfStore = Pick<MappingOptions, 'mode' | 'database' | 'tables'> & {
  limit?: NameLimit;
  suffix: string;
  schema?: string | undefined;
  schemas: Record<string, string>;
};

/** Of a key that names one table. */
function classOf(mapping: Mapping, key: string): TableClass | undefined {
  const dot = key.indexOf('.');
  return dot === -1 ? mapping.classOf(mapping.database, key) : mapping.classOf(key.slice(0, dot), key.slice(dot + 1));
}

/** Table (or pattern, or range) to class; each stands in one list. */
function tableClasses(
  input: ScenarioInput['shadow']['mysql'][string]['tables'],
  at: Path,
  report: Report,
): Map<string, TableClass> {
  const tables = new Map<string, TableClass>();
  const classes = [
    ['shadow', 'shadow'],
    ['realRead', 'real-read'],
    ['refuse', 'refuse'],
  ] as const;
  for (const [key, tableClass] of classes) {
    input[key].forEach((table, index) => {
      if (tables.has(table))
        report(
          [...at, 'tables', key, index],
          `table ${table} has a class already: ${tables.get(table)}`,
          'a table has one class; keep one of them',
        );
      else tables.set(table, tableClass);
    });
  }
  if (tables.size === 0)
    report(
      [...at, 'tables'],
      'no table has a class',
      'name those that the services write: tables: { shadow: [transfers] }',
      true,
    );
  return tables;
}

function buildRedis(
  input: NonNullable<ScenarioInput['shadow']['redis']>,
  around: Surroundings,
  report: Report,
): NonNullable<ShadowScenario['redis']> {
  const { problem } = storeUrl(input.url, ['redis:', 'rediss:'], around.expansions.has('shadow.redis.url'));
  if (problem !== undefined) report(['shadow', 'redis', 'url'], problem.cause, problem.remedy);
  return { url: input.url, prefix: input.prefix, maxTtlMs: input.maxTtl };
}

function buildEgress(rule: ScenarioInput['shadow']['egress']['hosts'][string]): ShadowScenario['egress'][string] {
  if (rule === 'propagate' || rule === 'allow') return { action: rule };
  const { status, headers, body, latency } = rule.mock;
  return { action: 'mock', status, headers, body, latencyMs: latency };
}
