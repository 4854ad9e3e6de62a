import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { runWith } from '../context.js';
import {
  codeOf,
  deniedSockets,
  inReal,
  inShadow,
  mysqlStore,
  randomName,
  shadowContext,
  TestRuntime,
} from '../redirect/fixtures/test-runtime.js';
import { mysql2Instrumentation } from './mysql2.js';

const require = createRequire(import.meta.url);
const mysql = require('mysql2');
const mysqlPromise = require('mysql2/promise');
const url = new URL(process.env.SHADOWLINE_TEST_MYSQL_URL!);
const server = {
  host: url.hostname,
  port: Number(url.port),
  user: decodeURIComponent(url.username),
  password: url.password,
};
const database = randomName('agent');
const account = randomName('sh').slice(0, 20);
const password = 'shadow-pass';

let admin: any;
let runtime: TestRuntime;
let restores: (() => void)[] = [];
const open: any[] = [];

beforeAll(async () => {
  process.env.SHADOWLINE_TEST_SHADOW_PASSWORD = password;
  // made before any wrap: the tests' own view of the tables
  admin = await mysqlPromise.createConnection({ ...server, multipleStatements: true });
  const orders = 'id INT PRIMARY KEY AUTO_INCREMENT, who VARCHAR(40) UNIQUE, amount INT NOT NULL DEFAULT 0';
  // as provisioning makes it
  const byDefault = 'DEFAULT (IF(CONNECTION_ID() IS NULL, NULL, @shadowline_run))';
  const hidden = `shadowline_run VARCHAR(64) CHARACTER SET ascii INVISIBLE ${byDefault}`;
  await ask(`
    CREATE DATABASE ${database}; CREATE DATABASE ${database}_shadow;
    CREATE TABLE ${database}.orders (${orders}); CREATE TABLE ${database}.orders_shadow (${orders}, ${hidden});
    CREATE TABLE ${database}_shadow.orders (${orders}, ${hidden});
    CREATE TABLE ${database}.branches (id INT PRIMARY KEY, name VARCHAR(20)); INSERT INTO ${database}.branches VALUES (1, 'north');
    CREATE TABLE ${database}.unclassed (id INT);
    CREATE TABLE ${database}.forgotten (id INT PRIMARY KEY);
    CREATE USER '${account}'@'%' IDENTIFIED BY '${password}';
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${database}.orders_shadow TO '${account}'@'%';
    GRANT SELECT ON ${database}.branches TO '${account}'@'%';
    GRANT SELECT, INSERT, UPDATE, DELETE ON ${database}_shadow.* TO '${account}'@'%'`);
});

afterAll(async () => {
  await ask(`DROP DATABASE ${database}; DROP DATABASE ${database}_shadow; DROP USER '${account}'@'%'`);
  await admin.end();
});

beforeEach(async () => {
  await ask(`TRUNCATE ${database}.orders; TRUNCATE ${database}.orders_shadow; TRUNCATE ${database}_shadow.orders`);
  use(table());
});

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => new Promise((resolve) => one.end(resolve))));
  for (const restore of restores.splice(0)) restore();
});

function table(): ConstructorParameters<typeof TestRuntime>[0] {
  const tables = { orders: 'shadow', branches: 'real-read', forgotten: 'shadow' } as const;
  return { mysql: { main: mysqlStore({ database, account: own(), tables }) } };
}

/** Text is not changed: only where a connection goes keeps the modes apart. */
function schema(): ConstructorParameters<typeof TestRuntime>[0] {
  const tables = { orders: 'shadow' } as const;
  return { mysql: { main: mysqlStore({ database, mode: 'schema', account: own(), tables }) } };
}

function own() {
  return { user: account, passwordEnv: 'SHADOWLINE_TEST_SHADOW_PASSWORD' };
}

/** The package does not export its inner files by name. */
function internal(file: string): string {
  return join(dirname(require.resolve('mysql2/package.json')), '..', file);
}

/** Wraps the driver for a new runtime. */
function use(config: ConstructorParameters<typeof TestRuntime>[0]): void {
  for (const restore of restores.splice(0)) restore();
  runtime = new TestRuntime(config);
  restores = mysql2Instrumentation.targets.map(({ file, wrap }) => wrap(require(internal(file)), runtime));
}

function pool(options: object = {}): any {
  const made = mysql.createPool({ ...server, database, connectionLimit: 4, ...options });
  open.push(made);
  return made;
}

async function names(where = `${database}.orders`): Promise<string[]> {
  const [rows] = await ask(`SELECT who FROM ${where} ORDER BY id`);
  return rows.map((row: { who: string }) => row.who);
}
/** The server takes a session from its list a moment after it has closed it. */
async function noSessionsOf(user: string): Promise<void> {
  const sql = 'SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = ? AND db LIKE ?';
  let left = 1;
  for (const untilMs = Date.now() + 3_000; left > 0 && Date.now() < untilMs; ) {
    const [rows] = await ask(sql, [user, `${database}%`]);
    left = Number(rows[0].n);
  }
  expect(left).toBe(0);
}

/** The tests' own view: always ordinary. */
function ask(sql: string, values?: unknown[]): Promise<any> {
  return inReal(() => admin.query(sql, values));
}
const shadowNames = () => names(`${database}.orders_shadow`);
const written = (operation: string) => runtime.writes.get(`mysql ${database}.orders_shadow ${operation}`);
const INSERT = 'INSERT INTO orders (who, amount) VALUES (?, ?)';

describe('pool', () => {
  it('sends shadow statements to shadow tables with the shadow account, real ones to real tables', async () => {
    const promised = pool().promise();
    await inReal(() => promised.query(INSERT, ["rea'l\\", 1]));
    await inShadow(() => promised.query(INSERT, ["sha'd\\ow", 2]));
    const [found] = await inShadow<Promise<any>>(() =>
      promised.query('SELECT o.who, CURRENT_USER() AS me FROM orders o'),
    );
    expect(await names()).toEqual(["rea'l\\"]);
    expect(await shadowNames()).toEqual(["sha'd\\ow"]);
    expect(found).toEqual([{ who: "sha'd\\ow", me: `${account}@%` }]);
    expect(written('insert')).toBe(1);
    expect(runtime.operations).toContain(`shadow mysql ${database}.orders_shadow insert ok`);
    expect(runtime.operations).toContain(`real mysql ${database}.orders insert ok`);
  });

  it.each([1, 2])(
    'takes back what it leased in shadow, given to the pool itself (%i connections)',
    async (connectionLimit) => {
      const one = pool({ connectionLimit });
      const promised = one.promise();
      for (const who of ['a', 'b']) {
        await inShadow(async () => {
          const lease: any = await call((done) => one.getConnection(done));
          await call((done) => lease.query(INSERT, [who, 1], done));
          one.releaseConnection(lease);
        });
      }
      await inReal(() => promised.query(INSERT, ['real', 1]));
      await inShadow(() => promised.query(INSERT, ['c', 1]));
      expect([await names(), await shadowNames()]).toEqual([['real'], ['a', 'b', 'c']]);
      expect(runtime.refusals).toEqual([]);
    },
  );

  it('knows what a reset changes in the meaning of later text', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    const sql = 'SELECT COUNT (*) AS n FROM orders';
    await inShadow(async () => {
      const lease = await promised.getConnection();
      // by a flag of the handshake, which a reset forgets: from then on it is a stored function
      expect((await lease.query(sql))[0]).toEqual([{ n: 0 }]);
      await lease.reset();
      expect(await codeOf(lease.query(sql))).toBe('SQL_REFUSED');
      await lease.query(INSERT, ["rea'l\\ü", 1]);
      lease.release();
    });
    expect(await shadowNames()).toEqual(["rea'l\\ü"]);
  });

  it.each<[string, object, string, number]>([
    // what, options of the service's pool, refused or not: text beyond ASCII, and the rows there are then
    ['utf8mb4', {}, 'no error', 3],
    ['utf8mb3', { charset: 'UTF8_GENERAL_CI' }, 'no error', 3],
    ['latin1', { charset: 'LATIN1_SWEDISH_CI' }, 'no error', 3],
    ['gbk', { charset: 'GBK_CHINESE_CI' }, 'SQL_REFUSED', 2],
    ['sjis', { charset: 'SJIS_JAPANESE_CI' }, 'SQL_REFUSED', 2],
    ['without IGNORE_SPACE', { flags: ['-IGNORE_SPACE'] }, 'no error', 3],
    ['rows as arrays, with a cast of the service’s', { rowsAsArray: true, typeCast: () => 'cast' }, 'no error', 3],
    ['nested rows, and text for all', { nestTables: true, dateStrings: true, typeCast: false }, 'no error', 3],
    [
      'big numbers as text',
      { supportBigNumbers: true, bigNumberStrings: true, namedPlaceholders: true },
      'no error',
      3,
    ],
  ])('keeps apart whatever the driver is set to: %s', async (_what, options, text, count) => {
    const promised = pool({ connectionLimit: 1, ...options }).promise();
    await inShadow(async () => {
      // twice: what the first answers taught must hold for a connection that is used again
      for (const who of ['a', 'b']) {
        await promised.execute(INSERT, [who, 1]);
        await promised.query('SELECT o.who FROM orders o JOIN branches b ON b.id = 1');
      }
      expect(await codeOf(promised.query(INSERT, ['é', 1]))).toBe(text);
      for (const sql of ['SET NAMES gbk', "SET sql_mode = 'ANSI_QUOTES'", 'SELECT COUNT(*) FROM `orders_shadow`']) {
        expect([sql, await codeOf(promised.query(sql))]).toEqual([sql, 'SQL_REFUSED']);
      }
    });
    expect([await names(), (await shadowNames()).length]).toEqual([[], count]);
  });

  it('does not lock real rows by reading them in a statement that writes', async () => {
    const lease = await inShadow(() => pool().promise().getConnection());
    await inShadow(async () => {
      await lease.beginTransaction();
      await lease.query(INSERT, ['a', 1]);
      for (const sql of [
        'INSERT INTO orders (who) SELECT name FROM branches',
        'UPDATE orders SET who = (SELECT MAX(name) FROM branches)',
        'SET @name = (SELECT name FROM branches WHERE id = 1)',
      ]) {
        expect([sql, await codeOf(lease.query(sql))]).toEqual([sql, 'SQL_REFUSED']);
      }
      await lease.query('SELECT name FROM branches INTO @name');
      await lease.query('INSERT INTO orders (who) VALUES (@name)');
    });
    // waits for nobody
    await ask(`SET SESSION innodb_lock_wait_timeout = 1; UPDATE ${database}.branches SET name = 'north' WHERE id = 1`);
    await ask(`BEGIN; SELECT * FROM ${database}.branches FOR UPDATE; ROLLBACK`);
    await inShadow(() => lease.commit());
    lease.release();
    expect(await shadowNames()).toEqual(['a', 'north']);
  });

  it('does not lock real rows by reading them in a SERIALIZABLE session', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    await inShadow(async () => {
      for (const sql of ['SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE', "SET tx_isolation = 'SERIALIZABLE'"]) {
        expect(await codeOf(promised.query(sql))).toBe('SQL_REFUSED');
      }
      await promised.query("SET SESSION transaction_isolation = 'READ-COMMITTED'");
      expect((await promised.query('SELECT name FROM branches'))[0]).toEqual([{ name: 'north' }]);
    });
  });

  it('does so for callbacks, execute, named placeholders, object arguments and row arrays', async () => {
    const one = pool({ namedPlaceholders: true });
    await inShadow(async () => {
      await call((done) => one.query(INSERT, ['a', 1], done));
      await call((done) => one.query({ sql: INSERT, values: ['b', 1] }, done));
      await call((done) => one.execute(INSERT, ['c', 1], done));
      await call((done) => one.query('INSERT INTO orders (who) VALUES (:who)', { who: 'd' }, done));
      await call((done) => one.execute('INSERT INTO orders (who) VALUES (:who)', { who: 'e' }, done));
      await call((done) => one.execute(INSERT, ['f', 1], done));
      const rows = await call((done) =>
        one.query({ sql: 'SELECT who FROM orders ORDER BY id', rowsAsArray: true }, done),
      );
      expect(rows).toEqual([['a'], ['b'], ['c'], ['d'], ['e'], ['f']]);
      const nested = await call((done) =>
        one.query({ sql: 'SELECT orders.who FROM orders LIMIT 1', nestTables: true }, done),
      );
      expect(nested).toEqual([{ orders: { who: 'a' } }]);
    });
    expect(await names()).toEqual([]);
    expect(written('insert')).toBe(6);
  });

  it('streams and emits rows of shadow tables, in the issuer’s context', async () => {
    const one = pool();
    await inShadow(() => one.promise().query('INSERT INTO orders (who) VALUES (?), (?)', ['a', 'b']));
    const context = shadowContext();
    const rows: unknown[] = [];
    const seen = new Set<unknown>();
    const { currentContext } = await import('../context.js');
    await runWith(context, async () => {
      for await (const row of one.query('SELECT who FROM orders').stream()) rows.push(row);
      await new Promise<void>((resolve, reject) => {
        const query = one.query('SELECT who FROM orders');
        query.on('result', (row: unknown) => rows.push(row) && seen.add(currentContext()));
        query.on('error', reject).on('end', resolve);
      });
    });
    expect(rows).toHaveLength(4);
    expect([...seen]).toEqual([context]);
  });

  it('keeps each issuer’s context when a pool of one connection is exhausted', async () => {
    const { currentContext } = await import('../context.js');
    const promised = pool({ connectionLimit: 1 }).promise();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ shadow: fc.boolean(), lease: fc.boolean() }), { maxLength: 24 }),
        async (steps) => {
          await ask(`TRUNCATE ${database}.orders; TRUNCATE ${database}.orders_shadow`);
          runtime.writes.clear();
          const expected = { real: [] as string[], shadow: [] as string[] };
          await Promise.all(
            steps.map((step, index) => {
              const who = `${step.shadow ? 's' : 'r'}${index}`;
              expected[step.shadow ? 'shadow' : 'real'].push(who);
              const work = async () => {
                const before = currentContext();
                if (step.lease) {
                  const lease = await promised.getConnection();
                  await lease.beginTransaction();
                  await lease.query(INSERT, [who, index]);
                  await lease.commit();
                  lease.release();
                } else {
                  await promised.execute(INSERT, [who, index]);
                }
                expect(currentContext()).toBe(before);
              };
              return step.shadow ? inShadow(work) : inReal(work);
            }),
          );
          expect((await names()).sort()).toEqual(expected.real.sort());
          expect((await shadowNames()).sort()).toEqual(expected.shadow.sort());
          expect(written('insert') ?? 0).toBe(expected.shadow.length);
        },
      ),
      { numRuns: 30 },
    );
    expect(runtime.refusals).toEqual([]);
  });

  it('gives callbacks of a drained queue the context of their issuer', async () => {
    const { currentContext } = await import('../context.js');
    const one = pool({ connectionLimit: 1 });
    const seen: (string | undefined)[] = [];
    await Promise.all(
      ['real', 'shadow', 'real', 'shadow'].map(
        (mode) =>
          new Promise<void>((resolve, reject) => {
            const work = () =>
              one.query('SELECT SLEEP(0.01)', (error: unknown) => {
                if (currentContext()?.mode !== mode) seen.push(currentContext()?.mode);
                error ? reject(error) : resolve();
              });
            mode === 'shadow' ? inShadow(work) : inReal(work);
          }),
      ),
    );
    expect(seen).toEqual([]);
  });

  it('serves a first shadow request before any ordinary one, and both at once', async () => {
    const promised = pool().promise();
    await Promise.all([
      inShadow(() => promised.query(INSERT, ['s1', 1])),
      inReal(() => promised.query(INSERT, ['r1', 1])),
      inShadow(() => promised.query(INSERT, ['s2', 1])),
    ]);
    expect(await names()).toEqual(['r1']);
    expect((await shadowNames()).sort()).toEqual(['s1', 's2']);
  });

  it('opens shadow connections with the permission of the egress guard', async () => {
    const one = pool().promise();
    const alone = await mysqlPromise.createConnection({ ...server, database });
    const denied = await deniedSockets(runtime, async () => {
      await inShadow(() => one.query('SELECT 1'));
      await inShadow(() => alone.query('SELECT 1'));
    });
    expect(denied).toBe(0);
    await alone.end();
    const each = await deniedSockets(runtime, () =>
      inShadow(async () => {
        const uri = `mysql://${server.user}@${server.host}:${server.port}/${database}`;
        for (const options of [{ ...server, database }, { uri }, uri]) {
          const own = await mysqlPromise.createConnection(options);
          await own.query(INSERT, [`own ${JSON.stringify(options).length}`, 1]);
          await own.end();
        }
        await codeOf(mysqlPromise.createConnection({ ...server, database: 'mysql' }));
      }),
    );
    expect(each).toBe(1);
    expect(await names()).toEqual([]);
    expect(await shadowNames()).toHaveLength(3);
  });

  it('ends the twin with the pool', async () => {
    const one = mysql.createPool({ ...server, database });
    await inShadow(() => one.promise().query('SELECT 1'));
    await one.promise().end();
    await noSessionsOf(account);
  });

  it('passes the service’s session set-up on to twin connections', async () => {
    const one = pool();
    one.on('connection', (connection: any) => connection.query("SET time_zone = '+05:00'"));
    const [rows] = await inShadow<Promise<any>>(() => one.promise().query('SELECT @@time_zone AS zone'));
    expect(rows).toEqual([{ zone: '+05:00' }]);
  });

  it('keeps apart what is given back, pinged and used in the other mode, at random', async () => {
    const choice = fc.record({
      shadow: fc.boolean(),
      write: fc.constantFrom('query', 'execute', 'prepare'),
      end: fc.constantFrom('release', 'destroy'),
      /** What is done in the other mode. */
      across: fc.constantFrom('nothing', 'end', 'ping', 'use'),
    });
    const options = fc.record({ connectionLimit: fc.integer({ min: 1, max: 3 }), resetOnRelease: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(options, fc.array(choice, { maxLength: 16 }), async (settings, choices) => {
        await ask(`TRUNCATE ${database}.orders; TRUNCATE ${database}.orders_shadow`);
        const one = mysql.createPool({ ...server, database, ...settings, maxPreparedStatements: 1 });
        one.on('connection', (connection: any) => connection.query('SET @greeting = 1'));
        const work = async ({ shadow, write, end, across }: any, index: number) => {
          const [own, other] = shadow ? [inShadow, inReal] : [inReal, inShadow];
          const lease: any = await own(() => one.promise().getConnection());
          if (write === 'prepare') {
            const statement: any = await own(() => lease.prepare(INSERT));
            await own(() => statement.execute([`${shadow}${index}`, 1]));
          } else await own(() => lease[write](INSERT, [`${shadow}${index}`, 1]));
          if (across === 'ping') await other(() => lease.ping().catch(() => undefined));
          if (across === 'use') expect(await other(() => codeOf(lease.query(INSERT, ['x', 1])))).toBe('MODE_MISMATCH');
          (across === 'end' ? other : own)(() => lease[end]());
        };
        await Promise.all(choices.map(work));
        const expected = (mode: boolean) =>
          choices.flatMap(({ shadow }, index) => (shadow === mode ? [`${mode}${index}`] : [])).sort();
        expect([(await names()).sort(), (await shadowNames()).sort()]).toEqual([expected(false), expected(true)]);
        await call((done) => one.end(done));
      }),
      { numRuns: 20 },
    );
  });
});

describe('refusals', () => {
  it.each([
    ['DDL', 'DROP TABLE orders', 'SQL_REFUSED'],
    ['an unclassed table', 'SELECT * FROM unclassed', 'SQL_REFUSED'],
    ['a write to a real-read table', 'UPDATE branches SET name = 1', 'SQL_REFUSED'],
    ['several statements', 'SELECT 1; DELETE FROM orders', 'SQL_REFUSED'],
    ['LOAD DATA', "LOAD DATA LOCAL INFILE '/etc/hosts' INTO TABLE orders", 'SQL_REFUSED'],
    ['a shadow name', 'SELECT * FROM orders_shadow', 'SQL_REFUSED'],
    [
      'a table without shadow rights: the account is the backstop',
      'INSERT INTO forgotten VALUES (1)',
      'ER_TABLEACCESS_DENIED_ERROR',
    ],
  ])('refuses %s in every interface', async (_name, sql, code) => {
    const one = pool({ multipleStatements: true });
    const promised = one.promise();
    await inReal(() => promised.query(INSERT, ['r', 1]));
    expect(await inShadow(() => codeOf(promised.query(sql)))).toBe(code);
    expect(await inShadow(() => codeOf(promised.execute(sql)))).toBe(code);
    expect(await inShadow(() => codeOf(call((done) => one.query(sql, done))))).toBe(code);
    expect(
      await inShadow(() =>
        codeOf(new Promise((resolve, reject) => one.query(sql).on('error', reject).on('end', resolve))),
      ),
    ).toBe(code);
    expect(
      await inShadow(() =>
        codeOf(
          (async () => {
            for await (const _ of one.query(sql).stream());
          })(),
        ),
      ),
    ).toBe(code);
    const lease = await inShadow<Promise<any>>(() => promised.getConnection());
    expect(await inShadow(() => codeOf(lease.query(sql)))).toBe(code);
    expect(await inShadow(() => codeOf(lease.prepare(sql)))).toBe(code);
    // the connection is still good
    await inShadow(() => lease.query('SELECT 1'));
    lease.release();
    expect(await names()).toEqual(['r']);
  });

  it('does not end the process when nobody listens for the error', async () => {
    const one = pool();
    inShadow(() => one.query('DROP TABLE orders'));
    inShadow(() => one.execute('DROP TABLE orders', []));
    inShadow(() => one.execute('DROP TABLE orders', [], undefined));
    inShadow(() => one.query('INSERT INTO forgotten VALUES (1)'));
    const cluster = mysql.createPoolCluster();
    cluster.add('one', { ...server, database });
    inShadow(() => cluster.of('*').execute(INSERT, ['x', 1]));
    const lease: any = await inShadow(() => call((done) => one.getConnection(done)));
    inReal(() => lease.query('SELECT 1'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    lease.release();
    cluster.end();
    use({ mysql: {} });
    inShadow(() => one.query('SELECT 1'));
    inShadow(() => one.execute('SELECT 1'));
    inShadow(() => one.execute('SELECT 1', [], undefined));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(runtime.refusals.map(({ code }) => code)).toContain('STORE_UNDECLARED');
  });

  it('gives connections back to their pool after a refusal', async () => {
    const one = pool({ connectionLimit: 1 });
    const sql = 'SELECT * FROM unclassed';
    for (let index = 0; index < 3; index++) {
      expect(await inShadow(() => codeOf(one.promise().query(sql)))).toBe('SQL_REFUSED');
      expect(await inShadow(() => codeOf(one.promise().execute(sql)))).toBe('SQL_REFUSED');
      const events = () => new Promise((resolve, reject) => one.query(sql).on('error', reject).on('end', resolve));
      expect(await inShadow(() => codeOf(events()))).toBe('SQL_REFUSED');
    }
    await inShadow(() => one.promise().query('SELECT 1'));
  });

  it('refuses a database that is not declared, and a shadow account without a password', async () => {
    use({ mysql: {} });
    expect(await inShadow(() => codeOf(pool().promise().query('SELECT 1')))).toBe('STORE_UNDECLARED');
    use({
      mysql: { main: mysqlStore({ database, account: { user: account, passwordEnv: 'SHADOWLINE_TEST_NOT_SET' } }) },
    });
    expect(await inShadow(() => codeOf(pool().promise().query('SELECT 1')))).toBe('AGENT_NOT_READY');
    expect(await inReal(() => codeOf(pool().promise().query('SELECT 1')))).toBe('no error');
  });

  it('refuses leases of the other mode', async () => {
    const promised = pool().promise();
    const real = await inReal<Promise<any>>(() => promised.getConnection());
    const twin = await inShadow<Promise<any>>(() => promised.getConnection());
    expect(await inShadow(() => codeOf(real.query(INSERT, ['x', 1])))).toBe('MODE_MISMATCH');
    expect(await inShadow(() => codeOf(real.execute(INSERT, ['x', 1])))).toBe('MODE_MISMATCH');
    expect(await inReal(() => codeOf(twin.query(INSERT, ['x', 1])))).toBe('MODE_MISMATCH');
    expect(await inReal(() => codeOf(twin.beginTransaction()))).toBe('MODE_MISMATCH');
    real.release();
    twin.release();
    runtime.current = 'idle';
    const late = await inShadow<Promise<any>>(() => promised.getConnection());
    late.release();
    expect(await names()).toEqual([]);
    expect(await shadowNames()).toEqual([]);
  });

  it('refuses a twin lease after the agent went idle', async () => {
    const promised = pool().promise();
    const twin = await inShadow<Promise<any>>(() => promised.getConnection());
    runtime.current = 'idle';
    expect(await inReal(() => codeOf(twin.query(INSERT, ['x', 1])))).toBe('MODE_MISMATCH');
    twin.release();
    expect(await shadowNames()).toEqual([]);
  });

  it('destroys a twin lease that was used in the wrong mode, so that its transaction is rolled back', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    const context = shadowContext();
    const twin = await runWith<Promise<any>>(context, () => promised.getConnection());
    await runWith(context, () => twin.beginTransaction());
    await runWith(context, () => twin.query(INSERT, ['pending', 1]));
    expect(await inReal(() => codeOf(twin.commit()))).toBe('MODE_MISMATCH');
    twin.release();
    await inShadow(() => promised.query(INSERT, ['next', 1]));
    expect(await shadowNames()).toEqual(['next']);
    expect(written('insert')).toBe(1);
  });

  it('refuses what is issued after the request has ended, and changeUser', async () => {
    const promised = pool().promise();
    const context = shadowContext();
    const lease = await runWith<Promise<any>>(context, () => promised.getConnection());
    expect(await runWith(context, () => codeOf(lease.changeUser({ user: 'root' })))).toBe('SQL_REFUSED');
    context.ended = true;
    expect(await runWith(context, () => codeOf(lease.query('SELECT 1')))).toBe('CONTEXT_ENDED');
    expect(await runWith(context, () => codeOf(promised.query('SELECT 1')))).toBe('CONTEXT_ENDED');
    lease.release();
  });

  it('refuses pool clusters without counting the refusal against a node', async () => {
    const cluster = mysql.createPoolCluster({ removeNodeErrorCount: 1 });
    cluster.add('one', { ...server, database });
    const askCluster = (work: (fn: () => any) => any) =>
      work(() => codeOf(call((done) => cluster.of('*').query('SELECT 1 AS one', done))));
    expect(await askCluster(inShadow)).toBe('STORE_UNDECLARED');
    expect(await askCluster(inShadow)).toBe('STORE_UNDECLARED');
    expect(await inShadow(() => codeOf(call((done) => cluster.getConnection(done))))).toBe('STORE_UNDECLARED');
    expect(await askCluster(inReal)).toBe('no error');
    await call((done) => cluster.end(done));
  });
});

describe('ordinary traffic', () => {
  it('is reported, and passes, when it names a shadow table or writes a shadow id', async () => {
    use({ ...table(), taint: { from: 1_000_000_000, to: 2_000_000_000 } });
    const promised = pool().promise();
    await inReal(() => promised.query("INSERT INTO orders_shadow (who) VALUES ('odd')"));
    await inReal(() => promised.execute(INSERT, ['tainted', 1_000_000_007]));
    await inReal(() => promised.query('INSERT INTO orders (who, amount) VALUES ?', [[['t2', '1000000008']]]));
    await inReal(() => promised.execute('SELECT * FROM orders WHERE amount = ?', [1_000_000_007]));
    expect(runtime.suspects.map(({ code }) => code)).toEqual(['SHADOW_NAME_IN_REAL', 'TAINTED_WRITE', 'TAINTED_WRITE']);
    expect(await names()).toEqual(['tainted', 't2']);
  });

  it('without a context follows the policy, for writes only', async () => {
    use({ ...table(), unknown: 'block' });
    const promised = pool().promise();
    expect(await codeOf(promised.query('SELECT * FROM orders'))).toBe('no error');
    expect(await codeOf(promised.query(INSERT, ['u', 1]))).toBe('MODE_MISMATCH');
    use({ ...table(), unknown: 'alarm' });
    expect(await codeOf(promised.query(INSERT, ['u', 1]))).toBe('no error');
    expect(runtime.suspects.map(({ code }) => code)).toEqual(['UNKNOWN_WRITE']);
  });

  it('goes on when the agent itself fails', async () => {
    const promised = pool().promise();
    await inReal(() => promised.query('SELECT 1'));
    Object.defineProperty(runtime, 'config', {
      get: () => {
        throw new Error('fault of the agent');
      },
    });
    Object.defineProperty(runtime, 'meter', {
      value: {
        dbOperation: () => {
          throw new Error('fault of the meter');
        },
      },
    });
    await inReal(() => promised.query(INSERT, ['a', 1]));
    await inReal(() => promised.execute(INSERT, ['b', 1]));
    expect(await inShadow(() => codeOf(promised.query(INSERT, ['c', 1])))).toBe('AGENT_NOT_READY');
    expect(await names()).toEqual(['a', 'b']);
    expect(await shadowNames()).toEqual([]);
  });

  it('is untouched while the agent is idle', async () => {
    runtime.current = 'idle';
    const promised = pool().promise();
    await promised.query(INSERT, ['a', 1]);
    expect(runtime.operations).toEqual([]);
    expect(await names()).toEqual(['a']);
  });

  it.each<[string, object, (lease: any) => void]>([
    ['released', {}, (lease) => lease.release()],
    ['released and reset', { resetOnRelease: true }, (lease) => lease.release()],
    ['destroyed', {}, (lease) => lease.destroy()],
  ])('gets the connection that it waits for, when that is %s in shadow', async (_what, options, giveBack) => {
    const promised = pool({ connectionLimit: 1, ...options }).promise();
    const lease = await inReal(() => promised.getConnection());
    const waiting = ['a', 'b'].map((who) => inReal(() => codeOf(promised.query(INSERT, [who, 1]))));
    inShadow(() => giveBack(lease));
    expect(await Promise.all(waiting)).toEqual(['no error', 'no error']);
    expect([(await names()).sort(), await shadowNames(), runtime.refusals]).toEqual([['a', 'b'], [], []]);
  });

  it('stays ordinary in callbacks that a shadow connection calls', async () => {
    const { currentContext } = await import('../context.js');
    const one = mysql.createPool({ ...server, database });
    const lease: any = await inShadow(() => call((done) => one.getConnection(done)));
    const modes = [];
    for (const ask of ['ping', 'reset']) {
      modes.push(await inReal(() => new Promise((resolve) => lease[ask](() => resolve(currentContext()?.mode)))));
    }
    lease.release();
    modes.push(await inReal(() => new Promise((resolve) => one.end(() => resolve(currentContext()?.mode)))));
    expect(modes).toEqual(['real', 'real', 'real']);
  });

  it('does not wait for shadow work when it ends its pool', async () => {
    const one = mysql.createPool({ ...server, database });
    const alone = mysql.createConnection({ ...server, database });
    const who = [[...Array(12).keys()].map((index) => [`w${index}`])];
    await inShadow(() => one.promise().query('INSERT INTO orders (who) VALUES ?', who));
    for (const connection of [one, alone]) {
      const rows = 'SELECT a.who FROM orders a, orders b, orders c, orders d';
      const stream = inShadow<any>(() => connection.query(rows).stream());
      await new Promise((resolve) => stream.once('readable', resolve));
    }
    const startedMs = performance.now();
    await call((done) => one.end(done));
    alone.end();
    expect(performance.now() - startedMs).toBeLessThan(500);
    await noSessionsOf(account);
  });

  it('of its own Query object is not changed by its use in shadow', async () => {
    const { currentContext } = await import('../context.js');
    const connection = mysql.createConnection({ ...server, database });
    open.push(connection);
    const seen: unknown[] = [];
    let told = (_: unknown): void => undefined;
    const answered = (error: any) => {
      seen.push(error?.code ?? currentContext()?.mode);
      told(undefined);
    };
    const once = (query: any) =>
      new Promise((resolve) => {
        told = resolve;
        connection.query(query);
      });
    const byCallback = mysql.createQuery(
      { sql: INSERT, values: ['callback', 1] },
      answered,
      undefined,
      connection.config,
    );
    const byEvents = mysql.createQuery({ sql: INSERT, values: ['events', 1] }, undefined, undefined, connection.config);
    byEvents.on('error', answered).on('end', answered);
    for (const query of [byCallback, byEvents]) {
      await inShadow(() => once(query));
      await inReal(() => once(query));
      await ask(`TRUNCATE ${database}.orders_shadow`);
      await inShadow(() => once(query));
    }
    expect(seen).toEqual(['shadow', 'real', 'shadow', 'shadow', 'real', 'shadow']);
    expect([await names(), await shadowNames()]).toEqual([['callback', 'events'], ['events']]);
    expect(written('insert')).toBe(4);
  });
});

describe('transactions and the ledger', () => {
  async function lease<T>(work: (connection: any) => Promise<T>): Promise<T> {
    const connection = await pool().promise().getConnection();
    try {
      return await work(connection);
    } finally {
      connection.release();
    }
  }

  it('counts at COMMIT, not at ROLLBACK', async () => {
    await inShadow(() =>
      lease(async (connection) => {
        await connection.beginTransaction();
        await connection.execute(INSERT, ['a', 1]);
        await connection.query('DELETE FROM orders WHERE who = ?', ['a']);
        await connection.query(INSERT, ['b', 1]);
        expect(runtime.writes.size).toBe(0);
        await connection.commit();
        expect([written('insert'), written('delete')]).toEqual([2, -1]);
        await connection.query('START TRANSACTION');
        await connection.query(INSERT, ['c', 1]);
        await connection.rollback();
        await connection.query('UPDATE orders SET amount = 9');
      }),
    );
    expect([written('insert'), written('delete'), written('update')]).toEqual([2, -1, 0]);
    expect(await shadowNames()).toEqual(['b']);
  });

  it('follows savepoints, implicit commits, autocommit and COMMIT AND CHAIN', async () => {
    await inShadow(() =>
      lease(async (connection) => {
        await connection.query('BEGIN');
        await connection.query(INSERT, ['a', 1]);
        await connection.query('SAVEPOINT one');
        await connection.query(INSERT, ['b', 1]);
        await connection.query('SAVEPOINT two');
        await connection.query(INSERT, ['c', 1]);
        await connection.query('ROLLBACK TO SAVEPOINT `ONE`');
        await connection.query('BEGIN');
        expect(written('insert')).toBe(1);
        await connection.query(INSERT, ['d', 1]);
        await connection.query('COMMIT AND CHAIN');
        expect(written('insert')).toBe(2);
        await connection.query(INSERT, ['e', 1]);
        await connection.query('ROLLBACK');
        await connection.query('SET autocommit = 0');
        await connection.query(INSERT, ['f', 1]);
        expect(written('insert')).toBe(2);
        await connection.query('SET autocommit = 1');
      }),
    );
    expect(written('insert')).toBe(3);
    expect(await shadowNames()).toEqual(['a', 'd', 'f']);
  });

  it('discards what a lost connection had not committed', async () => {
    const promised = pool().promise();
    await inShadow(async () => {
      const connection = await promised.getConnection();
      await connection.beginTransaction();
      await connection.query(INSERT, ['a', 1]);
      await ask(`KILL ${connection.threadId}`);
      expect(await codeOf(connection.commit())).not.toBe('no error');
      await promised.query(INSERT, ['b', 1]);
    });
    expect(written('insert')).toBe(1);
    expect(await shadowNames()).toEqual(['b']);
  });

  it('counts rows as the table has them: every kind of write, at random', async () => {
    const who = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const step = fc.oneof(
      fc.record({
        sql: fc.constant('INSERT IGNORE INTO orders (who, amount) VALUES ?'),
        values: fc
          .array(fc.tuple(who, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 3 })
          .map((rows) => [rows]),
      }),
      fc.record({
        sql: fc.constant('REPLACE INTO orders (who, amount) VALUES ?'),
        values: fc
          .array(fc.tuple(who, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 3 })
          .map((rows) => [rows]),
      }),
      fc.record({
        sql: fc.constant('INSERT INTO orders (who, amount) VALUES ? ON DUPLICATE KEY UPDATE amount = amount + 1'),
        values: fc
          .array(fc.tuple(who, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 3 })
          .map((rows) => [rows]),
      }),
      fc.record({
        sql: fc.constant('INSERT INTO orders (who, amount) VALUES ? ON DUPLICATE KEY UPDATE amount = VALUES(amount)'),
        values: fc
          .array(fc.tuple(who, fc.integer({ min: 0, max: 1 })), { minLength: 1, maxLength: 3 })
          .map((rows) => [rows]),
      }),
      fc.record({
        sql: fc.constant('INSERT INTO orders (who, amount) VALUES (?, 1) RETURNING id'),
        values: fc.tuple(who),
      }),
      fc.record({ sql: fc.constant('DELETE FROM orders WHERE who = ?'), values: fc.tuple(who) }),
      fc.record({ sql: fc.constant('DELETE FROM orders WHERE who = ? RETURNING who'), values: fc.tuple(who) }),
      fc.record({ sql: fc.constant('UPDATE orders SET amount = amount + 1'), values: fc.constant([]) }),
      fc.record({
        sql: fc.constantFrom('BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT p', 'ROLLBACK TO p'),
        values: fc.constant([]),
      }),
    );
    await inShadow(() =>
      lease(async (connection) => {
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
            await connection.query('ROLLBACK');
            await connection.query('DELETE FROM orders');
            runtime.writes.clear();
            // duplicates and unknown savepoints are errors of the statement alone
            for (const { sql, values } of steps) await connection.query(sql, values).catch(() => undefined);
            await connection.query('COMMIT');
            const total = [...runtime.writes.values()].reduce((sum, rows) => sum + rows, 0);
            const found = (await shadowNames()).length;
            // an `upsert` may be counted as inserted where nothing was: never the other way round
            if (written('upsert') === undefined) expect(total).toBe(found);
            else expect(total).toBeGreaterThanOrEqual(found);
          }),
          { numRuns: 100 },
        );
      }),
    );
  });

  it('keeps runs apart inside one transaction', async () => {
    await inShadow(() =>
      lease(async (connection) => {
        await connection.beginTransaction();
        expect(await inShadow(() => codeOf(connection.query(INSERT, ['x', 1])), shadowContext('run2'))).toBe(
          'MODE_MISMATCH',
        );
        await connection.rollback();
      }),
    );
  });

  it('keeps prepared statements in their mode', async () => {
    const promised = pool().promise();
    await inShadow(async () => {
      const connection = await promised.getConnection();
      const statement = await connection.prepare(INSERT);
      await statement.execute(['p1', 1]);
      await statement.execute(['p2', 1]);
      expect(await inReal(() => codeOf(statement.execute(['p3', 1])))).toBe('MODE_MISMATCH');
      await statement.close();
      connection.release();
    });
    expect(await shadowNames()).toEqual(['p1', 'p2']);
    expect(written('insert')).toBe(2);
  });
});

describe('the run of a row', () => {
  const inRun = <T>(run: string, work: () => T): T => inShadow(work, shadowContext(run));

  async function runs(of = `${database}.orders_shadow`): Promise<string[]> {
    const [rows] = await ask(`SELECT CONCAT_WS(' ', who, shadowline_run) AS text FROM ${of} ORDER BY who`);
    return rows.map((row: { text: string }) => row.text);
  }

  /** Statements that set the run, on the connections of the work. */
  async function settings(work: () => Promise<unknown>): Promise<string[]> {
    const sent: string[] = [];
    const { prototype } = require(internal('mysql2/lib/commands/query.js'));
    const { start } = prototype;
    prototype.start = function (this: any, ...args: unknown[]) {
      if (/^SET @shadowline_run/.test(this.sql)) sent.push(this.sql);
      return start.apply(this, args);
    };
    await work().finally(() => {
      prototype.start = start;
    });
    return sent;
  }

  it.each([1, 4])('is the one of the request, with runs that take turns on %i connections', async (connectionLimit) => {
    const promised = pool({ connectionLimit }).promise();
    const expected: string[] = [];
    await Promise.all(
      [...Array(40).keys()].map((index) => {
        const run = index % 3 === 0 ? 'one' : 'two-2_X';
        const who = `w${String(index).padStart(2, '0')}`;
        expected.push(`${who} ${run}`);
        return inRun(run, async () => {
          if (index % 4 === 0) return promised.execute(INSERT, [who, 1]);
          if (index % 4 === 1) return promised.query(INSERT, [who, 1]);
          const lease = await promised.getConnection();
          await lease.beginTransaction();
          await lease.query(INSERT, [who, 1]);
          await (index % 4 === 2 ? lease.commit() : lease.query('COMMIT'));
          lease.release();
        });
      }),
    );
    expect(await runs()).toEqual(expected);
    expect(written('insert')).toBe(40);
    expect(runtime.refusals).toEqual([]);
  });

  it('costs one statement for each run on a connection, and none for ordinary work', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    const sent = await settings(async () => {
      await inReal(() => promised.query(INSERT, ['real', 1]));
      for (const run of ['one', 'one', 'one', 'two', 'two']) {
        await inRun(run, () => promised.query(INSERT, [null, 1]));
        await inRun(run, () => promised.execute('SELECT who FROM orders'));
      }
    });
    expect(sent).toEqual(["SET @shadowline_run = 'one'", "SET @shadowline_run = 'two'"]);
  });

  it('is set again after a reset of the connection, and when the pool resets by itself', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    await inRun('one', async () => {
      const lease = await promised.getConnection();
      await lease.query(INSERT, ['a', 1]);
      await Promise.all([lease.query(INSERT, ['b', 1]), lease.reset(), lease.query(INSERT, ['c', 1])]);
      lease.release();
    });
    const resetting = pool({ connectionLimit: 1, resetOnRelease: true }).promise();
    for (const who of ['d', 'e']) await inRun('one', () => resetting.query(INSERT, [who, 1]));
    const lease = await inRun('two', () => promised.getConnection());
    await inReal(() => lease.reset());
    await inRun('two', () => lease.query(INSERT, ['f', 1]));
    lease.release();
    expect(await runs()).toEqual(['a one', 'b one', 'c one', 'd one', 'e one', 'f two']);
  });

  it('follows prepared statements from run to run, streams, and a stand-alone connection', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    const lease = await inRun('one', () => promised.getConnection());
    const statement = await inRun('one', () => lease.prepare(INSERT));
    await inRun('one', () => statement.execute(['a', 1]));
    await inRun('two', () => statement.execute(['b', 1]));
    await inRun('one', () => statement.execute(['c', 1]));
    await inRun('two', () =>
      call((done) => lease.connection.query(INSERT, ['d', 1]).on('error', done).on('end', done)),
    );
    lease.release();
    const alone = await mysqlPromise.createConnection({ ...server, database });
    await inRun('one', () => alone.query(INSERT, ['e', 1]));
    await inRun('two', () => alone.execute(INSERT, ['f', 1]));
    await alone.end();
    expect(await runs()).toEqual(['a one', 'b two', 'c one', 'd two', 'e one', 'f two']);
  });

  it('is set before what the service does with new connections', async () => {
    const one = pool({ connectionLimit: 1 });
    one.on('connection', (connection: any) => connection.query(INSERT, ['first', 1]));
    await inRun('one', () => one.promise().query(INSERT, ['second', 1]));
    expect(await runs()).toEqual(['first one', 'second one']);
  });

  it('cannot be chosen by the service', async () => {
    const promised = pool().promise();
    for (const sql of [
      "SET @shadowline_run = 'x'",
      "SET @ShadowLine_RUN := 'x'",
      "SELECT @`shadowline_run` := 'x'",
      "SELECT @'shadow\\line_run' := 'x'",
      "SELECT 'x' INTO @shadowline_run",
      "INSERT INTO orders (who) VALUES (@shadowline_run := 'x')",
      "INSERT INTO orders (who, shadowline_run) VALUES ('x', 'x')",
      'UPDATE orders SET `shadowline_run` = NULL',
    ]) {
      expect([sql, await inRun('one', () => codeOf(promised.query(sql)))]).toEqual([sql, 'SQL_REFUSED']);
      expect([sql, await inRun('one', () => codeOf(promised.execute(sql)))]).toEqual([sql, 'SQL_REFUSED']);
    }
    await inRun('one', () => promised.execute(INSERT, ['shadowline_run', 1]));
    expect(await runs()).toEqual(['shadowline_run one']);
  });

  it('fails closed when the session did not take it, and recovers', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    await inRun('one', () => promised.query(INSERT, ['a', 1]));
    const { prototype } = require(internal('mysql2/lib/commands/query.js'));
    const { start } = prototype;
    prototype.start = function (this: any, ...args: unknown[]) {
      if (/^SET @shadowline_run/.test(this.sql)) this.sql = 'SET @shadowline_run = no_such_column';
      return start.apply(this, args);
    };
    expect(await inRun('two', () => codeOf(promised.query(INSERT, ['b', 1])))).toBe('AGENT_NOT_READY');
    expect(await inRun('two', () => codeOf(promised.execute(INSERT, ['c', 1])))).toBe('AGENT_NOT_READY');
    prototype.start = start;
    await inRun('two', () => promised.query(INSERT, ['d', 1]));
    expect(await runs()).toEqual(['a one', 'd two']);
  });

  it('is in rows of mode schema as well', async () => {
    use(schema());
    const promised = pool({ connectionLimit: 1 }).promise();
    for (const run of ['one', 'two']) await inRun(run, () => promised.query(INSERT, [run, 1]));
    expect(await runs(`${database}_shadow.orders`)).toEqual(['one one', 'two two']);
  });

  it('does not keep a connection whose transaction another run has left open', async () => {
    const promised = pool({ connectionLimit: 1 }).promise();
    const lease = await inRun('one', () => promised.getConnection());
    await inRun('one', () => lease.beginTransaction());
    lease.release();
    const next = () => inRun('two', () => codeOf(promised.query(INSERT, ['x', 1])));
    expect([await next(), await next()]).toEqual(['MODE_MISMATCH', 'no error']);
  });
});

describe('stand-alone connection', () => {
  async function connect(): Promise<any> {
    const connection = await mysqlPromise.createConnection({ ...server, database });
    open.push({ end: (done: () => void) => connection.end().then(done, done) });
    return connection;
  }

  it('has a twin with a transaction of its own', async () => {
    const connection = await connect();
    await inShadow(async () => {
      await connection.beginTransaction();
      await connection.execute(INSERT, ['s', 1]);
    });
    await inReal(() => connection.query(INSERT, ['r', 1]));
    expect(await names()).toEqual(['r']);
    expect(await shadowNames()).toEqual([]);
    await inShadow(() => connection.commit());
    expect(await shadowNames()).toEqual(['s']);
    expect(await names()).toEqual(['r']);
    expect(written('insert')).toBe(1);
  });

  it('refuses a shadow statement inside an ordinary transaction', async () => {
    const connection = await connect();
    await inReal(() => connection.beginTransaction());
    await inReal(() => connection.query(INSERT, ['r', 1]));
    expect(await inShadow(() => codeOf(connection.query(INSERT, ['s', 1])))).toBe('MODE_MISMATCH');
    await inReal(() => connection.commit());
    expect(await inShadow(() => codeOf(connection.query(INSERT, ['s', 1])))).toBe('no error');
    expect(await names()).toEqual(['r']);
  });

  it('made in a shadow request serves ordinary work later, in its own context', async () => {
    const { currentContext } = await import('../context.js');
    const connection = await inShadow(() => connect());
    const seen = await inReal(
      () => new Promise((resolve) => connection.connection.query('SELECT 1', () => resolve(currentContext()?.mode))),
    );
    expect(seen).toBe('real');
    await inReal(() => connection.query(INSERT, ['r', 1]));
    expect(await names()).toEqual(['r']);
  });

  it('replaces a twin that was lost, and closes it with the connection', async () => {
    const connection = await connect();
    await inShadow(async () => {
      const [rows] = await connection.query('SELECT CONNECTION_ID() AS id');
      await ask(`KILL ${rows[0].id}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      await connection.query(INSERT, ['s', 1]);
    });
    expect(await shadowNames()).toEqual(['s']);
    await connection.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const [rows] = await ask('SELECT COUNT(*) AS n FROM information_schema.processlist WHERE user = ?', [account]);
    expect(Number(rows[0].n)).toBe(0);
  });

  it('does not outlive the request in which it was made, whoever ends it later', async () => {
    const context = shadowContext();
    const connection = await runWith(context, () => mysqlPromise.createConnection({ ...server, database }));
    await runWith<Promise<any>>(context, () => connection.query(INSERT, ['a', 1]));
    const idle = { maxIdle: 1, idleTimeout: 1, gracefulEnd: true };
    // with a timer of its own that ends idle connections, in the context of this request for good
    const lazy = runWith(context, () => pool(idle));
    await inReal(() => lazy.promise().query('SELECT 1'));
    context.ended = true;
    runWith(context, () => connection.end());
    await noSessionsOf(server.user);
    await noSessionsOf(account);
  });

  it('takes prepared statements from the mode that made them, and no other', async () => {
    const context = shadowContext();
    const options = { ...server, database, maxPreparedStatements: 2 };
    const connection: any = await runWith(context, () => mysqlPromise.createConnection(options));
    const closed = async () => {
      const [rows] = await connection.query("SHOW SESSION STATUS LIKE 'Com_stmt_close'");
      return Number(rows[0].Value);
    };
    const sql = 'SELECT who FROM orders WHERE id = ?';
    const statement = await inReal<Promise<any>>(() => connection.prepare(sql));
    for (const other of ['SELECT 1', 'SELECT 2']) await inShadow(() => connection.execute(other));
    inShadow(() => connection.unprepare(sql));
    inShadow(() => connection.unprepare('SELECT 1'));
    await inShadow(() => connection.execute('SELECT 2'));
    await inReal(() => statement.execute([1]));
    expect([await inReal(closed), await inShadow(closed)]).toEqual([0, 1]);
    // the driver closes the oldest in the context of the socket, which is of a request that has ended
    context.ended = true;
    for (let index = 0; index < 20; index++) await inReal(() => connection.execute(`SELECT ${index}`));
    expect(await inReal(closed)).toBe(19);
    connection.destroy();
  });

  it('is not paused in shadow', async () => {
    const connection = mysql.createConnection({ ...server, database });
    await inShadow(() => connection.promise().query('INSERT INTO orders (who) VALUES (?), (?)', ['a', 'b']));
    const rows: unknown[] = [];
    const query = inShadow<any>(() => connection.query('SELECT who FROM orders'));
    query.on('result', (row: unknown) => rows.push(row) && connection.pause());
    await new Promise((resolve) => query.once('result', resolve));
    await inReal(() => connection.promise().query('SELECT 1'));
    expect(rows).toHaveLength(1);
    query.on('result', () => connection.resume());
    const ended = new Promise((resolve) => query.once('end', resolve));
    inShadow(() => connection.resume());
    await ended;
    expect(rows).toHaveLength(2);
    connection.destroy();
  });

  it('goes where the connection went by changeUser', async () => {
    const connection = await connect();
    await inShadow(() => connection.query(INSERT, ['a', 1]));
    await inReal(() => connection.changeUser({ database: 'mysql' }));
    expect(await inShadow(() => codeOf(connection.query(INSERT, ['b', 1])))).toBe('STORE_UNDECLARED');
    await inReal(() => connection.changeUser({ database }));
    await inShadow(() => connection.query(INSERT, ['c', 1]));
    expect(await shadowNames()).toEqual(['a', 'c']);
  });

  it('tells each statement that the shadow account was turned away', async () => {
    process.env.SHADOWLINE_TEST_WRONG = 'wrong';
    const wrong = { user: account, passwordEnv: 'SHADOWLINE_TEST_WRONG' };
    use({ mysql: { main: mysqlStore({ database, account: wrong, tables: { orders: 'shadow' } }) } });
    const connection = await connect();
    await inShadow(async () => {
      for (const method of ['query', 'execute', 'query']) {
        expect(await codeOf(connection[method]('SELECT 1'))).toBe('ER_ACCESS_DENIED_ERROR');
      }
    });
    await inReal(() => connection.query('SELECT 1'));
  });
});

describe('other modes', () => {
  it('schema: the same names in the shadow schema', async () => {
    use(schema());
    const promised = pool().promise();
    await inShadow(async () => {
      await promised.query(INSERT, ['one', 1]);
      await promised.query(`INSERT INTO ${database}.orders (who) VALUES ('two')`);
    });
    expect(await names(`${database}_shadow.orders`)).toEqual(['one', 'two']);
    expect(await names()).toEqual([]);
    expect(runtime.writes.get(`mysql ${database}_shadow.orders insert`)).toBe(2);
  });

  it('instance: nothing is rewritten, the address is another', async () => {
    const instance = `${server.host}:${server.port}`;
    use({
      mysql: {
        main: mysqlStore({ database, mode: 'instance', instance, account: own(), tables: { orders: 'shadow' } }),
      },
    });
    const promised = pool({ host: 'localhost', socketPath: undefined }).promise();
    const [rows] = await inShadow<Promise<any>>(() => promised.query('SELECT CURRENT_USER() AS me'));
    expect(rows[0].me).toBe(`${account}@%`);
    // on the same server the account has no right to the real table: what it would do on another one
    expect(await inShadow(() => codeOf(promised.query(INSERT, ['x', 1])))).toBe('ER_TABLEACCESS_DENIED_ERROR');
  });

  it('keeps apart what a subclass of the driver’s opens', async () => {
    use(schema());
    const PoolConfig = require(internal('mysql2/lib/pool_config.js'));
    class OwnPool extends mysql.Pool {
      constructor() {
        super({ config: new PoolConfig({ ...server, database }) });
      }
    }
    class OwnConnection extends mysql.Connection {
      constructor() {
        super({ config: new mysql.ConnectionConfig({ ...server, database }) });
      }
    }
    for (const one of [new OwnPool(), new OwnConnection()] as any[]) {
      open.push(one);
      await inShadow(() => one.promise().query(INSERT, [one.constructor.name, 1]));
      await inReal(() => one.promise().query(INSERT, [one.constructor.name, 1]));
    }
    const both = ['OwnPool', 'OwnConnection'];
    expect([await names(), await names(`${database}_shadow.orders`)]).toEqual([both, both]);
  });

  it('keeps apart what the service sees through a Proxy', async () => {
    use(schema());
    const one = pool();
    const lease: any = await inShadow(() => call((done) => one.getConnection(done)));
    const alone = mysql.createConnection({ ...server, database });
    const query = (connection: any, who: string) => codeOf(call((done) => connection.query(INSERT, [who, 1], done)));
    // an ordinary statement must not land on the shadow connection
    expect(await inReal(() => query(new Proxy(lease, {}), 'a'))).toBe('MODE_MISMATCH');
    for (const [index, connection] of [new Proxy(lease, {}), new Proxy(alone, {}), alone].entries()) {
      expect(await inShadow(() => query(connection, `s${index}`))).toBe('no error');
    }
    await new Promise((resolve) => new Proxy(alone, {}).end(resolve));
    lease.release();
    await call((done) => one.end(done));
    expect([await names(), await names(`${database}_shadow.orders`)]).toEqual([[], ['s0', 's1', 's2']]);
    await noSessionsOf(account);
  });
});

function call(fn: (done: (error: unknown, value?: any) => void) => unknown): Promise<any> {
  return new Promise((resolve, reject) => fn((error, value) => (error ? reject(error) : resolve(value))));
}
