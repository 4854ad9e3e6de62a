import type { Scenario } from '../../orchestrator/scenario/index.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { mysqlStore } from './mysql-store.js';
import { postgresStore } from './postgres-store.js';
import type { ShadowStore } from './store.js';

/** How to open each store that the scenario names, or the one that is named. @throws CliError */
export function storesOf(scenario: Scenario, only: string | undefined): (() => Promise<ShadowStore>)[] {
  const all = [
    ...Object.entries(scenario.shadow.mysql).map(
      ([name, store]) => [name, () => mysqlStore(name, store)] as [string, () => Promise<ShadowStore>],
    ),
    ...Object.entries(scenario.shadow.postgres).map(
      ([name, store]) => [name, () => postgresStore(name, store)] as [string, () => Promise<ShadowStore>],
    ),
  ];
  if (all.length === 0) {
    throw new CliError(
      exitCodes.usage,
      'the scenario names no database',
      'add it: shadow.mysql.<name> or shadow.postgres.<name>',
    );
  }
  // --store and the keys of --json tell them by name alone
  const twice = all.find(([name], at) => all.findIndex(([other]) => other === name) !== at);
  if (twice !== undefined) {
    throw new CliError(
      exitCodes.usage,
      `two stores are called ${JSON.stringify(twice[0])}, one of shadow.mysql and one of shadow.postgres`,
      'give one of them another name in the scenario',
    );
  }
  const chosen = only === undefined ? all : all.filter(([name]) => name === only);
  if (chosen.length === 0) {
    const names = all.map(([name]) => name).join(', ');
    throw new CliError(exitCodes.usage, `there is no store ${JSON.stringify(only)}`, `stores: ${names}`);
  }
  return chosen.map(([, open]) => open);
}
