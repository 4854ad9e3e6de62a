import { afterEach, describe, expect, it } from '@jest/globals';
import { dbOfClient } from '../../fixtures/postgres-server.js';
import { SeedingPostgres } from '../../fixtures/seeding-postgres.js';
import { Tokens } from '../../mask.js';
import { clean, drift, plan, provision, reservedRanges } from '../postgres/index.js';
import { seed } from './run.js';
import type { SeedOptions } from './work.js';

const bank = [
  `CREATE TABLE customers (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email varchar(80) NOT NULL UNIQUE, phone text, name text NOT NULL, referred_by integer,
     shout text GENERATED ALWAYS AS (upper(name)) STORED, CONSTRAINT referral FOREIGN KEY (referred_by) REFERENCES customers (id))`,
  'CREATE TABLE accounts (iban char(22) PRIMARY KEY, customer_id integer NOT NULL, balance numeric(14,2) NOT NULL, main_card bigint NOT NULL, CONSTRAINT owner FOREIGN KEY (customer_id) REFERENCES customers (id))',
  'CREATE TABLE cards (id bigserial PRIMARY KEY, iban char(22) NOT NULL REFERENCES accounts (iban))',
  'ALTER TABLE accounts ADD CONSTRAINT main FOREIGN KEY (main_card) REFERENCES cards (id) DEFERRABLE',
  `CREATE TABLE transfers (id bigserial PRIMARY KEY, source char(22) NOT NULL REFERENCES accounts (iban), destination char(22) NOT NULL REFERENCES accounts (iban) ON DELETE CASCADE,
     contact varchar(80), amount numeric(14,2) NOT NULL, touched integer)`,
  "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := coalesce(NEW.touched, 0) + 1; RETURN NEW; END'",
  'CREATE TRIGGER touched BEFORE INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION touch()',
  "INSERT INTO customers (email, phone, name, referred_by) SELECT 'user' || n || '@bank.example', '+49 170 ' || lpad(n::text, 7, '0'), 'Name ' || n, CASE WHEN n % 3 = 0 THEN n - 1 END FROM generate_series(1, 600) n",
  'BEGIN',
  'SET CONSTRAINTS ALL DEFERRED',
  "INSERT INTO accounts SELECT 'DE' || lpad(n::text, 20, '0'), 1 + n * 7 % 600, n, n FROM generate_series(1, 900) n",
  "INSERT INTO cards (iban) SELECT 'DE' || lpad(n::text, 20, '0') FROM generate_series(1, 900) n",
  'COMMIT',
  "INSERT INTO transfers (source, destination, contact, amount) SELECT 'DE' || lpad((1 + n * 13 % 900)::text, 20, '0'), 'DE' || lpad((1 + n * 29 % 900)::text, 20, '0'), 'user' || (1 + n % 600) || '@bank.example', n FROM generate_series(1, 3000) n",
];
const tables = ['customers', 'accounts', 'cards', 'transfers'];
const whole = { customers: {}, accounts: {}, cards: {}, transfers: {} };
const small: SeedOptions = { maxChunkRows: 100 };

describe('seeding on a real PostgreSQL', () => {
  let test: SeedingPostgres;
  afterEach(async () => test.close());

  const same = async (...names: string[]): Promise<void> => {
    for (const name of names)
      expect([name, await test.digest(`${name}_shadow`)]).toEqual([name, await test.digest(name)]);
  };

  it('copies whole tables in spite of keys in a cycle, fires no trigger, and keeps ids of the reserved range', async () => {
    test = await SeedingPostgres.create(bank);
    const options = test.options(tables, whole, { account: test.server.account });
    const planned = await plan(test.db, options);
    expect(planned.steps.filter(({ kind }) => kind === 'seed').map(({ subject }) => subject)).toContain('accounts');
    await provision(test.db, planned, { password: test.server.account.password });
    await same(...tables);
    expect(await drift(test.db, options)).toEqual([]);
    const again = async () => (await plan(test.db, options)).steps.map(({ kind }) => kind);
    expect(await again()).toEqual(['account']);
    await clean(test.db, options, { dryRun: false });
    expect(new Set(await again())).toEqual(new Set(['seed', 'account']));
    await provision(test.db, await plan(test.db, options), { password: test.server.account.password, seed: small });
    await same(...tables);
    expect(await drift(test.db, options)).toEqual([]);
    expect(await test.column('SELECT conname FROM pg_constraint WHERE NOT convalidated')).toEqual([]);
    expect(await test.column('SELECT count(*) FROM shadowline_rows')).toEqual(['0']);
    const ranges = await reservedRanges(test.db, options);
    const first = (name: string): string | undefined => ranges.find(({ table }) => table === name)?.firstShadowId;
    const insert = "INSERT INTO customers_shadow (email, name) VALUES ('x', 'y') RETURNING id";
    expect(await test.column(insert)).toEqual([first('customers')]);
    expect(
      await test.column(
        "INSERT INTO transfers_shadow (source, destination, amount) SELECT iban, iban, 1 FROM accounts LIMIT 1 RETURNING id || ' ' || touched",
      ),
    ).toEqual([`${first('transfers')} 1`]);
    const gone = await clean(test.db, options, { dryRun: false, what: 'drop' });
    expect(gone.statements.join()).toContain('shadowline_seed_shadow');
    expect(
      await test.column("SELECT relname FROM pg_class WHERE relname ~ '_shadow|shadowline' AND relname <> 'pg_shadow'"),
    ).toEqual([]);
  });

  it('in a schema of its own', async () => {
    test = await SeedingPostgres.create(bank);
    const options = test.options(tables, whole, { mode: 'schema' });
    await provision(test.db, await plan(test.db, options));
    for (const name of tables)
      expect(await test.digest(`public_shadow.${name}`)).toBe(await test.digest(`public.${name}`));
    expect(await drift(test.db, options)).toEqual([]);
    expect((await plan(test.db, options)).steps).toEqual([]);
    await clean(test.db, options, { dryRun: false, what: 'drop' });
    expect(await test.column("SELECT nspname FROM pg_namespace WHERE nspname ~ 'shadow'")).toEqual([]);
  });

  it('gives the same tokens as recordings, shifts ids along foreign keys, and goes on behind them', async () => {
    test = await SeedingPostgres.create(bank);
    const seeding = await test.shadowed(tables, {
      customers: {
        idOffset: 'reserved',
        mask: { email: 'email', phone: 'phone', name: { kind: 'name', domain: 'people' } },
      },
      accounts: { mask: { iban: 'digits', balance: 'digits' } },
      cards: {},
      transfers: { mask: { contact: 'email' }, set: { touched: 7 } },
    });
    expect(seeding.steps.map(({ sql }) => sql).join()).not.toContain('secret');
    await expect(seed(test.db, seeding)).rejects.toThrow(/SEED_KEY/);
    const sent: string[] = [];
    const watched = {
      query: (sql: string, params: unknown[] = []) => {
        sent.push(sql, ...params.map(String));
        return test.db.query(sql, params);
      },
    };
    await seed(watched, seeding, { ...small, maskKey: 'secret' });
    expect(sent.length).toBeGreaterThan(100);
    expect(sent.filter((text) => text.includes('secret'))).toEqual([]);
    await expect(seed(test.db, seeding, { maskKey: 'other' })).rejects.toThrow(
      /SEED_CHANGED: \w+ was seeded.*another key/,
    );
    const tokens = new Tokens('secret');
    const first = Number(seeding.tables.find(({ key }) => key === 'customers')?.firstShadowId);
    const real = await test.rows('SELECT * FROM customers ORDER BY id');
    const name = (text: unknown): string => new Tokens('secret', 'people').name(String(text));
    expect(await test.rows('SELECT * FROM customers_shadow ORDER BY id')).toEqual(
      real.map(({ id, email, phone, name: own, referred_by }) => ({
        id: Number(id) + first,
        email: tokens.email(String(email)),
        phone: tokens.digits(String(phone)),
        name: name(own),
        referred_by: referred_by === null ? null : Number(referred_by) + first,
        shout: name(own).toUpperCase(),
      })),
    );
    const joined =
      'FROM transfers{} t JOIN accounts{} a ON a.iban = t.source JOIN customers{} c ON c.id = a.customer_id JOIN cards{} d ON d.iban = a.iban';
    const count = async (suffix: string, tail: string): Promise<unknown> =>
      (await test.column(`SELECT count(*) ${`${joined} ${tail}`.replaceAll('{}', suffix)}`))[0];
    expect(await count('_shadow', '')).toBe(await count('', ''));
    const byContact = 'JOIN customers{} k ON k.email = t.contact';
    expect(await count('_shadow', byContact)).toBe(await count('', byContact));
    expect(await test.column('SELECT DISTINCT touched FROM transfers_shadow')).toEqual(['7']);
    expect(await test.column("INSERT INTO customers_shadow (email, name) VALUES ('x', 'y') RETURNING id")).toEqual([
      String(first + 601),
    ]);
  });

  it('keeps every type as it is, within the server and through the client', async () => {
    test = await SeedingPostgres.create([
      "CREATE TYPE mood AS ENUM ('ok', 'it''s', 'back\\slash')",
      'CREATE TYPE place AS (street text, number integer)',
      'CREATE DOMAIN positive AS numeric CHECK (VALUE > 0)',
      `CREATE TABLE kinds (id integer PRIMARY KEY, si smallint, bi bigint, nu numeric, n2 numeric(30,10), re real, dp double precision, bo boolean, ch char(5), vc varchar(20), te text,
         by bytea, da date, ts timestamp(3), tz timestamptz, tt time, iv interval, uu uuid, js json, jb jsonb, ar integer[], ta text[], mo mood, ma mood[], pl place, pa place[],
         po positive, ip inet, bi2 bit varying, ra int4range, tsv tsvector, xm xml, mo2 money, "odd ""name" text, "k0" text, pt point,
         twice integer GENERATED ALWAYS AS (id * 2) STORED, secret varchar(60))`,
      `INSERT INTO kinds VALUES (1, -32768, -9223372036854775808, 12345678901234567890.0123456789000, -0.5, 1.1, 0.1 + 0.2::float8, true, 'a', 'ä''\\x', E'tab\\t\\nline \\\\ '' "', '\\x00ff27',
         'infinity', '-infinity', '2024-03-31 02:30:00.123456+02', '24:00', '1 mon -3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a":  1, "a": "\\u00fc"}', '{"b": [1, null]}',
         '{{1,2},{NULL,4}}', ARRAY['a,b', 'NULL', NULL, '"\\'], 'it''s', ARRAY['back\\slash'::mood, 'ok'], ROW('Main "st", \\', 5), ARRAY[ROW(NULL, NULL)::place, ROW('', 1)::place],
         5, '::1/64', B'10101', '[1,5)', 'fat & cat', '<a b="c">&lt;</a>', '1.50', 'q', 'z', '(1,2)', DEFAULT, '5 / 6'),
        (2, 0, 9223372036854775807, 'NaN', 0, 'Infinity', '-0', false, '', '', '', '', '0044-03-15 BC', '294276-12-31 23:59:59.999', 'infinity', '00:00:00.000001', '-1 year', NULL, 'null', '"x"', '{}', '{}', 'ok', NULL,
         ROW(NULL, NULL), NULL, 0.0000001, '10.0.0.1', B'', 'empty', '', '', '-3', NULL, NULL, NULL, DEFAULT, NULL),
        (3, NULL, NULL, 1e-100, NULL, 1e-45, 5e-324, NULL, NULL, 'NULL', 'NULL', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, DEFAULT, 'x')`,
    ]);
    await test.rows(
      "SET DateStyle = 'SQL, DMY'; SET extra_float_digits = 0; SET bytea_output = 'escape'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Tokyo'",
    );
    const seeding = await test.shadowed(['kinds'], { kinds: {} });
    const settings = 'SELECT name || setting FROM pg_settings ORDER BY name';
    const before = await test.column(settings);
    await seed(test.db, seeding);
    expect(await test.column(settings)).toEqual(before);
    const exact = 'SET extra_float_digits = 3';
    await test.rows(exact);
    await same('kinds');
    await test.rows('DELETE FROM kinds_shadow');
    const source = await test.other();
    await source.query(
      "SET standard_conforming_strings = off; SET DateStyle = 'German'; SET TimeZone = 'America/New_York'",
    );
    await seed(test.db, seeding, { source, snapshot: true });
    await same('kinds');
    await test.rows('DELETE FROM kinds_shadow');
    const masks = { vc: 'text', nu: 'digits', te: 'token', secret: 'phone', bi: 'digits' } as const;
    const { te } = masks;
    await expect(
      seed(test.db, await test.planned(['kinds'], { kinds: { mask: masks } }), { maskKey: 'k' }),
    ).rejects.toThrow(/SEED_CHANGED|SEED_VALUE: kinds\.bi \(bigint\) ends at|SEED_RANGE/);
    await test.rows('DROP TABLE shadowline_seed_shadow; DELETE FROM kinds_shadow');
    const { bi: _, ...fitting } = masks;
    await seed(test.db, await test.planned(['kinds'], { kinds: { mask: fitting } }), { maskKey: 'k' });
    const tokens = new Tokens('k');
    expect(te).toBe('token');
    expect(await test.rows('SELECT vc, nu::text, te, secret FROM kinds_shadow ORDER BY id')).toEqual([
      {
        vc: "ä'\\x",
        nu: tokens.digits('12345678901234567890.0123456789000'),
        te: tokens.token('tab\t\nline \\ \' "'),
        secret: tokens.digits('5 / 6'),
      },
      { vc: '', nu: 'NaN', te: tokens.token(''), secret: null },
      { vc: 'NULL', nu: expect.stringMatching(/^0\.\d+$/), te: tokens.token('NULL'), secret: 'x' },
    ]);
  });

  it('partitions are filled through their table, with keys of a partitioned parent', async () => {
    test = await SeedingPostgres.create([
      'CREATE TABLE books (id integer, month date, PRIMARY KEY (id, month)) PARTITION BY RANGE (month)',
      "CREATE TABLE books_1 PARTITION OF books FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')",
      "CREATE TABLE books_2 PARTITION OF books FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY HASH (id)",
      'CREATE TABLE books_2a PARTITION OF books_2 FOR VALUES WITH (MODULUS 2, REMAINDER 0)',
      'CREATE TABLE books_2b PARTITION OF books_2 FOR VALUES WITH (MODULUS 2, REMAINDER 1)',
      'CREATE TABLE lines (id integer, book integer, month date, PRIMARY KEY (id, month), FOREIGN KEY (book, month) REFERENCES books (id, month)) PARTITION BY LIST (month)',
      "CREATE TABLE lines_1 PARTITION OF lines FOR VALUES IN ('2024-01-05')",
      'CREATE TABLE lines_rest PARTITION OF lines DEFAULT',
      "INSERT INTO books SELECT n, '2024-01-01'::date + n % 59 FROM generate_series(1, 700) n",
      'INSERT INTO lines SELECT row_number() OVER (), b.id, b.month FROM books b, generate_series(1, 3)',
    ]);
    const options = test.options(['books', 'lines'], { books: { where: 'id <= 300', children: true } });
    await test.rows('ANALYZE');
    const planned = await plan(test.db, options);
    const estimates = planned.seed?.tables.map(({ key, estimatedRows }) => `${key} ${estimatedRows}`);
    expect(estimates).toEqual(['lines 2100', 'books 700']);
    await provision(test.db, planned, { seed: { maxChunkRows: 50 } });
    expect(await test.digest('books_shadow')).toBe(await test.digest('(SELECT * FROM books WHERE id <= 300)'));
    expect(await test.digest('lines_1_shadow')).toBe(await test.digest('(SELECT * FROM lines_1 WHERE book <= 300)'));
    expect(await test.column('SELECT count(*) FROM lines_shadow')).toEqual(['900']);
    expect(await drift(test.db, options)).toEqual([]);
    expect((await plan(test.db, options)).steps).toEqual([]);
    const other = test.options(['books', 'lines'], { books: { where: 'id <= 30', children: true } });
    await provision(test.db, await plan(test.db, other), { seed: { onChanged: 'restart' } });
    expect(await test.column('SELECT count(*) FROM lines_shadow')).toEqual(['90']);
    expect(await drift(test.db, other)).toEqual([]);
  });

  it('composite and text keys, in the order of their collation, whatever they are called', async () => {
    test = await SeedingPostgres.create([
      'CREATE TABLE words (lang char(2), k0 varchar(40) COLLATE "en-x-icu", "Day" date, n numeric(6,2), b bytea, note text, PRIMARY KEY (k0, lang, "Day", n, b))',
      `INSERT INTO words SELECT (ARRAY['de', 'EN', 'ö'])[1 + n % 3], (ARRAY['a', 'B', 'ä', 'Z\\x', '日''s'])[1 + n % 5] || n / 7, '2024-01-01'::date + n % 11, n / 4.0, decode(lpad(to_hex(n), 4, '0'), 'hex'), 'x'
         FROM generate_series(1, 2000) n`,
      'CREATE TABLE unordered (code text, day timestamptz)',
      'CREATE UNIQUE INDEX ON unordered (code, day)',
      'ALTER TABLE unordered ALTER code SET NOT NULL, ALTER day SET NOT NULL',
      "INSERT INTO unordered SELECT md5(n::text), 'infinity'::timestamptz FROM generate_series(1, 700) n",
      'CREATE TABLE keyless (a text, b integer)',
      "INSERT INTO keyless SELECT CASE WHEN n % 2 = 0 THEN 'same' END, 1 FROM generate_series(1, 50) n",
    ]);
    const names = ['words', 'unordered', 'keyless'];
    for (const options of [{}, { source: await test.other(), snapshot: true }]) {
      const seeding = await test.shadowed(names, { words: {}, unordered: {}, keyless: {} });
      expect(seeding.warnings).toEqual(['keyless has no key to divide it by: one statement copies it']);
      expect(seeding.tables.map(({ keyColumns }) => keyColumns.length).sort()).toEqual([0, 2, 5]);
      await seed(test.db, seeding, { maxChunkRows: 37, ...options });
      await same(...names);
      await clean(test.db, test.options(names, {}), { dryRun: false, what: 'drop' });
    }
    await seed(test.db, await test.shadowed(names, { words: { where: "k0 LIKE 'a%'", sample: 99 } }), {
      maxChunkRows: 37,
    });
    expect(
      await test.column("SELECT count(*) || ' ' || count(*) FILTER (WHERE k0 LIKE 'a%') FROM words_shadow"),
    ).toEqual(['99 99']);
  });

  it('one parent may have very many children, and a snapshot is of one moment', async () => {
    test = await SeedingPostgres.create([
      'CREATE TABLE hubs (id integer PRIMARY KEY, code text NOT NULL UNIQUE)',
      "INSERT INTO hubs SELECT n, 'c' || n FROM generate_series(1, 1500) n",
      'CREATE TABLE spokes (id integer PRIMARY KEY, hub text CONSTRAINT hub REFERENCES hubs (code))',
      'CREATE INDEX ON spokes (hub)',
      "INSERT INTO spokes SELECT n, 'c' || CASE WHEN n % 2 = 0 THEN 7 ELSE 1 + n % 1500 END FROM generate_series(1, 26000) n",
    ]);
    const seeding = await test.shadowed(['hubs', 'spokes'], { hubs: { where: 'id <= 1000', children: true } });
    const expected = await test.digest('(SELECT s.* FROM spokes s JOIN hubs h ON h.code = s.hub WHERE h.id <= 1000)');
    const user = await test.other();
    let isChanged = false;
    const source = await test.other();
    const watched = {
      query: async (sql: string, params?: unknown[]) => {
        if (sql.startsWith('SELECT quote_literal') && !isChanged) {
          isChanged = true;
          await user.query("DELETE FROM spokes WHERE id % 3 = 0; UPDATE spokes SET hub = 'c1'");
        }
        return source.query(sql, params);
      },
    };
    const report = await seed(test.db, seeding, { source: watched, snapshot: true, maxChunkRows: 5000 });
    expect(isChanged).toBe(true);
    expect(report.closure).toEqual([]);
    expect(await test.digest('spokes_shadow')).toBe(expected);
    expect(await test.column('SELECT count(*) FROM hubs_shadow')).toEqual(['1000']);
    expect(
      await test.column(
        "SELECT count(*) FROM pg_stat_activity WHERE state ~ 'in transaction' AND datname = current_database()",
      ),
    ).toEqual(['0']);
  });

  it('samples: the same rows each time, more hold the fewer, a number is exact, and parents come along', async () => {
    test = await SeedingPostgres.create([...bank, 'ANALYZE']);
    const chosen = async (sample: string | number): Promise<string[]> => {
      const seeding = await test.shadowed(tables, { transfers: { sample } });
      expect(seeding.tables.find(({ key }) => key === 'transfers')?.estimatedRows).toBe(3000);
      await seed(test.db, seeding, small);
      const ids = await test.column('SELECT id FROM transfers_shadow ORDER BY id');
      expect(
        await test.column(
          'SELECT count(*) FROM transfers_shadow t LEFT JOIN accounts_shadow a ON a.iban = t.source LEFT JOIN customers_shadow c ON c.id = a.customer_id WHERE c.id IS NULL',
        ),
      ).toEqual(['0']);
      await clean(test.db, test.options(tables, {}), { dryRun: false, what: 'drop' });
      return ids;
    };
    const tenth = await chosen('10%');
    expect(Math.abs(tenth.length - 300)).toBeLessThan(100);
    expect(await chosen('10%')).toEqual(tenth);
    const fifth = new Set(await chosen('20%'));
    expect(tenth.every((id) => fifth.has(id))).toBe(true);
    const few = await chosen(50);
    const many = await chosen(500);
    expect([few.length, many.length]).toEqual([50, 500]);
    expect(few.every((id) => many.includes(id))).toBe(true);
  });

  it('goes on after it was killed at any moment, with neither gap nor double', async () => {
    test = await SeedingPostgres.create(bank);
    const seeds = {
      customers: { where: 'id % 2 = 0', children: true, mask: { email: 'email' as const } },
      transfers: { idOffset: 5_000_000 },
    };
    const options = test.options(tables, seeds);
    const asked: SeedOptions = { maxChunkRows: 60, maskKey: 'k' };
    await provision(test.db, await plan(test.db, options), { seed: asked });
    const shadows = tables.map((name) => `${name}_shadow`);
    const expected = await Promise.all(shadows.map((name) => test.digest(name)));
    for (const mode of ['seed', 'provision'] as const) {
      await clean(test.db, options, { dryRun: false, what: 'drop' });
      if (mode === 'seed') await provision(test.db, await plan(test.db, { ...options, seed: {} }));
      let kills = 0;
      for (let isDone = false; !isDone; ) {
        const client = await test.server.as();
        const pid = String((await client.query('SELECT pg_backend_pid() AS pid')).rows[0].pid);
        let left = kills < 25 ? Math.floor(Math.random() * 60) + 1 : Number.POSITIVE_INFINITY;
        const db = {
          query: async (sql: string, params?: unknown[]) => {
            left -= 1;
            if (left !== 0) return dbOfClient(client).query(sql, params);
            kills += 1;
            const answer = dbOfClient(client).query(sql, params);
            answer.catch(() => undefined);
            await test.rows(`SELECT pg_terminate_backend(${pid})`);
            return answer.then(() => Promise.reject(Object.assign(new Error('killed'), { code: '57P01' })));
          },
        };
        try {
          if (mode === 'provision') {
            // what is planned holds when the plan was made, and may not when it was killed in between
            await provision(db, await plan(db, options), { seed: asked });
          } else {
            const { seed: seeding } = await plan(test.db, options);
            if (seeding !== undefined) await seed(db, seeding, asked);
          }
          isDone = (await plan(test.db, options)).seed === undefined;
        } catch (error) {
          expect(String(error)).toMatch(/killed|terminat|SEED_CONNECTION|LOCKED|not queryable|ROLLED_BACK|STOPPED/);
        }
        await client.end().catch(() => undefined);
      }
      expect(kills).toBeGreaterThan(3);
      await provision(test.db, await plan(test.db, options));
      expect(await Promise.all(shadows.map((name) => test.digest(name)))).toEqual(expected);
      expect(await drift(test.db, options)).toEqual([]);
      expect((await plan(test.db, options)).steps).toEqual([]);
    }
  });

  it('needs no superuser; waits for no real row, and lets nobody wait for one', async () => {
    test = await SeedingPostgres.create(bank);
    const { user, password } = await test.server.role();
    await test.rows(
      `GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${user}; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ${user}; GRANT CREATE ON SCHEMA public TO ${user}`,
    );
    const own = dbOfClient(await test.server.as(user, password));
    const options = test.options(tables, whole);
    await provision(own, await plan(own, { ...options, seed: {} }));
    const planned = await plan(own, options);
    const user1 = await test.other();
    await user1.query('BEGIN');
    await user1.query('SELECT 1 FROM customers FOR UPDATE');
    const user2 = await test.other();
    await user2.query('SET lock_timeout = 200');
    let updates = 0;
    const watched = {
      query: async (sql: string, params?: unknown[]) => {
        const rows = await own.query(sql, params);
        // the chunk is not committed yet
        if (/^WITH copied AS \(INSERT INTO "public"."transfers_shadow"/.test(sql)) {
          await user2.query('UPDATE transfers SET amount = amount WHERE id = (SELECT max(id) FROM transfers)');
          updates += 1;
        }
        return rows;
      },
    };
    await seed(watched, planned.seed!, { maxChunkRows: 1000, ratePerSec: 50_000 });
    expect(updates).toBeGreaterThan(2);
    await user1.query('ROLLBACK');
    await same(...tables);
    expect(await drift(own, options)).toEqual([]);
  });

  it('waits out a lock, keeps to bounds, and is alone with the shadow tables', async () => {
    test = await SeedingPostgres.create(bank);
    const options = test.options(tables, whole);
    const seeding = await test.shadowed(tables, whole);
    const blocker = await test.other();
    let failures = 0;
    let isBlocked = false;
    const watched = {
      query: async (sql: string, params?: unknown[]) => {
        if (/^WITH copied .*"transfers_shadow"/.test(sql) && !isBlocked) {
          isBlocked = true;
          await blocker.query('BEGIN; LOCK TABLE transfers_shadow IN SHARE MODE');
        }
        const given = params?.map((value) => (value === '3000' ? '200' : value));
        return test.db.query(sql, given).catch(async (error: unknown) => {
          failures += 1;
          await blocker.query('ROLLBACK');
          throw error;
        });
      },
    };
    const startMs = performance.now();
    const report = await seed(watched, seeding, { maxChunkRows: 400, ratePerSec: 10_000 });
    expect(failures).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThan(500);
    expect(report.tables.reduce((sum, { rows }) => sum + rows, 0)).toBe(5400);
    await same(...tables);
    await clean(test.db, options, { dryRun: false });
    const busy = seed(test.db, seeding, { ...small, bounds: { threadsRunning: 0 }, patienceMs: 50 });
    await expect(busy).rejects.toThrow(/SEED_LOAD: \d+ threads run, the bound is 0/);
    let meanwhile: Promise<unknown> | undefined;
    await seed(test.db, seeding, {
      ...small,
      bounds: { threadsRunning: 10_000, lockWaits: 10_000, replicaLagSec: 1 },
      onProgress: () => {
        meanwhile ??= clean(blocker, options, { dryRun: false }).catch((error: Error) => error.message);
      },
    });
    expect(await meanwhile).toMatch(/LOCKED/);
    await same(...tables);
  });

  it('mends what dangles, since real rows change while they are copied', async () => {
    test = await SeedingPostgres.create([
      'CREATE TABLE parents (id integer PRIMARY KEY)',
      'INSERT INTO parents SELECT n FROM generate_series(1, 100) n',
      'CREATE TABLE children (id integer PRIMARY KEY, strict integer NOT NULL REFERENCES parents (id), loose integer REFERENCES parents (id))',
      'INSERT INTO children SELECT n, 1 + n % 100, 1 + n % 50 FROM generate_series(1, 500) n',
      'CREATE TABLE toys (child integer PRIMARY KEY REFERENCES children (id))',
      'INSERT INTO toys SELECT n FROM generate_series(1, 500) n',
    ]);
    const names = ['parents', 'children', 'toys'];
    const seeding = await test.shadowed(names, { parents: {}, children: {}, toys: {} });
    const user = await test.other();
    const watched = {
      query: async (sql: string, params?: unknown[]) => {
        if (sql.includes('INSERT INTO "public"."parents_shadow"'))
          await user.query('TRUNCATE toys, children; DELETE FROM parents WHERE id IN (7, 60)');
        return test.db.query(sql, params);
      },
    };
    const report = await seed(watched, seeding);
    expect(report.closure).toEqual(
      expect.arrayContaining([
        { foreignKey: 'children_loose_fkey', table: 'children', cleared: 10, removed: 0, left: 0 },
        { foreignKey: 'children_strict_fkey', table: 'children', cleared: 0, removed: 10, left: 0 },
        { foreignKey: 'toys_child_fkey', table: 'toys', cleared: 0, removed: 10, left: 0 },
      ]),
    );
    expect(
      await test.column(
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND conrelid::regclass::text ~ '_shadow$'",
      ),
    ).toEqual(['3']);
  });

  it('refuses what cannot be, and names it without values of rows', async () => {
    test = await SeedingPostgres.create(bank);
    const refused = async (seeds: Parameters<typeof test.options>[1]): Promise<string> =>
      plan(test.db, test.options(tables, seeds)).then(
        () => 'planned',
        (error: Error) => error.message,
      );
    for (const where of [
      '1); DROP TABLE accounts; --',
      'true) -- ',
      'id = (SELECT 1 FROM pg_authid LIMIT 1)',
      "nextval('cards_id_seq') > 0",
      'true) OR (true',
      'id =',
      'true ORDER BY 1',
    ])
      expect([where, await refused({ customers: { where } })]).toEqual([
        where,
        expect.stringMatching(/^SEED_SPEC|syntax/),
      ]);
    expect(
      await refused({ customers: { where: "email LIKE 'a%' AND id IN (1, 2) AND customers.name IS NOT NULL" } }),
    ).toBe('planned');
    expect(await refused({ customers: { mask: { shout: 'token' } } })).toMatch(
      /SEED_SPEC: customers.shout is generated/,
    );
    expect(await refused({ accounts: { mask: { iban: 'token' } } })).toMatch(
      /SEED_SPEC.*character\(22\)\) is too short/,
    );
    expect(await refused({ customers: { idOffset: 2_000_000_000 }, nowhere: {} })).toMatch(/SEED_SPEC.*nowhere/);
    expect(await refused({ customers: { idOffset: 2_147_483_647 } })).toMatch(/SEED_RANGE/);
    const seeding = await test.shadowed(tables, {
      customers: { set: { phone: 'secret-value' } },
      accounts: {},
      cards: {},
    });
    const busy = await test.other();
    const pool = [test.db, busy];
    let turn = 0;
    await expect(
      seed({ query: (sql, params) => pool[(turn++ >> 1) % 2]!.query(sql, params) }, seeding),
    ).rejects.toThrow(/SEED_POOL/);
    await test.rows('ALTER TABLE customers_shadow ADD CONSTRAINT known CHECK (phone IS NULL) NOT VALID');
    const error = await seed(test.db, seeding).catch((one: Error) => one);
    expect(`${String(error)} ${JSON.stringify(error)} ${String((error as Error).cause)}`).toMatch(
      /^SeedError: SEED_VALUE: copying rows of customers: the server says 23514 at known/,
    );
    expect(JSON.stringify(error)).not.toContain('secret-value');
    await test.rows('ALTER TABLE customers_shadow DROP CONSTRAINT known');
    await test.rows(
      `UPDATE shadowline_seed_shadow SET "position" = '["1 OR true"]', is_done = 0 WHERE step = 'copy accounts'`,
    );
    await expect(seed(test.db, seeding)).rejects.toThrow(/SEED_CHANGED: the journal of the seed holds a position/);
    await seed(test.db, seeding, { onChanged: 'restart' }).catch(() => undefined);
    const abort = new AbortController();
    await test.rows(
      'DROP TABLE shadowline_seed_shadow; TRUNCATE customers_shadow, accounts_shadow, cards_shadow, transfers_shadow',
    );
    const halfway = seed(test.db, seeding, {
      ...small,
      signal: abort.signal,
      onProgress: ({ rows }) => rows >= 300 && abort.abort(),
    });
    await expect(halfway).rejects.toThrow(/SEED_ABORTED/);
    // what could not be checked is there again all the same
    expect((await drift(test.db, test.options(tables, {}))).map(({ what, name }) => [what, name])).toEqual([]);
    const first = seed(busy, seeding, { ...small, pauseMs: 20 });
    await new Promise((resolve) => setTimeout(resolve, 150));
    await expect(seed(test.db, seeding, { maxChunkRows: 1 }))
      .rejects.toThrow(/SEED_BUSY/)
      .catch(async (late) => {
        // a seeder that has ended in time leaves the lock
        await first;
        expect(String(late)).toContain('resolved');
      });
    await first;
    expect(await test.column('SELECT DISTINCT phone FROM customers_shadow')).toEqual(['secret-value']);
    const locks = await test.column(
      "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    );
    expect(locks).toEqual(['0']);
  });
});
