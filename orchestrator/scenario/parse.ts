import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { build } from './build.js';
import { MAX_SCENARIO_BYTES, ScenarioDocument } from './document.js';
import { type Environment, expandEnvironment } from './expand.js';
import { grammar } from './grammar.js';
import { problemsOf } from './issues.js';
import { nearest, type Problem, ScenarioError } from './problem.js';
import type { Scenario } from './scenario.js';
import { readKeyFile } from './secrets.js';

export interface LoadOptions {
  /** Default: process.env. */
  env?: Environment;
  /** Values that win over the file's, by dotted path: `{ 'load.maxInFlight': '500' }`. Read as YAML. */
  overrides?: Readonly<Record<string, string>>;
  /**
   * False: who only works on databases need not have the key that signs flags. It is neither read nor checked, its variable need not be set, and
   * `privateKeyPem` is empty. Default true.
   */
  needsKey?: boolean;
}

/**
 * Reads, checks and completes a scenario.
 * @throws ScenarioError with every problem at once, each with file, line and column.
 */
export function loadScenario(file: string, options: LoadOptions = {}): Scenario {
  const { scenario, problems } = validateScenario(readScenario(file), file, options.env ?? process.env, options);
  if (scenario === undefined) throw new ScenarioError(problems);
  return scenario;
}

/** The text of a scenario file. @throws ScenarioError when it cannot be read, is too large or is not text. */
export function readScenario(file: string): string {
  const problem = (cause: string, remedy: string) =>
    new ScenarioError([{ file: basename(file), line: 1, column: 1, path: '', cause, remedy }]);
  try {
    const stats = statSync(file);
    if (stats.isDirectory()) throw problem(`${file} is a folder`, 'name the scenario file: scenario.yaml');
    if (stats.size > MAX_SCENARIO_BYTES)
      throw problem(
        `the file has ${stats.size} bytes`,
        `a scenario has at most ${MAX_SCENARIO_BYTES}; is this the right file?`,
      );
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof ScenarioError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT')
      throw problem(`there is no file ${file}`, '`stress init` writes a scenario from a recording');
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      throw problem('the file is not text (UTF-8)', 'give the scenario itself, a YAML file');
    throw problem(`${file} cannot be read (${code})`, 'check its owner and mode');
  }
}

/**
 * Checks a scenario's text: all problems at once. Pure but for the key files that the scenario names, which `readKey` reads.
 * @param file as the user named it: its base name stands in problems, relative paths start at its folder.
 */
export function validateScenario(
  text: string,
  file: string,
  env: Environment,
  options: Omit<LoadOptions, 'env'> & { readKey?: (path: string) => string } = {},
): { scenario?: Scenario; problems: Problem[] } {
  const document = new ScenarioDocument(text, basename(file));
  if (!document.ok) return { problems: document.problems };
  const overrides = applyOverrides(document, options.overrides ?? {});
  const { needsKey = true } = options;
  const { expansions, problems: missing } = expandEnvironment(document, env);
  const unset = missing.filter(({ path }) => needsKey || path !== keyPath);
  // a name of a file, which is not read
  if (unset.length < missing.length) document.set(keyPath.split('.'), 'none');
  const values = document.toValues();
  if (!document.ok) return { problems: document.problems };

  const parsed = grammar.safeParse(values, { reportInput: true });
  // What is wrong because its variable is not set is one problem, not two.
  const isUnset = (path: string): boolean => unset.some((problem) => problem.path === path);
  const found = parsed.success
    ? []
    : problemsOf(parsed.error.issues, document, expansions).filter((problem) => !isUnset(problem.path));
  const problems = [...overrides, ...unset, ...found];
  // Without a whole scenario, what depends on several keys cannot be judged.
  if (!parsed.success) return { problems: sorted(problems) };

  const absolute = resolve(file);
  const built = build(parsed.data, {
    file: absolute,
    folder: dirname(absolute),
    document,
    expansions,
    readKey: options.readKey ?? readKeyFile,
    needsKey,
  });
  problems.push(...built.problems.filter((problem) => !isUnset(problem.path)));
  return problems.length === 0 ? { scenario: built.scenario, problems } : { problems: sorted(problems) };
}

const keyPath = 'shadow.flag.key';

function applyOverrides(document: ScenarioDocument, overrides: Readonly<Record<string, string>>): Problem[] {
  const problems: Problem[] = [];
  for (const [path, value] of Object.entries(overrides)) {
    try {
      document.set(path.split('.'), value);
    } catch (error) {
      const first = path.split('.')[0]!;
      const close = nearest(first, Object.keys(grammar.shape));
      const remedy =
        close !== undefined && close !== first
          ? `did you mean ${JSON.stringify(close)}?`
          : 'give it as path=value: load.maxInFlight=500';
      problems.push({
        file: '--set',
        line: 1,
        column: 1,
        path,
        cause: `it cannot be set: ${(error as Error).message}`,
        remedy,
      });
    }
  }
  return problems;
}

function sorted(problems: Problem[]): Problem[] {
  return problems.sort((a, b) => a.line - b.line || a.column - b.column || a.path.localeCompare(b.path));
}
