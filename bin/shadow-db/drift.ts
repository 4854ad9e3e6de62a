import { exitCodes } from '../exit-codes.js';
import type { Action } from './action.js';
import type { StoreDifference } from './store.js';

/** Of whatever is not as a run needs it. */
export const notReady = {
  exitCode: exitCodes.preflight,
  what: 'not as a run needs it',
  remedy: 'stress shadow-db provision <scenario> shows what has to be done, --apply does it',
};

export const driftAction: Action = {
  name: 'drift',
  describe: 'Compare shadow tables with the real ones',
  examples: [['$0 shadow-db drift scenario.yaml', 'Exit code 3 when they differ']],
  options: (cli) => cli,
  async run(store) {
    const differences = await store.drift();
    if (differences.length === 0)
      return { data: differences, lines: ['no drift: every shadow table is as its real one'] };
    const remedies = [...new Set(differences.flatMap(({ remedy }) => remedy ?? []))].map((text) => `→ ${text}`);
    return { data: differences, lines: [...differences.map(line), ...remedies], trouble: notReady };
  },
};

function line({ what, table, name, real, shadow }: StoreDifference): string {
  if (what === 'missing') return `${table}: has no shadow table`;
  return `${table}: ${what}${name === undefined ? '' : ` ${name}`}: should be ${real ?? 'absent'}, is ${shadow ?? 'absent'}`;
}
