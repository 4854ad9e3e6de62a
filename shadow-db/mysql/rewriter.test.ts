import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { sqlRefusals } from '../codes.js';
import { createRewriter, type RewriteContext, type RewriterOptions } from './rewriter.js';

const options: RewriterOptions = {
  dialect: 'mysql',
  mode: 'table',
  database: 'app',
  tables: { orders: 'shadow', items: 'shadow', branches: 'real-read', secrets: 'refuse', 'crm.people': 'real-read' },
  readLocks: true,
};
const table = createRewriter(options);
const schema = createRewriter({ ...options, mode: 'schema' });
const plain: RewriteContext = { sqlMode: { ansiQuotes: false, noBackslashEscapes: false }, charset: 'utf8mb4' };
const code = (sql: string, context = plain): string => {
  const result = table.rewrite(sql, context);
  return result.action === 'refuse' ? result.code : `${result.action}: ${result.sql}`;
};

describe('mode table', () => {
  it.each([
    // a name gets its shadow and keeps its own name as the alias
    ['select * from orders', 'select * from `orders_shadow` AS `orders`'],
    ['select o.id from orders o', 'select o.id from `orders_shadow` o'],
    ['select * from `orders` as `o`', 'select * from `orders_shadow` as `o`'],
    [
      'select orders.*, app.orders.id from app.orders',
      'select orders.*, app.orders.id from app.`orders_shadow` AS `orders`',
    ],
    // the alias goes after PARTITION and before index hints
    [
      'select 1 from orders partition (p0) force index (x), items',
      'select 1 from `orders_shadow` partition (p0) AS `orders` force index (x), `items_shadow` AS `items`',
    ],
    [
      'select 1 from orders use index (a), ignore index (b)',
      'select 1 from `orders_shadow` AS `orders` use index (a), ignore index (b)',
    ],
    [
      'select /*+ MAX_EXECUTION_TIME(1) */ 1 from orders',
      'select /*+ MAX_EXECUTION_TIME(1) */ 1 from `orders_shadow` AS `orders`',
    ],
    // joins, groups, derived tables, subqueries in any clause
    [
      'select 1 from ((orders join items on 1) left join branches b using (id)) where left(b.n,1)=1',
      'select 1 from ((`orders_shadow` AS `orders` join `items_shadow` AS `items` on 1) left join branches b using (id)) where left(b.n,1)=1',
    ],
    [
      'select (select max(id) from items) from ((select 1 from orders) union (select 2)) t order by (select 1 from items i)',
      'select (select max(id) from `items_shadow` AS `items`) from ((select 1 from `orders_shadow` AS `orders`) union (select 2)) t order by (select 1 from `items_shadow` i)',
    ],
    [
      'select 1 from orders where a in (1, (select id from items))',
      'select 1 from `orders_shadow` AS `orders` where a in (1, (select id from `items_shadow` AS `items`))',
    ],
    [
      'select trim(both x from y), extract(day from d) from items',
      'select trim(both x from y), extract(day from d) from `items_shadow` AS `items`',
    ],
    [
      '(select 1 from orders) union all select 2 from items limit 1',
      '(select 1 from `orders_shadow` AS `orders`) union all select 2 from `items_shadow` AS `items` limit 1',
    ],
    [
      "select * from json_table(?, '$[*]' columns (a int path '$.a')) j join orders",
      "select * from json_table(?, '$[*]' columns (a int path '$.a')) j join `orders_shadow` AS `orders`",
    ],
    ['select 1 from orders for update', 'select 1 from `orders_shadow` AS `orders` for update'],
    // no alias in INSERT, REPLACE and single-table DELETE: qualifiers follow
    ['insert into orders (orders.a) values (1)', 'insert into `orders_shadow` (`orders_shadow`.a) values (1)'],
    [
      'insert orders set a=1 on duplicate key update orders.a=values(orders.a), app.orders.b=1',
      'insert `orders_shadow` set a=1 on duplicate key update `orders_shadow`.a=values(`orders_shadow`.a), app.`orders_shadow`.b=1',
    ],
    [
      'insert into orders select orders.* from orders',
      'insert into `orders_shadow` select orders.* from `orders_shadow` AS `orders`',
    ],
    [
      'insert into orders (orders.a) select orders.a from orders',
      'insert into `orders_shadow` (`orders_shadow`.a) select orders.a from `orders_shadow` AS `orders`',
    ],
    [
      'insert into orders (a) select items.a from items on duplicate key update orders.a=items.a',
      'insert into `orders_shadow` (a) select items.a from `items_shadow` AS `items` on duplicate key update `orders_shadow`.a=items.a',
    ],
    ['replace into orders values (1)', 'replace into `orders_shadow` values (1)'],
    ['delete from orders where orders.a=1 limit 1', 'delete from `orders_shadow` where `orders_shadow`.a=1 limit 1'],
    [
      'delete from orders where exists (select 1 from items where items.o=orders.id) and id in (select orders.id from orders)',
      'delete from `orders_shadow` where exists (select 1 from `items_shadow` AS `items` where items.o=`orders_shadow`.id) and id in (select orders.id from `orders_shadow` AS `orders`)',
    ],
    // an ON clause sees what was joined so far; the rest is that of the outer block
    [
      'delete from orders where 1 in (select 1 from orders a join items on orders.id = a.id join orders on orders.id = 1)',
      'delete from `orders_shadow` where 1 in (select 1 from `orders_shadow` a join `items_shadow` AS `items` on `orders_shadow`.id = a.id join `orders_shadow` AS `orders` on orders.id = 1)',
    ],
    [
      'delete from orders where 1 in (select 1 from orders, orders a join items b on orders.id = b.id where orders.id = 1)',
      'delete from `orders_shadow` where 1 in (select 1 from `orders_shadow` AS `orders`, `orders_shadow` a join `items_shadow` b on `orders_shadow`.id = b.id where orders.id = 1)',
    ],
    // UPDATE and multi-table DELETE take aliases; a target loses its schema
    [
      'update orders set orders.a=1 where app.orders.b=2',
      'update `orders_shadow` AS `orders` set orders.a=1 where app.orders.b=2',
    ],
    [
      'update orders join branches b on 1 set orders.a=b.a',
      'update `orders_shadow` AS `orders` join branches b on 1 set orders.a=b.a',
    ],
    [
      'delete app.orders from app.orders join items i',
      'delete orders from app.`orders_shadow` AS `orders` join `items_shadow` i',
    ],
    [
      'delete from orders, i using orders join items i',
      'delete from orders, i using `orders_shadow` AS `orders` join `items_shadow` i',
    ],
    // WITH hides tables by name, whatever the case; a part does not see itself
    [
      'with orders as (select * from orders) select * from ORDERS',
      'with orders as (select * from `orders_shadow` AS `orders`) select * from ORDERS',
    ],
    [
      'with recursive c as (select 1 union all select id from items join c) select * from c, orders',
      'with recursive c as (select 1 union all select id from `items_shadow` AS `items` join c) select * from c, `orders_shadow` AS `orders`',
    ],
    // both the aliased and the bare name are locked
    [
      'lock tables orders read local, items i low_priority write',
      'lock tables `orders_shadow` AS `orders` read local, `orders_shadow` read local, `items_shadow` i low_priority write',
    ],
    ['show columns from orders from app', 'show columns from `orders_shadow` from app'],
    ['describe orders', 'describe `orders_shadow`'],
    ['explain format=json select 1 from orders', 'explain format=json select 1 from `orders_shadow` AS `orders`'],
    ['set @a = (select max(id) from orders)', 'set @a = (select max(id) from `orders_shadow` AS `orders`)'],
    // real-read and other schemas stay
    ['select 1 from branches, crm.people', 'select 1 from branches, crm.people'],
  ])('%s', (sql, expected) => {
    expect(code(sql)).toBe(`rewrite: ${expected}`);
  });

  it('says what is read and what is written', () => {
    expect(table.rewrite('update app.orders o join branches b on 1 set o.a=b.a', plain)).toMatchObject({
      verb: 'update',
      reads: [{ schema: 'app', table: 'branches', target: 'app.branches' }],
      writes: [{ schema: 'app', table: 'orders', target: 'app.orders_shadow' }],
    });
    expect(table.rewrite('explain delete from orders', plain)).toMatchObject({
      reads: [{ table: 'orders' }],
      writes: [],
    });
  });
});

describe('mode schema', () => {
  it.each([
    ['select orders.a from orders', 'select orders.a from orders'],
    ['select app.orders.a from app.orders', 'select `app_shadow`.orders.a from `app_shadow`.orders'],
    [
      'select app.o.a, app.branches.b from app.orders o, branches',
      'select `app_shadow`.o.a, app.branches.b from `app_shadow`.orders o, `app`.branches',
    ],
    ['delete app.orders from orders', 'delete `app_shadow`.orders from orders'],
    ['insert into orders select * from branches', 'insert into orders select * from `app`.branches'],
    ['show tables from app', 'show tables from `app_shadow`'],
  ])('%s', (sql, expected) => {
    expect(schema.rewrite(sql, plain)).toMatchObject({ action: 'rewrite', sql: expected });
  });
  it('refuses the shadow schema by name', () => {
    expect(schema.rewrite('select 1 from app_shadow.orders', plain)).toMatchObject({ code: 'SQL_SHADOW_NAME' });
    expect(schema.rewrite('select app_shadow.orders.a from orders', plain)).toMatchObject({ code: 'SQL_SHADOW_NAME' });
  });
});

describe('several databases', () => {
  const several: RewriterOptions = {
    ...options,
    tables: { orders: 'shadow', 'crm.people': 'shadow', 'crm.log_*': 'shadow', 'ref.zips': 'real-read' },
  };
  it.each<[Partial<RewriterOptions>, RewriteContext, string, string]>([
    [{}, {}, 'select people.id from crm.people', 'select people.id from crm.`people_shadow` AS `people`'],
    [{}, {}, 'insert into crm.log_7 select 1 from ref.zips', 'insert into crm.`log_7_shadow` select 1 from ref.zips'],
    [{}, { database: 'crm' }, 'delete from people', 'delete from `people_shadow`'],
    [{}, { database: 'crm' }, 'delete from app.orders', 'delete from app.`orders_shadow`'],
    [
      { mode: 'schema' },
      {},
      'select crm.people.id, ref.zips.id from crm.people, ref.zips, orders',
      'select `crm_shadow`.people.id, ref.zips.id from `crm_shadow`.people, ref.zips, orders',
    ],
    [{ mode: 'schema' }, { database: 'crm' }, 'update people set a=1', 'update people set a=1'],
    [{ mode: 'schema' }, {}, 'show tables from crm', 'show tables from `crm_shadow`'],
    [{ mode: 'schema', schemas: { crm: 'twin' } }, {}, 'delete from crm.people', 'delete from `twin`.people'],
  ])('%j %j: %s', (more, context, sql, expected) => {
    const rewriter = createRewriter({ ...several, ...more });
    expect(rewriter.rewrite(sql, { ...plain, ...context })).toMatchObject({ action: 'rewrite', sql: expected });
  });
  it('names the real and the shadow table fully', () => {
    const rewriter = createRewriter({ ...several, mode: 'schema' });
    expect(
      rewriter.rewrite('insert into people select * from app.orders', { ...plain, database: 'crm' }),
    ).toMatchObject({
      reads: [{ schema: 'app', table: 'orders', target: 'app_shadow.orders' }],
      writes: [{ schema: 'crm', table: 'people', target: 'crm_shadow.people' }],
    });
  });
  it('refuses what no key names', () => {
    const rewriter = createRewriter(several);
    expect(rewriter.rewrite('select 1 from crm.secrets', plain)).toMatchObject({ code: 'SQL_UNCLASSED_TABLE' });
    expect(rewriter.rewrite('select 1 from mysql.user', plain)).toMatchObject({ code: 'SQL_OTHER_SCHEMA' });
  });
});

describe('what passes, with the verb that transactions are followed by', () => {
  it.each([
    ['BEGIN', 'begin'],
    ['start transaction with consistent snapshot, read only', 'begin'],
    ['commit and no chain', 'commit'],
    ['ROLLBACK', 'rollback'],
    ['rollback to savepoint a', 'rollback-to'],
    ['savepoint a', 'savepoint'],
    ['release savepoint a', 'release-savepoint'],
    ['unlock tables', 'unlock'],
    ["set names 'utf8mb4' collate utf8mb4_bin", 'set'],
    ['set session transaction isolation level read committed', 'set'],
    ['set autocommit=0, @x := 2, @@session.wait_timeout=3', 'set'],
    ["show session variables like 'x'", 'show'],
    ['show warnings', 'show'],
    ['select table_name from information_schema.tables', 'select'],
    ['select `COLUMN_NAME` from `information_schema`.`COLUMNS`', 'select'],
    ['-- note\n select 1; # end', 'select'],
  ])('%s', (sql, verb) => {
    expect(table.rewrite(sql, plain)).toEqual({ action: 'pass', sql, verb });
  });
});

describe('refusals', () => {
  const cases: [string, keyof typeof sqlRefusals][] = [
    ['', 'SQL_EMPTY'],
    ["select 'a", 'SQL_UNCLOSED'],
    ['select /* a', 'SQL_UNCLOSED'],
    ['select (1', 'SQL_UNCLOSED'],
    ['set character_set_client = ascii(char(28))', 'SQL_SET'],
    ['set character_set_client = binary(28), autocommit = 1', 'SQL_SET'],
    ['select 1e5from orders', 'SQL_CHARACTER'],
    ['select 1.from orders', 'SQL_CHARACTER'],
    ['select /*!50000 1 from */ orders', 'SQL_EXECUTABLE_COMMENT'],
    ['select /*M!100000 1 */', 'SQL_EXECUTABLE_COMMENT'],
    ['select 1; drop table orders', 'SQL_MULTI_STATEMENT'],
    ['selec 1', 'SQL_NOT_UNDERSTOOD'],
    ['select 1 from orders a b', 'SQL_NOT_UNDERSTOOD'],
    ['select 1 from .orders', 'SQL_NOT_UNDERSTOOD'],
    ['select 1 from.`orders`', 'SQL_NOT_UNDERSTOOD'],
    ['select a.`b`, 1 from. orders', 'SQL_NOT_UNDERSTOOD'],
    ['table orders', 'SQL_NOT_UNDERSTOOD'],
    ['begin not atomic select 1', 'SQL_NOT_UNDERSTOOD'],
    [`select ${'('.repeat(500)}1${')'.repeat(500)}`, 'SQL_TOO_DEEP'],
    [`select ${'('.repeat(10_000)}`, 'SQL_TOO_DEEP'],
    [`select 1 from ${'('.repeat(10_000)}orders`, 'SQL_TOO_DEEP'],
    [`select ${'abs('.repeat(10_000)}`, 'SQL_TOO_DEEP'],
    [`select ${'(select '.repeat(10_000)}`, 'SQL_TOO_DEEP'],
    ['select 1 from nowhere', 'SQL_UNCLASSED_TABLE'],
    ['select 1 from ORDERS', 'SQL_UNCLASSED_TABLE'],
    ['select (select 1 from secrets)', 'SQL_REFUSED_TABLE'],
    ['select 1 from mysql.user', 'SQL_OTHER_SCHEMA'],
    ['select 1 from orders_shadow', 'SQL_SHADOW_NAME'],
    ['delete from orders where orders_shadow.a=1', 'SQL_SHADOW_NAME'],
    ['insert into branches values (1)', 'SQL_REAL_WRITE'],
    ['delete branches from branches', 'SQL_REAL_WRITE'],
    ['select 1 from orders, branches for update', 'SQL_REAL_LOCK'],
    ['select 1 from branches lock in share mode', 'SQL_REAL_LOCK'],
    ['lock tables branches read', 'SQL_REAL_LOCK'],
    ['update orders, branches set x=1', 'SQL_REAL_WRITE'],
    ['update orders join (select 1 a) d set d.a=1', 'SQL_AMBIGUOUS'],
    ['insert into orders select * from orders on duplicate key update orders.a=1', 'SQL_AMBIGUOUS'],
    ['insert into orders (select 1 from orders) union select 2 on duplicate key update orders.a=1', 'SQL_AMBIGUOUS'],
    ['insert into orders ((select 1 from (orders))) on duplicate key update orders.a=1', 'SQL_AMBIGUOUS'],
    [
      'insert into items with orders as (select 1 a) select * from orders on duplicate key update a = (select 1 from orders)',
      'SQL_AMBIGUOUS',
    ],
    ['with recursive a as (select * from b), b as (select 1) select 1 from a', 'SQL_AMBIGUOUS'],
    ['select * from (with x as (select 1) select * from x) y', 'SQL_NESTED_WITH'],
    ['select f(1)', 'SQL_FUNCTION'],
    ['select app.count(1)', 'SQL_FUNCTION'],
    ['select `f`(1)', 'SQL_FUNCTION'],
    ["select get_lock('a',1)", 'SQL_LOCK_FUNCTION'],
    ['select next value for s', 'SQL_SEQUENCE'],
    ['select nextval(s)', 'SQL_SEQUENCE'],
    ['select 1 from orders for system_time all', 'SQL_SYSTEM_TIME'],
    ["select 1 into outfile '/x'", 'SQL_FILE'],
    ["load data infile 'x' into table orders", 'SQL_FILE'],
    ["select load_file('x')", 'SQL_FILE'],
    ['create table x (a int)', 'SQL_DDL'],
    ['truncate orders', 'SQL_TRUNCATE'],
    ['call p()', 'SQL_PROCEDURE'],
    ['do sleep(1)', 'SQL_PROCEDURE'],
    ["prepare a from 'select 1'", 'SQL_DYNAMIC'],
    ['use app', 'SQL_USE'],
    ['set global x=1', 'SQL_SET'],
    ['set @@global.x=1', 'SQL_SET'],
    ["set @a=1, sql_mode=''", 'SQL_SET'],
    ['set names gbk', 'SQL_SET'],
    ["set password = 'x'", 'SQL_SET'],
    ['select 1 from ??', 'SQL_PLACEHOLDER'],
    ['select 1 from app.??', 'SQL_PLACEHOLDER'],
    ['select 1 from ??.orders', 'SQL_PLACEHOLDER'],
    ['select 1 from orders.??', 'SQL_PLACEHOLDER'],
    ['select 1 from ::name', 'SQL_PLACEHOLDER'],
    ['select 1 from orders as ??', 'SQL_PLACEHOLDER'],
    ['insert into ?? values (1)', 'SQL_PLACEHOLDER'],
    ['delete ?? from orders', 'SQL_PLACEHOLDER'],
    ['update orders o, items i set ??.a = 1', 'SQL_NOT_UNDERSTOOD'],
    ['select ??(1)', 'SQL_PLACEHOLDER'],
    ['select 1 from ?', 'SQL_NOT_UNDERSTOOD'],
    ['select ???', 'SQL_CHARACTER'],
    // a blank that only some character sets know
    ['select 1\u00a0from\u00a0secrets', 'SQL_CHARACTER'],
    ['select 1a\u2003from secrets', 'SQL_CHARACTER'],
    ['kill 1', 'SQL_ADMIN'],
    // what real traffic sends, and what its rows hold
    ['select info from information_schema.processlist', 'SQL_ADMIN'],
    ['select trx_query from INFORMATION_SCHEMA.`innodb_trx`', 'SQL_ADMIN'],
    ['select * from information_schema.COLUMN_STATISTICS', 'SQL_ADMIN'],
    ['select * from information_schema.whatever_comes', 'SQL_ADMIN'],
    ['show binlog events', 'SQL_ADMIN'],
    ["xa start 'a'", 'SQL_XA'],
  ];
  it.each(cases.map(([sql, expected]) => [sql.slice(0, 100), expected, sql] as const))(
    '%s → %s',
    (_, expected, sql) => {
      expect(code(sql)).toBe(expected);
    },
  );

  it('has a case for every code', () => {
    const tried = new Set<string>(cases.map(([, expected]) => expected));
    expect(Object.keys(sqlRefusals).filter((key) => !tried.has(key))).toEqual([
      'SQL_MODE_AMBIGUOUS',
      'SQL_ORACLE_MODE',
      // of PostgreSQL
      'SQL_COPY',
      'SQL_NOTIFY',
      'SQL_TYPE',
      'SQL_NAME_IN_STRING',
      'SQL_CONSTRAINT',
      'SQL_TOO_LONG',
      'SQL_PARSER',
    ]);
  });

  it('has every code in the README, word for word', () => {
    const readme = readFileSync(join(process.cwd(), 'shadow-db/README.md'), 'utf8').replace(/ +/g, ' ');
    for (const [key, text] of Object.entries(sqlRefusals)) expect(readme).toContain(`| \`${key}\` | ${text} |`);
  });

  it('gives the offset of what it refuses', () => {
    expect(table.rewrite('select 1 from secrets', plain)).toMatchObject({ offset: 14 });
  });
});

describe('sql_mode', () => {
  it('tries both readings where a flag is unknown, and refuses when they differ', () => {
    expect(code("select 1 from orders where a='\\''", {})).toBe('SQL_MODE_AMBIGUOUS');
    expect(code('select "a b" from orders', {})).toContain('orders_shadow');
    expect(code('select 1 from "orders"', {})).toBe('SQL_MODE_AMBIGUOUS');
    expect(code('select 1 from "orders"', { sqlMode: { ansiQuotes: true } })).toContain('`orders_shadow`');
  });
  it('does not let a string that ends early hide a table', () => {
    const sql = "select '\\' from secrets where a = '' -- '";
    expect(code(sql, { sqlMode: { noBackslashEscapes: true, ansiQuotes: false } })).toBe('SQL_REFUSED_TABLE');
    expect(code(sql, {})).toBe('SQL_MODE_AMBIGUOUS');
  });
});

describe('a server that ignores case in names', () => {
  const folded = createRewriter({ ...options, ignoreCase: true, tables: { ...options.tables, 'Log_*': 'shadow' } });
  it.each([
    ['select ORDERS.id from Orders', 'rewrite: select ORDERS.id from `orders_shadow` AS `Orders`'],
    ['delete from ORDERS where orders.id = 1', 'rewrite: delete from `orders_shadow` where `orders_shadow`.id = 1'],
    ['delete O from orders o', 'rewrite: delete O from `orders_shadow` o'],
    ['delete App.Orders from orders', 'rewrite: delete Orders from `orders_shadow` AS `orders`'],
    [
      'update orders o, items I set O.a = 1, i.b = 2',
      'rewrite: update `orders_shadow` o, `items_shadow` I set O.a = 1, i.b = 2',
    ],
    ['insert into LOG_1 values (1)', 'rewrite: insert into `log_1_shadow` values (1)'],
    ['insert into log_1_SHADOW values (1)', 'SQL_SHADOW_NAME'],
    ['delete from BRANCHES', 'SQL_REAL_WRITE'],
    ['select 1 from Secrets', 'SQL_REFUSED_TABLE'],
  ])('%s', (sql, expected) => {
    const result = folded.rewrite(sql, plain);
    expect(result.action === 'refuse' ? result.code : `${result.action}: ${result.sql}`).toBe(expected);
  });
  it('names one table in one way', () => {
    for (const name of ['Orders', 'ORDERS', 'APP.orders']) {
      expect(folded.rewrite(`select 1 from ${name}`, plain)).toMatchObject({
        reads: [{ schema: 'app', table: 'orders', target: 'app.orders_shadow' }],
      });
    }
  });
});

describe('names that reach another table than they say', () => {
  it('#mysql50# makes a table of the name of a file', () => {
    const wide = createRewriter({ ...options, tables: { '*': 'real-read', orders: 'shadow', secrets: 'refuse' } });
    for (const name of ['#mysql50#secrets', '#mysql50#orders', '#MYSQL50#orders']) {
      for (const sql of [`select 1 from \`${name}\``, `select 1 from app.\`${name}\``, `desc \`${name}\``]) {
        expect(wide.rewrite(sql, plain)).toMatchObject({ code: 'SQL_REFUSED_TABLE' });
      }
    }
  });

  it('letters that servers fold otherwise than JavaScript', () => {
    const tables = { '*': 'real-read', ix: 'refuse', '\u03b1\u03c3': 'refuse' } as const;
    const folded = createRewriter({ ...options, tables, ignoreCase: true });
    // İx, ΑΣ
    for (const name of ['IX', '\u0130x', '\u0391\u03a3']) {
      expect(folded.rewrite(`select * from ${name}`, plain)).toMatchObject({ code: 'SQL_REFUSED_TABLE' });
    }
  });

  it.each([
    'with orders_shadow as (select 1) select * from orders',
    'with a as (select 1), `ORDERS_shadow` (b) as (select 1) select * from orders',
    'insert into items with recursive orders_shadow as (select 1) select * from orders',
  ])('a WITH part that would hide the shadow table: %s', (sql) => {
    expect(code(sql)).toBe('SQL_SHADOW_NAME');
  });

  it('a default may draw from the sequence of a real table', () => {
    expect(code('select default(id) from branches')).toBe('SQL_SEQUENCE');
    expect(code('select 1 from orders o where o.a = (select default(b.id) from branches b)')).toBe('SQL_SEQUENCE');
    expect(code('update orders set a = default(a)')).toBe(
      'rewrite: update `orders_shadow` AS `orders` set a = default(a)',
    );
    expect(code('insert into orders select a from branches on duplicate key update a = default')).toMatch(/^rewrite/);
  });
});

describe('words that are a table name on some server', () => {
  it.each([
    'insert quick orders values (1)',
    'select * from lateral branches',
    'select * from orders join lateral branches b',
    'with c as (select 1) select * from lateral c',
    'desc extended branches',
    'explain partitions orders',
    'describe format = json branches',
    'explain analyze update orders join items on 1 set orders.n = 1',
    'explain analyze format = tree with w as (select 1) delete orders from orders join w',
    'select * from branches offset, secrets',
    'select * from ((select 1) offset, secrets)',
    'select * from (select 1) window, secrets',
    'insert into orders select * from (select 1) returning, secrets',
  ])('%s', (sql) => {
    expect(code(sql)).toBe('SQL_NOT_UNDERSTOOD');
    expect(schema.rewrite(sql, plain)).toMatchObject({ code: 'SQL_NOT_UNDERSTOOD' });
  });

  it('a table named quick', () => {
    expect(code('update quick branches, orders set orders.n = branches.n')).toBe('SQL_UNCLASSED_TABLE');
  });

  it.each([
    ['delete quick from orders', 'delete quick from `orders_shadow`'],
    ['select 1 from items, lateral (select 1) d', 'select 1 from `items_shadow` AS `items`, lateral (select 1) d'],
    ['explain extended select 1 from orders', 'explain extended select 1 from `orders_shadow` AS `orders`'],
    [
      'explain analyze format = tree with w as (select 1) select 1 from orders',
      'explain analyze format = tree with w as (select 1) select 1 from `orders_shadow` AS `orders`',
    ],
    ['explain analyze select 1 from orders', 'explain analyze select 1 from `orders_shadow` AS `orders`'],
    [
      'select 1 from orders offset 2 rows fetch first 1 rows only',
      'select 1 from `orders_shadow` AS `orders` offset 2 rows fetch first 1 rows only',
    ],
    ['insert into orders select 1 returning id, n', 'insert into `orders_shadow` select 1 returning id, n'],
  ])('where it is the keyword: %s', (sql, expected) => {
    expect(code(sql)).toBe(`rewrite: ${expected}`);
  });
});

describe('reads that lock real rows', () => {
  const strict = createRewriter({ ...options, readLocks: false });

  it.each([
    'insert into orders select * from branches',
    'replace orders select 1 from items, crm.people',
    'insert into orders values (1, (select max(a) from branches))',
    'insert into orders values (1) on duplicate key update a = (select 1 from branches)',
    'update orders o join branches b on 1 set o.a = b.a',
    'update orders set a = (select 1 from branches)',
    'delete from orders where a in (select a from branches)',
    'delete orders from orders join branches using (id)',
    'with w as (select a from branches) delete from orders where a in (select a from w)',
    'set @a = (select max(a) from branches)',
    // to plan it the server reads rows by their keys, and locks them
    'explain update orders o join branches b on 1 set o.a = b.a',
    'explain insert into orders select * from branches where id = 1',
    'explain format = json delete from orders where a = (select a from branches where id = 1)',
    'show tables where (select 1 from branches)',
    'show columns from branches where exists (select 1 from branches)',
  ])('%s', (sql) => {
    expect(strict.rewrite(sql, plain)).toMatchObject({ action: 'refuse', code: 'SQL_REAL_LOCK' });
    expect(table.rewrite(sql, plain)).toMatchObject({ action: 'rewrite' });
  });

  it.each([
    'select * from branches, orders',
    'select max(a) from branches into @a',
    'explain select * from branches where id = 1',
    'show columns from branches where exists (select 1 from orders)',
    'insert into orders select * from items',
    'insert into orders select table_name from information_schema.tables',
  ])('%s: none', (sql) => {
    expect(strict.rewrite(sql, plain).action).not.toBe('refuse');
  });
});

describe('SERIALIZABLE, in which every read of a transaction locks', () => {
  const free = createRewriter({ dialect: 'mysql', mode: 'table', database: 'app', tables: { orders: 'shadow' } });

  it.each([
    'set transaction isolation level serializable',
    'set session transaction read only, isolation level SERIALIZABLE',
    "set tx_isolation = 'serializable'",
    'set @@session.transaction_isolation := `Serializable`',
    'set autocommit = 0, session transaction_isolation = serializable',
  ])('%s', (sql) => {
    expect(table.rewrite(sql, plain)).toMatchObject({ action: 'refuse', code: 'SQL_REAL_LOCK' });
    expect(free.rewrite(sql, plain)).toMatchObject({ action: 'pass' });
  });

  it.each(["set tx_isolation = concat('serial', 'izable')", 'set transaction_isolation = 3', 'set tx_isolation = @v'])(
    '%s',
    (sql) => {
      expect(table.rewrite(sql, plain)).toMatchObject({ action: 'refuse', code: 'SQL_SET' });
    },
  );

  it('of the session refuses reads of real tables, and those alone', () => {
    const context = { ...plain, serializable: true };
    const read = 'select * from branches';
    expect(table.rewrite(read, plain)).toMatchObject({ action: 'rewrite' });
    for (let time = 0; time < 3; time += 1) {
      expect(table.rewrite(read, context)).toMatchObject({ action: 'refuse', code: 'SQL_REAL_LOCK' });
    }
    expect(table.rewrite('select * from orders', context)).toMatchObject({ action: 'rewrite' });
    expect(table.rewrite('show create table branches', context)).toMatchObject({ action: 'rewrite' });
    expect(table.rewrite('describe branches', context)).toMatchObject({ action: 'rewrite' });
    for (const sql of ['show tables where (select 1 from branches)', 'explain select 1 from branches where id = 1']) {
      expect(table.rewrite(sql, context)).toMatchObject({ code: 'SQL_REAL_LOCK' });
    }
    expect(table.rewrite("set tx_isolation = 'READ-COMMITTED'", context)).toMatchObject({ action: 'pass' });
  });
});

describe('functions that could be stored ones', () => {
  const on = (server: 'mysql' | 'mariadb' | undefined, ignoreSpace?: boolean): RewriteContext => ({
    ...(server && { server }),
    sqlMode: { ansiQuotes: false, noBackslashEscapes: false, ...(ignoreSpace !== undefined && { ignoreSpace }) },
  });
  it.each<[string, RewriteContext, string]>([
    // a blank before the bracket, where IGNORE_SPACE decides
    ['select count (1)', on(undefined, true), 'pass'],
    ['select count (1)', on(undefined, false), 'SQL_FUNCTION'],
    ['select count (1)', on(undefined), 'SQL_MODE_AMBIGUOUS'],
    ['select count(1)', on(undefined), 'pass'],
    ['select now/**/()', on(undefined, true), 'SQL_FUNCTION'],
    ['select now /* x */ ()', on(undefined, true), 'SQL_FUNCTION'],
    ['select abs (1)', on(undefined, false), 'pass'],
    ['select match (a) against (? in natural language mode) from orders', on(undefined), 'rewrite'],
    ['select against(1)', on(undefined), 'SQL_FUNCTION'],
    ["select 1 member of ('[1]')", on(undefined), 'pass'],
    ['select of(1)', on(undefined), 'SQL_FUNCTION'],
    ['select 1 member (1)', on(undefined), 'SQL_FUNCTION'],
    // names that one server only knows
    ['select uuid_to_bin(?)', on('mysql'), 'pass'],
    ['select uuid_to_bin(?)', on('mariadb'), 'SQL_FUNCTION'],
    ['select uuid_to_bin(?)', on(undefined), 'SQL_FUNCTION'],
    ['select nvl(1, 2)', on('mariadb'), 'pass'],
    ['select nvl(1, 2)', on('mysql'), 'SQL_FUNCTION'],
    // constructors and words that fall back to one
    ['select point(1, 2)', on(undefined), 'pass'],
    ['select point((1), abs(2))', on(undefined), 'pass'],
    ['select point(1)', on(undefined), 'SQL_FUNCTION'],
    ['select point((1, 2))', on(undefined), 'SQL_FUNCTION'],
    ['select polygon()', on(undefined), 'SQL_FUNCTION'],
    ['select rollup(1)', on(undefined), 'SQL_FUNCTION'],
    ['select 1 = sql_cache(1)', on(undefined), 'SQL_FUNCTION'],
    ['select 1, escape(1)', on(undefined), 'SQL_FUNCTION'],
    ["select a like ? escape ('|')", on(undefined), 'pass'],
  ])('%s %j → %s', (sql, context, expected) => {
    const result = table.rewrite(sql, context);
    expect(result.action === 'refuse' ? result.code : result.action).toBe(expected);
  });
});

describe('functions that the configuration names', () => {
  const own = createRewriter({ ...options, functions: ['Any_Value', 'fee'] });
  it.each([
    ['select any_value(1), FEE(2)', 'pass'],
    ['select `fee`(2)', 'SQL_FUNCTION'],
    ['select app.fee(2)', 'SQL_FUNCTION'],
    ['select fees(2)', 'SQL_FUNCTION'],
  ])('%s → %s', (sql, expected) => {
    const result = own.rewrite(sql, plain);
    expect(result.action === 'refuse' ? result.code : result.action).toBe(expected);
  });
});

describe('where a name or a value ends', () => {
  it.each([
    // two backticks must not meet, nor two words
    ['delete`app`.orders from orders', 'rewrite: delete orders from `orders_shadow` AS `orders`'],
    ['select 1 from orders`o`', 'rewrite: select 1 from `orders_shadow` `o`'],
    ['select 1 from`orders`o,`items`', 'rewrite: select 1 from`orders_shadow`o,`items_shadow` AS `items`'],
    [
      'delete from orders where`orders`.a=orders.b',
      'rewrite: delete from `orders_shadow` where`orders_shadow`.a=`orders_shadow`.b',
    ],
    // a quoted variable ends at its quote
    ['select @`a`from secrets', 'SQL_REFUSED_TABLE'],
    ["select @'a'from secrets", 'SQL_REFUSED_TABLE'],
    ['select @@`sql_mode`from secrets', 'SQL_REFUSED_TABLE'],
    ['select @@session.`sql_mode`from secrets', 'SQL_REFUSED_TABLE'],
    ['select @a`from`secrets', 'pass: select @a`from`secrets'],
    ['select @a.b from secrets', 'SQL_REFUSED_TABLE'],
    ['select @', 'SQL_CHARACTER'],
    ['select @@.a', 'SQL_CHARACTER'],
    // names are folded as ASCII only
    ['with straße as (select 1) select * from strasse', 'SQL_AMBIGUOUS'],
    ['with ß as (select 1) select * from ss', 'SQL_AMBIGUOUS'],
    ['with \u212a as (select 1) select * from k', 'SQL_AMBIGUOUS'],
    ['with ı as (select 1) select * from i', 'SQL_AMBIGUOUS'],
    ['with É as (select 1) select * from secrets', 'SQL_REFUSED_TABLE'],
    ['select 1 from orders lımıt', 'rewrite: select 1 from `orders_shadow` lımıt'],
    ['ſelect 1 from orders', 'SQL_NOT_UNDERSTOOD'],
    ["set ſql_mode = ''", 'SQL_SET'],
    // literals of ODBC, and what else stands in braces
    [
      "select {d '2024-04-12'}, {ts '2024-04-12 00:00:00'} from orders",
      "rewrite: select {d '2024-04-12'}, {ts '2024-04-12 00:00:00'} from `orders_shadow` AS `orders`",
    ],
    ['select {t ?}', 'pass: select {t ?}'],
    ['select {fn now()}', 'SQL_NOT_UNDERSTOOD'],
    ['select * from {oj orders}', 'SQL_NOT_UNDERSTOOD'],
    ['select 1 }', 'SQL_NOT_UNDERSTOOD'],
    // brackets after the FROM and FOR of a call
    [
      'select trim(both ? from (select 1 from orders)) from items',
      'rewrite: select trim(both ? from (select 1 from `orders_shadow` AS `orders`)) from `items_shadow` AS `items`',
    ],
    [
      'select substring(a from (1) for (2)), extract(year from (a)) from items',
      'rewrite: select substring(a from (1) for (2)), extract(year from (a)) from `items_shadow` AS `items`',
    ],
    ['select trim(both (1) from secrets)', 'pass: select trim(both (1) from secrets)'],
    ['select abs(1 from (secrets))', 'SQL_NOT_UNDERSTOOD'],
    // rows of VALUES against the call
    [
      'with a as (select 1), b as (values (null)) select 1 from b',
      'pass: with a as (select 1), b as (values (null)) select 1 from b',
    ],
    ['select 1 from (values (a)) as v', 'pass: select 1 from (values (a)) as v'],
    ["with w as (values (x'00'), (?)) select * from w", "pass: with w as (values (x'00'), (?)) select * from w"],
    [
      "select * from ((values (null, 'k')) as v cross join orders)",
      "rewrite: select * from ((values (null, 'k')) as v cross join `orders_shadow` AS `orders`)",
    ],
    [
      "select * from orders o, json_table(concat(o.a, (select b from items)), '$' columns (a int path '$')) j",
      "rewrite: select * from `orders_shadow` o, json_table(concat(o.a, (select b from `items_shadow` AS `items`)), '$' columns (a int path '$')) j",
    ],
    ["select * from json_table('1', '$' columns (a int path '$' default escape(1) on empty)) j", 'SQL_FUNCTION'],
    [
      "select * from json_table(?, '$' columns (n for ordinality, a int path '$')) j",
      "pass: select * from json_table(?, '$' columns (n for ordinality, a int path '$')) j",
    ],
  ])('%s', (sql, expected) => {
    expect(code(sql)).toBe(expected);
  });
});

describe('character sets', () => {
  const yen = "select '\u00a5'' from secrets -- '";
  it.each([
    [yen, 'utf8mb4', 'pass'],
    [yen, 'latin1', 'pass'],
    // drivers cut a character to its low byte, which is a quote here
    ["select '\u0127 union select a from secrets -- '", 'latin1', 'SQL_CHARACTER'],
    ["select '\u0127 union select a from secrets -- '", undefined, 'SQL_CHARACTER'],
    ["select '\u0127 union select a from secrets -- '", 'utf8mb3', 'pass'],
    ['set names utf8mb4', 'utf8mb4', 'pass'],
    ['set names latin1', 'latin1', 'pass'],
    // UTF-8 read as latin1: the second byte of "à" is a blank
    ['set names latin1', 'utf8mb4', 'SQL_SET'],
    ['set names default', undefined, 'SQL_SET'],
    ['set names utf8mb4', 'gbk', 'SQL_SET'],
    [yen, 'sjis', 'SQL_CHARACTER'],
    [yen, undefined, 'SQL_CHARACTER'],
    ["select 'é' from orders", undefined, 'rewrite'],
    ["select 'é' from orders", 'latin1', 'rewrite'],
    ["select 'é' from orders", 'gbk', 'SQL_CHARACTER'],
    ["select 'e' from orders", 'gbk', 'rewrite'],
  ])('%s in %s → %s', (sql, charset, expected) => {
    const result = table.rewrite(sql, { sqlMode: plain.sqlMode!, ...(charset && { charset }) });
    expect(result.action === 'refuse' ? result.code : result.action).toBe(expected);
  });
});

describe('placeholders', () => {
  it.each([
    [
      'select ??, a from orders where ?? = ? order by ??',
      'select ??, a from `orders_shadow` AS `orders` where ?? = ? order by ??',
    ],
    ['insert into orders (??) values ?', 'insert into `orders_shadow` (??) values ?'],
    ['insert into orders set ?', 'insert into `orders_shadow` set ?'],
    ['update orders set ? where id = ?', 'update `orders_shadow` AS `orders` set ? where id = ?'],
    ['update orders set ?? = ?, a = ?', 'update `orders_shadow` AS `orders` set ?? = ?, a = ?'],
    ['select orders.??, ??.id from orders', 'select orders.??, ??.id from `orders_shadow` AS `orders`'],
    [
      'select 1 from orders use index (??) where id in (?)',
      'select 1 from `orders_shadow` AS `orders` use index (??) where id in (?)',
    ],
    // named ones may carry any word
    [
      'select :from from orders where a=:limit and ::name=:1',
      'select :from from `orders_shadow` AS `orders` where a=:limit and ::name=:1',
    ],
    ['set @a:=(select max(id) from orders)', 'set @a:=(select max(id) from `orders_shadow` AS `orders`)'],
  ])('%s', (sql, expected) => {
    expect(code(sql)).toBe(`rewrite: ${expected}`);
  });
  it('does not take an object of assignments for one table of several', () => {
    expect(code('update orders o, branches b set ?')).toBe('SQL_REAL_WRITE');
  });
});

describe('sql_mode ORACLE', () => {
  const oracle: RewriteContext = { sqlMode: { ...plain.sqlMode, oracle: true } };
  it.each([
    ['start transaction', 'pass'],
    ['commit', 'pass'],
    ['rollback to a', 'pass'],
    ['begin', 'SQL_ORACLE_MODE'],
    ['select 1', 'SQL_ORACLE_MODE'],
    ['delete from orders', 'SQL_ORACLE_MODE'],
  ])('%s → %s', (sql, expected) => {
    const result = table.rewrite(sql, oracle);
    expect(result.action === 'refuse' ? result.code : result.action).toBe(expected);
  });
});

describe('guard of real traffic', () => {
  it.each([
    ['select * from orders_shadow', true],
    ['select * from `ORDERS_SHADOW`', true],
    ['select * from app . orders_shadow', true],
    ['delete /*!50000 from orders_shadow */', true],
    ["select 'orders_shadow' -- orders_shadow", false],
    ['select drop_shadow from orders', false],
    ['select * from orders', false],
  ])('%s → %s', (sql, expected) => {
    expect(table.touchesShadowName(sql)).toBe(expected);
  });
  it('knows a shadow table by the name of its file', () => {
    expect(table.touchesShadowName('select 1 from `#mysql50#orders_shadow`')).toBe(true);
    expect(table.touchesShadowName('select 1 from `#mysql50#orders`')).toBe(false);
  });
  it('knows the shadow schema', () => {
    expect(schema.touchesShadowName('select 1 from app_shadow.orders')).toBe(true);
    expect(schema.touchesShadowName('select 1 from app.orders')).toBe(false);
  });
});

describe('configuration', () => {
  it('refuses what cannot work', () => {
    expect(() => createRewriter({ ...options, tables: { a_shadow: 'shadow' } })).toThrow(/suffix/);
    expect(() => createRewriter({ ...options, mode: 'schema', schema: 'app' })).toThrow(/real one/);
    expect(() => createRewriter({ ...options, suffix: '' })).toThrow(/suffix/);
  });
  it('takes the session schema into account', () => {
    expect(code('select 1 from orders', { ...plain, database: 'crm' })).toBe('SQL_UNCLASSED_TABLE');
    expect(code('select 1 from people', { ...plain, database: 'crm' })).toBe('rewrite: select 1 from people');
  });
  it('redirects nothing in mode instance, and gives the verb', () => {
    const instance = createRewriter({ ...options, mode: 'instance' });
    expect(instance.rewrite('/* x */ Select 1 from secrets')).toMatchObject({ action: 'pass', verb: 'select' });
    expect(instance.rewrite('start transaction')).toMatchObject({ verb: 'begin' });
  });
  it('lets TRUNCATE through by choice', () => {
    const rewriter = createRewriter({ ...options, truncate: true });
    expect(rewriter.rewrite('truncate table orders', plain)).toMatchObject({ sql: 'truncate table `orders_shadow`' });
    expect(rewriter.rewrite('truncate branches', plain)).toMatchObject({ code: 'SQL_REAL_WRITE' });
  });
});
