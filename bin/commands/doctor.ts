import type { CommandModule } from 'yargs';
import { examine, type Finding } from '../examine.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { paint, print } from '../terminal.js';

interface Arguments {
  json: boolean;
  quiet: boolean;
}

const doctor: CommandModule<object, Arguments> = {
  command: 'doctor',
  describe: 'What is missing on this machine, and how to get it',
  builder: (cli) =>
    cli
      .option('json', { type: 'boolean', default: false, describe: 'Print as JSON' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print what is missing only' })
      .example('$0 doctor', 'Looks only: nothing is installed, started or sent'),
  async handler({ json, quiet }) {
    const findings = await examine(process.env);
    if (json) print(JSON.stringify(findings));
    else for (const finding of findings) if (!quiet || finding.state !== 'ok') print(line(finding));
    const missing = findings.filter((finding) => finding.state === 'missing');
    if (missing.length > 0) {
      throw new CliError(
        exitCodes.unexpected,
        `${missing.map((one) => one.what).join(', ')} cannot be had on this machine`,
        'the table says how to get each',
      );
    }
  },
};

function line({ what, state, how }: Finding): string {
  const { green, yellow, red } = paint(process.stdout);
  const word = { ok: green('ok      '), optional: yellow('absent  '), missing: red('MISSING ') }[state];
  return `${word}${what.padEnd(12)}${how}`;
}

export default doctor;
