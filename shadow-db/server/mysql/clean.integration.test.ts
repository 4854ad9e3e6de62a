import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Connection, createConnection, createPool } from 'mysql2/promise';
import { type Scratch, scratch } from '../../fixtures/scratch.js';
import { dbOf } from '../../fixtures/server.js';
import type { Db } from '../db.js';
import {
  type CleanOptions,
  type CleanReport,
  clean,
  drift,
  plan,
  provision,
  type ShadowDbOptions,
  seed,
} from './index.js';

const uri = process.env.SHADOWLINE_TEST_MYSQL_URL!;

describe.each(['table', 'schema'] as const)('clean by run, mode %s', (mode) => {
  const database = `cln_${randomBytes(5).toString('hex')}`;
  const schema = mode === 'table' ? database : `${database}_shadow`;
  const suffix = mode === 'table' ? '_shadow' : '';
  const names = ['customers', 'orders', 'items', 'notes', 'deleted', 'left_side', 'right_side', 'loose'];
  const options: ShadowDbOptions = {
    database,
    mode,
    tables: Object.fromEntries(names.map((name) => [name, 'shadow'])),
  };
  const of = (table: string) => `${schema}.${table}${suffix}`;
  let connection: Connection;
  let db: Db;
  const ask = async (sql: string): Promise<any> => (await connection.query(sql))[0];

  beforeAll(async () => {
    connection = await createConnection({ uri, multipleStatements: true });
    db = dbOf(connection);
    await ask(`CREATE DATABASE ${database}; USE ${database};
      CREATE TABLE customers (id INT AUTO_INCREMENT PRIMARY KEY, referred_by INT NULL, latest INT NULL, name VARCHAR(20),
        CONSTRAINT c_ref FOREIGN KEY (referred_by) REFERENCES customers (id));
      CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, twin INT NULL,
        CONSTRAINT o_customer FOREIGN KEY (customer) REFERENCES customers (id),
        CONSTRAINT o_twin FOREIGN KEY (twin) REFERENCES orders (id) ON DELETE SET NULL);
      ALTER TABLE customers ADD CONSTRAINT c_latest FOREIGN KEY (latest) REFERENCES orders (id);
      CREATE TABLE items (order_id INT, line VARBINARY(8), text VARCHAR(20), PRIMARY KEY (order_id, line),
        CONSTRAINT i_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE);
      CREATE TABLE notes (order_id INT, line VARBINARY(8), text VARCHAR(20), KEY (order_id, line),
        CONSTRAINT n_item FOREIGN KEY (order_id, line) REFERENCES items (order_id, line) ON DELETE CASCADE);
      CREATE TABLE deleted (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(20));
      CREATE TRIGGER items_gone AFTER DELETE ON items FOR EACH ROW INSERT INTO deleted (what) VALUES ('item');
      CREATE TABLE left_side (id INT PRIMARY KEY, other INT NOT NULL);
      CREATE TABLE right_side (id INT PRIMARY KEY, other INT NOT NULL, CONSTRAINT r_left FOREIGN KEY (other) REFERENCES left_side (id));
      ALTER TABLE left_side ADD CONSTRAINT l_right FOREIGN KEY (other) REFERENCES right_side (id);
      CREATE TABLE loose (text VARCHAR(20));
      INSERT INTO customers (name) VALUES ('real'); INSERT INTO loose VALUES ('real')`);
    await provision(db, await plan(db, options));
  });
  afterAll(async () => {
    await ask(`DROP DATABASE ${database}; DROP DATABASE IF EXISTS ${database}_shadow`);
    await connection.end();
  });
  beforeEach(async () => {
    await ask(
      `SET foreign_key_checks = 0; ${names.map((name) => `DELETE FROM ${of(name)}`).join('; ')}; SET foreign_key_checks = 1`,
    );
  });

  const as = (run: string | null, ...sql: string[]) =>
    ask(`SET @shadowline_run = ${run === null ? 'NULL' : `'${run}'`}; ${sql.join('; ')}; SET @shadowline_run = NULL`);
  const remove = (run: string, asked: CleanOptions = {}): Promise<CleanReport> =>
    clean(db, options, { run, dryRun: false, ...asked });
  const rowsOf = ({ tables }: CleanReport) =>
    Object.fromEntries(
      tables.filter(({ rows }) => rows > 0).map(({ table, rows }) => [table.replace(/^.*\.|_shadow$/g, ''), rows]),
    );
  const keptOf = ({ tables }: CleanReport) =>
    Object.fromEntries(
      tables.filter(({ kept }) => kept).map(({ table, kept }) => [table.replace(/^.*\.|_shadow$/g, ''), kept!.rows]),
    );
  const runs = async () => {
    const counts: Record<string, Record<string, number>> = {};
    for (const name of names) {
      const rows = await ask(
        `SELECT COALESCE(shadowline_run, 'seed') AS run, COUNT(*) AS n FROM ${of(name)} GROUP BY 1`,
      );
      if (rows.length > 0)
        counts[name] = Object.fromEntries(rows.map((row: { run: string; n: number }) => [row.run, row.n]));
    }
    return counts;
  };
  /** References that lead nowhere. */
  const dangling = async (): Promise<number> => {
    let count = 0;
    for (const [child, columns, parent, parents] of [
      ['customers', ['referred_by'], 'customers', ['id']],
      ['customers', ['latest'], 'orders', ['id']],
      ['orders', ['customer'], 'customers', ['id']],
      ['orders', ['twin'], 'orders', ['id']],
      ['items', ['order_id'], 'orders', ['id']],
      ['notes', ['order_id', 'line'], 'items', ['order_id', 'line']],
    ] as const) {
      const on = columns.map((column, at) => `p.${parents[at]} = c.${column}`).join(' AND ');
      const [row] = await ask(
        `SELECT COUNT(*) AS n FROM ${of(child)} c LEFT JOIN ${of(parent)} p ON ${on} WHERE c.${columns[0]} IS NOT NULL AND p.${parents[0]} IS NULL`,
      );
      count += row.n;
    }
    return count;
  };
  const chain = (base: number) => [
    `INSERT INTO ${of('customers')} (id, name) VALUES (${base}, 'x')`,
    `INSERT INTO ${of('orders')} (id, customer) VALUES (${base}, ${base})`,
    `INSERT INTO ${of('items')} VALUES (${base}, 'a', 't'), (${base}, 'b', 't')`,
    `INSERT INTO ${of('notes')} VALUES (${base}, 'a', 't')`,
    `UPDATE ${of('customers')} SET latest = ${base} WHERE id = ${base}`,
    `INSERT INTO ${of('loose')} VALUES ('x'), ('y'), ('z')`,
  ];

  it('says first what would go, and changes nothing', async () => {
    await as('one', ...chain(1));
    const before = await runs();
    const report = await clean(db, options, { run: 'one' });
    expect(rowsOf(report)).toEqual({ customers: 1, orders: 1, items: 2, notes: 1, loose: 3 });
    expect(report).toMatchObject({ dryRun: true, run: 'one', complete: true, updatedSeedRows: 'unknown' });
    expect(report.statements[0]).toBe("SET @shadowline_run = 'one'");
    expect(await runs()).toEqual(before);
  });

  it('removes the rows of that run alone, children first and around the circle, with what triggers add', async () => {
    await as(null, ...chain(1));
    await as('one', ...chain(2));
    await as('two', ...chain(3));
    const progress: number[] = [];
    const report = await remove('one', { onProgress: ({ removed }) => progress.push(removed) });
    const others = { customers: 1, orders: 1, items: 2, notes: 1, loose: 3 };
    expect(Object.values(await runs()).map((counts) => counts.one ?? 0)).toEqual([0, 0, 0, 0, 0]);
    for (const [name, rows] of Object.entries(others)) expect((await runs())[name]).toEqual({ seed: rows, two: rows });
    expect(keptOf(report)).toEqual({});
    expect(progress.at(-1)).toBe(10);
    expect(await dangling()).toBe(0);
    expect(await drift(db, options)).toEqual([]);
    expect((await ask(`SELECT COUNT(*) AS n FROM ${database}.customers`))[0].n).toBe(1);
    // nothing is left to do
    expect(rowsOf(await remove('one'))).toEqual({});
  });

  it('keeps rows to which others refer, with all that they need, and says why', async () => {
    await as(null, `INSERT INTO ${of('customers')} (id, name) VALUES (1, 'seed')`);
    await as('one', ...chain(2), `UPDATE ${of('customers')} SET latest = 2 WHERE id = 1`);
    await as('two', `INSERT INTO ${of('notes')} VALUES (2, 'b', 'of two')`);
    expect(keptOf(await clean(db, options, { run: 'one' }))).toEqual({ items: 1, orders: 1 });
    const report = await remove('one');
    expect(keptOf(report)).toEqual({ customers: 1, orders: 1, items: 1 });
    expect(report.tables.find(({ table }) => table.includes('orders'))!.kept!.because).toMatch(
      /rows of other runs or of the seed in .*customers.* refer to them/,
    );
    expect(await runs()).toMatchObject({ notes: { two: 1 }, customers: { seed: 1, one: 1 } });
    expect(await dangling()).toBe(0);
  });

  it('does not let a row of another run, or of the seed, lose its reference to NULL', async () => {
    await as(null, `INSERT INTO ${of('customers')} (id) VALUES (1)`);
    await as('one', `INSERT INTO ${of('orders')} (id, customer) VALUES (1, 1), (2, 1), (3, 1)`);
    await as('two', `INSERT INTO ${of('orders')} (id, customer, twin) VALUES (4, 1, 1)`);
    await as(null, `INSERT INTO ${of('orders')} (id, customer, twin) VALUES (5, 1, 2)`);
    expect(keptOf(await remove('one', { dryRun: true }))).toEqual({ orders: 2 });
    expect(keptOf(await remove('one'))).toEqual({ orders: 2 });
    expect(await ask(`SELECT id, twin FROM ${of('orders')} WHERE id > 2 ORDER BY id`)).toEqual([
      { id: 4, twin: 1 },
      { id: 5, twin: 2 },
    ]);
  });

  it('keeps what refers in a circle by keys that take no NULL', async () => {
    await as(
      'one',
      `SET foreign_key_checks = 0; INSERT INTO ${of('left_side')} VALUES (1, 1); INSERT INTO ${of('right_side')} VALUES (1, 1); SET foreign_key_checks = 1`,
    );
    const report = await remove('one');
    expect(keptOf(report)).toEqual({ left_side: 1, right_side: 1 });
    expect(report.tables.find(({ kept }) => kept)!.kept!.because).toMatch(/circle by keys without NULL/);
    // all rows at once is another matter
    await clean(db, options, { dryRun: false });
    expect(await runs()).toEqual({});
  });

  it('removes long chains and many rows in small pieces', async () => {
    const ids = [...Array(300).keys()].map((at) => at + 1);
    const values = (row: (id: number) => string) => ids.map((id) => `(${row(id)})`).join(', ');
    await as(
      'one',
      `INSERT INTO ${of('customers')} (id, referred_by) VALUES ${values((id) => `${id}, ${id === 1 ? 'NULL' : id - 1}`)}`,
      `INSERT INTO ${of('customers')} (id, referred_by) VALUES ${values((id) => `${2000 - id}, ${id === 1 ? 'NULL' : 2001 - id}`)}`,
      `INSERT INTO ${of('orders')} (id, customer) VALUES ${values((id) => `${id}, ${id}`)}`,
      `INSERT INTO ${of('items')} VALUES ${values((id) => `${id}, UNHEX('${(id % 7) + 10}00FF'), 't'`)}`,
    );
    const report = await remove('one', { chunkRows: 40 });
    expect(await runs()).toEqual({});
    expect(report.tables.some(({ kept }) => kept)).toBe(false);
  });

  it('ends between two statements, and goes on with the next call', async () => {
    await as(
      'one',
      `INSERT INTO ${of('loose')} SELECT 'x' FROM seq_1_to_50`,
      `INSERT INTO ${of('deleted')} (what) SELECT 'x' FROM seq_1_to_50`,
    );
    const stop = new AbortController();
    const report = await remove('one', {
      chunkRows: 10,
      signal: stop.signal,
      onProgress: ({ removed }) => removed >= 20 && stop.abort(),
    });
    expect(report.complete).toBe(false);
    const left = Object.values(await runs()).reduce((sum, counts) => sum + (counts.one ?? 0), 0);
    expect(left).toBe(80);
    expect(Object.values(keptOf(report)).reduce((sum, rows) => sum + rows, 0)).toBe(80);
    expect((await remove('one')).complete).toBe(true);
    expect(await runs()).toEqual({});
  });

  it('leaves another run alone that goes on meanwhile', async () => {
    await as('one', `INSERT INTO ${of('customers')} (id, name) SELECT seq, 'x' FROM seq_1_to_600`);
    const writer = await createConnection({ uri, multipleStatements: true });
    await writer.query("SET @shadowline_run = 'two', innodb_lock_wait_timeout = 5");
    let writing = true;
    let written = 0;
    const busy = (async () => {
      for (let id = 10_000; writing; id++, written++) {
        await writer.query(
          `INSERT INTO ${of('customers')} (id, name) VALUES (${id}, 'y'); INSERT INTO ${of('orders')} (customer) VALUES (${id})`,
        );
      }
    })();
    await remove('one', { chunkRows: 20 });
    writing = false;
    await busy;
    await writer.end();
    expect(await runs()).toEqual({ customers: { two: written }, orders: { two: written } });
    expect(await dangling()).toBe(0);
  });

  it('tries again when the locks of another run are in the way, but not for ever', async () => {
    const failing = (times: number): Db => ({
      query: async (sql, params) => {
        if (!/^DELETE/.test(sql) || times-- <= 0) return db.query(sql, params);
        throw Object.assign(new Error('Deadlock found when trying to get lock'), { errno: 1213 });
      },
    });
    await as('one', `INSERT INTO ${of('loose')} VALUES ('x')`);
    await expect(clean(failing(1000), options, { run: 'one', dryRun: false })).rejects.toThrow('Deadlock');
    expect(await runs()).toEqual({ loose: { one: 1 } });
    await clean(failing(3), options, { run: 'one', dryRun: false });
    expect(await runs()).toEqual({});
  });

  it('never leaves a reference that leads nowhere, and never touches a row of others: at random', async () => {
    const run = fc.constantFrom('one', 'two', null);
    const graph = fc.record({
      customers: fc.array(fc.record({ run, referred: fc.nat(6) }), { minLength: 1, maxLength: 6 }),
      orders: fc.array(fc.record({ run, customer: fc.nat(5), twin: fc.nat(6) }), { maxLength: 6 }),
      latest: fc.array(fc.nat(6), { maxLength: 6 }),
      items: fc.array(fc.record({ run, order: fc.nat(5) }), { maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(
        graph,
        fc.integer({ min: 1, max: 4 }),
        async ({ customers, orders, latest, items }, chunkRows) => {
          await ask(
            `SET foreign_key_checks = 0; ${names.map((name) => `DELETE FROM ${of(name)}`).join('; ')}; SET foreign_key_checks = 1`,
          );
          const to = (index: number, list: unknown[]) => (index < list.length ? index + 1 : 'NULL');
          for (const [at, one] of customers.entries())
            await as(
              one.run,
              `INSERT INTO ${of('customers')} (id, referred_by) VALUES (${at + 1}, ${one.referred < at ? one.referred + 1 : 'NULL'})`,
            );
          for (const [at, one] of orders.entries())
            await as(
              one.run,
              `INSERT INTO ${of('orders')} (id, customer, twin) VALUES (${at + 1}, ${(one.customer % customers.length) + 1}, ${one.twin < at ? one.twin + 1 : 'NULL'})`,
            );
          for (const [at, order] of latest.entries())
            await ask(`UPDATE ${of('customers')} SET latest = ${to(order, orders)} WHERE id = ${at + 1}`);
          if (orders.length > 0)
            for (const [at, one] of items.entries())
              await as(one.run, `INSERT INTO ${of('items')} VALUES (${(one.order % orders.length) + 1}, '${at}', 't')`);
          const others = `SELECT id, twin FROM ${of('orders')} WHERE NOT (shadowline_run <=> 'one') ORDER BY id`;
          const [before, twins] = [await runs(), await ask(others)];
          const report = await remove('one', { chunkRows });
          expect(await ask(others)).toEqual(twins);
          const after = await runs();
          for (const name of ['customers', 'orders', 'items', 'notes']) {
            const { one: _, ...others } = before[name] ?? {};
            const { one: kept = 0, ...left } = after[name] ?? {};
            expect(left).toEqual(others);
            expect(keptOf(report)[name] ?? 0).toBe(kept);
          }
          expect(await dangling()).toBe(0);
          if (JSON.stringify(before).includes('seed') || JSON.stringify(before).includes('two')) return;
          expect(after).toEqual({});
        },
      ),
      { numRuns: 15 },
    );
  });

  it('goes on when a leaked id has taken real ids into the shadow range', async () => {
    await as('one', `INSERT INTO ${of('loose')} VALUES ('x')`);
    await ask(`INSERT INTO ${database}.customers (id, name) VALUES (2000000000, 'leaked')`);
    expect(await drift(db, options)).toMatchObject([{ what: 'range', table: 'customers' }]);
    expect(rowsOf(await remove('one'))).toEqual({ loose: 1 });
    await ask(
      `DELETE FROM ${database}.customers WHERE id = 2000000000; ALTER TABLE ${database}.customers AUTO_INCREMENT = 1`,
    );
  });

  describe('refuses, and removes nothing,', () => {
    beforeEach(() => as('one', `INSERT INTO ${of('loose')} VALUES ('x')`));
    const refused = async (code: string, asked: CleanOptions, detail: RegExp, given: Db = db, of = options) => {
      const before = await runs();
      for (const dryRun of [true, false]) {
        await expect(clean(given, of, { ...asked, dryRun })).rejects.toMatchObject({
          code,
          message: expect.stringMatching(detail),
        });
      }
      expect(await runs()).toEqual(before);
    };

    it('when the shadow side has drifted, of one run and of all', async () => {
      await ask(
        `CREATE TRIGGER ${schema}.odd AFTER DELETE ON ${of('loose')} FOR EACH ROW DELETE FROM ${database}.loose`,
      );
      await refused('DRIFT', { run: 'one' }, /loose \(trigger odd\).*Nothing was removed.*provision/);
      await refused('DRIFT', {}, /loose \(trigger odd\)/);
      await ask(`DROP TRIGGER ${schema}.odd`);
    });

    it('when a key of another table leads to a shadow table', async () => {
      await ask(
        `CREATE TABLE ${database}.other (c INT, CONSTRAINT far FOREIGN KEY (c) REFERENCES ${of('customers')} (id) ON DELETE CASCADE)`,
      );
      await refused('REAL_KEY', { run: 'one' }, new RegExp(`foreign key far of ${database}.other`));
      await refused('REAL_KEY', {}, /foreign key far/);
      await ask(`DROP TABLE ${database}.other`);
    });

    it.each(['', "a'b", 'a b', 'x'.repeat(65), 'é'])('the run id %j', async (run) =>
      refused('RUN_ID', { run }, /letters, digits/),
    );

    it('a run when everything is to be dropped', async () => {
      await expect(clean(db, options, { run: 'one', what: 'drop' })).rejects.toThrow(TypeError);
    });

    it('a pool', async () => {
      const pool = createPool({ uri, connectionLimit: 2 });
      let turn = 0;
      const connections = [await pool.getConnection(), await pool.getConnection()];
      const spread: Db = {
        query: (sql, params) => dbOf(connections[turn++ % 2] as unknown as Connection).query(sql, params),
      };
      await expect(clean(spread, options, { run: 'one', dryRun: false })).rejects.toMatchObject({
        code: 'ONE_SESSION',
      });
      expect(await runs()).toEqual({ loose: { one: 1 } });
      await pool.end();
    });
  });

  it('refuses a run where rows do not know theirs, by the names of the tables', async () => {
    await ask(`CREATE TABLE ${database}.plain (id INT PRIMARY KEY)`);
    const more = { ...options, tables: { ...options.tables, plain: 'shadow' as const }, withoutRun: ['plain'] };
    await provision(db, await plan(db, more));
    await expect(clean(db, more, { run: 'one' })).rejects.toMatchObject({
      code: 'NO_RUN',
      message: expect.stringMatching(/rows of (?:\S+\.)?plain/),
    });
    expect((await clean(db, more, {})).dryRun).toBe(true);
    await ask(`DROP TABLE ${database}.plain; DROP TABLE ${of('plain')}`);
  });
});

it('removes nothing while somebody seeds or provisions, whose journal would tell of rows that are gone', async () => {
  const database = `cln_${randomBytes(5).toString('hex')}`;
  const [one, two] = [await createConnection({ uri }), await createConnection({ uri })];
  try {
    await one.query(`CREATE DATABASE ${database}`);
    await one.query(`USE ${database}`);
    await one.query('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)');
    await one.query('INSERT INTO t SELECT seq FROM seq_1_to_50');
    const options: ShadowDbOptions = { database, mode: 'table', tables: { t: 'shadow' }, seed: { t: {} } };
    const refusals: string[] = [];
    const tryToClean = async (what: 'rows' | 'drop') => {
      await clean(dbOf(two), options, { dryRun: false, what }).catch((error: Error) => refusals.push(error.message));
    };
    const watched: Db = {
      async query(sql, params) {
        const rows = await dbOf(one).query(sql, params);
        if (/^INSERT INTO .*t_shadow/.test(sql)) for (const what of ['rows', 'drop'] as const) await tryToClean(what);
        return rows;
      },
    };
    await provision(watched, await plan(dbOf(one), options));
    expect(refusals.length).toBeGreaterThanOrEqual(2);
    for (const refusal of refusals) expect(refusal).toMatch(/^LOCKED: connection \d+ is provisioning/);
    await clean(dbOf(two), options, { dryRun: false });
    refusals.length = 0;
    const again = await plan(dbOf(one), options);
    await seed(watched, again.seed!, {});
    expect(refusals.length).toBeGreaterThanOrEqual(2);
    for (const refusal of refusals) expect(refusal).toMatch(/^LOCKED: connection \d+ is seeding/);
    expect((await one.query('SELECT COUNT(*) AS n FROM t_shadow'))[0]).toEqual([{ n: 50 }]);
    expect((await clean(dbOf(two), options, { dryRun: false })).tables).toEqual([{ table: 't_shadow', rows: 50 }]);
  } finally {
    await one.query(`DROP DATABASE IF EXISTS ${database}`);
    await Promise.all([one.end(), two.end()]);
  }
});

describe('what would reach further than the shadow tables', () => {
  let test: Scratch;
  const options = () => test.options({ orders: 'shadow' });
  beforeEach(async () => {
    test = await scratch();
    await test.run(
      'CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, memo VARCHAR(20))',
      'CREATE TABLE history (id INT PRIMARY KEY)',
      'INSERT INTO history VALUES (1), (2)',
    );
    await provision(test.db, await plan(test.db, options()));
    await test.run("INSERT INTO orders_shadow (id, memo) VALUES (2000000000, 'x')");
  });
  afterEach(async () => test.close());

  it('run ids that differ in case are two runs', async () => {
    for (const run of ['Night-1', 'night-1'])
      await test.run(`SET @shadowline_run = '${run}'`, `INSERT INTO orders_shadow (memo) VALUES ('${run}')`);
    await test.run('SET @shadowline_run = NULL');
    const report = await clean(test.db, options(), { run: 'night-1', dryRun: false });
    expect(report.tables).toEqual([{ table: 'orders_shadow', rows: 1 }]);
    expect(await test.query('SELECT memo FROM orders_shadow ORDER BY memo')).toEqual([
      { memo: 'Night-1' },
      { memo: 'x' },
    ]);
  });

  it('a key that ends its string where backslashes are no escapes', async () => {
    await test.run('CREATE TABLE named (k VARCHAR(60) PRIMARY KEY)');
    const chosen = test.options({ named: 'shadow' });
    await provision(test.db, await plan(test.db, chosen));
    await test.run("SET @shadowline_run = 'one'");
    await test.connection.query('INSERT INTO named_shadow (k) VALUES (?)', ["a\\') OR 1=1 -- "]);
    await test.run('SET @shadowline_run = NULL', "INSERT INTO named_shadow (k) VALUES ('seed')");
    const other = await test.connect();
    await other.query("SET sql_mode = 'NO_BACKSLASH_ESCAPES'");
    await expect(clean(dbOf(other), chosen, { run: 'one', dryRun: false })).rejects.toThrow(/^SQL_MODE: /);
    expect((await clean(test.db, chosen, { run: 'one', dryRun: false })).tables).toEqual([
      { table: 'named_shadow', rows: 1 },
    ]);
    expect(await test.query('SELECT k FROM named_shadow')).toEqual([{ k: 'seed' }]);
  });

  it('a trigger that this account may not see', async () => {
    await test.run('CREATE TRIGGER stray AFTER DELETE ON orders_shadow FOR EACH ROW DELETE FROM history');
    const { db } = await test.user('SELECT, INSERT, UPDATE, DELETE, ALTER, SHOW VIEW ON {main}.*', 'PROCESS ON *.*');
    await expect(clean(db, options(), { dryRun: false })).rejects.toThrow(/^RIGHTS: .*GRANT [A-Z, ]*TRIGGER\b/);
    await expect(drift(db, options())).rejects.toThrow(/^RIGHTS: .*GRANT [A-Z, ]*TRIGGER\b/);
    expect(await test.query('SELECT COUNT(*) AS n FROM history')).toEqual([{ n: 2 }]);
  });

  it('a foreign key of another database, which is hidden from who has no right there', async () => {
    await test.run(
      'CREATE TABLE {crm}.`né-child` (id INT PRIMARY KEY, o INT, CONSTRAINT stray FOREIGN KEY (o) REFERENCES {main}.orders_shadow (id) ON DELETE CASCADE)',
      'INSERT INTO {crm}.`né-child` VALUES (1, 2000000000)',
    );
    const rights = 'SELECT, INSERT, UPDATE, DELETE, ALTER, DROP, TRIGGER, SHOW VIEW ON {main}.*';
    const [blind, seeing] = [await test.user(rights), await test.user(rights, 'PROCESS ON *.*')];
    for (const what of ['rows', 'drop'] as const) {
      await expect(clean(blind.db, options(), { dryRun: false, what })).rejects.toThrow(/^RIGHTS: .*GRANT PROCESS ON/);
      for (const db of [seeing.db, test.db])
        await expect(clean(db, options(), { dryRun: false, what })).rejects.toThrow(
          /^REAL_KEY: foreign key \S*stray of/,
        );
    }
    expect(await test.query('SELECT COUNT(*) AS n FROM {crm}.`né-child`')).toEqual([{ n: 1 }]);
    await test.run('DROP TABLE {crm}.`né-child`');
    expect((await clean(seeing.db, options(), { dryRun: false })).tables).toEqual([
      { table: 'orders_shadow', rows: 1 },
    ]);
  });

  it('a real key stops the plan to make a table anew, before its first step', async () => {
    await test.run(
      'CREATE TABLE child (id INT PRIMARY KEY, o INT, CONSTRAINT stray FOREIGN KEY (o) REFERENCES orders_shadow (id))',
      'INSERT INTO child VALUES (1, 2000000000)',
      'ALTER TABLE orders ADD COLUMN z INT',
    );
    await expect(plan(test.db, options())).rejects.toThrow(/^REAL_KEY: foreign key stray of \S+\.child/);
    // a key that came later, in a session that checks none
    await test.run('ALTER TABLE child DROP FOREIGN KEY stray');
    const planned = await plan(test.db, options());
    await test.run(
      'ALTER TABLE child ADD CONSTRAINT stray FOREIGN KEY (o) REFERENCES orders_shadow (id)',
      'SET foreign_key_checks = 0',
    );
    await expect(provision(test.db, planned)).rejects.toThrow(/^STOPPED: .*DROP TABLE/);
    expect(await test.query('SELECT o FROM child JOIN orders_shadow ON orders_shadow.id = o')).toHaveLength(1);
    expect(await test.query('SELECT @@foreign_key_checks AS fks')).toEqual([{ fks: 0 }]);
  });

  it('a real key is no orphan after a drop in a session that checks none', async () => {
    await test.run(
      'CREATE TABLE child (id INT PRIMARY KEY, o INT, CONSTRAINT stray FOREIGN KEY (o) REFERENCES orders_shadow (id))',
      'SET foreign_key_checks = 0',
    );
    await expect(clean(test.db, options(), { dryRun: false, what: 'drop' })).rejects.toThrow(/^REAL_KEY/);
    expect(await test.query("SHOW TABLES LIKE 'orders_shadow'")).toHaveLength(1);
  });
});
