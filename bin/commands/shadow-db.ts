import { type CleanReport, clean, type Difference, drift, plan, provision, verify } from '@shadowline/shadow-db/server';
import type { Argv, CommandModule } from 'yargs';
import { CliError, exitCodes } from '../exit-codes.js';
import { type ScenarioArguments, scenarioOf, scenarioOptions } from '../scenario-options.js';
import { openStore, passwordOf, type ShadowStore, storesOf } from '../shadow-store.js';
import { note, print } from '../terminal.js';

interface Arguments extends ScenarioArguments {
  store?: string | undefined;
  apply: boolean;
  mode: 'rows' | 'drop';
  json: boolean;
  quiet: boolean;
}

/** What an action did on one store: data for --json, lines for people, and whether all is well. */
interface Outcome {
  data: unknown;
  lines: string[];
  ok: boolean;
}

type Action = (store: ShadowStore, options: Arguments) => Promise<Outcome>;

const planStore: Action = async (store) => {
  const made = await plan(store.db, store.options);
  return { data: made, lines: planLines(made), ok: true };
};

const provisionStore: Action = async (store, { apply, quiet }) => {
  const made = await plan(store.db, store.options);
  if (!apply) {
    const hint = made.steps.length > 0 ? ['', 'Nothing was changed. Carry it out with --apply.'] : [];
    return { data: { ...made, applied: false }, lines: [...planLines(made), ...hint], ok: true };
  }
  const needsPassword = made.steps.some((step) => step.kind === 'account');
  await provision(store.db, made, {
    ...(needsPassword && { password: passwordOf(store.scenario) }),
    onStep: (step, index, count) => note(`${index + 1}/${count} ${step.kind} ${step.subject}`, quiet),
  });
  return {
    data: { ...made, applied: true },
    lines: [`${made.steps.length} steps done`, ...made.warnings.map((text) => `note: ${text}`)],
    ok: true,
  };
};

const driftStore: Action = async (store) => {
  const differences = await drift(store.db, store.options);
  const lines =
    differences.length === 0 ? ['no drift: every shadow table is as its real one'] : differences.map(differenceLine);
  return { data: differences, lines, ok: differences.length === 0 };
};

const verifyStore: Action = async (store) => {
  const verification = await verify(store.db, store.options, { shadowAccountDb: await store.connectRestricted() });
  const lines = verification.checks.map((check) => `${check.ok ? 'ok  ' : 'FAIL'} ${check.subject}: ${check.detail}`);
  return { data: verification, lines, ok: verification.ok };
};

const cleanStore: Action = async (store, { apply, mode }) => {
  const report = await clean(store.db, store.options, { dryRun: !apply, what: mode });
  return { data: report, lines: cleanLines(report), ok: true };
};

function planLines({ steps, warnings }: Awaited<ReturnType<typeof plan>>): string[] {
  const lines =
    steps.length === 0
      ? ['nothing to do: the shadow side is as it should be']
      : steps.flatMap((step) => [
          `${step.kind} ${step.subject}: ${step.reason}`,
          `    ${step.sql.replace(/\s+/g, ' ')}`,
        ]);
  return [...lines, ...warnings.map((text) => `note: ${text}`)];
}

function differenceLine(one: Difference): string {
  if (one.what === 'missing') return `${one.table}: has no shadow table`;
  const name = one.name === undefined ? '' : ` ${one.name}`;
  return `${one.table}: ${one.what}${name}: should be ${one.real ?? 'absent'}, is ${one.shadow ?? 'absent'}`;
}

function cleanLines(report: CleanReport): string[] {
  const rows = report.tables.map(({ table, rows: count }) => `${table}: ${count} rows`);
  const rest =
    report.what === 'rows'
      ? []
      : [
          ...report.views.map((view) => `view ${view}`),
          ...(report.account === undefined ? [] : [`account ${report.account}`]),
        ];
  const nothing = rows.length + rest.length === 0 ? ['no shadow table is there'] : [];
  const verb = report.what === 'rows' ? 'emptied' : 'dropped';
  const end = report.dryRun
    ? `Nothing was changed. With --apply these are ${verb}; real tables never are.`
    : `These were ${verb}.`;
  return [...nothing, ...rows, ...rest, end];
}

function action(
  name: string,
  describe: string,
  run: Action,
  more: (cli: Argv<object>) => Argv<object>,
): CommandModule<object, Arguments> {
  return {
    command: `${name} <scenario>`,
    describe,
    builder: (cli) =>
      scenarioOptions(more(cli))
        .option('store', { type: 'string', describe: 'Only this store of shadow.mysql' })
        .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' }) as unknown as Argv<Arguments>,
    async handler(options) {
      const outcomes: Record<string, unknown> = {};
      const failed: string[] = [];
      for (const [store, scenario] of storesOf(scenarioOf(options), options.store)) {
        const opened = await openStore(store, scenario);
        try {
          const outcome = await run(opened, options);
          outcomes[store] = outcome.data;
          if (!outcome.ok) failed.push(store);
          if (!options.json && !(options.quiet && outcome.ok))
            print(
              [
                `${store} (${opened.options.database})`,
                ...outcome.lines.map((line) => (line === '' ? '' : `  ${line}`)),
              ].join('\n'),
            );
        } finally {
          await opened.close();
        }
      }
      if (options.json) print(JSON.stringify(outcomes, null, 2));
      if (failed.length > 0) {
        const remedy = 'stress shadow-db provision <scenario> shows what has to be done, --apply does it';
        throw new CliError(
          exitCodes.preflight,
          `${name}: ${failed.join(', ')} ${failed.length === 1 ? 'is' : 'are'} not as a run needs it`,
          remedy,
        );
      }
    },
  };
}

const same = (cli: Argv<object>): Argv<object> => cli;
const applying = (cli: Argv<object>): Argv<object> =>
  cli.option('apply', { type: 'boolean', default: false, describe: 'Do it; without, only say what would be done' });
const cleaning = (cli: Argv<object>): Argv<object> =>
  applying(cli).option('mode', {
    choices: ['rows', 'drop'] as const,
    default: 'rows',
    describe: 'rows: empty the shadow tables; drop: remove tables, views and account',
  });

const actions = [
  action('plan', 'Say what provisioning would do; changes nothing', planStore, same),
  action('provision', 'Make shadow tables, triggers, views and the restricted account', provisionStore, applying),
  action('drift', 'Compare shadow tables with the real ones', driftStore, same),
  action('verify', 'Prove that the restricted account cannot write real tables', verifyStore, same),
  action('clean', 'Remove shadow rows, or the shadow side as a whole', cleanStore, cleaning),
];

const shadowDb: CommandModule = {
  command: 'shadow-db',
  describe: 'Plan, provision, check and clean shadow tables',
  builder: (cli) =>
    actions
      .reduce((sum, one) => sum.command(one as CommandModule), cli as Argv)
      .demandCommand(1, 'say which: plan, provision, drift, verify or clean')
      .example('$0 shadow-db provision scenario.yaml', 'Shows the plan')
      .example('$0 shadow-db provision scenario.yaml --apply', 'Carries it out')
      .example('$0 shadow-db clean scenario.yaml --mode drop --apply', 'Leaves no trace'),
  handler: () => undefined,
};

export default shadowDb;
