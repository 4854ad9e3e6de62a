import type { Argv } from 'yargs';
import { loadScenario, type Scenario } from '../orchestrator/scenario/index.js';
import { CliError, exitCodes } from './exit-codes.js';

/** Options of every command that reads a scenario. */
export function scenarioOptions<T>(cli: Argv<T>) {
  return cli
    .positional('scenario', { type: 'string', demandOption: true, describe: 'Scenario file' })
    .option('set', {
      type: 'string',
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: 'Set a value of the scenario: load.maxInFlight=500',
    })
    .option('target', { type: 'string', describe: 'Short for --set target=…' })
    .option('recording', { type: 'string', describe: 'Short for --set recording=…; relative to the scenario' });
}

export interface ScenarioArguments {
  scenario: string;
  set: string[];
  target?: string | undefined;
  recording?: string | undefined;
}

/** @throws CliError when an option is not `path=value`. */
export function overridesOf(options: Pick<ScenarioArguments, 'set' | 'target' | 'recording'>): Record<string, string> {
  const overrides: Record<string, string> = {};
  for (const text of options.set) {
    const at = text.indexOf('=');
    if (at < 1)
      throw new CliError(
        exitCodes.usage,
        `--set ${JSON.stringify(text)} is not path=value`,
        'write it like this: --set load.maxInFlight=500',
      );
    overrides[text.slice(0, at)] = text.slice(at + 1);
  }
  for (const key of ['target', 'recording'] as const) {
    const value = options[key];
    if (value !== undefined) overrides[key] = value;
  }
  return overrides;
}

/** @throws ScenarioError */
export function scenarioOf(options: ScenarioArguments, { needsKey = true } = {}): Scenario {
  return loadScenario(options.scenario, { env: process.env, overrides: overridesOf(options), needsKey });
}
