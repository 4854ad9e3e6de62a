import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { CaptureRecord } from '@shadowline/agent/capture';
import { readCapture, type Sourced } from './capture-reader.js';
import { problemOfRecord } from './check-record.js';
import { Completeness, type CompletenessReport, completenessNotes } from './completeness.js';
import { COMPLETENESS_FILE } from './completeness-file.js';
import { Duck } from './duck.js';
import { isDiskFull, RecordingError } from './errors.js';
import { MANIFEST_FILE, shardFile } from './manifest.js';
import { RECORDING_VERSION, type RecordingManifest } from './recording.js';
import { planShards, writeShards } from './shards.js';
import { sortStaged } from './sort.js';
import { Staging } from './staging.js';

export interface MakeRecordingOptions {
  /** A folder of capture segments, or records in any order. */
  from: string | AsyncIterable<CaptureRecord>;
  /** `capture`, `access-log`, …; goes into the manifest. */
  source: string;
  /** Folder to make. Written beside it and renamed, so it is there as a whole or not at all. */
  out: string;
  /** Default: 64, fewer when the recording is small or its records are large. */
  shards?: number;
  /** Replace a recording (and nothing else) at `out`. */
  overwrite?: boolean;
  /** Longest line of a segment; default 16 MiB. */
  maxLineBytes?: number;
  /** Only records with fromUs ≤ t_us < toUs (µs since the epoch). */
  window?: { fromUs?: number; toUs?: number };
  /** Times are whole seconds: spread the records of a second evenly over it, in order of `seq`. */
  spreadSeconds?: boolean;
  /** Pauses in which nothing at all was recorded are shortened to this, µs; a note says how many and by how much. Default: kept. */
  maxGapUs?: number;
  /** For imports, which drop lines before they are records. Default: a new one. */
  completeness?: Completeness;
  /** For DuckDB; default 512 MB, 1 thread (bench/recording.ts has the measurements). */
  memoryLimitMb?: number;
  threads?: number;
  onProgress?(progress: { phase: 'read' | 'sort' | 'write'; records: number }): void;
}

export interface MadeRecording {
  manifest: RecordingManifest;
  completeness: CompletenessReport;
}

/**
 * Makes a recording: sorted by time, without duplicates, each session's requests numbered from 0, sessions spread over shards. Memory is
 * bounded by `memoryLimitMb`; the disk beside `out` needs about twice the size of the captures for a while.
 * @throws RecordingError; whatever happens, nothing but a whole recording is left at `out`.
 */
export async function makeRecording(options: MakeRecordingOptions): Promise<MadeRecording> {
  const out = resolve(options.out);
  await checkOut(out, options.overwrite ?? false);
  const work = join(dirname(out), `.${basename(out)}.making-${process.pid}-${randomBytes(3).toString('hex')}`);
  try {
    await mkdir(work, { recursive: true });
    const made = await fill(work, options);
    await publish(join(work, 'recording'), out, join(work, 'replaced'));
    return made;
  } catch (error) {
    throw explained(error, out);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** @throws RecordingError (`RECORDING_EXISTS`). */
async function checkOut(out: string, overwrite: boolean): Promise<void> {
  const entry = await stat(out).catch(() => undefined);
  if (entry === undefined) return;
  const names = entry.isDirectory() ? await readdir(out) : undefined;
  if (names?.length === 0) return;
  if (overwrite && names?.includes(MANIFEST_FILE)) return;
  throw overwrite
    ? new RecordingError(
        'RECORDING_EXISTS',
        `${out} exists and is not a recording (no ${MANIFEST_FILE}): it is not overwritten`,
        'choose another --out, or remove it yourself',
      )
    : new RecordingError('RECORDING_EXISTS', `${out} exists`, 'choose another --out, or add --overwrite');
}

async function fill(work: string, options: MakeRecordingOptions): Promise<MadeRecording> {
  const { onProgress } = options;
  const completeness = options.completeness ?? new Completeness();
  const tempDir = join(work, 'spill');
  const recordingDir = join(work, 'recording');
  await mkdir(tempDir);
  await mkdir(recordingDir);
  const duck = await Duck.open({
    memoryLimitMb: options.memoryLimitMb ?? 512,
    threads: options.threads ?? 1,
    tempDir,
  });
  try {
    const connection = await duck.connect();
    const staging = await stage(connection, options, completeness);
    onProgress?.({ phase: 'sort', records: staging.rows });
    const plan = planShards({ records: staging.rows, bytes: staging.bytes, asked: options.shards });
    const { gaps, ...sorted } = await sortStaged(connection, {
      shards: plan.shards,
      completeness,
      spreadSeconds: options.spreadSeconds ?? false,
      maxGapUs: options.maxGapUs,
    });
    onProgress?.({ phase: 'write', records: sorted.records });
    const files = await writeShards(connection, recordingDir, plan);
    const report = completeness.report(sorted.records);
    const manifest: RecordingManifest = {
      shadowline: 'recording',
      version: RECORDING_VERSION,
      source: options.source,
      createdAt: new Date().toISOString(),
      ...sorted,
      shards: plan.shards,
      notes: [...completenessNotes(report), ...gapNotes(gaps, options.maxGapUs)],
      ...files,
    };
    await writeFile(join(recordingDir, COMPLETENESS_FILE), `${JSON.stringify(report, null, 2)}\n`);
    await writeFile(join(recordingDir, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    await flush(recordingDir, manifest);
    return { manifest, completeness: report };
  } finally {
    duck.close();
  }
}

function gapNotes({ count, cutUs }: { count: number; cutUs: number }, maxGapUs = 0): string[] {
  if (count === 0) return [];
  return [
    `${count} pauses without any request were shortened to ${maxGapUs / 1e6} s; ${Math.round(cutUs / 1e6)} s are left out in all`,
  ];
}

async function stage(
  connection: DuckDBConnection,
  { from, window, maxLineBytes, onProgress }: MakeRecordingOptions,
  completeness: Completeness,
): Promise<Staging> {
  const staging = await Staging.open(connection);
  const batches =
    typeof from === 'string'
      ? readCapture(from, { completeness, ...(maxLineBytes === undefined ? {} : { maxLineBytes }) })
      : checked(from, completeness);
  const { fromUs = Number.NEGATIVE_INFINITY, toUs = Number.POSITIVE_INFINITY } = window ?? {};
  let reported = 0;
  for await (const batch of batches) {
    for (const sourced of batch) {
      if (sourced.record.t_us >= fromUs && sourced.record.t_us < toUs) staging.add(sourced);
      else completeness.outsideWindow++;
    }
    if (completeness.read - reported < 50_000) continue;
    reported = completeness.read;
    onProgress?.({ phase: 'read', records: reported });
  }
  staging.finish();
  return staging;
}

async function* checked(records: AsyncIterable<CaptureRecord>, completeness: Completeness): AsyncGenerator<Sourced[]> {
  let number = 0;
  let batch: Sourced[] = [];
  for await (const record of records) {
    const where = `record ${++number}`;
    completeness.read++;
    const problem = problemOfRecord(record);
    if (problem === undefined) batch.push({ record, where });
    else completeness.drop('unusable', `${where}: ${problem}`);
    if (batch.length < 1024) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

/** A rename must not overtake the data: after a power cut the folder would be there and its files empty. */
async function flush(dir: string, { shardRecords = [] }: RecordingManifest): Promise<void> {
  const files = shardRecords.flatMap((records, shard) => (records > 0 ? [shardFile(shard)] : []));
  for (const file of [...files, COMPLETENESS_FILE, MANIFEST_FILE]) {
    const handle = await open(join(dir, file), 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function publish(made: string, out: string, aside: string): Promise<void> {
  const replaced = await rename(out, aside).then(
    () => true,
    () => false,
  );
  try {
    await rename(made, out);
  } catch (error) {
    if (replaced) await rename(aside, out);
    throw error;
  }
}

function explained(error: unknown, out: string): unknown {
  if (error instanceof RecordingError) return error;
  if (isDiskFull(error)) {
    return new RecordingError(
      'RECORDING_DISK_FULL',
      `the disk of ${dirname(out)} is full; nothing was left there`,
      'free some space (about twice the size of the captures is needed for a while), or choose an --out on another disk',
      { cause: error },
    );
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM' || code === 'ENOTDIR') {
    return new RecordingError(
      'RECORDING_WRITE',
      `${out} cannot be written: ${(error as Error).message}`,
      'choose an --out in a folder that you may write to',
      { cause: error },
    );
  }
  return error;
}
