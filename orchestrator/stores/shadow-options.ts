import type { ShadowDbOptions } from '@shadowline/shadow-db/server';
import type { ShadowDbOptions as PostgresOptions } from '@shadowline/shadow-db/server/postgres';
import type { MysqlScenario, PostgresScenario } from '../scenario/scenario.js';

/** What provisioning, audit and clean-up must know of a store. Without the account: few need its password. */
export function mysqlOptions(scenario: MysqlScenario): Omit<ShadowDbOptions, 'account'> {
  const { mode, suffix, schema, schemas, tables, seed, withoutRun, autoIncrementGap } = scenario;
  const database = decodeURIComponent(new URL(scenario.url).pathname.slice(1));
  const gap = autoIncrementGap !== undefined && { autoIncrementGap };
  return { database, mode, suffix, schema, schemas, tables, seed, withoutRun, ...gap };
}

export function postgresOptions(scenario: PostgresScenario): Omit<PostgresOptions, 'account'> {
  const { mode, realSchema, suffix, schema, schemas, tables, seed, autoIncrementGap } = scenario;
  const gap = autoIncrementGap !== undefined && { autoIncrementGap };
  return { database: realSchema, mode, suffix, schema, schemas, tables, seed, ...gap };
}
