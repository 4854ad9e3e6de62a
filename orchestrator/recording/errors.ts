/** Everything that can be wrong with a recording, a capture or an import. */
export type RecordingErrorCode =
  /** There is no manifest.json: not a recording, or one that was never finished. */
  | 'RECORDING_MISSING'
  | 'RECORDING_MANIFEST'
  | 'RECORDING_VERSION'
  | 'RECORDING_FILE_MISSING'
  /** A Parquet file is shorter, longer or otherwise than the manifest says. */
  | 'RECORDING_FILE_DAMAGED'
  | 'RECORDING_ORDER'
  | 'RECORDING_SHARD'
  | 'RECORDING_EXISTS'
  | 'RECORDING_DISK_FULL'
  | 'RECORDING_WRITE'
  | 'RECORDING_QUERY'
  | 'CAPTURE_MISSING'
  | 'CAPTURE_VERSION'
  | 'IMPORT_SOURCE'
  | 'IMPORT_LINE';

/** `message` names the file and the cause, `hint` what to do about it. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
  readonly code: RecordingErrorCode;
  readonly hint: string;

  constructor(code: RecordingErrorCode, message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

/** True for what the operating system and DuckDB say when a disk or a quota is full. */
export function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || /no space left on device|disk quota exceeded/i.test(error.message);
}
