export type EngineErrorCode =
  | 'ENGINE_NOT_BUILT'
  | 'ENGINE_OPTIONS'
  | 'ENGINE_RECORDING_EMPTY'
  | 'ENGINE_WORKER'
  | 'ENGINE_TRANSFORM';

/** An engine could not start. The message names cause and remedy. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;

  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
