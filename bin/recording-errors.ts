import { RecordingError, type RecordingErrorCode } from '../orchestrator/recording/errors.js';
import { CliError, exitCodes } from './exit-codes.js';

/** Faults of the machine; all others are of what was asked for, or of the files it was asked about. */
const OF_THE_MACHINE: readonly RecordingErrorCode[] = ['RECORDING_DISK_FULL'];

/** Runs a command's work; what the recording part complains about becomes an error with an exit code. */
export async function tellingRecordingErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    const exitCode = OF_THE_MACHINE.includes(error.code) ? exitCodes.unexpected : exitCodes.usage;
    throw new CliError(exitCode, error.message, error.hint);
  }
}
