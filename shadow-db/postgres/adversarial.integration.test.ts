import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { failureOf, type PostgresArena, postgresArena } from '../fixtures/postgres.js';
import type { TableClass } from '../mapping.js';
import { createRewriter, loadParser, type PostgresContext, type PostgresRewriter } from './index.js';

const long = 'long_table_name_that_fills_the_whole_limit_of_sixty_three_bytes';
const tables: Record<string, TableClass> = {
  orders: 'shadow',
  items: 'shadow',
  Orders: 'shadow',
  'we"ird': 'shadow',
  user: 'shadow',
  ordérs: 'shadow',
  [long]: 'shadow',
  child: 'shadow',
  'crm.people': 'shadow',
  branches: 'real-read',
  secrets: 'refuse',
};
const canary = 'CANARY-of-a-real-row';

/** Statements made to slip through. Each is redirected and, unless refused, run by a superuser. */
const hostile: string[] = [
  // comments and strings that look like statements
  'select note /* from items */ from/**/orders',
  'select note from /* /* nested */ orders */ orders',
  "select note from orders -- where\n where note <> 'from secrets'",
  'select note from--\norders',
  'select $$ from orders $$, $x$ $$ insert into orders $$ $x$, note from orders',
  "select E'it\\'s from orders', note from orders",
  "select E'\\'; delete from orders; --', note from orders",
  "select '\\'; delete from orders; --'",
  "select 'a'\n'b', note from orders",
  "select U&'\\0027 from items', note from orders",
  "select U&'!0027' UESCAPE '!', note from orders",
  "select B'1', X'ff', N'x', note from orders",
  'select 1 as "from", note from orders',
  // spellings of a name
  'select note from ORDERS',
  'select note from "Orders"',
  'select note from "orders"',
  'select note from U&"\\006frders"',
  'select note from U&"!006frders" UESCAPE \'!\'',
  'select note from U&"!006frders" /* x */ UESCAPE \'!\'',
  'select note from U&"\\+00006frders" as "x""y"',
  'select note from "we""ird"',
  'select note from "we""ird" as "we""ird", U&"we\\0022ird" x',
  'select note from "user"',
  'select note from ordérs',
  'select note from ORDéRS',
  'select note from "ordÉrs"',
  'select note from ordе\u200brs',
  'select note from оrders', // cyrillic o
  `select note from ${long}`,
  `select note from ${long}_and_more`,
  `select note from "${long}é"`,
  'select note from public . orders',
  'select note from public/* x */./* y */"orders"',
  'select public.orders.note from public.orders',
  'select public . orders . note from public.orders',
  'select "public"."orders".* from public.orders',
  'select note from U&"publi\\0063".orders',
  'select note from pg_temp.orders',
  'select note from pg_catalog.orders',
  'select note from nowhere.orders',
  'select note from crm.people',
  'select note from people',
  'select note from only orders',
  'select note from only (orders)',
  'select note from orders *',
  'select note from (orders)',
  'table orders',
  'table only orders',
  'table only (public.orders)',
  '(table orders) union (table items)',
  'with a as (table orders) table a',
  'select note from orders tablesample bernoulli(100)',
  // scopes of WITH
  'with orders as (select note from items) select note from orders',
  'with orders as (select note from orders) select note from orders',
  'with orders as (select note from orders) select note from public.orders',
  'with a as (select note from b), b as (select 1) select note from a',
  "with orders as (select 1) insert into orders (id, note) values (900, 'x') returning note",
  'with orders as (select 1) update orders set note = note returning note',
  'with orders as (select 1) delete from orders returning note',
  'with orders as (select 1 as id) merge into orders using items on orders.id = items.id when matched then delete',
  'select (with orders as (select 1) select count(*) from orders), note from orders',
  'select note from (with orders as (select note from items) select * from orders) x',
  'with recursive orders as (select id, note from items union select id, note from orders) select note from orders',
  'with "Orders" as (select 1 as note) select note from orders',
  'with x as (select note from orders) select note from (with orders as (select note from x) select note from orders) y',
  'with d as (delete from orders returning *) insert into items select id + 700, note from d returning note',
  "with d as (update orders set note = 'w' returning *), e as (delete from items) select note from d, branches b",
  'with a as materialized (select * from orders) select note from a',
  'with recursive t(id) as (select id from orders union all select t.id + 1 from t, items where t.id < 3) search depth first by id set o select * from t',
  // whole rows and qualifiers
  'select orders from orders',
  'select orders.* from orders',
  'select (orders).note from orders',
  'select (orders.*)::text from orders',
  'select row_to_json(orders) from orders',
  'select count(orders) from orders',
  'select json_agg(o) from orders o',
  'select public.orders.note from public.orders, (select 1) as orders',
  'select (select public.orders.note from crm.people as orders limit 1) from public.orders',
  "select row(1, 'x')::orders",
  'select null::public.orders',
  'select json_populate_record(null::orders, \'{"id":1}\')',
  'select orders.note from orders orders, items',
  'select a.note from orders as a(x, note), items as b',
  // every place of a query
  'select (select note from orders limit 1), note from items where exists (select from orders) order by (select max(id) from orders) limit (select 1 from orders limit 1)',
  'select note from items where id in (select id from orders) and id = any (select id from orders) and id = any (array(select id from orders))',
  'select case when exists (select from orders) then (select max(note) from orders) end',
  'select * from orders o join lateral (select * from items where items.id = o.id) i on true',
  'select * from orders natural join items',
  'select * from orders full join items using (id) as j',
  'select * from rows from (generate_series(1, 2), unnest(array[1])) as x, orders',
  'select * from unnest((select array_agg(note) from orders)) x',
  "select x.* from orders, xmltable('/a' passing xmlparse(document '<a/>') columns n text path '.') x",
  'select sum(id) filter (where id in (select id from orders)) over (partition by (select 1 from orders limit 1)) from items window w as (order by id)',
  'select id from items group by grouping sets ((id), ()) having count(*) > (select count(*) from orders)',
  'select distinct on ((select 1 from orders limit 1)) note from orders',
  'values ((select note from orders limit 1)), ((select note from items limit 1))',
  'select note from orders union select note from items except select note from branches intersect select note from orders',
  'select note from orders fetch first (select 1) rows with ties',
  'select array(select note from orders)',
  'select note from orders where (id, note) = (select id, note from items limit 1)',
  'select note from orders where id between symmetric (select 1) and (select 9)',
  // writes
  "insert into orders values (901, 'x')",
  "insert into public.orders as o (id, note) values (902, 'x') returning o.note",
  'insert into orders (id, note) select id + 800, note from orders returning *',
  "insert into orders (id, note) values (1, 'x') on conflict (id) do update set note = excluded.note || orders.note where public.orders.id > 0 returning public.orders.note",
  'insert into orders (id) values ((select max(id) + 1 from orders))',
  'insert into orders default values',
  "insert into branches values (9, 'x')",
  "insert into secrets values (9, 'x')",
  "update orders set note = 'x'",
  'update only orders * set note = (select max(note) from orders) where orders.id > 0',
  'update public.orders set note = items.note from items where public.orders.id = items.id returning public.orders.*',
  'update orders set (id, note) = (select id + 500, note from items where items.id = orders.id)',
  "update orders o set note = 'x' from orders p where p.id = o.id",
  'delete from orders',
  'delete from only public.orders using items i where i.id = public.orders.id',
  "merge into orders using branches on orders.id = branches.id when matched then update set note = branches.note when not matched then insert values (903, 'x')",
  'merge into branches using orders on true when matched then delete',
  "update branches set note = 'x'",
  "update child set note = 'x'",
  'delete from child',
  "with x as (insert into branches values (9, 'x')) select 1",
  "explain analyze update orders set note = 'x'",
  'explain (analyze) with d as (delete from orders returning *) select * from d',
  'explain analyze create table stolen as select * from orders',
  'declare c cursor for select note from orders',
  'truncate orders',
  'truncate only orders, items restart identity',
  'truncate orders cascade',
  'truncate branches',
  'lock table orders in access exclusive mode',
  'lock branches',
  'select note from orders for update',
  'select note from orders o for no key update of o skip locked',
  'select note from branches for key share',
  'select note from orders, branches for update',
  'select x.note from (select note from branches) x for share',
  // what runs text, reaches files, other sessions or the server
  "select query_to_xml('delete from orders', true, true, '')",
  "select table_to_xml('orders', true, true, '')",
  "select database_to_xml(true, true, '')",
  "select cursor_to_xml('c', 1, true, true, '')",
  "select ts_stat('select to_tsvector(note) from orders')",
  "select ts_rewrite('a'::tsquery, 'select note::tsquery, note::tsquery from orders')",
  "select pg_catalog.query_to_xml('select note from orders', true, true, '')",
  "select \"query_to_xml\"('select note from orders', true, true, '')",
  "select U&\"query\\005fto_xml\"('select note from orders', true, true, '')",
  "select * from dblink('dbname=x', 'select note from orders') as x(note text)",
  'select steal()',
  'select public.steal()',
  'select note from thief',
  'select * from steal() as x',
  'select o.note, steal(o) from orders o',
  "select pg_read_file('/etc/passwd')",
  "select lo_import('/etc/passwd')",
  "select pg_ls_dir('.')",
  "select nextval('orders_id_seq')",
  "select setval('public.orders_id_seq', 1)",
  'select last_value from orders_id_seq',
  'select pg_advisory_lock(1)',
  "select pg_notify('c', 'x')",
  "select set_config('search_path', 'crm', false)",
  "select set_config('standard' || '_conforming_strings', 'off', false)",
  'select pg_terminate_backend(1), pg_cancel_backend(1)',
  'select pg_reload_conf()',
  "select 'orders'::regclass, to_regclass('orders')",
  "select ('ord' || 'ers')::regclass",
  "select cast('orders' as pg_catalog.regclass)",
  "select pg_relation_size('orders')",
  'select * from pg_largeobject',
  'select * from pg_authid',
  'select * from pg_statistic',
  "update pg_settings set setting = 'off' where name = 'standard_conforming_strings'",
  'delete from pg_class',
  'select relname from pg_class limit 1',
  'select table_name from information_schema.tables limit 1',
  'select 1 operator(public.+) 2',
  'select 1 operator(pg_catalog.+) 2, note from orders',
  'do $$ begin delete from orders; end $$',
  'call steal_all()',
  'prepare p as delete from orders',
  'execute p',
  'deallocate all',
  'discard all',
  'copy orders to stdout',
  'copy (select note from orders) to stdout',
  "copy orders from program 'true'",
  'select note into stolen from orders',
  'create table stolen as table orders',
  'create view v as select * from orders',
  'create temp table orders (note text)',
  'create function f() returns int language sql as $$ select 1 $$',
  'create rule r as on select to orders do instead select * from items',
  'drop table orders',
  'alter table orders rename to gone',
  'alter table orders disable trigger all',
  'refresh materialized view mv',
  'grant all on orders to public',
  'set search_path = crm',
  'set local search_path = crm',
  "set schema 'crm'",
  'set standard_conforming_strings = off',
  'set role none',
  'set session authorization default',
  'set session_replication_role = replica',
  "set names 'latin1'",
  'set client_encoding = sjis',
  "set transaction snapshot '1'",
  "set shadowline.run = 'x'",
  'reset all',
  'reset search_path',
  'set constraints all deferred',
  'set constraints orders_pkey deferred',
  'listen c',
  'notify c',
  'vacuum orders',
  'analyze orders',
  'cluster orders',
  'reindex table orders',
  'checkpoint',
  "load 'x'",
  "alter system set work_mem = '1MB'",
  "prepare transaction 'x'",
  "commit prepared 'x'",
  // several statements, and none
  'select 1; delete from orders',
  'select 1;;delete from orders;',
  '; delete from orders',
  'select note from orders;',
  ';',
  '/* only a comment */',
  // not closed, cut, strange
  "select note from orders where note = 'x",
  'select note from "orders',
  'select note from orders /* x',
  'select $a$ from orders $b$',
  'select (note from orders',
  'select note from orders)',
  'select note from orders where id = ?',
  'select note from orders\0; delete from orders',
  'select note from orders\ud800',
  '\ufeffselect note from orders',
  'select note from orders where id = 0x1f',
  'select note from orders where id = 1_0',
  'select 1from orders',
  'select note\u00a0from orders',
  'select note\vfrom orders',
  'select note from "orders_shadow"',
  'select note from orders_shadow',
  'select note from ORDERS_SHADOW',
  'select note from public_shadow.orders',
  'delete from crm.people_shadow',
];

const writes = [
  '',
  "insert into T values (990, 'x') returning note",
  "update T set note = 'x' returning note",
  'delete from T returning note',
];

describe.each(['table', 'schema'] as const)('hostile statements of mode %s, by a superuser', (mode) => {
  let arena: PostgresArena;
  let client: pg.Client;
  let rewriter: PostgresRewriter;

  beforeAll(async () => {
    await loadParser();
    arena = await postgresArena();
    client = arena.client;
    await client.query('CREATE SCHEMA crm');
    for (const schema of ['public_shadow', 'crm_shadow']) await client.query(`CREATE SCHEMA ${schema}`);
    for (const name of Object.keys(tables).filter((one) => one !== 'child')) {
      const [table, schema = 'public'] = name.split('.').reverse() as [string, string?];
      await make(schema, table, canaryOf(name));
      if (tables[name] !== 'shadow') continue;
      if (mode === 'schema') await make(`${schema}_shadow`, table, 'shadow row');
      else await make(schema, table === long ? shadowOf(long) : `${table}_shadow`, 'shadow row');
    }
    // rules, inheritance, functions and views that would reach real rows
    await client.query('CREATE TABLE child () INHERITS (branches)');
    const child = mode === 'schema' ? 'public_shadow.child' : 'child_shadow';
    await client.query(`CREATE TABLE ${child} (LIKE branches)`);
    await client.query("INSERT INTO child VALUES (77, 'a child of real-read')");
    await client.query(
      `CREATE FUNCTION steal() RETURNS text LANGUAGE sql AS $$ DELETE FROM public.orders RETURNING note $$`,
    );
    await client.query(
      `CREATE FUNCTION steal(record) RETURNS text LANGUAGE plpgsql AS $$ BEGIN DELETE FROM public.orders; RETURN 'x'; END $$`,
    );
    await client.query(`CREATE PROCEDURE steal_all() LANGUAGE sql AS $$ DELETE FROM public.orders $$`);
    await client.query('CREATE VIEW thief AS SELECT steal() AS note');
    await client.query('CREATE SEQUENCE orders_id_seq');
    if (mode === 'schema') await client.query('SET search_path = public_shadow');
    rewriter = createRewriter({ dialect: 'postgres', mode, database: 'public', tables, truncate: true });
  });
  afterAll(() => arena.close());

  it.each([true, undefined])(
    'touch no real table (standard_conforming_strings %s)',
    async (standardConformingStrings) => {
      const before = await fingerprint();
      const ran: string[] = [];
      for (const sql of [...hostile, ...everyName()]) {
        const result = rewriter.rewrite(
          sql,
          standardConformingStrings === undefined ? {} : { standardConformingStrings },
        );
        if (result.action === 'refuse') {
          expect(result.message.length).toBeGreaterThan(10);
          continue;
        }
        await client.query('BEGIN');
        try {
          const { rows } = (await client.query(result.sql)) as { rows: unknown[] };
          expect({ sql: result.sql, rows: JSON.stringify(rows) }).not.toMatchObject({
            rows: expect.stringContaining(canary),
          });
          ran.push(sql);
        } catch (error) {
          if (!(error instanceof Error) || !('code' in error)) throw error;
        }
        // inside the transaction, so that what it wrote is seen
        const after = await failureOf(client, 'SELECT 1');
        if (after === undefined)
          expect({ sql: result.sql, ...(await fingerprint()) }).toEqual({ sql: result.sql, ...before });
        await client.query('ROLLBACK');
      }
      expect(await fingerprint()).toEqual(before);
      // a rewriter that refuses everything would pass as well
      expect(ran.length).toBeGreaterThan(90);
    },
  );

  it('would show a statement that was let through as it is', async () => {
    const before = await fingerprint();
    await client.query('BEGIN');
    const { rows } = await client.query('select note from public.orders');
    expect(JSON.stringify(rows)).toContain(canary);
    for (const sql of [
      "update public.orders set note = 'x'",
      "select nextval('public.orders_id_seq')",
      'create table public.stolen ()',
    ]) {
      await client.query('SAVEPOINT here');
      await client.query(sql);
      expect({ sql, ...(await fingerprint()) }).not.toEqual({ sql, ...before });
      await client.query('ROLLBACK TO here');
      // sequences do not roll back
      if (sql.includes('nextval')) await client.query("select setval('public.orders_id_seq', 1, false)");
    }
    await client.query('ROLLBACK');
    expect(await fingerprint()).toEqual(before);
  });

  function everyName(): string[] {
    const spellings = [
      'orders',
      '"orders"',
      'public.orders',
      'public."orders"',
      'U&"\\006frders"',
      '"Orders"',
      '"we""ird"',
      '"user"',
      'ordérs',
      long,
      `${long}x`,
      'crm.people',
    ];
    return spellings.flatMap((name) => [
      ...writes.filter(Boolean).map((write) => write.replace('T', name)),
      `select note from ${name}`,
      `with a as (select note from ${name}) select note from a union select note from ${name}`,
    ]);
  }

  /** A real row holds its canary; a real-read table may be read, so it has none. */
  function canaryOf(name: string): string {
    return tables[name] === 'real-read' ? 'reference' : `${canary} ${name}`;
  }

  async function make(schema: string, table: string, note: string): Promise<void> {
    const name = `"${schema}"."${table.replaceAll('"', '""')}"`;
    await client.query(`CREATE TABLE ${name} (id int PRIMARY KEY DEFAULT 0, note text)`);
    await client.query(`INSERT INTO ${name} SELECT n, $1 || n FROM generate_series(1, 3) n`, [note]);
  }

  async function fingerprint(): Promise<Record<string, unknown>> {
    const real = Object.keys(tables).map((name) => {
      const [table, schema = 'public'] = name.split('.').reverse() as [string, string?];
      return `SELECT ${literal(name)} AS name, md5(string_agg(t::text, ',' ORDER BY t::text)) AS content FROM ONLY "${schema}"."${table.replaceAll('"', '""')}" t`;
    });
    const sequence = `SELECT 'sequence', last_value::text || is_called FROM public.orders_id_seq`;
    const path = `SELECT 'settings', current_setting('search_path') || current_setting('standard_conforming_strings') || current_user || session_user`;
    const objects = `SELECT 'objects', count(*)::text FROM pg_catalog.pg_class WHERE relnamespace IN ('public'::regnamespace, 'crm'::regnamespace)`;
    const { rows } = await client.query<{ name: string; content: string }>(
      [...real, sequence, path, objects].join(' UNION ALL '),
    );
    return Object.fromEntries(rows.map(({ name, content }) => [name, content]));
  }

  function shadowOf(name: string): string {
    const found = createRewriter({ dialect: 'postgres', mode: 'table', database: 'public', tables }).rewrite(
      `select 1 from ${name}`,
    );
    if (found.action !== 'rewrite') throw new Error('no shadow name');
    return found.reads[0]!.target.slice('public.'.length);
  }
});

describe('sessions and servers that give a text another meaning', () => {
  let arena: PostgresArena;
  let client: pg.Client;
  const classes: Record<string, TableClass> = {
    orders: 'shadow',
    items: 'shadow',
    branches: 'real-read',
    secrets: 'refuse',
  };
  const options = { dialect: 'postgres', database: 'public', tables: classes } as const;
  const plain = { standardConformingStrings: true };
  let table: PostgresRewriter;
  let schema: PostgresRewriter;

  beforeAll(async () => {
    await loadParser();
    arena = await postgresArena();
    client = arena.client;
    await client.query('CREATE SCHEMA crm; CREATE SCHEMA public_shadow');
    const real = ['orders', 'items', 'secrets', 'crm.orders', 'crm.branches', 'crm.pg_type'];
    for (const name of real) await client.query(`CREATE TABLE ${name} (id int, note text DEFAULT '${canary}')`);
    for (const name of ['orders_shadow', 'items_shadow', 'public_shadow.orders', 'branches'])
      await client.query(`CREATE TABLE ${name} (id int, note text DEFAULT 'harmless')`);
    for (const name of [...real, 'orders_shadow', 'public_shadow.orders', 'branches']) {
      await client.query(`INSERT INTO ${name} VALUES (1)`);
    }
    await client.query(`CREATE FUNCTION steal(text) RETURNS bool LANGUAGE plpgsql
      AS $$ BEGIN DELETE FROM public.orders; RETURN true; END $$`);
    table = createRewriter({ ...options, mode: 'table' });
    schema = createRewriter({ ...options, mode: 'schema' });
  });
  afterAll(() => arena.close());
  afterEach(async () => {
    await client.query('ROLLBACK');
    await client.query('RESET ALL');
  });

  /** What of the real tables a statement opens or shows once it is redirected: nothing, or it is refused. */
  async function reached(rewriter: PostgresRewriter, sql: string, context: PostgresContext = {}): Promise<string[]> {
    const result = rewriter.rewrite(sql, { ...plain, ...context });
    return result.action === 'refuse' ? [] : opened(result.sql);
  }

  async function opened(sql: string): Promise<string[]> {
    await client.query('BEGIN');
    const { rows } = await client.query<Record<string, unknown>>(sql);
    const { rows: locks } = await client.query<{ name: string }>(
      `SELECT n.nspname || '.' || c.relname AS name FROM pg_catalog.pg_locks l
        JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) l.relation
        JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
        WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND c.relkind OPERATOR(pg_catalog.=) 'r'`,
    );
    await client.query('ROLLBACK');
    const tables = locks.map(({ name }) => name).filter((name) => /^(?:public|crm)\./.test(name));
    const found = tables.filter((name) => name !== 'public.branches' && !name.endsWith('_shadow'));
    return JSON.stringify(rows).includes(canary) ? [...found, canary] : found;
  }

  it.each(['crm, public', 'public', 'crm'])('plain names mean the same with search_path = %s', async (path) => {
    await client.query(`SET search_path = ${path}`);
    expect(await opened('select * from orders')).not.toEqual([]);
    for (const rewriter of [table, schema]) {
      for (const searchPath of [['public'], ['crm', 'public']]) {
        for (const sql of [
          'select * from orders',
          'select * from branches',
          'delete from orders',
          'lock table orders',
        ]) {
          expect({ sql, reached: await reached(rewriter, sql, { searchPath }) }).toEqual({ sql, reached: [] });
        }
      }
    }
  });

  it('where pg_catalog comes later, neither its tables nor its operators are taken for granted', async () => {
    await client.query(
      `CREATE FUNCTION crm.compare(int, int) RETURNS bool LANGUAGE sql AS $$ SELECT public.steal('') $$`,
    );
    for (const name of ['=', '>='])
      await client.query(`CREATE OPERATOR crm.${name} (FUNCTION = crm.compare, LEFTARG = int, RIGHTARG = int)`);
    await client.query('SET search_path = crm, pg_catalog');
    const context = { searchPath: ['crm', 'pg_catalog'] };
    for (const sql of [
      'select * from pg_type',
      'select 1 between 1 and 2',
      'select case 1 when 1 then 2 end',
      'select 1 in (select 1)',
      'select 1 from (select 1 as a) x join (select 1 as a) y using (a)',
      'select 1 from (select 1 as a) x natural join (select 1 as a) y',
    ]) {
      expect({ sql, reached: await opened(sql) }).not.toEqual({ sql, reached: [] });
      expect({ sql, reached: await reached(table, sql, context) }).toEqual({ sql, reached: [] });
    }
  });

  it('what the catalog prints of queries locks no real table', async () => {
    await client.query(`CREATE VIEW seen AS SELECT * FROM public.secrets;
      CREATE MATERIALIZED VIEW kept AS SELECT * FROM public.secrets;
      CREATE RULE twice AS ON UPDATE TO items WHERE EXISTS (SELECT FROM public.secrets) DO ALSO DELETE FROM public.secrets;
      CREATE POLICY those ON branches USING (EXISTS (SELECT FROM public.secrets));`);
    const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
    if (Number(rows[0]?.server_version_num) >= 140_000) {
      await client.query(`CREATE FUNCTION query() RETURNS text BEGIN ATOMIC SELECT note FROM public.secrets; END`);
      expect(await opened("select pg_get_functiondef('query'::regproc)")).toEqual(['public.secrets']);
      expect(await reached(table, "select pg_get_functiondef(oid) from pg_proc where proname = 'query'")).toEqual([]);
    }
    for (const sql of [
      'select * from pg_views',
      'select * from pg_matviews',
      'select * from pg_rules',
      'select * from pg_policies',
      'select pg_get_expr(polqual, polrelid) from pg_policy',
      "select pg_get_expr(ev_qual, ev_class) from pg_rewrite where rulename = 'twice'",
      'select * from information_schema.views',
    ]) {
      expect({ sql, reached: await opened(sql) }).not.toEqual({ sql, reached: [] });
      expect({ sql, reached: await reached(table, sql) }).toEqual({ sql, reached: [] });
    }
  });

  it('functions that a later version has built in are not the ones of the service', async () => {
    const { rows } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
    const serverVersion = Math.floor(Number(rows[0]?.server_version_num) / 10_000);
    for (const [name, types, call] of [
      ['uuidv7', '', 'uuidv7()'],
      ['casefold', 'text', 'casefold(note)'],
      ['any_value', 'text', 'any_value(note)'],
      ['merge_action', '', 'merge_action()'],
      ['json_scalar', 'text', 'json_scalar(note)'],
      ['json_value', 'json, text', "json_value('1', '$')"],
      ['json_exists', 'json, text', "json_exists('1', '$')"],
      ['json_array', 'int', 'json_array(1)'],
    ] as const) {
      const sql = `select ${call} from orders`;
      await client.query(
        `CREATE FUNCTION public."${name}"(${types}) RETURNS bool LANGUAGE sql AS $$ SELECT steal('') $$`,
      );
      if ((table.rewrite(sql, { ...plain, serverVersion }) as { code?: string }).code !== 'SQL_FUNCTION') {
        // then it is the server's own, or no call
        await client.query(`DROP FUNCTION public."${name}"(${types})`);
      }
      expect({ sql, reached: await reached(table, sql) }).toEqual({ sql, reached: [] });
    }
    await client.query('CREATE DOMAIN guarded AS text CHECK (steal(value))');
    expect(await reached(table, "select pg_input_is_valid('x', 'guarded')", { serverVersion })).toEqual([]);
  });

  it('a transaction that reads real-read tables does not make a real one fail', async () => {
    const [shadow, one, other] = [await arena.connect(), await arena.connect(), await arena.connect()];
    const run = async (session: pg.Client, sql: string): Promise<string | undefined> =>
      (await failureOf(session, sql))?.code;
    /** Two real transactions that are well by themselves, beside a third one. */
    const real = async (): Promise<string | undefined> => {
      for (const session of [one, other]) await run(session, 'begin isolation level serializable');
      await run(one, 'select * from items');
      await run(other, 'insert into items values (7)');
      await run(other, 'commit');
      const failure = await run(one, "update branches set note = 'x'");
      return (await run(one, failure === undefined ? 'commit' : 'rollback')) ?? failure;
    };
    expect(await real()).toBeUndefined();
    await run(shadow, 'begin isolation level serializable');
    await run(shadow, 'select * from public.branches');
    expect(await real()).toBe('40001');
    await run(shadow, 'rollback');

    for (const sql of ['begin isolation level serializable', 'begin', 'select * from branches']) {
      const result = table.rewrite(sql);
      if (result.action !== 'refuse') await run(shadow, result.sql);
    }
    expect(await real()).toBeUndefined();
    await run(shadow, 'rollback');
  });

  it('text that the driver and the server read in different encodings', async () => {
    await client.query("SET client_encoding = 'SJIS'");
    const hidden = "select note, E'ā\\' from secrets --' from orders";
    expect(await opened(hidden)).toContain('public.secrets');
    expect(await reached(table, hidden)).toEqual([]);
    expect(await reached(table, hidden, { clientEncoding: 'SJIS' })).toEqual([]);
    await client.query("SET client_encoding = 'UTF8'");
    expect(await reached(table, hidden, { clientEncoding: 'UTF8' })).toEqual([]);
  });
});

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
