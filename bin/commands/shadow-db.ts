import type { Argv, CommandModule } from 'yargs';
import { CliError, exitCodes } from '../exit-codes.js';
import { interruptible } from '../interrupt.js';
import { scenarioOf, scenarioOptions } from '../scenario-options.js';
import type { Action, ActionArguments, Outcome } from '../shadow-db/action.js';
import { auditAction } from '../shadow-db/audit.js';
import { cleanAction } from '../shadow-db/clean.js';
import { driftAction } from '../shadow-db/drift.js';
import { planAction } from '../shadow-db/plan.js';
import { provisionAction } from '../shadow-db/provision.js';
import { seedAction } from '../shadow-db/seed.js';
import type { ShadowStore } from '../shadow-db/store.js';
import { storesOf } from '../shadow-db/stores.js';
import { verifyAction } from '../shadow-db/verify.js';
import { note, print } from '../terminal.js';

/** In the order of use. */
const actions = [planAction, provisionAction, seedAction, driftAction, verifyAction, auditAction, cleanAction];

function subCommand(action: Action): CommandModule<object, ActionArguments> {
  return {
    command: `${action.name} <scenario>`,
    describe: action.describe,
    builder: (cli) => {
      const all = scenarioOptions(action.options(cli))
        .option('store', { type: 'string', describe: 'Only this store of shadow.mysql or shadow.postgres' })
        .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' });
      for (const [command, what] of action.examples) all.example(command, what);
      return all as unknown as Argv<ActionArguments>;
    },
    handler: (options) => overStores(action, options),
  };
}

async function overStores(action: Action, options: ActionArguments): Promise<void> {
  const outcomes: Record<string, unknown> = {};
  const troubled: { name: string; trouble: NonNullable<Outcome['trouble']> }[] = [];
  const opens = storesOf(scenarioOf(options, { needsKey: false }), options.store);
  const { interrupt } = action;
  const work =
    interrupt === undefined
      ? { signal: new AbortController().signal, end: () => undefined }
      : interruptible((text) => note(text), process, { first: interrupt, second: 'stopping at once' });
  try {
    for (const open of opens) {
      const store = await open();
      try {
        const outcome = await action.run(store, options, work.signal);
        outcomes[store.name] = outcome.data;
        if (outcome.trouble !== undefined) troubled.push({ name: store.name, trouble: outcome.trouble });
        show(store, outcome, options);
      } catch (error) {
        throw work.signal.aborted ? interrupted(action, store, error) : error;
      } finally {
        await store.close();
      }
    }
  } finally {
    work.end();
    // what earlier stores gave is not lost when a later one fails
    if (options.json && Object.keys(outcomes).length > 0) print(JSON.stringify(outcomes, null, 2));
  }
  // a leak in one store is not to be missed behind what is less in another
  const worst = troubled.find(({ trouble }) => trouble.exitCode === exitCodes.leak) ?? troubled[0];
  if (worst === undefined) return;
  const { exitCode, what, remedy } = worst.trouble;
  const names = troubled.filter(({ trouble }) => trouble.exitCode === exitCode).map(({ name }) => name);
  throw new CliError(
    exitCode,
    `${action.name}: ${names.join(', ')} ${names.length === 1 ? 'is' : 'are'} ${what}`,
    remedy,
  );
}

function show(store: ShadowStore, { lines, trouble }: Outcome, { json, quiet, sql }: ActionArguments): void {
  if (json || (quiet && trouble === undefined)) return;
  const head = `${store.name} (${store.label})`;
  const body = lines.map((line) => (line === '' || sql ? line : `  ${line}`));
  print([sql ? `-- ${head}` : head, ...body].join('\n'));
}

function interrupted(action: Action, store: ShadowStore, error: unknown): CliError {
  const why = error instanceof Error && error.name !== 'AbortError' ? `: ${error.message}` : '';
  return new CliError(
    exitCodes.interrupted,
    `${action.name} of ${store.name} was interrupted${why}`,
    'the same command goes on from there',
  );
}

const shadowDb: CommandModule = {
  command: 'shadow-db',
  describe: 'Plan, provision, seed, check, audit and clean shadow tables',
  builder: (cli) =>
    actions
      .reduce((sum, one) => sum.command(subCommand(one) as unknown as CommandModule), cli as Argv)
      .demandCommand(1, `say which: ${actions.map(({ name }) => name).join(', ')}`)
      .example('$0 shadow-db provision scenario.yaml', 'Shows the plan')
      .example('$0 shadow-db provision scenario.yaml --apply', 'Carries it out')
      .example('$0 shadow-db clean scenario.yaml --mode drop --apply', 'Leaves no trace'),
  handler: () => undefined,
};

export default shadowDb;
