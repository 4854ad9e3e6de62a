/**
 * What the agent costs a service, against the same service bare, in one run, alternated.
 *
 *   node dist/bench/agent.js [seconds = 2] [rounds = 7]
 *
 * `bare` twice: their ratio says how much of the others is noise. `idle`: the agent is there, no run. `armed`: a run goes on, these requests
 * are ordinary. `flagged`: these requests are the run's. Two services: one that answers at once, one that calls another with fetch first.
 * Throughput is measured by wrk (autocannon where there is none) over 16 connections; CPU is the service's own user + system time a request, which a
 * busy machine disturbs less. Ratios are medians of the rounds' ratios to the first `bare` of the same round.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publicKeyText, signFlag } from '@shadowline/agent/flag';
import autocannon from 'autocannon';

const self = fileURLToPath(import.meta.url);
const run = promisify(execFile);
const CONNECTIONS = 16;
const VARIANTS = ['bare', 'bare again', 'idle', 'armed', 'flagged'] as const;
type Variant = (typeof VARIANTS)[number];

interface Sample {
  perSec: number;
  cpuUs: number;
}

interface Running {
  child: ChildProcess;
  url: string;
}

const [, , role] = process.argv;
if (role === 'backend') listen(false, undefined);
else if (role === 'service') await service();
else await compare(Number(role ?? 2), Number(process.argv[3] ?? 7));

/** Answers at once, or calls the backend first. */
function listen(isHop: boolean, backend: string | undefined): void {
  const server = createServer((_, response) => {
    if (!isHop || backend === undefined) {
      // What an agent there would say; the backend is the same for all.
      response.setHeader('x-shadow-ack', 'backend;0;0');
      response.end('{"ok":true}');
      return;
    }
    fetch(backend)
      .then((answer) => answer.text())
      .then((text) => response.end(text))
      .catch((error: Error) => {
        response.statusCode = 500;
        response.end(String(error.cause ?? error));
      });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
  process.once('disconnect', () => process.exit());
}

async function service(): Promise<void> {
  const { config, backend, isHop } = JSON.parse(process.env.BENCH!);
  if (config !== undefined) {
    const { startAgent } = await import('@shadowline/agent');
    startAgent({ service: 'bench', config });
  }
  listen(isHop, backend);
}

async function start(role: string, settings: object): Promise<Running> {
  const child = fork(self, [role], { env: { ...process.env, BENCH: JSON.stringify(settings) } });
  const [port] = (await once(child, 'message')) as [number];
  return { child, url: `http://127.0.0.1:${port}/` };
}

async function cpuUs(child: ChildProcess): Promise<number> {
  const answer = once(child, 'message');
  child.send('cpu');
  return ((await answer) as [number])[0];
}

async function load(url: string, seconds: number, flag: string | undefined): Promise<number> {
  const header = flag === undefined ? [] : ['-H', `x-shadow: ${flag}`];
  try {
    const { stdout } = await run('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, ...header, url]);
    if (/Non-2xx/.test(stdout)) throw new Error(`the service did not answer with 2xx: ${stdout}`);
    return Number(/(\d+) requests in/.exec(stdout)?.[1]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const headers = flag === undefined ? {} : { 'x-shadow': flag };
    const result = await autocannon({ url, duration: seconds, connections: CONNECTIONS, headers });
    if (result.non2xx > 0) throw new Error(`the service did not answer with 2xx: ${result.non2xx} times`);
    return result.requests.total;
  }
}

async function measure(one: Running, seconds: number, flag: string | undefined): Promise<Sample> {
  const before = await cpuUs(one.child);
  const requests = await load(one.url, seconds, flag);
  return { perSec: requests / seconds, cpuUs: ((await cpuUs(one.child)) - before) / requests };
}

async function compare(seconds: number, rounds: number): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const token = signFlag({ runId: 'bench', unit: undefined, expiresAtMs: Date.now() + 3_600_000 }, privateKey);
  const backend = await start('backend', {});
  const config = {
    version: 1,
    flag: { keys: { bench: publicKeyText(publicKey) } },
    egress: { [new URL(backend.url).host]: { action: 'propagate' } },
  };
  const load1 = loadavg()[0]!.toFixed(1);
  process.stdout.write(
    `node ${process.version}, ${rounds} rounds of ${seconds} s, ${CONNECTIONS} connections, load average at start ${load1}\n`,
  );
  for (const isHop of [false, true]) {
    const services = new Map<Variant, Running>();
    for (const variant of VARIANTS) {
      const agent = variant.startsWith('bare') ? {} : { config };
      services.set(variant, await start('service', { isHop, backend: backend.url, ...agent }));
    }
    const samples = new Map<Variant, Sample[]>(VARIANTS.map((variant) => [variant, []]));
    // The first two rounds warm up: arming makes V8 compile much anew.
    for (let round = -2; round < rounds; round++) {
      // Another order each time: what follows a busy moment must not always be the same.
      const order = VARIANTS.map((_, i) => VARIANTS[(i + Math.max(round, 0)) % VARIANTS.length]!);
      for (const variant of order) {
        const one = services.get(variant)!;
        const flag = variant === 'flagged' ? token : undefined;
        if (round === -2 && variant === 'armed') await fetch(one.url, { headers: { 'x-shadow': token } });
        const sample = await measure(one, seconds, flag);
        if (round >= 0) samples.get(variant)!.push(sample);
      }
    }
    print(isHop ? 'service that calls another with fetch' : 'plain service', samples);
    for (const { child } of services.values()) child.disconnect();
  }
  backend.child.disconnect();
}

function print(title: string, samples: Map<Variant, Sample[]>): void {
  const bare = samples.get('bare')!;
  process.stdout.write(
    `\n${title}\n${'variant'.padEnd(12)}  req/s  ratio  (min-max)     CPU µs/req  ratio  (min-max)\n`,
  );
  for (const [variant, list] of samples) {
    const rates = list.map((one, i) => one.perSec / bare[i]!.perSec);
    const costs = list.map((one, i) => one.cpuUs / bare[i]!.cpuUs);
    const range = (values: number[]) => `(${Math.min(...values).toFixed(2)}-${Math.max(...values).toFixed(2)})`;
    process.stdout.write(
      `${variant.padEnd(12)} ${median(list.map((one) => one.perSec))
        .toFixed(0)
        .padStart(6)}   ${median(rates).toFixed(2)}  ${range(rates).padEnd(12)}  ${median(list.map((one) => one.cpuUs))
        .toFixed(1)
        .padStart(9)}   ${median(costs).toFixed(2)}  ${range(costs)}\n`,
    );
  }
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
