import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dbOfClient, orderTables, type TestPostgres, testPostgres } from '../../fixtures/postgres-server.js';
import { createRewriter, loadParser } from '../../postgres/index.js';
import { clean, drift, plan, provision, type ShadowDbOptions, verify } from './index.js';
import { inspect } from './inspect.js';
import { isMarked } from './mark.js';
import { inSnapshot, readServer } from './session.js';

const realTables = [
  'accounts',
  'transfers',
  'audit',
  'postings',
  'branches',
  'secrets',
  'keyless',
  'scratch',
  'notes',
  '"Mixed Case"',
];

describe.each(['table', 'schema'] as const)('shadow tables, mode %s', (mode) => {
  let test: TestPostgres;
  let options: ShadowDbOptions;
  const target = (table: string): string => {
    const plain = table.replaceAll('"', '');
    return mode === 'table' ? `public."${plain}_shadow"` : `public_shadow."${plain}"`;
  };
  const password = (): string => test.account.password;

  beforeAll(async () => {
    test = await testPostgres('orders-postgres.sql');
    options = { database: 'public', mode, tables: orderTables, account: test.account };
  });
  afterAll(async () => test.close());

  const realState = async (): Promise<unknown> => {
    const server = await readServer(test.db, { mustWrite: false });
    const model = await inSnapshot(test.db, () => inspect(test.db, server, ['public']));
    const isReal = ({ table, comment }: { table: string; comment: string }): boolean =>
      !isMarked({ comment }) && !table.includes('_shadow') && table !== 'shadowline_rows';
    const rows: unknown[] = [];
    for (const table of realTables)
      rows.push((await test.client.query(`SELECT t::text FROM ${table} t ORDER BY 1`)).rows);
    return {
      tables: model.tables.filter(isReal),
      views: model.views.filter(isReal),
      sequences: model.sequences.filter(isReal),
      rows,
    };
  };

  it('plans without changing anything, and says what is left out', async () => {
    const before = await realState();
    const planned = await plan(test.db, options);
    expect(await realState()).toEqual(before);
    expect(planned.warnings.map((text) => text.replace(/:.*/s, ''))).toEqual([
      'foreign key account_branch of public.accounts is left out',
      'public.keyless has no primary key',
      'trigger transfer_audit of public.transfers is left out',
      'view public.leaky is left out',
      'view public.summary is left out',
    ]);
    expect(JSON.stringify(planned)).not.toContain(password());
    expect(planned.reserved).toEqual(
      expect.arrayContaining([
        { table: 'accounts', column: 'id', firstShadowId: '1000000040' },
        { table: 'transfers', column: 'id', firstShadowId: '1000000001' },
        { table: 'Mixed Case', column: 'Id', firstShadowId: '1000000001' },
      ]),
    );
  });

  it('provisions what verify can prove, and leaves the real side as it was', async () => {
    const before = await realState();
    await provision(test.db, await plan(test.db, options), { password: password() });
    expect(await realState()).toEqual(before);
    expect(await drift(test.db, options)).toEqual([]);
    const shadowAccountDb = dbOfClient(await test.as(test.account.user, password()));
    const proof = await verify(test.db, options, { shadowAccountDb });
    expect(proof.checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(proof.checks.filter(({ name }) => name === 'writes-real').length).toBeGreaterThan(realTables.length);
    expect(await realState()).toEqual(before);
  });

  it('has nothing to do the second time, but to set the password', async () => {
    const again = await plan(test.db, options);
    expect(again.steps.map(({ kind }) => kind)).toEqual(['account']);
    await provision(test.db, again, { password: password() });
    expect((await plan(test.db, { ...options, account: undefined })).steps).toEqual([]);
  });

  it('lets shadow traffic work on shadow rows alone: keys, triggers, views, ids, runs', async () => {
    const before = await realState();
    const shadow = await test.as(test.account.user, password());
    await shadow.query("SET shadowline.run = 'run-1'");
    await shadow.query(`INSERT INTO ${target('accounts')} (owner, branch_id, balance) VALUES (' Zoe ', 1, 70)`);
    const made = (await shadow.query(`SELECT * FROM ${target('accounts')}`)).rows;
    expect(made).toMatchObject([{ id: '1000000040', owner_key: 'zoe', note: ' ZOE ' }]);
    const id = made[0].id;
    await shadow.query(`INSERT INTO ${target('transfers')} (from_id, to_id, amount) VALUES (${id}, ${id}, 3)`);
    await shadow.query(`UPDATE ${target('accounts')} SET parent_id = id, latest_transfer = 1000000001`);
    await expect(
      shadow.query(`INSERT INTO ${target('transfers')} (from_id, to_id, amount) VALUES (1, 40, 3)`),
    ).rejects.toThrow(/foreign key/);
    expect((await shadow.query(`SELECT owner FROM ${target('richest')}`)).rows).toEqual([{ owner: ' Zoe ' }]);
    await shadow.query(`INSERT INTO ${target('postings')} (day, amount) VALUES ('2024-02-02', 1), ('2031-01-01', 1)`);
    await shadow.query(`INSERT INTO ${target('postings_rest')} (day, amount) VALUES ('2032-01-01', 1)`);
    await shadow.query(`INSERT INTO ${target('Mixed Case')} ("The Name") VALUES ('x') RETURNING ticket`);
    expect((await shadow.query(`SELECT "Id", ticket FROM ${target('Mixed Case')}`)).rows).toEqual([
      // the real session has taken 5, 15 and 25 at once
      { Id: 1000000001, ticket: 'T-1000000025' },
    ]);
    await shadow.query("SET shadowline.run = 'run-2'");
    await shadow.query(`INSERT INTO ${target('scratch')} VALUES (1, 2)`);
    await shadow.query(`INSERT INTO ${target('notes')} (a, b, text) VALUES (1, 2, 'n')`);
    expect(await realState()).toEqual(before);
    for (const sql of [
      "INSERT INTO audit (what) VALUES ('leak')",
      "SELECT nextval('tickets')",
      'SELECT * FROM secrets',
      'TRUNCATE audit',
      'CREATE TABLE x ()',
    ]) {
      if (sql.startsWith('CREATE') && (await readServer(test.db, { mustWrite: false })).version < 150_000) continue;
      await expect(shadow.query(sql)).rejects.toMatchObject({ code: '42501' });
    }
  });

  it('is what redirected statements of the account need, and all that they reach', async () => {
    await loadParser();
    const { account: _account, ...mapping } = options;
    const rewriter = createRewriter({ ...mapping, mode, dialect: 'postgres' });
    const shadow = await test.as(test.account.user, password());
    // plain names stay in mode schema: the shadow pool looks for them in the shadow schema
    if (mode === 'schema') await shadow.query('SET search_path = public_shadow');
    const before = await realState();
    const send = async (sql: string): Promise<unknown[]> => {
      const result = rewriter.rewrite(sql, { standardConformingStrings: true });
      if (result.action === 'refuse') throw new Error(result.code);
      return (await shadow.query(result.sql)).rows;
    };
    await shadow.query("SET shadowline.run = 'run-1'");
    const [made] = (await send(
      "INSERT INTO accounts (owner, branch_id, balance) VALUES ('Yan', 1, 5) ON CONFLICT (id) DO UPDATE SET balance = 0 RETURNING id",
    )) as { id: string }[];
    expect(BigInt(made?.id ?? 0)).toBeGreaterThan(1_000_000_039n);
    await send(
      `WITH gone AS (UPDATE accounts SET balance = balance + 1 WHERE id = ${made?.id} RETURNING *) INSERT INTO audit (what) SELECT owner FROM gone`,
    );
    expect(
      await send(
        'SELECT a.owner, b.name FROM accounts a JOIN branches b ON b.id = a.branch_id ORDER BY a.owner COLLATE "C" DESC LIMIT 1',
      ),
    ).toEqual([{ owner: 'Yan', name: 'north' }]);
    expect(await send("SELECT what FROM audit WHERE what = 'Yan'")).toEqual([{ what: 'Yan' }]);
    for (const sql of [
      "INSERT INTO branches VALUES (2, 'x')",
      'SELECT * FROM secrets',
      "SELECT nextval('tickets')",
      'DELETE FROM unknown',
    ])
      await expect(send(sql)).rejects.toThrow(/^SQL_/);
    await send(`DELETE FROM accounts WHERE id = ${made?.id}`);
    await send("DELETE FROM audit WHERE what = 'Yan'");
    expect(await realState()).toEqual(before);
  });

  it('cleans the rows of a run around a cycle of keys: dry run first', async () => {
    const before = await realState();
    const dry = await clean(test.db, options, { run: 'run-1' });
    const shown = dry.tables
      .map(({ table, rows }) => [table.replace(/^\w+\./, '').replace(/_shadow$/, ''), rows])
      .sort();
    expect(shown).toEqual([
      ['Mixed Case', 1],
      ['accounts', 1],
      ['postings', 3],
      ['transfers', 1],
    ]);
    expect(await count(test, target('accounts'))).toBe(1);
    await clean(test.db, options, { run: 'run-1', dryRun: false });
    for (const table of ['accounts', 'transfers', 'postings', 'Mixed Case'])
      expect(await count(test, target(table))).toBe(0);
    expect(await count(test, target('notes'))).toBe(1);
    expect((await clean(test.db, options, { run: 'run-1' })).statements).toEqual([]);
    await clean(test.db, options, { dryRun: false });
    expect(await count(test, target('notes'))).toBe(0);
    expect((await clean(test.db, options)).statements).toEqual([]);
    expect(await drift(test.db, options)).toEqual([]);
    expect(await realState()).toEqual(before);
  });

  it('refuses to clean a run where rows have no key, or are referred to by another run', async () => {
    const shadow = await test.as(test.account.user, password());
    await shadow.query("SET shadowline.run = 'a'");
    await shadow.query(`INSERT INTO ${target('accounts')} (id, owner) VALUES (2000000000, 'p')`);
    await shadow.query("SET shadowline.run = 'b'");
    await shadow.query(
      `INSERT INTO ${target('transfers')} (from_id, to_id, amount) VALUES (2000000000, 2000000000, 1)`,
    );
    await expect(clean(test.db, options, { run: 'a', dryRun: false })).rejects.toThrow(/STILL_REFERRED/);
    expect(await count(test, target('accounts'))).toBe(1);
    // ON DELETE CASCADE would take the row of another run along
    await shadow.query(`INSERT INTO ${target('scratch')} VALUES (7, 7)`);
    await shadow.query("SET shadowline.run = 'c'");
    await shadow.query(`INSERT INTO ${target('notes')} (a, b) VALUES (7, 7)`);
    await expect(clean(test.db, options, { run: 'b' })).rejects.toThrow(/^STILL_REFERRED: 1 rows of .*notes/);
    await expect(clean(test.db, options, { run: "b' OR true" })).rejects.toThrow(/^RUN_ID/);
    await shadow.query(`INSERT INTO ${target('keyless')} VALUES ('x')`);
    await expect(clean(test.db, options, { run: 'b' })).rejects.toThrow(/NO_PRIMARY_KEY/);
    await clean(test.db, options, { dryRun: false });
  });

  it('sees every kind of drift, verify fails, clean refuses, and planning mends it', async () => {
    const changes = [
      'ALTER TABLE accounts ADD COLUMN extra int NOT NULL DEFAULT 3',
      'ALTER TABLE transfers ALTER COLUMN amount TYPE numeric(20, 4), ALTER COLUMN at DROP NOT NULL',
      `ALTER TABLE audit ALTER COLUMN what SET DEFAULT 'a', ALTER COLUMN what TYPE text COLLATE "C"`,
      'ALTER TABLE audit ALTER COLUMN id SET GENERATED BY DEFAULT',
      "ALTER TABLE audit ADD CONSTRAINT known CHECK (what <> 'z')",
      'ALTER TABLE keyless ADD PRIMARY KEY (what)',
      'ALTER TABLE scratch SET LOGGED',
      "CREATE TABLE postings_2025 PARTITION OF postings FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
      'ALTER SEQUENCE tickets INCREMENT BY 20',
      'CREATE OR REPLACE VIEW richest AS SELECT owner FROM accounts',
      `ALTER TABLE ${target('notes')} DROP CONSTRAINT notes_a_b_fkey`,
      `DROP TRIGGER account_touch ON ${target('accounts')}`,
      `DROP TRIGGER shadowline_rows ON ${target('notes')}`,
      'CREATE INDEX more ON notes (text)',
      'CREATE STATISTICS more_statistics ON a, b FROM notes',
      `CREATE RULE nothing AS ON DELETE TO ${target('notes')} DO INSTEAD NOTHING`,
    ];
    for (const sql of changes) await test.client.query(sql);
    const found = await drift(test.db, options);
    expect([...new Set(found.map(({ what }) => what))].sort()).toEqual(
      [
        'check',
        'collation',
        'column',
        'constraint',
        'default',
        'foreign-key',
        'identity',
        'index',
        'missing',
        'nullability',
        'rule',
        'run',
        'sequence',
        'statistics',
        'storage',
        'trigger',
        'type',
        'view',
      ].sort(),
    );
    expect((await verify(test.db, options)).ok).toBe(false);
    await expect(clean(test.db, options)).rejects.toThrow(/DRIFT/);
    const before = await realState();
    await provision(test.db, await plan(test.db, options), { password: password() });
    expect(await drift(test.db, options)).toEqual([]);
    expect((await plan(test.db, options)).steps.map(({ kind }) => kind)).toEqual(['account']);
    expect(await realState()).toEqual(before);
    const shadowAccountDb = dbOfClient(await test.as(test.account.user, password()));
    expect((await verify(test.db, options, { shadowAccountDb })).checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it('drops an index that the real table does not have, but by a shadow name only: others are left to a person, and named', async () => {
    const home = mode === 'table' ? 'public' : 'public_shadow';
    const add = async (sql: string) => void (await test.client.query(sql));
    await add(`CREATE INDEX stray_shadow ON ${target('notes')} (text)`);
    await add(`CREATE STATISTICS ${home}.stray_statistics_shadow ON a, b FROM ${target('notes')}`);
    // the session's first schema, where no shadow is, or a name that is none
    await add(`CREATE STATISTICS stray_statistics ON a, b FROM ${target('notes')}`);
    if (mode === 'table') await add(`CREATE INDEX stray ON ${target('notes')} (text)`);
    const planned = await plan(test.db, options);
    expect(planned.steps.filter(({ kind }) => kind === 'drop').map(({ sql }) => sql)).toEqual([
      `DROP INDEX "${home}"."stray_shadow"`,
      `DROP STATISTICS "${home}"."stray_statistics_shadow"`,
    ]);
    await provision(test.db, planned, { password: password() });
    const byHand = ['DROP STATISTICS "public"."stray_statistics"'];
    if (mode === 'table') byHand.unshift('DROP INDEX "public"."stray"');
    const left = await drift(test.db, options);
    expect(left.map(({ remedy }) => remedy)).toEqual(byHand.map((sql) => expect.stringContaining(sql)));
    for (const { remedy } of left) expect(planned.warnings).toContainEqual(expect.stringContaining(String(remedy)));
    for (const sql of byHand) await add(sql);
    expect(await drift(test.db, options)).toEqual([]);
  });

  it('verify names a key to a real parent, a default of a real sequence and a trigger that writes', async () => {
    await test.client.query(
      `ALTER TABLE ${target('transfers')} ADD CONSTRAINT stray FOREIGN KEY (from_id) REFERENCES public.accounts (id)`,
    );
    await test.client.query(
      `ALTER TABLE ${target('transfers')} ALTER COLUMN id SET DEFAULT nextval('public.transfers_id_seq')`,
    );
    await test.client.query(
      `CREATE TRIGGER stray AFTER INSERT ON ${target('audit')} FOR EACH ROW EXECUTE FUNCTION record()`,
    );
    const bad = (await verify(test.db, options)).checks.filter(({ ok }) => !ok);
    expect([...new Set(bad.map(({ name }) => name))].sort()).toEqual([
      'foreign-keys',
      'sequences',
      'tables',
      'triggers',
    ]);
    await provision(test.db, await plan(test.db, options), { password: password() });
    expect((await verify(test.db, options)).checks.filter(({ ok }) => !ok)).toEqual([]);
  });

  it('drops shadow objects and the account, nothing else', async () => {
    const before = await realState();
    await test.client.query(
      mode === 'table' ? 'CREATE TABLE other_shadow (id int)' : 'CREATE TABLE public_shadow.other (id int)',
    );
    const dry = await clean(test.db, options, { what: 'drop' });
    expect(await drift(test.db, options)).toEqual([]);
    const done = await clean(test.db, options, { what: 'drop', dryRun: false });
    expect(done.statements).toEqual(dry.statements);
    await test.client.query(mode === 'table' ? 'DROP TABLE other_shadow' : 'DROP TABLE public_shadow.other');
    expect(await realState()).toEqual(before);
    const left = await test.client.query(
      `SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text IN ('public', 'public_shadow') AND (relname ~ 'shadow' OR relnamespace::regnamespace::text = 'public_shadow')
       UNION ALL SELECT proname FROM pg_proc WHERE proname ~ 'shadowline' UNION ALL SELECT rolname FROM pg_roles WHERE rolname = $1`,
      [test.account.user],
    );
    expect(left.rows).toEqual([]);
  });
});

async function count(test: TestPostgres, table: string): Promise<number> {
  return Number((await test.client.query(`SELECT count(*) AS n FROM ${table}`)).rows[0].n);
}
