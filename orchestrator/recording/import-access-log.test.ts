import { createReadStream, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ImportOptions, importAccessLog, openRecording, type RecordedRequest } from './index.js';

const realLog = join(dirname(fileURLToPath(import.meta.url)), '../../scenarios/weblog/apache_logs.gz');
let dir: string;
let made = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shadowline-import-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

const line = (second: number, path: string, address = '10.0.0.1') =>
  `${address} - - [17/May/2015:10:05:${String(second).padStart(2, '0')} +0000] "GET ${path} HTTP/1.1" 200 10 "-" "test"`;

async function imported(log: string | Buffer, options: Partial<ImportOptions> = {}) {
  const file = join(dir, `${made++}.log`);
  await writeFile(file, log);
  const out = `${file}.out`;
  const result = await importAccessLog({ log: file, out, ...options });
  return { ...result, file, records: await read(out) };
}

async function read(out: string): Promise<RecordedRequest[]> {
  const recording = await openRecording(out);
  const records: RecordedRequest[] = [];
  for await (const batch of recording.read()) records.push(...batch);
  await recording.close();
  return records;
}

describe('importAccessLog', () => {
  it('takes all 10,000 requests of a real log, at their times', async () => {
    const out = join(dir, 'real');
    const { manifest, completeness } = await importAccessLog({ log: realLog, out });
    expect(completeness).toMatchObject({ read: 10_000, written: 10_000, dropped: [] });
    expect(manifest).toMatchObject({ records: 10_000, sessions: 1862, source: 'access-log', notes: [] });
    expect(new Date(manifest.fromUs / 1000).toISOString()).toBe('2015-05-17T10:05:00.000Z');
    expect(new Date(manifest.toUs / 1000).toISOString()).toBe('2015-05-20T21:05:59.500Z');

    const records = await read(out);
    const seconds = (times: number[]) => {
      const counts = new Map<number, number>();
      for (const time of times) counts.set(time, (counts.get(time) ?? 0) + 1);
      return counts;
    };
    const text = gunzipSync(readFileSync(realLog)).toString('latin1');
    const logged = [...text.matchAll(/\[(\d+)\/(\w+)\/(\d+):([\d:]+) \+0000\]/g)].map(
      ([, day, month, year, time]) => Date.parse(`${day} ${month} ${year} ${time} UTC`) / 1000,
    );
    // Spread within its second, no request has left it.
    expect(seconds(records.map(({ tUs }) => Math.floor((manifest.fromUs + tUs) / 1e6)))).toEqual(seconds(logged));
    expect(new Set(logged.map((second) => new Date(second * 1000).getUTCMinutes()))).toEqual(new Set([5]));
  });

  it('spreads the requests of a second evenly within it, in the order of the log', async () => {
    const { records } = await imported(
      [line(7, '/d'), line(3, '/a'), line(3, '/b', '10.0.0.2'), line(3, '/c'), line(3, '/c'), line(7, '/e')].join('\n'),
    );
    expect(records.map(({ tUs, url }) => [tUs / 1e6, url])).toEqual([
      [0, '/a'],
      [0.25, '/b'],
      [0.5, '/c'],
      [0.75, '/c'],
      [4, '/d'],
      [4.5, '/e'],
    ]);
    expect(records.filter(({ session }) => session === records[0]!.session).map(({ seq }) => seq)).toEqual([
      0, 1, 2, 3, 4,
    ]);
  });

  it.each<[string, (log: Buffer) => Partial<ImportOptions>]>([
    ['gzip, whatever the file is called', () => ({})],
    ['standard input', (log) => ({ log: '-', stdin: Readable.from([log.subarray(0, 9), log.subarray(9)]) })],
  ])('reads %s', async (_, options) => {
    const packed = gzipSync(`${line(1, '/a')}\n${line(2, '/b')}\n`);
    expect((await imported(packed, options(packed))).records.map(({ url }) => url)).toEqual(['/a', '/b']);
  });

  it('keeps what is whole of a gzip file that was cut', async () => {
    const lines = Array.from({ length: 5000 }, (_, i) => line(i % 60, `/${(i * 7919) % 10007}`));
    const packed = gzipSync(lines.join('\n'));
    const { records, completeness } = await imported(packed.subarray(0, packed.length / 2));
    expect(records.length).toBeGreaterThan(1000);
    expect(records.length).toBeLessThan(5000);
    expect(completeness.notClosed).toEqual([expect.stringContaining('the compressed data ends in the middle')]);
  });

  it('counts lines that it cannot use, by number and reason', async () => {
    const { records, completeness, file } = await imported(
      `${line(1, '/a')}\nrubbish\n\n${line(2, '/b').replace('GET /b HTTP/1.1', '-')}\n${line(3, '/c')}\r\n`,
    );
    expect(records.map(({ url }) => url)).toEqual(['/a', '/c']);
    const name = file.slice(dir.length + 1);
    expect(completeness).toMatchObject({
      read: 4,
      written: 2,
      dropped: [
        {
          reason: 'unparsed-line',
          count: 2,
          where: [`${name}:2: no [time]`, expect.stringMatching(`${name}:4: the request line is empty`)],
        },
      ],
    });
  });

  it('fails at the first of them when strict, and leaves nothing', async () => {
    const before = await readdir(dir);
    await expect(imported(`${line(1, '/a')}\nrubbish\n`, { strict: true })).rejects.toMatchObject({
      code: 'IMPORT_LINE',
      message: expect.stringMatching(/:2: no \[time\]/),
    });
    expect((await readdir(dir)).filter((name) => !before.includes(name) && !name.endsWith('.log'))).toEqual([]);
  });

  it('makes an empty recording of an empty log', async () => {
    expect((await imported('')).manifest.records).toBe(0);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['JSON', '{"log":{"version":"1.2"}}', /JSON access logs, HAR and OTLP are not supported yet/],
    ['a gzip file that is not', Buffer.from([0x1f, 0x8b, 1, 2, 3]), /cannot be read/],
  ])('refuses %s', async (_, log, message) => {
    await expect(imported(log)).rejects.toMatchObject({
      code: 'IMPORT_SOURCE',
      message: expect.stringMatching(message),
    });
  });

  it('refuses a log that is not there', async () => {
    const importing = importAccessLog({ log: join(dir, 'none'), out: join(dir, 'none.out') });
    await expect(importing).rejects.toMatchObject({ code: 'IMPORT_SOURCE', message: expect.stringContaining('none') });
  });

  it('takes a window of time', async () => {
    const out = join(dir, 'hour');
    const from = Date.parse('2015-05-19T19:00:00Z') * 1000;
    const { completeness } = await importAccessLog({
      log: '-',
      stdin: createReadStream(realLog),
      out,
      window: { fromUs: from, toUs: from + 3600e6 },
    });
    expect(completeness).toMatchObject({ read: 10_000, written: 136, outsideWindow: 9864 });
  });
});
