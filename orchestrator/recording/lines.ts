/** A line of a file: `number` from 1, `offset` of its first byte. */
export type Line =
  | { kind: 'line'; number: number; offset: number; bytes: Buffer; ended: boolean }
  /** Longer than the limit: never in memory as a whole. */
  | { kind: 'too-long'; number: number; offset: number; length: number };

const NEWLINE = 10;

/**
 * Splits bytes into lines without their newline. A line longer than `maxBytes` is counted and passed over; `ended` is false for a last
 * line without a newline. Memory: one chunk and one line.
 */
export async function* readLines(chunks: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Line[]> {
  let number = 1;
  let offset = 0;
  let parts: Buffer[] = [];
  let length = 0;

  const finish = (ended: boolean): Line => {
    const line: Line =
      length > maxBytes
        ? { kind: 'too-long', number, offset, length }
        : { kind: 'line', number, offset, bytes: parts.length === 1 ? parts[0]! : Buffer.concat(parts), ended };
    number++;
    offset += length + 1;
    parts = [];
    length = 0;
    return line;
  };

  for await (const chunk of chunks) {
    const lines: Line[] = [];
    let from = 0;
    while (from < chunk.length) {
      const at = chunk.indexOf(NEWLINE, from);
      const to = at < 0 ? chunk.length : at;
      length += to - from;
      if (length <= maxBytes) parts.push(chunk.subarray(from, to));
      else parts = [];
      if (at < 0) break;
      lines.push(finish(true));
      from = at + 1;
    }
    if (lines.length > 0) yield lines;
  }
  if (length > 0) yield [finish(false)];
}
