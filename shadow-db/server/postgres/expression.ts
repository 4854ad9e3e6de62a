import type { ColumnModel, FunctionRef } from './model.js';
import { literal } from './quote.js';

/** Functions of the server itself that reach tables, sequences, files or other sessions. */
const reaching =
  /\b(nextval|setval|currval|lastval|(?:query|cursor|table|schema|database)_to_xml\w*|lo_\w+|pg_(?:read|write|ls|stat|sleep|advisory|try_advisory|notify|terminate|cancel|reload|rotate|logical|replication|export|import|create|drop|switch|wal|backup|start|stop|promote)\w*|set_config|dblink\w*)\s*\(/i;

/**
 * Why an expression may not be evaluated for a shadow row, or undefined. A function that is not immutable could read or write any
 * table, and one that runs with its owner's rights could do it past the backstop; those in C come with the server or an extension.
 */
export function objection(text: string, functions: readonly FunctionRef[]): string | undefined {
  const word = reaching.exec(withoutLiterals(text))?.[1];
  if (word !== undefined) return `${word} reaches beyond the row`;
  const found = functions.find(
    ({ language, volatility, definer }) =>
      language !== 'c' && language !== 'internal' && (volatility !== 'i' || definer),
  );
  return found && `${found.name} is not known to touch no table`;
}

/** String literals as the server prints them. */
function withoutLiterals(text: string): string {
  return text.replaceAll(/'(?:[^']|'')*'/g, "''");
}

/** Puts other text in place of each sequence that a default names. */
export function withSequences(
  column: Pick<ColumnModel, 'expression' | 'sequences'>,
  textOf: (sequence: ColumnModel['sequences'][number]) => string,
): string | null {
  let text = column.expression;
  for (const sequence of column.sequences) text = text?.replaceAll(sequence.text, () => textOf(sequence)) ?? null;
  return text;
}

/** For comparing both sides: sequences by their plain names, however the server quotes them. */
export function canonical(
  column: ColumnModel,
  rename: (sequence: { schema: string; table: string }) => { schema: string; table: string },
): string | null {
  return withSequences(column, (sequence) => {
    const { schema, table } = rename(sequence);
    return `${literal(`${schema}.${table}`)}::sequence`;
  });
}

/** The default without the calls of nextval on sequences that are known and will be replaced. */
export function withoutKnownSequences(column: ColumnModel): string {
  return withSequences(column, () => '?')?.replaceAll('nextval(?)', '0') ?? '';
}
