import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { resultSchema } from '../orchestrator/result/schema.js';
import { exampleResult, exampleSeries } from './fixtures/example-result.js';
import { renderReports } from './index.js';
import { loadRun } from './run-folder.js';

const AT = '2026-03-01T12:00:';
const files: Record<string, string> = {
  'scenario.yaml': 'version: 1\nname: "payday" # the name\ntarget: http://127.0.0.1:8080\n',
  'series.ndjson': exampleSeries()
    .slice(0, 40)
    .map((point) => `${JSON.stringify(point)}\n`)
    .join(''),
  'ledger.ndjson': [
    {
      version: 1,
      at: `${AT}05.000Z`,
      service: 'payment',
      instance: 'p1',
      run: 'r',
      store: 'mysql',
      target: 'bank.transfers_shadow',
      operation: 'insert',
      rows: 40,
    },
    {
      version: 1,
      at: `${AT}41.000Z`,
      service: 'payment',
      instance: 'p1',
      run: 'r',
      store: 'mysql',
      target: 'bank.transfers_shadow',
      operation: 'delete',
      rows: -3,
    },
    {
      version: 1,
      at: `${AT}42.000Z`,
      service: 'account',
      instance: 'a1',
      run: 'r',
      store: 'mysql',
      target: 'bank.cache_shadow',
      operation: 'upsert',
      rows: 1,
    },
  ]
    .map((line) => `${JSON.stringify(line)}\n`)
    .join(''),
  'log.ndjson': `${JSON.stringify({ version: 1, at: `${AT}01.000Z`, message: 'load begins' })}\n`,
};

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shadowline-report-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});
const write = async (names: string[]): Promise<void> => {
  for (const name of names) await writeFile(join(dir, name), files[name]!);
};

describe('a run that did not end', () => {
  it('says how far it came and that nothing was audited', async () => {
    await write(Object.keys(files));
    const { result, partial } = await loadRun(dir);
    expect(partial).toBe(true);
    expect(resultSchema.safeParse(result).error).toBeUndefined();
    expect(result.verdict).toMatchObject({ outcome: 'error', exitCode: 1 });
    expect(result.verdict.sentence).toBe(
      'The run did not end: its last sign of life is second 27 of the load. Nothing was audited, so whether shadow data leaked is not known.',
    );
    expect(result.run).toMatchObject({
      name: 'payday',
      target: 'http://127.0.0.1:8080',
      startedAt: `${AT}01.000Z`,
      endedAt: `${AT}42.000Z`,
    });
    expect(result.isolation.outcome).toBe('not-checked');
    expect(result.isolation.stores).toMatchObject([
      { shadow: 'bank.transfers_shadow', writesIssued: 37, rowsFound: null, outcome: 'not-counted' },
      { shadow: 'bank.cache_shadow', writesIssued: null },
    ]);
    expect(result.topology.services.map((service) => service.name)).toEqual(['payment', 'account']);
    expect(result.steps.map((step) => [step.index, step.fromS, step.toS])).toEqual([
      [0, 0, 5],
      [1, 5, 20],
      [2, 20, 25],
      [3, 25, 28],
    ]);
    expect(result.totals.offered).toBe(
      exampleSeries()
        .slice(0, 40)
        .reduce((sum, point) => sum + point.offered, 0),
    );
  });

  it('claims nothing that nobody knows', async () => {
    await write(Object.keys(files));
    await renderReports(dir);
    const html = await readFile(join(dir, 'report.html'), 'utf8');
    expect(html.match(/Not known: the run did not end/g)!.length).toBeGreaterThanOrEqual(9);
    expect(html).not.toMatch(
      /sets no threshold|No guardrail|No request failed\.<|nothing suspicious|No shadow data was found|to the end<|Nothing was left out/,
    );
    const junit = await readFile(join(dir, 'junit.xml'), 'utf8');
    expect(junit).toContain('<error message="The run did not end');
    expect(junit).not.toContain('is heard to the end');
  });

  it.each(Object.keys(files))('does without %s', async (missing) => {
    await write(Object.keys(files).filter((name) => name !== missing));
    const { files: written, result } = await renderReports(dir, { html: missing === 'scenario.yaml' });
    expect(written.length).toBeGreaterThanOrEqual(2);
    expect(resultSchema.safeParse(result).success).toBe(true);
    expect(result.verdict.outcome).toBe('error');
  });

  it.each(Object.keys(files))('does with %s alone', async (only) => {
    await write([only]);
    const { result } = await renderReports(dir, { html: only === 'ledger.ndjson' });
    expect(result.verdict.outcome).toBe('error');
  });

  it.each(['series.ndjson', 'ledger.ndjson', 'log.ndjson'])(
    'leaves the cut last line of %s out and says so',
    async (name) => {
      await write(Object.keys(files));
      await appendFile(join(dir, name), '{"version":1,"tS":99,"pha');
      const { result, notes } = await loadRun(dir);
      expect([...result.omissions, ...notes].join(' ')).toMatch(new RegExp(`last line of ${name} is cut`));
    },
  );

  it.each(['series.ndjson', 'ledger.ndjson'])('counts damaged lines of %s', async (name) => {
    await write(Object.keys(files));
    await writeFile(join(dir, name), `garbage\n{"version":9}\n${'x'.repeat(3_000_000)}\n${files[name]}`);
    const { result, notes } = await loadRun(dir);
    expect([...result.omissions, ...notes].join(' ')).toMatch(/3 damaged line/);
    expect(result.run.loadSeconds).toBe(28);
  });

  it('rebuilds a run whose result.json is damaged', async () => {
    await write(Object.keys(files));
    await writeFile(join(dir, 'result.json'), JSON.stringify(exampleResult()).slice(0, 500));
    const { result, partial } = await loadRun(dir);
    expect(partial).toBe(true);
    expect(result.verdict.reasons[0]).toMatch(/result.json is damaged/);
  });

  it('refuses what is no run folder, another version, and a wrong shape', async () => {
    await expect(loadRun(join(dir, 'nowhere'))).rejects.toMatchObject({ code: 'no-such-run' });
    await expect(loadRun(dir)).rejects.toMatchObject({ code: 'not-a-run' });
    await writeFile(join(dir, 'result.json'), '{"version":2}');
    await expect(loadRun(dir)).rejects.toMatchObject({
      code: 'bad-result',
      message: expect.stringContaining('version 2'),
    });
    await writeFile(join(dir, 'result.json'), JSON.stringify({ ...exampleResult(), verdict: 7 }));
    await expect(loadRun(dir)).rejects.toMatchObject({
      code: 'bad-result',
      message: expect.stringContaining('verdict'),
    });
  });
});
