import type { Scenario } from '../scenario/scenario.js';
import { type KafkaStore, openKafka } from './kafka.js';
import { type IdentityRange, type MysqlStore, openMysql } from './mysql.js';
import { openRedis, type RedisStore } from './redis.js';

export type { KafkaStore, Offsets } from './kafka.js';
export { type MysqlStore, realSuspect } from './mysql.js';
export type { RedisStore } from './redis.js';

/** The stores that a scenario names, from the toolkit's side. */
export interface Stores {
  mysql: MysqlStore[];
  kafka: KafkaStore | undefined;
  redis: RedisStore | undefined;
  close(): Promise<void>;
}

/** Opens what can be opened; what cannot is among the problems. */
export async function openStores(scenario: Scenario): Promise<{ stores: Stores; problems: string[] }> {
  const problems: string[] = [];
  const { mysql, postgres, kafka, redis } = scenario.shadow;
  for (const name of Object.keys(postgres)) {
    problems.push(
      `store ${name}: services cannot be redirected on PostgreSQL yet, so a run would be refused by each of them. Leave the store out of this scenario; stress shadow-db works on it.`,
    );
  }
  const tried = async <T>(open: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await open();
    } catch (error) {
      problems.push(`${(error as Error).message}. Start it, or correct its address in the scenario.`);
      return undefined;
    }
  };
  const opened = Object.entries(mysql).map(([name, store]) => openMysql(name, store, identityRange(scenario)));
  const [kafkaStore, redisStore] = await Promise.all([
    kafka === undefined ? undefined : tried(() => openKafka(kafka.brokers)),
    redis === undefined ? undefined : tried(() => openRedis(redis.url)),
  ]);
  const stores: Stores = {
    mysql: opened,
    kafka: kafkaStore,
    redis: redisStore,
    async close() {
      redisStore?.close();
      await Promise.allSettled([...opened.map((store) => store.close()), kafkaStore?.close()]);
    },
  };
  return { stores, problems };
}

/** Where identities of shadow traffic lie: the hull of all identity transforms. */
export function identityRange(scenario: Scenario): IdentityRange | undefined {
  const ranges = scenario.replay.transforms.filter((transform) => transform.kind === 'identity');
  if (ranges.length === 0) return undefined;
  return { from: Math.min(...ranges.map((one) => one.from)), to: Math.max(...ranges.map((one) => one.to)) };
}

/** The prefix of one run's keys. */
export function redisPrefixOf(prefix: string, runId: string): string {
  return prefix.replaceAll('{run}', runId);
}
