import { note } from '../terminal.js';
import { type Action, applying, counted } from './action.js';
import { planLines } from './plan.js';
import { seeding, seedOptions } from './seed.js';

export const provisionAction: Action = {
  name: 'provision',
  describe: 'Make shadow tables, triggers, views and the restricted account',
  examples: [
    ['$0 shadow-db provision scenario.yaml', 'Shows the plan'],
    [
      '$0 shadow-db provision scenario.yaml --apply',
      'Carries it out; the second time only the account’s password is set',
    ],
  ],
  options: (cli) => seeding(applying(cli)),
  interrupt: 'ending after the step that is under way; planning again shows the rest. Once more: stop at once.',
  async run(store, options, signal) {
    const { apply, quiet } = options;
    const plan = await store.plan();
    if (!apply) {
      const hint = plan.steps.length > 0 ? ['', 'Nothing was changed. Carry it out with --apply.'] : [];
      return { data: { ...plan, applied: false }, lines: [...planLines(plan), ...hint] };
    }
    await store.provision({
      onStep(step, index, count) {
        signal.throwIfAborted();
        note(`${index + 1}/${count} ${step.kind} ${step.subject}`, quiet);
      },
      seed: seedOptions(options, signal),
    });
    return {
      data: { ...plan, applied: true },
      lines: [`${counted(plan.steps.length, 'step')} done`, ...plan.warnings.map((text) => `note: ${text}`)],
    };
  },
};
