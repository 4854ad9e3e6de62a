import * as server from '@shadowline/shadow-db/server';
import type { MysqlScenario } from '../../orchestrator/scenario/index.js';
import { runLocks } from '../../orchestrator/stores/presence.js';
import { mysqlOptions } from '../../orchestrator/stores/shadow-options.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { addressOf } from './address.js';
import { type Address, connectMysql, type OpenDb } from './connect.js';
import { passwordOf, type ShadowStore } from './store.js';

/** @throws CliError when the server cannot be reached; the message never holds a password */
export async function mysqlStore(name: string, scenario: MysqlScenario): Promise<ShadowStore> {
  const address: Address = addressOf(name, scenario.url, 3306);
  const db = await connectMysql(address);
  const open: OpenDb[] = [db];
  const { account } = scenario;
  // only provisioning sends the password; a plan never holds it
  const password = process.env[account.passwordEnv] ?? '';
  const options: server.ShadowDbOptions = { ...mysqlOptions(scenario), account: { user: account.user, password } };
  let planned: server.Plan | undefined;
  const plan = async (): Promise<server.Plan> => {
    planned = await server.plan(db, options);
    return planned;
  };
  return {
    name,
    dialect: 'mysql',
    label: address.database,
    plan,
    async provision({ onStep, seed }) {
      const made = planned ?? (await plan());
      const isNeeded = made.steps.some(({ kind }) => kind === 'account');
      await server.provision(db, made, { onStep, seed, ...(isNeeded && { password: passwordOf(account) }) });
    },
    drift: () => server.drift(db, options),
    async verify() {
      const database = scenario.mode === 'schema' ? scenario.schema : address.database;
      const restricted = { ...address, user: account.user, password: passwordOf(account), database };
      const shadowAccountDb = await connectMysql(restricted);
      open.push(shadowAccountDb);
      return server.verify(db, options, { shadowAccountDb });
    },
    seed: (seedPlan, asked) => server.seed(db, seedPlan, asked),
    async clean(asked) {
      // the rows of one run may go while others go on
      if (asked.dryRun === false && asked.run === undefined) await refuseWhileRunning(db, address.database);
      return server.clean(db, options, asked);
    },
    audit: (asked) => server.finishAudit(db, options, server.noMark, { ...scenario.audit, ...asked }),
    async close() {
      await Promise.allSettled(open.map((one) => one.close()));
    },
  };
}

/** @throws CliError while a run uses the database: what it reads would vanish under it, and its proof with it */
async function refuseWhileRunning(db: OpenDb, database: string): Promise<void> {
  const locks = runLocks(database);
  const [row] = await db.query(`SELECT ${locks.map(() => '(IS_USED_LOCK(?) IS NOT NULL)').join(' + ')} AS n`, locks);
  const runs = Number(row?.n ?? 0);
  if (runs === 0) return;
  throw new CliError(
    exitCodes.preflight,
    `${runs === 1 ? 'a run uses' : `${runs} runs use`} ${database}: nothing was removed`,
    'wait until it has ended, or clean the rows of an earlier run alone: --run <id>',
  );
}
