import type { CommandModule } from 'yargs';
import { importAccessLog } from '../../orchestrator/recording/index.js';
import { parseDurationMs, UnitError } from '../../orchestrator/scenario/units.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { tellingRecordingErrors } from '../recording-errors.js';
import { printMade } from '../recording-summary.js';
import { note } from '../terminal.js';
import { shardCount } from './record.js';

interface Arguments {
  log: string;
  out: string;
  format: string;
  from?: string | undefined;
  to?: string | undefined;
  maxGap?: string | undefined;
  shards?: number | undefined;
  strict: boolean;
  overwrite: boolean;
  json: boolean;
  quiet: boolean;
}

const importLog: CommandModule<object, Arguments> = {
  command: 'import <log>',
  describe: 'Make a recording out of an access log',
  builder: (cli) =>
    cli
      .positional('log', {
        type: 'string',
        demandOption: true,
        describe: 'Apache or nginx log, plain or gzip; - for standard input',
      })
      .option('out', { type: 'string', demandOption: true, describe: 'Folder to make' })
      .option('format', {
        type: 'string',
        default: 'combined',
        describe: 'combined (reads common as well); har, gor, otlp and json are not supported yet',
      })
      .option('from', {
        type: 'string',
        describe: 'Only requests from this time on (ISO 8601; UTC unless it says otherwise)',
      })
      .option('to', { type: 'string', describe: 'Only requests before this time' })
      .option('max-gap', { type: 'string', describe: 'Shorten longer pauses in which nothing was requested: 1s' })
      .option('shards', { type: 'number', describe: 'Parts that workers share out (default: 64, fewer when small)' })
      .option('strict', { type: 'boolean', default: false, describe: 'Fail at the first line that cannot be used' })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Replace a recording at --out' })
      .option('json', { type: 'boolean', default: false, describe: 'Print manifest and completeness as JSON' })
      .option('quiet', { type: 'boolean', default: false, describe: 'Print the result only, no progress' })
      .example(
        '$0 import access.log.gz --out ./recording',
        'Lines that cannot be used are counted, with line number and reason',
      )
      .example('zcat access.log.*.gz | $0 import - --out ./recording', 'From standard input')
      .example('$0 import access.log --out ./peak --from 2015-05-19T19:00Z --to 2015-05-19T20:00Z', 'One hour of it')
      .epilogue(
        'Such a log has times of one second: the requests of a second are spread evenly within it, in the order of the log. A session is a client address with a user agent. Bodies are not in it, so a POST is replayed without one.',
      ) as never,
  async handler(options) {
    // yargs hands a lone dash over as an empty word.
    const log = options.log === '' && process.argv.includes('-') ? '-' : options.log;
    const { out, strict, overwrite, json, quiet, shards, maxGap } = options;
    if (options.format !== 'combined' && options.format !== 'common') throw otherFormat(options.format);
    const extension = /\.(har|gor)(\.gz)?$/i.exec(log);
    if (extension !== null) throw otherFormat(extension[1]!.toLowerCase());
    const fromUs = instantUs('--from', options.from);
    const toUs = instantUs('--to', options.to);
    if (fromUs !== undefined && toUs !== undefined && fromUs >= toUs) {
      throw new CliError(exitCodes.usage, '--from is not before --to', 'no request can be in that window');
    }
    const made = await tellingRecordingErrors(() =>
      importAccessLog({
        log,
        out,
        strict,
        overwrite,
        window: { ...(fromUs !== undefined && { fromUs }), ...(toUs !== undefined && { toUs }) },
        ...(maxGap !== undefined && { maxGapUs: gapUs(maxGap) }),
        ...(shards !== undefined && { shards: shardCount(shards) }),
        onProgress: ({ phase, records }) => note(`${phase}: ${records} requests`, quiet || json),
      }),
    );
    printMade(made, out, json);
  },
};

function otherFormat(format: string): CliError {
  const known = ['har', 'gor', 'otlp', 'json'].includes(format);
  return new CliError(
    exitCodes.usage,
    known ? `the format ${format} is not supported yet` : `${JSON.stringify(format)} is not a format`,
    'what can be imported: Apache and nginx access logs (--format combined); agents record more: stress record',
  );
}

/** µs since the epoch of an ISO 8601 time; without a zone it is UTC. */
function instantUs(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const zoned = /T.*([zZ]|[+-]\d\d:?\d\d)$/.test(text) || !text.includes('T') ? text : `${text}Z`;
  const ms = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new CliError(
      exitCodes.usage,
      `${option}: ${JSON.stringify(text)} is not a time`,
      'write it like 2015-05-19T19:00:00Z',
    );
  }
  return ms * 1000;
}

function gapUs(text: string): number {
  try {
    return Math.round(parseDurationMs(text) * 1000);
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    throw new CliError(exitCodes.usage, `--max-gap: ${error.message}`, error.remedy);
  }
}

export default importLog;
