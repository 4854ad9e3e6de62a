import { createReadStream } from 'node:fs';

export interface NdjsonSummary {
  /** Lines given to the reader. */
  lines: number;
  /** Lines that are not JSON, are too long, or that the reader refused. */
  bad: number;
  /** The last line has no line break and is not JSON: the writer was stopped while it wrote. */
  cut: boolean;
  missing: boolean;
}

/** No line of a run folder comes near this; a longer one is damage, and must not fill the memory. */
const MAX_LINE_BYTES = 1 << 20;

/**
 * Reads a file of one JSON value a line, for as long as it can be read: damaged lines are counted, a cut last line is told apart, a missing
 * file is `missing`. `take` returns false for a value that it cannot use. Throws on errors of reading but "no such file".
 */
export async function readNdjson(path: string, take: (value: unknown) => boolean): Promise<NdjsonSummary> {
  const summary: NdjsonSummary = { lines: 0, bad: 0, cut: false, missing: false };
  const accept = (line: string, isLast: boolean): void => {
    if (line.trim() === '') return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      if (isLast) summary.cut = true;
      else summary.bad++;
      return;
    }
    if (take(value)) summary.lines++;
    else summary.bad++;
  };
  let rest = '';
  let skipping = false;
  try {
    for await (const chunk of createReadStream(path, { encoding: 'utf8' })) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) {
        if (skipping || line.length > MAX_LINE_BYTES) summary.bad++;
        else accept(line, false);
        skipping = false;
      }
      if (rest.length > MAX_LINE_BYTES) {
        skipping = true;
        rest = '';
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    summary.missing = true;
  }
  if (skipping) summary.cut = true;
  else accept(rest, true);
  return summary;
}
