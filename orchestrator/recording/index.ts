export { readCapture } from './capture-reader.js';
export {
  Completeness,
  type CompletenessReport,
  completenessNotes,
  type Dropped,
  type DropReason,
} from './completeness.js';
export { RecordingError, type RecordingErrorCode } from './errors.js';
export { COMPLETENESS_FILE, type MadeRecording, type MakeRecordingOptions, makeRecording } from './make.js';
export { openRecording } from './reader.js';
export * from './recording.js';
export { OTHER_ROUTES, RouteTable, routeOf } from './routes.js';
