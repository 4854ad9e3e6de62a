import { createServer, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Bench, call, host, type Service } from '../fixtures/harness.js';

const CALLS = ['fetch', 'http', 'httpNoAgent', 'httpArray', 'undici', 'pool', 'client', 'retry', 'fetchPool', 'stream'];

describe('the flag through a chain of two services', () => {
  const bench = new Bench();
  let b: Service;
  let a: Service;
  let token: string;
  let bare: Server;
  let bareHost: string;
  let bareRequests = 0;

  beforeAll(async () => {
    token = bench.token();
    bare = createServer((_, outgoing) => {
      bareRequests++;
      outgoing.end('{}');
    });
    await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
    bareHost = `127.0.0.1:${(bare.address() as AddressInfo).port}`;
    b = await bench.start('b');
    const mock = { action: 'mock', status: 203, headers: { 'content-type': 'application/json' }, latencyMs: 1 };
    const egress = {
      [host(b)]: { action: 'propagate' },
      [bareHost]: { action: 'allow' },
      'bureau.example:80': { ...mock, body: '{"score":712}' },
      'empty.example:443': { ...mock, body: '{}' },
    };
    a = await bench.start('a', { config: bench.config({ egress }), env: { NEXT_URL: b.url } });
  });
  afterAll(async () => {
    await bench.close();
    bare.close();
  });

  it.each(CALLS)('%s carries it in both carriers, and real requests carry none', async (via) => {
    const flagged = await call(`${a.url}/call?via=${via}`, { headers: { 'x-shadow': token } });
    expect(flagged.status).toBe(200);
    expect(flagged.headers['x-shadow-ack']).toMatch(/^a;0\.1\.0;[0-9a-f]{12}$/);
    expect(flagged.body).toMatchObject({ run: 'run1', runAfter: 'run1', next: { header: token, run: 'run1' } });
    expect(flagged.body.next.baggage.split(',')[0]).toBe(`shadow=${token}`);
    const real = await call(`${a.url}/call?via=${via}`);
    expect(real.headers['x-shadow-ack']).toBeUndefined();
    expect(real.body).toMatchObject({ run: null, runAfter: null, next: { header: null, run: null } });
    expect(real.body.next.baggage ?? '').not.toContain('shadow');
  });

  it('keeps the baggage of others behind its own', async () => {
    for (const via of ['httpArray', 'client']) {
      const { body } = await call(`${a.url}/call?via=${via}`, { headers: { baggage: `x=1,shadow=${token}` } });
      expect(body.next.baggage).toBe(`shadow=${token},tenant=7`);
    }
  });

  it('lets Expect: 100-continue through with the flag', async () => {
    const { body } = await call(`${a.url}/call?via=httpExpect`, { headers: { 'x-shadow': token } });
    expect(body.next).toMatchObject({ header: token, run: 'run1' });
  });

  it('each downstream sees its own caller’s flag, whatever the order', async () => {
    const tokens = [undefined, bench.token(60_000, 'runA'), bench.token(60_000, 'runB')];
    const one = fc.record({
      via: fc.constantFrom('fetch', 'http', 'undici', 'pool', 'client', 'fetchPool'),
      token: fc.constantFrom(...tokens),
      before: fc.integer({ min: 0, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 4, maxLength: 24 }), async (requests) => {
        const answers = await Promise.all(
          requests.map(({ via, token, before }) =>
            call(`${a.url}/call?via=${via}&before=${before}`, {
              headers: token === undefined ? {} : { baggage: `shadow=${token}` },
            }),
          ),
        );
        expect(answers.map(({ body }) => body.next?.header)).toEqual(requests.map(({ token }) => token ?? null));
        expect(answers.map(({ body }) => body.runAfter)).toEqual(
          requests.map(({ token }) => token?.split('.')[1] ?? null),
        );
      }),
      { numRuns: 30 },
    );
  });

  it('denies hosts that are not listed, and raw sockets', async () => {
    const closed = 'http://127.0.0.1:9999/';
    for (const via of ['http', 'undici', 'fetch', 'fetchPool', 'httpNoAgent']) {
      const { body } = await call(`${a.url}/call?via=${via}&to=${closed}`, { headers: { 'x-shadow': token } });
      expect([via, body.error]).toEqual([via, 'EGRESS_DENIED']);
    }
    const socket = await call(`${a.url}/socket?port=9999`, { headers: { 'x-shadow': token } });
    expect(socket.body.error).toBe('EGRESS_DENIED');
    const real = await call(`${a.url}/socket?port=9999`);
    expect(real.body.error).toBe('ECONNREFUSED');
  });

  it('answers mocked hosts without a connection', async () => {
    for (const via of ['http', 'undici', 'fetch', 'httpNoAgent', 'fetchPool', 'httpExpect', 'stream']) {
      const url = `${a.url}/call?via=${via}&to=http://bureau.example/`;
      const { body } = await call(url, { headers: { 'x-shadow': token } });
      expect([via, body.next]).toEqual([via, { score: 712 }]);
    }
  });

  it('allows listed hosts without the flag and without an acknowledgement', async () => {
    const before = bareRequests;
    for (const via of ['http', 'undici', 'fetch']) {
      const { body } = await call(`${a.url}/call?via=${via}&to=http://${bareHost}/`, {
        headers: { 'x-shadow': token },
      });
      expect([via, body.next]).toEqual([via, {}]);
    }
    expect(bareRequests).toBe(before + 3);
  });

  it('keeps the context in data, ticks, timers and bound listeners', async () => {
    const places = ['data', 'end', 'nextTick', 'immediate', 'timer', 'microtask', 'bound'];
    const post = { method: 'POST', body: 'hello' };
    const flagged = await call(`${a.url}/contexts`, { ...post, headers: { 'x-shadow': token } });
    expect(flagged.body.seen).toEqual(Object.fromEntries(places.map((place) => [place, 'run1'])));
    const real = await call(`${a.url}/contexts`, post);
    expect(real.body.seen).toEqual(Object.fromEntries(places.map((place) => [place, null])));
  });

  it('has one scoped value for ordinary work and one for each run', async () => {
    const values: number[] = [];
    for (const headers of [
      {},
      { 'x-shadow': token },
      { 'x-shadow': bench.token(60_000, 'other') },
      { 'x-shadow': token },
      {},
    ]) {
      values.push((await call(`${a.url}/scoped`, { headers: headers as Record<string, string> })).body.value);
    }
    expect(values).toEqual([1, 1, 1, 2, 2]);
  });

  it.each<[string, Record<string, string | string[]>, number, string]>([
    ['not a token', { 'x-shadow': 'true' }, 403, 'FLAG_MALFORMED'],
    ['empty', { 'x-shadow': '' }, 403, 'FLAG_MALFORMED'],
    ['bad percent encoding', { baggage: 'shadow=%E0%A4%A' }, 403, 'FLAG_MALFORMED'],
    ['expired', { 'x-shadow': bench.token(-2_000) }, 403, 'FLAG_EXPIRED'],
    ['forged', { 'x-shadow': new Bench().token() }, 403, 'FLAG_FORGED'],
    [
      'different in header and baggage',
      { 'x-shadow': bench.token(), baggage: `shadow=${bench.token(9_000)}` },
      403,
      'FLAG_CONFLICT',
    ],
    ['a doubled header', { 'x-shadow': [bench.token(), bench.token()] }, 403, 'FLAG_CONFLICT'],
    ['a doubled member', { baggage: `shadow=${bench.token()},shadow=${bench.token()}` }, 403, 'FLAG_CONFLICT'],
  ])('refuses a flag that is %s', async (_, headers, status, code) => {
    const answer = await call(`${a.url}/who`, { headers });
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(answer.body).toMatchObject({ type: 'about:blank', status, code });
    expect(answer.body.title).not.toBe('');
  });

  it('refuses an upgrade with a flag', async () => {
    const { port } = new URL(a.url);
    const text = await new Promise<string>((resolve) => {
      let all = '';
      const socket = connect(Number(port), '127.0.0.1', () =>
        socket.write(
          `GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-shadow: ${token}\r\n\r\n`,
        ),
      );
      socket.on('data', (chunk) => {
        all += chunk;
      });
      socket.on('close', () => resolve(all));
    });
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
    expect(text).toContain('"code":"COMMAND_REFUSED"');
  });
});

describe('next to a tracer', () => {
  const bench = new Bench();
  afterAll(() => bench.close());

  it('what it injects into the wrong request is taken out, and no flag is doubled', async () => {
    const token = bench.token();
    const b = await bench.start('b');
    const config = bench.config({ egress: { [host(b)]: { action: 'propagate' } } });
    const a = await bench.start('a', { config, env: { NEXT_URL: b.url, TRACER: `shadow=${token},tenant=9` } });
    for (const via of ['undici', 'pool', 'fetch']) {
      const flagged = await call(`${a.url}/call?via=${via}`, { headers: { 'x-shadow': token } });
      expect([via, flagged.body.next]).toMatchObject([via, { header: token, run: 'run1' }]);
      expect(flagged.body.next.baggage.replaceAll(' ', '')).toBe(`shadow=${token},tenant=9`);
      const real = await call(`${a.url}/call?via=${via}`);
      expect([via, real.body.next]).toMatchObject([via, { header: null, run: null, baggage: 'tenant=9' }]);
    }
  });
});

describe('HTTP/2', () => {
  const bench = new Bench();
  afterAll(() => bench.close());

  function streamOf(url: string, headers: Record<string, string>): Promise<{ status: number; body: any }> {
    return new Promise((resolve, reject) => {
      const session = connectHttp2(url).on('error', reject);
      const stream = session.request({ ':path': '/', ...headers });
      let status = 0;
      let text = '';
      stream.on('response', (answer) => {
        status = Number(answer[':status']);
      });
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      stream.on('end', () => {
        session.close();
        resolve({ status, body: JSON.parse(text) });
      });
    });
  }

  it('refuses streams with a flag, in and out, also on a session that ordinary work opened', async () => {
    const b = await bench.start('b', { env: { KIND: 'http2' } });
    const config = bench.config({ egress: { [host(b)]: { action: 'propagate' } } });
    const a = await bench.start('a', { config, env: { NEXT_URL: b.url } });
    expect(await streamOf(b.url, {})).toMatchObject({ status: 200, body: { run: null } });
    expect(await streamOf(b.url, { 'x-shadow': bench.token() })).toMatchObject({
      status: 403,
      body: { code: 'COMMAND_REFUSED' },
    });
    const out = `${a.url}/call?via=http2&to=${b.url}`;
    expect((await call(out)).body.next).toEqual({ run: null, url: '/' });
    expect((await call(out, { headers: { 'x-shadow': bench.token() } })).body.error).toBe('EGRESS_DENIED');
    expect((await call(out)).body.next).toEqual({ run: null, url: '/' });
  });
});

describe('frameworks and module kinds', () => {
  const bench = new Bench();
  afterAll(() => bench.close());

  it.each(['express', 'fastify'])('%s', async (kind) => {
    const b = await bench.start('b', { env: { KIND: kind } });
    const config = bench.config({ egress: { [host(b)]: { action: 'propagate' } } });
    const a = await bench.start('a', { config, env: { KIND: kind, NEXT_URL: b.url } });
    const token = bench.token();
    const flagged = await call(`${a.url}/call?via=fetch`, { headers: { 'x-shadow': token } });
    expect(flagged.body.next).toMatchObject({ header: token, run: 'run1' });
    const real = await call(`${a.url}/call?via=fetch`);
    expect(real.body.next).toMatchObject({ header: null, run: null });
  });

  it.each([['--import'], ['--require']])('a CommonJS service, preloaded with %s', async (flag) => {
    const b = await bench.start('b');
    const config = bench.config({ egress: { [host(b)]: { action: 'propagate' } } });
    const register = new URL('../dist/register.js', import.meta.url).pathname;
    const a = await bench.start('a', {
      fixture: 'service.cjs',
      config,
      env: { NEXT_URL: b.url },
      preload: [flag, register],
    });
    const token = bench.token();
    const flagged = await call(`${a.url}/call`, { headers: { 'x-shadow': token } });
    expect(flagged.body).toMatchObject({ next: { header: token }, overFetch: { header: token } });
    const real = await call(`${a.url}/call`);
    expect(real.body).toMatchObject({ next: { header: null }, overFetch: { header: null } });
  });
});
