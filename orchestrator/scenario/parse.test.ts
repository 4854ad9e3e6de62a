/* biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to the environment are what is tested */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { env, full, minimal } from './fixtures/text.js';
import { loadScenario, validateScenario } from './parse.js';
import { formatProblem, type ScenarioError } from './problem.js';

const FILE = '/scenarios/scenario.yaml';

function problems(text: string, variables: Record<string, string> = env): string[] {
  return validateScenario(text, FILE, variables).problems.map((problem) =>
    formatProblem(problem).replace(/\n +/, ' | '),
  );
}

/** The minimal scenario with a line put after it. */
const plus = (text: string): string => `${minimal}${text}\n`;
/** With something put in the place of something. */
const change = (from: string, to: string, text = minimal): string => {
  if (!text.includes(from)) throw new Error(`${from} is not in the fixture`);
  return text.replace(from, to);
};

describe('a scenario that is valid', () => {
  it('gets its defaults', () => {
    const { scenario, problems: found } = validateScenario(minimal, FILE, env);
    expect(found).toEqual([]);
    expect(scenario).toMatchObject({
      name: 'payday',
      file: FILE,
      recording: '/scenarios/recording',
      allowHosts: ['127.0.0.1:8080'],
      confirmRequired: false,
      services: { gateway: { layer: 'channel', instances: 1 } },
      shadow: {
        flag: { ttlMs: 60_000, header: 'x-shadow', member: 'shadow', edge: 'open' },
        unknown: 'alarm',
        egress: {},
      },
      replay: { speed: 1, think: { kind: 'recorded' }, amplifySessions: 1, transforms: [{ kind: 'correlate' }] },
      load: {
        engine: 'node',
        model: 'open',
        stages: [],
        maxInFlight: 2000,
        onLimit: 'late',
        timeoutMs: 30_000,
        workers: 0,
        drainMs: 10_000,
      },
      baselineMs: 10_000,
      telemetry: { listen: '127.0.0.1:4318' },
      report: { html: true, junit: true },
    });
  });

  it('has its units converted', () => {
    const { scenario, problems: found } = validateScenario(full, FILE, env);
    expect(found).toEqual([]);
    expect(scenario?.load.stages).toEqual([
      { kind: 'ramp', toPerSec: 200, durationMs: 30_000 },
      { kind: 'hold', durationMs: 60_000 },
    ]);
    expect(scenario?.replay).toMatchObject({ speed: 2, think: { kind: 'factor', factor: 0.5 }, amplifySessions: 10 });
    expect(scenario?.replay.transforms).toEqual([
      { kind: 'identity', field: 'body.from', from: 9_000_000, to: 9_999_999 },
      { kind: 'canary', field: 'body.memo' },
      { kind: 'token', login: 'POST /login', tokenField: 'body.token', header: 'authorization' },
      { kind: 'correlate' },
      { kind: 'module', path: '/scenarios/sign.js' },
    ]);
    expect(scenario?.shadow.mysql.main).toMatchObject({
      url: env.DB,
      mode: 'table',
      suffix: '_shadow',
      schema: 'bank_shadow',
      tables: { accounts: 'shadow', transfers: 'shadow', branches: 'real-read' },
    });
    expect(scenario?.shadow.egress['bureau.example:443']).toEqual({
      action: 'mock',
      status: 200,
      headers: {},
      body: '{"score":712}',
      latencyMs: 35,
    });
    expect(scenario?.shadow.redis).toEqual({
      url: 'redis://127.0.0.1:6379',
      prefix: 'shadow:{run}:',
      maxTtlMs: 3_600_000,
    });
  });

  it('knows tables by name, pattern and range, and stores on PostgreSQL', () => {
    const text = `${minimal}  mysql:
    main:
      url: env:DB
      account: shadow_rw
      mode: schema
      schemas: { crm: crm_twin }
      tables: { shadow: [order_00..order_63, "log_*", crm.people], realRead: ["*"] }
      autoIncrementGap: { crm.people: 5000 }
      truncate: true
      seed: { crm.people: { sample: 5%, children: true, idOffset: reserved, mask: { mail: email, tax: { kind: digits, domain: tax } } } }
      audit: { fullScan: true }
  postgres:
    pg: { url: "postgres://root@127.0.0.1/bank", account: rw, realSchema: app, tables: { shadow: [orders] }, seed: { orders: { sample: 100, mask: { memo: text } } }, audit: { budget: 5s } }
`;
    const { scenario, problems: found } = validateScenario(text, FILE, env);
    expect(found).toEqual([]);
    expect(scenario?.shadow.mysql.main).toMatchObject({
      schemas: { crm: 'crm_twin' },
      tables: { 'order_00..order_63': 'shadow', 'log_*': 'shadow', 'crm.people': 'shadow', '*': 'real-read' },
      autoIncrementGap: { 'crm.people': 5000 },
      truncate: true,
      seed: {
        'crm.people': {
          sample: '5%',
          children: true,
          idOffset: 'reserved',
          mask: { mail: 'email', tax: { kind: 'digits', domain: 'tax' } },
        },
      },
      audit: { fullScan: true },
    });
    expect(scenario?.shadow.postgres.pg).toEqual({
      url: 'postgres://root@127.0.0.1/bank',
      mode: 'table',
      realSchema: 'app',
      suffix: '_shadow',
      schema: 'app_shadow',
      schemas: {},
      account: { user: 'rw', passwordEnv: 'SHADOWLINE_POSTGRES_PASSWORD' },
      tables: { orders: 'shadow' },
      seed: { orders: { sample: 100, mask: { memo: 'text' } } },
      audit: { budgetMs: 5_000 },
    });
  });

  it('asks for confirmation as soon as one host is not this machine', () => {
    const confirm = (text: string) => validateScenario(text, FILE, env).scenario?.confirmRequired;
    expect(confirm(change('127.0.0.1:8080', 'bank.example'))).toBe(true);
    expect(confirm(change('127.0.0.1:8080', '[::1]:8080'))).toBe(false);
    expect(confirm(change('127.0.0.1:8080', 'localhost'))).toBe(false);
    expect(confirm(change('127.0.0.1:8080', '127.evil.example'))).toBe(true);
    expect(confirm(plus('allowHosts: [10.0.0.7:80]'))).toBe(true);
  });

  it('takes values from the command line over those of the file', () => {
    const overrides = { 'load.maxInFlight': '7', target: 'http://127.0.0.1:9', 'services.gateway.instances': '2' };
    const { scenario } = validateScenario(minimal, FILE, env, { overrides });
    expect(scenario).toMatchObject({
      target: 'http://127.0.0.1:9',
      load: { maxInFlight: 7 },
      services: { gateway: { instances: 2 } },
    });
    const bad = validateScenario(minimal, FILE, env, { overrides: { 'load.maxInFligth': '7' } }).problems;
    expect(bad[0]).toMatchObject({
      path: 'load.maxInFligth',
      cause: 'unknown key "maxInFligth"',
      remedy: 'did you mean "maxInFlight"?',
    });
  });
});

describe('a scenario that is wrong', () => {
  const key = 'key: env:KEY';
  it.each<[name: string, text: string, expected: string[]]>([
    [
      'unknown key',
      plus('guardrail: []'),
      ['scenario.yaml:9:1: guardrail: unknown key "guardrail" | did you mean "guardrails"?'],
    ],
    [
      'unknown key, nothing near',
      plus('zzz: 1'),
      [
        expect.stringMatching(
          /^scenario\.yaml:9:1: zzz: unknown key "zzz" \| keys here: version, name/,
        ) as unknown as string,
      ],
    ],
    [
      'unknown key within',
      change('layer', 'layr'),
      ['scenario.yaml:6:14: services.gateway.layr: unknown key "layr" | did you mean "layer"?'],
    ],
    [
      'no unit',
      plus('load:\n  timeout: 30'),
      ['scenario.yaml:10:12: load.timeout: 30 has no unit | write 30s (a duration: 250ms, 30s, 5m, 1h)'],
    ],
    [
      'wrong unit',
      plus('baseline: 10sec'),
      [
        'scenario.yaml:9:11: baseline: "sec" is not a unit of a duration | units are us, µs, ms, s, m, h, d: 250ms, 30s, 5m, 1h',
      ],
    ],
    [
      'negative',
      plus('baseline: -5s'),
      ['scenario.yaml:9:11: baseline: -5s is negative | a duration is zero or more: 250ms, 30s, 5m, 1h'],
    ],
    [
      'rate without unit',
      plus('load: { stages: [{ to: 200, in: 30s }] }'),
      ['scenario.yaml:9:24: load.stages.0.to: 200 has no unit | write 200/s (a rate: 200/s, 30/m)'],
    ],
    [
      'half a stage',
      plus('load: { stages: [{ to: 200/s }] }'),
      [
        'scenario.yaml:9:18: load.stages.0: a stage is a ramp or a hold | write { to: 200/s, in: 30s } or { hold: 60s }',
      ],
    ],
    [
      'hold first',
      plus('load: { stages: [{ hold: 5s }, { to: 2/s, in: 1s }] }'),
      [
        'scenario.yaml:9:18: load.stages.0: the first stage holds a rate that nothing has set | ramp first: { to: 200/s, in: 1s }',
      ],
    ],
    [
      'missing variable',
      plus('omissions: ["${NOPE}"]'),
      [
        'scenario.yaml:9:14: omissions.0: environment variable NOPE is not set | set NOPE, or give a default: ${NOPE:-…}',
      ],
    ],
    [
      'missing secret',
      change(key, 'key: env:NOPE'),
      [
        'scenario.yaml:8:16: shadow.flag.key: environment variable NOPE is not set | set NOPE, or give a default: ${NOPE:-…}',
      ],
    ],
    [
      'half a reference',
      plus('omissions: ["a ${x"]'),
      [
        'scenario.yaml:9:16: omissions.0: this reference to the environment is not complete | write ${NAME} or ${NAME:-default}; $${ is a literal ${',
      ],
    ],
    [
      'later: engine',
      plus('load: { engine: k6 }'),
      ['scenario.yaml:9:17: load.engine: "k6" is not built yet | today: node'],
    ],
    [
      'later: model',
      plus('load: { model: closed }'),
      ['scenario.yaml:9:16: load.model: "closed" is not built yet | today: open'],
    ],
    ['later: top level', plus('units: {}'), ['scenario.yaml:9:1: units: "units" is not built yet | leave it out']],
    [
      'later: capacity',
      plus('capacity: { find: max rate, zones: 3 }'),
      [
        'scenario.yaml:9:13: capacity.find: "find" is not built yet | leave it out',
        'scenario.yaml:9:29: capacity.zones: "zones" is not built yet | leave it out',
      ],
    ],
    [
      'later: warp',
      plus('replay: { speed: { warp: [] } }'),
      ['scenario.yaml:9:18: replay.speed: a warp is not built yet | today: a number, e.g. 2'],
    ],
    [
      'mode instance',
      change('mode: table', 'mode: instance', full.replace('url: env:DB', 'url: env:DB\n      mode: table')),
      ['scenario.yaml:12:13: shadow.mysql.main.mode: "instance" is not built yet | today: table, schema'],
    ],
    [
      'misspelt word',
      plus('load: { onLimit: dorp }'),
      ['scenario.yaml:9:18: load.onLimit: "dorp" is not known here | did you mean "drop"?'],
    ],
    [
      'misspelt alternative',
      plus('replay: { think: recoded }'),
      ['scenario.yaml:9:18: replay.think: "recoded" is not known here | did you mean "recorded"?'],
    ],
    [
      'threshold',
      plus('slo:\n  - p99(respnse) < 300ms'),
      ['scenario.yaml:10:9: slo.0: "respnse" is not a latency | did you mean "response"?'],
    ],
    [
      'threshold in quotes',
      plus('slo:\n  - "errors < 5"'),
      ['scenario.yaml:10:15: slo.0: 5 has no unit | write 5% (a share: 0.1%, 5%)'],
    ],
    [
      'guardrail',
      plus('guardrails:\n  - real p99 < 1.2 baseline'),
      [
        'scenario.yaml:10:16: guardrails.0: 1.2 has no unit | write 1.2x baseline, baseline + 50ms, or a limit with its unit',
      ],
    ],
    [
      'guardrail without a baseline',
      plus('baseline: 0s\nguardrails: [real p99 < 2x baseline for 5s]'),
      [
        'scenario.yaml:10:14: guardrails.0: it compares with a baseline, and none is measured | set `baseline: 10s`, at least 1s',
      ],
    ],
    [
      'TypeScript module',
      plus('replay: { transform: [./sign.ts] }'),
      [
        'scenario.yaml:9:23: replay.transform.0: a TypeScript module cannot be loaded | compile it, and name the result: ./sign.js',
      ],
    ],
    [
      'misspelt transform',
      plus('replay: { transform: [{ identty: {} }] }'),
      ['scenario.yaml:9:25: replay.transform.0.identty: unknown key "identty" | did you mean "identity"?'],
    ],
    [
      'ranges apart',
      plus(
        'replay:\n  transform:\n    - identity: { field: body.a, into: 10-20 }\n    - identity: { field: body.b, into: 50-60 }',
      ),
      [
        'scenario.yaml:12:40: replay.transform.1.identity.into: this range of shadow ids lies apart from the one above | agents look for one range in the writes of real users: let the ranges be the same, overlap or touch',
      ],
    ],
    [
      'port 0',
      plus('telemetry: { listen: "127.0.0.1:0" }'),
      [
        'scenario.yaml:9:22: telemetry.listen: "127.0.0.1:0" is not a host and port | port 0 is any port, but the others must know it',
      ],
    ],
    [
      'target with a path',
      change(':8080', ':8080/api'),
      [
        'scenario.yaml:3:9: target: a path or query stands in the URL: /api | write the origin alone: http://127.0.0.1:8080',
      ],
    ],
    [
      'no services',
      change('  gateway: { layer: channel }', '  {}'),
      [
        'scenario.yaml:6:3: services: no service is named | name each service that runs the agent, the entry at least: gateway: { layer: channel }',
      ],
    ],
    [
      'empty service',
      change(' { layer: channel }', ''),
      ['scenario.yaml:6:11: services.gateway: it is empty | it is a map of keys'],
    ],
    [
      'missing key',
      change('name: payday\n', ''),
      ['scenario.yaml:1:1: name: "name" is missing | write a name (letters, digits, ., _, -) like this: payday'],
    ],
    [
      'version',
      change('version: 1', 'version: 2'),
      ['scenario.yaml:1:10: version: version 2 is not supported | this toolkit reads version 1'],
    ],
    [
      'ttl',
      change('flag: { key', 'flag: { ttl: 5m, key'),
      ['scenario.yaml:8:16: shadow.flag.ttl: 5m is too long | at most 60 s'],
    ],
    [
      'prefix without run',
      change('redis://127.0.0.1:6379"', 'redis://127.0.0.1:6379", prefix: "shadow:"', full),
      [
        'scenario.yaml:17:51: shadow.redis.prefix: "shadow:" is not a prefix with {run} in it | write it like this: "shadow:{run}:"',
      ],
    ],
    [
      'table twice',
      change('realRead: [branches]', 'realRead: [accounts]', full),
      [
        'scenario.yaml:13:59: shadow.mysql.main.tables.realRead.0: table accounts has a class already: shadow | a table has one class; keep one of them',
      ],
    ],
    [
      'no table at all',
      change('realRead: [branches]', 'realRead: ["bran ches", a.b.c, "x..y"]', full),
      [
        ['0', 59, '"bran ches"'],
        ['1', 72, '"a.b.c"'],
        ['2', 79, '"x..y"'],
      ].map(
        ([at, column, text]) =>
          `scenario.yaml:13:${column}: shadow.mysql.main.tables.realRead.${at}: ${text} is not a table, a pattern or a range of tables | write it like this: accounts, crm.people, order_* or order_00..order_63`,
      ),
    ],
    [
      'a table whose shadow could not be told from it',
      change('shadow: [accounts, transfers]', 'shadow: [accounts, transfers, old_shadow]', full),
      [
        'scenario.yaml:13:7: shadow.mysql.main.tables: "old_shadow" ends with the shadow suffix "_shadow" already: choose another suffix | correct the names, or choose another suffix or schema',
      ],
    ],
    [
      'patterns that contradict each other',
      change('realRead: [branches]', 'realRead: ["acc*"], refuse: ["acc*s"]', full),
      [
        'scenario.yaml:13:7: shadow.mysql.main.tables: tables "acc*" (real-read) and "acc*s" (refuse) claim the same table: make one of them longer, or name the table | correct the names, or choose another suffix or schema',
      ],
    ],
    [
      'postgres without a database',
      plus('  postgres: { pg: { url: "postgres://u@h", account: a, tables: { shadow: [t] } } }'),
      [
        'scenario.yaml:9:26: shadow.postgres.pg.url: the URL names no database | write it like this: postgres://user@host:5432/bank',
      ],
    ],
    [
      'seed of no table',
      change('seed: { accounts', 'seed: { branches', full),
      [
        'scenario.yaml:14:15: shadow.mysql.main.seed.branches: table branches is not among tables.shadow, so it has no shadow to seed | add it there, or leave it out here',
      ],
    ],
    [
      'seed of no table on PostgreSQL',
      plus(
        '  postgres: { pg: { url: "postgres://u@h/d", account: a, tables: { shadow: [t] }, seed: { t: {}, u: {} } } }',
      ),
      [
        'scenario.yaml:9:98: shadow.postgres.pg.seed.u: table u is not among tables.shadow, so it has no shadow to seed | add it there, or leave it out here',
      ],
    ],
    [
      'open egress',
      change('hosts:', 'default: allow\n    hosts:', full),
      ['scenario.yaml:19:14: shadow.egress.default: "allow" is not known here | one of: deny'],
    ],
    [
      'password in the file',
      change('env:DB', '"mysql://root:hunter2secret@h/bank"', full),
      [
        'scenario.yaml:11:12: shadow.mysql.main.url: a password stands in the file | keep the URL in a variable: env:NAME',
      ],
    ],
    [
      'strict edge for nobody',
      change('flag: { key', 'flag: { edge: strict, key'),
      [
        'scenario.yaml:8:17: shadow.flag.edge: with edge: strict and no allowFrom the flag is stripped from every caller | name the network of this machine: allowFrom: [127.0.0.1]',
      ],
    ],
  ])('%s', (_name, text, expected) => {
    expect(problems(text)).toEqual(expected);
  });

  it('reports everything at once, in the order of the file', () => {
    const text = change(
      'http://127.0.0.1:8080',
      'ftp://x',
      plus('load: { timeout: 3, engine: k6 }\nslo: [errors < 1]\nnope: 1'),
    );
    expect(problems(text).map((problem) => problem.split(': ')[0])).toEqual([
      'scenario.yaml:3:9',
      'scenario.yaml:9:18',
      'scenario.yaml:9:29',
      'scenario.yaml:10:16',
      'scenario.yaml:11:1',
    ]);
  });

  it('never shows what came from the environment', () => {
    const variables = {
      ...env,
      DB: 'postgres://root:hunter2secret@h/bank',
      T: 'http://u:hunter2secret@h',
      N: 'hunter2secret is no name',
    };
    const text = change('name: payday', 'name: ${N}', change('target: http://127.0.0.1:8080', 'target: ${T}', full));
    const found = problems(text, variables);
    expect(found).toHaveLength(2);
    found.push(...problems(full, variables));
    expect(found).toHaveLength(3);
    const percent = problems(full, { ...env, DB: 'mysql://root:hunter2secret%zz@h/bank' });
    expect(percent).toEqual([expect.stringMatching(/shadow\.mysql\.main\.url: a "%".*%25/s)]);
    found.push(...percent);
    expect(found.join('\n')).not.toContain('hunter2secret');
    expect(problems(change(key, 'key: ${N}'), variables).join('\n')).not.toContain('BEGIN');
  });
});

describe('a file that is no scenario', () => {
  it.each<[name: string, text: string, expected: RegExp]>([
    ['empty', '', /^scenario\.yaml:1:1: the file is empty/],
    ['only a comment', '# nothing\n', /^scenario\.yaml:1:1: the file is empty/],
    ['a list', '- a\n', /^scenario\.yaml:1:1: a scenario is a map of keys/],
    ['binary', 'PK\u0003\u0004\0\0', /^scenario\.yaml:1:1: the file is not text/],
    [
      'a tab',
      'version: 1\nload:\n\ttimeout: 1s\n',
      /^scenario\.yaml:3:1: load\.?.*a tab is used to indent|^scenario\.yaml:3:1: a tab is used/,
    ],
    ['a duplicate key', 'version: 1\nname: a\nname: b\n', /^scenario\.yaml:3:1: this key stands here twice/],
    ['two documents', 'version: 1\n---\nversion: 1\n', /^scenario\.yaml:2:1: a second document begins here/],
    ['a tag', 'version: !!js/function "f"\n', /^scenario\.yaml:1:10: /],
    [
      'a merge key',
      'version: 1\nload: &l { engine: node }\nreplay:\n  <<: *l\n',
      /^scenario\.yaml:4:3: <<: merge keys are not supported/,
    ],
    ['__proto__', 'version: 1\n__proto__: { a: 1 }\n', /^scenario\.yaml:2:1: __proto__: this name is not allowed/],
    ['an unknown alias', 'version: *nope\n', /^scenario\.yaml:1:10: /],
    ['too large', `# ${'x'.repeat(1024 * 1024)}\n`, /^scenario\.yaml:1:1: the file has \d+ characters/],
    ['nested without end', `version: ${'['.repeat(200_000)}`, /^scenario\.yaml:1:\d+: /],
    [
      'a reference without quotes',
      'version: 1\nload: { maxInFlight: ${N} }\n',
      /^scenario\.yaml:2:\d+: a reference to the environment stands here without quotes/,
    ],
    ['nested deeply', `version: ${'['.repeat(60)}${']'.repeat(60)}\n`, /nested too deeply/],
    ['an alias bomb', bomb(), /^scenario\.yaml:1:1: its aliases expand without bound/],
    ['an alias of itself', 'version: 1\nallowHosts: &a [*a]\n', /^scenario\.yaml:\d+:\d+: /],
  ])('%s', (_name, text, expected) => {
    const found = problems(text);
    expect(found[0]).toMatch(expected);
  });

  function bomb(): string {
    const levels = Array.from(
      { length: 12 },
      (_, i) =>
        `l${i}: &l${i} [${Array(9)
          .fill(i === 0 ? 'x' : `*l${i - 1}`)
          .join(', ')}]`,
    );
    return `${levels.join('\n')}\n`;
  }
});

describe('any text', () => {
  it('gives a scenario or problems within the file, and never throws', () => {
    const damage = fc.tuple(
      fc.nat(full.length),
      fc.nat(30),
      fc.oneof(
        fc.string({ maxLength: 8 }),
        fc.constantFrom('\t', '${', '*a', '&a ', '{', ']', ': ', '- ', '\n', '"', '#'),
      ),
    );
    const damaged = fc
      .array(damage, { minLength: 1, maxLength: 4 })
      .map((all) => all.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), full));
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 200 }), damaged), (text) => {
        const { scenario, problems: found } = validateScenario(text, FILE, env);
        expect(scenario === undefined).toBe(found.length > 0);
        const height = text.split(/\r\n|\r|\n/).length + 1;
        for (const problem of found) {
          expect(problem.line).toBeGreaterThanOrEqual(1);
          expect(problem.line).toBeLessThanOrEqual(height);
          expect(problem.column).toBeGreaterThanOrEqual(1);
          expect(problem.cause).not.toBe('');
          expect(problem.cause + problem.remedy).not.toMatch(/Invalid input|hunter2secret|PRIVATE KEY/);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the environment', () => {
  it('adds text, never structure', () => {
    const { scenario } = validateScenario(change('payday', '"${N:-a}-${M}"', minimal), FILE, { ...env, M: 'b' });
    expect(scenario?.name).toBe('a-b');
    expect(problems(change('name: payday', 'name: ${N}'), { ...env, N: 'a\nload: { engine: k6 }' })).toHaveLength(1);
  });

  it('is a number where the scalar has no quotes', () => {
    const text = plus('load:\n  maxInFlight: ${N}');
    expect(validateScenario(text, FILE, { ...env, N: '50' }).scenario?.load.maxInFlight).toBe(50);
    expect(problems(change('${N}', '"${N}"', text), { ...env, N: '50' })).toEqual([
      'scenario.yaml:10:16: load.maxInFlight: "${N}" is not a whole number of requests in flight | write a whole number of requests in flight like this: 1',
    ]);
  });

  it('may stand in a key', () => {
    const text = change('"127.0.0.1:8081"', '"${HOST}"', full);
    expect(
      validateScenario(text, FILE, { ...env, HOST: '127.0.0.1:7' }).scenario?.shadow.egress['127.0.0.1:7'],
    ).toEqual({ action: 'propagate' });
    expect(problems(text)).toEqual([
      'scenario.yaml:20:7: shadow.egress.hosts.${HOST}: environment variable HOST is not set | set HOST, or give a default: ${HOST:-…}',
    ]);
  });

  it('must not make two keys one', () => {
    const text = change('"127.0.0.1:8081"', '"${HOST}"', full);
    expect(problems(text, { ...env, HOST: 'bureau.example:443' })).toEqual([
      'scenario.yaml:21:7: this key stands here twice | keep one of them',
    ]);
  });

  it('keeps $${ as ${', () => {
    const { scenario } = validateScenario(plus("omissions: ['$${literal}']"), FILE, env);
    expect(scenario?.omissions).toEqual(['${literal}']);
  });

  it('leaves out an omission that is empty', () => {
    expect(validateScenario(plus("omissions: ['${WHY:-}']"), FILE, env).scenario?.omissions).toEqual([]);
  });
});

describe('key files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'scenario with spaces '));
    writeFileSync(join(folder, 'scenario.yaml'), change('env:KEY', './run.key'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const load = (): string => {
    try {
      return loadScenario(join(folder, 'scenario.yaml'), { env }).shadow.flag.privateKeyPem;
    } catch (error) {
      return (error as ScenarioError).message;
    }
  };

  it('are read with mode 0600 only', () => {
    const file = join(folder, 'run.key');
    expect(load()).toMatch(/^scenario\.yaml:8:16: shadow\.flag\.key: there is no key file/);
    writeFileSync(file, env.KEY);
    chmodSync(file, 0o644);
    expect(load()).toMatch(/has mode 0644: others may read this key\n {4}chmod 0600/);
    chmodSync(file, 0o600);
    expect(load()).toBe(env.KEY);
    writeFileSync(file, 'nonsense');
    expect(load()).toMatch(/it is not an Ed25519 private key/);
  });

  it('are no matter to who does not sign: the file, or its variable, may be missing, but a key may not stand in the scenario', () => {
    const file = join(folder, 'scenario.yaml');
    const flag = (withoutKey: object = { env }): unknown =>
      loadScenario(file, { env, ...withoutKey, needsKey: false }).shadow.flag;
    expect(flag()).toMatchObject({ privateKeyPem: '' });
    writeFileSync(file, change('env:KEY', 'env:KEY'));
    expect(flag({ env: { ...env, KEY: undefined } })).toMatchObject({ privateKeyPem: '' });
    expect(() => loadScenario(file, { env: { ...env, KEY: undefined } })).toThrow(/shadow\.flag\.key/);
    writeFileSync(file, change('env:KEY', JSON.stringify(env.KEY)));
    expect(flag).toThrow(/a private key stands in the file/);
  });

  it('are not the scenario itself', () => {
    writeFileSync(join(folder, 'scenario.yaml'), change('env:KEY', JSON.stringify(env.KEY)));
    expect(load()).toMatch(/a private key stands in the file/);
    expect(load()).not.toContain(env.KEY.split('\n')[1]);
  });

  it('say so when there is no scenario', () => {
    expect(() => loadScenario(join(folder, 'nope.yaml'), { env })).toThrow(/there is no file/);
    expect(() => loadScenario(folder, { env })).toThrow(/is a folder/);
    writeFileSync(join(folder, 'scenario.yaml'), Buffer.from([0xff, 0xfe, 0x00, 0x41]));
    expect(() => loadScenario(join(folder, 'scenario.yaml'), { env })).toThrow(/is not text/);
  });
});
