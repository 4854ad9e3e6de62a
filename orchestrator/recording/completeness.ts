/** Why a record is not in the recording. */
export type DropReason =
  /** The last line of a segment ends in the middle: the recorder was killed. */
  | 'cut-line'
  | 'line-too-long'
  | 'not-utf8'
  | 'not-json'
  /** JSON, but a field is missing or of the wrong kind. */
  | 'unusable'
  /** A file without the header of a capture. */
  | 'not-a-capture'
  /** Same session, seq, time, method and URL as another record. */
  | 'duplicate'
  /** A line of an imported log that does not follow the format. */
  | 'unparsed-line';

export interface Dropped {
  reason: DropReason;
  count: number;
  /** The first places: `file:line` (or `file`), and what is wrong there. */
  where: string[];
}

/** What was captured, what is in the recording, and why the rest is not. */
export interface CompletenessReport {
  /** Records (lines) that were seen in the sources. */
  read: number;
  /** Records in the recording. */
  written: number;
  /** Seen, but outside of the time window that was asked for. */
  outsideWindow: number;
  dropped: Dropped[];
  /** Requests that recorders saw and did not record (memory bound, sampling), from the segments' last lines. */
  recorderDropped: number;
  segments: number;
  /** Segments without their last line, or with a count that does not fit: what their recorder dropped is not known. */
  notClosed: string[];
  /** Segment numbers of an instance that are not there although a later one is. */
  missingSegments: string[];
}

/** Places a reason keeps; the count goes on. */
const MAX_WHERE = 20;

/** Collects a completeness report while records are read. */
export class Completeness {
  read = 0;
  outsideWindow = 0;
  recorderDropped = 0;
  segments = 0;
  readonly notClosed: string[] = [];
  readonly missingSegments: string[] = [];
  readonly #dropped = new Map<DropReason, Dropped>();

  drop(reason: DropReason, where?: string, count = 1): void {
    let entry = this.#dropped.get(reason);
    if (entry === undefined) {
      entry = { reason, count: 0, where: [] };
      this.#dropped.set(reason, entry);
    }
    entry.count += count;
    if (where !== undefined && entry.where.length < MAX_WHERE) entry.where.push(where);
  }

  report(written: number): CompletenessReport {
    return {
      read: this.read,
      written,
      outsideWindow: this.outsideWindow,
      dropped: [...this.#dropped.values()],
      recorderDropped: this.recorderDropped,
      segments: this.segments,
      notClosed: this.notClosed,
      missingSegments: this.missingSegments,
    };
  }
}

const PHRASES: Record<DropReason, string> = {
  'cut-line': 'cut in the middle',
  'line-too-long': 'longer than the limit',
  'not-utf8': 'not UTF-8',
  'not-json': 'not JSON',
  unusable: 'with missing or wrong fields',
  'not-a-capture': 'files that are not captures',
  duplicate: 'exact duplicates',
  'unparsed-line': 'lines that do not follow the format',
};

/** The report as lines for people; empty when all that was seen is in the recording. */
export function completenessNotes(report: CompletenessReport): string[] {
  const notes = report.dropped.map(({ reason, count, where }) => {
    const first = where.length === 0 ? '' : ` (first: ${where[0]})`;
    return `${count} left out: ${PHRASES[reason]}${first}`;
  });
  if (report.outsideWindow > 0) notes.push(`${report.outsideWindow} left out: outside of the time window`);
  if (report.recorderDropped > 0)
    notes.push(`${report.recorderDropped} requests were seen but not recorded by the recorder`);
  if (report.notClosed.length > 0) {
    notes.push(
      `${report.notClosed.length} segments were not closed in order (first: ${report.notClosed[0]}): what was lost there is not known`,
    );
  }
  if (report.missingSegments.length > 0) notes.push(`segments missing: ${report.missingSegments.join(', ')}`);
  return notes;
}
