import type { CommandModule } from 'yargs';
import { ReportError, renderReports, renderTerminal } from '../../reports/index.js';
import { CliError, exitCodes } from '../exit-codes.js';

interface Arguments {
  run: string;
  out?: string | undefined;
  json: boolean;
  quiet?: boolean | undefined;
}

const report: CommandModule<object, Arguments> = {
  command: 'report <run>',
  describe: 'Write the reports of a run again',
  builder: (cli) =>
    cli
      .positional('run', { type: 'string', demandOption: true, describe: 'Folder of the run' })
      .option('out', {
        type: 'string',
        requiresArg: true,
        describe: 'Folder for the reports (default: the folder of the run)',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the verdict and the files as JSON' })
      .example('$0 report runs/2026-03-01T12-00-00Z-payday', 'report.html, summary.md and junit.xml of that run')
      .example('$0 report runs/2026-03-01T12-00-00Z-payday --out /tmp/payday', 'Leave the folder of the run as it is')
      .example(
        '$0 report runs/2026-03-01T12-00-00Z-payday --json',
        'For scripts; the exit code says whether reports were written',
      )
      .epilogue('A run that did not end (killed, machine gone) gets a report too, of what its files still say.'),
  async handler({ run, out, json, quiet }) {
    try {
      const { files, result, partial } = await renderReports(run, { outDir: out });
      const { outcome, exitCode, sentence } = result.verdict;
      if (json) {
        process.stdout.write(
          `${JSON.stringify({ run: result.run.id, outcome, exitCode, sentence, partial, files })}\n`,
        );
        return;
      }
      if (quiet !== true) {
        const color = process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '';
        process.stdout.write(`${renderTerminal(result, { color, width: process.stdout.columns ?? 100 })}\n\n`);
      }
      process.stdout.write(`${files.join('\n')}\n`);
    } catch (error) {
      if (error instanceof ReportError) throw new CliError(codeOf(error), error.message, error.hint);
      throw error;
    }
  },
};

/** A wrong path is a wrong command line; the rest is the machine's. */
function codeOf({ code }: ReportError): number {
  return code === 'no-such-run' || code === 'not-a-run' ? exitCodes.usage : exitCodes.unexpected;
}

export default report;
