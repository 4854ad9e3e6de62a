import type { Argv } from 'yargs';
import { nearest } from '../orchestrator/scenario/problem.js';

/** The command that was probably meant. */
export function nearestWord(word: string, words: Iterable<string>): string | undefined {
  const close = nearest(word, words);
  return close === undefined ? undefined : `"${close}"`;
}

/** The option that was probably meant, with its dashes. */
export function nearestOption(word: string, cli: Argv): string | undefined {
  const { key = {}, alias = {} } = (
    cli as unknown as { getOptions(): { key?: object; alias?: Record<string, string[]> } }
  ).getOptions();
  const names = [...Object.keys(key), ...Object.values(alias).flat()].filter(
    (name) => name.length > 1 && !/[A-Z]/.test(name),
  );
  const close = nearest(word.replace(/^-+/, ''), names);
  return close === undefined ? undefined : `--${close}`;
}
