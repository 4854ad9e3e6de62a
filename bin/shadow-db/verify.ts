import type { Action } from './action.js';
import { notReady } from './drift.js';

export const verifyAction: Action = {
  name: 'verify',
  describe: 'Prove that the restricted account cannot write real tables',
  examples: [['$0 shadow-db verify scenario.yaml', 'Tries a write on each real table, in a form that matches no row']],
  options: (cli) => cli,
  async run(store) {
    const { ok, checks } = await store.verify();
    const lines = checks.map(
      (check) => `${check.ok ? 'ok  ' : 'FAIL'} ${check.name} ${check.subject}: ${check.detail}`,
    );
    return { data: { ok, checks }, lines, ...(!ok && { trouble: notReady }) };
  },
};
