import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { made } from '../../bench/fuzz/made.js';
import { mutate } from '../../bench/fuzz/mysql/mutations.js';
import { type PostgresArena, postgresArena } from '../fixtures/postgres.js';
import { createRewriter, loadParser, type PostgresRewriter } from '../postgres/index.js';

const seed = Number(process.env.SHADOWLINE_FUZZ_SEED ?? 20_240_305);
const rounds = Number(process.env.SHADOWLINE_FUZZ_MUTATIONS ?? 6000);
const canary = 'CANARY-of-a-real-row';

/** Valid statements in which names, scopes, locks and writes are close together: a few changes make them mean something else. */
const statements = [
  'select o.note, orders.* from orders o, public.orders where o.id = orders.id',
  'select public.orders.note from public.orders, items i where i.id = public.orders.id',
  'select * from orders where exists (with orders as (select 1) select * from orders)',
  'with orders as (select 1 as id), x as (insert into orders select id + 50 from orders returning *) select * from x',
  'with a as (with orders as (select * from items) select * from orders), b as (select * from orders) select * from a, b',
  'with recursive r as (select 1 as id union all select r.id + 1 from r join orders on orders.id = r.id) select * from r',
  'with d as (delete from items returning *) insert into orders (id, note) select id, note from d returning note',
  'merge into orders o using (select * from items) s on s.id = o.id when matched then update set note = (select note from items limit 1) when not matched then insert (id) values (s.id)',
  'insert into orders as o (id, note) select id, note from items on conflict (id) do update set note = excluded.note where o.id in (select id from branches) returning (select note from items limit 1)',
  'update only orders set (id, note) = (select id + 9, note from items where items.id = orders.id) returning orders.*',
  'update orders set note = b.note from (select * from branches) b where b.id = orders.id',
  'delete from orders using branches, lateral (select * from items where items.id = branches.id) x where orders.id = x.id',
  'select * from (orders join items using (id)) as j (a, b) cross join branches tablesample system (50)',
  'select * from lateral (select * from orders) a, items i for update of a, i skip locked',
  'select x.note from (select note from branches) x, orders for share of orders',
  'table only (orders) union all table items order by 1 limit 3',
  'lock table only orders, public.items in share mode nowait',
  'explain (costs off) table orders',
  'declare c cursor for select * from "orders"',
  "select E'it\\'s', $$ from secrets $$, U&'\\0027', note /* from secrets */ from orders -- x",
];
const names = [
  'orders',
  'items',
  'branches',
  'secrets',
  'unclassed',
  'public.orders',
  '"orders"',
  'other.orders',
  'U&"\\006frders"',
];
const paths = ['public', 'other, public', 'public_shadow, public', "''"];

describe.each(['table', 'schema'] as const)(
  'valid statements with a few hostile changes, mode %s, by a superuser',
  (mode) => {
    let arena: PostgresArena;
    let client: pg.Client;
    let rewriter: PostgresRewriter;

    beforeAll(async () => {
      await loadParser();
      arena = await postgresArena();
      client = arena.client;
      await client.query('CREATE SCHEMA other; CREATE SCHEMA public_shadow');
      const real = ['orders', 'items', 'secrets', 'unclassed', 'other.orders', 'other.items', 'other.branches'];
      for (const name of real) await make(name, canary);
      for (const name of ['orders_shadow', 'items_shadow', 'public_shadow.orders', 'public_shadow.items', 'branches'])
        await make(name, 'harmless');
      await client.query('SET lock_timeout = 1000; SET statement_timeout = 5000');
      const tables = { orders: 'shadow', items: 'shadow', branches: 'real-read', secrets: 'refuse' } as const;
      rewriter = createRewriter({ dialect: 'postgres', mode, database: 'public', tables });
    });
    afterAll(() => arena.close());

    async function make(name: string, note: string): Promise<void> {
      await client.query(`CREATE TABLE ${name} (id int PRIMARY KEY, note text)`);
      await client.query(`INSERT INTO ${name} SELECT n, $1 || n FROM generate_series(1, 3) n`, [note]);
    }

    it('show and lock no real table, whatever the search path', async () => {
      let ran = 0;
      const mutated = made((choices) => ({
        sql: mutate(choices, choices.pick(statements), choices.pick(statements), names),
        path: choices.pick(paths),
        conforming: choices.pick([true, false]),
      }));
      await fc.assert(
        fc.asyncProperty(mutated, async ({ sql, path, conforming }) => {
          const result = rewriter.rewrite(sql, conforming ? { standardConformingStrings: true } : {});
          if (result.action === 'refuse') return;
          await client.query(
            `SET search_path = ${path}; SET standard_conforming_strings = ${conforming ? 'on' : 'off'}; BEGIN`,
          );
          const answer = await client.query(result.sql).catch((error: Error) => error);
          const failed = answer instanceof Error;
          if (!failed) ran += 1;
          const reached = failed ? [] : await reals();
          await client.query('ROLLBACK');
          const shown = !failed && JSON.stringify(answer.rows ?? []).includes(canary);
          expect({ sql, redirected: result.sql, path, reached, shown }).toMatchObject({ reached: [], shown: false });
        }),
        { seed, numRuns: rounds / 2 },
      );
      expect(ran / rounds).toBeGreaterThan(0.015);
    }, 300_000);

    it('would see a statement that was let through', async () => {
      await client.query('SET search_path = public; BEGIN; DELETE FROM items; SELECT 1 FROM branches FOR SHARE');
      expect(await reals()).toEqual(['public.branches RowShareLock', 'public.items RowExclusiveLock']);
      await client.query('ROLLBACK');
    });

    /** Locks of this transaction on real tables, but for those that reading a real-read one takes. */
    async function reals(): Promise<string[]> {
      const { rows } = await client.query<{ lock: string }>(
        `SELECT n.nspname || '.' || c.relname || ' ' || l.mode AS lock FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = pg_backend_pid() AND c.relkind = 'r' AND n.nspname <> 'pg_catalog'
        ORDER BY 1`,
      );
      return rows
        .map(({ lock }) => lock)
        .filter((lock) => !/_shadow[ .]|^public\.branches AccessShareLock$/.test(lock));
    }
  },
);
