import { describe, expect, it } from '@jest/globals';
import { Fleet } from './fleet.js';
import type { Batch } from './otlp.js';
import { Traffic } from './traffic.js';

const origin = { service: 'payment', instance: 'h-1', agentVersion: '', configVersion: '', telemetryVersion: '1' };
const gauge = (name: string, value: number, timeMs: number, startMs = timeMs) => ({
  name,
  attributes: {},
  startMs,
  timeMs,
  value,
  histogram: undefined,
});
const batch = (...points: Batch['points']): Batch => ({ origin, points, events: [] });
const T = 1_700_000_000_000;

describe('fleet', () => {
  it('calls an armed service lost after 3 s of silence, once, and takes it back when it speaks', () => {
    const fleet = new Fleet();
    fleet.ingest(batch(gauge('shadowline.state', 1, T)), T);
    expect(fleet.watch(['payment'], T + 3_000, 3_000)).toEqual([]);
    expect(fleet.watch(['payment'], T + 3_001, 3_000)).toHaveLength(1);
    expect(fleet.watch(['payment'], T + 9_000, 3_000)).toEqual([]);
    expect(fleet.present('payment')).toEqual([]);
    fleet.ingest(batch(gauge('shadowline.state', 1, T + 9_500)), T + 9_500);
    expect(fleet.present('payment')).toHaveLength(1);
  });

  it('gives an idle one the time between its words', () => {
    const fleet = new Fleet();
    fleet.ingest(batch(gauge('shadowline.state', 0, T)), T);
    expect(fleet.watch(['payment'], T + 7_000, 3_000)).toEqual([]);
    expect(fleet.watch(['payment'], T + 8_001, 3_000)).toHaveLength(1);
  });

  it('does not take back one that said good-bye', () => {
    const fleet = new Fleet();
    fleet.ingest({ ...batch(), events: [{ name: 'shadowline.bye', attributes: {}, body: '', timeMs: T }] }, T);
    fleet.ingest(batch(gauge('shadowline.state', 1, T)), T + 10);
    expect(fleet.present('payment')).toEqual([]);
  });

  it('computes shares of a core from the interval, and leaves out intervals that are too short to say', () => {
    const fleet = new Fleet();
    fleet.ingest(batch(gauge('process.cpu.time', 0.6, T + 1000, T)), T + 1000);
    fleet.ingest(batch(gauge('process.cpu.time', 0.02, T + 1020, T + 1000)), T + 1020);
    fleet.ingest(batch(gauge('nodejs.eventloop.utilization', 0.4, T)), T);
    expect(fleet.of('payment')[0]).toMatchObject({ cpuShareMax: 0.6, eventLoopUtilizationMax: 0.4 });
  });

  it('keeps the smallest clock difference: a late delivery is not a wrong clock', () => {
    const fleet = new Fleet();
    fleet.ingest(batch(gauge('shadowline.state', 1, T)), T + 20_000);
    fleet.ingest(batch(gauge('shadowline.state', 1, T + 20_000)), T + 20_005);
    expect(fleet.of('payment')[0]?.clockDifferenceMs).toBe(5);
  });
});

describe('traffic', () => {
  const duration = (name: string, attributes: Record<string, string | number | boolean>, count: number): Batch =>
    batch({
      name,
      attributes,
      startMs: T,
      timeMs: T,
      value: undefined,
      histogram: { scale: 0, count, sum: count, zeroCount: 0, offset: -1, bucketCounts: [count], min: 1, max: 1 },
    });

  it('tells real users from shadow traffic, and hands a second out once', () => {
    const traffic = new Traffic();
    traffic.ingest(duration('http.server.request.duration', { shadow: false, 'http.response.status_code': 200 }, 8));
    traffic.ingest(duration('http.server.request.duration', { shadow: false, 'http.response.status_code': 503 }, 2));
    traffic.ingest(duration('http.server.request.duration', { shadow: false, 'http.response.status_code': 404 }, 1));
    traffic.ingest(duration('http.server.request.duration', { shadow: true, 'http.response.status_code': 200 }, 5));
    expect(traffic.takeReal('payment')).toMatchObject({ count: 11, errors: 2 });
    expect(traffic.takeReal('payment').count).toBe(0);
    expect(traffic.served('payment').count).toBe(5);
  });

  it('adds up edges of shadow traffic only', () => {
    const traffic = new Traffic();
    const table = { shadow: true, 'db.system.name': 'mysql', 'db.collection.name': 'bank.t_shadow' };
    traffic.ingest(duration('db.client.operation.duration', { ...table, 'db.operation.name': 'INSERT' }, 3));
    traffic.ingest(duration('db.client.operation.duration', { ...table, 'error.type': 'ER_X' }, 1));
    traffic.ingest(duration('db.client.operation.duration', { ...table, shadow: false }, 9));
    traffic.ingest(
      duration('messaging.process.duration', { shadow: true, 'messaging.destination.name': 't.shadow' }, 2),
    );
    expect(traffic.edges().map(({ from, to, target, tally }) => [from, to, target, tally.count, tally.errors])).toEqual(
      [
        ['payment', 'mysql', 'bank.t_shadow', 4, 1],
        ['kafka', 'payment', 't.shadow', 2, 0],
      ],
    );
  });
});
