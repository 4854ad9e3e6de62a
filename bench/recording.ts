import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CaptureRecord } from '@shadowline/agent/capture';
import { makeRecording, openRecording } from '../orchestrator/recording/index.js';

/**
 * What making and reading a recording costs: `node dist/bench/recording.js [records]` (default 1,000,000 of about 500 bytes, out of order by up to
 * 5 s). Each row is a process of its own, since DuckDB gives memory back late. Nothing but files in a temporary folder.
 */
interface Case {
  records: number;
  threads: number;
  memoryLimitMb: number;
}

interface Row extends Case {
  stageS: number;
  sortS: number;
  writeS: number;
  /** User and system time of all threads: what holds on a busy machine. */
  makeCpuUs: number;
  makeRssMb: number;
  diskMb: number;
  readPerSec: number;
  readOneShardPerSec: number;
  readCpuUs: number;
  readRssMb: number;
}

const CASES = [
  { threads: 1, memoryLimitMb: 256 },
  { threads: 1, memoryLimitMb: 512 },
  { threads: 2, memoryLimitMb: 512 },
];

async function main(): Promise<void> {
  const records = Number(process.argv[2] ?? 1_000_000);
  const rows: Row[] = [];
  for (const one of CASES) rows.push(await measureApart({ records, ...one }));
  const { diskMb } = rows[0]!;
  process.stdout.write(`${records} records, ${diskMb.toFixed(0)} MB as Parquet (zstd)\n`);
  console.table(
    rows.map((row) => ({
      threads: row.threads,
      'limit MB': row.memoryLimitMb,
      'stage s': row.stageS.toFixed(1),
      'sort s': row.sortS.toFixed(1),
      'write s': row.writeS.toFixed(1),
      'CPU µs/record': row.makeCpuUs.toFixed(1),
      'peak RSS MB': row.makeRssMb.toFixed(0),
      'read all /s': Math.round(row.readPerSec),
      'read one shard /s': Math.round(row.readOneShardPerSec),
      'read CPU µs/record': row.readCpuUs.toFixed(1),
      'read RSS MB': row.readRssMb.toFixed(0),
    })),
  );
}

/** Makes the recording in one process and reads it in another. */
async function measureApart(one: Case): Promise<Row> {
  const dir = await mkdtemp(join(tmpdir(), 'shadowline-bench-'));
  try {
    const out = join(dir, 'recording');
    return { ...one, ...(await inProcess('make', one, out)), ...(await inProcess('read', one, out)) } as Row;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function inProcess(job: 'make' | 'read', one: Case, out: string): Promise<Partial<Row>> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [job, JSON.stringify(one), out]);
  const [[figures], [code]] = await Promise.all([once(child, 'message'), once(child, 'exit')]);
  if (code !== 0) throw new Error(`${job} ended with ${code}`);
  return figures as Partial<Row>;
}

async function make({ records, threads, memoryLimitMb }: Case, out: string): Promise<Partial<Row>> {
  const peak = watchRss();
  const from = performance.now();
  const begun: Record<string, number> = {};
  const { manifest } = await makeRecording({
    from: traffic(records),
    source: 'benchmark',
    out,
    threads,
    memoryLimitMb,
    onProgress: ({ phase }) => {
      begun[phase] = performance.now();
    },
  });
  const { sort, write } = begun as { sort: number; write: number };
  return {
    stageS: (sort - from) / 1000,
    sortS: (write - sort) / 1000,
    writeS: (performance.now() - write) / 1000,
    makeCpuUs: cpuUs() / records,
    makeRssMb: peak(),
    diskMb: manifest.shardBytes!.reduce((sum, bytes) => sum + bytes, 0) / 1e6,
  };
}

async function read(out: string): Promise<Partial<Row>> {
  const peak = watchRss();
  const recording = await openRecording(out);
  const perSec = async (shards?: number[]) => {
    const from = performance.now();
    let records = 0;
    for await (const batch of recording.read(shards === undefined ? {} : { shards })) records += batch.length;
    return records / ((performance.now() - from) / 1000);
  };
  const before = cpuUs();
  const readPerSec = await perSec();
  const readCpuUs = (cpuUs() - before) / recording.manifest.records;
  const readRssMb = peak();
  const readOneShardPerSec = await perSec([0]);
  await recording.close();
  return { readPerSec, readOneShardPerSec, readCpuUs, readRssMb };
}

async function* traffic(records: number): AsyncGenerator<CaptureRecord> {
  // A generator of random numbers with a seed, so that every row sorts the same records.
  let state = 42;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < records; i++) {
    yield {
      t_us: 1_700_000_000_000_000 + i * 500 + Math.floor(random() * 5_000_000),
      session: `session-${i % 20_000}`,
      seq: Math.floor(i / 20_000),
      method: i % 4 === 0 ? 'POST' : 'GET',
      url: i % 4 === 0 ? '/transfers' : `/accounts/${Math.floor(random() * 50_000)}?page=${i % 7}`,
      headers: [
        ['Host', 'bank.example'],
        ['Accept', 'application/json'],
        ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36'],
        ['Authorization', `Bearer ${random().toString(36)}${random().toString(36)}${random().toString(36)}`],
      ],
      ...(i % 4 === 0
        ? { body: JSON.stringify({ from: i % 5000, to: (i * 7) % 5000, cents: Math.floor(random() * 1e5) }) }
        : {}),
      status: 200,
      latency_us: Math.floor(random() * 20_000),
      response_headers: [['content-type', 'application/json']],
      response_body: JSON.stringify({ id: i, balance: Math.floor(random() * 1e7) }),
    };
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function watchRss(): () => number {
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 20);
  timer.unref();
  return () => Math.max(peak, process.memoryUsage.rss()) / 1e6;
}

const [job, text, out] = process.argv.slice(2);
if (job === 'make') process.send!(await make(JSON.parse(text!), out!));
else if (job === 'read') process.send!(await read(out!));
else await main();
// The channel to the parent would keep a finished child alive.
process.disconnect?.();
