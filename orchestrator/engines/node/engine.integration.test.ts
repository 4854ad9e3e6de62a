import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Stage } from '../engine.js';
import { record, serve, start, type Target } from './fixtures/engine-harness.js';

/** Against real servers in this process; the engine's threads run the compiled twin in dist/. */
let target: Target | undefined;
afterEach(async () => {
  await target?.close();
  target = undefined;
});

const steady = (perSec: number, seconds: number, sessions = 50) => ({
  records: [record({ tUs: 0 })],
  repeat: { records: perSec * seconds, everyUs: 1e6 / perSec, sessions },
});
const stages = (perSec: number, durationMs: number): { kind: 'stages'; stages: Stage[]; speed: number } => ({
  kind: 'stages',
  speed: 1,
  stages: [
    { kind: 'ramp', toPerSec: perSec, durationMs: 500 },
    { kind: 'hold', durationMs },
  ],
});

describe('what arrives', () => {
  it('is every request once, in the order of its session, with the body, without what belongs to the recorded connection', async () => {
    const seen: { url: string; headers: Record<string, unknown>; body: string }[] = [];
    target = await serve((request, response) => {
      let body = '';
      request.on('data', (part) => (body += part));
      request.on('end', () => {
        seen.push({ url: request.url!, headers: request.headers, body });
        // Answers out of order between sessions: order within one must come from waiting for it.
        setTimeout(() => response.end('ok'), (seen.length * 7) % 20);
      });
    });
    const records = [];
    for (let i = 0; i < 200; i++) {
      const session = i % 10;
      const headers = [
        ['Host', 'recorded.example'],
        ['Content-Length', '999'],
        ['Connection', 'close'],
        ['X-Shadow', 'recorded'],
        ['Traceparent', 'old'],
        ['X-Kept', 'yes'],
      ];
      records.push(
        record({
          tUs: i * 1000,
          session: `s-${session}`,
          seq: Math.floor(i / 10),
          method: 'POST',
          url: `/s/${session}/${Math.floor(i / 10)}`,
          headers: headers as [string, string][],
          body: `body ${i}`,
        }),
      );
    }
    const { done, seconds } = start(target.url, { records }, { workers: 2, headers: { 'x-shadow': 'live' } });
    const result = await done();
    expect(result.endedBecause).toBe('schedule finished');
    expect(result.workers).toBe(2);
    expect(result.totals).toMatchObject({
      offered: 200,
      started: 200,
      completed: 200,
      errors: 0,
      dropped: 0,
      sessions: 10,
    });
    expect(new Set(seen.map(({ url }) => url)).size).toBe(200);
    for (let session = 0; session < 10; session++) {
      const own = seen
        .filter(({ url }) => url.startsWith(`/s/${session}/`))
        .map(({ url }) => Number(url.split('/')[3]));
      expect(own).toEqual(own.map((_, seq) => seq));
    }
    expect(seen[0]!.headers).toMatchObject({ host: new URL(target.url).host, 'x-shadow': 'live', 'x-kept': 'yes' });
    expect(seen[0]!.headers).not.toHaveProperty('traceparent');
    expect(new Set(seen.map(({ body }) => body))).toEqual(new Set(records.map((_, i) => `body ${i}`)));
    expect(seconds.reduce((sum, second) => sum + second.offered, 0)).toBe(200);
    expect(seconds.reduce((sum, second) => sum + second.completed, 0)).toBe(200);
    expect(seconds.reduce((sum, second) => sum + second.response.totalCount, 0)).toBe(200);
  });

  it('is what the stages ask for, with any number of workers', async () => {
    let arrived = 0;
    target = await serve((_, response) => {
      arrived++;
      response.end();
    });
    const { done } = start(target.url, steady(100, 1), { schedule: stages(200, 1000), workers: 3 });
    const result = await done();
    expect(result.totals).toMatchObject({ offered: 250, started: 250, completed: 250 });
    expect(arrived).toBe(250);
    expect(result.steps.map((step) => [step.kind, step.offered, step.completed, step.targetRatePerSec])).toEqual([
      ['ramp', 50, 50, 200],
      ['hold', 200, 200, 200],
    ]);
    // Three workers share the shards, which hold 100 requests: it takes further passes, which are further clones.
    expect(result.totals.sessions).toBeGreaterThan(50);
  });

  it('counts clones with their own identities and canaries', async () => {
    const users = new Set<string>();
    target = await serve((request, response) => {
      users.add(`${request.headers['x-user']} ${request.headers['idempotency-key']}`);
      response.end();
    });
    const headers: [string, string][] = [
      ['X-User', '7'],
      ['Idempotency-Key', 'k'],
    ];
    const { done } = start(
      target.url,
      { records: [record({ tUs: 0, headers }), record({ tUs: 1000, seq: 1, headers })] },
      {
        amplifySessions: 3,
        schedule: { kind: 'recorded', speed: 10 },
        transforms: [
          { kind: 'identity', field: 'header:x-user', from: 1000, to: 1999 },
          { kind: 'canary', field: 'header:idempotency-key' },
        ],
      },
    );
    const result = await done();
    expect([...users].sort()).toEqual(['1007 canary0123-0-k', '1008 canary0123-1-k', '1009 canary0123-2-k']);
    expect(result.totals).toMatchObject({ completed: 6, sessions: 3, canariesPlaced: 6 });
  });
});

describe('latency', () => {
  it('is measured from the intended start: a stall of the server shows in the percentiles of those who waited for it', async () => {
    let stalled: Promise<void> | undefined;
    target = await serve((_, response) => {
      void (stalled ?? Promise.resolve()).then(() => response.end());
    });
    // In a closed loop, only the few requests under way would notice. maxInFlight holds back all others here.
    const { run, done } = start(target.url, steady(100, 3), { maxInFlight: 5 });
    await run;
    await sleep(1000);
    stalled = sleep(1000).then(() => undefined);
    const { latencies, totals } = await done();
    expect(totals.completed).toBe(300);
    const slow = (histogram: typeof latencies.response) => histogram.getValueAtPercentile(90);
    expect(slow(latencies.response)).toBeGreaterThan(400_000);
    expect(slow(latencies.service)).toBeLessThan(slow(latencies.response) / 2);
    expect(slow(latencies.lateness)).toBeGreaterThan(100_000);
    expect(totals.late).toBeGreaterThan(30);
  });

  it('tells the wait for the session apart from lateness', async () => {
    target = await serve((_, response) => void setTimeout(() => response.end(), 300));
    const records = Array.from({ length: 4 }, (_, seq) => record({ tUs: seq * 1000, seq }));
    const { latencies } = await start(target.url, { records }).done();
    expect(latencies.sessionWait.maxValue).toBeGreaterThan(700_000);
    expect(latencies.response.maxValue).toBeGreaterThan(1_000_000);
    expect(latencies.lateness.maxValue).toBeLessThan(latencies.sessionWait.maxValue / 3);
  });

  it('has no wait without think time: each request is due when the one before is answered', async () => {
    target = await serve((_, response) => void setTimeout(() => response.end(), 50));
    const records = Array.from({ length: 5 }, (_, seq) => record({ tUs: seq * 60_000_000, seq }));
    const { latencies, totals, durationS } = await start(target.url, { records }, { think: { kind: 'none' } }).done();
    expect(totals).toMatchObject({ offered: 5, completed: 5 });
    expect(durationS).toBeLessThan(30);
    expect(latencies.sessionWait.maxValue).toBe(0);
    expect(latencies.response.maxValue).toBeLessThan(200_000 * 5);
  });
});

describe('the in-flight cap', () => {
  const hanging = () => serve((_, response) => void setTimeout(() => response.end(), 400));

  it('makes requests late and none is lost', async () => {
    target = await hanging();
    const { totals } = await start(target.url, steady(100, 1, 100), { maxInFlight: 20, onLimit: 'late' }).done();
    expect(totals).toMatchObject({ offered: 100, started: 100, completed: 100, dropped: 0 });
    expect(totals.late).toBeGreaterThan(10);
  });

  it('drops, and counts what it drops', async () => {
    target = await hanging();
    const { totals, steps } = await start(target.url, steady(100, 1, 100), { maxInFlight: 10, onLimit: 'drop' }).done();
    expect(totals.offered).toBe(100);
    expect(totals.dropped).toBeGreaterThan(20);
    expect(totals.started + totals.dropped).toBe(100);
    expect(steps[0]!.dropped).toBe(totals.dropped);
  });

  it('ends the load', async () => {
    target = await hanging();
    const result = await start(target.url, steady(100, 5, 500), { maxInFlight: 10, onLimit: 'abort' }).done();
    expect(result.endedBecause).toBe('in-flight limit');
    expect(result.totals.started).toBeLessThan(100);
    expect(result.totals.completed).toBe(result.totals.started);
  });
});

describe('a server that fails', () => {
  it('by refusing connections: counted, the run goes on', async () => {
    const closed = await serve(() => {});
    await closed.close();
    const { totals, failures, routes, endedBecause } = await start(closed.url, steady(100, 1)).done();
    expect(endedBecause).toBe('schedule finished');
    expect(totals).toMatchObject({ offered: 100, started: 100, completed: 0, errors: 100 });
    expect(failures).toEqual([
      expect.objectContaining({ code: 'ECONNREFUSED', route: 'GET /', count: 100, firstSeenS: 0 }),
    ]);
    expect(routes[0]!.statuses).toEqual({ ECONNREFUSED: 100 });
  });

  it('by refusing connections while sessions have requests waiting: each failure starts the next at once', async () => {
    const closed = await serve(() => {});
    await closed.close();
    const { totals, error } = await start(closed.url, steady(2000, 1, 20), {
      schedule: { kind: 'recorded', speed: 50 },
    }).done();
    expect(error).toBeUndefined();
    expect(totals).toMatchObject({ offered: 2000, started: 2000, completed: 0, errors: 2000 });
  });

  it('by not answering: a timeout is entered at the timeout', async () => {
    target = await serve(() => {});
    const { totals, failures, latencies } = await start(target.url, steady(20, 1), { timeoutMs: 300 }).done();
    expect(totals).toMatchObject({ completed: 0, errors: 20 });
    expect(failures).toEqual([expect.objectContaining({ code: 'timeout', count: 20 })]);
    expect(latencies.service.minNonZeroValue).toBeGreaterThanOrEqual(299_000);
    expect(latencies.response.totalCount).toBe(20);
  });

  it('by never reading from the connection: the same', async () => {
    const sockets: Socket[] = [];
    const blackHole = createTcpServer({ pauseOnConnect: true }, (socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => blackHole.listen(0, '127.0.0.1', resolve));
    const { port } = blackHole.address() as AddressInfo;
    const { failures } = await start(`http://127.0.0.1:${port}`, steady(20, 1), { timeoutMs: 200 }).done();
    expect(failures).toEqual([expect.objectContaining({ code: 'timeout', count: 20 })]);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => blackHole.close(resolve));
  });

  it('by cutting answers short', async () => {
    target = await serve((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('half');
      setTimeout(() => response.destroy(), 5);
    });
    const { totals, failures } = await start(target.url, steady(20, 1)).done();
    expect(totals).toMatchObject({ completed: 0, errors: 20 });
    expect(failures.every(({ code }) => /SOCKET|ECONNRESET|aborted|CLOSED/i.test(code))).toBe(true);
  });

  it('by dying in mid-run: what it answered and what it did not are both counted', async () => {
    let answered = 0;
    target = await serve((_, response) => {
      if (++answered === 50) void target!.close();
      else response.end();
    });
    const { totals, endedBecause } = await start(target.url, steady(100, 2)).done();
    expect(endedBecause).toBe('schedule finished');
    expect(totals.started).toBe(200);
    expect(totals.completed).toBeGreaterThan(40);
    expect(totals.errors).toBeGreaterThan(100);
    expect(totals.completed + totals.errors).toBe(200);
  });

  it('by refusals: those of the recording are none, others carry the code of their problem document', async () => {
    target = await serve((request, response) => {
      if (request.url === '/missing') response.writeHead(404).end();
      else if (request.url === '/broken') response.writeHead(503).end('out of order');
      else
        response
          .writeHead(403, { 'content-type': 'application/problem+json' })
          .end('{"code":"FLAG_EXPIRED","title":"expired"}');
    });
    const records = [
      record({ tUs: 0, url: '/missing', status: 404 }),
      record({ tUs: 1000, url: '/broken', status: 503, session: 's-1' }),
      record({ tUs: 2000, url: '/flagged', status: 200, session: 's-2' }),
    ];
    const { totals, failures } = await start(target.url, { records }).done();
    expect(totals).toMatchObject({ completed: 3, errors: 2 });
    expect(failures.map(({ code, example }) => [code, example]).sort()).toEqual([
      ['FLAG_EXPIRED', '{"code":"FLAG_EXPIRED","title":"expired"}'],
      ['http-503', 'out of order'],
    ]);
  });
});

describe('stop', () => {
  it('lets nothing start after it, and what is under way finish', async () => {
    const arrivals: number[] = [];
    target = await serve((_, response) => {
      arrivals.push(performance.now());
      setTimeout(() => response.end(), 100);
    });
    const { run, done } = start(target.url, steady(500, 20, 1000), { workers: 2 });
    const running = await run;
    await sleep(1000);
    const calledAt = performance.now();
    running.stop('guardrail');
    running.stop('again');
    const result = await done();
    expect(result.endedBecause).toBe('stopped: guardrail');
    expect(result.stopTookMs).toBeLessThan(200);
    expect(arrivals.filter((at) => at > calledAt + 200)).toEqual([]);
    expect(result.totals.completed).toBe(result.totals.started);
    expect(result.totals.errors).toBe(0);
    expect(result.totals.started).toBeGreaterThan(100);
    expect(arrivals).toHaveLength(result.totals.started);
  });

  it('cuts what does not finish within the drain', async () => {
    target = await serve(() => {});
    const { run, done } = start(target.url, steady(50, 20, 1000), { timeoutMs: 60_000 });
    const running = await run;
    await sleep(500);
    running.stop('enough', 200);
    const result = await done();
    expect(result.failures).toEqual([
      expect.objectContaining({ code: 'no-answer-in-drain', count: result.totals.started }),
    ]);
  });

  it('sends renewed headers from then on', async () => {
    const flags: unknown[] = [];
    target = await serve((request, response) => {
      flags.push(request.headers['x-shadow']);
      response.end();
    });
    const { run, done } = start(target.url, steady(100, 2), { headers: { 'x-shadow': 'one' } });
    const running = await run;
    await sleep(700);
    running.setHeaders({ 'x-shadow': 'two' });
    await done();
    expect(flags).toHaveLength(200);
    expect(new Set(flags)).toEqual(new Set(['one', 'two']));
    expect(flags.lastIndexOf('one')).toBeLessThan(flags.indexOf('two'));
  });
});

describe('what cannot be played', () => {
  it('is refused before anything is sent: an empty recording, a missing one, wrong options', async () => {
    let arrived = 0;
    target = await serve((_, response) => {
      arrived++;
      response.end();
    });
    await expect(start(target.url, { records: [] }).run).rejects.toThrow(/holds no request/);
    await expect(start(target.url, steady(10, 1), { recordingDir: '/no/such/recording' }).run).rejects.toThrow(
      /no such file/,
    );
    await expect(start(target.url, steady(10, 1), { maxInFlight: 0, timeoutMs: -1 }).run).rejects.toThrow(
      /timeoutMs.*\n.*maxInFlight/,
    );
    await expect(
      start(target.url, steady(10, 1), { transforms: [{ kind: 'module', path: '/no/such.mjs' }] }).run,
    ).rejects.toThrow(/worker 0.*such\.mjs/);
    expect(arrived).toBe(0);
  });

  it('ends the run with the counts so far when the recording turns out broken', async () => {
    target = await serve((_, response) => void response.end());
    const result = await start(target.url, { ...steady(100, 10), failAfter: 400 }).done();
    expect(result.error).toMatch(/worker 0.*the recording is broken here/);
    expect(result.endedBecause).toMatch(/^error: /);
    expect(result.totals.completed).toBeGreaterThan(50);
    expect(result.totals.completed).toBe(result.totals.started);
  });

  it('ends the run with the counts so far when a worker dies', async () => {
    target = await serve((_, response) => void response.end());
    const fatal = new URL('./fixtures/dies.mjs', import.meta.url).pathname;
    const result = await start(target.url, steady(100, 10), {
      workers: 2,
      transforms: [{ kind: 'module', path: fatal }],
    }).done();
    expect(result.error).toMatch(/worker [01]: died/);
    expect(result.totals.completed).toBeGreaterThan(50);
  });
});
