/** Every command: one line of help, and where it lives. Sub-commands are declared by the command's own file. */
interface Entry {
  describe: string;
  load(): Promise<{ default: unknown }>;
}

export const commands: Record<string, Entry> = {
  run: { describe: 'Run a scenario: preflight, load, leak check, report', load: () => import('./commands/run.js') },
  validate: { describe: 'Check a scenario; sends nothing', load: () => import('./commands/validate.js') },
  init: { describe: 'Write a scenario from a recording', load: () => import('./commands/init.js') },
  doctor: {
    describe: 'What is missing on this machine, and how to get it',
    load: () => import('./commands/doctor.js'),
  },
  record: { describe: 'Make a recording out of what agents captured', load: () => import('./commands/record.js') },
  import: { describe: 'Make a recording out of an access log', load: () => import('./commands/import.js') },
  recording: { describe: 'Look into a recording', load: () => import('./commands/recording.js') },
  'agent-config': {
    describe: 'Print the configuration that all agents share',
    load: () => import('./commands/agent-config.js'),
  },
  keys: { describe: 'Make the key pair that signs shadow flags', load: () => import('./commands/keys.js') },
  'shadow-db': {
    describe: 'Plan, provision, seed, check, audit and clean shadow tables',
    load: () => import('./commands/shadow-db.js'),
  },
  kill: { describe: 'Make agents refuse shadow traffic at once', load: () => import('./commands/kill.js') },
  report: { describe: 'Write the reports of a run again', load: () => import('./commands/report.js') },
  compare: { describe: 'Compare two runs (not built yet)', load: () => import('./commands/compare.js') },
  capacity: {
    describe: 'Search for the highest rate within the SLO (not built yet)',
    load: () => import('./commands/capacity.js'),
  },
  help: { describe: 'Explain a topic: exit-codes', load: () => import('./commands/help.js') },
};

/** The command that a command line names: its first word that is no option. Undefined when it is none of ours. */
export function commandOf(argv: readonly string[]): string | undefined {
  // `--get-yargs-completions stress run --sc`: the shell asks what may follow.
  const isCompletion = argv[0] === '--get-yargs-completions';
  const words = isCompletion ? argv.slice(2) : argv;
  const first = words.find((word) => !word.startsWith('-'));
  return first !== undefined && Object.hasOwn(commands, first) ? first : undefined;
}
