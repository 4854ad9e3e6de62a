import type { CommandModule } from 'yargs';
import { CliError, type ExitName, exitCodes, exitMeanings } from '../exit-codes.js';
import { print } from '../terminal.js';

const help: CommandModule<object, { topic?: string | undefined }> = {
  command: 'help [topic]',
  describe: 'Explain a topic: exit-codes',
  builder: (cli) =>
    cli.positional('topic', { type: 'string', describe: 'exit-codes' }).example('$0 help exit-codes', ''),
  handler({ topic }) {
    if (topic === undefined)
      print('Topics: exit-codes\n`stress --help` lists the commands, `stress <command> --help` explains one.');
    else if (topic === 'exit-codes') print(exitCodeTable());
    else
      throw new CliError(
        exitCodes.usage,
        `there is no topic ${JSON.stringify(topic)}`,
        `topics: exit-codes; for a command: stress ${topic} --help`,
      );
  },
};

function exitCodeTable(): string {
  const names = Object.keys(exitCodes) as ExitName[];
  return names
    .map((name) => `${String(exitCodes[name]).padStart(4)}  ${name.padEnd(13)} ${exitMeanings[name]}`)
    .join('\n');
}

export default help;
