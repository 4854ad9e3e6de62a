import type { CommandModule } from 'yargs';
import { CliError, exitCodes } from '../exit-codes.js';

const capacity: CommandModule = {
  command: 'capacity [scenario]',
  describe: 'Search for the highest rate within the SLO (not built yet)',
  // Whatever options it is asked with, the answer is the same.
  builder: (cli) => cli.strict(false),
  handler() {
    throw new CliError(
      exitCodes.usage,
      '`stress capacity` is not built yet',
      'stages that step up (load.stages) show the highest rate that was held: stress run <scenario>',
    );
  },
};

export default capacity;
