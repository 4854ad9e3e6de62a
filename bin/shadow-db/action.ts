import type { Argv } from 'yargs';
import type { ScenarioArguments } from '../scenario-options.js';
import type { ShadowStore } from './store.js';

/** Options of all sub-commands; each declares those that it reads. */
export interface ActionArguments extends ScenarioArguments {
  store?: string | undefined;
  json: boolean;
  quiet: boolean;
  apply: boolean;
  sql: boolean;
  mode: 'rows' | 'drop';
  run?: string | undefined;
  rate?: string | undefined;
  restart: boolean;
  source?: string | undefined;
  canary: string;
  fullScan: boolean;
}

/** What an action did on one store: data for --json, lines for people, and whether all is well. */
export interface Outcome {
  data: unknown;
  lines: string[];
  /** Undefined: all is well. Otherwise the exit code, what is wrong with the stores, and the remedy. */
  trouble?: { exitCode: number; what: string; remedy: string };
}

/** One sub-command of `stress shadow-db`. */
export interface Action {
  name: string;
  describe: string;
  examples: readonly [string, string][];
  options(cli: Argv<object>): Argv<object>;
  /** `signal`: the first Ctrl-C. Undefined for actions that need no orderly end. */
  run(store: ShadowStore, options: ActionArguments, signal: AbortSignal): Promise<Outcome>;
  /** What Ctrl-C does; absent where it simply ends the process. */
  interrupt?: string;
}

export const applying = (cli: Argv<object>): Argv<object> =>
  cli.option('apply', { type: 'boolean', default: false, describe: 'Do it; without, only say what would be done' });

/** `1 row`, `20,000 rows`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}
