import { coverageSentence, type DatabaseAudit } from '@shadowline/shadow-db/server';
import { exitCodes } from '../exit-codes.js';
import type { Action } from './action.js';

export const auditAction: Action = {
  name: 'audit',
  describe: 'Search real tables for shadow ids and a canary; reads only',
  examples: [
    ['$0 shadow-db audit scenario.yaml', 'Shadow ids, by index alone'],
    ['$0 shadow-db audit scenario.yaml --canary r261128-1a2b3c --full-scan', 'Reads every real table, in pieces'],
  ],
  options: (cli) =>
    cli
      .option('canary', { type: 'string', default: '', describe: 'Text that every payload of a run held; its run id' })
      .option('full-scan', {
        type: 'boolean',
        default: false,
        describe: 'Read tables whole where no index helps; at the rate that the scenario allows (audit.rowsPerSec)',
      }),
  interrupt: 'ending; what was not searched is said. Once more: stop at once.',
  async run(store, { canary, fullScan }, signal) {
    const audit = await store.audit({ canary, ...(fullScan && { fullScan }), signal });
    return {
      data: audit,
      lines: auditLines(audit, canary !== ''),
      ...(audit.suspects.length > 0 && {
        trouble: {
          exitCode: exitCodes.leak,
          what: 'holding shadow data in real tables',
          remedy: 'look at these rows first; the run they are of stands in its own report',
        },
      }),
    };
  },
};

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
