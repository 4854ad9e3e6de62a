import type { Action } from './action.js';
import type { StorePlan } from './store.js';

export const planAction: Action = {
  name: 'plan',
  describe: 'Say what provisioning would do; changes nothing',
  examples: [
    ['$0 shadow-db plan scenario.yaml', 'Each step with its SQL and the reason for it'],
    ['$0 shadow-db plan scenario.yaml --sql > plan.sql', 'The SQL alone, for those who decide about it'],
  ],
  options: (cli) =>
    cli.option('sql', { type: 'boolean', default: false, describe: 'Print the SQL alone, with reasons as comments' }),
  async run(store, { sql }) {
    const plan = await store.plan();
    return { data: plan, lines: sql ? sqlLines(plan) : planLines(plan) };
  },
};

export function planLines({ steps, warnings, reserved }: StorePlan): string[] {
  const lines =
    steps.length === 0
      ? ['nothing to do: the shadow side is as it should be']
      : steps.flatMap(({ kind, subject, reason, sql }) => [
          `${kind} ${subject}: ${reason}`,
          ...sql.split('\n').map((line) => `    ${line}`),
        ]);
  const ranges = reserved.map(({ table, column, firstShadowId }) => `ids of ${table}.${column} from ${firstShadowId}`);
  return [...lines, ...ranges, ...warnings.map((text) => `note: ${text}`)];
}

/** A script. What stands for a secret or a key range is left as it is, so that nobody runs it unread. */
function sqlLines({ steps, warnings }: StorePlan): string[] {
  // a name may hold anything: psql ends a comment at a carriage return too
  const comment = (text: string) => `-- ${text.replaceAll(/\s*\p{Cc}\s*/gu, ' ')}`;
  return [
    ...steps.flatMap(({ kind, subject, reason, sql, sqlMode }) => [
      comment(`${kind} ${subject}: ${reason}`),
      ...(sqlMode === undefined ? [] : [`SET SESSION sql_mode = '${sqlMode}';`]),
      `${sql};`,
      '',
    ]),
    ...warnings.map((text) => comment(`note: ${text}`)),
  ];
}
