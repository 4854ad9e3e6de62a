import type { RecordedRequest } from '../../../recording/recording.js';
import type { OutgoingRequest } from '../request.js';
import type { Session } from '../session.js';

/** What a transform knows beside the request. */
export interface TransformContext {
  record: RecordedRequest;
  session: Session;
  runId: string;
}

/** An answer of the target, for transforms that learn from it. The body is decompressed and cut at 64 KiB. */
export interface LiveResponse {
  status: number;
  header(name: string): string | undefined;
  headers(): [name: string, value: string][];
  body: string;
}

/** Something that happened n times and that people should know of; a line of the result's notes. */
export type Count = (what: string) => void;

/** One instance a worker; what belongs to a session stands in `session.memory[position]`. */
export interface Transform {
  /** Changes the request in place before it is sent. */
  apply(request: OutgoingRequest, context: TransformContext): void | Promise<void>;
  /** The body of this request's answer is needed by `learn`. */
  learnsFrom?(record: RecordedRequest): boolean;
  /** `sent` is the request as it went out, before the run's own headers. */
  learn?(sent: OutgoingRequest, response: LiveResponse, context: TransformContext): void;
  /** The target refused the request with this status though the recording was let in: true when it is worth to make and send it once more. */
  recover?(status: number, context: TransformContext): Promise<boolean> | undefined;
}
