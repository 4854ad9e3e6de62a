import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseResult, type Result, type SeriesPoint, seriesPoint } from '../orchestrator/result/schema.js';
import { ReportError } from './errors.js';
import { readNdjson } from './ndjson.js';
import { partialResult } from './partial.js';

/** What the renderers get: the result, the seconds of the run, and what reading them brought up. */
export interface RunView {
  result: Result;
  series: SeriesPoint[];
  /** Damage found while reading, in sentences; shown next to the omissions. */
  notes: string[];
  /** True when result.json is missing or damaged and the result was rebuilt from the other files. */
  partial: boolean;
}

/**
 * Reads a run folder. Without a readable result.json the result is rebuilt from what is there (partial.ts).
 * Throws a ReportError: no such folder, not a run folder, a result of another version or of the wrong shape.
 */
export async function loadRun(runDir: string): Promise<RunView> {
  const folder = await stat(runDir).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw new ReportError(
      'no-such-run',
      `${runDir}: no such run folder.`,
      'Give the folder that `stress run` printed, for example runs/2026-03-01T12-00-00Z-payday.',
    );
  }
  const { series, notes } = await readSeries(runDir);
  const written = await readResult(runDir);
  if (typeof written === 'object') return { result: written, series, notes, partial: false };
  const result = await partialResult(resolve(runDir), series, written);
  return { result, series, notes, partial: true };
}

/** The result, or why there is none. */
async function readResult(runDir: string): Promise<Result | 'missing' | 'damaged'> {
  const path = join(runDir, 'result.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new ReportError('io', `${path}: cannot be read: ${error.message}`, 'Check the rights of the run folder.');
  });
  if (text === undefined) return 'missing';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'damaged';
  }
  return checked(path, value);
}

function checked(path: string, value: unknown): Result {
  const version = (value as { version?: unknown } | null)?.version;
  if (version !== 1) {
    throw new ReportError(
      'bad-result',
      `${path}: version ${JSON.stringify(version) ?? 'missing'}, this Shadowline reads version 1.`,
      'Use the Shadowline that wrote the run, or a newer one.',
    );
  }
  try {
    return parseResult(value);
  } catch (error) {
    const issues = (error as { issues?: { path: PropertyKey[]; message: string }[] }).issues ?? [];
    const first = issues.slice(0, 5).map((issue) => `${issue.path.map(String).join('.')}: ${issue.message}`);
    throw new ReportError(
      'bad-result',
      `${path}: not a result (${issues.length} wrong): ${first.join('; ')}`,
      'The file was changed after the run. Move it away and `stress report` rebuilds what it can from the other files.',
    );
  }
}

async function readSeries(runDir: string): Promise<{ series: SeriesPoint[]; notes: string[] }> {
  const series: SeriesPoint[] = [];
  const summary = await readNdjson(join(runDir, 'series.ndjson'), (value) => {
    const parsed = seriesPoint.safeParse(value);
    if (parsed.success) series.push(parsed.data);
    return parsed.success;
  });
  const notes: string[] = [];
  if (summary.missing) notes.push('series.ndjson is missing: there are no curves over time.');
  if (summary.cut) notes.push('The last line of series.ndjson is cut: that second is left out.');
  if (summary.bad > 0) notes.push(`series.ndjson has ${summary.bad} damaged line(s), which are left out.`);
  series.sort((a, b) => a.tS - b.tS);
  return { series, notes };
}
