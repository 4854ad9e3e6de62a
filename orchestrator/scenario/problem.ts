/** One thing that is wrong with a scenario, and where. Lines and columns count from 1. */
export interface Problem {
  file: string;
  line: number;
  column: number;
  /** Dotted path of the key: `load.stages.0.in`; empty for the file as a whole. */
  path: string;
  /** What is wrong. Never contains an expanded secret. */
  cause: string;
  /** What to do about it. */
  remedy: string;
}

/** `scenario.yaml:4:9: load.timeout: 30 has no unit` and, indented below it, the remedy. */
export function formatProblem(problem: Problem): string {
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${where}: ${path}${problem.cause}${problem.remedy === '' ? '' : `\n    ${problem.remedy}`}`;
}

/** Every problem of a scenario at once. */
export class ScenarioError extends Error {
  readonly problems: Problem[];

  constructor(problems: Problem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.name = 'ScenarioError';
    this.problems = problems;
  }
}

/**
 * The candidate nearest to a mistyped word, or undefined when none is near: at most a third of the letters differ (neighbours that
 * changed places count once), or one is the beginning of the other.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = candidate.toLowerCase();
    const isPrefix = wanted.length >= 3 && (other.startsWith(wanted) || wanted.startsWith(other));
    const far = distance(wanted, other);
    if (!isPrefix && far > Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3))) continue;
    if (far < bestDistance) {
      best = candidate;
      bestDistance = far;
    }
  }
  return best;
}

/** Optimal string alignment distance. Words longer than 64 letters are not compared. */
function distance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
