import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ReportError } from './errors.js';

/**
 * Writes a file as a whole or not at all: temporary file in the same folder, fsync, rename. What stood there before stays when it fails.
 * Throws a ReportError.
 */
export async function writeWhole(path: string, content: string): Promise<void> {
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw explain(path, error);
  }
}

export function explain(path: string, error: unknown): ReportError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new ReportError(
      'disk-full',
      `${path}: not written, the disk is full (${code}).`,
      'Make room, or write elsewhere: `stress report <run folder> --out <folder>`.',
    );
  }
  if (['EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ENOTDIR', 'EISDIR'].includes(code)) {
    return new ReportError(
      'not-writable',
      `${path}: cannot be written (${code}).`,
      `Check that ${dirname(path)} is a folder that you may write to, or give another one with --out.`,
    );
  }
  return new ReportError(
    'io',
    `${path}: not written: ${(error as Error).message}`,
    'Try again, or write to another disk.',
  );
}
