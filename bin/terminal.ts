import colors from 'picocolors';

interface Stream {
  isTTY?: boolean;
}

/** Colours for a stream: none when it is no terminal, when NO_COLOR is set, or when the terminal is dumb. */
export function paint(stream: Stream, env: NodeJS.ProcessEnv = process.env): ReturnType<typeof colors.createColors> {
  return colors.createColors(isInteractive(stream, env) && (env.NO_COLOR ?? '') === '');
}

/** Whether lines may be redrawn in place. */
export function isInteractive(stream: Stream, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** Prints a result to stdout. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Prints progress or a note to stderr, so that stdout stays what a pipe expects. */
export function note(text: string, quiet = false): void {
  if (!quiet) process.stderr.write(`${text}\n`);
}
