import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  embeddedMariadb,
  installedMariadb,
  type RunningServer,
  startMariadb,
} from '../../../orchestrator/servers/mariadb.js';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { dbOf } from '../../fixtures/server.js';
import { clean, drift, inspect, plan, provision, type ShadowDbOptions, verify } from './index.js';
import { serverFacts } from './server.js';

let test: Scratch;
beforeEach(async () => {
  test = await scratch();
});
afterEach(async () => test.close());

const everything = async (): Promise<unknown> => [
  await test.query(
    "select table_schema, table_name, table_comment from information_schema.tables where table_schema like '{main}%' order by 1, 2",
  ),
  await test.query(
    "select trigger_name from information_schema.triggers where trigger_schema like '{main}%' order by 1",
  ),
  await test.query("select schema_name from information_schema.schemata where schema_name like '{main}%' order by 1"),
  await test.query("select User from mysql.user where User like '{main}%' order by 1"),
];

describe('a configuration that cannot work is refused, and nothing is changed', () => {
  it.each<
    [what: string, sql: string[], tables: ShadowDbOptions['tables'], more: Partial<ShadowDbOptions>, error: RegExp]
  >([
    [
      'a table that does not exist',
      [],
      { nowhere: 'shadow' },
      {},
      /^TABLE_MISSING: \S+\.nowhere does not exist\. Check the names/,
    ],
    [
      'a real-read table that does not exist',
      ['create table t (a int)'],
      { t: 'shadow', nowhere: 'real-read' },
      {},
      /^TABLE_MISSING: \S+\.nowhere/,
    ],
    [
      'a database that does not exist',
      [],
      { 'no_such_database.t': 'shadow' },
      {},
      /^DATABASE_MISSING: there is no database no_such_database/,
    ],
    [
      'a name that carries the suffix',
      ['create table t_shadow (a int)'],
      { t_shadow: 'shadow' },
      {},
      /^NAMES: "t_shadow".*suffix/,
    ],
    [
      'a shadow schema that is a real one',
      ['create table t (a int)', 'create table {crm}.x (a int)'],
      { t: 'shadow', '{crm}.x': 'real-read' },
      { mode: 'schema', schema: '{crm}' },
      /^NAMES: the shadow schema "\S+_crm" is the real one/,
    ],
    ['a class that nobody knows', [], { t: 'shadows' as 'shadow' }, {}, /^NAMES: table "t": unknown class/],
    [
      'a shadow name that a table of somebody else has',
      ['create table t (a int)', 'create table t_shadow (b int)'],
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: \S+\.t_shadow exists/,
    ],
    [
      '… a view',
      ['create table t (a int)', 'create view t_shadow as select 1'],
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: \S+\.t_shadow is a view/,
    ],
    [
      '… a sequence',
      ['create table t (a int)', 'create sequence t_shadow'],
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: \S+\.t_shadow is a sequence/,
    ],
    [
      'a view name that a table has',
      ['create table t (a int)', 'create view v as select a from t', 'create table v_shadow (b int)'],
      { t: 'shadow', v: 'shadow' },
      {},
      /^NAME_TAKEN: \S+\.v_shadow is a table/,
    ],
    [
      'a view name that a view of something else has',
      ['create table t (a int)', 'create view v as select a from t', 'create view v_shadow as select a from t'],
      { t: 'shadow', v: 'shadow' },
      {},
      /^NAME_TAKEN: \S+\.v_shadow is a view that reads no shadow table/,
    ],
    [
      'a trigger name that a real trigger has',
      [
        'create table t (a int)',
        'create table r (a int)',
        'create trigger g before insert on t for each row set NEW.a = 1',
        'create trigger g_shadow before insert on r for each row set NEW.a = 1',
      ],
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: the shadow trigger would be g_shadow, which another trigger has/,
    ],
    [
      'a key name that a real key has',
      [
        'create table t (a int primary key, b int, constraint k foreign key (b) references t (a))',
        'create table r (a int, constraint k_shadow foreign key (a) references t (a))',
      ],
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: the shadow foreign key would be k_shadow/,
    ],
    [
      'a column that has the name of the run column',
      ['create table t (a int, SHADOWLINE_run int)'],
      { t: 'shadow' },
      {},
      /^RUN_COLUMN: t has a column shadowline_run/,
    ],
    [
      'an engine that reaches elsewhere',
      [
        'create table m (a int) engine = myisam',
        'create table t (a int) engine = merge union = (m) insert_method = last',
      ],
      { t: 'shadow' },
      {},
      /^ENGINE: t has the engine MRG_MyISAM/,
    ],
    [
      'ids that do not fit',
      ['create table t (a tinyint auto_increment primary key)'],
      { t: 'shadow' },
      {},
      /^AUTO_INCREMENT_RANGE: t\.a \(tinyint\(4\)\) ends at 127; shadow ids would begin at 0 \+ 1000000000/,
    ],
    [
      'a gap that is none',
      ['create table t (a int auto_increment primary key)'],
      { t: 'shadow' },
      { autoIncrementGap: 0.5 },
      /^AUTO_INCREMENT_RANGE: the gap of t is 0.5/,
    ],
  ])('%s', async (_, sql, tables, more, error) => {
    await test.run(...sql);
    const before = await everything();
    const options = test.options(tables, { ...more, account: test.account });
    await expect(plan(test.db, options)).rejects.toThrow(error);
    await expect(drift(test.db, options).then(() => plan(test.db, options))).rejects.toThrow(error);
    expect(await everything()).toEqual(before);
  });

  it('names that are too long for the suffix are shortened, and stay apart', async () => {
    const [one, two] = [`${'n'.repeat(63)}1`, `${'n'.repeat(63)}2`];
    for (const name of [one, two]) {
      await test.run(
        `create table ${name} (a int primary key, b int, constraint ${name} foreign key (b) references ${name} (a))`,
        `create trigger ${name} before insert on ${name} for each row set NEW.b = null`,
      );
    }
    for (const mode of ['table', 'schema'] as const) {
      const options = test.options({ [one]: 'shadow', [two]: 'shadow' }, { mode });
      await provision(test.db, await plan(test.db, options));
      expect(await drift(test.db, options)).toEqual([]);
      expect((await plan(test.db, options)).steps).toEqual([]);
    }
  });

  it.each(['table', 'schema'] as const)('names of any text, and a password of any text, mode %s', async (mode) => {
    const odd = [
      'a`b',
      '{password}',
      ' lead',
      "a'b",
      'a"b',
      'a\\b',
      '$&',
      'new\nline',
      '/* c */',
      '-- c',
      'é',
      '%',
      'a_b',
      ';',
      '??',
      ':x',
    ];
    for (const name of [...odd, 'aXb']) {
      const table = `\`${name.replaceAll('`', '``')}\``;
      await test.run(
        `create table ${table} (id int primary key, ${table} int comment '{password} ''?') comment '{password}'`,
      );
    }
    const password = 'it\'s {password} "$&" \\ `?';
    const account = { user: `${test.main}{password}'`, password };
    const options = test.options({ '*': 'shadow', aXb: 'real-read' }, { mode, account });
    await provision(test.db, await plan(test.db, options), { password });
    expect((await plan(test.db, options)).steps.filter(({ kind }) => kind !== 'account')).toEqual([]);
    expect(await drift(test.db, options)).toEqual([]);
    const database = mode === 'schema' ? `${test.main}_shadow` : test.main;
    const restricted = await test.connect(account.user, password, database);
    expect(await verify(test.db, options, { shadowAccountDb: dbOf(restricted) })).toMatchObject({ ok: true });
    await clean(test.db, options, { what: 'drop', dryRun: false });
    expect(await test.query(`select User from mysql.user where User like '{main}%'`)).toEqual([]);
    expect(await test.query('show full tables')).toHaveLength(odd.length + 1);
  });

  it('rows that have no room for the run: told beforehand where that can be seen, mended by configuration where not', async () => {
    await test.run(
      'create table wide (a varchar(16368) not null, b int)',
      `create table deep (${Array.from({ length: 31 }, (_, at) => `c${at} char(255) not null`).join(', ')}, z char(80) not null) row_format = redundant charset latin1`,
    );
    const options = test.options({ wide: 'shadow' });
    const planned = await plan(test.db, options);
    expect(planned.warnings).toContainEqual(
      expect.stringMatching(/rows of wide will not know their run: its row has no room/),
    );
    await provision(test.db, planned);
    expect(await drift(test.db, options)).toEqual([]);
    const error = await provision(test.db, await plan(test.db, test.options({ deep: 'shadow' }))).catch(
      (reason: Error) => reason.message,
    );
    expect(error).toMatch(/^STOPPED: step 1 of 1 \(CREATE TABLE .*Row size too large.*list deep in withoutRun/s);
    const without = test.options({ deep: 'shadow' }, { withoutRun: ['deep'] });
    await provision(test.db, await plan(test.db, without));
    expect(await drift(test.db, without)).toEqual([]);
    expect(await drift(test.db, test.options({ deep: 'shadow' }))).toMatchObject([
      { what: 'run-column', table: 'deep', real: expect.stringContaining('varchar(64)') as unknown as string },
    ]);
  });
});

it('shadow tables that no key stands for any more are told, and stay', async () => {
  await test.run('create table a (id int primary key)', 'create table b (id int primary key)');
  await provision(test.db, await plan(test.db, test.options({ a: 'shadow', b: 'shadow' })));
  await test.run('drop table b');
  const { warnings, steps } = await plan(test.db, test.options({ a: 'shadow' }));
  expect(warnings).toEqual([expect.stringMatching(/b_shadow is a shadow table that this configuration does not know/)]);
  expect(steps).toEqual([]);
});

describe('rights that are missing are told as statements to run, before anything is changed', () => {
  it('each of them', async () => {
    await test.run('create table t (a int)');
    const user = await test.user('SELECT ON {main}.*', 'INSERT, UPDATE, DELETE, CREATE ON {main}.t');
    const options = test.options({ t: 'shadow' }, { mode: 'schema', account: test.account });
    const before = await everything();
    const error = await plan(user.db, options).catch((reason: Error) => reason.message);
    expect(error).toMatch(/^RIGHTS: this account lacks rights: GRANT /);
    expect(await everything()).toEqual(before);
    const statements = String(error).match(/GRANT [^;]+;/g) ?? [];
    expect(statements.length).toBeGreaterThan(2);
    for (const sql of statements) await test.connection.query(sql);
    // what it asked for is enough, for the whole way
    const own = await test.connect(user.user, user.password);
    await provision(dbOf(own), await plan(dbOf(own), options), { password: test.account.password });
    const shadowAccountDb = dbOf(await test.connect(test.account.user, test.account.password));
    expect((await verify(dbOf(own), options, { shadowAccountDb })).checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it('rights of a role count while it is enabled', async () => {
    await test.run('create table t (a int)');
    const role = `${test.main}_role`;
    await test.run(`create role ${role}`, `grant all privileges on {main}.* to ${role}`);
    try {
      const user = await test.user(role);
      const options = test.options({ t: 'shadow' });
      await expect(plan(user.db, options)).rejects.toThrow(/^RIGHTS/);
      await user.db.query(`set role ${role}`);
      await provision(user.db, await plan(user.db, options));
      expect(await drift(user.db, options)).toEqual([]);
    } finally {
      await test.run(`drop role ${role}`);
    }
  });
});

describe('grants that are not what they look like', () => {
  it('of several that fit a database the server takes one: the others do not count, and what is asked for is whole', async () => {
    await test.run('create table t (a int)', 'create trigger tr before insert on t for each row set NEW.a = 1');
    const most = 'select, insert, update, delete, create, alter, drop, index, references, create view, show view';
    const user = await test.user(`${most} ON {main}.*`);
    await test.run(`grant trigger on \`sdb%\`.* to '${user.user}'@'%'`);
    const own = async () => dbOf(await test.connect(user.user, user.password));
    const options = test.options({ t: 'shadow' });
    const error = await plan(await own(), options).catch((reason: Error) => reason.message);
    expect(error).toMatch(/^RIGHTS/);
    for (const sql of String(error).match(/GRANT [^;]+;/g) ?? []) await test.connection.query(sql);
    const db = await own();
    await provision(db, await plan(db, options));
    expect(await test.query("show triggers where `Table` = 't_shadow'")).toHaveLength(1);
  });

  it('an account that may pass its rights on is not taken over', async () => {
    await test.run('create table t (a int)');
    const options = test.options({ t: 'shadow' }, { account: test.account });
    await provision(test.db, await plan(test.db, options), { password: test.account.password });
    const stale = await plan(test.db, options);
    await test.run(`grant usage on *.* to '${test.account.user}'@'%' with grant option`);
    await expect(plan(test.db, options)).rejects.toThrow(/^ACCOUNT_TAKEN: .* has: GRANT USAGE ON \*\.\*/);
    await expect(provision(test.db, stale, { password: 'other' })).rejects.toThrow(/^PLAN_STALE: .*its rights/);
  });

  it('another account of the same name, which the server takes before', async () => {
    await test.run('create table t (a int)', `create user '${test.account.user}'@'127.0.0.1'`);
    try {
      const { warnings } = await plan(test.db, test.options({ t: 'shadow' }, { account: test.account }));
      expect(warnings).toContainEqual(
        expect.stringMatching(/^connections from 127\.0\.0\.1 are taken by '\w+'@'127\.0\.0\.1' before '\w+'@'%'/),
      );
    } finally {
      await test.run(`drop user '${test.account.user}'@'127.0.0.1'`);
    }
  });
});

describe('a plan that is not of today is refused, and nothing is changed', () => {
  it.each<[what: string, change: string[], error: RegExp]>([
    ['a real table was dropped', ['drop table b'], /^PLAN_STALE: TABLE_MISSING: \S+\.b does not exist/],
    [
      'a real table was altered',
      ['alter table a add column z int'],
      /^PLAN_STALE: \S+\.a has changed since the plan was made/,
    ],
    ['its comment was', ["alter table a modify x int comment 'new'"], /^PLAN_STALE: \S+\.a has changed/],
    [
      'a trigger was added',
      ['create trigger g before insert on a for each row set NEW.x = 1'],
      /^PLAN_STALE: \S+\.a has changed/,
    ],
    ['a foreign key was', ['alter table b add foreign key (id) references a (id)'], /^PLAN_STALE: \S+\.b has changed/],
    [
      'a view was altered',
      ['create or replace view v as select id + 1 as id from a'],
      /^PLAN_STALE: view \S+\.v_shadow has changed/,
    ],
    ['the shadow name was taken', ['create table a_shadow (x int)'], /^PLAN_STALE: \S+\.a_shadow has changed/],
    [
      'real ids have reached the range',
      ['alter table a auto_increment = 2000000000'],
      /^PLAN_STALE: real ids of a have reached 1000000000/,
    ],
  ])('%s', async (_, change, error) => {
    await test.run(
      'create table a (id bigint auto_increment primary key, x int)',
      'create table b (id bigint)',
      'create view v as select id from a',
    );
    const planned = await plan(test.db, test.options({ a: 'shadow', b: 'shadow', v: 'shadow' }));
    await test.run(...change);
    const before = await everything();
    await expect(provision(test.db, planned)).rejects.toThrow(error);
    expect(await everything()).toEqual(before);
  });

  it('rows that come and ids that grow below the range do not make a plan old', async () => {
    await test.run('create table a (id bigint auto_increment primary key, x int)');
    const planned = await plan(test.db, test.options({ a: 'shadow' }));
    await test.run('insert into a (x) values (1), (2)');
    await provision(test.db, planned);
    expect(await drift(test.db, test.options({ a: 'shadow' }))).toEqual([]);
  });
});

it('a step that the server refuses is named with its cause, and the rest goes on after it is mended', async () => {
  await test.run(
    'create table a (id int primary key)',
    'create trigger g before insert on a for each row set NEW.id = 1',
  );
  const planned = await plan(test.db, test.options({ a: 'shadow' }));
  const failing = {
    query: (sql: string, params?: unknown[]) =>
      test.db.query(sql.startsWith('CREATE TRIGGER') ? sql.replace('BEFORE', 'BESIDE') : sql, params),
  };
  await expect(provision(failing, planned)).rejects.toThrow(
    /^STOPPED: step 2 of 2 \(CREATE TRIGGER .*\) failed: .*syntax.*the plan shows the rest/s,
  );
  const rest = await plan(test.db, test.options({ a: 'shadow' }));
  expect(rest.steps.map(({ kind }) => kind)).toEqual(['trigger']);
  await provision(test.db, rest);
  expect(await drift(test.db, test.options({ a: 'shadow' }))).toEqual([]);
});

it.each([
  ['5.7.44-log', /^SERVER: this server calls itself 5\.7\.44-log/],
  ['10.5.29-MariaDB', /^SERVER/],
  ['8.0.11-TiDB-v8.5.0', /^SERVER/],
  ['', /^SERVER/],
])('a server that is too old, or none of these: %p', (version, error) => {
  expect(() => serverFacts(version, 0, 1)).toThrow(error);
});

describe('servers of another kind', () => {
  let dir: string;
  let server: RunningServer;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'shadowline-provision-'));
    const home = (await installedMariadb()) ?? (await embeddedMariadb(() => undefined));
    server = await startMariadb(home, dir, ['--lower-case-table-names=1']);
  }, 120_000);
  afterAll(async () => {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  });

  it('one that ignores case: names in any case are the same, and collide', async () => {
    const other = await scratch(server.url);
    try {
      await other.run(
        'create table Orders (Id int auto_increment primary key, x int)',
        'create table Parts (id int primary key, o int, foreign key (o) references ORDERS (id))',
      );
      for (const mode of ['table', 'schema'] as const) {
        const options = other.options({ ORDERS: 'shadow', parts: 'shadow' }, { mode });
        await provision(other.db, await plan(other.db, options));
        expect(await drift(other.db, options)).toEqual([]);
        expect((await plan(other.db, options)).steps).toEqual([]);
        const model = await inspect(other.db, mode === 'table' ? other.main : `${other.main}_shadow`);
        expect(model.tables.map(({ name }) => name)).toContain(mode === 'table' ? 'orders_shadow' : 'orders');
      }
      await expect(plan(other.db, other.options({ Orders: 'shadow', orders: 'shadow' }))).rejects.toThrow(
        /^NAMES: .*differ in case only/,
      );
    } finally {
      await other.close();
    }
  });

  it('one that is read-only, or a replica', async () => {
    const other = await scratch(server.url);
    try {
      await other.run('create table t (a int)');
      const options = other.options({ t: 'shadow' });
      await other.run('set global read_only = 1');
      await expect(plan(other.db, options)).rejects.toThrow(
        /^READ_ONLY: @@read_only is on\. Nothing was changed\. Provision the primary/,
      );
      await other.run('set global read_only = 0', "change master to master_host = 'primary.invalid'");
      await expect(plan(other.db, options)).rejects.toThrow(/^READ_ONLY: it replicates from 'primary\.invalid'/);
      await other.run('reset slave all');
      expect((await plan(other.db, options)).steps).toHaveLength(1);
    } finally {
      await other.close();
    }
  });

  it('one that counts ids in larger steps needs a larger range', async () => {
    const other = await scratch(server.url);
    try {
      await other.run(
        'set global auto_increment_increment = 100',
        'create table t (id int auto_increment primary key)',
      );
      const own = dbOf(await other.connect());
      const options = other.options({ t: 'shadow' }, { autoIncrementGap: 2_100_000_000 });
      await expect(plan(own, options)).rejects.toThrow(/^AUTO_INCREMENT_RANGE/);
      await other.run('set global auto_increment_increment = 1');
      expect((await plan(dbOf(await other.connect()), options)).reserved).toHaveLength(1);
    } finally {
      await other.close();
    }
  });
});

it('an account that only reads real tables is somebody else’s: neither taken over nor dropped', async () => {
  await test.run('create table a (id int primary key)', 'create table rates (id int primary key)');
  const { user, password } = await test.user('select on {main}.rates');
  const options = test.options({ a: 'shadow', rates: 'real-read' }, { account: { user, password: 'other' } });
  await expect(plan(test.db, options)).rejects.toThrow(/^ACCOUNT_TAKEN: .* has: GRANT SELECT ON `\w+`\.`rates`/);
  const { account: _, ...without } = options;
  await provision(test.db, await plan(test.db, without));
  expect((await clean(test.db, options, { what: 'drop', dryRun: false })).account).toBeUndefined();
  await (await test.connect(user, password, test.main)).query('select * from rates');
});

it.each([[[]], [['select, insert, update, delete on {main}.a_shadow', 'select on {main}.rates']]])(
  'an account with %j is taken over',
  async (grants: string[]) => {
    await test.run('create table a (id int primary key)', 'create table rates (id int primary key)');
    await test.run('create table a_shadow (id int primary key)');
    const { user } = await test.user(...grants);
    await test.run('drop table a_shadow');
    const options = test.options({ a: 'shadow', rates: 'real-read' }, { account: { user, password: 'p' } });
    await provision(test.db, await plan(test.db, options), { password: 'p' });
    const restricted = await test.connect(user, 'p', test.main);
    expect(await verify(test.db, options, { shadowAccountDb: dbOf(restricted) })).toMatchObject({ ok: true });
    expect((await clean(test.db, options, { what: 'drop', dryRun: false })).account).toBe(user);
  },
);
