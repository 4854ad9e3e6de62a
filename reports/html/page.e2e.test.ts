import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import type { Result } from '../../orchestrator/result/schema.js';
import { exampleResult, exampleSeries } from '../fixtures/example-result.js';

// What the browser has; the tests' own library has no page.
declare const document: any;
declare const getComputedStyle: any;

/** The report as a reader gets it: made by the command line, opened in a browser without a network. */
const run = promisify(execFile);
const stress = join(process.cwd(), 'dist', 'bin', 'stress.js');
const axe = createRequire(join(process.cwd(), 'package.json')).resolve('axe-core/axe.min.js');
const executablePath = findBrowser();
if (executablePath === undefined && process.env.CI === 'true')
  throw new Error('No chromium on PATH: CI must have one.');
const inBrowser = executablePath === undefined ? it.skip : it;

function findBrowser(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

let dir: string;
let browser: Browser | undefined;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shadowline report '));
  const leak = exampleResult();
  leak.run.name = 'a leak & <b>markup</b>';
  leak.verdict = {
    outcome: 'leak',
    exitCode: 6,
    sentence: 'Leak: 7 rows in bank.transfers.',
    reasons: ['Leak: 7 rows.'],
  };
  leak.isolation.outcome = 'leak';
  leak.isolation.leaks = [
    { store: 'mysql', target: 'bank.transfers', kind: 'canary', count: 7, samples: ['x'.repeat(300)] },
  ];
  leak.endpoints[0]!.route = `GET /${'very-long-route-without-a-break'.repeat(20)}`;
  leak.omissions = ['Redis was left out.'];
  await makeRun('whole', exampleResult());
  await makeRun('leak', leak);
  await makeRun('cut', undefined);
  if (executablePath !== undefined) {
    const args =
      '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';
    browser = await chromium.launch({ executablePath, args: args.split(' ') });
  }
});

afterAll(async () => {
  await browser?.close();
  await rm(dir, { recursive: true, force: true });
});

async function makeRun(name: string, result: Result | undefined): Promise<void> {
  const folder = join(dir, name);
  await mkdir(folder);
  const series = exampleSeries().map((point) => `${JSON.stringify(point)}\n`);
  await writeFile(
    join(folder, 'series.ndjson'),
    result === undefined ? series.join('').slice(0, 9000) : series.join(''),
  );
  await writeFile(join(folder, 'scenario.yaml'), 'version: 1\nname: example\ntarget: http://127.0.0.1:1\n');
  if (result !== undefined) await writeFile(join(folder, 'result.json'), JSON.stringify(result));
  await run(process.execPath, [stress, 'report', folder]);
}

async function open(name: string, options: BrowserContextOptions): Promise<{ page: Page; complaints: string[] }> {
  const context = await browser!.newContext({ offline: true, viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url().slice(0, 80)}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event: any) =>
      console.error(`CSP ${event.violatedDirective}`),
    );
  });
  await page.goto(pathToFileURL(join(dir, name, 'report.html')).href);
  return { page, complaints };
}

describe('stress report', () => {
  it('writes three files and says the verdict', async () => {
    const { stdout } = await run(process.execPath, [stress, 'report', join(dir, 'whole'), '--json']);
    const told = JSON.parse(stdout) as { outcome: string; partial: boolean; files: string[] };
    expect(told).toMatchObject({ outcome: 'slo-missed', exitCode: 4, partial: false });
    for (const file of told.files) expect((await readFile(file, 'utf8')).length).toBeGreaterThan(500);
    expect(await readdir(join(dir, 'whole'))).toEqual(
      expect.arrayContaining(['junit.xml', 'report.html', 'result.json', 'summary.md']),
    );
  });

  it('makes a report of a run that was killed', async () => {
    const { stdout } = await run(process.execPath, [stress, 'report', join(dir, 'cut')]);
    expect(stdout).toMatch(/THE RUN FAILED\nThe run did not end: its last sign of life is second \d+ of the load/);
    expect(await readFile(join(dir, 'cut', 'report.html'), 'utf8')).toContain('last line of series.ndjson is cut');
  });

  it('ends with 2 and a remedy when there is no such run', async () => {
    const failed = await run(process.execPath, [stress, 'report', join(dir, 'nowhere')]).catch((error) => error);
    expect(failed.code).toBe(2);
    expect(failed.stderr).toMatch(/no such run folder[\s\S]*Give the folder/);
  });
});

describe('report.html in a browser', () => {
  for (const name of ['whole', 'leak', 'cut']) {
    for (const colorScheme of ['light', 'dark'] as const) {
      inBrowser(`${name}, ${colorScheme}: no complaint, accessible, no sideways scrolling`, async () => {
        const { page, complaints } = await open(name, { colorScheme });
        for (const width of [1280, 380]) {
          await page.setViewportSize({ width, height: 900 });
          expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
        }
        await page.evaluate(() => {
          for (const details of document.querySelectorAll('details')) details.open = true;
        });
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(380);
        expect(complaints).toEqual([]);
        // From here on the tests' own script runs in the page, which its policy forbids to the page itself.
        await page.evaluate(await readFile(axe, 'utf8'));
        const grave = await page.evaluate(async () => {
          const { violations } = await (globalThis as any).axe.run();
          return violations
            .filter(({ impact }: any) => impact === 'serious' || impact === 'critical')
            .map(({ id, nodes }: any) => `${id}: ${nodes[0].html.slice(0, 200)}`);
        });
        expect(grave).toEqual([]);
        await page.context().close();
      });
    }
  }

  inBrowser('draws its charts for the theme, and for light paper in print', async () => {
    const { page } = await open('whole', { colorScheme: 'dark' });
    const corner = () =>
      page.evaluate(async () => {
        const images = [...document.querySelectorAll('img')].filter((image: any) => image.offsetParent !== null);
        return Promise.all(
          images.map(async (image: any) => {
            await image.decode();
            const canvas = document.createElement('canvas');
            const context = canvas.getContext('2d')!;
            context.drawImage(image, 0, 0);
            return [image.naturalWidth > 0, context.getImageData(1, 1, 1, 1).data[0]! > 128 ? 'light' : 'dark'];
          }),
        );
      });
    const inDark = await corner();
    expect(inDark.length).toBeGreaterThanOrEqual(6);
    expect(inDark).toEqual(inDark.map(() => [true, 'dark']));
    await page.emulateMedia({ media: 'print' });
    expect(await corner()).toEqual(inDark.map(() => [true, 'light']));
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(255, 255, 255)');
    const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true });
    expect(pdf.subarray(0, 5).toString()).toBe('%PDF-');
    await page.context().close();
  });
});
