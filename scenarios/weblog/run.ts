import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { freePort, startLeashed, untilReady } from '../../orchestrator/servers/leash.js';

/**
 * Replays the access log of this folder against a static server, through the command line, as a user would:
 * `node dist/scenarios/weblog/run.js [--speed 60] [--max-gap 10s] [--from 2015-05-19T19:00Z] [--to …] [--all-pauses]`.
 */
const { values: options } = parseArgs({
  options: {
    speed: { type: 'string' },
    'max-gap': { type: 'string', default: '10s' },
    'all-pauses': { type: 'boolean', default: false },
    from: { type: 'string' },
    to: { type: 'string' },
    runs: { type: 'string', default: 'runs' },
  },
});

const compiled = dirname(fileURLToPath(import.meta.url));
const root = join(compiled, '../../..');
const sources = join(root, 'scenarios', 'weblog');
const scenarioFile = join(sources, 'scenario.yaml');
const logFile = join(sources, 'apache_logs.gz');
// The first Ctrl-C reaches `stress run` as well, which stops the load and writes its report; a second one ends this process, and the server with it.
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupted) process.exit(130);
    interrupted = true;
  });
}

type Output = 'shown' | 'returned';

function stress(args: string[], env: NodeJS.ProcessEnv, output: Output): Promise<{ code: number; text: string }> {
  process.stderr.write(`$ stress ${args.join(' ')}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'dist', 'bin', 'stress.js'), ...args], {
      env,
      stdio: ['ignore', output === 'shown' ? 'inherit' : 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, text }));
  });
}

async function must(args: string[], env: NodeJS.ProcessEnv, output: Output): Promise<string> {
  const { code, text } = await stress(args, env, output);
  if (code !== 0) throw new Error(`stress ${args[0]} ended with exit code ${code}`);
  return text;
}

function importArgs(recording: string): string[] {
  const { from, to } = options;
  return [
    'import',
    logFile,
    '--out',
    recording,
    ...(options['all-pauses'] ? [] : ['--max-gap', options['max-gap']]),
    ...(from === undefined ? [] : ['--from', from]),
    ...(to === undefined ? [] : ['--to', to]),
  ];
}

async function play(dir: string): Promise<number> {
  const [port, telemetryPort] = [await freePort(), await freePort()];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    WEBLOG_TARGET: `http://127.0.0.1:${port}`,
    WEBLOG_RECORDING: join(dir, 'recording'),
    WEBLOG_KEY_FILE: join(dir, 'flag.pem'),
    WEBLOG_TELEMETRY: `127.0.0.1:${telemetryPort}`,
  };
  await must(importArgs(env.WEBLOG_RECORDING!), env, 'shown');
  await must(['keys', 'make', '--out', env.WEBLOG_KEY_FILE!], env, 'returned');
  const agentConfig = join(dir, 'shadowline.json');
  await writeFile(agentConfig, await must(['agent-config', scenarioFile], env, 'returned'));
  const serverLog = join(dir, 'web.log');
  const server = startLeashed({
    command: process.execPath,
    args: ['--import', '@shadowline/agent/register', join(compiled, 'static-server.js')],
    // A module name given to --import is looked up from the working directory.
    cwd: root,
    logFile: serverLog,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      PORT: String(port),
      WEBLOG_FILE: logFile,
      SHADOWLINE_SERVICE: 'web',
      SHADOWLINE_CONFIG: agentConfig,
      SHADOWLINE_TELEMETRY: `http://${env.WEBLOG_TELEMETRY}`,
      SHADOWLINE_KILL_FILE: join(dir, 'kill'),
    },
  });
  try {
    await untilReady('web', server, serverLog, () => answers(port), 30_000);
    const speed = options.speed === undefined ? [] : ['--set', `replay.speed=${options.speed}`];
    return (await stress(['run', scenarioFile, '--runs', options.runs, ...speed], env, 'shown')).code;
  } finally {
    await server.stop();
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request({ host: '127.0.0.1', port, path: '/favicon.ico', timeout: 1000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    probe.on('error', () => resolve(false));
    probe.on('timeout', () => probe.destroy());
    probe.end();
  });
}

const dir = await mkdtemp(join(tmpdir(), 'shadowline-weblog-'));
try {
  process.exitCode = await play(dir);
} catch (error) {
  process.stderr.write(`weblog: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await rm(dir, { recursive: true, force: true });
}
