import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { CompletenessReport } from './completeness.js';
import { RecordingError } from './errors.js';
import { readManifest } from './manifest.js';

export const COMPLETENESS_FILE = 'completeness.json';

const count = z.number().int().nonnegative();
const schema = z.object({
  read: count,
  written: count,
  outsideWindow: count,
  dropped: z.array(
    z.object({
      reason: z.enum([
        'cut-line',
        'line-too-long',
        'not-utf8',
        'not-json',
        'unusable',
        'not-a-capture',
        'duplicate',
        'unparsed-line',
      ]),
      count,
      where: z.array(z.string()),
    }),
  ),
  recorderDropped: count,
  segments: count,
  notClosed: z.array(z.string()),
  missingSegments: z.array(z.string()),
});

/** The report that was written when the recording was made. @throws RecordingError */
export async function readCompleteness(dir: string): Promise<CompletenessReport> {
  await readManifest(dir);
  const file = join(dir, COMPLETENESS_FILE);
  try {
    return schema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new RecordingError(
      'RECORDING_FILE_DAMAGED',
      `${file} cannot be read: ${cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message}`,
      'make the recording again; the requests themselves do not need this file',
      { cause },
    );
  }
}
