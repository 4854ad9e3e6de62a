/** Why a report could not be made. The command line turns it into its own error; `hint` says what to do. */
export type ReportErrorCode = 'no-such-run' | 'not-a-run' | 'bad-result' | 'not-writable' | 'disk-full' | 'io';

export class ReportError extends Error {
  readonly code: ReportErrorCode;
  readonly hint: string;

  constructor(code: ReportErrorCode, message: string, hint: string) {
    super(message);
    this.name = 'ReportError';
    this.code = code;
    this.hint = hint;
  }
}
