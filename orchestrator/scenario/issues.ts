import type { z } from 'zod';
import type { Path, ScenarioDocument } from './document.js';
import type { Expansion } from './expand.js';
import { planned } from './grammar.js';
import { LINE, notBuilt } from './leaf.js';
import { nearest, type Problem } from './problem.js';

type Issue = z.core.$ZodIssue;

/** Turns the grammar's issues into problems with positions, words and suggestions. */
export function problemsOf(
  issues: readonly Issue[],
  document: ScenarioDocument,
  expansions: ReadonlyMap<string, Expansion>,
): Problem[] {
  const flat = issues.flatMap((issue) => flatten(issue, []));
  // A map whose keys are wrong is wrong as a whole as well: say what is wrong within.
  const within = (path: PropertyKey[]): boolean =>
    flat.some((other) => other.code !== 'custom' && path.every((part, index) => other.path[index] === part));
  return flat
    .filter((issue) => issue.code !== 'custom' || typeof issue.input !== 'object' || !within(issue.path))
    .flatMap((issue) => {
      const path = issue.path as (string | number)[];
      if (issue.code === 'unrecognized_keys') {
        const known = issue.message.split(',');
        return issue.keys.map((key) => unknownKey([...path, key], key, known, document));
      }
      const [cause = '', remedy = ''] = (issue.code === 'invalid_key' ? keyMessage(issue) : issue.message).split(LINE);
      if (cause === 'it is missing') {
        return [document.problem(path, `${JSON.stringify(path.at(-1))} is missing`, remedy, { key: true })];
      }
      const params = issue.code === 'custom' ? (issue.params as { offset?: number } | undefined) : undefined;
      const expansion = expansions.get(path.join('.'));
      const at = {
        key: issue.code === 'invalid_key',
        ...(params?.offset !== undefined && expansion === undefined && { offset: params.offset }),
      };
      return [document.problem(path, redact(cause, expansion), redact(remedy, expansion), at)];
    });
}

/** What came from the environment may be a secret: messages show what was written instead. */
function redact(text: string, expansion: Expansion | undefined): string {
  if (expansion === undefined || expansion.value === '') return text;
  return text
    .replaceAll(expansion.value, expansion.source)
    .replaceAll(JSON.stringify(expansion.value).slice(1, -1), expansion.source);
}

function unknownKey(path: Path, key: string, known: string[], document: ScenarioDocument): Problem {
  const isPlanned = planned.some((pattern) => fits(pattern.split('.'), path));
  if (isPlanned) {
    const [cause = '', remedy = ''] = notBuilt(JSON.stringify(key)).split(LINE);
    return document.problem(path, cause, remedy, { key: true });
  }
  const close = nearest(key, known);
  const remedy = close !== undefined ? `did you mean ${JSON.stringify(close)}?` : `keys here: ${known.join(', ')}`;
  return document.problem(path, `unknown key ${JSON.stringify(key)}`, remedy, { key: true });
}

function fits(pattern: string[], path: Path): boolean {
  return pattern.length === path.length && pattern.every((part, index) => part === '*' || part === String(path[index]));
}

function keyMessage(issue: Extract<Issue, { code: 'invalid_key' }>): string {
  return issue.issues[0]?.message ?? issue.message;
}

/**
 * An alternative's issues are those of the branch that was meant: the one that is wrong within and not as a whole, with the fewest
 * issues. When no branch comes near, the alternative's own message stands.
 */
function flatten(issue: Issue, prefix: PropertyKey[]): Issue[] {
  const path = [...prefix, ...issue.path];
  if (issue.code !== 'invalid_union') return [{ ...issue, path } as Issue];
  const near = issue.errors.filter((branch) => !branch.some((inner) => isWrongAsAWhole(inner)));
  if (near.length === 0) {
    // A word that is not known: the branch of words has the suggestion.
    const words = issue.errors
      .flat()
      .find((inner) => inner.path.length === 0 && inner.code === 'invalid_value' && inner.message.includes(LINE));
    return words !== undefined ? [{ ...words, path } as Issue] : [{ ...issue, path } as Issue];
  }
  const best = near.reduce((a, b) => (weight(b) < weight(a) ? b : a));
  return best.flatMap((inner) => flatten(inner, path));
}

function isWrongAsAWhole(issue: Issue): boolean {
  return issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value');
}

function weight(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
}
