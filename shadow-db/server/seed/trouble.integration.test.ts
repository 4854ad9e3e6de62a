import { afterEach, describe, expect, it } from '@jest/globals';
import { SeedingDatabase } from '../../fixtures/seeding.js';
import { dbOf } from '../../fixtures/server.js';
import { seed } from './run.js';

type Rows = Record<string, unknown>[];

describe('seeding in trouble', () => {
  let test: SeedingDatabase;
  const users: string[] = [];
  afterEach(async () => {
    for (const user of users.splice(0)) await test.connection.query(`DROP USER IF EXISTS ${user}`);
    await test.close();
  });

  const items = async (rows: number): Promise<void> => {
    test = await SeedingDatabase.create([
      'CREATE TABLE items (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, code VARCHAR(40) NOT NULL, number INT, UNIQUE KEY by_code (code))',
      `INSERT INTO items (code, number) SELECT CONCAT('item-', seq), seq FROM seq_1_to_${rows}`,
    ]);
  };

  it('samples: the same rows each time, more hold the fewer, and a number is exact', async () => {
    await items(5000);
    const chosen = async (sample: string | number): Promise<string[]> => {
      const seeding = await test.shadowed(['items'], { items: { sample } });
      await seed(test.db, seeding, { maxChunkRows: 700 });
      const ids = await test.column('SELECT id FROM items_shadow ORDER BY id');
      await test.connection.query('DROP TABLE items_shadow, shadowline_seed_shadow');
      return ids;
    };
    const tenth = await chosen('10%');
    expect(Math.abs(tenth.length - 500)).toBeLessThan(130);
    expect(await chosen('10%')).toEqual(tenth);
    const fifth = new Set(await chosen('20%'));
    expect(tenth.every((id) => fifth.has(id))).toBe(true);
    const [few, many] = [await chosen(50), await chosen(1234)];
    expect([few.length, many.length]).toEqual([50, 1234]);
    expect(few.every((id) => many.includes(id))).toBe(true);
    expect(await chosen(99_999)).toHaveLength(5000);
  });

  it('a number of rows is exact though the estimate and the condition mislead', async () => {
    await items(3000);
    const seeding = await test.shadowed(['items'], { items: { sample: 200, where: 'number % 10 = 0' } });
    await seed(test.db, seeding);
    expect(await test.column('SELECT COUNT(*), SUM(number % 10) FROM items_shadow')).toEqual(['200 0']);
  });

  it('composite and text keys, in the order of their collation', async () => {
    test = await SeedingDatabase.create([
      'CREATE TABLE words (lang CHAR(2) CHARACTER SET latin1, word VARCHAR(40) COLLATE utf8mb4_unicode_ci, day DATE, n DECIMAL(6,2), note TEXT, PRIMARY KEY (lang, word, day, n))',
      "INSERT INTO words SELECT ELT(1 + seq % 3, 'de', 'EN', 'ö'), CONCAT(ELT(1 + seq % 5, 'a', 'B', 'ä', 'Z', '日'), seq DIV 7), '2024-01-01' + INTERVAL seq % 11 DAY, seq / 4, 'x' FROM seq_1_to_2000",
    ]);
    for (const options of [{}, { source: dbOf(await test.connect()), snapshot: true }]) {
      const seeding = await test.shadowed(['words'], { words: {} });
      await seed(test.db, seeding, { maxChunkRows: 37, ...options });
      const [real, shadow] = await test.rows('CHECKSUM TABLE words, words_shadow');
      expect(shadow?.Checksum).toBe(real?.Checksum);
      await test.connection.query('DELETE FROM words_shadow');
    }
    await seed(test.db, await test.planned(['words'], { words: { where: "word LIKE 'a%'" } }), { maxChunkRows: 37 });
    expect(await test.column('SELECT COUNT(*) FROM words_shadow')).toEqual(
      await test.column("SELECT COUNT(*) FROM words WHERE word LIKE 'a%'"),
    );
  });

  it('one parent may have very many children, and a stranger may have written to the journal', async () => {
    test = await SeedingDatabase.create([
      'CREATE TABLE hubs (id INT PRIMARY KEY)',
      'INSERT INTO hubs SELECT seq FROM seq_1_to_1500',
      'CREATE TABLE spokes (id INT PRIMARY KEY, hub INT, CONSTRAINT hub FOREIGN KEY (hub) REFERENCES hubs (id))',
      'INSERT INTO spokes SELECT seq, IF(seq % 2 = 0, 7, 1 + seq % 1500) FROM seq_1_to_26000',
    ]);
    const seeding = await test.shadowed(['hubs', 'spokes'], { hubs: { where: 'id <= 1000', children: true } });
    const abort = new AbortController();
    const stopped = seed(test.db, seeding, {
      signal: abort.signal,
      onProgress: ({ phase, table }) => phase === 'choose' && table === 'spokes' && abort.abort(),
    });
    await expect(stopped).rejects.toThrow(/SEED_ABORTED/);
    const keep = 'CREATE TABLE kept AS SELECT * FROM shadowline_seed_shadow';
    await test.connection.query(keep);
    await test.connection.query(
      `UPDATE shadowline_seed_shadow SET position = '{"seq":"0 OR 1=1"}' WHERE step LIKE 'down spokes%'`,
    );
    await expect(seed(test.db, seeding)).rejects.toThrow(/SEED_CHANGED: the journal of the seed holds a position/);
    await test.connection.query('REPLACE INTO shadowline_seed_shadow SELECT * FROM kept');
    await seed(test.db, seeding);
    expect(await test.column('SELECT COUNT(*), SUM(id) FROM spokes_shadow')).toEqual(
      await test.column('SELECT COUNT(*), SUM(id) FROM spokes WHERE hub <= 1000'),
    );
  });

  it('tables without a key, and of an engine without transactions', async () => {
    test = await SeedingDatabase.create([
      'CREATE TABLE notes (text VARCHAR(20), at INT)',
      "INSERT INTO notes SELECT 'same', 1 FROM seq_1_to_50",
      'CREATE TABLE old (id INT PRIMARY KEY) ENGINE=MyISAM',
      'INSERT INTO old SELECT seq FROM seq_1_to_3000',
    ]);
    const seeding = await test.shadowed(['notes', 'old'], { notes: {}, old: {} });
    const abort = new AbortController();
    const stopped = seed(test.db, seeding, {
      maxChunkRows: 100,
      signal: abort.signal,
      onProgress: ({ table, rows }) => table === 'old' && rows > 500 && abort.abort(),
    });
    await expect(stopped).rejects.toThrow(/SEED_ABORTED/);
    await seed(test.db, seeding);
    expect(await test.column('SELECT COUNT(*), (SELECT COUNT(*) FROM notes_shadow) FROM old_shadow')).toEqual([
      '3000 50',
    ]);
  });

  it('errors name the place and hold no value of a row', async () => {
    await items(500);
    await test.connection.query("UPDATE items SET code = 'secret-value', number = 2100000000 WHERE id = 77");
    const failure = async (seeds: Record<string, object>, ddl?: string, maskKey = 'k'): Promise<string> => {
      const seeding = await test.shadowed(['items'], seeds);
      if (ddl) await test.connection.query(ddl);
      const text = await seed(test.db, seeding, { maskKey }).then(
        () => 'no error',
        (error: Error) => `${String(error)} ${JSON.stringify(error)} ${String(error.cause)}`,
      );
      await test.connection.query('DROP TABLE IF EXISTS items_shadow, shadowline_seed_shadow');
      expect(text).not.toContain('secret-value');
      return text;
    };
    expect(await failure({ items: { idOffset: { number: 100_000_000 } } })).toMatch(
      /SEED_RANGE: copying rows of items.* at number/,
    );
    expect(await failure({ items: { mask: { number: 'digits' } } })).toMatch(
      /no error|SEED_VALUE: items.number \(int\(11\)\) ends at 2147483647/,
    );
    const single = 'ALTER TABLE items_shadow ADD UNIQUE KEY one_number (number)';
    expect(await failure({ items: { set: { number: 3 } } }, single)).toMatch(
      /SEED_DUPLICATE: copying rows of items.*1062.* at one_number/,
    );
    const checked = "ALTER TABLE items_shadow ADD CONSTRAINT known CHECK (code <> 'secret-value')";
    expect(await failure({ items: {} }, checked)).toMatch(/SEED_VALUE: copying rows of items.*4025.*known/);
    expect(await failure({ items: {} }, 'ALTER TABLE items_shadow DROP COLUMN number')).toMatch(/SEED_TABLE_GONE/);
    expect(await failure({ items: {} }, 'DROP TABLE items_shadow')).toMatch(/SEED_TABLE_GONE/);
  });

  it('another account: the source may be read-only, and rights that are missing are named', async () => {
    await items(300);
    const seeding = await test.shadowed(['items'], { items: {} });
    const reader = `'${test.name}'@'%'`;
    users.push(reader);
    await test.connection.query(`CREATE USER ${reader} IDENTIFIED BY 'p'`);
    await test.connection.query(`GRANT SELECT ON ${test.name}.* TO ${reader}`);
    const connection = await test.connectAs(test.name, 'p');
    await expect(seed(dbOf(connection), seeding)).rejects.toThrow(
      /SEED_RIGHTS.*shadowline_seed_shadow.*GRANT|SEED_RIGHTS.*shadowline_seed_shadow/,
    );
    await seed(test.db, seeding, { source: dbOf(connection), snapshot: true });
    const [real, shadow] = await test.rows('CHECKSUM TABLE items, items_shadow');
    expect(shadow?.Checksum).toBe(real?.Checksum);
  });

  it('rows that are larger than a packet are refused by the client, and copied within the server', async () => {
    test = await SeedingDatabase.create([
      'CREATE TABLE files (id INT PRIMARY KEY, body LONGBLOB, owner VARCHAR(60))',
      "INSERT INTO files VALUES (1, 'a', 'x'), (2, REPEAT('b', 9000000), 'y'), (3, REPEAT('c', 3000000), 'z')",
    ]);
    const seeding = await test.shadowed(['files'], { files: {} });
    await expect(seed(test.db, seeding, { source: dbOf(await test.connect()) })).rejects.toThrow(
      /SEED_PACKET: a row of files/,
    );
    await seed(test.db, seeding);
    const [real, shadow] = await test.rows('CHECKSUM TABLE files, files_shadow');
    expect(shadow?.Checksum).toBe(real?.Checksum);
  });

  it('a deadlock or a lock is waited out; rates and bounds are kept', async () => {
    await items(2000);
    const seeding = await test.shadowed(['items'], { items: {} });
    const blocker = await test.connect();
    let failures = 0;
    let isBlocked = false;
    const watched = {
      query: async (sql: string, params?: unknown[]): Promise<Rows> => {
        if (/^SET SESSION sql_mode/.test(sql))
          return test.db.query(sql.replace('innodb_lock_wait_timeout = 5', 'innodb_lock_wait_timeout = 1'), params);
        if (/^INSERT INTO .*items_shadow/.test(sql) && !isBlocked) {
          isBlocked = true;
          await blocker.query('START TRANSACTION');
          await blocker.query('INSERT INTO items_shadow (id, code) VALUES (1500, "in the way")');
        }
        return test.db.query(sql, params).catch((error: unknown) => {
          failures += 1;
          void blocker.query('ROLLBACK');
          throw error;
        });
      },
    };
    const startMs = performance.now();
    const report = await seed(watched, seeding, { maxChunkRows: 400, ratePerSec: 4000 });
    expect(failures).toBe(1);
    expect(performance.now() - startMs).toBeGreaterThan(490);
    expect(report.tables).toEqual([expect.objectContaining({ table: 'items', rows: 2000 })]);
    await test.connection.query('DELETE FROM items_shadow');
    const busy = seed(test.db, seeding, { maxChunkRows: 100, bounds: { threadsRunning: 0 }, patienceMs: 50 });
    await expect(busy).rejects.toThrow(/SEED_LOAD: \d+ threads run, the bound is 0/);
    await seed(test.db, seeding, { bounds: { threadsRunning: 10_000, lockWaits: 10_000, replicaLagSec: 1 } });
    expect(await test.column('SELECT COUNT(*) FROM items_shadow')).toEqual(['2000']);
  });

  it('another specification is planned, and refused or started over; a new child is only added', async () => {
    test = await SeedingDatabase.create([
      'CREATE TABLE parents (id INT PRIMARY KEY, name VARCHAR(20))',
      "INSERT INTO parents SELECT seq, 'x' FROM seq_1_to_400",
      'CREATE TABLE children (id INT PRIMARY KEY, parent INT NOT NULL, FOREIGN KEY (parent) REFERENCES parents (id))',
      'INSERT INTO children SELECT seq, 1 + seq % 400 FROM seq_1_to_800',
    ]);
    const names = ['parents', 'children'];
    const seeds = (upto: number) => ({ parents: { where: `id <= ${upto}`, children: true } });
    await seed(test.db, await test.shadowed(names, seeds(40)));
    await expect(test.planned(names, seeds(40))).rejects.toThrow(/nothing to seed/);
    const other = await test.planned(names, seeds(50));
    await expect(seed(test.db, other)).rejects.toThrow(/SEED_CHANGED: (?:parents|children) was seeded/);
    await seed(test.db, other, { onChanged: 'restart' });
    const counts = 'SELECT (SELECT COUNT(*) FROM parents_shadow), COUNT(*) FROM children_shadow';
    expect(await test.column(counts)).toEqual(['50 100']);
    await test.connection.query(
      'CREATE TABLE toys (id INT PRIMARY KEY, child INT NOT NULL, FOREIGN KEY (child) REFERENCES children (id))',
    );
    await test.connection.query('INSERT INTO toys SELECT seq, seq FROM seq_1_to_800');
    const report = await seed(test.db, await test.shadowed([...names, 'toys'], seeds(50)));
    expect(report.tables.map(({ table, rows, skipped }) => [table, rows, skipped])).toEqual([
      ['toys', 100, undefined],
      ['children', 100, 'before'],
      ['parents', 50, 'before'],
    ]);
    expect(report.closure).toEqual([]);
  });

  it('another key is another seed', async () => {
    await items(20);
    const seeding = await test.shadowed(['items'], { items: { mask: { code: 'token' } } });
    await seed(test.db, seeding, { maskKey: 'one' });
    const first = await test.column('SELECT code FROM items_shadow ORDER BY id');
    await expect(seed(test.db, seeding, { maskKey: 'two' })).rejects.toThrow(
      /SEED_CHANGED: items was seeded.*another key/,
    );
    await seed(test.db, seeding, { maskKey: 'two', onChanged: 'restart' });
    expect(await test.column('SELECT code FROM items_shadow ORDER BY id')).not.toEqual(first);
    expect((await seed(test.db, seeding, { maskKey: 'two' })).tables[0]?.skipped).toBe('before');
  });
});
