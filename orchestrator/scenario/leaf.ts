import { z } from 'zod';
import { ExpressionError } from './expression.js';
import { nearest } from './problem.js';
import { UnitError } from './units.js';

/**
 * Building blocks of the grammar. A message is `cause` and, after a line break, `remedy`; a missing key's message is put in words by
 * whoever reports it.
 */
export const LINE = '\n';

/** A map whose unknown keys are errors. Its message lists the keys that it knows, for suggestions. */
export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? Object.keys(shape).join(',') : wrongKind('a map of keys', issue.input),
  });
}

/** A text that `read` turns into a value; it throws UnitError or ExpressionError. A bare number is passed on as text, so that the message can show the right form. */
export function text<T>(what: string, example: string, read: (text: string) => T) {
  return z
    .string({
      error: (issue) => {
        if (typeof issue.input === 'number') {
          try {
            read(String(issue.input));
          } catch (error) {
            if (error instanceof UnitError) return error.message + LINE + error.remedy;
          }
        }
        return wrongKind(what, issue.input, example);
      },
    })
    .meta({ description: `${what}, e.g. ${example}` })
    .transform((value, context): T => {
      try {
        return read(value);
      } catch (error) {
        if (!(error instanceof UnitError || error instanceof ExpressionError)) throw error;
        const params = error instanceof ExpressionError ? { offset: error.offset } : {};
        context.issues.push({ code: 'custom', message: error.message + LINE + error.remedy, input: value, params });
        return z.NEVER;
      }
    });
}

/** A text of one form. */
export function matching(pattern: RegExp, what: string, example: string) {
  return z.string({ error: (issue) => wrongKind(what, issue.input, example) }).regex(pattern, {
    error: (issue) => `${JSON.stringify(issue.input)} is not ${what}${LINE}write it like this: ${example}`,
  });
}

export function plainText(what: string, example: string) {
  return z
    .string({ error: (issue) => wrongKind(what, issue.input, example) })
    .min(1, { error: `it is empty${LINE}write it like this: ${example}` });
}

export function whole(min: number, max: number, what: string) {
  const error = (issue: { input?: unknown }) =>
    wrongKind(`a whole number of ${what}`, issue.input, `${Math.max(min, 1)}`);
  const range = `between ${min} and ${max}`;
  return z
    .int({ error })
    .min(min, { error: (issue) => `${issue.input} is too few ${what}${LINE}${range}` })
    .max(max, { error: (issue) => `${issue.input} is too many ${what}${LINE}${range}` });
}

export function flag() {
  return z.boolean({ error: (issue) => wrongKind('true or false', issue.input) });
}

export function list<Item extends z.ZodType>(item: Item, example: string) {
  return z.array(item, { error: (issue) => wrongKind('a list', issue.input, example) });
}

export function named<Value extends z.ZodType>(value: Value, key = matching(/^[^\s]{1,200}$/, 'a name', 'payment')) {
  return z.record(key, value, {
    error: (issue) => (issue.code === 'invalid_type' ? wrongKind('a map of names', issue.input) : undefined),
  });
}

/** One of some words; `later` are words of things that are designed and not built. */
export function oneOf<const Choice extends string>(choices: readonly Choice[], later: readonly string[] = []) {
  return z.enum(choices, {
    error: (issue) => {
      const { input } = issue;
      if (typeof input !== 'string') return wrongKind(`one of ${choices.join(', ')}`, input);
      if (later.includes(input)) return notBuilt(`${JSON.stringify(input)}`, choices);
      const close = nearest(input, choices);
      const remedy = close !== undefined ? `did you mean ${JSON.stringify(close)}?` : `one of: ${choices.join(', ')}`;
      return `${JSON.stringify(input)} is not known here${LINE}${remedy}`;
    },
  });
}

export function notBuilt(what: string, choices: readonly string[] = []): string {
  return `${what} is not built yet${LINE}${choices.length > 0 ? `today: ${choices.join(', ')}` : 'leave it out'}`;
}

/** `30 is not a list`; a missing or empty value says so. */
export function wrongKind(what: string, input: unknown, example?: string): string {
  const remedy = example === undefined ? `it is ${what}` : `write ${what} like this: ${example}`;
  if (input === undefined) return `it is missing${LINE}${remedy}`;
  if (input === null) return `it is empty${LINE}${remedy}`;
  const shown = Array.isArray(input) ? 'a list' : typeof input === 'object' ? 'a map' : JSON.stringify(input);
  return `${shown} is not ${what}${LINE}${remedy}`;
}
