import { maskKinds } from '@shadowline/shadow-db/server';
import { z } from 'zod';
import type { Stage, Think, TransformSpec } from '../engines/engine.js';
import { parseGuardrail } from './guardrail-line.js';
import {
  flag,
  LINE,
  list,
  matching,
  named,
  notBuilt,
  oneOf,
  plainText,
  strict,
  text,
  whole,
  wrongKind,
} from './leaf.js';
import { parseThreshold } from './slo.js';
import { parseDurationMs, parseRatePerSec, UnitError } from './units.js';

/**
 * The grammar of scenario.yaml, version 1 (docs/formats/scenario.md). What it accepts can be honoured; what is designed but not built is
 * refused by name (`planned`).
 */

/** Keys of things to come, with `*` for any name. Named here so that their error is "not built yet" and not "unknown key". */
export const planned = [
  'units',
  'runbook',
  'verdict',
  'policy',
  'preflight',
  'steps',
  'layerOrder',
  'drills',
  'zones',
  'capacity.find',
  'capacity.precision',
  'capacity.zones',
  'capacity.margin',
  'load.perUnit',
  'load.pattern',
  'services.*.path',
  'services.*.unit',
  'services.*.class',
  'shadow.mongodb',
  'shadow.rabbitmq',
  'shadow.mysql.*.instance',
  'replay.warp',
  'replay.diff',
] as const;

const duration = (minMs: number, maxMs: number, example: string) =>
  text('a duration', example, (value) => {
    const ms = parseDurationMs(value);
    if (ms < minMs) throw new UnitError(`${value} is too short`, `at least ${minMs} ms`);
    if (ms > maxMs) throw new UnitError(`${value} is too long`, `at most ${maxMs / 1000} s`);
    return ms;
  });
const DAY = 86_400_000;

const rate = text('a rate', '200/s', (value) => {
  const perSec = parseRatePerSec(value);
  if (perSec > 1_000_000) throw new UnitError(`${value} is more than one machine can send`, 'at most 1000000/s');
  return perSec;
});

const origin = text('an origin', 'http://127.0.0.1:8080', (value) => {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new UnitError('it is not an http or https URL', 'write the origin of the entry: http://127.0.0.1:8080');
  }
  if (url.username !== '' || url.password !== '')
    throw new UnitError('a user or password stands in the URL', 'leave it out; replayed requests carry their own');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new UnitError(
      `a path or query stands in the URL: ${url.pathname}${url.search}`,
      `write the origin alone: ${url.origin}`,
    );
  }
  return url.origin;
});

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?):(\d{1,5})$/;
const hostPort = (example: string) =>
  text('a host and port', example, (value) => {
    const port = Number(HOST_PORT.exec(value)?.[3] ?? Number.NaN);
    if (!(port >= 1 && port <= 65_535)) {
      const remedy =
        port === 0 ? 'port 0 is any port, but the others must know it' : `write host:port, e.g. ${example}`;
      throw new UnitError(`${JSON.stringify(value)} is not a host and port`, remedy);
    }
    return value.toLowerCase();
  });

const headerName = matching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'a header name', 'x-shadow');
const name = matching(/^[A-Za-z0-9_$-]{1,64}$/, 'a name (letters, digits, _, $, -)', 'accounts');
const variable = matching(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable', 'SHADOW_DB_PASSWORD');

const service = strict({
  layer: name.nullable().default(null),
  instances: whole(1, 10_000, 'instances').default(1),
});

const flagSettings = strict({
  // Longer would keep stragglers alive after the orchestrator is gone: the expiry is the dead man's switch.
  ttl: duration(3_000, 60_000, '60s').prefault('60s'),
  unit: matching(/^[A-Za-z0-9_]{1,32}$/, 'a unit (letters, digits, _)', 'RZ01').optional(),
  key: plainText('the private key', 'env:SHADOWLINE_KEY'),
  header: headerName.default('x-shadow'),
  member: headerName.default('shadow'),
  publicKeys: named(plainText('a public key', 'env:OLD_PUBLIC_KEY')).default({}),
  edge: oneOf(['open', 'strict']).default('open'),
  allowFrom: list(
    matching(/^[0-9A-Fa-f.:]+(\/\d{1,3})?$/, 'an address or CIDR range', '10.0.0.0/8'),
    '[10.0.0.0/8]',
  ).default([]),
});

const account = (passwordEnv: string) =>
  z.union([name.transform((user) => ({ user, passwordEnv })), strict({ user: name, passwordEnv: variable })], {
    error: (issue) => wrongKind('an account', issue.input, '{ user: shadow_rw, passwordEnv: SHADOW_DB_PASSWORD }'),
  });

/** `orders`, `crm.people`, `order_*`, `order_00..order_63`. */
const TABLE = /^(?:[\p{L}\p{N}_$-]{1,64}\.)?(?:[\p{L}\p{N}_$*-]{1,64}|[\p{L}\p{N}_$-]*\d\.\.[\p{L}\p{N}_$-]*\d)$/u;
const column = matching(/^[\p{L}\p{N}_$-]{1,64}$/u, 'a column', 'owner_id');
const table = matching(
  TABLE,
  'a table, a pattern or a range of tables',
  'accounts, crm.people, order_* or order_00..order_63',
);
const tables = list(table, '[accounts, order_*, order_00..order_63]').default([]);
const suffix = matching(/^[A-Za-z0-9_$]{2,24}$/, 'a suffix (2 to 24 letters, digits, _, $)', '_shadow').default(
  '_shadow',
);
const tableClasses = strict({ shadow: tables, realRead: tables, refuse: tables });
const gap = whole(1, Number.MAX_SAFE_INTEGER, 'ids');
const autoIncrementGap = z
  .union([gap, named(gap, table)], {
    error: (issue) => wrongKind('a distance of ids', issue.input, '1000000000, or { orders: 1000000 }'),
  })
  .optional();

const offset = z.union([z.int(), z.literal('reserved')], {
  error: (issue) => wrongKind('a distance of ids', issue.input, '9000000, or reserved'),
});
const maskKind = oneOf(maskKinds);
const seed = strict({
  where: plainText('an SQL condition', "status = 'open'").optional(),
  sample: z
    .union([z.int(), z.string().regex(/^\d+(\.\d+)?\s*%$/)], {
      error: (issue) => wrongKind('a share or a number of rows', issue.input, '5%, or 10000'),
    })
    .optional(),
  children: flag().optional(),
  idOffset: z
    .union([offset, named(offset, column)], {
      error: (issue) => wrongKind('a distance of ids', issue.input, '9000000, reserved, or { id: reserved }'),
    })
    .optional(),
  set: named(
    z.union([z.string(), z.number(), z.null()], {
      error: (issue) => wrongKind('a text, a number or null', issue.input, '"Jane Doe"'),
    }),
    column,
  ).optional(),
  mask: named(
    z.union([maskKind, strict({ kind: maskKind, domain: name.optional() })], {
      error: (issue) => wrongKind('a mask', issue.input, 'email, or { kind: token, domain: customer }'),
    }),
    column,
  ).optional(),
});

const audit = strict({
  fullScan: flag().optional(),
  wholeTableRows: whole(0, Number.MAX_SAFE_INTEGER, 'rows').optional(),
  maxRows: whole(1, Number.MAX_SAFE_INTEGER, 'rows').optional(),
  rowsPerSec: whole(1, Number.MAX_SAFE_INTEGER, 'rows per second').optional(),
  budget: duration(1_000, 86_400_000, '60s').optional(),
});

const mysqlStore = strict({
  url: plainText('the address of the database', 'env:MYSQL_URL'),
  mode: oneOf(['table', 'schema'], ['instance']).default('table'),
  suffix,
  schema: name.optional(),
  schemas: named(name, name).default({}),
  account: account('SHADOWLINE_MYSQL_PASSWORD'),
  tables: tableClasses,
  autoIncrementGap,
  truncate: flag().default(false),
  readLocks: flag().default(false),
  seed: named(seed, table).default({}),
  withoutRun: list(table, '[wide_table]').default([]),
  audit: audit.prefault({}),
  identityColumns: named(list(name, '[owner_id]'), table).default({}),
});

/** Shadow tables on PostgreSQL: the same words as above; `realSchema` is the one that plain names are in. */
const postgresStore = strict({
  url: plainText('the address of the database', 'env:POSTGRES_URL'),
  mode: oneOf(['table', 'schema'], ['instance']).default('table'),
  realSchema: name.default('public'),
  suffix,
  schema: name.optional(),
  schemas: named(name, name).default({}),
  account: account('SHADOWLINE_POSTGRES_PASSWORD'),
  tables: tableClasses,
  autoIncrementGap,
  seed: named(seed, table).default({}),
  audit: audit.prefault({}),
});

const topic = matching(/^[A-Za-z0-9._-]{1,249}$/, 'a topic', 'transfer.created');
const brokers = z
  .union(
    [
      list(hostPort('127.0.0.1:9092'), '[127.0.0.1:9092]'),
      plainText('brokers', '127.0.0.1:9092').transform((value) => value.split(',').map((part) => part.trim())),
    ],
    {
      error: (issue) => wrongKind('a list of brokers', issue.input, '[127.0.0.1:9092]'),
    },
  )
  .superRefine((value, context) => {
    if (value.length > 0 && value.every((broker) => HOST_PORT.test(broker))) return;
    context.addIssue({
      code: 'custom',
      message: `these are not brokers (host:port)${LINE}write them like this: [127.0.0.1:9092]`,
    });
  });

const kafka = strict({
  suffix: matching(/^[A-Za-z0-9._-]{1,32}$/, 'a suffix (letters, digits, ., _, -)', '.shadow').default('.shadow'),
  brokers,
  topics: list(topic, '[transfer.created]'),
  messageMaxAge: duration(1000, DAY, '10m').prefault('10m'),
});

const redis = strict({
  url: plainText('the address of Redis', 'env:REDIS_URL'),
  prefix: matching(/^[^\s]*\{run\}[^\s]*$/, 'a prefix with {run} in it', '"shadow:{run}:"').default('shadow:{run}:'),
  maxTtl: duration(1000, 7 * DAY, '1h').prefault('1h'),
});

const mock = strict({
  status: whole(200, 599, 'status'),
  headers: named(
    z.string({ error: (issue) => wrongKind('a text', issue.input, '"application/json"') }),
    headerName,
  ).default({}),
  body: z.string({ error: (issue) => wrongKind('a text', issue.input, `'{"score":712}'`) }).default(''),
  latency: duration(0, 60_000, '35ms').prefault('0ms'),
});
const egressRule = z.union([oneOf(['propagate', 'allow']), strict({ mock })], {
  error: (issue) => wrongKind('an egress rule', issue.input, 'propagate, allow, or { mock: { status: 200 } }'),
});
const egress = strict({
  default: oneOf(['deny']).default('deny'),
  hosts: named(egressRule, matching(HOST_PORT, 'a host and port', '"bureau.example:443"')).default({}),
});

const shadow = strict({
  flag: flagSettings,
  mysql: named(mysqlStore, name).default({}),
  postgres: named(postgresStore, name).default({}),
  kafka: kafka.optional(),
  redis: redis.optional(),
  egress: egress.prefault({}),
  unknown: oneOf(['allow', 'alarm', 'block']).default('alarm'),
});

const stage = strict({
  to: rate.optional(),
  in: duration(1, DAY, '30s').optional(),
  hold: duration(1, 7 * DAY, '60s').optional(),
}).transform((value, context): Stage => {
  const { to, in: over, hold } = value;
  if (hold !== undefined && to === undefined && over === undefined) return { kind: 'hold', durationMs: hold };
  if (hold === undefined && to !== undefined && over !== undefined)
    return { kind: 'ramp', toPerSec: to, durationMs: over };
  context.issues.push({
    code: 'custom',
    input: value,
    message: `a stage is a ramp or a hold${LINE}write { to: 200/s, in: 30s } or { hold: 60s }`,
  });
  return z.NEVER;
});

const FIELD = /^(header:[A-Za-z0-9-]+|query:\S+|body\.\S+|path:\d+)$/;
const field = matching(FIELD, 'a field of a request', 'body.from, header:x-user-id, query:id or path:2');
const route = matching(/^[A-Z]{3,10} \/\S*$/, 'a route', 'POST /login');

const idRange = text('a range of ids', '9000000-9999999', (value) => {
  const parts = /^(\d{1,15})\s*-\s*(\d{1,15})$/.exec(value.replaceAll('_', ''));
  if (parts === null)
    throw new UnitError(`${JSON.stringify(value)} is not a range of ids`, 'write it like this: 9000000-9999999');
  const [from, to] = [Number(parts[1]), Number(parts[2])];
  if (from >= to) throw new UnitError(`${value} ends before it begins`, 'write the smaller id first: 9000000-9999999');
  return { from, to };
});

const on = (onRoute: string | undefined) => (onRoute === undefined ? {} : { route: onRoute });

const transformKinds = strict({
  identity: strict({ field, into: idRange, route: route.optional() }).optional(),
  canary: strict({ field, route: route.optional() }).optional(),
  token: strict({
    login: route,
    field: matching(/^body\.\S+$/, 'a field of the answer', 'body.token').default('body.token'),
    header: headerName.default('authorization'),
    expiresIn: matching(/^body\.\S+$/, 'a field of the answer', 'body.expiresIn').optional(),
  }).optional(),
}).transform((value, context): TransformSpec => {
  const { identity, canary, token } = value;
  if (Object.values(value).filter((one) => one !== undefined).length === 1) {
    if (identity !== undefined)
      return { kind: 'identity', field: identity.field, ...identity.into, ...on(identity.route) };
    if (canary !== undefined) return { kind: 'canary', field: canary.field, ...on(canary.route) };
    if (token !== undefined) {
      const { login, field: tokenField, header, expiresIn } = token;
      return {
        kind: 'token',
        login,
        tokenField,
        header: header.toLowerCase(),
        ...(expiresIn !== undefined && { expiresInField: expiresIn }),
      };
    }
  }
  context.issues.push({
    code: 'custom',
    input: value,
    message: `a transform is one of identity, canary, token, or a module${LINE}one list item for each: - { canary: { field: body.memo } }`,
  });
  return z.NEVER;
});

const transformModule = text('a module', './sign.js', (value): TransformSpec => {
  if (/\.[cm]?ts$/.test(value))
    throw new UnitError(
      'a TypeScript module cannot be loaded',
      `compile it, and name the result: ${value.replace(/ts$/, 'js')}`,
    );
  if (!/^\.{0,2}\/.+\.m?js$/.test(value))
    throw new UnitError(`${JSON.stringify(value)} is not a module`, 'write a path to a .js or .mjs file: ./sign.js');
  return { kind: 'module', path: value };
});
const transform = z.union([transformModule, transformKinds], {
  error: (issue) => wrongKind('a transform', issue.input, '{ identity: { field: body.from, into: 9000000-9999999 } }'),
});

const think = z
  .union([oneOf(['recorded', 'none']), z.number().min(0).max(1000)], {
    error: (issue) => wrongKind('a think time', issue.input, 'recorded, none, or a factor such as 0.5'),
  })
  .transform((value): Think => (typeof value === 'number' ? { kind: 'factor', factor: value } : { kind: value }));

const speed = z
  .number({
    error: (issue) =>
      typeof issue.input === 'object' && issue.input !== null
        ? notBuilt('a warp', ['a number, e.g. 2'])
        : wrongKind('a factor', issue.input, '2'),
  })
  .positive({ error: (issue) => `a speed of ${issue.input} never ends${LINE}a factor above 0, e.g. 2` })
  .max(1_000_000, { error: `it is too fast${LINE}at most 1000000` });

const replay = strict({
  speed: speed.default(1),
  think: think.prefault('recorded'),
  amplify: strict({ sessions: whole(1, 100_000, 'copies of each session').default(1) }).prefault({}),
  correlate: oneOf(['auto', 'off']).default('auto'),
  transform: list(transform, '[{ canary: { field: body.memo } }]').default([]),
});

const load = strict({
  engine: oneOf(['node'], ['autocannon', 'k6']).default('node'),
  model: oneOf(['open'], ['closed']).default('open'),
  stages: list(stage, '[{ to: 200/s, in: 30s }, { hold: 60s }]').default([]),
  maxInFlight: whole(1, 1_000_000, 'requests in flight').default(2000),
  onLimit: oneOf(['late', 'drop', 'abort']).default('late'),
  timeout: duration(1, 600_000, '30s').prefault('30s'),
  drain: duration(0, 600_000, '10s').prefault('10s'),
  workers: z
    .union([z.literal('auto').transform(() => 0), whole(1, 256, 'worker threads')], {
      error: (issue) => wrongKind('worker threads', issue.input, 'auto, or 2'),
    })
    .prefault('auto'),
});

export const grammar = strict({
  version: z.literal(1, {
    error: (issue) =>
      issue.input === undefined
        ? `it is missing${LINE}write version: 1`
        : `version ${JSON.stringify(issue.input)} is not supported${LINE}this toolkit reads version 1`,
  }),
  name: matching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name (letters, digits, ., _, -)', 'payday'),
  target: origin,
  allowHosts: list(hostPort('10.0.0.7:8080'), '[10.0.0.7:8080]').default([]),
  recording: plainText('the path of a recording', './recording'),
  services: named(service, name).refine((services) => Object.keys(services).length > 0, {
    error: `no service is named${LINE}name each service that runs the agent, the entry at least: gateway: { layer: channel }`,
  }),
  shadow,
  replay: replay.prefault({}),
  load: load.prefault({}),
  slo: list(text('a threshold', 'p99(response) < 300ms', parseThreshold), '- p99(response) < 300ms').default([]),
  guardrails: list(
    text('a guardrail', 'real p99 < 1.2x baseline for 10s', parseGuardrail),
    '- real p99 < 1.2x baseline for 10s',
  ).default([]),
  baseline: duration(0, 3_600_000, '10s').prefault('10s'),
  telemetry: strict({ listen: hostPort('127.0.0.1:4318').prefault('127.0.0.1:4318') }).prefault({}),
  capacity: strict({ forecastPeak: rate.optional() }).prefault({}),
  report: strict({ html: flag().default(true), junit: flag().default(true) }).prefault({}),
  omissions: list(
    z.string({ error: (issue) => wrongKind('a sentence', issue.input, '"Kafka is left out: …"') }),
    '["Kafka is left out: …"]',
  ).default([]),
});

/** The scenario as written, units converted and defaults filled in. */
export type ScenarioInput = z.output<typeof grammar>;
