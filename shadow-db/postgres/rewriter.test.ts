import { beforeAll, describe, expect, it } from '@jest/globals';
import { sqlRefusals } from '../codes.js';
import {
  createRewriter,
  loadParser,
  type PostgresContext,
  type PostgresRewriter,
  type PostgresRewriterOptions,
} from './index.js';

const options: PostgresRewriterOptions = {
  dialect: 'postgres',
  mode: 'table',
  database: 'public',
  tables: {
    orders: 'shadow',
    items: 'shadow',
    'order_*': 'shadow',
    'crm.people': 'shadow',
    'crm.orders': 'shadow',
    branches: 'real-read',
    secrets: 'refuse',
  },
};
const plain: PostgresContext = { standardConformingStrings: true };
let table: PostgresRewriter;
let schema: PostgresRewriter;

beforeAll(async () => {
  await loadParser();
  table = createRewriter(options);
  schema = createRewriter({ ...options, mode: 'schema' });
});

function codeOf(rewriter: PostgresRewriter, sql: string, context = plain): string {
  const result = rewriter.rewrite(sql, context);
  return result.action === 'refuse' ? result.code : result.sql;
}

describe('mode table', () => {
  it.each([
    // a name gets its shadow and keeps its own name as the alias
    ['select * from orders', 'select * from "public"."orders_shadow" AS "orders"'],
    ['select o.id from orders o', 'select o.id from "public"."orders_shadow" o'],
    ['select * from public."orders" as "o"', 'select * from public."orders_shadow" as "o"'],
    ['select * from ORDERS', 'select * from "public"."orders_shadow" AS "orders"'],
    ['select * from U&"\\006frders"', 'select * from "public"."orders_shadow" AS "orders"'],
    ['select * from U&"!006frders" UESCAPE \'!\' x', 'select * from "public"."orders_shadow" x'],
    ['select * from orders"o"', 'select * from "public"."orders_shadow" "o"'],
    ['select * from"orders""o"', 'SQL_UNCLASSED_TABLE'],
    ['select * from order_2024', 'select * from "public"."order_2024_shadow" AS "order_2024"'],
    ['select * from crm.people', 'select * from crm."people_shadow" AS "people"'],
    ['select * from db.public.orders', 'select * from db.public."orders_shadow" AS "orders"'],
    ["select 'ü', id from orders -- é", 'select \'ü\', id from "public"."orders_shadow" AS "orders" -- é'],
    // where the alias may stand
    ['select * from only orders', 'select * from only "public"."orders_shadow" AS "orders"'],
    [
      'select * from only ( orders ), items',
      'select * from only ( "public"."orders_shadow" ) AS "orders", "public"."items_shadow" AS "items"',
    ],
    [
      'select * from orders * join items i on true',
      'select * from "public"."orders_shadow" * AS "orders" join "public"."items_shadow" i on true',
    ],
    [
      'select * from orders tablesample system (1)',
      'select * from "public"."orders_shadow" AS "orders" tablesample system (1)',
    ],
    ['table orders', 'SELECT * FROM "public"."orders_shadow" AS "orders"'],
    [
      'table only (orders) order by orders.id',
      'SELECT * FROM only ("public"."orders_shadow") AS "orders" order by orders.id',
    ],
    // what names a table by its schema finds it by identity, which an alias ends
    [
      'select public.orders.*, "public" . orders . id, orders.n from public.orders',
      'select orders.*, orders . id, orders.n from public."orders_shadow" AS "orders"',
    ],
    ['select public.orders.id from orders', 'select orders.id from "public"."orders_shadow" AS "orders"'],
    ['select public.branches.id from public.branches', 'select public.branches.id from public.branches'],
    // whole rows
    [
      'select orders, orders.*, (orders).id, count(orders) from orders',
      'select orders, orders.*, (orders).id, count(orders) from "public"."orders_shadow" AS "orders"',
    ],
    // WITH hides names by scope; not those with a schema, and not the target of a write
    [
      'with orders as (select * from orders) select * from orders',
      'with orders as (select * from "public"."orders_shadow" AS "orders") select * from orders',
    ],
    [
      'with recursive orders as (select 1 union select * from orders) select * from orders, public.orders o',
      'with recursive orders as (select 1 union select * from orders) select * from orders, public."orders_shadow" o',
    ],
    [
      'select * from (with orders as (select 1) select * from orders) x, orders',
      'select * from (with orders as (select 1) select * from orders) x, "public"."orders_shadow" AS "orders"',
    ],
    [
      'with a as (select * from b), b as (select 1), orders as (select 2) insert into orders select * from orders',
      'SQL_UNCLASSED_TABLE',
    ],
    [
      'with orders as (select 2) insert into orders select * from orders',
      'with orders as (select 2) insert into "public"."orders_shadow" AS "orders" select * from orders',
    ],
    // writes
    [
      'insert into orders (id) values ($1) on conflict (id) do update set n = excluded.n + orders.n where public.orders.n > 0 returning orders.*',
      'insert into "public"."orders_shadow" AS "orders" (id) values ($1) on conflict (id) do update set n = excluded.n + orders.n where orders.n > 0 returning orders.*',
    ],
    [
      'insert into orders values (1) on conflict on constraint "orders_pkey" do nothing',
      'insert into "public"."orders_shadow" AS "orders" values (1) on conflict on constraint "orders_pkey_shadow" do nothing',
    ],
    [
      'update only orders set (a, b) = (select id, n from items) from branches b',
      'update only "public"."orders_shadow" AS "orders" set (a, b) = (select id, n from "public"."items_shadow" AS "items") from "public".branches b',
    ],
    [
      'delete from orders using items i where i.id = orders.id',
      'delete from "public"."orders_shadow" AS "orders" using "public"."items_shadow" i where i.id = orders.id',
    ],
    [
      'merge into orders using (select * from items) s on s.id = orders.id when matched then delete',
      'merge into "public"."orders_shadow" AS "orders" using (select * from "public"."items_shadow" AS "items") s on s.id = orders.id when matched then delete',
    ],
    [
      'update orders set n = 1 returning with (old as o) o.n',
      'update "public"."orders_shadow" AS "orders" set n = 1 returning with (old as o) o.n',
    ],
    [
      'select 1 from orders for update of orders',
      'select 1 from "public"."orders_shadow" AS "orders" for update of orders',
    ],
    ['explain (analyze) delete from orders', 'explain (analyze) delete from "public"."orders_shadow" AS "orders"'],
    [
      'declare c cursor for select 1 from orders',
      'declare c cursor for select 1 from "public"."orders_shadow" AS "orders"',
    ],
    ['delete from orders where current of c', 'delete from "public"."orders_shadow" AS "orders" where current of c'],
    [
      'lock table orders, only items in share mode',
      'lock table "public"."orders_shadow", only "public"."items_shadow" in share mode',
    ],
    [
      'insert into orders table items',
      'insert into "public"."orders_shadow" AS "orders" SELECT * FROM "public"."items_shadow" AS "items"',
    ],
    // text that only looks like a name
    [
      "select $x$ orders $x$, E'\\'orders', 'orders' from items",
      'select $x$ orders $x$, E\'\\\'orders\', \'orders\' from "public"."items_shadow" AS "items"',
    ],
    [
      'select /* orders */ 1 from items -- orders',
      'select /* orders */ 1 from "public"."items_shadow" AS "items" -- orders',
    ],
  ])('%s → %s', (sql, expected) => {
    expect(codeOf(table, sql)).toBe(expected);
  });

  it('reports what is read and what is written, each once, fully named', () => {
    const sql =
      'with d as (delete from items returning *) insert into orders select d.* from d, orders o, items, branches, pg_class';
    const orders = { schema: 'public', table: 'orders', target: 'public.orders_shadow' };
    const items = { schema: 'public', table: 'items', target: 'public.items_shadow' };
    const branches = { schema: 'public', table: 'branches', target: 'public.branches' };
    expect(table.rewrite(sql)).toMatchObject({
      verb: 'insert',
      reads: [orders, items, branches],
      writes: [items, orders],
    });
  });

  it.each([
    ['select 1', 'select'],
    ['begin isolation level repeatable read, read only', 'begin'],
    ['start transaction', 'begin'],
    ['commit and chain', 'commit'],
    ['end', 'commit'],
    ['abort', 'rollback'],
    ['savepoint a', 'savepoint'],
    ['rollback to savepoint a', 'rollback-to'],
    ['release a', 'release-savepoint'],
    ['set local statement_timeout = 5', 'set'],
    ["set time zone 'UTC'", 'set'],
    ['set transaction read only', 'set'],
    ['set constraints all deferred', 'set'],
    ['reset statement_timeout', 'set'],
    ['show search_path', 'show'],
    ['fetch 5 from c', 'other'],
    ['close all', 'other'],
    ['select oid, typname from pg_type join pg_catalog.pg_namespace n on true', 'select'],
    ['select * from information_schema.columns', 'select'],
    ["select set_config('statement_timeout', $1, true)", 'select'],
  ])('lets "%s" pass as %s', (sql, verb) => {
    expect(table.rewrite(sql)).toEqual({ action: 'pass', sql, verb });
  });
});

describe('mode schema', () => {
  it.each([
    ['select orders.id from orders', 'select orders.id from "public_shadow".orders'],
    ['table only (orders)', 'table only ("public_shadow".orders)'],
    ['lock orders', 'lock "public_shadow".orders'],
    ['select public.orders.id from public.orders', 'select "public_shadow".orders.id from "public_shadow".orders'],
    ['select * from crm.people p', 'select * from "crm_shadow".people p'],
    ['select * from orders, branches', 'select * from "public_shadow".orders, "public".branches'],
    ['insert into U&"publi\\0063".orders values (1)', 'insert into "public_shadow".orders values (1)'],
    [
      'insert into orders values (1) on conflict on constraint orders_pkey do nothing',
      'insert into "public_shadow".orders values (1) on conflict on constraint orders_pkey do nothing',
    ],
    ['select * from public_shadow.orders', 'SQL_SHADOW_NAME'],
  ])('%s → %s', (sql, expected) => {
    expect(codeOf(schema, sql)).toBe(expected);
  });

  it('qualifies by the schema in which a name is classed', () => {
    expect(codeOf(schema, 'select * from people', { searchPath: ['crm'] })).toBe('select * from "crm_shadow".people');
  });
});

const cases: [string, string][] = [
  ['', 'SQL_EMPTY'],
  [' ; -- x', 'SQL_EMPTY'],
  ["select 'x", 'SQL_UNCLOSED'],
  ['select "x', 'SQL_UNCLOSED'],
  ['select /* /* */', 'SQL_UNCLOSED'],
  ['select $a$ $b$', 'SQL_UNCLOSED'],
  ['select 1\0', 'SQL_CHARACTER'],
  ['select \ud800', 'SQL_CHARACTER'],
  ['select 0x1f', 'SQL_CHARACTER'],
  ['select 1_000', 'SQL_CHARACTER'],
  ['select 1; select 2', 'SQL_MULTI_STATEMENT'],
  ['select from where', 'SQL_NOT_UNDERSTOOD'],
  ['select * from orders where id = ?', 'SQL_NOT_UNDERSTOOD'],
  [`select ${'('.repeat(10_000)}1${')'.repeat(10_000)}`, 'SQL_TOO_DEEP'],
  [`select ${'1+'.repeat(10_000)}1`, 'SQL_TOO_DEEP'],
  [`select ${'not '.repeat(10_000)}true`, 'SQL_TOO_DEEP'],
  [`${'select * from ('.repeat(10_000)}select 1${') x'.repeat(10_000)}`, 'SQL_TOO_DEEP'],
  ["select '\\' from orders", 'SQL_MODE_AMBIGUOUS'],
  ['select * from nothing', 'SQL_UNCLASSED_TABLE'],
  ['select * from people', 'SQL_UNCLASSED_TABLE'],
  ['select * from secrets', 'SQL_REFUSED_TABLE'],
  ['select * from other.orders', 'SQL_OTHER_SCHEMA'],
  ['select * from orders_shadow', 'SQL_SHADOW_NAME'],
  ['insert into orders values (1) on conflict on constraint k_shadow do nothing', 'SQL_SHADOW_NAME'],
  ['update branches set a = 1', 'SQL_REAL_WRITE'],
  ['with x as (delete from branches) select 1', 'SQL_REAL_WRITE'],
  ['truncate branches', 'SQL_TRUNCATE'],
  ['select * from branches for share', 'SQL_REAL_LOCK'],
  ['select * from orders, branches for update', 'SQL_REAL_LOCK'],
  ['select * from (select * from branches) x for update', 'SQL_REAL_LOCK'],
  ['lock table branches', 'SQL_REAL_LOCK'],
  ['select * from public.orders, crm.orders', 'SQL_AMBIGUOUS'],
  ['select public.orders.id from public.orders, (select 1) orders', 'SQL_AMBIGUOUS'],
  ['select my_function()', 'SQL_FUNCTION'],
  ['select public.lower(a) from orders', 'SQL_FUNCTION'],
  ['select 1 operator(public.+) 2', 'SQL_FUNCTION'],
  ['select a === b from orders', 'SQL_FUNCTION'],
  ['select 1 from orders order by a using <<<', 'SQL_FUNCTION'],
  ['select 1 from orders where a === any (select 1)', 'SQL_FUNCTION'],
  ['select * from orders tablesample my_method (1)', 'SQL_FUNCTION'],
  ["select pg_relation_size('orders')", 'SQL_FUNCTION'],
  ['select pg_advisory_xact_lock(1)', 'SQL_LOCK_FUNCTION'],
  ['select pg_try_advisory_lock(1)', 'SQL_LOCK_FUNCTION'],
  ["select nextval('s')", 'SQL_SEQUENCE'],
  ["select pg_catalog.setval('s', 1)", 'SQL_SEQUENCE'],
  ["select pg_read_file('x')", 'SQL_FILE'],
  ['select lo_unlink(1)', 'SQL_FILE'],
  ["load 'x'", 'SQL_FILE'],
  ['create table x (a int)', 'SQL_DDL'],
  ['create table x as select * from orders', 'SQL_DDL'],
  ['select * into x from orders', 'SQL_DDL'],
  ['explain create table x as select 1', 'SQL_DDL'],
  ['drop table orders', 'SQL_DDL'],
  ['alter table orders add b int', 'SQL_DDL'],
  ['truncate orders', 'SQL_TRUNCATE'],
  ['do $$ begin end $$', 'SQL_PROCEDURE'],
  ['call p()', 'SQL_PROCEDURE'],
  ['prepare p as select 1', 'SQL_DYNAMIC'],
  ['execute p', 'SQL_DYNAMIC'],
  ["select query_to_xml('select 1', true, true, '')", 'SQL_DYNAMIC'],
  ["select ts_stat('select 1')", 'SQL_DYNAMIC'],
  ['set search_path = crm', 'SQL_SET'],
  ["select set_config('search_path', 'crm', true)", 'SQL_SET'],
  ['select set_config($1, $2, true)', 'SQL_SET'],
  ["set shadowline.run = 'x'", 'SQL_SET'],
  ['set role x', 'SQL_SET'],
  ['set session authorization x', 'SQL_SET'],
  ['set standard_conforming_strings = off', 'SQL_SET'],
  ["set names 'x'", 'SQL_SET'],
  ['reset all', 'SQL_SET'],
  ['vacuum', 'SQL_ADMIN'],
  ['discard all', 'SQL_ADMIN'],
  ['grant select on orders to x', 'SQL_ADMIN'],
  ['select * from pg_authid', 'SQL_ADMIN'],
  ['select * from pg_catalog.pg_largeobject', 'SQL_ADMIN'],
  ['select * from pg_temp.orders', 'SQL_ADMIN'],
  ['update pg_settings set setting = 1', 'SQL_ADMIN'],
  // the server locks the tables of a query to print it
  ...['pg_views', 'pg_matviews', 'pg_rules', 'pg_policies', 'pg_policy', 'pg_rewrite', 'information_schema.views'].map(
    (view): [string, string] => [`select 1 from ${view}`, 'SQL_ADMIN'],
  ),
  ['select pg_get_functiondef(oid) from pg_proc', 'SQL_FUNCTION'],
  // passwords of other servers
  ['select * from information_schema.user_mapping_options', 'SQL_ADMIN'],
  ['select * from information_schema._pg_user_mappings', 'SQL_ADMIN'],
  // a type by its name in a string
  ["select pg_input_is_valid('x', 'my_domain')", 'SQL_FUNCTION'],
  // marks what it reads of real-read tables
  ['begin isolation level serializable', 'SQL_REAL_LOCK'],
  ['start transaction read only, isolation level serializable', 'SQL_REAL_LOCK'],
  ['set transaction isolation level serializable', 'SQL_REAL_LOCK'],
  ['set session characteristics as transaction isolation level serializable', 'SQL_REAL_LOCK'],
  ["set default_transaction_isolation = 'Serializable'", 'SQL_REAL_LOCK'],
  ['set local transaction_isolation to serializable', 'SQL_REAL_LOCK'],
  ["select set_config('TRANSACTION_ISOLATION', 'serializable', true)", 'SQL_REAL_LOCK'],
  ["select set_config('transaction_isolation', $1, true)", 'SQL_REAL_LOCK'],
  // words that are columns do not end what nests
  [`select ${'a.and + '.repeat(20_000)}1`, 'SQL_TOO_DEEP'],
  [`select ${'set + '.repeat(20_000)}1`, 'SQL_TOO_DEEP'],
  [`select ${'(a.end + '.repeat(3_000)}1${')'.repeat(3_000)}`, 'SQL_TOO_DEEP'],
  [`select ${'(a + (select 1 end) + '.repeat(3_000)}1${')'.repeat(3_000)}`, 'SQL_TOO_DEEP'],
  [`select ${'+-'.repeat(20_000)}a`, 'SQL_TOO_DEEP'],
  ['copy orders to stdout', 'SQL_COPY'],
  ['copy orders from stdin', 'SQL_COPY'],
  ['notify c', 'SQL_NOTIFY'],
  ['listen c', 'SQL_NOTIFY'],
  ["select pg_notify('c', '')", 'SQL_NOTIFY'],
  ['select a::my_enum from orders', 'SQL_TYPE'],
  ['select null::orders', 'SQL_TYPE'],
  ["select 'orders'::regclass", 'SQL_NAME_IN_STRING'],
  ["select cast('lower' as regproc)", 'SQL_NAME_IN_STRING'],
  ['set constraints k deferred', 'SQL_CONSTRAINT'],
  [`select '${'x'.repeat(2_100_000)}'`, 'SQL_TOO_LONG'],
  ["prepare transaction 'x'", 'SQL_XA'],
  ["rollback prepared 'x'", 'SQL_XA'],
];

describe('refusals', () => {
  it.each(cases.map(([sql, expected]) => [sql.slice(0, 80), expected, sql] as const))('%s → %s', (_, expected, sql) => {
    expect(codeOf(table, sql, sql.includes("'\\'") ? {} : plain)).toBe(expected);
  });

  it('has a case for every code that PostgreSQL needs', () => {
    const tried = new Set(cases.map(([, code]) => code));
    const others = Object.keys(sqlRefusals).filter((code) => !tried.has(code));
    // SQL_PARSER: see parser.test.ts
    expect(others).toEqual([
      'SQL_EXECUTABLE_COMMENT',
      'SQL_ORACLE_MODE',
      'SQL_PLACEHOLDER',
      'SQL_NESTED_WITH',
      'SQL_SYSTEM_TIME',
      'SQL_USE',
      'SQL_PARSER',
    ]);
  });

  it('gives the offset in UTF-16 units, and says what to do about "?"', () => {
    expect(table.rewrite("select 'é😀' from secrets")).toMatchObject({ offset: 18 });
    expect(table.rewrite("select 'é😀', my_function()")).toMatchObject({ offset: 14 });
    expect(table.rewrite('select * from orders where id = ?')).toMatchObject({
      message: expect.stringContaining('$1'),
    });
  });
});

describe('context and options', () => {
  it('takes plain names from the search path, in which they may be classed once', () => {
    expect(codeOf(table, 'select * from people', { searchPath: ['public', 'crm'] })).toContain('"people_shadow"');
    expect(codeOf(table, 'select * from orders', { searchPath: ['public', 'crm'] })).toBe('SQL_AMBIGUOUS');
    expect(codeOf(table, 'select * from people', { searchPath: ['pg_catalog', 'crm'] })).toContain('"people_shadow"');
    expect(codeOf(table, 'select a + 1 from people', { searchPath: ['crm', 'pg_catalog'] })).toBe('SQL_FUNCTION');
    expect(codeOf(table, 'select lower(a) from people', { searchPath: ['crm', 'pg_catalog'] })).toBe('SQL_FUNCTION');
    expect(codeOf(table, 'select a::int from people', { searchPath: ['crm', 'pg_catalog'] })).toContain('::int ');
    expect(codeOf(table, 'select a::uuid from people', { searchPath: ['crm', 'pg_catalog'] })).toBe('SQL_TYPE');
  });

  it('reads a backslash in a plain string only where standard_conforming_strings is known to be on', () => {
    const sql = "select '\\' from orders";
    expect(codeOf(table, sql)).toContain('orders_shadow');
    for (const standardConformingStrings of [false, undefined]) {
      const context = standardConformingStrings === undefined ? {} : { standardConformingStrings };
      expect(codeOf(table, sql, context)).toBe('SQL_MODE_AMBIGUOUS');
      expect(codeOf(table, "select E'\\\\' from orders", context)).toContain('orders_shadow');
    }
  });

  it("knows which version of the server has a function; what is not there can only be the service's own", () => {
    const since: [string, number][] = [
      ['trim_array(a, 1)', 14],
      ['regexp_like(a, b)', 15],
      ['any_value(a)', 16],
      ['json_array(1)', 16],
      ['json_arrayagg(a)', 16],
      ["json_value(a, '$')", 17],
      ["json_query(a, '$')", 17],
      ["json_exists(a, '$')", 17],
      ['json_scalar(a)', 17],
      ['json_serialize(a)', 17],
      ["json('1')", 17],
      ['uuidv7()', 18],
    ];
    for (const [call, version] of since) {
      const sql = `select ${call} from orders`;
      expect([sql, codeOf(table, sql)]).toEqual([sql, 'SQL_FUNCTION']);
      expect([sql, codeOf(table, sql, { serverVersion: version - 1 })]).toEqual([sql, 'SQL_FUNCTION']);
      expect(codeOf(table, sql, { serverVersion: version })).toContain('orders_shadow');
    }
    const merge = 'merge into orders using items on true when matched then delete returning merge_action()';
    expect(codeOf(table, merge, { serverVersion: 16 })).toBe('SQL_FUNCTION');
    expect(codeOf(table, merge, { serverVersion: 17 })).toContain('orders_shadow');
    const type = "select '{}'::int4multirange";
    expect(codeOf(table, type)).toBe('SQL_TYPE');
    expect(codeOf(table, type, { serverVersion: 14 })).toBe(type);
  });

  it('does not look operators up by a search path in which pg_catalog is not the first, be they written or not', () => {
    const context = { searchPath: ['crm', 'pg_catalog'] };
    for (const expression of ['1 between 1 and 2', 'case 1 when 1 then 2 end', '1 in (1, 2)', '1 in (select 1)']) {
      const sql = `select ${expression}`;
      expect([sql, codeOf(table, sql, context)]).toEqual([sql, 'SQL_FUNCTION']);
      expect(codeOf(table, sql)).toBe(sql);
    }
    expect(codeOf(table, 'select 1 from people a join people b using (id)', context)).toBe('SQL_FUNCTION');
    expect(codeOf(table, 'select 1 from people a natural join people b', context)).toBe('SQL_FUNCTION');
    // a table of crm may have this name
    expect(codeOf(table, 'select * from pg_type', context)).toBe('SQL_ADMIN');
    expect(codeOf(table, 'select * from pg_catalog.pg_type', context)).toBe('select * from pg_catalog.pg_type');
  });

  it('reads no real-read table where transactions are SERIALIZABLE', () => {
    expect(codeOf(table, 'select * from branches', { serializable: true })).toBe('SQL_REAL_LOCK');
    expect(codeOf(table, 'select * from orders', { serializable: true })).toContain('orders_shadow');
    const none = createRewriter({ ...options, tables: { orders: 'shadow' } });
    const begin = 'begin isolation level serializable';
    expect(none.rewrite(begin)).toEqual({ action: 'pass', sql: begin, verb: 'begin' });
    for (const sql of [
      "set transaction_isolation = 'repeatable read'",
      "set work_mem = '1MB'",
      'reset transaction_isolation',
    ]) {
      expect(codeOf(table, sql)).toBe(sql);
    }
  });

  it('reads letters beyond ASCII only in UTF-8', () => {
    const [literal, name] = ["select 'ü' from orders", 'select ü from orders'];
    for (const context of [{}, { clientEncoding: 'UTF8', serverEncoding: 'UTF8' }, { clientEncoding: 'unicode' }]) {
      expect(codeOf(table, literal, context)).toContain('orders_shadow');
      expect(codeOf(table, name, context)).toContain('orders_shadow');
    }
    expect(codeOf(table, literal, { serverEncoding: 'LATIN1' })).toContain('orders_shadow');
    expect(codeOf(table, name, { serverEncoding: 'LATIN1' })).toBe('SQL_CHARACTER');
    expect(codeOf(table, literal, { clientEncoding: 'SJIS' })).toBe('SQL_CHARACTER');
    expect(codeOf(table, "select 'x' from orders", { clientEncoding: 'SJIS' })).toContain('orders_shadow');
    // in SJIS the end of the letter and the backslash can be one character
    const escaped = "select E'ā\\' from orders --', 1 from orders";
    expect(codeOf(table, escaped)).toBe('SQL_MODE_AMBIGUOUS');
    expect(codeOf(table, escaped, { clientEncoding: 'UTF8' })).toContain('orders_shadow');
    // where letters have one byte, É is folded and names are cut elsewhere: the part may not be the one that is meant
    for (const part of ['"É"', 'É', `"${'é'.repeat(35)}"`]) {
      expect(codeOf(table, `with ${part} as (select 1) select 1`)).toBe('SQL_CHARACTER');
      expect(codeOf(table, `with ${part} as (select 1) select 1`, { serverEncoding: 'UTF8' })).toContain('select');
    }
    expect(codeOf(table, 'with "é" as (select 1) select 1 from "é"')).toContain('select');
  });

  it('writes every table with its schema, and quotes letters that the server might fold', () => {
    const rewriter = createRewriter({ ...options, tables: { 'ord*': 'real-read', 'é.*': 'real-read' } });
    expect(codeOf(rewriter, 'select * from ordÉrs')).toBe('select * from "public"."ordÉrs"');
    expect(codeOf(rewriter, 'select * from é.ordÉrs o')).toBe('select * from "é"."ordÉrs" o');
    expect(codeOf(rewriter, 'select * from ordÉrs"o"')).toBe('select * from "public"."ordÉrs" "o"');
    expect(codeOf(rewriter, 'select * from ORDERS')).toBe('select * from "public".ORDERS');
  });

  it('does not take a dot in a name for the one between a schema and a name', () => {
    const rewriter = createRewriter({ ...options, functions: ['app.tenant'], types: ['app.money'] });
    expect(codeOf(rewriter, 'select "app.tenant"()')).toBe('SQL_FUNCTION');
    expect(codeOf(rewriter, 'select 1::"app.money"')).toBe('SQL_TYPE');
    expect(codeOf(rewriter, 'select 1 from orders tablesample "pg_catalog.system" (1)')).toBe('SQL_FUNCTION');
  });

  it('lets through what the configuration vouches for', () => {
    const rewriter = createRewriter({
      ...options,
      truncate: true,
      functions: ['similarity', 'app.tenant', '<<->>'],
      types: ['order_status', 'app.money'],
      settings: ['app.*'],
    });
    expect(
      codeOf(rewriter, 'select similarity(a, b), app.tenant(), a <<->> b, a between 1 and 2 from orders'),
    ).toContain('orders_shadow');
    expect(codeOf(rewriter, 'select app.similarity(a, b) from orders')).toBe('SQL_FUNCTION');
    expect(codeOf(rewriter, "select 'x'::order_status, 1::app.money[] from orders")).toContain('orders_shadow');
    expect(codeOf(rewriter, "set app.tenant = '5'")).toContain('app.tenant');
    expect(codeOf(rewriter, 'truncate orders restart identity')).toBe(
      'truncate "public"."orders_shadow" restart identity',
    );
    expect(codeOf(rewriter, 'truncate orders cascade')).toBe('SQL_TRUNCATE');
    expect(codeOf(rewriter, 'truncate branches')).toBe('SQL_REAL_WRITE');
  });

  it('cuts names as the server does, at 63 bytes', () => {
    const name = `${'é'.repeat(31)}x`; // 63 bytes
    const rewriter = createRewriter({ ...options, tables: { [name]: 'shadow' } });
    const result = rewriter.rewrite(`select 1 from "${name}yz"`);
    expect(result).toMatchObject({ action: 'rewrite', reads: [{ table: name }] });
    const [ref] = result.action === 'rewrite' ? result.reads : [];
    expect(Buffer.byteLength(ref?.target ?? '')).toBeLessThanOrEqual('public.'.length + 63);
    expect(codeOf(rewriter, `select 1 from "${'é'.repeat(32)}"`)).toBe('SQL_UNCLASSED_TABLE');
  });

  it('keeps results by text, search path and setting', () => {
    const sql = 'select * from people';
    expect(table.rewrite(sql, plain)).toBe(table.rewrite(sql, plain));
    expect(table.rewrite(sql, { searchPath: ['crm'] })).toMatchObject({ action: 'rewrite' });
    expect(table.rewrite(sql, plain)).toMatchObject({ action: 'refuse' });
  });

  it('redirects nothing in mode instance, and gives the verb', () => {
    const rewriter = createRewriter({ ...options, mode: 'instance' });
    const verbs = [
      '/* x */ select 1',
      '(select 1)',
      'with a as (select 1) select 1',
      'START TRANSACTION',
      'end',
      'rollback work to a',
      'copy x from stdin',
    ];
    expect(verbs.map((sql) => (rewriter.rewrite(sql) as { verb: string }).verb)).toEqual([
      'select',
      'select',
      'select',
      'begin',
      'commit',
      'rollback-to',
      'other',
    ]);
  });

  it('refuses a configuration that cannot work', () => {
    expect(() => createRewriter({ ...options, dialect: 'mysql' as never })).toThrow(/postgres/);
    expect(() => createRewriter({ ...options, tables: { a_shadow: 'shadow' } })).toThrow(/suffix/);
  });
});

describe('long statements', () => {
  it.each([
    ['values', `insert into orders values ${'(1, $1, now()),'.repeat(2000)}(2)`],
    ['an IN list', `select 1 from orders where id in (${'1,'.repeat(5000)}2)`],
    ['OR', `delete from orders where ${'a = 1 or '.repeat(3000)}true`],
    ['CASE', `update orders set n = case id ${"when 1 then 'x' || 'y' ".repeat(2000)} else n end`],
    [
      'joins',
      `select 1 from orders${Array.from({ length: 150 }, (_, n) => ` join items i${n} on i${n}.id = orders.id and i${n}.n > 1`).join('')}`,
    ],
    ['unions', `select 1 from orders${' union all select 2 from items where a + b = c'.repeat(300)}`],
    ['operators', `select ${"a || '-' || ".repeat(200)} b from orders`],
    ['brackets', `select ${'('.repeat(300)}n${')'.repeat(300)} from orders`],
    ['subqueries', `${'select * from ('.repeat(60)}table orders${') x'.repeat(60)}`],
  ])('pass with many %s', (_, sql) => {
    expect(codeOf(table, sql)).toContain('orders_shadow');
  });
});

describe('guard of real traffic', () => {
  it.each([
    ['select * from orders_shadow', true],
    ['delete from public."orders_shadow"', true],
    ['select * from ORDERS_SHADOW', true],
    ['select * from U&"\\006frders_shadow"', true],
    ['select * from order_7_shadow', true],
    ['select * from orders', false],
    ["select 'orders_shadow' from orders", false],
    ['select 1 /* orders_shadow */', false],
    ['select drop_shadow from orders', false],
    ["select 'unclosed from orders_shadow", false],
  ])('%s → %s', (sql, expected) => {
    expect(table.touchesShadowName(sql)).toBe(expected);
  });

  it('knows the shadow schema', () => {
    expect(schema.touchesShadowName('select * from public_shadow.orders')).toBe(true);
    expect(schema.touchesShadowName('select * from orders_shadow')).toBe(false);
  });
});
