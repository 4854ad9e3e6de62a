import type { SeedOptions, SeedReport } from '@shadowline/shadow-db/server';
import type { Argv } from 'yargs';
import { parseRatePerSec, UnitError } from '../../orchestrator/scenario/units.js';
import { CliError, exitCodes } from '../exit-codes.js';
import { note } from '../terminal.js';
import { type Action, type ActionArguments, applying, counted } from './action.js';
import { addressOf } from './address.js';
import { connectMysql, connectPostgres } from './connect.js';
import { notReady } from './drift.js';
import type { ShadowStore } from './store.js';

/** Lines of progress come no closer than this. */
const EVERY_MS = 2_000;

export const seedAction: Action = {
  name: 'seed',
  describe: 'Fill empty shadow tables from real rows, as the scenario says',
  examples: [
    ['$0 shadow-db seed scenario.yaml', 'Says which rows would be copied, with the SQL of a chunk'],
    ['$0 shadow-db seed scenario.yaml --apply --rate 20000/s', 'Copies, at most so many rows per second'],
    ['$0 shadow-db seed scenario.yaml --apply --source REPLICA_URL', 'Reads real rows from the server named there'],
  ],
  options: (cli) =>
    seeding(applying(cli))
      .option('restart', {
        type: 'boolean',
        default: false,
        describe: 'Empty tables that were seeded by another specification, and fill them anew',
      })
      .option('source', {
        type: 'string',
        describe: 'Variable with the URL of a replica, from which real rows are read as of one moment',
      }),
  interrupt: 'ending after the chunk that is under way; seeding again goes on from there. Once more: stop at once.',
  async run(store, options, signal) {
    const { steps, seed: plan, warnings } = await store.plan();
    const structure = steps.filter(({ kind }) => kind !== 'seed' && kind !== 'account');
    if (structure.length > 0) {
      const lines = [`${counted(structure.length, 'step')} of provisioning come first`];
      return { data: { applied: false, structure }, lines, trouble: notReady };
    }
    const shown = steps.filter(({ kind }) => kind === 'seed');
    if (plan === undefined || shown.length === 0) {
      return {
        data: { applied: false, steps: [] },
        lines: ['nothing to do: every shadow table that has a seed is filled'],
      };
    }
    if (!options.apply) {
      const lines = shown.flatMap(({ subject, reason, sql }) => [
        `${subject}: ${reason}`,
        ...sql.split('\n').map((line) => `    ${line}`),
      ]);
      const notes = warnings.map((text) => `note: ${text}`);
      const hint = ['', 'Nothing was copied. Do it with --apply.'];
      return { data: { applied: false, steps: shown, warnings }, lines: [...lines, ...notes, ...hint] };
    }
    const source = options.source === undefined ? undefined : await openSource(store, options.source);
    try {
      const asked = { ...seedOptions(options, signal), ...(source && { source, snapshot: true }) };
      const report = await store.seed(plan, asked);
      return { data: { applied: true, ...report }, lines: reportLines(report) };
    } finally {
      await source?.close();
    }
  },
};

/** For everything that copies rows. */
export const seeding = (cli: Argv<object>): Argv<object> =>
  cli.option('rate', { type: 'string', describe: 'Rows copied per second at most: 20000/s' });

/** @throws CliError for a rate that is none */
export function seedOptions({ rate, restart, quiet }: ActionArguments, signal: AbortSignal): SeedOptions {
  const maskKey = process.env.SHADOWLINE_MASK_KEY;
  let toldMs = 0;
  let toldOf = '';
  return {
    signal,
    ...(rate !== undefined && { ratePerSec: rateOf(rate) }),
    ...(restart && { onChanged: 'restart' as const }),
    ...(maskKey && { maskKey }),
    onProgress({ phase, table, rows, ofAbout }) {
      const now = Date.now();
      if (toldOf === `${phase} ${table}` && now - toldMs < EVERY_MS) return;
      toldMs = now;
      toldOf = `${phase} ${table}`;
      const about = ofAbout === undefined ? '' : ` of about ${ofAbout.toLocaleString('en')}`;
      note(`seed: ${phase} ${table}: ${counted(rows, 'row')}${about}`, quiet);
    },
  };
}

function rateOf(text: string): number {
  try {
    return parseRatePerSec(text);
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    throw new CliError(exitCodes.usage, `--rate: ${error.message}`, 'write it like this: --rate 20000/s');
  }
}

const sources = {
  mysql: { name: 'MySQL', protocol: /^(?:mysql|mariadb):$/, port: 3306, connect: connectMysql },
  postgres: { name: 'PostgreSQL', protocol: /^postgres(?:ql)?:$/, port: 5432, connect: connectPostgres },
};

async function openSource({ name, dialect }: ShadowStore, variable: string) {
  const source = sources[dialect];
  const text = process.env[variable];
  if (text === undefined || !URL.canParse(text) || !source.protocol.test(new URL(text).protocol)) {
    throw new CliError(
      exitCodes.usage,
      `--source ${variable}: the variable holds no URL of a ${source.name} server`,
      `set ${variable} to ${dialect}://user:password@replica:3306/database`,
    );
  }
  return source.connect(addressOf(`${name} (source)`, text, source.port));
}

function reportLines({ tables, closure, ms }: SeedReport): string[] {
  const rows = tables.reduce((sum, table) => sum + (table.skipped === undefined ? table.rows : 0), 0);
  const perSec = Math.round(rows / Math.max(ms / 1000, 0.001));
  const lines = tables.map(({ table, rows: count, skipped }) => {
    if (skipped === 'before') return `${table}: seeded before`;
    if (skipped === 'foreign') return `${table}: left as it is: it holds rows that no seed wrote`;
    return `${table}: ${counted(count, 'row')}`;
  });
  const findings = closure.map(
    ({ foreignKey, table, cleared, removed, left }) =>
      `note: ${table}: rows whose reference (${foreignKey}) is not in the seed: ${cleared} set to NULL, ${removed} left out, ${left} still there`,
  );
  return [
    ...lines,
    ...findings,
    `${counted(rows, 'row')} in ${(ms / 1000).toFixed(1)} s (${perSec.toLocaleString('en')} a second)`,
  ];
}
