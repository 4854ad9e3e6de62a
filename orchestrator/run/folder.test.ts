import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { RunFolder, RunFolderError } from './folder.js';
import { newRunIdentity } from './identity.js';

describe('run folder', () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'shadowline folder test '));
  });
  afterEach(async () => {
    await chmod(parent, 0o700);
    await rm(parent, { recursive: true, force: true });
  });
  const open = () => RunFolder.create(join(parent, 'runs'), 'a-run', () => undefined);

  it('appends whole lines and leaves nothing but the run when it is closed', async () => {
    const folder = open();
    folder.append('series', { a: 1 });
    folder.append('series', { a: 'ü' });
    folder.replace('result.json', '{}');
    folder.close();
    expect(await readFile(join(folder.dir, 'series.ndjson'), 'utf8')).toBe('{"a":1}\n{"a":"ü"}\n');
    expect((await readdir(folder.dir)).sort()).toEqual([
      'errors.ndjson',
      'histograms',
      'ledger.ndjson',
      'log.ndjson',
      'result.json',
      'series.ndjson',
    ]);
  });

  it('gives two runs of the same second folders of their own', () => {
    const one = open();
    const two = open();
    expect(two.dir).not.toBe(one.dir);
    one.close();
    two.close();
  });

  it('says what to do when the folder cannot be made', async () => {
    // A file where the folder should be: works for root as well.
    await writeFile(join(parent, 'runs'), '');
    expect(open).toThrow(RunFolderError);
    expect(open).toThrow(/cannot be written.*Nothing was sent.*--runs/);
  });

  it('says so as well where the system takes no folders at all', () => {
    // Linux: mkdir in /proc fails with ENOENT though the parent is there. Elsewhere the parent is not there either, or may not be written.
    expect(() => RunFolder.create('/proc/1/nope/runs', 'x', () => undefined)).toThrow(/cannot be written/);
  });

  it('leaves the old result and no temporary file when a new one cannot be written', async () => {
    const folder = open();
    folder.replace('result.json', 'old');
    await mkdir(join(folder.dir, 'other.json'));
    expect(() => folder.replace('other.json', 'x')).toThrow(RunFolderError);
    expect(await readFile(join(folder.dir, 'result.json'), 'utf8')).toBe('old');
    expect((await readdir(folder.dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    folder.close();
  });
});

describe('run identity', () => {
  it('fits the flag and the file system', () => {
    const { runId, folder, canary } = newRunIdentity('pay day/../x', new Date('2026-07-30T10:15:00.123Z'));
    expect(runId).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
    expect(folder).toBe('2026-07-30T10-15-00Z-pay-day-x');
    expect(canary).toMatch(/^[A-Za-z0-9]{8,}$/);
  });
});
