import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CaptureRecord } from '@shadowline/agent/capture';
import fc from 'fast-check';
import { Duck, quoted } from './duck.js';
import {
  inspectRecording,
  type MakeRecordingOptions,
  makeRecording,
  openRecording,
  queryRecording,
  readCompleteness,
} from './index.js';
import { shardFile } from './manifest.js';
import { compareRecords, sessionHash } from './order.js';
import type { RecordedRequest } from './recording.js';

let dir: string;
let made = 0;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shadowline-recording-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

const T0 = 1_700_000_000_000_000;
function record(over: Partial<CaptureRecord> = {}): CaptureRecord {
  return { t_us: T0, session: 's', seq: 0, method: 'GET', url: '/', headers: [], status: 200, latency_us: 10, ...over };
}

async function* each<T>(items: T[]): AsyncGenerator<T> {
  yield* items;
}

async function make(records: CaptureRecord[], options: Partial<MakeRecordingOptions> = {}) {
  const out = join(dir, `recording-${made++}`);
  return { out, ...(await makeRecording({ from: each(records), source: 'test', out, ...options })) };
}

async function read(out: string, shards?: number[]): Promise<RecordedRequest[]> {
  const recording = await openRecording(out);
  try {
    const all: RecordedRequest[] = [];
    for await (const batch of recording.read(shards === undefined ? {} : { shards })) all.push(...batch);
    return all;
  } finally {
    await recording.close();
  }
}

describe('a recording', () => {
  it('gives back every field, with bodies as bytes', async () => {
    const { out, manifest } = await make([
      record({
        t_us: T0 + 5,
        session: 'zoë 😀',
        method: 'POST',
        url: '/a?b=1',
        headers: [
          ['Host', 'a.example'],
          ['X', ''],
        ],
        body: '{"ü":1}',
        status: 201,
        latency_us: 77,
        response_headers: [['location', '/a/1']],
        response_body: '{"id":1}',
        response_digest: '0123456789abcdef',
      }),
      record({
        t_us: T0,
        session: 'other',
        body: Buffer.from([0, 255, 10]).toString('base64'),
        body_encoding: 'base64',
      }),
      record({ t_us: T0 + 9, session: 'other', seq: 1, body: '' }),
    ]);
    expect(manifest).toMatchObject({ records: 3, sessions: 2, fromUs: T0, toUs: T0 + 9, notes: [], source: 'test' });
    expect(await read(out)).toEqual([
      { ...plain, tUs: 0, session: 'other', seq: 0, body: new Uint8Array([0, 255, 10]) },
      {
        tUs: 5,
        session: 'zoë 😀',
        seq: 0,
        method: 'POST',
        url: '/a?b=1',
        headers: [
          ['Host', 'a.example'],
          ['X', ''],
        ],
        body: new Uint8Array(Buffer.from('{"ü":1}')),
        status: 201,
        latencyUs: 77,
        responseHeaders: [['location', '/a/1']],
        responseBody: '{"id":1}',
      },
      { ...plain, tUs: 9, session: 'other', seq: 1, body: new Uint8Array() },
    ]);
  });

  it('is the same whatever the order records come in, and without the duplicates among them', async () => {
    const anyRecord = fc.record({
      t_us: fc.integer({ min: T0, max: T0 + 20 }),
      session: fc.oneof(fc.constantFrom('a', 'b', 'c', '\uffff', '😀'), fc.string({ minLength: 1, unit: 'binary' })),
      seq: fc.integer({ min: 0, max: 5 }),
      url: fc.string({ unit: 'binary' }).map((text) => `/${text}`),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRecord, { maxLength: 60 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        fc.integer({ min: 1, max: 5 }),
        async (parts, random, shards) => {
          const records = parts.map((part) => record(part));
          const twice = records.filter(() => random.next().value > 0.7);
          const shuffled = [...records, ...twice]
            .map((one) => ({ one, at: random.next().value }))
            .sort((a, b) => a.at - b.at)
            .map(({ one }) => one);
          const keys = new Set(records.map((one) => JSON.stringify([one.session, one.seq, one.t_us, one.url])));
          const { out, completeness } = await make(shuffled, { shards });

          const back = await read(out);
          expect(back.length).toBe(keys.size);
          expect(completeness.read).toBe(shuffled.length);
          expect(completeness.written).toBe(keys.size);
          expect(completeness.dropped.reduce((sum, { count }) => sum + count, 0)).toBe(shuffled.length - keys.size);
          for (let i = 1; i < back.length; i++) expect(compareRecords(back[i - 1]!, back[i]!)).toBeLessThan(0);
          const fromUs = Math.min(...records.map(({ t_us }) => t_us));
          expect(back.map(({ tUs, session, url }) => JSON.stringify([tUs + fromUs, session, url])).sort()).toEqual(
            [...keys]
              .map((key) => JSON.parse(key))
              .map(([session, , tUs, url]) => JSON.stringify([tUs, session, url]))
              .sort(),
          );
          const next = new Map<string, number>();
          for (const { session, seq } of back) {
            expect(seq).toBe(next.get(session) ?? 0);
            next.set(session, seq + 1);
          }
        },
      ),
      { numRuns: 15 },
    );
  }, 120_000);

  it('keeps a session in one shard, and reads the shards that are asked for', async () => {
    const records = Array.from({ length: 3000 }, (_, i) =>
      record({ t_us: T0 + i, session: `s${i % 40}`, seq: Math.floor(i / 40) }),
    );
    const { out, manifest } = await make(records);
    expect(manifest.shards).toBeGreaterThan(8);
    expect(manifest.shardRecords!.reduce((a, b) => a + b)).toBe(3000);
    const mine = [0, 3, 5];
    const some = await read(out, mine);
    expect(new Set(some.map(({ session }) => sessionHash(session) % manifest.shards))).toEqual(
      new Set(mine.filter((shard) => manifest.shardRecords![shard]! > 0)),
    );
    expect(some.length).toBe(mine.reduce((sum, shard) => sum + manifest.shardRecords![shard]!, 0));
    await expect(read(out, [manifest.shards])).rejects.toMatchObject({ code: 'RECORDING_SHARD' });
  });

  it('opens when it is empty, and says so', async () => {
    const { out, manifest } = await make([]);
    expect(manifest).toMatchObject({ records: 0, sessions: 0, fromUs: 0, toUs: 0 });
    expect(await read(out)).toEqual([]);
    expect(await inspectRecording(out)).toMatchObject({ spanS: 0, routes: [] });
    expect((await queryRecording(out, 'SELECT count(*) FROM requests')).rows).toEqual([['0']]);
  });

  it('keeps the completeness report beside the requests', async () => {
    const { out, completeness } = await make([record(), record()]);
    expect(await readCompleteness(out)).toEqual(completeness);
    expect(completeness.dropped).toEqual([{ reason: 'duplicate', count: 1, where: ['record 2'] }]);
  });

  it('numbers the requests of a session anew when two instances recorded parts of it', async () => {
    const { out } = await make([
      record({ t_us: T0 + 1, url: '/b' }),
      record({ t_us: T0, url: '/a' }),
      record({ t_us: T0 + 7, seq: 9, url: '/c' }),
    ]);
    expect((await read(out)).map(({ seq, url }) => [seq, url])).toEqual([
      [0, '/a'],
      [1, '/b'],
      [2, '/c'],
    ]);
  });

  it('shortens pauses when asked to, and says by how much', async () => {
    const times = [0, 1, 100, 101, 500].map((second) => second * 1_000_000);
    const { out, manifest } = await make(
      times.map((us, seq) => record({ t_us: T0 + us, seq })),
      { maxGapUs: 10_000_000 },
    );
    expect((await read(out)).map(({ tUs }) => tUs / 1e6)).toEqual([0, 1, 11, 12, 22]);
    expect(manifest.notes).toEqual(['2 pauses without any request were shortened to 10 s; 478 s are left out in all']);
  });

  it('leaves out what is not in the time window', async () => {
    const records = [0, 1, 2, 3].map((us) => record({ t_us: T0 + us, seq: us }));
    const { out, completeness } = await make(records, { window: { fromUs: T0 + 1, toUs: T0 + 3 } });
    expect((await read(out)).length).toBe(2);
    expect(completeness.outsideWindow).toBe(2);
  });

  it('answers a SELECT and nothing else', async () => {
    const { out } = await make([record({ url: '/accounts/7?x' }), record({ seq: 1, url: '/accounts/8' })]);
    expect(await queryRecording(out, 'SELECT route, count(*) AS n FROM requests GROUP BY 1')).toEqual({
      columns: ['route', 'n'],
      rows: [['GET /accounts/:id', '2']],
    });
    for (const sql of [
      "COPY requests TO 'x.csv'",
      'SELECT 1; SELECT 2',
      'DROP VIEW requests',
      'SELECT nothing FROM requests',
      '',
    ]) {
      await expect(queryRecording(out, sql)).rejects.toMatchObject({ code: 'RECORDING_QUERY' });
    }
  });
});

const plain = {
  method: 'GET',
  url: '/',
  headers: [],
  status: 200,
  latencyUs: 10,
  responseHeaders: undefined,
  responseBody: undefined,
};

describe('openRecording refuses', () => {
  const many = Array.from({ length: 500 }, (_, i) =>
    record({ t_us: T0 + i, session: `s${i % 9}`, seq: Math.floor(i / 9) }),
  );
  const broken = async (shards = 2) => (await make(many, { shards })).out;
  const editManifest = async (out: string, edit: (manifest: Record<string, unknown>) => void) => {
    const file = join(out, 'manifest.json');
    const manifest = JSON.parse(await readFile(file, 'utf8'));
    edit(manifest);
    await writeFile(file, JSON.stringify(manifest));
  };

  it('a folder that is none', async () => {
    await expect(openRecording(join(dir, 'nowhere'))).rejects.toMatchObject({
      code: 'RECORDING_MISSING',
      message: expect.stringContaining('nowhere'),
      hint: expect.stringContaining('stress record'),
    });
    await expect(openRecording(dir)).rejects.toMatchObject({ code: 'RECORDING_MISSING' });
  });

  it('another version, naming the one it reads', async () => {
    const out = await broken();
    await editManifest(out, (manifest) => {
      manifest.version = 2;
    });
    await expect(openRecording(out)).rejects.toMatchObject({
      code: 'RECORDING_VERSION',
      message: expect.stringMatching(/manifest\.json: recording version 2; this toolkit reads version 1/),
    });
  });

  it.each<[string, (manifest: Record<string, unknown>) => void, RegExp]>([
    ['a missing key', (manifest) => delete manifest.records, /records: /],
    ['no shards', (manifest) => Object.assign(manifest, { shards: 0 }), /shards: /],
    [
      'counts for other shards',
      (manifest) => Object.assign(manifest, { shardRecords: [1] }),
      /shardRecords has 1 entries for 2 shards/,
    ],
  ])('a manifest with %s', async (_, edit, message) => {
    const out = await broken();
    await editManifest(out, edit);
    await expect(openRecording(out)).rejects.toMatchObject({
      code: 'RECORDING_MANIFEST',
      message: expect.stringMatching(message),
    });
  });

  it('a manifest that is cut', async () => {
    const out = await broken();
    await truncate(join(out, 'manifest.json'), 40);
    await expect(openRecording(out)).rejects.toMatchObject({ code: 'RECORDING_MANIFEST' });
  });

  it('a missing file, naming it', async () => {
    const out = await broken();
    await rm(join(out, shardFile(1)));
    await expect(openRecording(out)).rejects.toMatchObject({
      code: 'RECORDING_FILE_MISSING',
      message: expect.stringContaining(join(out, shardFile(1))),
    });
  });

  it('a cut file, naming it', async () => {
    const out = await broken();
    await truncate(join(out, shardFile(0)), 1000);
    await expect(openRecording(out)).rejects.toMatchObject({
      code: 'RECORDING_FILE_DAMAGED',
      message: expect.stringContaining(join(out, shardFile(0))),
    });
  });

  it('a cut file while it is read, when the manifest does not know the sizes', async () => {
    const out = await broken();
    await editManifest(out, (manifest) => delete manifest.shardBytes);
    await truncate(join(out, shardFile(0)), 1000);
    await expect(read(out)).rejects.toMatchObject({
      code: 'RECORDING_FILE_DAMAGED',
      message: expect.stringContaining(join(out, shardFile(0))),
    });
  });

  it('bytes that were changed in place', async () => {
    const out = await broken(1);
    const file = join(out, shardFile(0));
    const bytes = await readFile(file);
    await writeFile(file, bytes.fill(0x5a, 4, bytes.length >> 1));
    await expect(read(out)).rejects.toMatchObject({ code: 'RECORDING_FILE_DAMAGED' });
  });

  it.each<[string, string, string]>([
    ['a shard that is not sorted', 'ORDER BY t_us DESC', 'RECORDING_ORDER'],
    ['a shard with fewer records than the manifest says', 'LIMIT 100', 'RECORDING_FILE_DAMAGED'],
  ])('%s', async (_, clause, code) => {
    const out = await broken(1);
    const file = join(out, shardFile(0));
    const duck = await Duck.open({ memoryLimitMb: 100, threads: 1 });
    const connection = await duck.connect();
    await connection.run(`CREATE TABLE t AS SELECT * FROM read_parquet(${quoted(file)}, hive_partitioning = false)`);
    await connection.run(`COPY (SELECT * FROM t ${clause}) TO ${quoted(file)} (FORMAT parquet)`);
    duck.close();
    await editManifest(out, (manifest) => delete manifest.shardBytes);
    await expect(read(out)).rejects.toMatchObject({ code, message: expect.stringContaining(file) });
  });

  it('nothing of what another tool wrote without counts', async () => {
    const out = await broken();
    await editManifest(out, (manifest) => {
      delete manifest.shardBytes;
      delete manifest.shardRecords;
    });
    expect((await read(out)).length).toBe(500);
    expect((await queryRecording(out, 'SELECT count(*) FROM requests')).rows).toEqual([['500']]);
  });
});

describe('makeRecording leaves', () => {
  async function* failing(error: Error): AsyncGenerator<CaptureRecord> {
    for (let i = 0; i < 5000; i++) yield record({ seq: i });
    throw error;
  }

  it('nothing behind when its source fails', async () => {
    const folder = join(dir, 'fails');
    await mkdir(folder);
    const making = makeRecording({ from: failing(new Error('the cable')), source: 'test', out: join(folder, 'out') });
    await expect(making).rejects.toThrow('the cable');
    expect(await readdir(folder)).toEqual([]);
  });

  it('an existing recording alone, unless told to replace it', async () => {
    const folder = join(dir, 'keeps');
    await mkdir(folder);
    const out = join(folder, 'out');
    const from = () => each([record()]);
    await makeRecording({ from: from(), source: 'first', out });
    await expect(makeRecording({ from: from(), source: 'second', out })).rejects.toMatchObject({
      code: 'RECORDING_EXISTS',
    });
    const failed = makeRecording({ from: failing(new Error('no')), source: 'third', out, overwrite: true });
    await expect(failed).rejects.toThrow('no');
    expect((await openRecording(out)).manifest.source).toBe('first');
    await makeRecording({ from: from(), source: 'fourth', out, overwrite: true });
    expect((await openRecording(out)).manifest.source).toBe('fourth');
    expect(await readdir(folder)).toEqual(['out']);
  });

  it('a folder that is no recording alone, even when told to replace it', async () => {
    const out = join(dir, 'photos');
    await mkdir(out);
    await writeFile(join(out, 'cat.jpg'), 'meow');
    const making = makeRecording({ from: each([record()]), source: 'test', out, overwrite: true });
    await expect(making).rejects.toMatchObject({
      code: 'RECORDING_EXISTS',
      message: expect.stringContaining('not a recording'),
    });
    expect(await readdir(out)).toEqual(['cat.jpg']);
  });

  it('a clear error when the disk is full', async () => {
    const error = Object.assign(new Error('IO Error: No space left on device'), { code: 'ENOSPC' });
    const making = makeRecording({ from: failing(error), source: 'test', out: join(dir, 'full') });
    await expect(making).rejects.toMatchObject({ code: 'RECORDING_DISK_FULL', hint: expect.stringContaining('space') });
  });
});

describe('makeRecording reads a capture', () => {
  const header = (over = {}) =>
    JSON.stringify({
      shadowline: 'capture',
      version: 1,
      service: 'web',
      instance: 'i1',
      segment: 0,
      opened_us: T0,
      ...over,
    });
  const end = (records: number, dropped = 0) => JSON.stringify({ shadowline: 'end', records, dropped });
  const line = (seq: number, over: object = {}) => JSON.stringify({ ...record({ seq, t_us: T0 + seq }), ...over });

  async function capture(files: Record<string, string | Buffer>, options: Partial<MakeRecordingOptions> = {}) {
    const from = join(dir, `capture-${made++}`);
    await mkdir(from);
    for (const [name, text] of Object.entries(files)) await writeFile(join(from, name), text);
    const out = `${from}-out`;
    return { out, ...(await makeRecording({ from, source: 'capture', out, ...options })) };
  }
  const seqs = async (out: string) => (await read(out)).map(({ tUs }) => tUs);

  it('of whole segments, with what their recorder dropped', async () => {
    const { out, completeness, manifest } = await capture({
      'a.ndjson': `${header()}\n${line(1)}\n${line(0)}\n${end(2, 7)}\n`,
      'b.ndjson': `${header({ segment: 1 })}\n${line(2)}\n${end(1, 1)}\n`,
      'readme.txt': 'not a segment',
    });
    expect(await seqs(out)).toEqual([0, 1, 2]);
    expect(completeness).toEqual({
      read: 3,
      written: 3,
      outsideWindow: 0,
      dropped: [],
      recorderDropped: 8,
      segments: 2,
      notClosed: [],
      missingSegments: [],
    });
    expect(manifest.notes).toEqual(['8 requests were seen but not recorded by the recorder']);
  });

  it('with a cut last line: the whole ones are kept, the cut is reported', async () => {
    const { out, completeness } = await capture({ 'a.ndjson': `${header()}\n${line(0)}\n${line(1).slice(0, 60)}` });
    expect(await seqs(out)).toEqual([0]);
    expect(completeness.dropped).toEqual([
      { reason: 'cut-line', count: 1, where: [expect.stringMatching(/^a\.ndjson:3: 60 bytes from byte \d+ on$/)] },
    ]);
    expect(completeness.notClosed).toEqual(['a.ndjson: no last line']);
  });

  it('with a whole last line that only lacks its newline', async () => {
    const { out, completeness } = await capture({ 'a.ndjson': `${header()}\n${line(0)}\n${line(1)}` });
    expect(await seqs(out)).toEqual([0, 1]);
    expect(completeness.dropped).toEqual([]);
  });

  it('with a line of 100 MB, which is passed over by file and byte', async () => {
    const from = join(dir, 'long');
    await mkdir(from);
    const file = join(from, 'a.ndjson');
    const head = `${header()}\n${line(0)}\n`;
    await writeFile(file, head);
    const part = Buffer.alloc(10 * 1024 * 1024, 'x');
    for (let i = 0; i < 10; i++) await appendFile(file, part);
    await appendFile(file, `\n${line(1)}\n${end(3)}\n`);
    const { completeness } = await makeRecording({ from, source: 'capture', out: join(dir, 'long-out') });
    expect(await seqs(join(dir, 'long-out'))).toEqual([0, 1]);
    expect(completeness.dropped).toEqual([
      {
        reason: 'line-too-long',
        count: 1,
        where: [`a.ndjson:3: ${100 * 1024 * 1024} bytes from byte ${head.length} on; the limit is ${16 * 1024 * 1024}`],
      },
    ]);
    await rm(from, { recursive: true });
  });

  it('with a limit of its own', async () => {
    const { completeness } = await capture(
      { 'a.ndjson': `${header()}\n${line(0, { response_body: 'x'.repeat(5000) })}\n${line(1)}\n${end(2)}\n` },
      { maxLineBytes: 4000 },
    );
    expect([completeness.written, completeness.dropped[0]!.reason]).toEqual([1, 'line-too-long']);
  });

  it('of another version not at all', async () => {
    const files = { 'a.ndjson': `${header()}\n${line(0)}\n`, 'b.ndjson': `${header({ version: 7 })}\n` };
    await expect(capture(files)).rejects.toMatchObject({
      code: 'CAPTURE_VERSION',
      message: expect.stringMatching(/b\.ndjson:1: capture version 7; this toolkit reads version 1/),
    });
  });

  it.each<[string, object | string, RegExp]>([
    ['a missing field', { url: undefined }, /url is missing/],
    ['a time that is no number', { t_us: '1' }, /t_us is not whole µs/],
    ['a time before the epoch', { t_us: -1 }, /t_us is not/],
    ['half a µs', { latency_us: 0.5 }, /latency_us is not/],
    ['no session', { session: '' }, /session is not/],
    ['headers as an object', { headers: { a: 'b' } }, /headers is not a list/],
    ['a body that is not base64', { body: 'ü', body_encoding: 'base64' }, /body is not base64/],
    ['a method with a space', { method: 'GET /' }, /method is not/],
    ['a list', '[1,2]', /not an object/],
    ['null', 'null', /not an object/],
  ])('without a record that has %s, naming the line', async (_, over, problem) => {
    const bad = typeof over === 'string' ? over : line(1, over);
    const { out, completeness } = await capture({
      'a.ndjson': `${header()}\n${line(0)}\n${bad}\n${line(2)}\n${end(3)}\n`,
    });
    expect(await seqs(out)).toEqual([0, 2]);
    expect(completeness.dropped).toEqual([{ reason: 'unusable', count: 1, where: [expect.stringMatching(problem)] }]);
    expect(completeness.dropped[0]!.where[0]).toMatch(/^a\.ndjson:3: /);
  });

  it('with garbage: lines in a segment, a whole file, empty files', async () => {
    const garbage = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 256));
    const { out, completeness } = await capture({
      'a.ndjson': Buffer.concat([
        Buffer.from(`${header()}\n${line(0)}\n{"half":\n`),
        Buffer.from([0xff, 0xfe, 10]),
        Buffer.from(`${line(1)}\n${end(4)}\n`),
      ]),
      'b.ndjson': garbage,
      'c.ndjson': '',
      'd.ndjson': header().slice(0, 20),
      'e.ndjson': '\n',
    });
    expect(await seqs(out)).toEqual([0, 1]);
    const counts = Object.fromEntries(completeness.dropped.map(({ reason, count }) => [reason, count]));
    expect(counts).toEqual({ 'not-json': 1, 'not-utf8': 1, 'not-a-capture': 2 });
    expect(completeness.notClosed).toEqual(['c.ndjson: empty', 'd.ndjson: its first line was cut']);
  });

  it('with a segment that is there twice: every record once, its counters once', async () => {
    const text = `${header()}\n${line(0)}\n${line(1)}\n${end(2, 5)}\n`;
    const { out, completeness } = await capture({ 'a.ndjson': text, 'copy.ndjson': text });
    expect(await seqs(out)).toEqual([0, 1]);
    expect(completeness.dropped).toEqual([
      { reason: 'duplicate', count: 2, where: ['copy.ndjson:2', 'copy.ndjson:3'] },
    ]);
    expect(completeness.recorderDropped).toBe(5);
  });

  it('with a segment that is not there, or whose count does not fit', async () => {
    const { completeness } = await capture({
      'a.ndjson': `${header()}\n${line(0)}\n${end(2)}\n`,
      'c.ndjson': `${header({ segment: 2 })}\n${end(0)}\n`,
    });
    expect(completeness.missingSegments).toEqual(['web/i1 segment 1']);
    expect(completeness.notClosed).toEqual(['a.ndjson: its last line counts 2 records, the file holds 1']);
  });

  it('from no folder, or one without segments, not at all', async () => {
    const out = join(dir, 'none');
    await expect(makeRecording({ from: join(dir, 'no-such'), source: 'capture', out })).rejects.toMatchObject({
      code: 'CAPTURE_MISSING',
    });
    await expect(capture({ 'notes.txt': '' })).rejects.toMatchObject({ code: 'CAPTURE_MISSING' });
  });

  it('of records that are only wrong: an empty recording that says why', async () => {
    const { manifest } = await capture({ 'a.ndjson': `${header()}\n{}\n${end(1)}\n` });
    expect(manifest.records).toBe(0);
    expect(manifest.notes).toEqual([
      expect.stringContaining('1 left out: with missing or wrong fields (first: a.ndjson:2: t_us is missing)'),
    ]);
  });

  it('into a copy that can be moved', async () => {
    const { out } = await capture({ 'a.ndjson': `${header()}\n${line(0)}\n${end(1)}\n` });
    await cp(out, `${out}-moved`, { recursive: true });
    await rm(out, { recursive: true });
    expect(await seqs(`${out}-moved`)).toEqual([0]);
  });
});
