import type { Choices } from './choices.js';

/**
 * What a dialect brings to the campaign. `World` (schema, data, mode) and `Step` (one statement) are plain JSON, so that a case
 * that was found can be saved and replayed when the generator has changed long since.
 */
export interface Dialect<World = unknown, Step = unknown> {
  readonly name: 'mysql' | 'postgres';
  makeWorld(choices: Choices): World;
  makeStep(choices: Choices, world: World): Step;
  /** The step as a reader of a report wants to see it. */
  describe(step: Step): string;
  /** Makes the world on the server, both sides. */
  open(world: World): Promise<Arena<Step>>;
  /** Drops what is left and closes the connections. Idempotent. */
  end(): Promise<void>;
}

/**
 * Two sides with the same start data: real tables, on which original statements run, and shadow tables beside real tables with
 * other data, on which the redirected ones run.
 */
export interface Arena<Step = unknown> {
  /** Runs the steps one after the other, on both sides, from the start data; stops at the first difference. */
  run(steps: readonly Step[]): Promise<BatchResult>;
  close(): Promise<void>;
}

export interface BatchResult {
  /** Steps that ran on both sides. */
  ran: number;
  /** Of these, the ones that failed with the same error on both. */
  failed: number;
  /** Differences that a plan or a known leniency of the redirected text explains; the start data were made anew. */
  excused: number;
  /** Code of the refusal → count. */
  refused: Record<string, number>;
  difference?: Difference;
}

export interface Difference {
  /** leak: a real table was read or changed. The others: what the two sides disagree about. */
  kind: 'leak' | 'rows' | 'columns' | 'error' | 'outcome' | 'warnings' | 'state';
  /** Index of the step. */
  at: number;
  /** What each side said, and the redirected text. */
  detail: string;
}
