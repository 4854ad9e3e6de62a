import type { AgentConfig, MysqlStoreConfig } from '@shadowline/agent/config';
import { publicKeyText, readPrivateKey } from '@shadowline/agent/flag';
import type { MysqlScenario, Scenario } from './scenario.js';

/** Name of the key whose private half signs the flags of runs from this scenario. */
const RUN_KEY = 'run';

/**
 * The configuration that all agents of the chain share. Pure: the same scenario gives the same configuration and so the same
 * configuration version. It holds no secret: public keys, names of variables.
 */
export function agentConfigOf(scenario: Scenario): AgentConfig {
  const { flag, mysql, kafka, redis, egress, unknown } = scenario.shadow;
  const { header, member, edge, allowFrom } = flag;
  return {
    version: 1,
    flag: {
      keys: { [RUN_KEY]: publicKeyText(readPrivateKey(flag.privateKeyPem)), ...flag.publicKeys },
      header,
      member,
      edge,
      allowFrom,
    },
    mysql: Object.fromEntries(
      Object.entries(mysql).map(([name, store]) => [name, storeConfig(store, Object.values(mysql))]),
    ),
    kafka: kafka && {
      suffix: kafka.suffix,
      messageMaxAgeS: Math.ceil(kafka.messageMaxAgeMs / 1000),
      topics: kafka.topics,
    },
    redis: redis && { prefix: redis.prefix, maxTtlS: Math.ceil(redis.maxTtlMs / 1000) },
    egress,
    unknown,
    taint: shadowIds(scenario),
  };
}

/**
 * Host and port only where two stores share a database's name: services and the toolkit often reach one server by different names
 * (`localhost`, an address, a service name), and a store that does not match is refused.
 */
function storeConfig(store: MysqlScenario, all: MysqlScenario[]): MysqlStoreConfig {
  const url = new URL(store.url);
  const database = databaseOf(url);
  const isAlone = all.filter((other) => databaseOf(new URL(other.url)) === database).length === 1;
  return {
    database,
    ...(!isAlone && { host: url.hostname, port: Number(url.port || 3306) }),
    mode: store.mode,
    suffix: store.suffix,
    schema: store.schema,
    schemas: store.schemas,
    account: store.account,
    tables: store.tables,
    truncate: store.truncate,
    readLocks: store.readLocks,
  };
}

function databaseOf(url: URL): string {
  return decodeURIComponent(url.pathname.slice(1));
}

/** The parser sees to it that the ranges of all identity transforms touch. */
function shadowIds(scenario: Scenario): AgentConfig['taint'] {
  const ranges = scenario.replay.transforms.filter((transform) => transform.kind === 'identity');
  if (ranges.length === 0) return undefined;
  return { from: Math.min(...ranges.map((one) => one.from)), to: Math.max(...ranges.map((one) => one.to)) };
}
