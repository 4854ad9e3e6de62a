/** The library: what a service owner or another tool may build on. */
export type { AgentConfig } from '@shadowline/agent/config';
export {
  type Flag,
  FlagVerifier,
  publicKeyText,
  readPrivateKey,
  readPublicKey,
  signFlag,
} from '@shadowline/agent/flag';
export { openRecording } from './recording/index.js';
export type { RecordedRequest, Recording, RecordingManifest } from './recording/recording.js';
export { parseResult, type Result, type SeriesPoint } from './result/schema.js';
export type { Phase, RunEvent } from './run/events.js';
export { RunFolderError } from './run/folder.js';
export { type RunOptions, type RunOutcome, runScenario } from './run.js';
export { agentConfigOf, loadScenario, type Scenario, ScenarioError } from './scenario/index.js';
