import fc from 'fast-check';
import { Choices } from './choices.js';
import { moves, type Position, smallerNumbers, startOf } from './moves.js';

interface Context {
  record: readonly number[];
  position: Position;
}

/**
 * Whatever a generator makes from choices, for fast-check's properties: fast-check decides, and shrinks the record of its
 * decisions.
 */
export function made<Made>(make: (choices: Choices) => Made): fc.Arbitrary<Made> {
  return new MadeArbitrary(make);
}

class MadeArbitrary<Made> extends fc.Arbitrary<Made> {
  private readonly make: (choices: Choices) => Made;

  constructor(make: (choices: Choices) => Made) {
    super();
    this.make = make;
  }

  generate(random: fc.Random): fc.Value<Made> {
    const choices = Choices.drawn(random);
    const value = this.make(choices);
    return new fc.Value(value, { record: choices.taken, position: startOf(choices.taken) } satisfies Context);
  }

  /** A value does not tell which decisions made it. */
  canShrinkWithoutContext(_: unknown): _ is Made {
    return false;
  }

  shrink(_: Made, context: unknown): fc.Stream<fc.Value<Made>> {
    return fc.stream(this.smaller(context as Context));
  }

  private *smaller({ record, position }: Context): Generator<fc.Value<Made>> {
    for (const { list, next } of moves(record, position, smallerNumbers)) {
      yield new fc.Value(this.make(Choices.replayed(list)), { record: list, position: next } satisfies Context);
    }
  }
}
