import { formatProblem, ScenarioError } from '../orchestrator/scenario/problem.js';
import { CliError, type ExitName, exitCodes } from './exit-codes.js';
import { paint } from './terminal.js';

interface Told {
  exitCode: number;
  cause: string;
  remedy: string | undefined;
  /** Of a scenario: one text each, with file, line and column. */
  problems?: { file: string; line: number; column: number; path: string; cause: string; remedy: string }[];
  stack?: string;
}

/** Prints an error to stderr and returns the exit code. */
export function printError(error: unknown, options: { json: boolean }): number {
  const told = tell(error);
  if (options.json) {
    const { exitCode, stack, ...rest } = told;
    process.stderr.write(
      `${JSON.stringify({ error: { code: exitCode, name: nameOf(exitCode), ...rest, ...(stack && { stack }) } })}\n`,
    );
    return exitCode;
  }
  const { red, dim } = paint(process.stderr);
  const lines = [`${red('stress:')} ${told.cause}`];
  for (const problem of told.problems ?? []) lines.push(formatProblem(problem));
  if (told.stack !== undefined) lines.push(dim(told.stack));
  if (told.remedy !== undefined) lines.push(`${dim('→')} ${told.remedy}`);
  process.stderr.write(`${lines.join('\n')}\n`);
  return told.exitCode;
}

function nameOf(code: number): ExitName {
  return (Object.keys(exitCodes) as ExitName[]).find((name) => exitCodes[name] === code) ?? 'unexpected';
}

/** Faults of the machine that need no stack. */
const SYSTEM: Record<string, string> = {
  EACCES: 'check owner and mode',
  EPERM: 'check owner and mode',
  ENOENT: 'check the path',
  ENOSPC: 'the disk is full: make room and try again',
  EROFS: 'the file system is read-only: choose another folder',
  EADDRINUSE: 'another process listens there: choose another port, or end that process',
  ECONNREFUSED: 'nothing listens there: is the server up?',
  EMFILE: 'too many open files: raise the limit (ulimit -n)',
};

/** Of drivers and sockets; the last three of PostgreSQL: the server was stopped, or somebody ended the session. */
const LOST = new Set('PROTOCOL_CONNECTION_LOST ECONNRESET EPIPE ETIMEDOUT 57P01 57P02 57P03'.split(' '));

/** Errors of the toolkit's own parts whose message has cause and remedy already. By name, so that none of those parts is loaded for it. */
const SPEAKING = new Set([
  'RunFolderError',
  'ShadowDbError',
  'SeedError',
  'ShadowNameError',
  'EngineError',
  'AgentConfigError',
]);

export function tell(error: unknown): Told {
  if (error instanceof ScenarioError) {
    const { problems } = error;
    const file = problems[0]?.file ?? 'the scenario';
    return {
      exitCode: exitCodes.usage,
      cause: `${file} has ${problems.length} problem${problems.length === 1 ? '' : 's'}`,
      remedy: undefined,
      problems,
    };
  }
  if (error instanceof CliError) return { exitCode: error.exitCode, cause: error.message, remedy: error.hint };
  if (!(error instanceof Error)) return { exitCode: exitCodes.unexpected, cause: String(error), remedy: REPORT };
  // Errors of the toolkit's other parts carry a hint; errors of the system a code.
  const { hint, exitCode, code } = error as Error & { hint?: unknown; exitCode?: unknown; code?: unknown };
  if (typeof hint === 'string')
    return {
      exitCode: typeof exitCode === 'number' ? exitCode : exitCodes.unexpected,
      cause: error.message,
      remedy: hint,
    };
  if (SPEAKING.has(error.constructor.name))
    return { exitCode: exitCodes.unexpected, cause: error.message, remedy: undefined };
  if (typeof code === 'string' && LOST.has(code)) {
    return {
      exitCode: exitCodes.unexpected,
      cause: `the connection to a server was lost: ${error.message}`,
      remedy: 'see whether the server is up, then give the same command again: what was finished stays',
    };
  }
  if (typeof code === 'string' && code.startsWith('ER_')) {
    return {
      exitCode: exitCodes.unexpected,
      cause: `the database server refused: ${error.message}`,
      remedy: 'check the rights of the account in the URL of the store',
    };
  }
  if (typeof code === 'string' && SYSTEM[code] !== undefined)
    return { exitCode: exitCodes.unexpected, cause: error.message, remedy: SYSTEM[code] };
  return {
    exitCode: exitCodes.unexpected,
    cause: `unexpected error: ${error.message}`,
    remedy: REPORT,
    stack: error.stack ?? '',
  };
}

const REPORT =
  'This is a fault of the toolkit. Report it with the text above, the command line and `stress --version`.';
