/** How many rows the next chunk has, and how long to rest before it. Pure but for the clock that is given. */

export interface PaceOptions {
  /** Default 200 ms. */
  maxChunkMs?: number;
  /** Text that passes through this process per chunk; bounds its memory. Default 2 MiB. */
  maxChunkBytes?: number;
  /** Default 20,000. */
  maxChunkRows?: number;
}

export class Pace {
  rows: number;
  private readonly maxMs: number;
  private readonly maxBytes: number;
  private readonly maxRows: number;

  constructor(
    { maxChunkMs = 200, maxChunkBytes = 2 * 1024 * 1024, maxChunkRows = 20_000 }: PaceOptions,
    firstRows = 500,
  ) {
    this.maxMs = maxChunkMs;
    this.maxBytes = maxChunkBytes;
    this.maxRows = maxChunkRows;
    this.rows = Math.max(1, Math.min(firstRows, maxChunkRows));
  }

  /** Grows at most twofold, so that one quick chunk does not make the next one long; shrinks as far as it must. */
  done(rows: number, ms: number, bytes = 0): void {
    if (rows === 0) return;
    const room = Math.min(this.maxMs / Math.max(ms, 1), bytes === 0 ? 2 : this.maxBytes / bytes, 2);
    this.rows = Math.max(1, Math.min(this.maxRows, Math.round(Math.min(this.rows * 2, rows * room))));
    // a last, short chunk says nothing about the next table's size
    if (room >= 1 && rows < this.rows) this.rows = Math.max(this.rows, rows);
  }

  failed(): void {
    this.rows = Math.max(1, Math.floor(this.rows / 2));
  }
}

/** Milliseconds to wait until so many rows are within the rate. */
export function restMs(rows: number, elapsedMs: number, ratePerSec: number | undefined): number {
  return ratePerSec === undefined ? 0 : Math.max(0, (rows / ratePerSec) * 1000 - elapsedMs);
}
