import type { Recording } from '../../recording/recording.js';
import type { Engine, EngineOptions, EngineRun } from '../engine.js';
import { EngineError } from '../errors.js';
import { assignShards } from './assign.js';
import { checkOptions, uselessOptions, workersFor } from './options.js';
import { NodeRun } from './run.js';
import { RECORDING_MODULE } from './thread-url.js';
import { stepsOf } from './timing.js';

export interface NodeEngineSeam {
  /** URL of an ES module that exports `openRecording(dir)`; loaded in every thread. Tests give recordings from memory by it. */
  recordingModule?: string;
}

/** The node engine: undici in worker threads, absolute schedule (docs/decisions/010-engine.md). */
export function createNodeEngine(seam: NodeEngineSeam = {}): Engine {
  const recordingModule = seam.recordingModule ?? RECORDING_MODULE;
  return { name: 'node', start: (options) => start(options, recordingModule) };
}

export const nodeEngine: Engine = createNodeEngine();

async function start(options: EngineOptions, recordingModule: string): Promise<EngineRun> {
  checkOptions(options);
  const { openRecording } = (await import(recordingModule)) as { openRecording(dir: string): Promise<Recording> };
  const recording = await openRecording(options.recordingDir);
  const { manifest } = recording;
  await recording.close();
  if (manifest.records === 0) {
    throw new EngineError(
      'ENGINE_RECORDING_EMPTY',
      `${options.recordingDir} holds no request: there is nothing to replay; record or import some traffic first`,
    );
  }
  const weights = shardWeights(manifest);
  const workers = workersFor(options, manifest, weights.filter((weight) => weight > 0).length);
  const recordedUs = manifest.toUs - manifest.fromUs;
  const run = new NodeRun({
    options,
    recordingModule,
    assignments: assignShards(weights, workers),
    steps: stepsOf(options.schedule, recordedUs),
    recordedPerUs: recordedUs > 0 ? (manifest.records * options.amplifySessions) / recordedUs : 0,
    notes: [...manifest.notes, ...uselessOptions(options)],
  });
  await run.start();
  return run;
}

/** Requests of each shard; equal when the manifest does not say. */
function shardWeights(manifest: Recording['manifest']): number[] {
  return manifest.shardRecords ?? Array.from({ length: manifest.shards }, () => 1);
}
