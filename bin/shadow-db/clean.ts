import { CliError, exitCodes } from '../exit-codes.js';
import { note } from '../terminal.js';
import { type Action, applying, counted } from './action.js';
import type { StoreClean } from './store.js';

export const cleanAction: Action = {
  name: 'clean',
  describe: 'Remove the rows of a run, all shadow rows, or the shadow side as a whole',
  examples: [
    ['$0 shadow-db clean scenario.yaml --run r261128041500-1a2b3c', 'Says how many rows of that run there are'],
    [
      '$0 shadow-db clean scenario.yaml --run r261128041500-1a2b3c --apply',
      'Removes them; other runs and the seed stay',
    ],
    ['$0 shadow-db clean scenario.yaml --mode drop --apply', 'Leaves no trace'],
  ],
  options: (cli) =>
    applying(cli)
      .option('run', {
        type: 'string',
        describe: 'Only rows of this run (its id stands in result.json and in the report)',
      })
      .option('mode', {
        choices: ['rows', 'drop'] as const,
        default: 'rows',
        describe: 'rows: remove rows; drop: remove tables, views and account',
      }),
  interrupt: 'ending after the rows that are under way; the rest goes the next time. Once more: stop at once.',
  async run(store, { apply, mode, run, quiet }, signal) {
    if (run !== undefined && mode === 'drop') {
      throw new CliError(exitCodes.usage, '--mode drop removes the rows of every run', 'leave --run out, or --mode');
    }
    if (run !== undefined && !/^[A-Za-z0-9_-]{1,64}$/.test(run)) {
      throw new CliError(
        exitCodes.usage,
        `--run ${JSON.stringify(run)} is no run id`,
        'it has 1 to 64 letters, digits, "_" and "-", as `stress run` shows it',
      );
    }
    let toldMs = 0;
    const report = await store.clean({
      dryRun: !apply,
      what: mode,
      signal,
      ...(run !== undefined && { run }),
      onProgress({ table, removed, of }) {
        if (Date.now() - toldMs < 2_000) return;
        toldMs = Date.now();
        note(`clean: ${table}: ${removed.toLocaleString('en')} of ${counted(of, 'row')} gone`, quiet);
      },
    });
    return {
      data: report,
      lines: cleanLines(report),
      ...(report.complete === false && {
        trouble: {
          exitCode: exitCodes.interrupted,
          what: 'not cleaned to the end',
          remedy: 'the same command goes on',
        },
      }),
    };
  },
};

function cleanLines(report: StoreClean): string[] {
  const { what, dryRun, tables, views, sequences, account, run } = report;
  const rows = tables.flatMap(({ table, rows: count, kept }) => [
    `${table}: ${counted(count, 'row')}`,
    ...(kept ? [`    ${counted(kept.rows, 'row')} of this run stay: ${kept.because}`] : []),
  ]);
  const rest =
    what === 'rows'
      ? []
      : [
          ...views.map((view) => `view ${view}`),
          ...sequences.map((sequence) => `sequence ${sequence}`),
          ...(account === undefined ? [] : [`account ${account}`]),
        ];
  const nothing = rows.length + rest.length === 0 ? ['no shadow table is there'] : [];
  const verb = what === 'rows' ? 'removed' : 'dropped';
  const whose = run === undefined ? 'these' : `these rows of ${run}`;
  const end = dryRun
    ? `Nothing was changed. With --apply ${whose} are ${verb}; real tables never are.`
    : `${whose.charAt(0).toUpperCase()}${whose.slice(1)} were ${verb}.`;
  const seeds =
    report.updatedSeedRows === 'unknown' && !dryRun && run !== undefined
      ? ['Seeded rows that the run changed keep what it wrote: clean all rows and seed again to restore them.']
      : [];
  return [...nothing, ...rows, ...rest, end, ...seeds];
}
