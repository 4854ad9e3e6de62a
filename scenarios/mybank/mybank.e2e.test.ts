import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readPrivateKey, signFlag } from '@shadowline/agent/flag';
import { parseDocument } from 'yaml';
import { parseResult, type Result } from '../../orchestrator/result/schema.js';
import { type Chain, root, type ServiceName, startChain } from './chain.js';
import { compareWithUsers } from './compare.js';
import { journeys } from './journeys.js';
import { type OrderedTransfer, startUsers, type Users } from './users.js';

/**
 * The chain as its users would try it: on real servers, through the command line. The tests of this file share one chain and its recording;
 * each leaves the services running with their agents.
 */
let chain: Chain;
let runs: string;
const ordered: OrderedTransfer[] = [];

interface Ended {
  code: number | null;
  /** Standard output and error together, as a person sees them. */
  output: string;
  stdout: string;
  runDir: string | undefined;
}

interface Started extends ChildProcess {
  ended: Promise<Ended>;
  text(): string;
  runDir(): string | undefined;
}

function stress(args: string[]): Started {
  const child = spawn(process.execPath, [join(root, 'dist', 'bin', 'stress.js'), ...args], {
    env: { ...process.env, ...chain.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  }) as unknown as Started;
  let output = '';
  let stdout = '';
  child.stdout!.on('data', (chunk) => {
    output += chunk;
    stdout += chunk;
  });
  child.stderr!.on('data', (chunk) => {
    output += chunk;
  });
  child.text = () => output;
  child.runDir = () => undefined;
  child.ended = new Promise((resolve) =>
    child.once('close', (code) => resolve({ code, output, stdout, runDir: child.runDir() })),
  );
  return child;
}

/** The folder of the one run that was started in `runsDir`. */
function runIn(runsDir: string): string | undefined {
  const name = existsSync(runsDir) ? readdirSync(runsDir)[0] : undefined;
  return name === undefined ? undefined : join(runsDir, name);
}

/** `stress run`, in a folder of its own. */
function startRun(scenarioFile: string): Started {
  const runsDir = mkdtempSync(join(runs, 'run-'));
  const child = stress(['run', scenarioFile, '--runs', runsDir]);
  child.runDir = () => runIn(runsDir);
  return child;
}

async function must(args: string[]): Promise<string> {
  const { code, output } = await stress(args).ended;
  expect({ command: args[0], code, output: code === 0 ? '' : output }).toEqual({
    command: args[0],
    code: 0,
    output: '',
  });
  return output;
}

/** A copy of the scenario with a short load and a lenient SLO: these tests are about isolation, not about this machine's speed. */
function shortScenario(edits: Record<string, unknown> = {}): string {
  const document = parseDocument(readFileSync(chain.scenarioFile, 'utf8'));
  const all: Record<string, unknown> = {
    'load.stages': [{ to: '30/s', in: '2s' }, { hold: '8s' }],
    slo: ['p99(response) < 20s'],
    guardrails: ['real errors < baseline + 50% for 30s'],
    baseline: '3s',
    ...edits,
  };
  for (const [path, value] of Object.entries(all)) {
    if (value === undefined) document.deleteIn(path.split('.'));
    else document.setIn(path.split('.'), value);
  }
  const file = join(chain.dir, `short-${Math.random().toString(36).slice(2)}.yaml`);
  writeFileSync(file, String(document));
  return file;
}

function resultOf(runDir: string | undefined): Result {
  return parseResult(JSON.parse(readFileSync(join(runDir!, 'result.json'), 'utf8')));
}

/** Passed; or, on a machine that other tests keep busy, inconclusive because the generator could not hold its rate: never a threshold or a guardrail. */
function expectNothingMissed(code: number | null, { verdict }: Result): void {
  expect([
    [0, 'pass'],
    [7, 'inconclusive'],
  ]).toContainEqual([code, verdict.outcome]);
  if (code === 7) expect(JSON.stringify(verdict)).toMatch(/generator/i);
}

/** Users who go on for at most a minute; what they ordered is compared with the real tables. */
let group = 0;
function realUsers(): Users {
  const arrivals = Array.from({ length: 600 }, (_, i) => ({ tUs: i * 1e5, session: `u${group}-${i % 40}` }));
  return startUsers(journeys(arrivals, 10), chain.target, `real${group++}`, join(chain.dir, 'users.ndjson'));
}

async function withUsers<T>(work: (users: Users) => Promise<T>): Promise<T> {
  const users = realUsers();
  try {
    return await work(users);
  } finally {
    users.stop();
    await users.done;
    ordered.push(...users.log.transfers);
  }
}

async function expectRealTablesUntouched(): Promise<void> {
  const comparison = await compareWithUsers(chain, ordered);
  expect(comparison).toEqual({ equal: true, lines: comparison.lines });
}

function get(path: string, headers: Record<string, string | string[]>): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(`${chain.target}${path}`, { headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function until(what: string, check: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await check())) {
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function restart(name: ServiceName, options?: Parameters<Chain['startService']>[1]): Promise<void> {
  await chain.services.get(name)?.stop();
  await chain.startService(name, options);
}

const loadHasBegun = (run: Started) =>
  until('the load begins', () => {
    const series = join(run.runDir() ?? '', 'series.ndjson');
    if (run.exitCode !== null) throw new Error(`the run ended first:\n${run.text()}`);
    return existsSync(series) && /"phase":"load"/.test(readFileSync(series, 'utf8'));
  });

beforeAll(async () => {
  chain = await startChain(() => undefined);
  runs = mkdtempSync(join(tmpdir(), 'shadowline-runs-'));
  await must(['keys', 'make', '--out', chain.env.MYBANK_KEY_FILE!]);
  const config = stress(['agent-config', chain.scenarioFile]);
  writeFileSync(chain.agentConfigFile, (await config.ended).stdout);
  await chain.startServices({ record: true });
  const arrivals = Array.from({ length: 300 }, (_, i) => ({ tUs: i * 1e5, session: `s${i % 30}` }));
  const users = startUsers(journeys(arrivals, 60), chain.target, 'rec', join(chain.dir, 'users.ndjson'));
  await users.done;
  expect(users.log.failures).toBe(0);
  ordered.push(...users.log.transfers);
  await chain.stopServices();
  await must(['record', '--from', chain.captureDir, '--out', chain.recordingDir]);
  await must(['shadow-db', 'provision', chain.scenarioFile, '--apply']);
  await chain.startServices();
}, 180_000);

afterAll(async () => {
  await chain?.stop();
  rmSync(runs, { recursive: true, force: true });
}, 60_000);

describe('the demo chain', () => {
  it('replays the recording: every write is in a shadow store, none in a real one', async () => {
    const run = await withUsers(() => startRun(shortScenario()).ended);
    const result = resultOf(run.runDir);
    expectNothingMissed(run.code, result);
    expect(result.errors).toEqual([]);
    expect(result.isolation.outcome).toBe('clean');
    expect(result.isolation.leaks).toEqual([]);
    const transfers = result.isolation.stores.find((store) => store.real.endsWith('.transfers'))!;
    expect(transfers.rowsFound).toBeGreaterThan(50);
    expect(transfers.rowsFound).toBe(transfers.writesIssued);
    expect(result.topology.services.map((service) => service.name).sort()).toEqual([
      'account',
      'gateway',
      'ledger',
      'payment',
    ]);
    for (const file of ['report.html', 'summary.md', 'junit.xml', 'series.ndjson', 'ledger.ndjson']) {
      expect(existsSync(join(run.runDir!, file))).toBe(true);
    }
    await expectRealTablesUntouched();
  });

  it.each(['account', 'ledger'] as const)('refuses to start when %s runs without its agent', async (name) => {
    await restart(name, { withoutAgent: [name] });
    try {
      const run = await withUsers(() => startRun(shortScenario()).ended);
      expect(run.code).toBe(3);
      expect(run.output).toContain(name);
      await expectRealTablesUntouched();
    } finally {
      await restart(name);
    }
  });

  it('refuses to start when a table has no class any more', async () => {
    const edited = shortScenario({
      'shadow.mysql.main.tables.shadow': [
        'customers',
        'accounts',
        'entries',
        'entries_audit',
        'statement_lines',
        'notices',
        'account_overview',
      ],
      'shadow.mysql.main.identityColumns.transfers': undefined,
    });
    const whole = readFileSync(chain.agentConfigFile, 'utf8');
    const config = await stress(['agent-config', edited]).ended;
    writeFileSync(chain.agentConfigFile, config.stdout);
    try {
      for (const name of [...chain.services.keys()]) await restart(name);
      const run = await withUsers(() => startRun(edited).ended);
      expect(run.code).toBe(3);
      expect(run.output).toContain('transfers');
      await expectRealTablesUntouched();
    } finally {
      writeFileSync(chain.agentConfigFile, whole);
      for (const name of [...chain.services.keys()]) await restart(name);
    }
  });

  it('keeps everything apart in mode schema as well', async () => {
    const edited = shortScenario({
      'shadow.mysql.main.mode': 'schema',
      // Rights on both would be too wide for either.
      'shadow.mysql.main.account.user': `schema_${chain.database}`,
    });
    const whole = readFileSync(chain.agentConfigFile, 'utf8');
    const config = await stress(['agent-config', edited]).ended;
    writeFileSync(chain.agentConfigFile, config.stdout);
    await must(['shadow-db', 'provision', edited, '--apply']);
    try {
      for (const name of [...chain.services.keys()]) await restart(name);
      const run = await withUsers(() => startRun(edited).ended);
      const result = resultOf(run.runDir);
      expectNothingMissed(run.code, result);
      expect(result.isolation.outcome).toBe('clean');
      const transfers = result.isolation.stores.find((store) => store.real.endsWith('.transfers'))!;
      expect(transfers.shadow).toBe(`${chain.database}_shadow.transfers`);
      expect(transfers.rowsFound).toBeGreaterThan(50);
      expect(transfers.rowsFound).toBe(transfers.writesIssued);
      await expectRealTablesUntouched();
    } finally {
      writeFileSync(chain.agentConfigFile, whole);
      for (const name of [...chain.services.keys()]) await restart(name);
    }
  });

  it('refuses a forged, an expired, a doubled and a malformed flag with a code, and writes no row', async () => {
    const key = readPrivateKey(readFileSync(chain.env.MYBANK_KEY_FILE!, 'utf8'));
    const flag = { runId: 'e2e', unit: undefined, expiresAtMs: Date.now() + 60_000 };
    const good = signFlag(flag, key);
    const other = signFlag({ ...flag, runId: 'e2e-2' }, key);
    const forged = `${good.slice(0, -4)}${good.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
    const expired = signFlag({ ...flag, expiresAtMs: Date.now() - 5_000 }, key);
    const cases: [headers: Record<string, string | string[]>, code: string][] = [
      [{ 'x-shadow': forged }, 'FLAG_FORGED'],
      [{ 'x-shadow': expired }, 'FLAG_EXPIRED'],
      [{ 'x-shadow': [good, other] }, 'FLAG_CONFLICT'],
      [{ 'x-shadow': good, baggage: `shadow=${other}` }, 'FLAG_CONFLICT'],
      [{ 'x-shadow': 'T' }, 'FLAG_MALFORMED'],
    ];
    for (const [headers, code] of cases) {
      const answer = await get('/accounts/1', headers);
      expect({ status: answer.status, code: JSON.parse(answer.body).code }).toEqual({ status: 403, code });
    }
    await expectRealTablesUntouched();
  });

  it('finds a leak that was put in on purpose, and names the table and the count', async () => {
    await restart('payment', { leak: true });
    try {
      const run = await startRun(shortScenario()).ended;
      const result = resultOf(run.runDir);
      expect(run.code).toBe(6);
      const [rows] = await chain.query<{ n: number }>('SELECT COUNT(*) AS n FROM mybank.notices');
      expect(rows!.n).toBeGreaterThan(0);
      const found = result.isolation.leaks.filter((leak) => leak.target.endsWith('notices'));
      expect(Math.max(...found.map((leak) => leak.count))).toBe(rows!.n);
      expect(run.output).toContain('notices');
    } finally {
      await restart('payment');
      await chain.query('DELETE FROM mybank.notices');
    }
    await expectRealTablesUntouched();
  });

  it('leaves a readable run when the orchestrator is killed, and nothing is accepted as shadow afterwards', async () => {
    const ttlMs = 8000;
    const run = startRun(
      shortScenario({ 'shadow.flag.ttl': '8s', 'load.stages': [{ to: '30/s', in: '1s' }, { hold: '60s' }] }),
    );
    await loadHasBegun(run);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    run.kill('SIGKILL');
    const killedAtMs = Date.now();
    const { runDir } = await run.ended;
    expect(existsSync(join(runDir!, 'result.json'))).toBe(false);
    const report = await stress(['report', runDir!]).ended;
    expect({ code: report.code, output: report.output }).toMatchObject({ code: 0 });
    expect(existsSync(join(runDir!, 'report.html'))).toBe(true);
    const shadowRows = () => chain.query<{ n: number }>('SELECT COUNT(*) AS n FROM mybank.transfers_shadow');
    await new Promise((resolve) => setTimeout(resolve, killedAtMs + ttlMs + 2000 - Date.now()));
    const [before] = await shadowRows();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const [after] = await shadowRows();
    expect(after!.n).toBe(before!.n);
    await expectRealTablesUntouched();
    await must(['shadow-db', 'clean', chain.scenarioFile, '--apply']);
    await must(['shadow-db', 'provision', chain.scenarioFile, '--apply']);
  });

  it('stops the load on Ctrl-C, and still checks for leaks and writes its report', async () => {
    const run = startRun(shortScenario({ 'load.stages': [{ to: '30/s', in: '1s' }, { hold: '120s' }] }));
    await loadHasBegun(run);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    run.kill('SIGINT');
    const { code, runDir } = await run.ended;
    expect(code).toBe(130);
    const result = resultOf(runDir);
    expect(result.verdict.outcome).toBe('interrupted');
    expect(result.isolation.outcome).toBe('clean');
    expect(existsSync(join(runDir!, 'report.html'))).toBe(true);
  });

  it('reports a service that is killed in mid-run as such, without a leak', async () => {
    const run = startRun(shortScenario({ 'load.stages': [{ to: '30/s', in: '1s' }, { hold: '14s' }] }));
    await loadHasBegun(run);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    // The whole process group: the service and the shell that holds its leash.
    process.kill(-chain.services.get('payment')!.pid, 'SIGKILL');
    const { code, runDir } = await run.ended;
    const result = resultOf(runDir);
    try {
      expect(code).not.toBe(0);
      expect(code).not.toBe(6);
      expect(result.topology.services.find((service) => service.name === 'payment')!.lostAtS).not.toBeNull();
      expect(result.isolation.leaks).toEqual([]);
    } finally {
      await chain.startService('payment');
    }
    await expectRealTablesUntouched();
  });

  // The last one: afterwards there is no database.
  it('reports a database that stops in mid-run, and claims nothing about its tables', async () => {
    const run = startRun(shortScenario({ 'load.stages': [{ to: '30/s', in: '1s' }, { hold: '10s' }] }));
    await loadHasBegun(run);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await chain.servers.mysql.stop();
    const { code, runDir } = await run.ended;
    const result = resultOf(runDir);
    expect(code).not.toBe(0);
    expect(code).not.toBe(6);
    expect(result.isolation.outcome).toBe('incomplete');
    expect(result.isolation.sentence).toMatch(/mysql|MariaDB|database/i);
    expect(result.isolation.leaks).toEqual([]);
  });
});
