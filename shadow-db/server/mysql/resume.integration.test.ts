import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { dbOf } from '../../fixtures/server.js';
import type { Db } from '../db.js';
import { drift, inspect, type Plan, plan, provision, type ShadowDbOptions, seed } from './index.js';

let test: Scratch;
beforeEach(async () => {
  test = await scratch();
  await test.run(
    'create sequence s',
    'create table a (id int auto_increment primary key, n int default (next value for s), b_id int)',
    'create table b (id int auto_increment primary key, a_id int, constraint to_a foreign key (a_id) references a (id))',
    'alter table a add constraint to_b foreign key (b_id) references b (id), add constraint to_self foreign key (n) references a (id)',
    'create trigger first before insert on a for each row set NEW.n = 1',
    'create trigger second before insert on a for each row set NEW.n = NEW.n + 1',
    'create view w as select id from a',
    'create view v as select id from w',
  );
});
afterEach(async () => test.close());

const everything = (mode: 'table' | 'schema'): ShadowDbOptions =>
  test.options({ '*': 'shadow' }, { mode, account: test.account });

/** A session that is gone after it has sent so many steps, or while it sends the next one. */
async function interrupted(planned: Plan, steps: number, isInside: boolean): Promise<void> {
  const connection = await test.connect();
  let done = 0;
  const kill = (): void => void test.db.query(`kill ${connection.threadId}`).catch(() => undefined);
  const db = dbOf(connection);
  const counting = {
    async query(sql: string, params?: unknown[]) {
      const isStep = planned.steps.some((step) => sql.startsWith(step.sql.split('{password}')[0] ?? ''));
      if (isStep && done === steps) {
        if (!isInside) {
          connection.destroy();
          throw new Error('the session is gone');
        }
        setTimeout(kill, Math.random() * 4);
      }
      const rows = await db.query(sql, params);
      if (isStep) done += 1;
      return rows;
    },
  };
  await provision(counting, planned, { password: test.account.password }).catch(() => undefined);
  connection.destroy();
  // the server notices that a session is gone, and lets go of its lock, a moment later
  for (;;) {
    const rows = await test.db.query('select 1 from information_schema.processlist where id = ?', [
      connection.threadId,
    ]);
    if (rows.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const sqlOf = ({ steps }: Plan): string[] => steps.map(({ sql }) => sql.replace(/^(?:CREATE|ALTER) USER/, 'USER'));

describe.each(['table', 'schema'] as const)('a plan that was not carried out to its end, mode %s', (mode) => {
  it('after every step, planning again shows exactly the rest', async () => {
    const whole = await plan(test.db, everything(mode));
    const accountAt = whole.steps.findIndex(({ kind }) => kind === 'account');
    let rest = whole;
    for (let done = 0; done < whole.steps.length; done += 1) {
      // the account's password is set each time, so the step stays
      const shown =
        done > accountAt ? [sqlOf(whole)[accountAt], ...sqlOf(whole).slice(done)] : sqlOf(whole).slice(done);
      expect(sqlOf(rest)).toEqual(shown);
      await interrupted(rest, done > accountAt ? 2 : 1, false);
      rest = await plan(test.db, everything(mode));
    }
    expect(rest.steps.map(({ kind }) => kind)).toEqual(['account']);
    expect(await drift(test.db, everything(mode))).toEqual([]);
  });

  it('ended inside a step: the step is done or not, never half', async () => {
    const whole = sqlOf(await plan(test.db, everything(mode)));
    const tables = async (): Promise<unknown> =>
      (await inspect(test.db, test.main)).tables.filter(({ name }) => /^[ab]$/.test(name));
    const before = await tables();
    let rest = await plan(test.db, everything(mode));
    for (let attempt = 0; attempt < 40 && rest.steps.some(({ kind }) => kind !== 'account'); attempt += 1) {
      await interrupted(rest, 0, true);
      const next = await plan(test.db, everything(mode));
      const left = sqlOf(next).filter((sql) => !sql.startsWith('USER'));
      expect(left).toEqual(
        whole
          .filter((sql) => !sql.startsWith('USER'))
          .slice(whole.filter((sql) => !sql.startsWith('USER')).length - left.length),
      );
      rest = next;
    }
    await provision(test.db, rest, { password: test.account.password });
    expect(await drift(test.db, everything(mode))).toEqual([]);
    expect((await plan(test.db, everything(mode))).steps.map(({ kind }) => kind)).toEqual(['account']);
    expect(await tables()).toEqual(before);
  });
});

it('the second of two that provision at once is refused, and told who the first is', async () => {
  const options = everything('table');
  const [one, two] = [await test.connect(), await test.connect()];
  const planned = await plan(test.db, options);
  let second: Promise<void> | undefined;
  await provision(dbOf(one), planned, {
    password: test.account.password,
    onStep: (_, index) => {
      if (index === 0)
        second = expect(provision(dbOf(two), planned, { password: 'x' })).rejects.toThrow(
          new RegExp(`^LOCKED: connection ${one.threadId} of \\S+@\\S+ is provisioning ${test.main}`),
        );
    },
  });
  await second;
  expect(second).toBeDefined();
  // the lock is given back, and so are the settings of the session
  await expect(provision(dbOf(two), planned, { password: 'x' })).rejects.toThrow(/^PLAN_STALE/);
  expect(await drift(test.db, options)).toEqual([]);
});

it('takes no table away under a seeder, and no seeder begins meanwhile', async () => {
  await test.run('create table rows_of (id int primary key)', 'insert into rows_of select seq from seq_1_to_300');
  const options = test.options({ rows_of: 'shadow' }, { seed: { rows_of: {} } });
  const { seed: _, ...bare } = options;
  await provision(test.db, await plan(test.db, bare));
  const seeder = await test.connect();
  const due = await plan(test.db, options);
  let provisioned: Promise<void> | undefined;
  let isChanged = false;
  await seed(dbOf(seeder), due.seed!, {
    maxChunkRows: 100,
    onProgress: () => {
      provisioned ??= (async () => {
        await test.run('alter table rows_of add column z int');
        isChanged = true;
        await expect(provision(test.db, await plan(test.db, bare))).rejects.toThrow(
          new RegExp(`^LOCKED: connection ${seeder.threadId} of \\S+ is seeding ${test.main}`),
        );
      })();
      return provisioned;
    },
    ratePerSec: 200,
  });
  await provisioned;
  expect(isChanged).toBe(true);
  expect(await test.query('select count(*) as n from rows_of_shadow')).toEqual([{ n: 300 }]);
  let refused: unknown;
  const held: Db = {
    async query(sql, params) {
      // the plan is on its way, and waits for the seeder's answer
      if (sql.startsWith('CREATE TABLE')) refused ??= await seed(dbOf(seeder), due.seed!).catch((error) => error);
      return test.db.query(sql, params);
    },
  };
  await provision(held, await plan(test.db, bare));
  expect(refused).toMatchObject({ code: 'SEED_BUSY' });
});

it('leaves the session as it was, and wants one session', async () => {
  await test.run("set session sql_mode = 'ANSI_QUOTES', lock_wait_timeout = 77");
  await provision(test.db, await plan(test.db, everything('table')), { password: test.account.password });
  const [row] = await test.query('select @@sql_mode as m, @@lock_wait_timeout as w');
  expect(row).toEqual({ m: 'ANSI_QUOTES', w: 77 });
  const pool = [dbOf(await test.connect()), dbOf(await test.connect())];
  let turn = 0;
  const changing = {
    async query(sql: string, params?: unknown[]) {
      turn += 1;
      return (pool[turn % 2] as (typeof pool)[0]).query(sql, params);
    },
  };
  const planned = await plan(test.db, test.options({ '*': 'shadow' }, { mode: 'schema' }));
  await expect(provision(changing, planned, { password: 'x' })).rejects.toThrow(/^ONE_SESSION/);
});

describe('real users', () => {
  it('never wait for provisioning, and it does not wait for their long transactions', async () => {
    const user = await test.connect();
    await user.query('begin');
    await user.query('insert into b (a_id) values (null)');
    await user.query('select * from a');
    const options = everything('table');
    await provision(test.db, await plan(test.db, options), { password: test.account.password });
    await user.query('insert into b (a_id) values (null)');
    await user.query('commit');
    expect(await drift(test.db, options)).toEqual([]);
  });

  it('a table that waits to be altered, or is locked, ends planning after a while; nothing is changed', async () => {
    const [user, dba] = [await test.connect(), await test.connect()];
    await user.query('begin');
    await user.query('select * from a');
    const altering = dba.query('alter table a add column later int');
    await new Promise((resolve) => setTimeout(resolve, 100));
    await expect(plan(test.db, everything('table'))).rejects.toThrow(/^REAL_BUSY: a table of \S+ has been locked/);
    await user.query('commit');
    await altering;
    expect((await plan(test.db, everything('table'))).steps[1]?.sql).toContain('`later`');
  }, 20_000);
});
