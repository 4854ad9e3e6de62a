import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { dbOf } from '../../fixtures/server.js';
import { type Check, type Db, plan, provision, verify } from './index.js';

let test: Scratch;
let own: Db;
const options = (): ReturnType<Scratch['options']> =>
  test.options({ t: 'shadow', v: 'shadow', rates: 'real-read', secrets: 'refuse' }, { account: test.account });

beforeEach(async () => {
  test = await scratch();
  await test.run(
    'create table t (id int auto_increment primary key, g int as (id + 1) virtual)',
    'create table rates (id int primary key)',
    'create table secrets (id int primary key)',
    'create table unclassed (g int as (x) virtual, x int)',
    'create view v as select id from t',
    'create view real_view as select id from secrets',
  );
  await provision(test.db, await plan(test.db, options()), { password: test.account.password });
  own = dbOf(await test.connect(test.account.user, test.account.password));
});
afterEach(async () => test.close());

const failed = async (db = own): Promise<Pick<Check, 'name' | 'subject' | 'detail'>[]> =>
  (await verify(test.db, options(), { shadowAccountDb: db })).checks.filter(({ ok }) => !ok);

it('tries every real table and view, and every real schema; nothing comes of it', async () => {
  await test.run(
    'insert into t values (1, default)',
    'insert into secrets values (1)',
    'insert into unclassed (x) values (1)',
  );
  const { checks, ok } = await verify(test.db, options(), { shadowAccountDb: own });
  expect(checks.filter((check) => !check.ok)).toEqual([]);
  expect(ok).toBe(true);
  const subjects = (name: Check['name']): string[] =>
    checks.filter((check) => check.name === name).map(({ subject }) => subject.replace(`${test.main}.`, ''));
  expect(subjects('writes-real').sort()).toEqual(['rates', 'real_view', 'secrets', 't', 'unclassed', 'v']);
  expect(subjects('reads-real').sort()).toEqual(['rates', 'real_view', 'secrets', 't', 'unclassed', 'v']);
  expect(subjects('changes-real')).toEqual([test.main]);
  expect(subjects('uses-shadow')).toEqual(['t_shadow']);
  expect(
    await test.query(
      'select (select count(*) from t) + (select count(*) from secrets) + (select count(*) from unclassed) as n',
    ),
  ).toEqual([{ n: 3 }]);
});

it('with an account that may do everything nothing is harmed, and everything is told', async () => {
  await test.run('insert into t values (1, default)', 'insert into secrets values (1)');
  const before = await test.query(
    'select table_name, table_type from information_schema.tables where table_schema = "{main}" order by 1',
  );
  const found = await failed(dbOf(await test.connect()));
  expect(found.map(({ name, subject }) => `${name} ${subject.replace(test.main, '')}`)).toEqual(
    expect.arrayContaining([
      'writes-real .t',
      'writes-real .secrets',
      'writes-real .real_view',
      'reads-real .secrets',
      'grants account',
    ]),
  );
  expect(found.find(({ name }) => name === 'changes-real')?.detail).toMatch(
    /DROP: error 1051, ALTER: error 1146, TRUNCATE: error 1146, CREATE: allowed/,
  );
  expect(found.find(({ name }) => name === 'account')?.detail).toMatch(/the server took root@\S+ for sdb_/);
  expect(await test.query('select (select count(*) from t) + (select count(*) from secrets) as n')).toEqual([{ n: 2 }]);
  expect(
    await test.query(
      'select table_name, table_type from information_schema.tables where table_schema = "{main}" order by 1',
    ),
  ).toEqual(before);
});

it.each<[what: string, grant: string, found: RegExp[]]>([
  ['on one table', 'INSERT ON {main}.secrets', [/writes-real \.secrets: INSERT: allowed/]],
  [
    'on one column',
    'UPDATE (id) ON {main}.secrets',
    [/writes-real \.secrets: UPDATE: allowed/, /grants account: GRANT UPDATE \(`id`\)/],
  ],
  ['on a view', 'DELETE ON {main}.real_view', [/writes-real \.real_view: DELETE: allowed/]],
  ['on the whole schema', 'DROP ON {main}.*', [/changes-real .*DROP: error 1051/, /grants account: GRANT DROP/]],
  [
    'by a pattern',
    'CREATE ON `sdb\\_%`.*',
    [/changes-real .*CREATE: allowed/, /grants account: GRANT CREATE ON `sdb\\_%`/],
  ],
  ['to run routines', 'EXECUTE ON {main}.*', [/grants account: GRANT EXECUTE/]],
  ['to lock real tables', 'LOCK TABLES ON {main}.*', [/grants account: GRANT LOCK TABLES/]],
  ['on files', 'FILE ON *.*', [/grants account: GRANT FILE/]],
  ['to read', 'SELECT ON {main}.secrets', [/reads-real \.secrets: may read/]],
  [
    'to pass on',
    "SELECT ON {main}.rates TO '{user}'@'%' WITH GRANT OPTION",
    [/grants account: GRANT SELECT .*WITH GRANT OPTION/],
  ],
])('finds a right %s', async (_, grant, expected) => {
  const who = `'${test.account.user}'@'%'`;
  await test.run(`GRANT ${grant.includes(' TO ') ? grant.replace('{user}', test.account.user) : `${grant} TO ${who}`}`);
  const fresh = dbOf(await test.connect(test.account.user, test.account.password));
  const told = (await failed(fresh)).map(
    ({ name, subject, detail }) => `${name} ${subject.replace(test.main, '')}: ${detail}`,
  );
  for (const pattern of expected) expect(told).toContainEqual(expect.stringMatching(pattern));
  // such an account is not taken over either, unless planning can take the right back
  const outcome = await plan(test.db, options()).then(
    ({ steps }) => steps.map(({ sql }) => sql).join(),
    (error: Error) => error.message,
  );
  expect(outcome).toMatch(/^ACCOUNT_TAKEN|REVOKE/);
});

it('finds rights of a role, and what everybody may do', async () => {
  const role = `${test.main}_role`;
  await test.run(
    `create role ${role}`,
    `grant delete on {main}.secrets to ${role}`,
    `grant ${role} to '${test.account.user}'@'%'`,
  );
  await test.run(`set default role ${role} for '${test.account.user}'@'%'`, 'grant update on {main}.secrets to public');
  try {
    const fresh = dbOf(await test.connect(test.account.user, test.account.password));
    const found = await failed(fresh);
    expect(found.find(({ name }) => name === 'writes-real')?.detail).toBe('UPDATE: allowed, DELETE: allowed');
    expect(found.find(({ name }) => name === 'grants')?.detail).toContain(`GRANT \`${role}\` TO`);
    expect(found.find(({ name }) => name === 'public')?.detail).toMatch(/GRANT UPDATE ON `\S+`\.`secrets` TO PUBLIC/);
    await test.run(
      `set default role none for '${test.account.user}'@'%'`,
      `revoke ${role} from '${test.account.user}'@'%'`,
    );
    expect((await plan(test.db, options())).warnings).toContainEqual(
      expect.stringMatching(/everybody.*may do more than it should: GRANT UPDATE/),
    );
  } finally {
    await test.run('revoke update on {main}.secrets from public', `drop role ${role}`);
  }
});

it('finds what everybody has by grants to anonymous users, which no SHOW GRANTS tells', async () => {
  await test.run("create user if not exists ''@'%'", "grant execute, lock tables on {main}.* to ''@'%'");
  try {
    const fresh = dbOf(await test.connect(test.account.user, test.account.password));
    expect((await failed(fresh)).map(({ name, detail }) => `${name}: ${detail}`)).toEqual([
      expect.stringMatching(/^public: LOCK TABLES, EXECUTE ON `\w+`\.\* of the anonymous ''@'%'$/),
    ]);
    expect((await plan(test.db, options())).warnings).toContainEqual(expect.stringMatching(/everybody.*LOCK TABLES/));
  } finally {
    await test.run("revoke execute, lock tables on {main}.* from ''@'%'");
  }
});

it('a real view that does more than read cannot be read: its functions run with the rights of its definer', async () => {
  await test.run(
    'create table log (id int auto_increment primary key)',
    'create function f() returns int modifies sql data begin insert into log values (); return 1; end',
    'create sequence s',
    'create view calling as select id, f() as x from rates',
    'create view drawing as select nextval(s) as x',
    'create view over_calling as select x from calling',
    'create view elsewhere as select User from mysql.user',
    "create view plain_view as select r.id, concat(r.id, 'é', '\\\\') as c, now() as n from rates r join unclassed u on u.x = r.id",
    'create view over_plain as select c from plain_view',
    'insert into rates values (1)',
  );
  const views = ['calling', 'drawing', 'over_calling', 'elsewhere', 'plain_view', 'over_plain'];
  const tables = { t: 'shadow', ...Object.fromEntries(views.map((name) => [name, 'real-read' as const])) } as const;
  const asked = test.options(tables, { account: test.account });
  // as an earlier version, or an administrator, may have granted it
  await test.run(`grant select on calling to '${test.account.user}'@'%'`);
  const planned = await plan(test.db, asked);
  expect(
    planned.warnings.filter((text) => /may do more than read/.test(text)).map((text) => text.split(' ')[1]),
  ).toEqual(['calling', 'drawing', 'elsewhere', 'over_calling'].map((name) => `${test.main}.${name}`));
  await provision(test.db, planned, { password: test.account.password });
  const reader = await test.connect(test.account.user, test.account.password, test.main);
  for (const name of ['calling', 'drawing', 'over_calling', 'elsewhere']) {
    await expect(reader.query(`select * from ${name}`)).rejects.toMatchObject({ errno: 1142 });
  }
  expect((await reader.query('select c from over_plain'))[0]).toEqual([]);
  expect(await test.query('select count(*) as n from log')).toEqual([{ n: 0 }]);
  const { checks } = await verify(test.db, asked, { shadowAccountDb: dbOf(reader) });
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  await test.run(`grant select on calling to '${test.account.user}'@'%'`);
  const after = await verify(test.db, asked, { shadowAccountDb: dbOf(reader) });
  expect(after.checks.filter(({ ok, name }) => !ok && name === 'reads-real').map(({ subject }) => subject)).toEqual([
    `${test.main}.calling`,
  ]);
});
