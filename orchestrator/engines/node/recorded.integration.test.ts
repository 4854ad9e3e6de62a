import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { CaptureRecord } from '@shadowline/agent/capture';
import { makeRecording } from '../../recording/make.js';
import type { EngineOptions } from '../engine.js';
import { bodyOf, serve, type Target } from './fixtures/engine-harness.js';
import { nodeEngine } from './index.js';

/** With recordings as they are on disk: captures → Parquet → the engine's threads. */
const SESSIONS = 30;
const PER_SESSION = 10;
let folder: string;
let dir: string;
let target: Target | undefined;

async function* captured(): AsyncGenerator<CaptureRecord> {
  for (let i = 0; i < SESSIONS * PER_SESSION; i++) {
    const session = i % SESSIONS;
    const seq = Math.floor(i / SESSIONS);
    yield {
      t_us: 1_700_000_000_000_000 + i * 5000,
      session: `user-${session}`,
      seq,
      method: 'POST',
      url: seq === 0 ? '/orders' : `/orders/recorded-${session}-order/lines/${seq}`,
      headers: [['content-type', 'application/json']],
      body: JSON.stringify({ seq }),
      status: 200,
      latency_us: 500,
      ...(seq === 0
        ? {
            response_headers: [['content-type', 'application/json']] as [string, string][],
            response_body: `{"orderId":"recorded-${session}-order"}`,
          }
        : {}),
    };
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'shadowline-engine-'));
  dir = join(folder, 'recording');
  await makeRecording({ from: captured(), source: 'capture', out: dir, shards: 8 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  await target?.close();
  target = undefined;
});

const options = (over: Partial<EngineOptions>): EngineOptions => ({
  target: target!.url,
  recordingDir: dir,
  runId: 'run-1',
  canary: 'canary0123',
  schedule: { kind: 'recorded', speed: 1 },
  think: { kind: 'recorded' },
  amplifySessions: 1,
  transforms: [],
  maxInFlight: 500,
  onLimit: 'late',
  timeoutMs: 10_000,
  workers: 2,
  headers: { 'x-shadow': 'flag' },
  onSecond: () => {},
  ...over,
});

describe('a recording on disk', () => {
  it('is played whole, in order, with live values in place of recorded ones, by two workers', async () => {
    const lines = new Map<string, number[]>();
    let orders = 0;
    let unknown = 0;
    target = await serve(async (request, response) => {
      const { seq } = JSON.parse(await bodyOf(request)) as { seq: number };
      if (request.url === '/orders') {
        const orderId = `live-order-${++orders}`;
        lines.set(orderId, []);
        response.end(JSON.stringify({ orderId }));
        return;
      }
      const order = lines.get(request.url!.split('/')[2]!);
      if (order === undefined) unknown++;
      order?.push(seq);
      response.end('{}');
    });
    const run = await nodeEngine.start(options({ transforms: [{ kind: 'correlate' }] }));
    const result = await run.done;
    expect(result.error).toBeUndefined();
    expect(result.totals).toMatchObject({ offered: 300, completed: 300, errors: 0, sessions: SESSIONS });
    expect(unknown).toBe(0);
    expect([...lines.values()]).toEqual(Array.from({ length: SESSIONS }, () => [1, 2, 3, 4, 5, 6, 7, 8, 9]));
    expect(result.notes.join()).toContain('correlate');
  });

  it('is repeated as often as the stages ask', async () => {
    target = await serve((_, response) => void response.end('{}'));
    const schedule: EngineOptions['schedule'] = {
      kind: 'stages',
      speed: 1,
      stages: [
        { kind: 'ramp', toPerSec: 400, durationMs: 500 },
        { kind: 'hold', durationMs: 2000 },
      ],
    };
    const result = await (await nodeEngine.start(options({ schedule }))).done;
    expect(result.totals).toMatchObject({ offered: 900, completed: 900, errors: 0 });
    expect(result.steps.map(({ offered }) => offered)).toEqual([100, 800]);
  });

  it('that is not one, or was cut, is refused or ends the run with its reason', async () => {
    target = await serve((_, response) => void response.end('{}'));
    await expect(nodeEngine.start(options({ recordingDir: join(folder, 'none') }))).rejects.toThrow(/no recording/);
    const cut = join(folder, 'cut');
    const { manifest } = await makeRecording({ from: captured(), source: 'capture', out: cut, shards: 8 });
    const shard = manifest.shardRecords!.findIndex((records) => records > 0);
    truncateSync(join(cut, `shard=${String(shard).padStart(2, '0')}`, 'part-0.parquet'), 100);
    await expect(nodeEngine.start(options({ recordingDir: cut }))).rejects.toThrow(/cut or changed/);
  });
});
