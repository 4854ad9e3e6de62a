import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { env as fixture, full, minimal } from '../orchestrator/scenario/fixtures/text.js';
import { commands } from './commands.js';

const stressFile = join(dirname(dirname(fileURLToPath(import.meta.url))), 'dist', 'bin', 'stress.js');

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs the command line as a user would. */
function stress(
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; onStart?: (child: ChildProcess) => void } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [stressFile, ...args], {
      cwd: options.cwd ?? folder,
      env: { PATH: process.env.PATH, HOME: folder, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended: Ended = { code: null, out: '', err: '' };
    child.stdout.on('data', (chunk) => (ended.out += chunk));
    child.stderr.on('data', (chunk) => (ended.err += chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...ended, code }));
    options.onStart?.(child);
  });
}

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'stress with spaces '));
  writeFileSync(join(folder, 'scenario.yaml'), minimal);
  writeFileSync(join(folder, 'full.yaml'), full);
  writeFileSync(join(folder, 'bad.yaml'), `${minimal}load: { timeout: 30 }\nguardrail: []\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('help', () => {
  it.each(Object.keys(commands).filter((name) => name !== 'compare' && name !== 'capacity'))(
    'stress %s --help',
    async (name) => {
      const { code, out, err } = await stress([name, '--help']);
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain(`stress ${name}`);
      expect(out).toContain('Options:');
    },
  );

  it('lists every command', async () => {
    const { code, out } = await stress(['--help']);
    expect(code).toBe(0);
    for (const name of Object.keys(commands)) expect(out).toContain(`stress ${name}`);
  });

  it('explains the exit codes', async () => {
    const { code, out } = await stress(['help', 'exit-codes']);
    expect(code).toBe(0);
    expect(
      out
        .split('\n')
        .filter(Boolean)
        .map((line) => Number(line.trim().split(' ')[0])),
    ).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 130]);
  });

  it('is on stderr, with exit code 2, when nothing was asked', async () => {
    const { code, out, err } = await stress([]);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('Commands:');
  });

  it('completes commands and options', async () => {
    expect((await stress(['completion'])).out).toContain('_stress_yargs_completions');
    const { out } = await stress(['--get-yargs-completions', 'stress', 'keys', '']);
    expect(out.split('\n')).toEqual(
      expect.arrayContaining([expect.stringMatching(/^make/), expect.stringMatching(/^public/)]),
    );
  });
});

describe('a wrong command line ends with 2 and a suggestion', () => {
  it.each<[string[], RegExp]>([
    [['vaildate', 'x'], /unknown command "vaildate"\n→ did you mean "validate"\?/],
    [['validate', '--jsno', 'x'], /unknown argument "jsno"\n→ did you mean --json\?/],
    [['shadow-db', 'clean', 's.yaml', '--aply'], /did you mean --apply\?/],
    [['shadow-db', 'clean', 's.yaml', '--mode', 'all'], /choices: "rows", "drop"/i],
    [['keys'], /say which: make or public/],
    [['kill'], /nothing says which agents are meant/],
    [['validate'], /no scenario is named/],
    [['validate', 'nope.yaml'], /nope\.yaml:1:1: there is no file nope\.yaml/],
    [['capacity', 's.yaml', '--precision', '3%'], /`stress capacity` is not built yet/],
    [['compare', 'a', 'b'], /`stress compare` is not built yet/],
    [['help', 'nope'], /there is no topic "nope"/],
    [['validate', 'scenario.yaml', '--set', 'load'], /is not path=value/],
  ])('%j', async (args, message) => {
    const { code, out, err } = await stress(args);
    expect(err).toMatch(message);
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toContain('\x1b');
  });
});

describe('validate', () => {
  it('says that a scenario is valid', async () => {
    const { code, out } = await stress(['validate', 'full.yaml'], { env: fixture });
    expect(code).toBe(0);
    expect(out).toContain('full.yaml is valid: payday');
    expect(out).not.toContain('hunter2secret');
    expect((await stress(['validate', 'full.yaml', '--quiet'], { env: fixture })).out).toBe('');
  });

  it('reports all problems with file, line and column', async () => {
    const { code, err } = await stress(['validate', 'bad.yaml']);
    expect(code).toBe(2);
    expect(err.split('\n').filter((line) => /^\w+\.yaml:/.test(line))).toEqual([
      'bad.yaml:8:16: shadow.flag.key: environment variable KEY is not set',
      'bad.yaml:9:18: load.timeout: 30 has no unit',
      'bad.yaml:10:1: guardrail: unknown key "guardrail"',
    ]);
  });

  it('reports them as JSON', async () => {
    const { code, out } = await stress(['validate', 'bad.yaml', '--json'], { env: fixture });
    expect(code).toBe(2);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      problems: [
        { line: 9, column: 18 },
        { line: 10, column: 1, remedy: 'did you mean "guardrails"?' },
      ],
    });
  });

  it('prints errors as JSON too', async () => {
    const { code, err } = await stress(['validate', 'nope.yaml', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(err)).toMatchObject({
      error: { code: 2, name: 'usage', problems: [{ cause: 'there is no file nope.yaml' }] },
    });
  });

  it('prints the schema', async () => {
    expect(JSON.parse((await stress(['validate', '--schema'])).out)).toMatchObject({ additionalProperties: false });
  });

  it('bears a reader that goes away', async () => {
    const { code, err } = await stress(['validate', '--schema'], { onStart: (child) => child.stdout?.destroy() });
    expect([code, err]).toEqual([0, '']);
  });
});

describe('keys', () => {
  it('are made with mode 0600 and never overwritten', async () => {
    const file = join(folder, 'new.key');
    const made = await stress(['keys', 'make', '--out', file]);
    expect(made.code).toBe(0);
    expect(made.out.trim()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await stress(['keys', 'public', file])).out).toBe(made.out);
    const before = readFileSync(file, 'utf8');
    const again = await stress(['keys', 'make', '--out', file]);
    expect([again.code, readFileSync(file, 'utf8')]).toEqual([2, before]);
    expect(again.err).toContain('never overwritten');
    writeFileSync(join(folder, 'keyfile.yaml'), minimal.replace('env:KEY', './new.key'));
    expect((await stress(['validate', 'keyfile.yaml'])).code).toBe(0);
  });

  it('are not written where nothing can be', async () => {
    const { code, err } = await stress(['keys', 'make', '--out', join(folder, 'no such folder', 'k')]);
    expect(code).toBe(1);
    expect(err).toMatch(/ENOENT[\s\S]*check the path/);
  });
});

describe('agent-config', () => {
  it('is JSON on stdout, its version on stderr, the same each time', async () => {
    const [one, two] = await Promise.all([
      stress(['agent-config', 'full.yaml'], { env: fixture }),
      stress(['agent-config', 'full.yaml'], { env: fixture }),
    ]);
    expect(one.code).toBe(0);
    expect(JSON.parse(one.out)).toMatchObject({ version: 1, mysql: { main: { database: 'bank' } } });
    expect(one.err).toMatch(/configuration version [0-9a-f]{12}/);
    expect(two).toEqual(one);
    expect(one.out + one.err).not.toContain('hunter2secret');
  });
});

describe('kill', () => {
  it('makes the kill file and posts to admin ports', async () => {
    const posted: string[] = [];
    const server = createServer((request, response) => {
      posted.push(`${request.method} ${request.url}`);
      request.resume().once('end', () => response.end('{}'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const port = String((server.address() as AddressInfo).port);
    const file = join(folder, 'kill file');
    try {
      const { code, out } = await stress(['kill', '--file', file, '--admin', port, '--reason', 'drill']);
      expect(code).toBe(0);
      expect(out).toContain(`127.0.0.1:${port}: killed`);
      expect(readFileSync(file, 'utf8')).toContain('drill');
      expect((await stress(['kill', '--rearm', '--file', file, '--admin', port])).code).toBe(0);
      expect(posted).toEqual(['POST /kill', 'POST /rearm']);
      expect(() => statSync(file)).toThrow(/ENOENT/);
    } finally {
      server.close();
    }
    const failed = await stress(['kill', '--admin', port, '--admin', '10.0.0.1:80', '--json']);
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.out)).toMatchObject([
      { ok: false },
      { ok: false, text: expect.stringContaining('loopback') },
    ]);
  });
});

describe('doctor', () => {
  it('prints a table, and JSON', async () => {
    const { code, out } = await stress(['doctor', '--json']);
    expect([0, 1]).toContain(code);
    expect(JSON.parse(out)).toEqual(
      expect.arrayContaining([expect.objectContaining({ what: 'Node.js', state: 'ok' })]),
    );
  });
});

describe('run', () => {
  it('sends nothing to other machines unless told to', async () => {
    writeFileSync(join(folder, 'remote.yaml'), minimal.replace('127.0.0.1:8080', 'bank.example'));
    const { code, err } = await stress(['run', 'remote.yaml'], { env: fixture });
    expect(code).toBe(2);
    expect(err).toMatch(/load would go to hosts that are not on this machine \(bank\.example:80\)\n→ .*--yes/);
    expect(() => statSync(join(folder, 'runs'))).toThrow(/ENOENT/);
  });

  it('refuses a scenario that is wrong before anything else', async () => {
    const { code, err } = await stress(['run', 'bad.yaml'], { env: fixture });
    expect(code).toBe(2);
    expect(err).toContain('bad.yaml:9:18');
  });

  it('ends with 3 when no agent is heard, and leaves a readable run', async () => {
    mkdirSync(join(folder, 'recording'), { recursive: true });
    const { code, out } = await stress(
      [
        'run',
        'scenario.yaml',
        '--runs',
        join(folder, 'my runs'),
        '--set',
        `telemetry.listen=127.0.0.1:${await freePort()}`,
        '--json',
      ],
      { env: fixture },
    );
    expect(code).toBe(3);
    const { runDir, result } = JSON.parse(out);
    expect(result.verdict).toMatchObject({ outcome: 'refused', exitCode: 3 });
    expect(JSON.parse(readFileSync(join(runDir, 'result.json'), 'utf8'))).toEqual(result);
  });

  it('ends with 1 when the run folder cannot be written, having sent nothing', async () => {
    writeFileSync(join(folder, 'a file'), '');
    const { code, err } = await stress(['run', 'scenario.yaml', '--runs', join(folder, 'a file', 'runs')], {
      env: fixture,
    });
    expect(code).toBe(1);
    expect(err).not.toContain('unexpected error');
  });
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
