import { availableParallelism } from 'node:os';
import type { RecordingManifest } from '../../recording/recording.js';
import type { EngineOptions } from '../engine.js';
import { EngineError } from '../errors.js';
import { planStages, scheduleErrors } from './schedule.js';

/** One worker is given this many requests a second before another is started; it can do about twice as many. */
const PER_WORKER_PER_SEC = 4000;
const MAX_WORKERS = 16;
/** Recorded traffic comes in bursts: its busiest second against its mean. */
const BURST = 3;

/** @throws EngineError (`ENGINE_OPTIONS`) with all that is wrong. */
export function checkOptions(options: EngineOptions): void {
  const errors = scheduleErrors(options.schedule);
  const target = tryUrl(options.target);
  if (target === null || !/^https?:$/.test(target.protocol))
    errors.push(`target is ${JSON.stringify(options.target)}, it must be an origin like http://127.0.0.1:8080`);
  if (!(options.timeoutMs > 0)) errors.push(`timeoutMs is ${options.timeoutMs}, it must be above 0`);
  if (!Number.isInteger(options.maxInFlight) || options.maxInFlight < 1)
    errors.push(`maxInFlight is ${options.maxInFlight}, it must be a whole number from 1`);
  if (!Number.isInteger(options.amplifySessions) || options.amplifySessions < 1)
    errors.push(`amplifySessions is ${options.amplifySessions}, it must be a whole number from 1`);
  if (!Number.isInteger(options.workers) || options.workers < 0)
    errors.push(`workers is ${options.workers}, it must be a whole number from 0`);
  if (options.think.kind === 'factor' && !(options.think.factor >= 0))
    errors.push(`the think factor is ${options.think.factor}, it must be 0 or above`);
  for (const [i, transform] of options.transforms.entries()) {
    if (
      transform.kind === 'identity' &&
      !(Number.isSafeInteger(transform.from) && Number.isSafeInteger(transform.to) && transform.to >= transform.from)
    ) {
      errors.push(
        `transform ${i} (identity ${transform.field}): ${transform.from}-${transform.to} is not a range of whole numbers`,
      );
    }
    if (transform.kind === 'canary' && !/^[A-Za-z0-9]{8,}$/.test(options.canary))
      errors.push(`the canary ${JSON.stringify(options.canary)} must be 8 or more letters and digits`);
  }
  if (errors.length > 0) throw new EngineError('ENGINE_OPTIONS', errors.join('\n'));
}

/** How many workers, when the options leave it open: as many as the rate needs, and one core is left to others. */
export function workersFor(options: EngineOptions, manifest: RecordingManifest, busyShards: number): number {
  let workers = options.workers;
  if (workers === 0) {
    const { schedule } = options;
    const spanS = Math.max(1, (manifest.toUs - manifest.fromUs) / 1e6);
    const perSec =
      schedule.kind === 'stages'
        ? Math.max(...planStages(schedule.stages).steps.map((step) => step.endRatePerUs * 1e6))
        : (BURST * schedule.speed * options.amplifySessions * manifest.records) / spanS;
    workers = Math.min(Math.ceil(perSec / PER_WORKER_PER_SEC), availableParallelism() - 1, MAX_WORKERS);
  }
  return Math.max(1, Math.min(workers, busyShards, options.maxInFlight));
}

/** What of the options has no effect, in words for the result's notes. */
export function uselessOptions({ schedule, think }: EngineOptions): string[] {
  if (schedule.kind === 'recorded') return [];
  const notes: string[] = [];
  if (schedule.speed !== 1) notes.push(`speed ${schedule.speed} had no effect: the stages say when requests are due`);
  if (think.kind !== 'recorded')
    notes.push(`think time "${think.kind}" had no effect: the stages say when requests are due`);
  return notes;
}

function tryUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
