import { writeFileSync } from 'node:fs';
import { configVersionOf } from '@shadowline/agent/config';
import type { CommandModule } from 'yargs';
import { agentConfigOf } from '../../orchestrator/scenario/index.js';
import { type ScenarioArguments, scenarioOf, scenarioOptions } from '../scenario-options.js';
import { note, print } from '../terminal.js';

interface Arguments extends ScenarioArguments {
  out?: string | undefined;
  quiet: boolean;
}

const agentConfig: CommandModule<object, Arguments> = {
  command: 'agent-config <scenario>',
  describe: 'Print the configuration that all agents share',
  builder: (cli) =>
    scenarioOptions(cli)
      .option('out', { type: 'string', describe: 'Write it to this file instead of stdout' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Do not print the version' })
      .example(
        '$0 agent-config scenario.yaml --out shadowline.json',
        'Then start each service with SHADOWLINE_CONFIG=shadowline.json',
      )
      .epilogue('It holds no secret: public keys, and names of variables that hold passwords.'),
  handler(options) {
    const config = agentConfigOf(scenarioOf(options));
    const text = `${JSON.stringify(config, null, 2)}\n`;
    if (options.out === undefined) print(text);
    else writeFileSync(options.out, text);
    note(
      `configuration version ${configVersionOf(config)}: every agent of the chain must report this one`,
      options.quiet,
    );
  },
};

export default agentConfig;
