import fc from 'fast-check';
import { Choices } from './choices.js';
import type { Dialect, Difference } from './dialect.js';
import { moves, type Position, smallerNumbers, startOf } from './moves.js';

/** A schema and the statements that are tried in it. */
export interface Case<World = unknown, Step = unknown> {
  readonly world: World;
  readonly steps: readonly Step[];
  /** Of one that shrinking made: the kind of difference that it must keep. */
  readonly wanted: Difference['kind'] | undefined;
  /** What the last run of it said, set by who runs it: shrinking begins there. */
  outcome: Outcome | undefined;
}

export interface Outcome {
  difference: Difference;
  /** Index of the first statement of the batch in which it came up; the difference's index counts from there. */
  batchAt: number;
}

/** How long shrinking may go on; used up as it goes. */
export interface ShrinkBudget {
  tries: number;
  /** Of these, the ones that need another schema, which take longest. */
  worldTries: number;
  /** Epoch, ms. */
  untilMs: number;
}

/** The decisions that made a case. */
interface Records {
  readonly world: readonly number[];
  readonly steps: readonly (readonly number[])[];
}

/** What a stage of shrinking makes smaller: which statements there are, one of them (its index), or the schema. */
type Stage = 'steps' | 'world' | number;

interface Context {
  records: Records;
  /** Index of the stage; -1 as generated. */
  stage: number;
  /** Where in the stage; undefined at its beginning. */
  position: Position | undefined;
}

/**
 * Cases of a dialect, for fast-check's properties. Schema and statements are made from fast-check's decisions. Shrinking leaves
 * out statements, makes them smaller, then the schema, then the statements once more.
 */
export class CaseArbitrary<World, Step> extends fc.Arbitrary<Case<World, Step>> {
  private readonly dialect: Dialect<World, Step>;
  private readonly size: number;
  private readonly budget: ShrinkBudget;

  /** `size`: statements of a case. */
  constructor(dialect: Dialect<World, Step>, size: number, budget: ShrinkBudget) {
    super();
    this.dialect = dialect;
    this.size = size;
    this.budget = budget;
  }

  generate(random: fc.Random): fc.Value<Case<World, Step>> {
    const ofWorld = Choices.drawn(random);
    const world = this.dialect.makeWorld(ofWorld);
    const steps: Step[] = [];
    const records: (readonly number[])[] = [];
    while (steps.length < this.size) {
      const choices = Choices.drawn(random);
      steps.push(this.dialect.makeStep(choices, world));
      records.push(choices.taken);
    }
    const context: Context = { records: { world: ofWorld.taken, steps: records }, stage: -1, position: undefined };
    return new fc.Value({ world, steps, wanted: undefined, outcome: undefined }, context);
  }

  /** A case does not tell which decisions made it. */
  canShrinkWithoutContext(_: unknown): _ is Case<World, Step> {
    return false;
  }

  shrink(found: Case<World, Step>, context: unknown): fc.Stream<fc.Value<Case<World, Step>>> {
    return fc.stream(this.smaller(found, context as Context));
  }

  private *smaller(found: Case<World, Step>, context: Context): Generator<fc.Value<Case<World, Step>>> {
    const { outcome } = found;
    // what failed without a difference, such as a server that is gone, would fail whatever is tried
    if (outcome === undefined) return;
    const { budget, dialect } = this;
    const { kind } = outcome.difference;
    for (const next of candidates(context, outcome)) {
      const { records } = next;
      if (records.world !== context.records.world) {
        if (budget.worldTries <= 0) continue;
        budget.worldTries -= 1;
      }
      if (budget.tries <= 0 || Date.now() > budget.untilMs) return;
      budget.tries -= 1;
      // the same object for the same schema tells who runs it that another need not be made
      const isSame = records.world === context.records.world;
      const world = isSame ? found.world : dialect.makeWorld(Choices.replayed(records.world));
      const steps = records.steps.map((record) => dialect.makeStep(Choices.replayed(record), world));
      yield new fc.Value({ world, steps, wanted: kind, outcome: undefined }, next);
    }
  }
}

function* candidates({ records, stage, position }: Context, { batchAt, difference }: Outcome): Generator<Context> {
  if (stage === -1) {
    // every batch begins with the same data, so nothing before it can matter, and mostly only the last statement does
    const batch = records.steps.slice(batchAt, batchAt + difference.at + 1);
    yield { records: { ...records, steps: batch.slice(-1) }, stage: 1, position: undefined };
    yield { records: { ...records, steps: batch }, stage: 0, position: undefined };
    return;
  }
  const indexes = [...records.steps.keys()].reverse();
  const stages: Stage[] = ['steps', ...indexes, 'world', ...indexes];
  for (let index = stage; index < stages.length; index += 1) {
    const from = index === stage ? position : undefined;
    for (const { smaller, next } of movesOf(records, stages[index] as Stage, from)) {
      yield { records: smaller, stage: index, position: next };
    }
  }
}

function* movesOf(
  records: Records,
  stage: Stage,
  from: Position | undefined,
): Generator<{ smaller: Records; next: Position }> {
  const { steps, world } = records;
  if (stage === 'steps') {
    for (const { list, next } of moves(steps, from ?? startOf(steps))) {
      yield { smaller: { ...records, steps: list }, next };
    }
    return;
  }
  const list = stage === 'world' ? world : (steps[stage] ?? []);
  for (const { list: smaller, next } of moves(list, from ?? startOf(list), smallerNumbers)) {
    yield {
      smaller: stage === 'world' ? { ...records, world: smaller } : { ...records, steps: steps.with(stage, smaller) },
      next,
    };
  }
}
