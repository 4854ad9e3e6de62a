import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { RecordingError } from './errors.js';
import { RECORDING_VERSION, type RecordingManifest } from './recording.js';

export const MANIFEST_FILE = 'manifest.json';

const count = z.number().int().nonnegative();

/** Unknown keys are let through: a later minor addition must not make a recording unreadable. */
const manifestSchema = z.object({
  shadowline: z.literal('recording'),
  version: z.literal(RECORDING_VERSION),
  source: z.string(),
  createdAt: z.string(),
  records: count,
  sessions: count,
  shards: z.number().int().positive().max(4096),
  fromUs: z.number().int(),
  toUs: z.number().int(),
  notes: z.array(z.string()),
  shardRecords: z.array(count).optional(),
  shardBytes: z.array(count).optional(),
});

/** Where a shard's records are, relative to the recording. */
export function shardFile(shard: number): string {
  return join(`shard=${String(shard).padStart(2, '0')}`, 'part-0.parquet');
}

/** @throws RecordingError: `RECORDING_MISSING`, `RECORDING_VERSION`, `RECORDING_MANIFEST`. */
export async function readManifest(dir: string): Promise<RecordingManifest> {
  const file = join(dir, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const isFolder = await stat(dir).then(
      (entry) => entry.isDirectory(),
      () => undefined,
    );
    const what =
      isFolder === undefined
        ? `there is no recording at ${dir}`
        : isFolder
          ? `${dir} is not a recording: it has no ${MANIFEST_FILE}`
          : `${dir} is a file; a recording is a folder with a ${MANIFEST_FILE}`;
    throw new RecordingError(
      'RECORDING_MISSING',
      what,
      'make one with `stress record --from <capture dir> --out <dir>` or `stress import <access log> --out <dir>`',
      { cause },
    );
  }
  return parseManifest(text, file);
}

export function parseManifest(text: string, file: string): RecordingManifest {
  const again = 'make the recording again from its captures or its log';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RecordingError('RECORDING_MANIFEST', `${file} is not JSON: ${(cause as Error).message}`, again, {
      cause,
    });
  }
  const { shadowline, version } = (value ?? {}) as { shadowline?: unknown; version?: unknown };
  if (shadowline === 'recording' && version !== RECORDING_VERSION) {
    throw new RecordingError(
      'RECORDING_VERSION',
      `${file}: recording version ${JSON.stringify(version) ?? 'missing'}; this toolkit reads version ${RECORDING_VERSION}`,
      typeof version === 'number' && version > RECORDING_VERSION ? 'use a newer toolkit' : again,
    );
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`);
    throw new RecordingError('RECORDING_MANIFEST', `${file}: ${problems.join('; ')}`, again);
  }
  const { shards, shardRecords, shardBytes, ...rest } = parsed.data;
  for (const [key, list] of Object.entries({ shardRecords, shardBytes })) {
    if (list !== undefined && list.length !== shards) {
      throw new RecordingError(
        'RECORDING_MANIFEST',
        `${file}: ${key} has ${list.length} entries for ${shards} shards`,
        again,
      );
    }
  }
  return {
    ...rest,
    shards,
    ...(shardRecords === undefined ? {} : { shardRecords }),
    ...(shardBytes === undefined ? {} : { shardBytes }),
  };
}
