/**
 * The capture format, version 1 (docs/formats/recording.md): what the agent's recorder appends to disk and
 * `stress record` turns into a recording. One NDJSON file a segment; the first line is a CaptureHeader, every further line a
 * CaptureRecord. A crash may cut the last line; everything before it is whole.
 */
export const CAPTURE_VERSION = 1;

export interface CaptureHeader {
  shadowline: 'capture';
  version: typeof CAPTURE_VERSION;
  service: string;
  instance: string;
  /** Segment number within the instance, from 0. */
  segment: number;
  /** Wall clock, µs since the epoch. */
  opened_us: number;
}

export interface CaptureRecord {
  /** Arrival, µs since the epoch (a clock that does not step within one process). */
  t_us: number;
  /** Who: the value of the configured session key, or a digest of address and user agent. */
  session: string;
  /** Order within the session, from 0. */
  seq: number;
  method: string;
  /** Path and query as received. */
  url: string;
  headers: [name: string, value: string][];
  /** Request body; `base64` when it is not valid UTF-8. Absent when there was none. */
  body?: string;
  body_encoding?: 'utf8' | 'base64';
  status: number;
  /** From arrival to the end of the response. */
  latency_us: number;
  response_headers?: [name: string, value: string][];
  /** Response body, when it is text and within the limit (correlation needs it). */
  response_body?: string;
  /** First 16 hex digits of the SHA-256 of the response body. */
  response_digest?: string;
}

/** Last line of a segment that was closed in order. */
export interface CaptureTrailer {
  shadowline: 'end';
  records: number;
  /** Requests that were seen but not recorded (memory bound, sampling), since the segment was opened. */
  dropped: number;
}
