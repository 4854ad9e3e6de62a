import type { CommandModule } from 'yargs';
import { jsonSchema, readScenario, ScenarioError, validateScenario } from '../../orchestrator/scenario/index.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { overridesOf } from '../scenario-options.js';
import { print } from '../terminal.js';

interface Arguments {
  scenario?: string | undefined;
  schema: boolean;
  json: boolean;
  quiet: boolean;
  set: string[];
}

const validate: CommandModule<object, Arguments> = {
  command: 'validate [scenario]',
  describe: 'Check a scenario; sends nothing',
  builder: (cli) =>
    cli
      .positional('scenario', { type: 'string', describe: 'Scenario file' })
      .option('schema', { type: 'boolean', default: false, describe: 'Print the JSON schema for editors instead' })
      .option('json', { type: 'boolean', default: false, describe: 'Print problems as JSON' })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [],
        describe: 'Set a value of the scenario: load.maxInFlight=500',
      })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print problems only' })
      .example('$0 validate scenario.yaml', 'All problems at once, each with file, line and column')
      .example('$0 validate --schema > scenario.schema.json', 'For the YAML plug-in of an editor'),
  handler({ scenario: file, schema, json, quiet, set }) {
    if (schema) {
      print(JSON.stringify(jsonSchema(), null, 2));
      return;
    }
    if (file === undefined)
      throw new CliError(exitCodes.usage, 'no scenario is named', 'stress validate scenario.yaml');
    const { scenario, problems } = validateScenario(readScenario(file), file, process.env, {
      overrides: overridesOf({ set }),
    });
    if (json) {
      print(JSON.stringify({ ok: scenario !== undefined, problems }));
      if (scenario === undefined) process.exitCode = exitCodes.usage;
      return;
    }
    if (scenario === undefined) throw new ScenarioError(problems);
    if (quiet) return;
    const { services, slo, guardrails, load, shadow } = scenario;
    const stores = [
      ...Object.keys(shadow.mysql).map((name) => `mysql ${name}`),
      ...Object.keys(shadow.postgres).map((name) => `postgres ${name} (shadow-db only: a run is refused)`),
      ...(shadow.kafka ? ['kafka'] : []),
      ...(shadow.redis ? ['redis'] : []),
    ];
    const plan =
      load.stages.length > 0
        ? `${load.stages.length} stages`
        : `the recorded schedule at speed ${scenario.replay.speed}`;
    print(
      [
        `${file} is valid: ${scenario.name}`,
        `  target      ${scenario.target}${scenario.confirmRequired ? ' (a host is not on this machine: stress run will ask, or wants --yes)' : ''}`,
        `  services    ${Object.keys(services).join(', ')}`,
        `  stores      ${stores.join(', ') || 'none'}`,
        `  load        ${plan}`,
        `  held        ${slo.length} thresholds, ${guardrails.length} guardrails`,
      ].join('\n'),
    );
  },
};

export default validate;
