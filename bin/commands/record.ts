import type { CommandModule } from 'yargs';
import { makeRecording } from '../../orchestrator/recording/index.js';
import { parseSizeBytes, UnitError } from '../../orchestrator/scenario/units.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { tellingRecordingErrors } from '../recording-errors.js';
import { printMade } from '../recording-summary.js';
import { note } from '../terminal.js';

interface Arguments {
  from: string;
  out: string;
  shards?: number | undefined;
  maxLine: string;
  overwrite: boolean;
  json: boolean;
  quiet: boolean;
}

const record: CommandModule<object, Arguments> = {
  command: 'record',
  describe: 'Make a recording out of what agents captured',
  builder: (cli) =>
    cli
      .option('from', {
        type: 'string',
        demandOption: true,
        describe: 'Folder with the segments (*.ndjson) of recorders',
      })
      .option('out', { type: 'string', demandOption: true, describe: 'Folder to make' })
      .option('shards', { type: 'number', describe: 'Parts that workers share out (default: 64, fewer when small)' })
      .option('max-line', { type: 'string', default: '16MiB', describe: 'Longer records are left out and reported' })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Replace a recording at --out' })
      .option('json', { type: 'boolean', default: false, describe: 'Print manifest and completeness as JSON' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print the result only, no progress' })
      .example('$0 record --from ./capture --out ./recording', 'Says what of the capture could not be used, and where')
      .example('$0 recording inspect ./recording', 'What is in it') as never,
  async handler({ from, out, shards, maxLine, overwrite, json, quiet }) {
    const made = await tellingRecordingErrors(() =>
      makeRecording({
        from,
        out,
        source: 'capture',
        overwrite,
        maxLineBytes: lineBytes(maxLine),
        ...(shards === undefined ? {} : { shards: shardCount(shards) }),
        onProgress: ({ phase, records }) => note(`${phase}: ${records} records`, quiet || json),
      }),
    );
    printMade(made, out, json);
  },
};

function lineBytes(text: string): number {
  try {
    return parseSizeBytes(text);
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    throw new CliError(exitCodes.usage, `--max-line: ${error.message}`, error.remedy);
  }
}

export function shardCount(shards: number): number {
  if (Number.isInteger(shards) && shards >= 1 && shards <= 1024) return shards;
  throw new CliError(exitCodes.usage, `--shards is ${shards}`, 'give a whole number from 1 to 1024');
}

export default record;
