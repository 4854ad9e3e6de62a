import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { plan, provision } from '@shadowline/shadow-db/server';
import { Redis } from 'ioredis';
import { Kafka, logLevel, type Producer } from 'kafkajs';
import mysql from 'mysql2/promise';
import { kafkaProblems, mysqlProblems } from '../preflight/store-checks.js';
import type { Scenario } from '../scenario/scenario.js';
import { openStores, type Stores } from '../stores/index.js';
import { Claims, Fleet, type Telemetry, Traffic } from '../telemetry/index.js';
import { Audit } from './audit.js';

const id = randomBytes(4).toString('hex');
const database = `lc_${id}`;
const topic = `lc.${id}`;
const RUN = `r-${id}`;
const CANARY = `cnry${id}`;
const PASSWORD_ENV = `LC_PASSWORD_${id}`;
const user = `lc_shadow_${id}`;
const password = 'only-for-this-test';
const brokers = [process.env.SHADOWLINE_TEST_KAFKA!];
const mysqlUrl = `${process.env.SHADOWLINE_TEST_MYSQL_URL}/${database}`;

const scenario = {
  replay: { transforms: [{ kind: 'identity', field: 'body.from', from: 9_000_000, to: 9_999_999 }] },
  shadow: {
    flag: { header: 'x-shadow' },
    mysql: {
      main: {
        url: mysqlUrl,
        mode: 'table',
        suffix: '_shadow',
        schema: '',
        account: { user, passwordEnv: PASSWORD_ENV },
        tables: { accounts: 'shadow', transfers: 'shadow', audit: 'shadow', branches: 'real-read' },
        seed: { accounts: { idOffset: { id: 9_000_000 } } },
        identityColumns: { transfers: ['from_account'] },
      },
    },
    postgres: {},
    kafka: { suffix: '.shadow', brokers, topics: [topic], messageMaxAgeMs: 60_000 },
    redis: { url: process.env.SHADOWLINE_TEST_REDIS_URL!, prefix: `lc-${id}:{run}:`, maxTtlMs: 60_000 },
  },
} as unknown as Scenario;

describe('leak check on real servers', () => {
  let admin: mysql.Connection;
  let kafka: Kafka;
  let producer: Producer;
  let redis: Redis;
  let stores: Stores;
  let telemetry: Telemetry;
  let audit: Audit;
  const notes: string[] = [];

  beforeAll(async () => {
    process.env[PASSWORD_ENV] = password;
    admin = await mysql.createConnection({ uri: process.env.SHADOWLINE_TEST_MYSQL_URL!, multipleStatements: true });
    await admin.query(`CREATE DATABASE ${database}; USE ${database};
      CREATE TABLE branches (id INT PRIMARY KEY, city VARCHAR(20));
      CREATE TABLE secrets (id INT PRIMARY KEY);
      CREATE TABLE accounts (id BIGINT UNSIGNED PRIMARY KEY, cents BIGINT NOT NULL);
      CREATE TABLE transfers (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, from_account BIGINT UNSIGNED NOT NULL, memo VARCHAR(100),
        FOREIGN KEY (from_account) REFERENCES accounts (id));
      CREATE TABLE audit (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, note VARCHAR(100));
      CREATE TRIGGER t AFTER INSERT ON transfers FOR EACH ROW INSERT INTO audit (note) VALUES (NEW.memo);
      INSERT INTO accounts VALUES (1, 100), (2, 100); INSERT INTO transfers (from_account, memo) VALUES (1, 'real');`);
    kafka = new Kafka({ clientId: 'lc', brokers, logLevel: logLevel.NOTHING });
    const topics = kafka.admin();
    await topics.connect();
    await topics.createTopics({ waitForLeaders: true, topics: [{ topic, numPartitions: 2 }] });
    await topics.disconnect();
    producer = kafka.producer({ allowAutoTopicCreation: false });
    await producer.connect();
    redis = new Redis(process.env.SHADOWLINE_TEST_REDIS_URL!);
  });

  afterAll(async () => {
    await stores?.close();
    await admin.query(`DROP DATABASE ${database}; DROP USER IF EXISTS '${user}'@'%'`);
    admin.destroy();
    const topics = kafka.admin();
    await topics.connect();
    await topics.deleteTopics({ topics: [topic, `${topic}.shadow`] });
    await topics.disconnect();
    await producer.disconnect();
    const keys = await redis.keys(`lc-${id}*`);
    if (keys.length > 0) await redis.del(keys);
    redis.disconnect();
  });

  async function provisionShadow(): Promise<void> {
    const { url, ...rest } = scenario.shadow.mysql.main!;
    const options = { ...rest, database, account: { user, password } };
    const db = {
      query: async (sql: string, params?: unknown[]) => {
        const [rows] = await admin.query(sql, params);
        return (Array.isArray(rows) ? rows : []) as Record<string, unknown>[];
      },
    };
    await provision(db, await plan(db, options), { password });
  }

  it('refuses before the shadow side is there, with what is missing and what to do', async () => {
    const opened = await openStores(scenario);
    expect(opened.problems).toEqual([]);
    const { problems, notes: said } = await mysqlProblems(opened.stores.mysql);
    await opened.stores.close();
    expect(problems.join('\n')).toMatch(/accounts has no shadow table. Run `stress shadow-db provision`/);
    expect(problems.join('\n')).toMatch(/restricted account .* cannot be used/);
    expect(said.join('\n')).toMatch(/no class for secrets/);
  });

  it('refuses when a consumer of a real topic has no shadow twin', async () => {
    const opened = await openStores(scenario);
    const consumer = kafka.consumer({ groupId: `lc-${id}`, sessionTimeout: 10_000 });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const joined = new Promise((resolve) => consumer.on('consumer.group_join', resolve));
    await consumer.run({ eachMessage: async () => undefined });
    await joined;
    try {
      const { problems, notes: said } = await kafkaProblems(
        opened.stores.kafka,
        scenario.shadow.kafka,
        // Waiting for a twin that never comes ends as soon as somebody interrupts.
        AbortSignal.timeout(3_000),
      );
      expect(problems).toHaveLength(1);
      expect(problems[0]).toMatch(new RegExp(`consumer group lc-${id} reads ${topic}, and no group lc-${id}.shadow`));
      expect(said.join('\n')).toMatch(new RegExp(`${topic}.shadow was created with 2 partitions`));
    } finally {
      await consumer.disconnect();
      await opened.stores.close();
    }
  });

  describe('a run', () => {
    beforeAll(provisionShadow);
    beforeEach(async () => {
      await stores?.close();
      const opened = await openStores(scenario);
      stores = opened.stores;
      const { problems } = await mysqlProblems(stores.mysql);
      expect(problems).toEqual([]);
      const { problems: messages } = await kafkaProblems(stores.kafka, { ...scenario.shadow.kafka! }, undefined);
      expect(messages).toEqual([]);
      telemetry = {
        fleet: new Fleet(),
        traffic: new Traffic(),
        claims: new Claims(RUN, () => undefined),
        close: async () => undefined,
      };
      notes.length = 0;
      audit = new Audit({ scenario, stores, telemetry, runId: RUN, canary: CANARY, note: (text) => notes.push(text) });
      await audit.begin();
    });

    /** What an agent would report. */
    function claim(store: string, target: string, rows: number): void {
      const attributes = {
        'shadowline.run': RUN,
        'shadowline.store': store,
        'shadowline.target': target,
        'shadowline.operation': 'insert',
      };
      const origin = { service: 'payment', instance: 'i', agentVersion: '', configVersion: '', telemetryVersion: '1' };
      const point = { name: 'shadowline.writes', attributes, startMs: 0, timeMs: 0, histogram: undefined, value: rows };
      telemetry.claims.ingest({ origin, points: [point], events: [] }, Date.now());
    }

    async function shadowRow(run: string, memo: string): Promise<void> {
      const insert = `INSERT INTO ${database}.transfers_shadow (from_account, memo) VALUES (9000001, ?)`;
      await admin.query(`SET @shadowline_run = ?; ${insert}; SET @shadowline_run = NULL`, [run, memo]);
    }

    async function shadowTransfer(memo: string): Promise<void> {
      await shadowRow(RUN, memo);
      claim('mysql', `${database}.transfers_shadow`, 1);
      await producer.send({ topic: `${topic}.shadow`, messages: [{ value: memo, headers: { 'x-shadow': 'v1' } }] });
      claim('kafka', `${topic}.shadow`, 1);
      await redis.set(`lc-${id}:${RUN}:account:1`, memo);
      claim('redis', `lc-${id}:{run}:`, 1);
    }

    it('is clean when every write is where it belongs, and ordinary work goes on', async () => {
      await shadowTransfer(`${CANARY}-0-a`);
      await shadowTransfer(`${CANARY}-0-b`);
      await admin.query(`INSERT INTO ${database}.transfers (from_account, memo) VALUES (2, 'real again')`);
      await producer.send({ topic, messages: [{ value: 'real' }] });
      await redis.set(`lc-${id}-real`, 'real');
      expect(await audit.quick()).toEqual([]);
      const report = await audit.finish([]);
      expect(report).toMatchObject({ outcome: 'clean', leaks: [], canaryFoundInShadow: 4 });
      expect(
        Object.fromEntries(report.stores.map((one) => [one.shadow, [one.writesIssued, one.rowsFound, one.outcome]])),
      ).toEqual({
        [`${database}.accounts_shadow`]: [0, 0, 'equal'],
        [`${database}.transfers_shadow`]: [2, 2, 'equal'],
        [`${database}.audit_shadow`]: [0, 2, 'derived'],
        [`${topic}.shadow`]: [2, 2, 'equal'],
        [`lc-${id}:${RUN}:`]: [2, 1, 'not-counted'],
      });
      expect(report.sentence).toMatch(/^Nothing leaked: all 4 shadow writes/);
      expect(report.sentence).toMatch(/rows of 3 real tables/);
      expect(report.coverage.map(({ store, notSearched }) => [store, notSearched])).toEqual([['main', []]]);
      const by = Object.fromEntries(report.coverage[0]!.searched.map((one) => [one.table.replace(/.*\./, ''), one.by]));
      expect(by).toEqual({
        accounts: 'none',
        audit: 'auto-increment',
        branches: 'whole',
        secrets: 'none',
        transfers: 'auto-increment',
      });
    });

    it('is incomplete when a table whose shadow is written could not be searched, unless the scenario allows it', async () => {
      const { audit: _, ...main } = scenario.shadow.mysql.main!;
      for (const [limits, outcome] of [
        [{ maxRows: 1 }, 'incomplete'],
        [{}, 'clean'],
      ] as const) {
        await stores.close();
        const limited = { ...scenario, shadow: { ...scenario.shadow, mysql: { main: { ...main, audit: limits } } } };
        stores = (await openStores(limited as Scenario)).stores;
        await mysqlProblems(stores.mysql);
        audit = new Audit({ scenario, stores, telemetry, runId: RUN, canary: CANARY, note: () => undefined });
        await audit.begin();
        for (const memo of ['one', 'two', 'three', 'four'])
          await admin.query(`INSERT INTO ${database}.transfers (from_account, memo) VALUES (2, ?)`, [memo]);
        // pieces of a thousand rows: the limit ends the search after the first
        await admin.query(`INSERT INTO ${database}.transfers (from_account, memo) SELECT 2, 'real' FROM seq_1_to_1500`);
        const report = await audit.finish([]);
        expect(report.outcome).toBe(outcome);
        expect(report.coverage[0]!.notSearched.length > 0).toBe(outcome === 'incomplete');
        await admin.query(`DELETE FROM ${database}.transfers WHERE id > 1; DELETE FROM ${database}.audit WHERE id > 1`);
      }
    });

    it('counts and cleans each of two runs for itself, and seeds again when the last one ends', async () => {
      const other = (await openStores(scenario)).stores;
      try {
        const { notes: said } = await mysqlProblems(other.mysql);
        expect(said.join('\n')).toMatch(/1 other runs use/);
        await shadowTransfer('mine');
        await shadowRow('r-other', 'theirs');
        await admin.query(`UPDATE ${database}.accounts_shadow SET cents = 7`);
        const report = await audit.finish([]);
        expect(report).toMatchObject({ outcome: 'clean', leaks: [] });
        expect(report.stores.find((one) => one.shadow.endsWith('transfers_shadow'))).toMatchObject({
          rowsFound: 1,
          outcome: 'equal',
        });
        const cleaned = await stores.mysql[0]!.clean(RUN);
        expect(cleaned).toMatchObject({
          complete: true,
          text: expect.stringMatching(/seed was not put back, since 1 other runs go on/),
        });
        expect(await shadowState()).toEqual({ accounts: 2, changed: 2, transfers: ['theirs'], seeded: 2 });
      } finally {
        await other.close();
      }
      // the other run has ended, and its rows are still there: they are not ours to remove
      expect((await stores.mysql[0]!.clean(RUN)).text).toMatch(
        /seed was not put back, since rows of r-other are there/,
      );
      expect((await shadowState()).transfers).toEqual(['theirs']);
      expect((await stores.mysql[0]!.clean('r-other')).text).toMatch(/seed put back/);
      expect(await shadowState()).toEqual({ accounts: 2, changed: 0, transfers: [], seeded: 2 });
    });

    async function shadowState() {
      const [accounts] = await admin.query<mysql.RowDataPacket[]>(
        `SELECT COUNT(*) AS n, SUM(cents = 7) AS changed, SUM(shadowline_run IS NULL) AS seeded FROM ${database}.accounts_shadow`,
      );
      const [transfers] = await admin.query<mysql.RowDataPacket[]>(`SELECT memo FROM ${database}.transfers_shadow`);
      const { n, changed, seeded } = accounts[0]!;
      return {
        accounts: n,
        changed: Number(changed),
        seeded: Number(seeded),
        transfers: transfers.map(({ memo }) => memo),
      };
    }

    it('finds the canary, a shadow id and a flagged message in real stores, and names place and count', async () => {
      await admin.query(
        `INSERT INTO ${database}.transfers (from_account, memo) VALUES (1, '${CANARY}-0-x'), (2, 'pre ${CANARY}-1-y')`,
      );
      const quick = await audit.quick();
      expect(quick).toEqual(
        [
          // The trigger carried it on into the real audit table.
          { store: 'mysql', target: `${database}.audit`, kind: 'canary', count: 2, samples: expect.anything() },
          { store: 'mysql', target: `${database}.transfers`, kind: 'canary', count: 2, samples: expect.anything() },
        ].sort(
          (a, b) =>
            quick.findIndex((one) => one.target === a.target) - quick.findIndex((one) => one.target === b.target),
        ),
      );
      await admin.query(
        `SET foreign_key_checks = 0; INSERT INTO ${database}.transfers (from_account, memo) VALUES (9000001, 'no canary'); SET foreign_key_checks = 1`,
      );
      await producer.send({
        topic,
        messages: [{ value: `{"memo":"${CANARY}-0-x"}` }, { value: 'x', headers: { 'x-shadow': 'v1' } }],
      });
      await redis.hset(`lc-${id}-leaked`, 'memo', `${CANARY}-0-x`);
      const report = await audit.finish([]);
      expect(report.outcome).toBe('leak');
      const found = report.leaks.map(({ store, target, kind, count }) => `${store} ${target} ${kind} ${count}`).sort();
      expect(found).toEqual([
        `kafka ${topic} canary 1`,
        `kafka ${topic} shadow-flag 1`,
        `mysql ${database}.audit canary 2`,
        `mysql ${database}.transfers canary 2`,
        `mysql ${database}.transfers shadow-id 1`,
        `redis lc-${id}-leaked canary 1`,
      ]);
      await admin.query(`DELETE FROM ${database}.transfers WHERE id > 1; DELETE FROM ${database}.audit WHERE id > 1`);
      await redis.del(`lc-${id}-leaked`);
    });

    it('calls a write that was issued and is not there a leak', async () => {
      claim('mysql', `${database}.transfers_shadow`, 1);
      const report = await audit.finish([]);
      expect(report.leaks).toEqual([
        { store: 'mysql', target: `${database}.transfers`, kind: 'missing-rows', count: 1, samples: [] },
      ]);
    });

    it('calls the same incomplete when telemetry was lost', async () => {
      claim('mysql', `${database}.transfers_shadow`, 1);
      const report = await audit.finish(['payment']);
      expect(report).toMatchObject({ outcome: 'incomplete', leaks: [] });
      expect(report.sentence).toMatch(/telemetry of payment was lost/);
    });

    it('does not count shadow ids of an earlier leak again, and says that they are there', async () => {
      await admin.query(
        `SET foreign_key_checks = 0; INSERT INTO ${database}.transfers (from_account, memo) VALUES (9000001, 'old'); SET foreign_key_checks = 1`,
      );
      const checked = await mysqlProblems(stores.mysql);
      expect(checked.problems).toEqual([]);
      expect(checked.notes.join('\n')).toMatch(/transfers holds 1 rows with shadow ids .*before this run/);
      expect((await audit.finish([])).leaks).toEqual([]);
      await admin.query(
        `SET foreign_key_checks = 0; INSERT INTO ${database}.transfers (from_account, memo) VALUES (9000001, 'new'); SET foreign_key_checks = 1`,
      );
      expect((await audit.finish([])).leaks).toMatchObject([{ kind: 'shadow-id', count: 1 }]);
      await admin.query(`DELETE FROM ${database}.transfers WHERE id > 1`);
    });

    it('cleans shadow rows and keys only, and puts the seed back', async () => {
      await shadowTransfer(`${CANARY}-0-a`);
      const before = await realRows();
      for (const store of stores.mysql) expect((await store.clean(RUN)).complete).toBe(true);
      await stores.redis!.removePrefix(`lc-${id}:${RUN}:`);
      expect(await realRows()).toEqual(before);
      const [rows] = await admin.query(`SELECT (SELECT COUNT(*) FROM ${database}.accounts_shadow) AS accounts,
        (SELECT COUNT(*) FROM ${database}.transfers_shadow) AS transfers`);
      expect(rows).toEqual([{ accounts: 2, transfers: 0 }]);
      expect(await redis.keys(`lc-${id}:*`)).toEqual([]);
      expect((await mysqlProblems(stores.mysql)).problems).toEqual([]);
    });

    async function realRows(): Promise<unknown> {
      const [rows] = await admin.query(`SELECT * FROM ${database}.transfers; SELECT * FROM ${database}.accounts`);
      return rows;
    }

    it('is incomplete and never clean when a store cannot be asked', async () => {
      stores.redis!.close();
      await stores.mysql[0]!.close();
      const report = await audit.finish([]);
      expect(report.outcome).toBe('incomplete');
      expect(report.sentence).toMatch(/MySQL store main could not be searched/);
      expect(report.stores.find((one) => one.shadow.endsWith('transfers_shadow'))).toMatchObject({
        rowsFound: null,
        outcome: 'not-counted',
      });
    });
  });
});
