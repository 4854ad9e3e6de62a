import * as server from '@shadowline/shadow-db/server/postgres';
import type { PostgresScenario } from '../../orchestrator/scenario/index.js';
import { postgresOptions } from '../../orchestrator/stores/shadow-options.js';
import { addressOf } from './address.js';
import { type Address, connectPostgres, type OpenDb } from './connect.js';
import { passwordOf, type ShadowStore } from './store.js';

/** @throws CliError when the server cannot be reached; the message never holds a password */
export async function postgresStore(name: string, scenario: PostgresScenario): Promise<ShadowStore> {
  const address: Address = addressOf(name, scenario.url, 5432);
  const db = await connectPostgres(address);
  const open: OpenDb[] = [db];
  const { account } = scenario;
  const password = process.env[account.passwordEnv] ?? '';
  const options: server.ShadowDbOptions = { ...postgresOptions(scenario), account: { user: account.user, password } };
  let planned: server.Plan | undefined;
  const plan = async (): Promise<server.Plan> => {
    planned = await server.plan(db, options);
    return planned;
  };
  return {
    name,
    dialect: 'postgres',
    label: `${address.database}, schema ${scenario.realSchema}`,
    plan,
    async provision({ onStep, seed }) {
      const made = planned ?? (await plan());
      const isNeeded = made.steps.some(({ kind }) => kind === 'account');
      await server.provision(db, made, { onStep, seed, ...(isNeeded && { password: passwordOf(account) }) });
    },
    drift: () => server.drift(db, options),
    async verify() {
      const shadowAccountDb = await connectPostgres({ ...address, user: account.user, password: passwordOf(account) });
      open.push(shadowAccountDb);
      return server.verify(db, options, { shadowAccountDb });
    },
    seed: (seedPlan, asked) => server.seed(db, seedPlan, asked),
    clean: (asked) => server.clean(db, options, asked),
    audit: (asked) => server.finishAudit(db, options, server.noMark, { ...scenario.audit, ...asked }),
    async close() {
      await Promise.allSettled(open.map((one) => one.close()));
    },
  };
}
