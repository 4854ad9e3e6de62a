/**
 * What the node engine's pacing and sending cost, next to autocannon and wrk on the same server, in one run, alternated.
 *
 *   node dist/bench/engine.js [seconds = 8] [rounds = 3]
 *
 * The server is a child process that answers every request with 200 and nothing else. CPU is user + system time of the load generator alone, from
 * the start of the load (wrk: of the process) to its end. Lateness is sent − due, which only the engine publishes.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { createNodeEngine } from '../orchestrator/engines/node/index.js';
import type { MadeRecording } from './engine-recording.js';

interface Measured {
  perSec: number;
  /** µs; of the answers, as the tool reports them. */
  p50Us: number;
  p99Us: number;
  cpuUs: number;
  lateness?: { p50Us: number; p99Us: number; maxUs: number };
}

interface Task {
  tool: 'engine' | 'autocannon';
  url: string;
  /** 0: closed loop. */
  perSec: number;
  seconds: number;
}

const self = fileURLToPath(import.meta.url);
const CONNECTIONS = 50;

const role = process.argv[2];
if (role === 'server') serve();
else if (role === 'generate') process.once('message', (task: Task) => void generate(task));
else await compare(Number(process.argv[2] ?? 8), Number(process.argv[3] ?? 3));

function serve(): void {
  const server = createServer((_, response) => response.end());
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.once('disconnect', () => process.exit());
}

async function generate(task: Task): Promise<void> {
  process.send?.(task.tool === 'engine' ? await runEngine(task) : await runAutocannon(task));
  process.disconnect();
}

async function runEngine({ url, perSec, seconds }: Task): Promise<Measured> {
  const made: MadeRecording = { records: perSec * seconds, perSec, sessions: 1000, shards: 16 };
  const engine = createNodeEngine({ recordingModule: new URL('./engine-recording.js', import.meta.url).href });
  const run = await engine.start({
    target: url,
    recordingDir: JSON.stringify(made),
    runId: 'benchmark',
    canary: 'benchmark0',
    schedule: { kind: 'recorded', speed: 1 },
    think: { kind: 'recorded' },
    amplifySessions: 1,
    transforms: [],
    maxInFlight: 2000,
    onLimit: 'late',
    timeoutMs: 10_000,
    workers: 0,
    headers: { 'x-shadow': 'benchmark' },
    onSecond: () => {},
  });
  const before = process.cpuUsage();
  const result = await run.done;
  const { user, system } = process.cpuUsage(before);
  const { lateness, response } = result.latencies;
  return {
    perSec: result.totals.completed / result.durationS,
    p50Us: response.getValueAtPercentile(50),
    p99Us: response.getValueAtPercentile(99),
    cpuUs: (user + system) / result.totals.completed,
    lateness: {
      p50Us: lateness.getValueAtPercentile(50),
      p99Us: lateness.getValueAtPercentile(99),
      maxUs: lateness.maxValue,
    },
  };
}

async function runAutocannon({ url, perSec, seconds }: Task): Promise<Measured> {
  const before = process.cpuUsage();
  const result = await autocannon({
    url: `${url}/accounts/1`,
    connections: CONNECTIONS,
    duration: seconds,
    ...(perSec > 0 ? { overallRate: perSec, ignoreCoordinatedOmission: true } : {}),
  });
  const { user, system } = process.cpuUsage(before);
  const completed = result['2xx'];
  return {
    perSec: completed / result.duration,
    p50Us: result.latency.p50 * 1000,
    p99Us: result.latency.p99 * 1000,
    cpuUs: (user + system) / completed,
  };
}

/** bash's `time` gives what the process and its threads used. */
async function runWrk(url: string, seconds: number): Promise<Measured> {
  const wrk = `wrk -t1 -c${CONNECTIONS} -d${seconds}s --latency ${url}/accounts/1`;
  const child = spawn('bash', ['-c', `TIMEFORMAT='cpu %U %S'; time ${wrk}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  await new Promise((resolve) => child.once('close', resolve));
  const number = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  const completed = number(/(\d+) requests in/);
  const cpuS = number(/cpu ([\d.]+)/) + number(/cpu [\d.]+ ([\d.]+)/);
  return {
    perSec: number(/Requests\/sec:\s+([\d.]+)/),
    p50Us: timeUs(/50%\s+([\d.]+)(us|ms|s)/.exec(text)),
    p99Us: timeUs(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
    cpuUs: (cpuS * 1e6) / completed,
  };
}

function timeUs(match: RegExpExecArray | null): number {
  if (match === null) return Number.NaN;
  return Number(match[1]) * { us: 1, ms: 1000, s: 1e6 }[match[2] as 'us' | 'ms' | 's'];
}

async function inChild(task: Task): Promise<Measured> {
  const child = fork(self, ['generate']);
  const measured = new Promise<Measured>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Measured));
    child.once('exit', (code) => reject(new Error(`${task.tool} ended with code ${code} and no figures`)));
  });
  child.send(task);
  const result = await measured;
  await new Promise((resolve) => (child.exitCode === null ? child.once('exit', resolve) : resolve(undefined)));
  return result;
}

async function compare(seconds: number, rounds: number): Promise<void> {
  const server: ChildProcess = fork(self, ['server']);
  const port = await new Promise<number>((resolve) => server.once('message', (message) => resolve(message as number)));
  const url = `http://127.0.0.1:${port}`;
  const contenders: [name: string, run: () => Promise<Measured>][] = [
    ...[1000, 5000].flatMap((perSec): [string, () => Promise<Measured>][] => [
      [`engine ${perSec}/s`, () => inChild({ tool: 'engine', url, perSec, seconds })],
      [`autocannon -R ${perSec}`, () => inChild({ tool: 'autocannon', url, perSec, seconds })],
    ]),
    ['autocannon, closed loop', () => inChild({ tool: 'autocannon', url, perSec: 0, seconds })],
    ['wrk, closed loop', () => runWrk(url, seconds)],
  ];
  // Warms the server up, so that the first contender is not the one that pays for it.
  await runWrk(url, 3);
  const load = loadavg()[0];
  const all = new Map<string, Measured[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of contenders) all.set(name, [...(all.get(name) ?? []), await run()]);
  }
  server.disconnect();
  console.log(
    `${rounds} rounds of ${seconds} s, medians (least…most over rounds for CPU); load average of the machine before: ${load?.toFixed(2)}\n`,
  );
  printTable(all);
}

function printTable(all: Map<string, Measured[]>): void {
  const rows = [['', 'req/s', 'p50 ms', 'p99 ms', 'late p50 ms', 'late p99 ms', 'late max ms', 'CPU µs/req']];
  for (const [name, results] of all) {
    const late = results.flatMap(({ lateness }) => (lateness === undefined ? [] : [lateness]));
    const ms = (values: number[]) => (values.length === 0 ? '-' : (median(values) / 1000).toFixed(2));
    const cpu = results.map(({ cpuUs }) => cpuUs);
    rows.push([
      name,
      median(results.map(({ perSec }) => perSec)).toFixed(0),
      ms(results.map(({ p50Us }) => p50Us)),
      ms(results.map(({ p99Us }) => p99Us)),
      ms(late.map(({ p50Us }) => p50Us)),
      ms(late.map(({ p99Us }) => p99Us)),
      ms(late.map(({ maxUs }) => maxUs)),
      `${median(cpu).toFixed(0)} (${Math.min(...cpu).toFixed(0)}…${Math.max(...cpu).toFixed(0)})`,
    ]);
  }
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '));
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
