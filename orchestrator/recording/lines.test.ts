import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Line, readLines } from './lines.js';

async function* chunked(bytes: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function linesOf(bytes: Buffer, sizes: number[], maxBytes: number): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const batch of readLines(chunked(bytes, sizes), maxBytes)) lines.push(...batch);
  return lines;
}

describe('readLines', () => {
  it('gives number and offset, passes over what is too long, and says when the last line has no newline', async () => {
    const lines = await linesOf(Buffer.from('ab\n\nlonger line\ncd'), [3], 5);
    expect(lines.map((line) => (line.kind === 'line' ? { ...line, bytes: line.bytes.toString() } : line))).toEqual([
      { kind: 'line', number: 1, offset: 0, bytes: 'ab', ended: true },
      { kind: 'line', number: 2, offset: 3, bytes: '', ended: true },
      { kind: 'too-long', number: 3, offset: 4, length: 11 },
      { kind: 'line', number: 4, offset: 16, bytes: 'cd', ended: false },
    ]);
  });

  it('does not depend on how the bytes come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .uint8Array({ maxLength: 200 })
          .map((bytes) => Buffer.from(bytes.map((byte) => (byte % 5 === 0 ? 10 : byte)))),
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
        fc.integer({ min: 0, max: 30 }),
        async (bytes, sizes, maxBytes) => {
          const whole = bytes.toString('latin1').split('\n');
          if (whole.at(-1) === '') whole.pop();
          const lines = await linesOf(bytes, sizes, maxBytes);
          expect(lines.map((line) => (line.kind === 'line' ? line.bytes.toString('latin1') : line.length))).toEqual(
            whole.map((text) => (text.length > maxBytes ? text.length : text)),
          );
          for (const [i, line] of lines.entries()) {
            expect(line.number).toBe(i + 1);
            expect(bytes.toString('latin1').startsWith(whole[i]!, line.offset)).toBe(true);
          }
        },
      ),
    );
  });
});
