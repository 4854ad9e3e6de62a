import { afterEach, describe, expect, it } from '@jest/globals';
import { SeedingDatabase } from '../../fixtures/seeding.js';
import { dbOf } from '../../fixtures/server.js';
import { Tokens } from '../../mask.js';
import { clean, drift, plan, provision, reservedRanges } from '../mysql/index.js';
import { seed } from './run.js';
import type { SeedOptions } from './work.js';

const bank = [
  'CREATE TABLE customers (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80) NOT NULL, phone VARCHAR(20), name VARCHAR(60) NOT NULL, referred_by INT, UNIQUE KEY (email), CONSTRAINT referral FOREIGN KEY (referred_by) REFERENCES customers (id))',
  'CREATE TABLE accounts (iban CHAR(22) NOT NULL PRIMARY KEY, customer_id INT NOT NULL, balance DECIMAL(14,2) NOT NULL, CONSTRAINT owner FOREIGN KEY (customer_id) REFERENCES customers (id))',
  'CREATE TABLE transfers (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, source CHAR(22) NOT NULL, destination CHAR(22) NOT NULL, contact VARCHAR(80), amount DECIMAL(14,2) NOT NULL, CONSTRAINT giver FOREIGN KEY (source) REFERENCES accounts (iban), CONSTRAINT taker FOREIGN KEY (destination) REFERENCES accounts (iban))',
  'CREATE TABLE audit (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40))',
  "CREATE TRIGGER written AFTER INSERT ON transfers FOR EACH ROW INSERT INTO audit (what) VALUES (CONCAT('transfer ', NEW.id))",
  "INSERT INTO customers (email, phone, name, referred_by) SELECT CONCAT('user', seq, '@bank.example'), CONCAT('+49 170 ', LPAD(seq, 7, '0')), CONCAT('Name ', seq), IF(seq % 3 = 0, seq - 1, NULL) FROM seq_1_to_600",
  "INSERT INTO accounts SELECT CONCAT('DE', LPAD(seq, 20, '0')), 1 + seq * 7 % 600, seq FROM seq_1_to_900",
  "INSERT INTO transfers (source, destination, contact, amount) SELECT CONCAT('DE', LPAD(1 + seq * 13 % 900, 20, '0')), CONCAT('DE', LPAD(1 + seq * 29 % 900, 20, '0')), CONCAT('user', 1 + seq % 600, '@bank.example'), seq FROM seq_1_to_3000",
];
const tables = ['customers', 'accounts', 'transfers', 'audit'];
const small: SeedOptions = { maxChunkRows: 100 };

describe('seeding on a real server', () => {
  let test: SeedingDatabase;
  afterEach(async () => test.close());

  const same = async (table: string): Promise<void> => {
    const [real, shadow] = await test.rows(`CHECKSUM TABLE ${table}, ${table}_shadow`);
    expect(shadow?.Checksum).toBe(real?.Checksum);
  };

  it('copies whole tables, fires no trigger, and keeps ids of the reserved range', async () => {
    test = await SeedingDatabase.create(bank);
    const options = test.options(tables, { customers: {}, accounts: {}, transfers: {}, audit: {} });
    await provision(test.db, await plan(test.db, options));
    for (const table of tables) await same(table);
    expect(await drift(test.db, options)).toEqual([]);
    expect((await plan(test.db, options)).steps).toEqual([]);
    await clean(test.db, options, { dryRun: false });
    const again = await plan(test.db, options);
    expect(new Set(again.steps.map(({ kind }) => kind))).toEqual(new Set(['seed']));
    await provision(test.db, again);
    for (const table of tables) await same(table);
    expect(await drift(test.db, options)).toEqual([]);
    const first = (await reservedRanges(test.db, options)).find(({ table }) => table === 'transfers')!.firstShadowId;
    await test.connection.query(
      'INSERT INTO transfers_shadow (source, destination, amount) SELECT iban, iban, 1 FROM accounts LIMIT 1',
    );
    expect(
      (await test.rows('SELECT MAX(id) AS id, (SELECT COUNT(*) FROM audit_shadow) AS n FROM transfers_shadow'))[0],
    ).toEqual({
      id: first,
      n: '3001',
    });
  });

  it('gives the same tokens as recordings, in every column that is tied or of the same domain', async () => {
    test = await SeedingDatabase.create(bank);
    const seeding = await test.shadowed(tables, {
      customers: {
        idOffset: 'reserved',
        mask: { email: 'email', phone: 'phone', name: { kind: 'name', domain: 'people' } },
      },
      accounts: { mask: { iban: 'digits', balance: 'digits' } },
      transfers: { mask: { contact: 'email' } },
    });
    expect(seeding.steps.map(({ sql }) => sql).join()).not.toContain('secret');
    await expect(seed(test.db, seeding)).rejects.toThrow(/SEED_KEY/);
    await seed(test.db, seeding, { ...small, maskKey: 'secret' });
    const tokens = new Tokens('secret');
    const first = Number(seeding.tables.find(({ key }) => key === 'customers')?.firstShadowId);
    const real = await test.rows('SELECT * FROM customers ORDER BY id');
    expect(await test.rows('SELECT * FROM customers_shadow ORDER BY id')).toEqual(
      real.map(({ id, email, phone, name, referred_by }) => ({
        id: Number(id) + first,
        email: tokens.email(String(email)),
        phone: tokens.digits(String(phone)),
        name: new Tokens('secret', 'people').name(String(name)),
        referred_by: referred_by === null ? null : Number(referred_by) + first,
      })),
    );
    const joined =
      'FROM transfers{} t JOIN accounts{} a ON a.iban = t.source JOIN customers{} c ON c.id = a.customer_id';
    const count = async (suffix: string, tail: string): Promise<unknown> =>
      (await test.rows(`SELECT COUNT(*) AS n ${`${joined} ${tail}`.replaceAll('{}', suffix)}`))[0]?.n;
    expect(await count('_shadow', '')).toBe(await count('', ''));
    const byContact = 'JOIN customers{} k ON k.email = t.contact';
    expect(await count('_shadow', byContact)).toBe(await count('', byContact));
    expect(
      await test.column(`SELECT iban FROM accounts_shadow WHERE iban = '${tokens.digits('DE00000000000000000001')}'`),
    ).toHaveLength(1);
    const [ids] = await test.rows('SELECT MIN(id) AS low, MAX(id) AS high FROM customers_shadow');
    await test.connection.query("INSERT INTO customers_shadow (email, name) VALUES ('x', 'y')");
    expect(Number((await test.rows("SELECT id FROM customers_shadow WHERE email = 'x'"))[0]?.id)).toBe(
      Number(ids?.high) + 1,
    );
    expect(Number(ids?.low)).toBe(first + 1);
  });

  it('keeps every type as it is, within the server and through the client', async () => {
    test = await SeedingDatabase.create([
      "SET sql_mode = ''",
      `CREATE TABLE kinds (id INT PRIMARY KEY, f FLOAT, d DOUBLE, b BIT(9), b64 BIT(64), e ENUM('a','b'), s SET('x','y','z'), g GEOMETRY, j JSON, dt DATE,
        ts TIMESTAMP(6) NULL, t TIME(3), y YEAR, u UUID, ip INET6, l1 VARCHAR(20) CHARACTER SET latin1, u16 VARCHAR(20) CHARACTER SET utf16, bl BLOB, bi BINARY(4),
        ch CHAR(5), dc DECIMAL(30,10), vb VARBINARY(10), sj VARCHAR(20) CHARACTER SET sjis, big BIGINT UNSIGNED, hidden INT INVISIBLE DEFAULT 3,
        twice INT GENERATED ALWAYS AS (id * 2) STORED, thrice INT GENERATED ALWAYS AS (id * 3) VIRTUAL, secret VARCHAR(60))`,
      `INSERT INTO kinds (id, f, d, b, b64, e, s, g, j, dt, ts, t, y, u, ip, l1, u16, bl, bi, ch, dc, vb, sj, big) VALUES (1, 1.1, 0.1 + 0.2, b'101010101', 0xffffffffffffffff, 'b',
        'x,z', ST_GEOMFROMTEXT('POINT(1 2)', 4326), '{"a": "ü"}', '0000-00-00', '2024-03-31 02:30:00.123456', '-838:59:59', 0, UUID(), '::1', 'äöü', '日本', 'a\\0\\'b', 'ab',
        'a  ', 12345678901234567890.0123456789, 'x', '表示', 18446744073709551615)`,
      "INSERT INTO kinds (id, f, d, dt, t, l1, ch, dc, hidden) VALUES (2, 3.4028235e38, 1.7976931348623157e308, '2024-00-00', '00:00:00.5', '', '', -0.5, 9), (3, 16777217, 5e-324, '2023-02-31', NULL, '\\\\', '?', 0, 1)",
    ]);
    const seeding = await test.shadowed(['kinds'], { kinds: {} });
    await seed(test.db, seeding);
    await same('kinds');
    await test.connection.query('DELETE FROM kinds_shadow');
    await seed(test.db, seeding, { source: dbOf(await test.connect()), snapshot: true });
    await same('kinds');
    await test.connection.query('DELETE FROM kinds_shadow');
    await seed(test.db, await test.planned(['kinds'], { kinds: { mask: { l1: 'text', dc: 'digits' } } }), {
      maskKey: 'k',
    });
    expect(await test.column('SELECT l1 FROM kinds_shadow ORDER BY id')).toEqual(['äöü', '', '\\']);
    expect((await test.column('SELECT dc FROM kinds_shadow ORDER BY id'))[0]).toMatch(/^[1-9]\d{19}\.\d{10}$/);
    expect((await test.rows('SELECT @@SESSION.sql_mode AS mode'))[0]?.mode).toBe('');
  });

  it.each([
    ['within the server', {}, undefined],
    ['through the client', { mask: { email: 'email' as const } }, 'k'],
  ])('goes on after a kill at any moment, %s', async (_, extra, maskKey) => {
    test = await SeedingDatabase.create(bank);
    const seeds = { customers: { sample: '40%', children: true, idOffset: 5000, ...extra }, audit: {} };
    const seeding = await test.shadowed(tables, seeds);
    const options: SeedOptions = { maxChunkRows: 23, ...(maskKey && { maskKey }) };
    await seed(test.db, seeding, options);
    const contents = async (): Promise<unknown> =>
      Promise.all(tables.map((table) => test.rows(`SELECT * FROM ${table}_shadow ORDER BY 1`)));
    const whole = await contents();
    await clean(test.db, test.options(tables, seeds), { dryRun: false });
    let kills = 0;
    for (let done = false; !done; ) {
      const victim = await test.connect();
      const [[row]] = (await victim.query('SELECT CONNECTION_ID() AS id')) as unknown as [[{ id: string }]];
      let statements = 0;
      const deadAt = 3 + Math.floor(Math.random() * 90);
      const inner = dbOf(victim);
      // killed while a statement is under way, or between two
      const dying = {
        query: async (sql: string, params?: unknown[]): Promise<Record<string, unknown>[]> => {
          statements += 1;
          if (statements === deadAt && kills < 25) {
            kills += 1;
            const sent = inner.query(sql, params);
            sent.catch(() => undefined);
            if (kills % 2 === 0) await sent;
            await test.connection.query(`KILL CONNECTION ${row.id}`).catch(() => undefined);
            return sent;
          }
          return inner.query(sql, params);
        },
      };
      try {
        await seed(dying, seeding, options);
        done = true;
      } catch (error) {
        expect(String(error)).toMatch(/SEED_CONNECTION/);
      }
    }
    expect(kills).toBe(25);
    expect(await contents()).toEqual(whole);
    const missing = await drift(test.db, test.options(tables, seeds));
    expect(missing.filter(({ what }) => what !== 'trigger' && what !== 'run-column')).toEqual([]);
    await provision(test.db, await plan(test.db, test.options(tables, seeds)));
    expect(await drift(test.db, test.options(tables, seeds))).toEqual([]);
  });

  it('does not block writers of real rows', async () => {
    test = await SeedingDatabase.create(bank);
    const seeding = await test.shadowed(tables, { customers: {}, accounts: { where: 'balance < 800' } });
    const writer = await test.connect();
    await writer.query('SET innodb_lock_wait_timeout = 1');
    let inChunk = 0;
    const watched = {
      query: async (sql: string, params?: unknown[]): Promise<Record<string, unknown>[]> => {
        const result = await test.db.query(sql, params);
        if (/^INSERT INTO .* SELECT /.test(sql)) {
          inChunk += 1;
          // the chunk's transaction is still open
          await writer.query('UPDATE customers SET name = CONCAT(name, "!")');
          await writer.query('UPDATE accounts SET balance = balance + 0.01');
        }
        return result;
      },
    };
    await seed(watched, seeding, small);
    expect(inChunk).toBeGreaterThan(5);
  });

  it('mends references when real rows change meanwhile', async () => {
    test = await SeedingDatabase.create(bank);
    const seeding = await test.shadowed(tables, { customers: {}, accounts: {}, transfers: {} });
    const writer = await test.connect();
    let isGone = false;
    const report = await seed(test.db, seeding, {
      ...small,
      onProgress: ({ table }) => {
        if (table !== 'accounts' || isGone) return;
        isGone = true;
        void writer
          .query('SET foreign_key_checks = 0')
          .then(() => writer.query('DELETE FROM customers WHERE id IN (8, 599)'));
      },
      pauseMs: 5,
    });
    expect(report.closure.map(({ foreignKey }) => foreignKey)).toContain('owner_shadow');
    for (const { foreignKey, cleared, removed, left } of report.closure) {
      expect(left).toBe(0);
      expect(foreignKey === 'referral_shadow' ? cleared : removed).toBeGreaterThan(0);
    }
    for (const [child, column, parent, key] of [
      ['customers', 'referred_by', 'customers', 'id'],
      ['accounts', 'customer_id', 'customers', 'id'],
      ['transfers', 'source', 'accounts', 'iban'],
      ['transfers', 'destination', 'accounts', 'iban'],
    ]) {
      const sql = `SELECT c.* FROM ${child}_shadow c LEFT JOIN ${parent}_shadow p ON p.${key} = c.${column} WHERE c.${column} IS NOT NULL AND p.${key} IS NULL`;
      expect(await test.rows(sql)).toEqual([]);
    }
  });

  it('refuses a second seeder, a pool, and what it did not begin', async () => {
    test = await SeedingDatabase.create(bank);
    const seeding = await test.shadowed(tables, { customers: {}, accounts: {}, transfers: {} });
    const abort = new AbortController();
    const other = dbOf(await test.connect());
    let second: Promise<unknown> | undefined;
    const first = seed(test.db, seeding, {
      ...small,
      ratePerSec: 500,
      signal: abort.signal,
      onProgress: () => {
        second ??= seed(other, seeding).then(String, String);
        void second.finally(() => abort.abort());
      },
    });
    await expect(first).rejects.toThrow(/SEED_ABORTED/);
    expect(await second).toMatch(/SEED_BUSY/);
    const at = async (): Promise<unknown> => (await test.rows('SELECT COUNT(*) AS n FROM transfers_shadow'))[0]?.n;
    const [connection1, connection2] = [dbOf(await test.connect()), dbOf(await test.connect())];
    let turn = 0;
    const pool = {
      query: (sql: string, params?: unknown[]) => (turn++ % 2 === 0 ? connection1 : connection2).query(sql, params),
    };
    await expect(seed(pool, seeding)).rejects.toThrow(/SEED_POOL/);
    await test.connection.query('SET foreign_key_checks = 0');
    await test.connection.query("INSERT INTO accounts_shadow VALUES ('DE99', 1, 1)");
    await expect(seed(test.db, seeding)).rejects.toThrow(
      /SEED_CHANGED: the shadow of accounts holds rows that no seeder wrote/,
    );
    const changed = await test.planned(tables, {
      customers: {},
      accounts: { set: { balance: 5 } },
      transfers: { set: { amount: 7 } },
    });
    await expect(seed(test.db, changed)).rejects.toThrow(/SEED_CHANGED: transfers/);
    await seed(test.db, changed, { onChanged: 'restart' });
    expect(await test.rows('SELECT DISTINCT amount FROM transfers_shadow')).toEqual([{ amount: '7.00' }]);
    expect(await at()).toBe('3000');
    expect((await drift(test.db, test.options(tables, {}))).filter(({ table }) => table === 'transfers')).toEqual([]);
  });
});
