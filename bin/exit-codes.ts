/** What `stress` exits with. Scripts and pipelines rely on these numbers, so they never change their meaning. */
export const exitCodes = {
  pass: 0,
  unexpected: 1,
  usage: 2,
  preflight: 3,
  slo: 4,
  guardrail: 5,
  leak: 6,
  inconclusive: 7,
  interrupted: 130,
} as const;

export type ExitName = keyof typeof exitCodes;

/** One line each, for `stress help exit-codes`. */
export const exitMeanings: Record<ExitName, string> = {
  pass: 'Everything held: thresholds, guardrails, isolation.',
  unexpected: 'An unexpected error. The run folder, if there is one, is readable.',
  usage: 'The command line or the scenario is wrong, or asks for what is not built yet. Nothing was sent.',
  preflight: 'The preflight refused: something that must be in place is not. No load was sent.',
  slo: 'A threshold of the scenario (slo) was missed.',
  guardrail: 'A guardrail stopped the run: real users would have suffered.',
  leak: 'Shadow data was found where real data lives, or shadow writes went elsewhere. Look at this one first.',
  inconclusive: 'The run proves nothing: the generator was the limit, or part of the proof is missing.',
  interrupted: 'Interrupted (Ctrl-C or SIGTERM). Load stopped and drained, leaks checked, report written.',
};

/** An error with a cause for people and a remedy. Commands throw it; `stress` prints it and exits with its code. */
export class CliError extends Error {
  readonly exitCode: number;
  /** What to do about it. */
  readonly hint: string | undefined;

  constructor(exitCode: number, message: string, hint?: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.hint = hint;
  }
}
