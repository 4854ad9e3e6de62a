import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dbOfClient, type TestPostgres, testPostgres } from '../../fixtures/postgres-server.js';
import type { Db } from '../db.js';
import { guardShadowOnly } from './guard.js';
import { clean, drift, plan, provision, type ShadowDbOptions, verify } from './index.js';
import { Names } from './options.js';

let test: TestPostgres;
let next = 0;

beforeAll(async () => {
  test = await testPostgres();
});
afterAll(async () => test.close());

/** A schema of its own with these tables in it. */
async function schemaWith(sql: string): Promise<string> {
  const name = `s${next++}`;
  await test.client.query(`CREATE SCHEMA ${name}; SET search_path = ${name}; ${sql}; RESET search_path`);
  return name;
}

const options = (
  database: string,
  tables: ShadowDbOptions['tables'],
  more: Partial<ShadowDbOptions> = {},
): ShadowDbOptions => ({ database, mode: 'table', tables, ...more });

/** Everything that stands in the database, to see that nothing was changed. */
async function everything(): Promise<unknown> {
  const { rows } = await test.client.query(
    `SELECT 'relation' AS kind, c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace::regnamespace::text NOT LIKE 'pg\\_%'
     UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc WHERE pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
  );
  return rows;
}

describe('what cannot be planned is refused by name', () => {
  const long = 'ü'.repeat(31);
  it.each<[string, string, ShadowDbOptions['tables'], Partial<ShadowDbOptions>, RegExp]>([
    [
      'a schema that is not there',
      '',
      { t: 'shadow' },
      { database: 'nowhere' },
      /^DATABASE_MISSING: .*no schema nowhere/,
    ],
    ['a table that is not there', '', { t: 'shadow' }, {}, /^TABLE_MISSING: s\d+\.t does not exist/],
    ['mode instance', '', {}, { mode: 'instance' }, /^MODE_INSTANCE/],
    [
      'a name that ends in the suffix',
      'CREATE TABLE t_shadow (id int)',
      { t_shadow: 'shadow' },
      {},
      /^NAMES: .*"t_shadow" ends with the shadow suffix/,
    ],
    [
      'an index whose name ends in the suffix',
      'CREATE TABLE t (id int); CREATE INDEX i_shadow ON t (id)',
      { t: 'shadow' },
      {},
      /^NAMES: .*"i_shadow" ends with/,
    ],
    ['a suffix that is none', 'CREATE TABLE t (id int)', { t: 'shadow' }, { suffix: ' ' }, /^NAMES/],
    [
      'a foreign table',
      'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER w FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE t (id int) SERVER w',
      { t: 'shadow' },
      {},
      /^FOREIGN_TABLE: s\d+\.t is a foreign table/,
    ],
    [
      'a parent by INHERITS',
      'CREATE TABLE t (id int); CREATE TABLE u () INHERITS (t)',
      { t: 'shadow' },
      {},
      /^INHERITANCE: s\d+\.t/,
    ],
    [
      'a child by INHERITS',
      'CREATE TABLE t (id int); CREATE TABLE u () INHERITS (t)',
      { u: 'shadow' },
      {},
      /^INHERITANCE: s\d+\.u is tied by INHERITS to s\d+\.t/,
    ],
    [
      'a partition classed otherwise',
      'CREATE TABLE t (id int) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF t DEFAULT',
      { t: 'shadow', p: 'real-read' },
      {},
      /^PARTITION_CLASS: s\d+\.p is classed real-read, but it is a partition of s\d+\.t \(shadow\)/,
    ],
    [
      'a partition without its table',
      'CREATE TABLE t (id int) PARTITION BY LIST (id); CREATE TABLE p PARTITION OF t DEFAULT',
      { p: 'shadow' },
      {},
      /^PARTITION_CLASS: .*\(no class\)/,
    ],
    [
      'a sequence that counts down',
      'CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY (INCREMENT BY -1))',
      { t: 'shadow' },
      {},
      /^SEQUENCE_RANGE/,
    ],
    [
      'a type without room',
      'CREATE TABLE t (id smallserial PRIMARY KEY)',
      { t: 'shadow' },
      {},
      /^AUTO_INCREMENT_RANGE: s\d+\.t\.id \(smallint\).*ends at 32767/,
    ],
    [
      'ids that have used up the type',
      "CREATE TABLE t (id serial PRIMARY KEY); SELECT setval('t_id_seq', 2147000000)",
      { t: 'shadow' },
      {},
      /^AUTO_INCREMENT_RANGE/,
    ],
    [
      'a real id above the sequence',
      'CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t VALUES (2000000000)',
      { t: 'shadow' },
      {},
      /^AUTO_INCREMENT_RANGE: .*begin at 2000000000/,
    ],
    [
      'a shadow name that a table has',
      'CREATE TABLE t (id int); CREATE TABLE t_shadow (id int)',
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: s\d+\.t_shadow exists/,
    ],
    [
      'a shadow name that a view has',
      'CREATE TABLE t (id int); CREATE VIEW t_shadow AS SELECT 1',
      { t: 'shadow' },
      {},
      /^NAME_TAKEN/,
    ],
    [
      'a shadow name that an index has',
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int); CREATE INDEX t_pkey_shadow ON u (id)',
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: s\d+\.t_pkey_shadow/,
    ],
    [
      'a shadow name that a sequence has',
      'CREATE TABLE t (id serial); CREATE SEQUENCE t_id_seq_shadow',
      { t: 'shadow' },
      {},
      /^NAME_TAKEN: s\d+\.t_id_seq_shadow/,
    ],
    [
      'two schemas with one shadow',
      'CREATE TABLE t (id int)',
      { t: 'shadow', 'other.t': 'shadow' },
      { mode: 'schema', schema: 'x', schemas: { other: 'x' } },
      /^NAMES/,
    ],
    [
      'a shadow schema that is real',
      'CREATE TABLE t (id int)',
      { t: 'shadow', 'other.t': 'real-read' },
      { mode: 'schema', schema: 'other' },
      /^NAMES/,
    ],
    [
      'an administrator as the account',
      'CREATE TABLE t (id int)',
      { t: 'shadow' },
      { account: { user: 'postgres', password: 'x' } },
      /^ACCOUNT_TAKEN: role postgres has SUPERUSER/,
    ],
    [
      'a multi-byte index name that carries the suffix',
      `CREATE TABLE "${long}" (id int); CREATE INDEX "ü_SHADOW" ON "${long}" (id)`,
      { '*': 'shadow' },
      {},
      /^NAMES/,
    ],
  ])('%s', async (_, sql, tables, more, message) => {
    const schema = await schemaWith(sql || 'SELECT 1');
    const before = await everything();
    await expect(plan(test.db, options(schema, tables, more))).rejects.toThrow(message);
    expect(await everything()).toEqual(before);
  });

  it('a smaller gap makes room', async () => {
    const schema = await schemaWith('CREATE TABLE t (id smallserial PRIMARY KEY); INSERT INTO t DEFAULT VALUES');
    const planned = await plan(test.db, options(schema, { t: 'shadow' }, { autoIncrementGap: { t: 1000 } }));
    expect(planned.reserved).toEqual([{ table: 't', column: 'id', firstShadowId: '1001' }]);
  });
});

describe('what could reach real tables is left out by name', () => {
  it.each<[string, string, RegExp]>([
    [
      'a default of a function that is not known',
      "CREATE FUNCTION ids() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE t (id int PRIMARY KEY DEFAULT ids())",
      /^default of s\d+\.t\.id is left out: s\d+\.ids\(\) is not known/,
    ],
    [
      'a sequence named by text',
      "CREATE SEQUENCE q; CREATE TABLE t (id int PRIMARY KEY DEFAULT nextval('q'::text))",
      /^default of s\d+\.t\.id is left out: nextval reaches/,
    ],
    [
      'a CHECK of a function that is not known',
      "CREATE FUNCTION good(int) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE TABLE t (id int PRIMARY KEY CONSTRAINT c CHECK (good(id)))",
      /^CHECK c of s\d+\.t is left out/,
    ],
    [
      'a rule',
      'CREATE TABLE t (id int PRIMARY KEY); CREATE RULE r AS ON DELETE TO t DO ALSO INSERT INTO t VALUES (1)',
      /^rule r of s\d+\.t is left out/,
    ],
    [
      'row-level security',
      'CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (id > 0)',
      /^row-level security of s\d+\.t is left out \(p\)/,
    ],
    [
      'a trigger that builds SQL',
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN EXECUTE ''DELETE FROM t''; RETURN NEW; END'; CREATE TABLE t (id int PRIMARY KEY); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
      /^trigger g of s\d+\.t is left out: .* may touch tables \(dynexecute\)/,
    ],
    [
      'a trigger that calls another function',
      "CREATE FUNCTION h() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := h(); RETURN NEW; END'; CREATE TABLE t (id int PRIMARY KEY); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
      /^trigger g of s\d+\.t is left out: .* calls h/,
    ],
    [
      'a trigger that reads a table in an expression',
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := (SELECT id FROM t LIMIT 1); RETURN NEW; END'; CREATE TABLE t (id int PRIMARY KEY); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
      /^trigger g of s\d+\.t is left out: .* reads tables/,
    ],
    [
      'a trigger with the rights of its owner',
      "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN NEW; END'; CREATE TABLE t (id int PRIMARY KEY); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
      /^trigger g of s\d+\.t is left out: .*rights of its owner/,
    ],
    [
      'a key to a real-read table',
      'CREATE TABLE r (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY CONSTRAINT k REFERENCES r)',
      /^foreign key k of s\d+\.t is left out/,
    ],
    ['a table without a primary key', 'CREATE TABLE t (id int)', /^s\d+\.t has no primary key/],
    [
      'a view that calls what is not known',
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE t (id int PRIMARY KEY); CREATE VIEW v AS SELECT f() FROM t",
      /^view s\d+\.v is left out: s\d+\.f\(\)/,
    ],
  ])('%s', async (_, sql, message) => {
    const schema = await schemaWith(sql);
    const { rows } = await test.client.query(
      "SELECT 1 FROM pg_class WHERE relname = 'v' AND relnamespace = $1::regnamespace",
      [schema],
    );
    const chosen = options(schema, { t: 'shadow', ...(rows.length > 0 && { v: 'shadow' }) });
    const planned = await plan(test.db, chosen);
    expect(planned.warnings).toEqual([expect.stringMatching(message)]);
    await provision(test.db, planned);
    expect(await drift(test.db, chosen)).toEqual([]);
    expect((await verify(test.db, chosen)).checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});

describe.each(['table', 'schema'] as const)('names, mode %s', (mode) => {
  it('too long for the suffix, in several bytes, with quotes: all parts, twice', async () => {
    const long = `${'ü'.repeat(15)}${'名'.repeat(11)}`;
    const schema = await schemaWith(
      `CREATE TABLE "${long}" ("${'c'.repeat(63)}" serial PRIMARY KEY, b int CONSTRAINT "${'k'.repeat(63)}" UNIQUE, CONSTRAINT "it's ""odd""" CHECK (b > 0));
       CREATE INDEX "${'i'.repeat(63)}" ON "${long}" (b); CREATE TABLE "a.b" (id int PRIMARY KEY REFERENCES "${long}"); CREATE TABLE "select" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)`,
    );
    const chosen = options(schema, { '*': 'shadow' }, { mode });
    await provision(test.db, await plan(test.db, chosen));
    expect(await drift(test.db, chosen)).toEqual([]);
    expect((await plan(test.db, chosen)).steps).toEqual([]);
    expect((await verify(test.db, chosen)).checks.filter(({ ok }) => !ok)).toEqual([]);
    await clean(test.db, chosen, { what: 'drop', dryRun: false });
    const { rows } = await test.client.query(
      "SELECT relname FROM pg_class WHERE relname LIKE '%shadow%'  AND relnamespace = $1::regnamespace",
      [schema],
    );
    expect(rows).toEqual([]);
  });

  it('several schemas, with keys and sequences across them', async () => {
    const [one, two] = [await schemaWith('CREATE TABLE people (id serial PRIMARY KEY)'), `s${next}`];
    await schemaWith(
      `CREATE TABLE orders (id int PRIMARY KEY DEFAULT nextval('${one}.people_id_seq'), person int REFERENCES ${one}.people ON DELETE CASCADE)`,
    );
    const chosen = options(one, { people: 'shadow', [`${two}.orders`]: 'shadow' }, { mode });
    await provision(test.db, await plan(test.db, chosen));
    expect(await drift(test.db, chosen)).toEqual([]);
    const [people, orders] =
      mode === 'table'
        ? [`${one}.people_shadow`, `${two}.orders_shadow`]
        : [`${one}_shadow.people`, `${two}_shadow.orders`];
    await test.client.query("SET shadowline.run = 'r'");
    const { rows } = await test.client.query(`INSERT INTO ${people} DEFAULT VALUES RETURNING id`);
    await test.client.query(`INSERT INTO ${orders} (person) VALUES (${rows[0].id})`);
    await test.client.query('RESET shadowline.run');
    expect((await clean(test.db, chosen, { run: 'r' })).tables.map(({ rows: count }) => count)).toEqual([1, 1]);
    await clean(test.db, chosen, { run: 'r', dryRun: false });
    expect((await test.client.query(`SELECT last_value::text FROM ${one}.people_id_seq`)).rows).toEqual([
      { last_value: '1' },
    ]);
    expect((await verify(test.db, chosen)).ok).toBe(true);
  });
});

describe('rows of a run', () => {
  const keys: [string, string[]][] = [
    ['smallint', ['-3']],
    ['bigint', ['9223372036854775807']],
    ['numeric', ['1.50', "'NaN'", '1e30']],
    ['real', ['0.1', "'-Infinity'"]],
    ['double precision', ['0.1', '1e-300']],
    ['boolean', ['true', 'false']],
    ['text', ["''", "'it''s \\ \"q\"'", "'ü名'", '\'{"a": 1}\'']],
    ['char(3)', ["'a'"]],
    ['varchar(5)', ["' b '"]],
    ['uuid', ['gen_random_uuid()']],
    ['bytea', ["'\\x00ff5c27'"]],
    ['date', ["'2024-02-03'", "'infinity'"]],
    ['timestamptz', ["'2024-02-03 04:05:06.789+02'"]],
    ['timestamp', ["'0044-03-15 01:02:03 BC'"]],
    ['time', ["'04:05:06.7'"]],
    ['timetz', ["'04:05:06+09'"]],
    ['interval', ["'1 year -2 days 03:04:05.6'"]],
    ['int[]', ["'{1,NULL,3}'"]],
    ['text[]', ['\'{"a,b","c\\"d"}\'']],
    ['inet', ["'10.1.2.3/8'"]],
    ['int4range', ["'[1,5)'"]],
    ['jsonb', ['\'{"b": [1, null]}\'']],
    ['bit(4)', ["B'1010'"]],
    ['mood', ["'calm'"]],
    ['pair', ["ROW(1, 'x,y')"]],
    ['amount', ['7']],
    ['"char"', ["'a'"]],
  ];

  it('are found by keys of every type, whatever the settings of the session that wrote them', async () => {
    const schema = await schemaWith(
      `CREATE TYPE mood AS ENUM ('calm'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN amount AS int CHECK (VALUE > 0);
       ${keys.map(([type], at) => `CREATE TABLE t${at} (k ${type}, run int, PRIMARY KEY (run, k))`).join('; ')}`,
    );
    const chosen = options(schema, { 't*': 'shadow' });
    await provision(test.db, await plan(test.db, chosen));
    const writer = await test.as();
    await writer.query(
      "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = 0; SET shadowline.run = 'r'",
    );
    for (const [at, [type, values]] of keys.entries()) {
      for (const [index, value] of values.entries())
        await writer.query(
          `SET search_path = ${schema}; INSERT INTO t${at}_shadow (k, run) VALUES (${value}::${type}, ${index})`,
        );
    }
    const dry = await clean(test.db, chosen, { run: 'r' });
    const found = keys.map(([type], at) => [
      type,
      dry.tables.find(({ table }) => table === `${schema}.t${at}_shadow`)?.rows,
    ]);
    expect(found).toEqual(keys.map(([type, values]) => [type, values.length]));
    await clean(test.db, chosen, { run: 'r', dryRun: false });
    expect((await clean(test.db, chosen)).tables.filter(({ rows }) => rows > 0)).toEqual([]);
  });
});

describe('plan and provision', () => {
  const sql = 'CREATE TABLE t (id serial PRIMARY KEY); CREATE TABLE u (id int PRIMARY KEY REFERENCES t)';
  const tables = { t: 'shadow', u: 'shadow' } as const;

  it.each([
    ['dropped', 'DROP TABLE u', /^TABLE_MISSING|^PLAN_STALE/],
    ['changed', 'ALTER TABLE u ADD COLUMN more int', /^PLAN_STALE/],
    ['joined by a table in the way', 'CREATE TABLE u_shadow ()', /^NAME_TAKEN|^PLAN_STALE/],
    ['indexed', 'CREATE INDEX ON t (id)', /^PLAN_STALE/],
  ])('a table that was %s in between stops it before the first change', async (_, change, message) => {
    const schema = await schemaWith(sql);
    const planned = await plan(test.db, options(schema, tables));
    await test.client.query(`SET search_path = ${schema}; ${change}; RESET search_path`);
    const before = await everything();
    await expect(provision(test.db, planned)).rejects.toThrow(message);
    expect(await everything()).toEqual(before);
  });

  it('rows that came in between do not', async () => {
    const schema = await schemaWith(sql);
    const planned = await plan(test.db, options(schema, tables));
    await test.client.query(`INSERT INTO ${schema}.t DEFAULT VALUES`);
    await provision(test.db, planned);
    expect(await drift(test.db, options(schema, tables))).toEqual([]);
  });

  it('a connection lost half-way, or a step that fails, leaves nothing', async () => {
    const schema = await schemaWith(sql);
    const planned = await plan(test.db, options(schema, tables));
    const before = await everything();
    const other = await test.as();
    const { pid } = (await other.query('SELECT pg_backend_pid() AS pid')).rows[0];
    const db = dbOfClient(other);
    const killing: Db = {
      async query(text, params) {
        if (text.startsWith('ALTER TABLE')) await test.client.query('SELECT pg_terminate_backend($1)', [pid]);
        return db.query(text, params);
      },
    };
    await expect(provision(killing, planned)).rejects.toThrow(
      /^ROLLED_BACK: provisioning stopped at step \d+ of \d+ \(ALTER TABLE/,
    );
    expect(await everything()).toEqual(before);
    const failing = structuredClone(planned);
    (failing.steps.at(-1) as { sql: string }).sql = `DROP TABLE "${schema}"."missing_shadow"`;
    await expect(provision(test.db, failing)).rejects.toThrow(/^ROLLED_BACK: .*missing_shadow/);
    expect(await everything()).toEqual(before);
    await provision(test.db, planned);
    expect(await drift(test.db, options(schema, tables))).toEqual([]);
  });

  it('the second of two at once says who holds the lock', async () => {
    const schema = await schemaWith(sql);
    const planned = await plan(test.db, options(schema, tables));
    const other = await test.as();
    await other.query("SET application_name = 'the other one'");
    let second: unknown;
    await provision(dbOfClient(other), planned, {
      onStep: (_, index) => {
        if (index === 0)
          second = expect(provision(test.db, planned)).rejects.toThrow(
            /^LOCKED: .*the other one, user postgres, process \d+/,
          );
      },
    });
    await second;
    expect((await plan(test.db, options(schema, tables))).steps).toEqual([]);
  });

  it('does not wait for, nor stand in line behind, who locks a real table', async () => {
    const schema = await schemaWith(sql);
    const planned = await plan(test.db, options(schema, tables));
    const other = await test.as();
    await other.query(`BEGIN; LOCK TABLE ${schema}.u IN ACCESS EXCLUSIVE MODE`);
    await provision(test.db, planned);
    await other.query(`ROLLBACK; BEGIN; LOCK TABLE ${schema}.t IN ACCESS EXCLUSIVE MODE`);
    await expect(plan(test.db, options(schema, tables))).rejects.toThrow(/^REAL_BUSY/);
    await other.query('ROLLBACK');
  });

  it('statements that reach several sessions are no transaction', async () => {
    const schema = await schemaWith(sql);
    const planned = await plan(test.db, options(schema, tables));
    const dbs = [test.db, dbOfClient(await test.as())];
    let turn = 0;
    const pool: Db = {
      query: (text, params) =>
        (dbs[text.startsWith("SELECT current_setting('shadowline") ? turn++ % 2 : 1] as Db).query(text, params),
    };
    const before = await everything();
    await expect(provision(pool, planned)).rejects.toThrow(/^ONE_SESSION/);
    expect(await everything()).toEqual(before);
  });

  it('a read-only default is not passed over', async () => {
    const schema = await schemaWith(sql);
    const other = await test.as();
    await other.query('SET default_transaction_read_only = on');
    await expect(plan(dbOfClient(other), options(schema, tables))).rejects.toThrow(
      /^READ_ONLY: default_transaction_read_only is on/,
    );
  });

  it('names the rights that are missing as statements, with which it works', async () => {
    const schema = await schemaWith(`${sql}; CREATE TABLE r (id int)`);
    const role = await test.role();
    const db = dbOfClient(await test.as(role.user, role.password));
    for (const mode of ['table', 'schema'] as const) {
      const account = { user: `${test.name}_r_${mode}`, password: 'y' };
      const chosen = options(schema, { ...tables, r: 'real-read' }, { mode, account });
      const error = await plan(db, chosen).catch((one: Error) => one);
      const statements = /in \w+: (.*);\. Nothing was changed/.exec((error as Error).message)?.[1]?.split('; ') ?? [];
      expect(statements.length).toBeGreaterThan(0);
      for (const statement of statements) await test.client.query(statement);
      const planned = await plan(db, chosen);
      await provision(db, planned, { password: 'y' });
      const shadowAccountDb = dbOfClient(await test.as(account.user, 'y'));
      expect((await verify(db, chosen, { shadowAccountDb })).checks.filter(({ ok }) => !ok)).toEqual([]);
      await clean(db, chosen, { what: 'drop', dryRun: false });
    }
    await test.client.query(`DROP OWNED BY ${role.user}`);
  });

  it('sees what everybody may do', async () => {
    const schema = await schemaWith(
      `CREATE TABLE t (id serial PRIMARY KEY); GRANT INSERT ON t TO PUBLIC; GRANT USAGE ON SEQUENCE t_id_seq TO PUBLIC;
       CREATE FUNCTION strong() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'`,
    );
    const chosen = options(schema, { t: 'shadow' }, { account: test.account });
    const planned = await plan(test.db, chosen);
    expect(planned.warnings.join('\n')).toMatch(/INSERT on table s\d+\.t: REVOKE INSERT ON s\d+\.t FROM PUBLIC/);
    expect(planned.warnings.join('\n')).toMatch(
      /EXECUTE, with the rights of postgres on function s\d+\.strong\(\): REVOKE EXECUTE/,
    );
    await provision(test.db, planned, { password: test.account.password });
    const shadowAccountDb = dbOfClient(await test.as(test.account.user, test.account.password));
    const bad = (await verify(test.db, chosen, { shadowAccountDb })).checks.filter(({ ok }) => !ok);
    expect(bad.map(({ detail }) => detail).sort()).toEqual(['COPY: allowed, INSERT: allowed', 'nextval: allowed']);
    expect((await test.client.query(`SELECT is_called FROM ${schema}.t_id_seq`)).rows).toEqual([{ is_called: false }]);
    await clean(test.db, chosen, { what: 'drop', dryRun: false });
  });

  it('says who would get shadow rows by replication', async () => {
    const schema = await schemaWith('CREATE TABLE t (id int PRIMARY KEY)');
    await test.client.query(
      `CREATE PUBLICATION whole FOR ALL TABLES; CREATE PUBLICATION near FOR TABLES IN SCHEMA ${schema}; CREATE PUBLICATION named FOR TABLE ${schema}.t`,
    );
    try {
      const { warnings } = await plan(test.db, options(schema, { t: 'shadow' }));
      expect(warnings.map((text) => /^publication \w+ is FOR [A-Z ]+/.exec(text)?.[0])).toEqual([
        'publication near is FOR TABLES IN SCHEMA ',
        'publication whole is FOR ALL TABLES',
      ]);
      const elsewhere = await plan(test.db, options(schema, { t: 'shadow' }, { mode: 'schema' }));
      expect(elsewhere.warnings.join()).toMatch(
        /^publication whole is FOR ALL TABLES[^,]*, shadow tables too[^,]*, or stop[^,]*$/,
      );
    } finally {
      await test.client.query('DROP PUBLICATION whole, near, named');
    }
  });

  it('sees rights on single columns, and those that tie real rows to others', async () => {
    const schema = await schemaWith(
      'CREATE TABLE t (id int PRIMARY KEY, memo text); GRANT UPDATE (memo) ON t TO PUBLIC; CREATE TABLE u (id int PRIMARY KEY); GRANT TRIGGER ON u TO PUBLIC',
    );
    const chosen = options(schema, { t: 'shadow' }, { account: test.account });
    const planned = await plan(test.db, chosen);
    expect(planned.warnings.join('\n')).toMatch(
      /UPDATE on column s\d+\.t\.memo: REVOKE UPDATE \(memo\) ON s\d+\.t FROM PUBLIC/,
    );
    expect(planned.warnings.join('\n')).toMatch(/TRIGGER on table s\d+\.u: REVOKE TRIGGER ON s\d+\.u FROM PUBLIC/);
    await provision(test.db, planned, { password: test.account.password });
    const shadowAccountDb = dbOfClient(await test.as(test.account.user, test.account.password));
    const bad = (await verify(test.db, chosen, { shadowAccountDb })).checks.filter(({ ok }) => !ok);
    expect(bad.map(({ subject, detail }) => `${subject.replace(/^.*\./, '')} ${detail}`)).toEqual([
      't UPDATE: allowed',
      'u TRIGGER: allowed',
    ]);
    await clean(test.db, chosen, { what: 'drop', dryRun: false });
  });

  it('gives CONNECT where not everybody has it, and what else came in between is no matter', async () => {
    const schema = await schemaWith('CREATE TABLE t (id int PRIMARY KEY)');
    await test.client.query(`REVOKE CONNECT ON DATABASE ${test.name} FROM PUBLIC`);
    try {
      const chosen = options(schema, { t: 'shadow' }, { account: test.account });
      const planned = await plan(test.db, chosen);
      await test.client.query(`CREATE TABLE ${schema}.unrelated (id int)`);
      await provision(test.db, planned, { password: test.account.password });
      const shadow = await test.as(test.account.user, test.account.password);
      await shadow.query(`INSERT INTO ${schema}.t_shadow VALUES (1)`);
      expect((await plan(test.db, chosen)).steps.map(({ kind }) => kind)).toEqual(['account']);
      await shadow.end();
      await clean(test.db, chosen, { what: 'drop', dryRun: false });
    } finally {
      await test.client.query(`GRANT CONNECT ON DATABASE ${test.name} TO PUBLIC`);
    }
  });

  it('an account with other rights is not taken over', async () => {
    const schema = await schemaWith('CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE v (id int)');
    const { user } = await test.role();
    const chosen = options(schema, { t: 'shadow' }, { account: { user, password: 'x' } });
    await test.client.query(`GRANT UPDATE ON ${schema}.v TO ${user}`);
    await expect(plan(test.db, chosen)).rejects.toThrow(/^ACCOUNT_TAKEN: role \w+ has UPDATE on table/);
    await test.client.query(`REVOKE UPDATE ON ${schema}.v FROM ${user}; GRANT pg_read_all_data TO ${user}`);
    await expect(plan(test.db, chosen)).rejects.toThrow(/^ACCOUNT_TAKEN: role \w+ is a member of pg_read_all_data/);
    await test.client.query(
      `REVOKE pg_read_all_data FROM ${user}; ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO ${user}`,
    );
    await expect(plan(test.db, chosen)).rejects.toThrow(/^ACCOUNT_TAKEN: role \w+ has INSERT on other default/);
    await test.client.query(
      `ALTER DEFAULT PRIVILEGES REVOKE INSERT ON TABLES FROM ${user}; GRANT SELECT ON ${schema}.v TO ${user}`,
    );
    // a report's account
    await expect(plan(test.db, chosen)).rejects.toThrow(/^ACCOUNT_TAKEN: role \w+ has SELECT on table/);
    expect((await clean(test.db, chosen, { what: 'drop', dryRun: false })).account).toBeUndefined();
    await test.client.query(`REVOKE SELECT ON ${schema}.v FROM ${user}`);
    await provision(test.db, await plan(test.db, chosen), { password: 'x' });
    await test.client.query(`GRANT SELECT ON ${schema}.v TO ${user}`);
    const planned = await plan(test.db, chosen);
    expect(planned.steps.map(({ sql: text }) => text)).toContain(
      `REVOKE SELECT ON TABLE "${schema}"."v" FROM "${user}"`,
    );
    await provision(test.db, planned, { password: 'x' });
    await clean(test.db, chosen, { what: 'drop', dryRun: false });
  });
});

describe('what is tied to a shadow table from elsewhere', () => {
  const each = [{ run: 'one' }, {}, { what: 'drop' as const }];
  const attempts = async (chosen: ShadowDbOptions): Promise<string[]> => {
    const told: string[] = [];
    for (const asked of each)
      told.push(
        await clean(test.db, chosen, { ...asked, dryRun: false }).then(
          ({ statements }) => `done: ${statements.join('; ')}`,
          (error: Error) => error.message,
        ),
      );
    return told;
  };

  it('by a foreign key of another schema: its rows stay', async () => {
    const schema = await schemaWith('CREATE TABLE t (id int PRIMARY KEY)');
    const chosen = options(schema, { t: 'shadow' });
    await provision(test.db, await plan(test.db, chosen));
    const other = await schemaWith(
      `CREATE TABLE child (id int PRIMARY KEY REFERENCES ${schema}.t_shadow ON DELETE CASCADE)`,
    );
    await test.client.query(
      `SET shadowline.run = 'one'; INSERT INTO ${schema}.t_shadow VALUES (1); RESET shadowline.run; INSERT INTO ${other}.child VALUES (1)`,
    );
    for (const told of await attempts(chosen))
      expect(told).toMatch(/^REAL_KEY: foreign key child_id_fkey of s\d+\.child, in another schema, refers to/);
    expect((await test.client.query(`SELECT * FROM ${other}.child`)).rowCount).toBe(1);
  });

  it('by INHERITS, or as a partition: its rows stay, and it is not dropped', async () => {
    const schema = await schemaWith(
      'CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)',
    );
    const ties = {
      t: 'CREATE TABLE own (id int) INHERITS (SCHEMA.t_shadow); INSERT INTO own VALUES (1)',
      parted:
        'CREATE TABLE own (id int PRIMARY KEY); INSERT INTO own VALUES (20); ALTER TABLE SCHEMA.parted_shadow ATTACH PARTITION own FOR VALUES FROM (20) TO (30)',
    };
    for (const [name, tie] of Object.entries(ties)) {
      const chosen = options(schema, { [name]: 'shadow' });
      await provision(test.db, await plan(test.db, chosen));
      const other = await schemaWith(tie.replaceAll('SCHEMA', schema));
      for (const told of await attempts(chosen)) expect(told).toMatch(/^REAL_HEIR: s\d+\.own is /);
      await test.client.query(`ALTER TABLE ${schema}.${name} ADD COLUMN z int`);
      await expect(plan(test.db, chosen)).rejects.toThrow(/^REAL_HEIR: s\d+\.own is /);
      expect((await test.client.query(`SELECT * FROM ${other}.own`)).rowCount).toBe(1);
      await test.client.query(`DROP TABLE ${other}.own; ALTER TABLE ${schema}.${name} DROP COLUMN z`);
      await clean(test.db, chosen, { what: 'drop', dryRun: false });
    }
  });

  it('by a trigger that has the name of ours', async () => {
    const schema = await schemaWith(
      "CREATE TABLE t (id int PRIMARY KEY); CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    );
    const chosen = options(schema, { t: 'shadow' });
    await provision(test.db, await plan(test.db, chosen));
    await test.client
      .query(
        `CREATE OR REPLACE TRIGGER shadowline_rows AFTER INSERT ON ${schema}.t_shadow REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.other()`,
      )
      .catch(async () => {
        await test.client.query(
          `DROP TRIGGER shadowline_rows ON ${schema}.t_shadow; CREATE TRIGGER shadowline_rows AFTER INSERT ON ${schema}.t_shadow REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION ${schema}.other()`,
        );
      });
    expect((await drift(test.db, chosen)).map(({ what }) => what)).toEqual(['run']);
    await provision(test.db, await plan(test.db, chosen));
    expect(await drift(test.db, chosen)).toEqual([]);
  });

  it('not by a comment alone: what is real stays real', async () => {
    const schema = await schemaWith(
      "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE old (id int PRIMARY KEY); COMMENT ON TABLE old IS 'shadowline first=1'; CREATE TABLE eye_shadow (id int PRIMARY KEY); CREATE SEQUENCE s; COMMENT ON SEQUENCE s IS 'shadowline'",
    );
    const chosen = options(schema, { '*': 'shadow' }, { account: test.account });
    const planned = await plan(test.db, chosen);
    expect(planned.steps.filter(({ kind }) => kind === 'table').map(({ subject }) => subject)).toEqual(['old', 't']);
    await provision(test.db, planned, { password: test.account.password });
    await test.client.query(`GRANT DELETE ON ${schema}.eye_shadow TO PUBLIC`);
    const shadowAccountDb = dbOfClient(await test.as(test.account.user, test.account.password));
    const bad = (await verify(test.db, chosen, { shadowAccountDb })).checks.filter(({ ok }) => !ok);
    expect(bad.map(({ subject, detail }) => `${subject.replace(/^.*\./, '')} ${detail}`)).toEqual([
      'eye_shadow DELETE: allowed',
    ]);
    await clean(test.db, chosen, { what: 'drop', dryRun: false });
    const { rows } = await test.client.query(
      `SELECT relname FROM pg_class WHERE relnamespace = '${schema}'::regnamespace AND relkind IN ('r', 'S') ORDER BY 1`,
    );
    expect(rows.map(({ relname }) => relname)).toEqual(['eye_shadow', 'old', 's', 't']);
  });

  it('nor do the settings of a session change what a definition says', async () => {
    const schema = await schemaWith(
      "CREATE TABLE t (id int PRIMARY KEY, at timestamptz DEFAULT '2026-01-02 00:00+05:30', CHECK (at > '2020-03-02 00:00+05:30'::timestamptz))",
    );
    const chosen = options(schema, { t: 'shadow' });
    const client = await test.as();
    await client.query("SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'");
    await provision(dbOfClient(client), await plan(dbOfClient(client), chosen));
    expect(await drift(test.db, chosen)).toEqual([]);
  });
});

describe('the guard', () => {
  const names = new Names({
    database: 'public',
    mode: 'table',
    tables: { t: 'shadow' },
    account: { user: 'rw', password: 'x' },
  });
  const shadowSchema = new Names({ database: 'public', mode: 'schema', tables: { t: 'shadow' } });

  it.each([
    'DROP TABLE public.t',
    'DROP TABLE t_shadow',
    'DROP TABLE public.t_shadow CASCADE',
    'DROP TABLE public.t_shadow, public.t',
    'DROP TABLE other.t_shadow',
    'TRUNCATE public.t_shadow, public.t',
    'TRUNCATE public.t_shadow CASCADE',
    'DELETE FROM public.t',
    'WITH a AS (DELETE FROM public.t) DELETE FROM public.t_shadow',
    'WITH a AS (UPDATE public.t SET id = 1 RETURNING 1) DELETE FROM public.t_shadow',
    'UPDATE public.t_shadow SET id = 1',
    'INSERT INTO public.t_shadow VALUES (1)',
    'ALTER TABLE public.t_shadow ADD FOREIGN KEY (id) REFERENCES public.t (id)',
    'ALTER TABLE public.t_shadow ATTACH PARTITION public.t DEFAULT',
    'ALTER TABLE public.t_shadow RENAME TO t',
    'ALTER TABLE public.t_shadow OWNER TO rw',
    'ALTER TABLE public.t ADD COLUMN x int',
    'CREATE TABLE public.t_shadow (id int REFERENCES public.t)',
    'CREATE TABLE public.t_shadow () INHERITS (public.t)',
    'CREATE TABLE public.x (id int)',
    'CREATE INDEX i ON public.t (id)',
    'CREATE TRIGGER x AFTER INSERT ON public.t FOR EACH STATEMENT EXECUTE FUNCTION f()',
    'CREATE OR REPLACE VIEW public.v_shadow AS SELECT 1',
    'CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$SELECT 1$$',
    'ALTER SEQUENCE public.s_shadow OWNED BY public.t.id',
    'ALTER SEQUENCE public.s RESTART',
    'DROP TRIGGER x ON public.t',
    'DROP FUNCTION public.f()',
    'DROP SCHEMA public',
    'CREATE SCHEMA x',
    'COMMENT ON TABLE public.t IS $$shadowline$$',
    'GRANT INSERT ON TABLE public.t TO rw',
    'GRANT SELECT ON TABLE public.t TO other',
    'GRANT SELECT ON TABLE public.t TO rw WITH GRANT OPTION',
    'GRANT CREATE ON SCHEMA public TO rw',
    'GRANT SELECT ON ALL TABLES IN SCHEMA public TO rw',
    'GRANT admin TO rw',
    'GRANT CREATE ON DATABASE d TO rw',
    'GRANT CONNECT ON DATABASE d TO other',
    'CREATE ROLE other',
    'DROP ROLE postgres',
    'DROP TABLE public.t_shadow; DROP TABLE public.t',
    'SELECT 1',
    'COPY public.t FROM STDIN',
    'DO $$BEGIN END$$',
    'SET x.y = 1',
    '',
    'DROP TABLE public."t_shadow',
  ])('refuses %s', async (sql) => {
    await expect(guardShadowOnly(sql, names)).rejects.toThrow(/^NOT_SHADOW/);
  });

  it.each(['DROP TABLE public.t', 'TRUNCATE public.t_shadow', 'DROP SCHEMA public'])(
    'refuses %s in mode schema',
    async (sql) => {
      await expect(guardShadowOnly(sql, shadowSchema)).rejects.toThrow(/^NOT_SHADOW/);
    },
  );

  it('stops a forged plan before anything is sent', async () => {
    const schema = await schemaWith('CREATE TABLE t (id int PRIMARY KEY)');
    const planned = await plan(test.db, options(schema, { t: 'shadow' }));
    planned.steps.push({ kind: 'drop', subject: 't', sql: `DROP TABLE ${schema}.t`, reason: '' });
    const before = await everything();
    await expect(provision(test.db, planned)).rejects.toThrow(/^NOT_SHADOW/);
    expect(await everything()).toEqual(before);
  });
});
