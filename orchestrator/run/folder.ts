import {
  closeSync,
  existsSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** The run folder cannot be written. `runDir` is what can still be read, if anything. */
export class RunFolderError extends Error {
  override readonly name = 'RunFolderError';
  readonly runDir: string | undefined;
  constructor(message: string, runDir: string | undefined, options?: ErrorOptions) {
    super(message, options);
    this.runDir = runDir;
  }
}

export type Log = 'series' | 'ledger' | 'errors' | 'log';
const LOGS: Log[] = ['series', 'ledger', 'errors', 'log'];
const RESERVE = '.reserve';
const RESERVE_BYTES = 512 * 1024;

/**
 * `runs/<UTC time>-<name>/`: append-only NDJSON files, fsynced once a second, and result.json by rename, so that whatever ends the process the
 * folder can be read.
 *
 * | state  | append          | a write fails (disk full, …)                                       | close  |
 * | ------ | --------------- | ------------------------------------------------------------------ | ------ |
 * | open   | whole lines     | the cut line is taken back; `onFailure` once; failed               | closed |
 * | failed | dropped         | -                                                                  | closed |
 *
 * A small reserve file is given back at the end, so that the result has room even on a disk that filled up in mid-run.
 */
export class RunFolder {
  readonly dir: string;
  readonly #files: Record<Log, number>;
  readonly #onFailure: (error: RunFolderError) => void;
  readonly #timer: NodeJS.Timeout;
  readonly #syncing = new Set<number>();
  #dirty = new Set<Log>();
  #failure: RunFolderError | undefined;
  #closed = false;

  private constructor(dir: string, files: Record<Log, number>, onFailure: (error: RunFolderError) => void) {
    this.dir = dir;
    this.#files = files;
    this.#onFailure = onFailure;
    this.#timer = setInterval(() => this.#sync(), 1000);
    this.#timer.unref();
  }

  /** @throws RunFolderError when the folder cannot be made or written. Nothing has been sent then. */
  static create(runsDir: string, folderName: string, onFailure: (error: RunFolderError) => void): RunFolder {
    let dir = join(runsDir, folderName);
    try {
      makeParents(resolve(runsDir));
      dir = makeDir(dir);
      mkdirSync(join(dir, 'histograms'));
      writeFileSync(join(dir, RESERVE), Buffer.alloc(RESERVE_BYTES, 0x20), { flush: true });
      const files = Object.fromEntries(LOGS.map((log) => [log, openSync(join(dir, `${log}.ndjson`), 'a')]));
      return new RunFolder(dir, files as Record<Log, number>, onFailure);
    } catch (error) {
      throw new RunFolderError(
        `the run folder ${dir} cannot be written: ${(error as Error).message}. Nothing was sent. Choose another folder with --runs, or give this user the right to write there.`,
        undefined,
        { cause: error },
      );
    }
  }

  /** What went wrong, if something did. */
  get failure(): RunFolderError | undefined {
    return this.#failure;
  }

  /** Appends one line. Does not throw: a failure is told to `onFailure` once. */
  append(log: Log, line: object): void {
    if (this.#failure !== undefined || this.#closed) return;
    const fd = this.#files[log];
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    let sizeBefore: number | undefined;
    try {
      sizeBefore = fstatSync(fd).size;
      let at = 0;
      while (at < bytes.length) at += writeSync(fd, bytes, at);
      this.#dirty.add(log);
    } catch (error) {
      // A full disk takes part of a line: the part is taken back.
      try {
        if (sizeBefore !== undefined) ftruncateSync(fd, sizeBefore);
      } catch {
        // Readers do without a cut last line as well.
      }
      this.#fail(`${log}.ndjson`, error as Error);
    }
  }

  /** Writes a whole file under another name and renames it. @throws RunFolderError */
  replace(name: string, content: string | Uint8Array): void {
    const path = join(this.dir, name);
    const temporary = `${path}.tmp`;
    try {
      writeFileSync(temporary, content, { flush: true });
      renameSync(temporary, path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw this.#fail(name, error as Error);
    }
  }

  /** Gives the reserved space back: from now on the result is written. */
  release(): void {
    rmSync(join(this.dir, RESERVE), { force: true });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.release();
    for (const fd of Object.values(this.#files)) {
      try {
        fsyncSync(fd);
      } catch (error) {
        this.#fail('the run folder', error as Error);
      }
      // An fsync under way still uses its descriptor; the process's end closes it.
      if (!this.#syncing.has(fd)) closeSync(fd);
    }
  }

  #sync(): void {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    for (const log of dirty) {
      const fd = this.#files[log];
      if (this.#syncing.has(fd)) continue;
      this.#syncing.add(fd);
      fsync(fd, (error) => {
        this.#syncing.delete(fd);
        if (error !== null && !this.#closed) this.#fail(`${log}.ndjson`, error);
      });
    }
  }

  #fail(what: string, cause: Error): RunFolderError {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    const error = new RunFolderError(
      `cannot write ${join(this.dir, what)}: ${full ? 'the disk is full' : cause.message}. What was written before is whole. ${full ? 'Free some space and run again.' : 'See to the folder and run again.'}`,
      this.dir,
      { cause },
    );
    if (this.#failure === undefined) {
      this.#failure = error;
      this.#onFailure(error);
    }
    return error;
  }
}

/** One level after the other: Node's own recursive mkdir never returns where the system answers ENOENT for an existing parent (/proc). */
function makeParents(dir: string): void {
  if (existsSync(dir)) return;
  makeParents(dirname(dir));
  try {
    mkdirSync(dir);
  } catch (error) {
    // Another run may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Two runs may begin in the same second. */
function makeDir(dir: string): string {
  for (let n = 1; ; n++) {
    const path = n === 1 ? dir : `${dir}-${n}`;
    try {
      mkdirSync(path);
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || n >= 100) throw error;
    }
  }
}
