import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dbOf, type TestDatabase, testDatabase } from '../../fixtures/server.js';
import { createRewriter } from '../../mysql/rewriter.js';
import { guardShadowOnly } from './guard.js';
import { clean, countRows, drift, inspect, plan, provision, reservedRanges, verify } from './index.js';
import { Names } from './options.js';

const realTables = ['accounts', 'transfers', 'audit', 'postings', 'branches', 'secrets'];

describe.each(['table', 'schema'] as const)('shadow tables, mode %s', (mode) => {
  let test: TestDatabase;
  let target: (table: string) => string;
  let password: string;

  beforeAll(async () => {
    test = await testDatabase(mode);
    password = test.options.account?.password ?? '';
    target = (table) => (mode === 'table' ? `${test.name}.${table}_shadow` : `${test.name}_shadow.${table}`);
  });
  afterAll(async () => test.close());

  const realState = async (): Promise<unknown> => {
    const model = await inspect(test.db, test.name);
    const rows = await countRows(
      test.db,
      realTables.map((table) => `${test.name}.${table}`),
    );
    return [
      model.tables.filter(({ name }) => realTables.includes(name)),
      model.views.filter(({ name }) => !name.endsWith('_shadow')),
      rows,
    ];
  };

  it('plans without changing anything, and says what is left out', async () => {
    const before = await realState();
    const planned = await plan(test.db, test.options);
    expect(await realState()).toEqual(before);
    expect(planned.warnings).toEqual([
      expect.stringMatching(/^foreign key account_branch of accounts is left out/),
      expect.stringMatching(/^view balances reads the real table .*branches: FOR UPDATE on the view/),
    ]);
    expect(JSON.stringify(planned)).not.toContain(password);
    expect(planned.reserved).toContainEqual({ table: 'accounts', column: 'id', firstShadowId: '1000000002' });
  });

  it('provisions what verify can prove, and leaves the real side as it was', async () => {
    const before = await realState();
    const done: string[] = [];
    await provision(test.db, await plan(test.db, test.options), { password, onStep: ({ kind }) => done.push(kind) });
    expect(new Set(done)).toEqual(
      new Set([
        'table',
        'foreign-key',
        'trigger',
        'view',
        'account',
        'grant',
        ...(mode === 'schema' ? ['schema'] : []),
      ]),
    );
    expect(await realState()).toEqual(before);
    expect(await drift(test.db, test.options)).toEqual([]);
    const { user } = test.options.account as { user: string };
    const shadowAccountDb = dbOf(await test.as(user, password));
    const proof = await verify(test.db, test.options, { shadowAccountDb });
    expect(proof.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(
      proof.checks
        .filter(({ name }) => name === 'writes-real')
        .map(({ subject }) => subject)
        .sort(),
    ).toEqual([...realTables, 'balances', 'rich'].map((name) => `${test.name}.${name}`).sort());
  });

  it('has nothing to do the second time, but to set the password', async () => {
    const again = await plan(test.db, test.options);
    expect(again.steps.map(({ kind }) => kind)).toEqual(['account']);
    await provision(test.db, again, { password });
    expect(await drift(test.db, test.options)).toEqual([]);
  });

  it('lets shadow traffic work on shadow rows alone: keys, trigger, view, ids', async () => {
    const before = await realState();
    const { user } = test.options.account as { user: string };
    const rewriter = createRewriter({ ...test.options, mode, dialect: 'mysql' });
    const connection = await test.as(user, password, mode === 'schema' ? `${test.name}_shadow` : test.name);
    const send = async (sql: string): Promise<unknown> => {
      const result = rewriter.rewrite(sql);
      if (result.action === 'refuse') throw new Error(result.message);
      return (await connection.query(result.sql))[0];
    };
    await send("insert into accounts (owner, branch_id, balance) values (' zoe ', 1, 70)");
    const id = Number(((await send('select id, owner from accounts')) as { id: number }[])[0]?.id);
    expect(id).toBe(1_000_000_002);
    expect(await send('select owner from rich')).toEqual([{ owner: 'zoe' }]);
    await send(`insert into transfers (from_id, to_id, amount) values (${id}, ${id}, 3)`);
    await expect(send('insert into transfers (from_id, to_id, amount) values (1, 2, 3)')).rejects.toThrow(
      /foreign key/,
    );
    await send(`update accounts set parent_id = ${id}, latest_transfer = (select max(id) from transfers)`);
    expect(await send('select what from audit')).toEqual([{ what: 'insert' }]);
    expect(await realState()).toEqual(before);
    await expect(connection.query(`insert into ${test.name}.audit (what) values ('leak')`)).rejects.toMatchObject({
      errno: 1142,
    });
  });

  it('cleans rows around a cycle of keys: dry run first', async () => {
    const before = await realState();
    const dry = await clean(test.db, test.options);
    expect(dry.tables.find(({ table }) => table.startsWith('transfers'))?.rows).toBe(1);
    expect(await countRows(test.db, [target('transfers')])).toEqual({ [target('transfers')]: 1 });
    await clean(test.db, test.options, { dryRun: false });
    for (const table of ['accounts', 'transfers', 'audit'])
      expect((await countRows(test.db, [target(table)]))[target(table)]).toBe(0);
    expect(await drift(test.db, test.options)).toEqual([]);
    expect(await realState()).toEqual(before);
    const ranges = await reservedRanges(test.db, test.options);
    expect(ranges).toContainEqual({ table: 'accounts', column: 'id', firstShadowId: '1000000002' });
  });

  it('copies seed rows with shifted identities', async () => {
    const seeded = {
      ...test.options,
      seed: {
        accounts: { where: "owner = 'ann'", idOffset: { id: 1_100_000_000 } },
        postings: {},
      },
    };
    const planned = await plan(test.db, seeded);
    await provision(test.db, planned, { password });
    expect(await test.db.query(`select id, owner from ${target('accounts')}`)).toEqual([
      { id: 1_100_000_001, owner: 'ann' },
    ]);
    expect((await plan(test.db, seeded)).steps.map(({ kind }) => kind)).toEqual(['account']);
    expect(await drift(test.db, seeded)).toEqual([]);
    const bad = { ...test.options, seed: { transfers: { where: '1); drop table accounts; -- ' } } };
    await expect(plan(test.db, bad)).rejects.toThrow(/SEED/);
    await expect(plan(test.db, { ...test.options, seed: { transfers: { idOffset: { detail: 1 } } } })).rejects.toThrow(
      /SEED/,
    );
  });

  it('sees every kind of drift, verify fails, and planning mends it', async () => {
    const changes = [
      'alter table accounts add column extra int not null default 3',
      'alter table accounts modify note mediumtext character set latin1',
      'alter table transfers add index by_amount (amount)',
      'alter table audit modify what varchar(20) not null default "a"',
      'alter table postings reorganize partition rest into (partition p2025 values less than (2026), partition rest values less than maxvalue)',
      'alter table audit add constraint known check (what <> "z")',
      `alter table ${target('transfers')} drop foreign key ${mode === 'table' ? 'transfer_to_shadow' : 'transfer_to'}`,
      `drop trigger ${target('transfer_audit')}`,
      `drop view ${target('rich')}`,
    ];
    for (const sql of changes) await test.connection.query(sql);
    const found = await drift(test.db, test.options);
    const kinds = [...new Set(found.map(({ what }) => what))].sort();
    expect(kinds).toEqual(
      [
        'check',
        'collation',
        'column',
        'default',
        'foreign-key',
        'index',
        'nullability',
        'partition',
        'trigger',
        'type',
        'view',
      ].sort(),
    );
    expect((await verify(test.db, test.options)).ok).toBe(false);
    const before = await realState();
    await provision(test.db, await plan(test.db, test.options), { password });
    expect(await drift(test.db, test.options)).toEqual([]);
    expect(await realState()).toEqual(before);
  });

  it('verify names a key to a real parent and a trigger that writes to a real table', async () => {
    await test.connection.query(
      `alter table ${target('transfers')} add constraint stray foreign key (from_id) references ${test.name}.accounts (id)`,
    );
    await test.connection.query(
      `create trigger ${target('stray')} after update on ${target('audit')} for each row insert into ${test.name}.secrets values (9, 'leak')`,
    );
    const bad = (await verify(test.db, test.options)).checks.filter(({ ok }) => !ok);
    expect(bad.map(({ name }) => name).sort()).toEqual(['foreign-keys', 'triggers']);
    await provision(test.db, await plan(test.db, test.options), { password });
    expect((await verify(test.db, test.options)).ok).toBe(true);
  });

  it('refuses what it must not touch', async () => {
    const names = new Names(test.options);
    const guarded = (sql: string): void => guardShadowOnly(sql, names);
    for (const sql of [
      `DROP TABLE \`${test.name}\`.\`accounts\``,
      `DELETE FROM \`${test.name}\`.\`accounts\``,
      'DROP TABLE `accounts`',
      `DROP TABLE ${names.target('accounts')}, \`${test.name}\`.\`accounts\``,
      `ALTER TABLE ${names.target('transfers')} ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES \`${test.name}\`.\`accounts\` (id)`,
      `CREATE TRIGGER ${names.target('x')} AFTER INSERT ON \`${test.name}\`.\`accounts\` FOR EACH ROW DO 1`,
      `TRUNCATE ${names.target('accounts')}`,
      `DROP DATABASE \`${test.name}\``,
    ]) {
      expect(() => guarded(sql)).toThrow(/NOT_SHADOW/);
    }
    expect(() => guarded(`DELETE FROM ${names.target('accounts')}`)).not.toThrow();

    await expect(plan(test.db, { ...test.options, tables: { nowhere: 'shadow' } })).rejects.toThrow(/TABLE_MISSING/);
    await expect(
      plan(test.db, { ...test.options, account: { user: 'root', password: 'x', host: 'localhost' } }),
    ).rejects.toThrow(/ACCOUNT_TAKEN/);
    const forged = await plan(test.db, test.options);
    forged.steps = [{ kind: 'drop', subject: 'accounts', sql: `DROP TABLE \`${test.name}\`.\`accounts\``, reason: '' }];
    await expect(provision(test.db, forged)).rejects.toThrow(/NOT_SHADOW/);
  });

  it('checks the id range against the column', async () => {
    await test.connection.query('alter table accounts auto_increment = 2147000000');
    // the shadow tables are there, with a range of their own: only tables that are made get a new one
    const { account: _, ...plain } = test.options;
    const fresh = { ...plain, ...(mode === 'table' ? { suffix: '_twin' } : { schema: `${test.name}_twin` }) };
    await expect(plan(test.db, fresh)).rejects.toThrow(
      /AUTO_INCREMENT_RANGE: accounts\.id \(int\(11\)\).*smaller autoIncrementGap/,
    );
    const fitting = await plan(test.db, { ...fresh, autoIncrementGap: { accounts: 50_000, audit: 1000 } });
    expect(fitting.reserved).toContainEqual({ table: 'accounts', column: 'id', firstShadowId: '2147049999' });
    expect(fitting.warnings.join()).toMatch(/accounts\.id has 433649 shadow ids left/);
    await test.connection.query('alter table accounts auto_increment = 1');
  });

  it('drops shadow objects and the account, nothing else', async () => {
    const before = await realState();
    const dry = await clean(test.db, test.options, { what: 'drop' });
    expect(dry.tables).toHaveLength(4);
    expect(await drift(test.db, test.options)).toEqual([]);
    await clean(test.db, test.options, { what: 'drop', dryRun: false });
    expect(await realState()).toEqual(before);
    const left = await inspect(test.db, mode === 'table' ? test.name : `${test.name}_shadow`);
    expect(
      [...left.tables, ...left.views]
        .map(({ name }) => name)
        .filter((name) => mode === 'schema' || name.endsWith('_shadow')),
    ).toEqual([]);
    const users = await test.db.query('select 1 from mysql.user where User = ?', [test.options.account?.user]);
    expect(users).toEqual([]);
  });

  it('does not take over a table that it did not make', async () => {
    await test.connection.query(`create table ${target('audit')} (id int)`);
    await expect(plan(test.db, test.options)).rejects.toThrow(/NAME_TAKEN/);
    expect((await clean(test.db, test.options, { what: 'drop' })).tables).toEqual([]);
  });
});
