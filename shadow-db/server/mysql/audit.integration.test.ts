import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Connection, createConnection } from 'mysql2/promise';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { dbOf } from '../../fixtures/server.js';
import type { Db } from '../db.js';
import {
  type AuditMark,
  beginAudit,
  type DatabaseAudit,
  type FinishOptions,
  finishAudit,
  plan,
  provision,
  type ShadowDbOptions,
  watchReal,
} from './index.js';

const database = `aud_${randomBytes(5).toString('hex')}`;
const CANARY = `cnry${randomBytes(6).toString('hex')}`;
const options: ShadowDbOptions = {
  database,
  mode: 'table',
  tables: {
    orders: 'shadow',
    events: 'shadow',
    people: 'shadow',
    lines: 'shadow',
    visits: 'shadow',
    cities: 'real-read',
    logbook: 'refuse',
  },
};
const BIG_ROWS = 1_000_000;
const idColumns = [
  { table: 'people', column: 'id', from: 9_000_001, to: 9_999_999 },
  { table: 'orders', column: 'person', from: 9_000_001, to: 9_999_999 },
  { table: 'visits', column: 'person', from: 9_000_001, to: 9_999_999 },
];

/** Statements about real tables are kept, with what the server plans for them and how many rows it read without an index. */
class Watched implements Db {
  readonly plans: { sql: string; type: string; rows: number; unindexed: number }[] = [];
  readonly #db: Db;
  constructor(db: Db) {
    this.#db = db;
  }
  async query(sql: string, params?: unknown[]): Promise<Record<string, unknown>[]> {
    const plain = sql.replace(/^SET STATEMENT time_zone = '\+00:00' FOR /, '');
    const own = /^SELECT/.test(plain) && new RegExp(`FROM \`${database}\`\\.\`(?!\\w+_shadow)`).test(plain);
    if (!own) return this.#db.query(sql, params);
    const [planned] = await this.#db.query(`EXPLAIN ${plain}`, params);
    const noise = await this.#unindexed();
    const before = await this.#unindexed();
    const rows = await this.#db.query(sql, params);
    const unindexed = (await this.#unindexed()) - before - (before - noise);
    this.plans.push({ sql, type: String(planned?.type), rows: Number(planned?.rows), unindexed });
    return rows;
  }
  async #unindexed(): Promise<number> {
    const [row] = await this.#db.query("SHOW SESSION STATUS LIKE 'Handler_read_rnd_next'");
    return Number(row?.Value);
  }
}

describe('audit of a database', () => {
  let connection: Connection;
  let db: Db;
  let mark: AuditMark;
  const ask = (sql: string, params?: unknown[]) => connection.query(sql, params);

  beforeAll(async () => {
    connection = await createConnection({ uri: process.env.SHADOWLINE_TEST_MYSQL_URL!, multipleStatements: true });
    db = dbOf(connection);
    await ask(`CREATE DATABASE ${database}; USE ${database};
      CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(40));
      CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, person INT, memo TEXT, KEY (person));
      CREATE TABLE events (id BINARY(16) PRIMARY KEY, body JSON, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), KEY (at));
      CREATE TABLE \`lines\` (account INT, at DATETIME(3), kind VARBINARY(4), text VARCHAR(100), PRIMARY KEY (account, at, kind));
      CREATE TABLE visits (id CHAR(36) PRIMARY KEY, person INT, note VARCHAR(100));
      CREATE TABLE cities (code CHAR(3) PRIMARY KEY, name VARCHAR(40));
      CREATE TABLE logbook (line VARCHAR(100));
      CREATE TABLE leftover (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(40));
      INSERT INTO people SELECT seq, 'p' FROM seq_1_to_2500;
      INSERT INTO orders (person, memo) SELECT seq, 'real' FROM seq_1_to_2500;
      INSERT INTO events SELECT UNHEX(MD5(seq)), '{}', '2020-01-01' FROM seq_1_to_2500;
      INSERT INTO \`lines\` SELECT seq MOD 7, '2024-01-01' + INTERVAL seq SECOND, UNHEX(HEX(seq MOD 3)), 'real' FROM seq_1_to_2500;
      INSERT INTO cities VALUES ('ulm', 'Ulm');
      INSERT INTO visits SELECT MD5(seq), seq, 'real' FROM seq_1_to_${BIG_ROWS}`);
    await provision(db, await plan(db, options));
    // as provisioning makes them
    for (const table of ['people', 'orders', 'events', 'lines', 'visits']) {
      const [[found]] = (await ask(`SHOW COLUMNS FROM ${table}_shadow LIKE 'shadowline_run'`)) as unknown as [
        unknown[],
      ];
      if (found !== undefined) continue;
      await ask(`ALTER TABLE ${table}_shadow ADD shadowline_run VARCHAR(64) CHARACTER SET ascii INVISIBLE;
        CREATE TRIGGER ${table}_run BEFORE INSERT ON ${table}_shadow FOR EACH ROW SET NEW.shadowline_run = @shadowline_run`);
    }
  });
  afterAll(async () => {
    await ask(`DROP DATABASE ${database}`);
    await connection.end();
  });
  beforeEach(async () => {
    mark = await beginAudit(db, options, { idColumns });
  });

  const finish = (asked: Partial<FinishOptions> = {}, on = db): Promise<DatabaseAudit> =>
    finishAudit(on, options, mark, { canary: CANARY, idColumns, ...asked });
  const found = ({ suspects }: DatabaseAudit) =>
    suspects.map(({ reason, table, count }) => `${reason} ${table.slice(database.length + 1)} ${count}`).sort();
  const leak = async (insert: string, remove: string, expected: string[], asked: Partial<FinishOptions> = {}) => {
    await ask(insert);
    try {
      const report = await finish(asked);
      expect(found(report)).toEqual(expected);
      expect(report.outcome).toBe('leak');
      return report;
    } finally {
      await ask(remove);
    }
  };

  it('finds nothing where nothing is, says what it searched, and names what it could not', async () => {
    const report = await finish();
    expect(report.suspects).toEqual([]);
    const by = Object.fromEntries(
      report.coverage.searched.map((one) => [one.table.slice(database.length + 1), [one.by, one.rows]]),
    );
    expect(by).toEqual({
      people: ['whole', 2500],
      orders: ['auto-increment', 0],
      events: ['timestamp', 0],
      lines: ['whole', 2500],
      cities: ['whole', 1],
      leftover: ['auto-increment', 0],
    });
    expect(report.coverage.rows).toBe(5001);
    expect(report.coverage.notSearched.map(({ table, reason, tableClass }) => [table, reason, tableClass])).toEqual([
      [`${database}.logbook`, 'no-key', 'refuse'],
      [`${database}.visits`, 'no-growing-key', 'shadow'],
    ]);
    // a table that shadow traffic writes to was not searched: no clean word
    expect(report.outcome).toBe('incomplete');
    expect(report.sentence).toMatch(/visits could not be searched in full: .*more than 10000 rows/);
    expect(report.sentence).toMatch(/Not searched: .*logbook.*visits/);
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(JSON.parse(JSON.stringify(mark))).toEqual(mark);
    // the SQL that is offered does work
    for (const { sql } of report.coverage.notSearched) expect((await ask(sql))[0]).toEqual([]);
  });

  it.each([
    [
      'a canary in a row added by raw SQL',
      `INSERT INTO orders (memo) VALUES ('x ${CANARY}-1')`,
      'orders WHERE id > 2500',
      ['canary orders 1'],
    ],
    [
      'a shadow id',
      'INSERT INTO orders (id, memo) VALUES (1500000000, NULL)',
      'orders WHERE id > 2500; ALTER TABLE orders AUTO_INCREMENT = 2501',
      ['reserved-id orders 1'],
    ],
    [
      'an identity in an indexed column',
      'INSERT INTO orders (person) VALUES (9000005)',
      'orders WHERE id > 2500',
      ['id-range orders 1'],
    ],
    [
      'a canary by the time that the server gives',
      `INSERT INTO events (id, body) VALUES (UNHEX(REPLACE(UUID(), '-', '')), '{"a":"${CANARY}"}')`,
      "events WHERE at > '2021-01-01'",
      ['canary events 1'],
    ],
    [
      'a canary in a small table',
      `INSERT INTO \`lines\` VALUES (3, '2024-01-01 00:10:00', 'z', '${CANARY}')`,
      "`lines` WHERE kind = 'z'",
      ['canary lines 1'],
    ],
    [
      'an update of an old row in a small table',
      `UPDATE people SET name = '${CANARY}' WHERE id = 7`,
      'people WHERE id = 7',
      ['canary people 1'],
    ],
    [
      'an identity that is the key',
      'INSERT INTO people VALUES (9000001, NULL), (9000002, NULL)',
      'people WHERE id > 2500',
      ['id-range people 2'],
    ],
    [
      'a table that no class names',
      `INSERT INTO leftover (note) VALUES ('${CANARY}')`,
      'leftover',
      ['canary leftover 1'],
    ],
    [
      'a real-read table',
      `INSERT INTO cities VALUES ('xxx', '${CANARY}')`,
      "cities WHERE code = 'xxx'",
      ['canary cities 1'],
    ],
  ])('finds %s', async (_what, insert, from, expected) => {
    const report = await leak(insert, `DELETE FROM ${from}`, expected);
    expect(report.suspects[0]!.samples.length).toBeGreaterThan(0);
    expect(report.sentence).toMatch(/^Shadow rows leaked: /);
  });

  it('does not take real rows for shadow rows once their ids have reached the shadow range, and says so', async () => {
    await ask("INSERT INTO orders (id, memo) VALUES (1500000000, 'an old leak'); DELETE FROM orders WHERE id > 2500");
    mark = await beginAudit(db, options, { idColumns });
    await ask("INSERT INTO orders (memo) VALUES ('real')");
    const report = await finish();
    expect(report.suspects).toEqual([]);
    expect(report.gaps.join()).toMatch(
      /orders could not be searched in full: ids of real rows have reached the shadow range/,
    );
    await ask('DELETE FROM orders WHERE id > 2500; ALTER TABLE orders AUTO_INCREMENT = 2501');
  });

  it('finds what lies in many pieces, and counts it once', async () => {
    await leak(
      `INSERT INTO orders (memo) SELECT IF(seq MOD 10 = 0, '${CANARY}', 'real') FROM seq_1_to_5000`,
      'DELETE FROM orders WHERE id > 2500',
      ['canary orders 500'],
      { chunkRows: 61 },
    );
    // in order of a key of three columns
    expect((await finish({ chunkRows: 37 })).coverage.rows).toBe(5001 - 1 + 0);
  });

  it('reads ids beyond 2^53 exactly, and says so of a key that is in no order', async () => {
    await ask(`CREATE TABLE wide (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, note VARCHAR(40)) AUTO_INCREMENT = 18446744073709540000;
      CREATE TABLE crossed (a INT, b INT, note VARCHAR(40), PRIMARY KEY (a ASC, b DESC));
      INSERT INTO wide (note) VALUES ('real'); INSERT INTO crossed VALUES (1, 1, 'real')`);
    mark = await beginAudit(db, options, { idColumns });
    expect(mark.tables.find(({ table }) => table.endsWith('.wide'))?.key?.after).toBe('18446744073709540000');
    await ask(`INSERT INTO wide (note) SELECT IF(seq MOD 3 = 0, '${CANARY}', 'real') FROM seq_1_to_300`);
    const report = await finish({ chunkRows: 7 });
    expect(found(report)).toEqual(['canary wide 100']);
    expect(report.coverage.searched.find(({ table }) => table.endsWith('.wide'))).toMatchObject({ rows: 300 });
    expect(report.coverage.notSearched.find(({ table }) => table.endsWith('.crossed'))).toMatchObject({
      reason: 'no-index',
    });
    await ask('DROP TABLE wide, crossed');
  });

  it('does not find what was there before, nor what real users add', async () => {
    await ask(
      `INSERT INTO orders (person, memo) VALUES (9000001, '${CANARY}'); INSERT INTO people VALUES (9000009, 'old')`,
    );
    mark = await beginAudit(db, options, { idColumns });
    expect(mark.tables.flatMap(({ known }) => known)).toHaveLength(2);
    const writer = await createConnection({ uri: process.env.SHADOWLINE_TEST_MYSQL_URL!, database });
    let writing = true;
    const busy = (async () => {
      while (writing) {
        await writer.query("INSERT INTO orders (person, memo) VALUES (1, 'real user')");
        await writer.query("INSERT INTO events (id, body) VALUES (UNHEX(REPLACE(UUID(), '-', '')), '{}')");
      }
    })();
    for (let index = 0; index < 3; index++) expect(found(await finish())).toEqual([]);
    writing = false;
    await busy;
    await writer.end();
    await ask(
      'DELETE FROM people WHERE id > 9000000; DELETE FROM orders WHERE id > 2500; DELETE FROM events WHERE at > 20210101',
    );
  });

  it('reads no table as a whole and nothing without an index, though one has a million rows', async () => {
    await ask(
      "INSERT INTO orders (memo) SELECT 'real' FROM seq_1_to_3000; ANALYZE TABLE orders, visits, people, `lines`, events",
    );
    const watched = new Watched(db);
    mark = await beginAudit(watched, options, { idColumns });
    await finish({}, watched);
    const look = await watchReal(watched, options, mark, { canary: CANARY, idColumns });
    await look();
    expect(watched.plans.length).toBeGreaterThan(20);
    for (const { sql, type, unindexed } of watched.plans) {
      expect([sql, unindexed]).toEqual([sql, 0]);
      // a walk along an index is fine when a LIMIT ends it
      const allowed = /LIMIT 1\b/.test(sql) ? ['range', 'index', 'null'] : ['range', 'ref', 'const', 'null'];
      expect([sql, allowed.includes(type)]).toEqual([sql, true]);
    }
    expect(
      watched.plans.filter(({ sql }) => sql.includes('`visits`')).every(({ sql }) => sql.includes('LIMIT 1')),
    ).toBe(true);
    await ask('DELETE FROM orders WHERE id > 2500');
  });

  it('searches the large table when it is asked to, in pieces', async () => {
    const remove = "DELETE FROM visits WHERE id LIKE 'zz%'";
    const insert = `INSERT INTO visits VALUES ('zz1', 1, '${CANARY}'), ('zz2', 9000077, NULL)`;
    await ask(insert);
    try {
      const report = await finish({ fullScan: true, chunkRows: 20_000, rowsPerSec: 10_000_000, maxRows: 2 * BIG_ROWS });
      expect(found(report)).toEqual(['canary visits 1', 'id-range visits 1']);
      expect(report.coverage.notSearched).toEqual([]);
      expect(report.coverage.searched.find(({ table }) => table.endsWith('visits'))).toMatchObject({
        by: 'whole',
        rows: BIG_ROWS + 2,
      });
    } finally {
      await ask(remove);
    }
  });

  it('stops at its limits and says what it did not read', async () => {
    await ask("INSERT INTO orders (memo) SELECT 'real' FROM seq_1_to_3000");
    const reasons = ({ coverage }: DatabaseAudit) =>
      coverage.notSearched.map(({ table, reason }) => `${table.slice(database.length + 1)} ${reason}`);
    const limited = await finish({ maxRows: 1000, chunkRows: 500 });
    expect(reasons(limited)).toEqual(expect.arrayContaining(['orders row-limit', 'people row-limit']));
    expect(limited.outcome).toBe('incomplete');
    const started = performance.now();
    const slow = await finish({ fullScan: true, budgetMs: 300, chunkRows: 1000, rowsPerSec: 20_000 });
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(reasons(slow)).toContain('visits budget');
    expect(reasons(await finish({ signal: AbortSignal.abort() }))).toEqual(
      expect.arrayContaining(['orders budget', 'people budget']),
    );
    await ask('DELETE FROM orders WHERE id > 2500');
  });

  it('says so when a table cannot be read, and goes on', async () => {
    const failing: Db = {
      query: (sql, params) =>
        sql.includes('.`people` FORCE') ? Promise.reject(new Error('lost')) : db.query(sql, params),
    };
    const report = await finish({}, failing);
    expect(report.coverage.notSearched.find(({ reason }) => reason === 'failed')).toMatchObject({
      table: `${database}.people`,
      reason: 'failed',
      detail: 'lost',
    });
    expect(report.coverage.searched.map(({ table }) => table)).toContain(`${database}.orders`);
  });

  it.each(['a', 'a%b', "x'y", 'abc'])('refuses the canary %j', async (canary) => {
    await expect(finish({ canary })).rejects.toThrow(RangeError);
  });
  it.each([{ chunkRows: 0 }, { maxRows: Number.NaN }, { budgetMs: -1 }, { rowsPerSec: 0 }])(
    'refuses the limit %j',
    async (limits) => {
      await expect(finish(limits)).rejects.toThrow(RangeError);
    },
  );

  it('sees during the run what is new, and the whole sum', async () => {
    const look = await watchReal(db, options, mark, { canary: CANARY, idColumns });
    expect(await look()).toEqual([]);
    await ask(`INSERT INTO orders (memo) VALUES ('${CANARY}')`);
    expect(await look()).toMatchObject([{ reason: 'canary', table: `${database}.orders`, count: 1 }]);
    await ask(`INSERT INTO orders (memo) VALUES ('real'), ('${CANARY}'); INSERT INTO people VALUES (9000003, '')`);
    expect((await look()).map(({ reason, count }) => [reason, count]).sort()).toEqual([
      ['canary', 2],
      ['id-range', 1],
    ]);
    await ask('DELETE FROM orders WHERE id > 2500; DELETE FROM people WHERE id > 9000000');
  });

  describe('writes issued against rows found', () => {
    const shadow = `${database}.orders_shadow`;
    const as = (run: string | null, sql: string) =>
      ask(`SET @shadowline_run = ?; ${sql}; SET @shadowline_run = NULL`, [run]);
    const insert = "INSERT INTO orders_shadow (memo) VALUES ('s')";
    const writes = async (run: string, issued: number) =>
      (await finish({ run, issued: { [shadow]: issued } })).writes.find((one) => one.shadow === shadow);
    beforeEach(async () => {
      await ask('DELETE FROM orders_shadow');
      await as(null, `${insert}, ('seed')`);
      await as('old', insert);
      mark = await beginAudit(db, options, { idColumns });
    });

    it('counts the rows of each run, while two go on', async () => {
      await as('one', `${insert}, ('b')`);
      await as('two', insert);
      expect(await writes('one', 2)).toEqual({
        table: `${database}.orders`,
        shadow,
        issued: 2,
        found: 2,
        others: ['two'],
      });
      expect(await writes('two', 1)).toMatchObject({ found: 1, others: ['one'] });
    });

    it('counts deleted seeds as the agents do', async () => {
      await as('one', insert);
      await ask("DELETE FROM orders_shadow WHERE memo = 'seed'");
      expect(await writes('one', 0)).toMatchObject({ found: 0, others: [] });
    });

    it('calls a row that is not there a leak, unless another run may have removed it', async () => {
      await as('one', insert);
      expect(await finish({ run: 'one', issued: { [shadow]: 2 } })).toMatchObject({ outcome: 'leak' });
      await as('two', insert);
      const report = await finish({ run: 'one', issued: { [shadow]: 2 } });
      expect(report.outcome).toBe('incomplete');
      expect(report.gaps.join()).toMatch(/1 fewer than issued; two wrote there as well/);
    });

    it('calls rows that nobody reported a gap', async () => {
      await as('one', insert);
      expect((await finish({ run: 'one', issued: {} })).gaps.join()).toMatch(/1 more rows than issued/);
    });
  });
});

describe('new rows that are not where one would look for them', () => {
  let test: Scratch;
  const options = () => test.options({ '*': 'shadow' });
  const audit = (mark: AuditMark, from: Db = test.db) => finishAudit(from, options(), mark, { canary: CANARY });
  beforeEach(async () => {
    test = await scratch();
  });
  afterEach(async () => test.close());
  const shadowed = async (...sql: string[]): Promise<AuditMark> => {
    await test.run(...sql);
    await provision(test.db, await plan(test.db, options()));
    return beginAudit(test.db, options());
  };

  it('in a real table whose comment was copied from a shadow table', async () => {
    await test.run('CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, memo VARCHAR(80))');
    await provision(test.db, await plan(test.db, options()));
    await test.run('CREATE TABLE orders_old LIKE orders_shadow', 'ALTER TABLE orders_old DROP COLUMN shadowline_run');
    const planned = await plan(test.db, options());
    expect(planned.warnings.join()).not.toMatch(/orders_old.*drop it/);
    expect(planned.steps.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual(['table orders_old']);
    const mark = await beginAudit(test.db, options());
    await test.run(`INSERT INTO orders_old (memo) VALUES ('${CANARY}')`);
    expect((await audit(mark)).suspects).toMatchObject([{ table: `${test.main}.orders_old`, reason: 'canary' }]);
  });

  it('where the looks before and after the run have other time zones', async () => {
    await test.run(
      'CREATE TABLE visits (k CHAR(8) PRIMARY KEY, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, memo VARCHAR(80), KEY (at))',
      "INSERT INTO visits (k) VALUES ('old')",
    );
    await provision(test.db, await plan(test.db, options()));
    const [east, west] = [await test.connect(), await test.connect()];
    await east.query("SET time_zone = '+05:00'");
    await west.query("SET time_zone = '-05:00'");
    const mark = await beginAudit(dbOf(east), options());
    await test.run(`INSERT INTO visits (k, memo) VALUES ('new', '${CANARY}')`);
    expect(await audit(mark, dbOf(west))).toMatchObject({ outcome: 'leak' });
  });

  it.each([
    ['below where it was', '("a")'],
    ['and has passed where it was', '("a"), ("b"), ("c"), ("d"), ("e")'],
  ])('where the counter has begun again, %s', async (_, rows) => {
    const mark = await shadowed(
      'CREATE TABLE logs (id INT AUTO_INCREMENT PRIMARY KEY, memo VARCHAR(80))',
      "INSERT INTO logs (memo) VALUES ('a'), ('b'), ('c')",
    );
    await test.run(
      'TRUNCATE logs',
      `INSERT INTO logs (memo) VALUES ('${CANARY}')`,
      `INSERT INTO logs (memo) VALUES ${rows}`,
    );
    expect(await audit(mark)).toMatchObject({ outcome: 'leak' });
  });

  it('names what it had nothing to look for in', async () => {
    const mark = await shadowed('CREATE TABLE balances (account INT PRIMARY KEY, amount INT)');
    expect((await audit(mark)).sentence).toMatch(/0 real tables.*Without text and ids to look for: \w+\.balances\.$/);
  });

  it('by an index that the server ignores, or by ids that are no integers', async () => {
    const mark = await shadowed(
      'CREATE TABLE logs (id INT AUTO_INCREMENT PRIMARY KEY, memo VARCHAR(80), KEY a (id) IGNORED)',
      'CREATE TABLE odd (id DOUBLE AUTO_INCREMENT PRIMARY KEY, memo VARCHAR(80))',
      'INSERT INTO odd (id) VALUES (1.5), (1e15)',
    );
    await test.run(`INSERT INTO logs (memo) VALUES ('${CANARY}')`);
    const found = await audit(mark);
    expect(found.suspects).toMatchObject([{ table: `${test.main}.logs`, count: 1 }]);
    expect(found.coverage.notSearched).toMatchObject([{ table: `${test.main}.odd`, reason: 'no-key' }]);
  });

  it('in a table that is being made anew, of which the server says nothing meanwhile', async () => {
    const mark = await shadowed('CREATE TABLE logs (k CHAR(8) PRIMARY KEY, memo VARCHAR(80))');
    const [maker, looker] = [await test.connect(), await test.connect()];
    await looker.query('SET lock_wait_timeout = 1');
    const made = maker.query(
      `CREATE OR REPLACE TABLE logs (k CHAR(8) PRIMARY KEY, memo VARCHAR(80)) AS SELECT seq AS k, IF(SLEEP(0.7) = 0, '${CANARY}', '') AS memo FROM seq_1_to_10`,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    await expect(audit(mark, dbOf(looker))).rejects.toThrow(/^REAL_BUSY: \S+\.logs has been locked/);
    await made;
    expect(await audit(mark, dbOf(looker))).toMatchObject({ outcome: 'leak' });
  });
});
