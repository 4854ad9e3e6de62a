import { spawn } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parseAccessLogLine } from '../../orchestrator/recording/access-log.js';
import { parseResult } from '../../orchestrator/result/schema.js';
import { type Chain, root, SHADOW_TOPIC, startChain } from './chain.js';
import { compareWithUsers } from './compare.js';
import { type Arrival, journeys } from './journeys.js';
import { startUsers } from './users.js';

/**
 * `npm start`: the whole way once. A small bank is started on real servers, its users are recorded, and the recording is replayed, flagged, while
 * other users go on. `-- --keep` leaves the chain up, `-- --leak` switches a deliberate leak on.
 */
const RECORDED_REQUESTS = 1200;
const RECORDED_PER_SEC = 60;
const USERS_PER_SEC = 40;

const options = { keep: process.argv.includes('--keep'), leak: process.argv.includes('--leak') };
const startedMs = Date.now();
const say = (line: string) => process.stdout.write(`${clock()} ${line}\n`);

function clock(): string {
  const seconds = Math.floor((Date.now() - startedMs) / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2, '0')}:${String(seconds % 60).padStart(2, '0')}`;
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first one reaches `stress run` too, which stops the load and still writes its report.
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort();
  });
}

/** Runs the command line as a user would, and shows it. Returns the exit code and standard output. */
function stress(
  chain: Chain,
  args: string[],
  show: 'all' | 'errors' = 'errors',
): Promise<{ code: number; output: string }> {
  say(`$ stress ${args.map((arg) => arg.replace(`${chain.dir}/`, '')).join(' ')}`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'dist', 'bin', 'stress.js'), ...args], {
      env: { ...process.env, ...chain.env },
      stdio: ['ignore', show === 'all' ? 'inherit' : 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout?.on('data', (chunk) => {
      output += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

async function must(chain: Chain, args: string[]): Promise<string> {
  const { code, output } = await stress(chain, args);
  if (code !== 0) throw new Error(`stress ${args[0]} ended with exit code ${code}`);
  return output;
}

/** When people came to a real site, and who came. */
async function arrivals(): Promise<Arrival[]> {
  const text = gunzipSync(await readFile(join(root, 'scenarios', 'weblog', 'apache_logs.gz'))).toString('latin1');
  return text.split('\n').flatMap((line) => {
    const parsed = parseAccessLogLine(line);
    return parsed.kind === 'request' ? [{ tUs: parsed.request.t_us, session: parsed.request.session }] : [];
  });
}

async function main(): Promise<number> {
  const chain = await startChain(say);
  try {
    return await play(chain);
  } finally {
    await chain.stop();
    say('everything that was started has been stopped');
  }
}

async function play(chain: Chain): Promise<number> {
  await must(chain, ['keys', 'make', '--out', chain.env.MYBANK_KEY_FILE!]);
  await writeFile(chain.agentConfigFile, await must(chain, ['agent-config', chain.scenarioFile]));
  say('starting gateway, account, payment and ledger; the gateway’s agent records');
  await chain.startServices({ record: true, leak: options.leak });

  const log = await arrivals();
  const recorded = journeys(log.slice(0, RECORDED_REQUESTS), RECORDED_PER_SEC);
  say(
    `recording ${recorded.length} requests of users who come and go as on a real site (about ${RECORDED_REQUESTS / RECORDED_PER_SEC} s)`,
  );
  const yesterday = startUsers(recorded, chain.target, 'rec', join(chain.dir, 'users.ndjson'));
  interrupted.signal.addEventListener('abort', () => yesterday.stop());
  await yesterday.done;
  await chain.stopServices();
  if (interrupted.signal.aborted) return 130;
  await must(chain, ['record', '--from', chain.captureDir, '--out', chain.recordingDir]);
  await must(chain, ['shadow-db', 'provision', chain.scenarioFile, '--apply']);
  await chain.startServices({ leak: options.leak });

  const today = startUsers(
    journeys(log.slice(RECORDED_REQUESTS), USERS_PER_SEC),
    chain.target,
    'real',
    join(chain.dir, 'users.ndjson'),
  );
  say(`real users go on at ${USERS_PER_SEC}/s`);
  const runsDir = join(process.cwd(), 'runs');
  const run = await stress(chain, ['run', chain.scenarioFile, '--runs', runsDir], 'all');
  today.stop();
  await today.done;

  say('comparing the real tables with what the users know of');
  const comparison = await compareWithUsers(chain, [...yesterday.log.transfers, ...today.log.transfers]);
  for (const line of comparison.lines) say(`  ${line}`);
  const runDir = await runOf(chain, runsDir);
  if (runDir !== undefined) say(`report: ${join(runDir, 'report.html')}`);
  if (options.keep && !interrupted.signal.aborted) await keep(chain);
  return comparison.equal ? run.code : run.code || 1;
}

/** The folder of this chain's run: another demo may write to the same place. */
async function runOf(chain: Chain, runsDir: string): Promise<string | undefined> {
  for (const name of (await readdir(runsDir).catch(() => [])).sort().reverse()) {
    const text = await readFile(join(runsDir, name, 'result.json'), 'utf8').catch(() => undefined);
    if (text !== undefined && parseResult(JSON.parse(text)).run.target === chain.target) return join(runsDir, name);
  }
  return undefined;
}

async function keep(chain: Chain): Promise<void> {
  say(`the chain stays up until Ctrl-C. Try:
  export ${Object.entries(chain.env)
    .filter(([name]) => name.startsWith('MYBANK_'))
    .map(([name, value]) => `${name}='${value}'`)
    .join(' ')}
  npx stress run ${chain.scenarioFile}
  npx stress shadow-db verify ${chain.scenarioFile}
  curl -i -H 'x-shadow: v1.forged.-.9999999999.${'A'.repeat(86)}' ${chain.target}/accounts/1
  (shadow topic: ${SHADOW_TOPIC})`);
  await new Promise<void>((resolve) => interrupted.signal.addEventListener('abort', () => resolve()));
}

process.exitCode = await main().catch((error: Error) => {
  process.stderr.write(`demo: ${error.message}\n`);
  return 1;
});
