import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Result, resultSchema } from '../orchestrator/result/schema.js';
import { exampleEndpoint, exampleResult, exampleSeries } from './fixtures/example-result.js';
import { renderReports, renderTerminal } from './index.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shadowline-report-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function report(
  result: Result = exampleResult(),
  series = exampleSeries(),
  html = true,
): Promise<Record<string, string>> {
  await writeFile(join(dir, 'result.json'), JSON.stringify(result));
  await writeFile(join(dir, 'series.ndjson'), series.map((point) => `${JSON.stringify(point)}\n`).join(''));
  await renderReports(dir, { html });
  const names = [...(html ? ['report.html'] : []), 'summary.md', 'junit.xml'];
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(dir, name), 'utf8')])),
  );
}

const HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>|`\'&\u0000\u202e';

describe('reports of a run', () => {
  it('has the sections in the order of the readers’ questions, and no script', async () => {
    expect(resultSchema.safeParse(exampleResult()).error).toBeUndefined();
    const html = (await report())['report.html']!;
    const order = [...html.matchAll(/<section id="([^"]+)"/g)].map((match) => match[1]);
    expect(order).toEqual(
      'capacity thresholds topology time steps endpoints errors isolation real-users recording environment method'.split(
        ' ',
      ),
    );
    expect(html.indexOf('id="verdict"')).toBeLessThan(html.indexOf('id="capacity"'));
    expect(html).toMatch(/default-src 'none'; style-src 'sha256-[^']+'; img-src data:/);
    expect(html).not.toMatch(/<script|\sstyle="|https?:\/\/(?!127\.0\.0\.1)/);
    for (const figure of html.split('<figure>').slice(1)) {
      expect(figure).toMatch(/^<figcaption>[^<]{20,}/);
      expect(figure).toMatch(/role="img"/);
    }
    expect(html.match(/class="on-light"/g)!.length).toBeGreaterThanOrEqual(6);
  });

  it('is the same for the same run', async () => {
    const first = await report();
    expect(await report()).toEqual(first);
  });

  it('escapes whatever came from outside', async () => {
    const result = exampleResult();
    const hostile = JSON.parse(JSON.stringify(result), (key, value) =>
      typeof value === 'string' &&
      !['outcome', 'kind', 'unit', 'store', 'protocol', 'tableClass', 'by', 'reason'].includes(key)
        ? `${value}${HOSTILE}`
        : value,
    ) as Result;
    const { 'report.html': html, 'summary.md': summary, 'junit.xml': junit } = await report(hostile);
    expect(html).not.toMatch(/<script|<img src=x|\p{Cc}(?<!\n)|\u202e/u);
    expect(html).toContain('&lt;script&gt;');
    expect(summary).not.toMatch(/<script|<img|\u202e/);
    expect(junit).not.toMatch(/<script|<img|\p{Cc}(?<!\n)|\u202e/u);
    expectBalanced(junit!);
  });

  it('stays small when the run is huge', async () => {
    const result = exampleResult();
    result.endpoints = Array.from({ length: 10_000 }, (_, i) =>
      exampleEndpoint(`GET /${'x'.repeat(150)}/${i}`, i, 0, 1000),
    );
    result.errors = Array.from({ length: 5_000 }, (_, i) => ({
      ...result.errors[0]!,
      code: `E${i}`,
      example: 'x'.repeat(5000),
    }));
    result.isolation.stores = Array.from({ length: 5_000 }, () => result.isolation.stores[0]!);
    const points = exampleSeries();
    const day = Array.from({ length: 86_400 }, (_, tS) => ({ ...points[20 + (tS % 40)]!, tS }));
    const html = (await report(result, day))['report.html']!;
    expect(Buffer.byteLength(html)).toBeLessThan(3_000_000);
    expect(html).toContain('other: 9,950 routes');
    expect(html).toContain('4,950 more in result.json');
  });

  it('does with an empty run', async () => {
    const result = exampleResult();
    const empty: Result = {
      ...result,
      steps: [],
      thresholds: [],
      guardrails: [],
      endpoints: [],
      errors: [],
      topology: { services: [], edges: [] },
    };
    const html = (await report(empty, []))['report.html']!;
    expect(html).toContain('No second of load was written');
    expect(html).toContain('No call between services was seen');
    expect(html).toContain('sets no threshold');
  });

  it('leaves what stood there when it cannot write, and no temporary file', async () => {
    await report(exampleResult(), [], false);
    await rm(join(dir, 'summary.md'));
    await mkdir(join(dir, 'summary.md', 'sub'), { recursive: true });
    await expect(renderReports(dir, { html: false })).rejects.toMatchObject({
      code: 'not-writable',
      message: expect.stringContaining('summary.md'),
    });
    expect((await readdir(dir)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await expect(renderReports(dir, { outDir: join(dir, 'result.json', 'x') })).rejects.toMatchObject({
      code: 'not-writable',
    });
  });

  it('writes elsewhere, and only what was asked for', async () => {
    await report();
    const outDir = join(dir, 'else', 'where');
    const { files } = await renderReports(dir, { outDir, junit: false });
    expect(files).toEqual([join(outDir, 'report.html'), join(outDir, 'summary.md')]);
    expect(await readdir(outDir)).toEqual(['report.html', 'summary.md']);
  });
});

describe('junit.xml', () => {
  it('has a case for the verdict, each threshold, guardrail, service and rule', async () => {
    const junit = (await report(exampleResult(), [], false))['junit.xml']!;
    expectBalanced(junit);
    const { thresholds, guardrails, topology, isolation } = exampleResult();
    const cases =
      1 +
      thresholds.length +
      guardrails.length +
      topology.services.length +
      4 +
      isolation.stores.length +
      isolation.probes.length;
    expect(junit.match(/<testcase /g)).toHaveLength(cases);
    expect(junit).toMatch(
      new RegExp(`<testsuites name="example" tests="${cases}" failures="2" errors="0" skipped="2"`),
    );
    expect(junit).toMatch(
      /name="p99\(response\) &lt; 300ms" time="0"><failure message="observed 412 ms, limit 300 ms, 6,838 samples"/,
    );
  });

  it('fails leaks, missing rows and lost services by name', async () => {
    const result = exampleResult();
    result.isolation.outcome = 'leak';
    result.isolation.leaks = [
      { store: 'mysql', target: 'bank.transfers', kind: 'canary', count: 7, samples: ['id 9000001'] },
    ];
    result.isolation.stores[0] = { ...result.isolation.stores[0]!, rowsFound: 3104, outcome: 'missing' };
    result.topology.services[2]!.lostAtS = 31;
    const junit = (await report(result, [], false))['junit.xml']!;
    expect(junit).toMatch(/<failure message="7 in mysql bank.transfers \(canary\)"/);
    expect(junit).toMatch(/<failure message="missing: 3,111 issued, 3,104 found"/);
    expect(junit).toMatch(/<failure message="payment stopped reporting at 31 s"/);
  });
});

describe('the terminal’s summary', () => {
  it('fits its width and has colours only when asked', () => {
    const plain = renderTerminal(exampleResult(), { color: false, width: 60 });
    expect(plain).not.toContain('\u001b');
    expect(Math.max(...plain.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(plain).toContain('SLO MISSED');
    expect(plain).toMatch(/missed +p99\(response\) < 300ms/);
    expect(renderTerminal(exampleResult(), { color: true, width: 60 })).toContain('\u001b[31m');
  });
});

/** Well-formed as far as tags go: each one closed, in order. */
function expectBalanced(xml: string): void {
  const open: string[] = [];
  for (const [, close, name, self] of xml.matchAll(/<(\/?)([a-z]+)(?:\s+[a-z]+="[^"<>]*")*\s*(\/?)>/g)) {
    if (close === '/') expect(open.pop()).toBe(name);
    else if (self !== '/') open.push(name!);
  }
  expect(open).toEqual([]);
  expect(xml.replace(/<\?xml[^>]*>|<\/?[a-z]+(?:\s+[a-z]+="[^"<>]*")*\s*\/?>/g, '')).not.toMatch(/[<>]/);
}
