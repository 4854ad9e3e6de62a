import type { CommandModule } from 'yargs';
import { CliError, exitCodes } from '../exit-codes.js';

const compare: CommandModule = {
  command: 'compare [runs..]',
  describe: 'Compare two runs (not built yet)',
  // Whatever options it is asked with, the answer is the same.
  builder: (cli) => cli.strict(false),
  handler() {
    throw new CliError(
      exitCodes.usage,
      '`stress compare` is not built yet',
      'the reports of both runs can be read side by side: stress report <run folder>',
    );
  },
};

export default compare;
