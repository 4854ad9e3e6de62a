import { coverageSentence, type DatabaseAudit } from '@shadowline/shadow-db/server';
import { CliError, exitCodes } from '../exit-codes.js';
import type { Action } from './action.js';

export const auditAction: Action = {
  name: 'audit',
  describe: 'Search real tables for shadow ids and a canary; reads only',
  examples: [
    ['$0 shadow-db audit scenario.yaml', 'Shadow ids, by index alone'],
    [
      '$0 shadow-db audit scenario.yaml --canary cnry --full-scan',
      'Any run’s canary: reads real tables whole, in pieces',
    ],
  ],
  options: (cli) =>
    cli
      .option('canary', {
        type: 'string',
        default: '',
        describe: 'Text that only payloads of runs hold: cnry, and what follows',
      })
      .option('full-scan', {
        type: 'boolean',
        default: false,
        describe: 'Read tables whole where no index helps; at the rate that the scenario allows (audit.rowsPerSec)',
      }),
  interrupt: 'ending; what was not searched is said. Once more: stop at once.',
  async run(store, { canary, fullScan }, signal) {
    if (canary !== '' && !/^[A-Za-z0-9]{4,100}$/.test(canary)) {
      throw new CliError(
        exitCodes.usage,
        `--canary ${JSON.stringify(canary)} is no canary`,
        'it is 4 to 100 letters and digits',
      );
    }
    const audit = await store.audit({ canary, ...(fullScan && { fullScan }), signal });
    return {
      data: audit,
      lines: auditLines(audit, canary !== ''),
      ...(audit.outcome === 'leak' && { trouble: leak }),
      // to have found nothing is no proof where nobody has looked
      ...(audit.outcome === 'incomplete' && { trouble: fullScan ? incomplete(rest) : incomplete(whole) }),
    };
  },
};

const leak = {
  exitCode: exitCodes.leak,
  what: 'holding shadow data in real tables',
  remedy: 'look at these rows first; the run they are of stands in its own report',
};
const whole = '--full-scan reads whole what no index helps with, in pieces';
const rest = 'what was not searched stands above, with the reason and the SQL that would do it';

function incomplete(remedy: string) {
  return { exitCode: exitCodes.inconclusive, what: 'not searched in full', remedy };
}

function auditLines({ suspects, coverage }: DatabaseAudit, hasCanary: boolean): string[] {
  const found = suspects.map(({ table, reason, columns, count, samples }) => {
    const keys = samples.length > 0 ? `, such as ${samples.map((sample) => JSON.stringify(sample)).join(', ')}` : '';
    return `FOUND ${table}: ${count} rows by ${reason} (${columns.join(', ')})${keys}`;
  });
  const missed = coverage.notSearched.flatMap(({ table, detail, sql }) => [
    `not searched: ${table}: ${detail}`,
    `    ${sql}`,
  ]);
  const none =
    suspects.length === 0
      ? [hasCanary ? 'neither a shadow id nor the canary was found' : 'no shadow id was found']
      : [];
  return [...found, ...none, coverageSentence([coverage]), ...missed];
}
