import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Bench, call, collector, host, plain, until } from './fixtures/harness.js';

let bench = new Bench();
afterEach(async () => {
  await bench.close();
  bench = new Bench();
});
const register = new URL('./dist/register.js', import.meta.url).pathname;

describe('states', () => {
  it('a missing or faulty configuration refuses what is flagged and nothing else', async () => {
    const faulty = bench.config({ egres: {}, mysql: { main: { mode: 'tabel' } } });
    for (const config of [join(bench.dir, 'nowhere.json'), faulty]) {
      const service = await bench.start('a', { config });
      expect((await call(`${service.url}/who`)).status).toBe(200);
      const flagged = await call(`${service.url}/who`, { headers: { 'x-shadow': bench.token() } });
      expect([flagged.status, flagged.body.code]).toEqual([503, 'AGENT_NOT_READY']);
      expect(service.stderr().match(/shadow traffic is refused/g)).toHaveLength(1);
    }
  });

  it('the admin port kills and re-arms; flagged requests get 503, ordinary ones go on', async () => {
    const port = await freePort();
    const service = await bench.start('a', { env: { SHADOWLINE_ADMIN_PORT: String(port) } });
    const admin = `http://127.0.0.1:${port}`;
    const flagged = () => call(`${service.url}/who`, { headers: { 'x-shadow': bench.token() } });
    expect((await call(`${admin}/status`)).body).toMatchObject({ state: 'idle', service: 'a', problems: [] });
    expect((await flagged()).status).toBe(200);
    expect((await call(`${admin}/status`)).body).toMatchObject({ state: 'armed', counters: { admitted: 1, open: 0 } });
    expect((await call(`${admin}/kill`, { method: 'POST' })).body.state).toBe('killed');
    const refused = await flagged();
    expect([refused.status, refused.body.code]).toEqual([503, 'AGENT_KILLED']);
    expect(refused.headers['x-shadow-ack']).toMatch(/^a;/);
    expect((await call(`${service.url}/who`)).status).toBe(200);
    expect((await call(`${admin}/rearm`, { method: 'POST' })).body.state).toBe('armed');
    expect((await flagged()).status).toBe(200);
    expect((await call(`${admin}/kill`)).status).toBe(404);
    expect((await call(`${admin}/status`, { headers: { host: 'evil.example' } })).status).toBe(403);
  });

  it('the kill file works at arming and while armed, and keeps from re-arming', async () => {
    const port = await freePort();
    const killFile = join(bench.dir, 'kill');
    const env = { SHADOWLINE_ADMIN_PORT: String(port), SHADOWLINE_KILL_FILE: killFile };
    const service = await bench.start('a', { env });
    const status = async () => (await call(`http://127.0.0.1:${port}/status`)).body.state;
    const flagged = async () => (await call(`${service.url}/who`, { headers: { 'x-shadow': bench.token() } })).status;
    writeFileSync(killFile, '');
    expect(await flagged()).toBe(503);
    expect((await call(`http://127.0.0.1:${port}/rearm`, { method: 'POST' })).status).toBe(409);
    rmSync(killFile);
    expect((await call(`http://127.0.0.1:${port}/rearm`, { method: 'POST' })).status).toBe(200);
    expect(await flagged()).toBe(200);
    writeFileSync(killFile, '');
    await until('the kill file to be seen', async () => (await status()) === 'killed' || undefined);
    expect(await flagged()).toBe(503);
  });

  it('a hop without an agent is a suspect and throws the switch', async () => {
    const otlp = await collector();
    const bare = createServer((_, outgoing) => outgoing.end('{}'));
    await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(bare.address() as AddressInfo).port}`;
    const config = bench.config({ egress: { [address]: { action: 'propagate' } } });
    const service = await bench.start('a', {
      config,
      env: { NEXT_URL: `http://${address}`, SHADOWLINE_TELEMETRY: otlp.url },
    });
    const flagged = (probe?: string) =>
      call(`${service.url}/call?via=fetch`, {
        headers: { 'x-shadow': bench.token(), ...(probe === undefined ? {} : { 'x-shadow-probe': probe }) },
      });
    // A probe only reports: the preflight decides.
    expect((await flagged('p1')).status).toBe(200);
    expect((await flagged()).status).toBe(200);
    expect((await flagged()).status).toBe(503);
    const suspect = await until('the suspect', () => otlp.logs.find((log) => log.eventName === 'shadowline.suspect'));
    expect(plain(suspect.attributes)).toMatchObject({ code: 'HOP_UNACKNOWLEDGED' });
    expect(plain(suspect.attributes)['exception.stacktrace']).toContain('at ');
    bare.close();
    otlp.close();
  });

  it('goes idle when the last flag has expired, and refuses work that outlives its request', async () => {
    const port = await freePort();
    const b = await bench.start('b');
    const config = bench.config({ egress: { [host(b)]: { action: 'propagate' } } });
    const a = await bench.start('a', { config, env: { NEXT_URL: b.url, SHADOWLINE_ADMIN_PORT: String(port) } });
    const status = async () => (await call(`http://127.0.0.1:${port}/status`)).body.state;
    const late = async () => (await call(`${a.url}/late-result`)).body.late ?? undefined;
    await call(`${a.url}/late?ms=100`, { headers: { 'x-shadow': bench.token() } });
    expect(await until('work within the grace period', late)).toBe('sent');
    await call(`${a.url}/late?ms=5600`, { headers: { 'x-shadow': bench.token(8_000) } });
    expect(await until('work after it', async () => ((await late()) === 'sent' ? undefined : late()))).toBe(
      'CONTEXT_ENDED',
    );
    expect(await status()).toBe('armed');
  }, 40_000);

  it('disarms when the flag has expired and the linger is over', async () => {
    const port = await freePort();
    const env = { SHADOWLINE_ADMIN_PORT: String(port), SHADOWLINE_LINGER_MS: '2000' };
    const a = await bench.start('a', { env });
    await call(`${a.url}/who`, { headers: { 'x-shadow': bench.token(1_100) } });
    const status = async () => (await call(`http://127.0.0.1:${port}/status`)).body.state;
    expect(await status()).toBe('armed');
    await until('idle', async () => (await status()) === 'idle' || undefined);
    // And arms again.
    expect((await call(`${a.url}/who`, { headers: { 'x-shadow': bench.token() } })).body.run).toBe('run1');
  }, 40_000);

  it('edge strict: a stranger’s junk is taken out, a signed flag from a stranger is refused', async () => {
    const { flag } = JSON.parse(readFileSync(bench.config(), 'utf8'));
    const strict = (allowFrom: string[]) => bench.config({ flag: { ...flag, edge: 'strict', allowFrom } });
    const outside = await bench.start('a', { config: strict(['10.0.0.0/8']) });
    const junk = await call(`${outside.url}/who`, { headers: { 'x-shadow': 'true', baggage: 'k=v,shadow=1' } });
    expect([junk.status, junk.body.header, junk.body.baggage, junk.body.run]).toEqual([200, null, 'k=v', null]);
    const signed = await call(`${outside.url}/who`, { headers: { 'x-shadow': bench.token() } });
    expect([signed.status, signed.body.code]).toEqual([403, 'FLAG_NOT_ALLOWED']);
    const inside = await bench.start('a', { config: strict(['127.0.0.0/8']) });
    expect((await call(`${inside.url}/who`, { headers: { 'x-shadow': bench.token() } })).body.run).toBe('run1');
  });

  it('a refusal that nobody waits for does not end the process, what the service rejects does', async () => {
    const service = await bench.start('a');
    const flagged = await call(`${service.url}/forgotten`, { headers: { 'x-shadow': bench.token() } });
    expect([flagged.status, (await call(`${service.url}/who`)).status]).toEqual([200, 200]);
    const rejects = (script: string) =>
      spawnSync(process.execPath, ['--import', register, '-e', script], { env: { PATH: process.env.PATH } });
    const own = rejects('Promise.reject(new TypeError("own"))');
    expect([own.status, String(own.stderr).includes('TypeError: own')]).toEqual([1, true]);
    expect(rejects('process.on("unhandledRejection", () => process.exit(7)); Promise.reject(1)').status).toBe(7);
  });
});

describe('telemetry', () => {
  it('says hello, counts, keeps what it could not deliver, and says goodbye', async () => {
    const otlp = await collector();
    otlp.answer(503);
    const service = await bench.start('a', { env: { SHADOWLINE_TELEMETRY: otlp.url } });
    const token = bench.token();
    for (let i = 0; i < 10; i++) await call(`${service.url}/who?${i}`, { headers: { 'x-shadow': token } });
    for (let i = 0; i < 7; i++) await call(`${service.url}/accounts/${i}000`);
    await call(`${service.url}/who`, { headers: { 'x-shadow': 'junk' } });
    await call(`${service.url}/who`, { headers: { 'x-shadow': token, 'x-shadow-probe': 'p7' } });
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(otlp.metrics).toEqual([]);
    otlp.answer(200);
    const named = (name: string) => otlp.logs.filter((log) => log.eventName === name);
    await until('hello', () => named('shadowline.hello')[0]);
    const points = () =>
      otlp.metrics
        .filter((metric) => metric.name === 'http.server.request.duration')
        .flatMap((metric) => metric.exponentialHistogram.dataPoints)
        .map((point) => ({ ...plain(point.attributes), point }) as any);
    const sum = (shadow: boolean) =>
      points()
        .filter((point) => point.shadow === shadow)
        .reduce((total, { point }) => total + Number(point.count), 0);
    await until('all flagged requests', () => (sum(true) === 11 && sum(false) === 7) || undefined);
    const real = points().find((point) => !point.shadow);
    expect(real).toMatchObject({
      'http.request.method': 'GET',
      'http.route': '/accounts/:id',
      'http.response.status_code': '200',
    });
    const counts = real.point.positive.bucketCounts.reduce((total: number, count: string) => total + Number(count), 0);
    expect(counts).toBe(Number(real.point.count));
    expect(real.point.scale).toBe(5);
    const [acknowledge] = await until('the acknowledgement', () => {
      const found = named('shadowline.acknowledge');
      return found.length > 0 ? found : undefined;
    });
    expect(plain(acknowledge.attributes)).toMatchObject({
      'shadowline.probe': 'p7',
      'shadowline.run': 'run1',
      via: 'http',
      'http.route': 'GET /who',
    });
    expect(plain(named('shadowline.state')[0].attributes)).toMatchObject({ from: 'idle', to: 'armed' });
    const refused = otlp.metrics.find((metric) => metric.name === 'shadowline.refused');
    expect(plain(refused.sum.dataPoints[0].attributes)).toEqual({ code: 'FLAG_MALFORMED' });
    expect(new Set(otlp.batchIds).size).toBe(otlp.batchIds.length);
    otlp.close();
  }, 40_000);

  it('lets a process end by itself, and says goodbye', async () => {
    const otlp = await collector();
    const child = await import('node:child_process');
    const one = child.spawn(process.execPath, ['--import', register, '-e', 'setTimeout(() => {}, 300)'], {
      env: { SHADOWLINE_SERVICE: 'short', SHADOWLINE_CONFIG: bench.config(), SHADOWLINE_TELEMETRY: otlp.url },
      stdio: 'ignore',
    });
    expect((await once(one, 'exit'))[0]).toBe(0);
    expect(otlp.logs.map((log) => log.eventName)).toEqual(
      expect.arrayContaining(['shadowline.hello', 'shadowline.bye']),
    );
    otlp.close();
  });
});

describe('recorder', () => {
  it('writes masked, whole records of ordinary requests only', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'shadowline-record-'));
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLXNpZ25hdHVyZQ';
    const env = {
      SHADOWLINE_RECORD_DIR: dir,
      SHADOWLINE_RECORD_SESSION: 'header:x-session',
      SHADOWLINE_MASK_KEY: 'k',
      FIXTURE_JWT: jwt,
    };
    const service = await bench.start('gw', { env });
    const session = { 'x-session': 's1' };
    expect(
      (await call(`${service.url}/login`, { headers: session, method: 'POST', body: '{"pin":"4711"}' })).body.token,
    ).toBe(jwt);
    const headers = { ...session, authorization: `Bearer ${jwt}`, cookie: 'sid=secret-cookie' };
    const body = JSON.stringify({ card: '4111 1111 1111 1111', amount: 12.5, to: 'bob@example.org' });
    expect((await call(`${service.url}/echo`, { headers, method: 'POST', body })).body).toEqual(JSON.parse(body));
    await call(`${service.url}/who`, { headers: { ...session, 'x-shadow': bench.token() } });
    const exited = once(service.child, 'exit');
    service.child.send('exit');
    await exited;
    const files = readdirSync(dir).sort();
    const text = files.map((file) => readFileSync(join(dir, file), 'utf8')).join('');
    for (const secret of [jwt, 'secret-cookie', '4111 1111', 'bob@example.org', 'Ann.Smith'])
      expect(text).not.toContain(secret);
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const records = lines.filter((line) => line.t_us !== undefined);
    expect(records.map(({ session, seq, method, url, status }) => ({ session, seq, method, url, status }))).toEqual([
      { session: 's1', seq: 0, method: 'POST', url: '/login', status: 200 },
      { session: 's1', seq: 1, method: 'POST', url: '/echo', status: 200 },
    ]);
    const bearer = records[1].headers.find(([name]: [string]) => name === 'authorization')[1];
    expect(bearer).toBe(`Bearer ${JSON.parse(records[0].response_body).token}`);
    const masked = JSON.parse(records[1].body);
    expect(masked.amount).toBe(12.5);
    expect(masked.card).toMatch(/^4\d{3} \d{4} \d{4} \d{4}$/);
    expect(JSON.parse(records[1].response_body)).toEqual(masked);
    expect(lines[0]).toMatchObject({ shadowline: 'capture', version: 1, service: 'gw', segment: 0 });
    expect(lines.at(-1)).toMatchObject({ shadowline: 'end', dropped: 0 });
    rmSync(dir, { recursive: true });
  });

  it('stops with one line when the folder cannot be written; the service goes on', async () => {
    const file = join(bench.dir, 'a-file');
    writeFileSync(file, '');
    const service = await bench.start('gw', { env: { SHADOWLINE_RECORD_DIR: join(file, 'sub') } });
    for (let i = 0; i < 3; i++) {
      expect((await call(`${service.url}/who`)).status).toBe(200);
      await until('the flush', () => service.stderr().includes('recording stopped') || undefined);
    }
    expect(service.stderr().match(/recording stopped/g)).toHaveLength(1);
  });
});

describe('weight', () => {
  it('loads nothing of the toolkit, and says what it costs', () => {
    const script = `
      const before = { rss: process.memoryUsage().rss, at: performance.now() };
      import(${JSON.stringify(register)}).then(() => {
        const ms = performance.now() - before.at;
        const { createRequire } = require('node:module');
        console.log(JSON.stringify({ ms, rssMiB: (process.memoryUsage().rss - before.rss) / 2 ** 20 }));
      });`;
    const loader = `data:text/javascript,${encodeURIComponent(
      `import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent(
        "export async function load(url, context, next) { process._rawDebug('LOADED ' + url); return next(url, context); }"));`,
    )}`;
    const env = { SHADOWLINE_SERVICE: 'x', SHADOWLINE_CONFIG: bench.config() };
    const traced = spawnSync(process.execPath, ['--import', loader, '--import', register, '-e', '0'], {
      env,
      encoding: 'utf8',
    });
    const urls = [...traced.stderr.matchAll(/^LOADED (.*)$/gm)].map((match) => match[1]!);
    const files = urls.filter((url) => url.startsWith('file:'));
    expect(files.length).toBeGreaterThan(10);
    expect(files.filter((url) => !/\/(agent|shadow-db)\/dist\//.test(url))).toEqual([]);
    expect(files.filter((url) => /\/(orchestrator|reports|bin|zod|yaml)\//.test(url))).toEqual([]);
    const timed = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' });
    const cost = JSON.parse(timed.stdout) as { ms: number; rssMiB: number };
    process.stdout.write(
      `agent: ${files.length} files, start-up ${cost.ms.toFixed(0)} ms, ${cost.rssMiB.toFixed(1)} MiB resident\n`,
    );
    // A bound that a dependency by accident would break, not a measurement.
    expect(cost.rssMiB).toBeLessThan(40);
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
