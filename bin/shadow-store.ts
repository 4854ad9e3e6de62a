import type { Db, ShadowDbOptions } from '@shadowline/shadow-db/server';
import { type Connection, createConnection } from 'mysql2/promise';
import type { MysqlScenario, Scenario } from '../orchestrator/scenario/index.js';
import { CliError, exitCodes } from './exit-codes.js';

/** One store of a scenario, connected with the account that may read everything and provision shadow tables. */
export interface ShadowStore {
  name: string;
  db: Db;
  options: ShadowDbOptions;
  scenario: MysqlScenario;
  /** Connects with the restricted account. @throws CliError when its password is not set or it may not log in. */
  connectRestricted(): Promise<Db>;
  close(): Promise<void>;
}

/** The scenario's stores, or the one that is named. @throws CliError */
export function storesOf(scenario: Scenario, only: string | undefined): [string, MysqlScenario][] {
  const all = Object.entries(scenario.shadow.mysql);
  if (all.length === 0)
    throw new CliError(exitCodes.usage, 'the scenario names no database', 'add it: shadow.mysql.<name>');
  const chosen = only === undefined ? all : all.filter(([name]) => name === only);
  if (chosen.length === 0)
    throw new CliError(
      exitCodes.usage,
      `there is no store ${JSON.stringify(only)}`,
      `stores: ${all.map(([name]) => name).join(', ')}`,
    );
  return chosen;
}

/** @throws CliError when the server cannot be reached; the message never holds a password. */
export async function openStore(name: string, scenario: MysqlScenario): Promise<ShadowStore> {
  const url = new URL(scenario.url);
  const database = decodeURIComponent(url.pathname.slice(1));
  const main = await connect(name, url, decodeURIComponent(url.username), decodeURIComponent(url.password), database);
  const open: Connection[] = [main];
  const password = process.env[scenario.account.passwordEnv] ?? '';
  return {
    name,
    db: dbOf(main),
    scenario,
    options: {
      database,
      mode: scenario.mode,
      suffix: scenario.suffix,
      schema: scenario.schema,
      tables: scenario.tables,
      seed: scenario.seed,
      account: { user: scenario.account.user, password },
    },
    async connectRestricted() {
      const { user } = scenario.account;
      const connection = await connect(
        name,
        url,
        user,
        passwordOf(scenario),
        scenario.mode === 'schema' ? scenario.schema : database,
      );
      open.push(connection);
      return dbOf(connection);
    },
    async close() {
      await Promise.allSettled(open.map((connection) => connection.end()));
    },
  };
}

/** Password of the restricted account. @throws CliError when its variable is not set. */
export function passwordOf({ account }: MysqlScenario): string {
  const password = process.env[account.passwordEnv];
  if (password !== undefined && password !== '') return password;
  throw new CliError(
    exitCodes.usage,
    `the password of account ${account.user} is not set`,
    `set ${account.passwordEnv} to the password that the services use for it`,
  );
}

async function connect(name: string, url: URL, user: string, password: string, database: string): Promise<Connection> {
  try {
    return await createConnection({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 3306),
      user,
      password,
      database,
      multipleStatements: false,
      supportBigNumbers: true,
      bigNumberStrings: true,
      connectTimeout: 10_000,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = message === '' ? code : message;
    throw new CliError(
      exitCodes.unexpected,
      `store ${name}: ${user}@${url.host}/${database} cannot be reached: ${why}`,
      'is the server up, and are host, account and database right?',
    );
  }
}

function dbOf(connection: Connection): Db {
  return {
    async query(sql, params) {
      const [rows] = await connection.query(sql, params);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    },
  };
}
