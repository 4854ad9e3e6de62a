/**
 * Whether the node engine's memory stays flat over a long run.
 *
 *   node dist/bench/engine-memory.js [requests = 1000000] [per second = 6000]
 *
 * A recording of 200,000 requests in 20,000 sessions is repeated with clones, with an identity and a canary transform. RSS is of the whole process that
 * generates the load, all threads; the server is another process.
 */
import { fork } from 'node:child_process';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createNodeEngine } from '../orchestrator/engines/node/index.js';
import type { MadeRecording } from './engine-recording.js';

const requests = Number(process.argv[2] ?? 1_000_000);
const perSec = Number(process.argv[3] ?? 6000);
const RAMP_S = 5;

const server = fork(fileURLToPath(new URL('./engine.js', import.meta.url)), ['server']);
const port = await new Promise<number>((resolve) => server.once('message', (message) => resolve(message as number)));

const made: MadeRecording = { records: 200_000, perSec: 2000, sessions: 20_000, shards: 16 };
const samples: { completed: number; rssMb: number; heapMb: number }[] = [];
let completed = 0;
const engine = createNodeEngine({ recordingModule: new URL('./engine-recording.js', import.meta.url).href });
const run = await engine.start({
  target: `http://127.0.0.1:${port}`,
  recordingDir: JSON.stringify(made),
  runId: 'benchmark',
  canary: 'benchmark0',
  schedule: {
    kind: 'stages',
    speed: 1,
    stages: [
      { kind: 'ramp', toPerSec: perSec, durationMs: RAMP_S * 1000 },
      { kind: 'hold', durationMs: (requests / perSec - RAMP_S / 2) * 1000 },
    ],
  },
  think: { kind: 'recorded' },
  amplifySessions: 2,
  transforms: [
    { kind: 'identity', field: 'path:1', from: 9_000_000, to: 9_999_999 },
    { kind: 'canary', field: 'header:user-agent' },
  ],
  maxInFlight: 2000,
  onLimit: 'late',
  timeoutMs: 10_000,
  workers: 0,
  headers: { 'x-shadow': 'benchmark' },
  onSecond: (second) => {
    completed += second.completed;
    const { rss, heapUsed } = process.memoryUsage();
    samples.push({ completed, rssMb: rss / 2 ** 20, heapMb: heapUsed / 2 ** 20 });
  },
});
const result = await run.done;
await sleep(100);
server.disconnect();

const { totals, latencies, workers } = result;
console.log(
  `${totals.completed} answers in ${result.durationS.toFixed(0)} s, ${totals.errors} errors, ${totals.sessions} sessions, ${workers} worker(s); load average ${loadavg()[0]?.toFixed(2)}`,
);
console.log(
  `lateness p50 ${latencies.lateness.getValueAtPercentile(50)} µs, p99 ${latencies.lateness.getValueAtPercentile(99)} µs; ended: ${result.endedBecause}\n`,
);
console.log('share of the run   requests   RSS MB (most within this part)   heap of the main thread MB');
let from = 0;
for (const share of [0.02, 0.25, 0.5, 0.75, 1]) {
  const to = samples.findIndex((sample) => sample.completed >= share * totals.completed) + 1 || samples.length;
  const part = samples.slice(from, to);
  const at = samples[to - 1]!;
  const most = Math.max(...part.map(({ rssMb }) => rssMb));
  console.log(
    `${`${Math.round(share * 100)} %`.padEnd(17)} ${String(at.completed).padStart(9)}   ${at.rssMb.toFixed(0).padStart(6)} (${most.toFixed(0)})${' '.repeat(20)} ${at.heapMb.toFixed(0).padStart(6)}`,
  );
  from = to;
}
