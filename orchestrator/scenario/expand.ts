import type { Path, ScenarioDocument } from './document.js';
import type { Problem } from './problem.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** A scalar that holds something from the environment: what was written, and what it became. */
export interface Expansion {
  source: string;
  value: string;
}

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;
const WHOLE = /^env:([A-Za-z_][A-Za-z0-9_]*)$/;

/**
 * Replaces `${NAME}`, `${NAME:-default}` and a scalar that is `env:NAME` as a whole, inside scalars only: what comes from the environment
 * stays text (or a number, or true and false where the scalar has no quotes) and can never add a key. `$${` stands for `${`.
 *
 * @returns by dotted path, what was expanded: secrets must not be shown, and a missing variable is one problem, not two.
 */
export function expandEnvironment(
  document: ScenarioDocument,
  env: Environment,
): { expansions: Map<string, Expansion>; problems: Problem[] } {
  const expansions = new Map<string, Expansion>();
  const missing: { path: Path; name: string; offset: number; isKey: boolean; written: string }[] = [];
  const malformed: { path: Path; offset: number; isKey: boolean; written: string }[] = [];
  document.eachScalar((text, path, plain, isKey) => {
    const whole = WHOLE.exec(text);
    if (whole === null && !text.includes('${')) return text;
    let value: string;
    if (whole !== null) {
      value = env[whole[1]!] ?? '';
      if (value === '') missing.push({ path, name: whole[1]!, offset: 0, isKey, written: text });
    } else {
      value = text.replace(
        REFERENCE,
        (match, name: string | undefined, fallback: string | undefined, offset: number) => {
          if (match === '$${') return '${';
          if (name === undefined) {
            malformed.push({ path, offset, isKey, written: text });
            return match;
          }
          const found = env[name];
          // Like a shell's `:-`: an empty variable takes the default.
          if (found !== undefined && (found !== '' || fallback === undefined)) return found;
          if (fallback !== undefined) return fallback;
          missing.push({ path, name, offset, isKey, written: text });
          return '';
        },
      );
    }
    // A key without its variable keeps its text, so that its place can be found.
    if (isKey) return missing.some((one) => one.path === path) ? text : value;
    expansions.set(path.join('.'), { source: text, value });
    return plain ? plainValue(value) : value;
  });
  const problems = [
    ...missing.map(({ path, name, offset, isKey, written }) =>
      document.problem(
        path,
        `environment variable ${name} is not set`,
        `set ${name}, or give a default: \${${name}:-…}`,
        { key: isKey, offset, written },
      ),
    ),
    ...malformed.map(({ path, offset, isKey, written }) =>
      document.problem(
        path,
        'this reference to the environment is not complete',
        `write \${NAME} or \${NAME:-default}; $\${ is a literal $\{`,
        { key: isKey, offset, written },
      ),
    ),
  ];
  return { expansions, problems };
}

/** What an unquoted scalar would have meant, had the expanded text stood in the file. */
function plainValue(text: string): string | number | boolean {
  if (/^-?(0|[1-9]\d{0,14})(\.\d{1,15})?$/.test(text)) return Number(text);
  if (text === 'true' || text === 'false') return text === 'true';
  return text;
}
