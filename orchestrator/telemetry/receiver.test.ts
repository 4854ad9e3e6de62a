import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { LedgerLine } from './claims.js';
import { startTelemetry, type Telemetry } from './index.js';

const resource = (extra: Record<string, string> = {}) => ({
  attributes: Object.entries({
    'service.name': 'payment',
    'service.instance.id': 'host-1-a',
    'telemetry.sdk.name': 'shadowline',
    'shadowline.telemetry.version': '1',
    'shadowline.agent.version': '0.1.0',
    'shadowline.config.version': 'abc',
    ...extra,
  }).map(([key, stringValue]) => ({ key, value: { stringValue } })),
});
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const writes = (rows: number, more: object = {}) => ({
  resourceMetrics: [
    {
      resource: resource(),
      scopeMetrics: [
        {
          metrics: [
            {
              name: 'shadowline.writes',
              sum: {
                aggregationTemporality: 1,
                isMonotonic: false,
                dataPoints: [
                  {
                    asInt: String(rows),
                    timeUnixNano: '1700000000000000000',
                    attributes: [
                      text('shadowline.run', 'r1'),
                      text('shadowline.store', 'mysql'),
                      text('shadowline.target', 'bank.transfers_shadow'),
                      text('shadowline.operation', 'insert'),
                    ],
                    ...more,
                  },
                ],
              },
            },
          ],
        },
      ],
    },
  ],
});

describe('telemetry receiver', () => {
  let telemetry: Telemetry;
  let port: number;
  const ledger: LedgerLine[] = [];
  const rejected: string[] = [];
  beforeEach(async () => {
    ledger.length = 0;
    rejected.length = 0;
    // Port 0 is refused by the scenario's parser; here any free port will do.
    const { createServer } = await import('node:net');
    port = await new Promise((resolve) => {
      const probe = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = probe.address() as { port: number };
        probe.close(() => resolve(free));
      });
    });
    telemetry = await startTelemetry({
      listen: `127.0.0.1:${port}`,
      runId: 'r1',
      onLedger: (line) => ledger.push(line),
      onEvent: () => undefined,
      onRejected: (reason) => rejected.push(reason),
    });
  });
  afterEach(() => telemetry.close());
  const post = (path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      body: new Uint8Array(Buffer.from(body)),
      headers: { 'content-type': 'application/json', ...headers },
    });

  it('sums writes by target and keeps each in the ledger', async () => {
    expect((await post('/v1/metrics', JSON.stringify(writes(2)))).status).toBe(200);
    expect((await post('/v1/metrics', JSON.stringify(writes(3)))).status).toBe(200);
    expect(telemetry.claims.issued()).toEqual([
      { store: 'mysql', target: 'bank.transfers_shadow', rows: 5, uncounted: 0 },
    ]);
    expect(ledger.map((line) => line.rows)).toEqual([2, 3]);
  });

  it('counts a batch that is sent again once', async () => {
    const body = JSON.stringify(writes(2));
    await post('/v1/metrics', body);
    await post('/v1/metrics', gzipSync(body), { 'content-encoding': 'gzip' });
    expect(telemetry.claims.issued()[0]?.rows).toBe(2);
  });

  it('leaves writes of another run out of the sums, and in the ledger', async () => {
    const other = JSON.stringify(writes(2)).replace('"r1"', '"r0"');
    await post('/v1/metrics', other);
    expect(telemetry.claims.issued()).toEqual([]);
    expect(ledger).toHaveLength(1);
  });

  it.each([
    // what, body, headers, path, status
    ['not JSON', '{"resourceMetrics":', {}, '/v1/metrics', 400],
    ['a field of the wrong type', '{"resourceMetrics":7}', {}, '/v1/metrics', 400],
    ['a count that is no number', JSON.stringify(writes(1, { asInt: 'many' })), {}, '/v1/metrics', 400],
    [
      'cumulative sums',
      JSON.stringify(writes(1)).replace('"aggregationTemporality":1', '"aggregationTemporality":2'),
      {},
      '/v1/metrics',
      400,
    ],
    ['gzip that is none', 'plain', { 'content-encoding': 'gzip' }, '/v1/metrics', 400],
    ['protobuf', 'x', { 'content-type': 'application/x-protobuf' }, '/v1/metrics', 415],
    ['another encoding', 'x', { 'content-encoding': 'br' }, '/v1/metrics', 415],
    ['another path', '{}', {}, '/v1/traces', 404],
    ['more than 4 MiB', `"${'x'.repeat(5 * 1024 * 1024)}"`, {}, '/v1/metrics', 413],
    ['a gzip bomb', gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20)), { 'content-encoding': 'gzip' }, '/v1/metrics', 413],
  ] as const)('answers %s with a status and goes on', async (_what, body, headers, path, status) => {
    // A server that closes on a body that is too long may cut the sender off before it reads the answer.
    const answer = await post(path, body, headers).catch(() => undefined);
    if (answer !== undefined || status !== 413) expect(answer?.status).toBe(status);
    expect((await post('/v1/metrics', JSON.stringify(writes(1)))).status).toBe(200);
    expect(telemetry.claims.issued()[0]?.rows).toBe(1);
  });

  it("does not read other senders' telemetry", async () => {
    const foreign = JSON.stringify(writes(2)).replace('"shadowline"', '"opentelemetry"');
    expect((await post('/v1/metrics', foreign)).status).toBe(200);
    expect(telemetry.fleet.all()).toEqual([]);
  });

  it('says which key of the scenario to change when the port is taken', async () => {
    const again = startTelemetry({
      listen: `127.0.0.1:${port}`,
      runId: 'r2',
      onLedger: () => undefined,
      onEvent: () => undefined,
      onRejected: () => undefined,
    });
    await expect(again).rejects.toThrow(/^telemetry\.listen: .*EADDRINUSE.*another port/);
  });

  it('knows who says hello, acknowledges and says good-bye', async () => {
    const logs = (eventName: string, attributes: object[]) =>
      JSON.stringify({
        resourceLogs: [{ resource: resource(), scopeLogs: [{ logRecords: [{ eventName, attributes }] }] }],
      });
    await post(
      '/v1/logs',
      logs('shadowline.hello', [text('problems', 'mysql2 not instrumented'), text('shadowline.state', 'idle')]),
    );
    expect(telemetry.fleet.present('payment')[0]).toMatchObject({ problems: 'mysql2 not instrumented', state: 'idle' });
    await post(
      '/v1/logs',
      logs('shadowline.acknowledge', [
        text('shadowline.probe', 'p1'),
        text('shadowline.run', 'r1'),
        text('via', 'http'),
        text('touched', 'mysql:a,kafka:b'),
      ]),
    );
    expect(telemetry.claims.acknowledgements('p1')).toEqual([
      {
        service: 'payment',
        instance: 'host-1-a',
        agentVersion: '0.1.0',
        configVersion: 'abc',
        via: 'http',
        touched: ['mysql:a', 'kafka:b'],
      },
    ]);
    await post('/v1/logs', logs('shadowline.bye', []));
    expect(telemetry.fleet.present('payment')).toEqual([]);
  });
});
