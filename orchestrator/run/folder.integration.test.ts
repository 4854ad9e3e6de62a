import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

/**
 * A file size limit of the shell stops a write in the middle of a line, as a full disk does (EFBIG for ENOSPC), and needs no rights to mount
 * anything.
 */
const LIMIT_KIB = 800;
const compiled = pathToFileURL(join(process.cwd(), 'dist', 'orchestrator', 'run', 'folder.js')).href;

describe('run folder when writing fails in mid-run', () => {
  let parent: string;
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'shadowline-full-'));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  function run(script: string): { status: number | null; output: string } {
    const child = spawnSync(
      'bash',
      ['-c', `ulimit -f ${LIMIT_KIB}; exec "$0" --input-type=module -e "$1"`, process.execPath, script],
      { env: { ...process.env, NODE_OPTIONS: '', PARENT: parent, COMPILED: compiled }, encoding: 'utf8' },
    );
    return { status: child.status, output: child.stdout + child.stderr };
  }

  it('keeps every line whole, says so once, and still finds room for the result', async () => {
    const { status, output } = run(`
      const { RunFolder } = await import(process.env.COMPILED);
      const failures = [];
      const folder = RunFolder.create(process.env.PARENT, 'x', (error) => failures.push(error.message));
      let written = 0;
      while (failures.length === 0) { folder.append('series', { tS: written, pad: 'x'.repeat(997) }); if (failures.length === 0) written++; }
      folder.append('series', { tS: -1 });
      folder.append('log', { message: 'later' });
      folder.replace('result.json', JSON.stringify({ written }));
      folder.close();
      console.log(JSON.stringify({ written, failures }));
    `);
    expect(status).toBe(0);
    const { written, failures } = JSON.parse(output) as { written: number; failures: string[] };
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(/series\.ndjson.*What was written before is whole/);
    const text = await readFile(join(parent, 'x', 'series.ndjson'), 'utf8');
    expect(text.endsWith('\n')).toBe(true);
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { tS: number }).tS)).toEqual([...Array(written).keys()]);
    expect(written * 1024).toBeGreaterThan(LIMIT_KIB * 1024 * 0.9);
    expect(JSON.parse(await readFile(join(parent, 'x', 'result.json'), 'utf8'))).toEqual({ written });
  });

  it('ends with a clear message and without a half result when not even that can be written', async () => {
    const { status, output } = run(`
      const { RunFolder } = await import(process.env.COMPILED);
      const folder = RunFolder.create(process.env.PARENT, 'x', () => {});
      folder.replace('result.json', 'x'.repeat(2 * 1024 * 1024));
    `);
    expect(status).not.toBe(0);
    expect(output).toMatch(/RunFolderError: cannot write .*result\.json/);
    expect(await readdir(join(parent, 'x'))).not.toContain('result.json.tmp');
    expect(await readdir(join(parent, 'x'))).not.toContain('result.json');
  });

  it('leaves whole lines behind when the process is killed', async () => {
    const { output } = run(`
      const { RunFolder } = await import(process.env.COMPILED);
      const folder = RunFolder.create(process.env.PARENT, 'x', () => {});
      for (let i = 0; i < 200; i++) folder.append('ledger', { rows: i });
      process.kill(process.pid, 'SIGKILL');
    `);
    expect(output).toBe('');
    const lines = (await readFile(join(parent, 'x', 'ledger.ndjson'), 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { rows: number }).rows)).toEqual([...Array(200).keys()]);
  });
});
