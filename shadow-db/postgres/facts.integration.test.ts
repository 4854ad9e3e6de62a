import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { failureOf, type PostgresArena, postgresArena } from '../fixtures/postgres.js';
import { builtinFunctions, builtinOperators, builtinTypes, functionLists } from './functions.js';
import { clipName } from './names.js';

/** Why the rewriter does what it does. If one of these changes, the rule can be looked at again. */
describe('facts of PostgreSQL that the rewriter rests on', () => {
  let arena: PostgresArena;
  let client: pg.Client;
  const code = async (sql: string): Promise<string> => (await failureOf(client, sql))?.code ?? 'ok';
  const rows = async (sql: string): Promise<unknown[]> => (await client.query({ text: sql, rowMode: 'array' })).rows;

  beforeAll(async () => {
    arena = await postgresArena();
    client = arena.client;
    await client.query('CREATE SCHEMA crm');
    for (const table of ['orders', 'orders_shadow', 'crm.orders']) {
      await client.query(`CREATE TABLE ${table} (id int PRIMARY KEY, n int)`);
      await client.query(`INSERT INTO ${table} VALUES (1, ${table.includes('shadow') ? 100 : 1})`);
    }
  });
  afterAll(() => arena.close());

  it('a table with an alias cannot be named by its schema any more', async () => {
    expect(await code('SELECT public.orders.id FROM public.orders')).toBe('ok');
    expect(await code('SELECT public.orders.id FROM orders')).toBe('ok');
    expect(await code('SELECT public.orders.id FROM public.orders AS orders')).toBe('42P01');
    expect(await code('SELECT public.orders.id FROM public.orders_shadow AS orders')).toBe('42P01');
  });

  it('two tables of one name are told apart by their schemas, but not as aliases', async () => {
    expect(await code('SELECT public.orders.id, crm.orders.id FROM public.orders, crm.orders')).toBe('ok');
    expect(await code('SELECT 1 FROM public.orders AS orders, crm.orders AS orders')).toBe('42712');
    expect(await code('SELECT 1 FROM public.orders_shadow AS orders, crm.orders')).toBe('42712');
  });

  it('the target of a write is the table, whatever WITH calls so', async () => {
    await client.query('BEGIN');
    await client.query('WITH orders AS (SELECT 5 AS id) INSERT INTO orders SELECT id + 1, 0 FROM orders');
    expect(await rows('SELECT id FROM public.orders ORDER BY id')).toEqual([[1], [6]]);
    await client.query('WITH orders AS (SELECT 5 AS id) UPDATE orders SET n = 9');
    expect(await rows('SELECT DISTINCT n FROM public.orders')).toEqual([[9]]);
    await client.query('WITH orders AS (SELECT 5 AS id) DELETE FROM orders');
    expect(await rows('SELECT count(*) FROM public.orders')).toEqual([['0']]);
    await client.query('ROLLBACK');
  });

  it('a WITH part sees the parts before it, its own only with RECURSIVE', async () => {
    expect(await rows('WITH orders AS (SELECT n FROM orders) SELECT n FROM orders')).toEqual([[1]]);
    expect(await rows('WITH a AS (SELECT n FROM orders), orders AS (SELECT 7 AS n) SELECT n FROM a')).toEqual([[1]]);
    expect(await rows('WITH orders AS (SELECT 7 AS n), a AS (SELECT n FROM orders) SELECT n FROM a')).toEqual([[7]]);
    expect(await rows('WITH RECURSIVE a AS (SELECT n FROM orders), orders AS (SELECT 7 AS n) SELECT n FROM a')).toEqual(
      [[7]],
    );
    expect(
      await rows('WITH orders AS (SELECT 7 AS n) SELECT n FROM (WITH x AS (SELECT n FROM orders) SELECT n FROM x) y'),
    ).toEqual([[7]]);
    expect(await rows('WITH orders AS (SELECT 7 AS n) SELECT n FROM public.orders')).toEqual([[1]]);
  });

  it('TABLE takes no alias; ONLY ( ) and the star come before it, TABLESAMPLE after', async () => {
    expect(await code('TABLE orders_shadow AS orders')).toBe('42601');
    expect(await code('SELECT orders.id FROM ONLY (orders_shadow) AS orders')).toBe('ok');
    expect(await code('SELECT orders.id FROM orders_shadow * AS orders')).toBe('ok');
    expect(await code('SELECT orders.id FROM orders_shadow AS orders TABLESAMPLE system (100)')).toBe('ok');
    expect(await code('SELECT orders.id FROM orders_shadow AS orders FOR UPDATE OF orders')).toBe('ok');
  });

  it('names are cut at 63 bytes, between characters', async () => {
    for (const name of [
      'x'.repeat(70),
      'é'.repeat(40),
      `${'é'.repeat(31)}xyz`,
      '表'.repeat(30),
      '😀'.repeat(20),
      `a${'😀'.repeat(20)}`,
    ]) {
      const result = await client.query(`SELECT 1 AS "${name}"`);
      expect(clipName(name)).toBe(result.fields[0]?.name);
    }
  });

  it('standard_conforming_strings changes where a string ends, backslash_quote does not', async () => {
    const text = "SELECT '\\', ' AS a --'";
    expect(await rows(text)).toEqual([['\\', ' AS a --']]);
    await client.query('SET standard_conforming_strings = off');
    expect(await rows(text)).toEqual([["', "]]);
    expect(await rows("SELECT '\\', ' || 'b'")).toEqual([["', b"]]);
    await client.query('SET standard_conforming_strings = on');
    for (const value of ['on', 'off', 'safe_encoding']) {
      await client.query(`SET backslash_quote = ${value}`);
      // it is refused or it is the same text
      expect(['ok', '22P06']).toContain(await code("SELECT E'a\\'b'"));
      if ((await code("SELECT E'a\\'b'")) === 'ok') expect(await rows("SELECT E'a\\'b'")).toEqual([["a'b"]]);
    }
    await client.query('RESET backslash_quote');
  });

  it('a function of its own with better fitting types runs in place of a built-in one: only the account stands in its way', async () => {
    await client.query("CREATE FUNCTION lower(int) RETURNS text LANGUAGE sql AS $$ SELECT 'own' $$");
    await client.query("CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'own' $$");
    expect(await rows("SELECT lower(5), lower('A'::text), pg_catalog.lower('A')")).toEqual([['own', 'a', 'a']]);
    // the same for a column that is none
    await client.query(
      "CREATE FUNCTION computed(record) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN 'own'; END $$",
    );
    expect(await rows('SELECT orders.computed FROM orders')).toEqual([['own']]);
    await client.query(
      'DROP FUNCTION public.lower(int); DROP FUNCTION public.lower(text); DROP FUNCTION computed(record)',
    );
  });

  it('every listed function is built in, and touches nothing that the list says it does not', async () => {
    const { rows: known } = await client.query<{ name: string; volatile: string[]; internal: boolean }>(
      `SELECT proname AS name, array_agg(DISTINCT provolatile::text) AS volatile, bool_and(prolang IN (12, 14)) AS internal
        FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND oid < 16384 GROUP BY proname`,
    );
    const of = new Map(known.map((one) => [one.name, one]));
    for (const name of functionLists.immutable) {
      expect({ name, volatile: of.get(name)?.volatile, internal: of.get(name)?.internal }).toEqual({
        name,
        volatile: ['i'],
        internal: true,
      });
    }
    for (const name of functionLists.harmless) expect({ name, known: of.has(name) }).toEqual({ name, known: true });
    // by what they are called, these act, wait on others, read files or run text
    const suspicious =
      /advisory|^lo_|^pg_(?:read|ls|stat|cancel|terminate|reload|rotate|switch|create|drop|promote|notify|logical|replication|import|export|backup|wal)|(?:next|curr|set)val|set_config|dblink|_to_xml|ts_stat|ts_rewrite|pg_relation|pg_total|pg_database_size/;
    expect([...builtinFunctions.keys()].filter((name) => suspicious.test(name))).toEqual([]);
  });

  it('every listed operator is built in', async () => {
    const known = await rows(
      "SELECT DISTINCT oprname::text FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oid < 16384",
    );
    const names = new Set(known.map((row) => (row as [string])[0]));
    expect([...builtinOperators].filter((name) => !names.has(name))).toEqual([]);
  });

  it('every listed type is built in and is plain data', async () => {
    const { rows: known } = await client.query<{ name: string }>(
      `SELECT typname AS name FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typrelid = 0 AND oid < 16384`,
    );
    const names = new Set(known.map(({ name }) => name));
    expect([...builtinTypes].filter((name) => !names.has(name))).toEqual([]);
  });
});
