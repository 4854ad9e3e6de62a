import { describe, expect, it } from '@jest/globals';
import type { RecordedRequest } from '../../recording/recording.js';
import { Feed } from './feed.js';
import { planStages } from './schedule.js';
import type { Due } from './session.js';
import { slotsFor } from './slots.js';
import { recordedTiming, stagedTiming, type Timing } from './timing.js';

const record = (tUs: number, session: string, seq = 0, body?: Uint8Array): RecordedRequest => ({
  tUs,
  session,
  seq,
  method: 'GET',
  url: `/${session}/${seq}`,
  headers: [],
  body,
  status: 200,
  latencyUs: 100,
  responseHeaders: undefined,
  responseBody: undefined,
});

/** Plays a feed with a virtual clock that jumps to the next due time; everything ends at once. */
async function play(
  records: RecordedRequest[],
  timing: Timing,
  copies = 1,
): Promise<{ dues: Due[]; feed: Feed; mostReady: number }> {
  let nowUs = 0;
  const dues: Due[] = [];
  let mostReady = 0;
  const feed = new Feed({
    async *read() {
      for (const one of records) yield [one];
    },
    timing,
    copies,
    nowUs: () => nowUs,
    onReady: () => {},
  });
  const running = feed.run();
  while (!feed.ended || feed.ready.size > 0) {
    mostReady = Math.max(mostReady, feed.ready.size);
    const due = feed.ready.shift();
    if (due === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      continue;
    }
    if (due.dueUs > nowUs) nowUs = due.dueUs;
    dues.push(due);
    feed.done(due);
  }
  await running;
  return { dues, feed, mostReady };
}

const recorded = (speed = 1, think: Parameters<typeof recordedTiming>[1] = { kind: 'recorded' }) =>
  recordedTiming({ kind: 'recorded', speed }, think);

describe('the recorded schedule', () => {
  const records = [
    record(0, 'a'),
    record(1000, 'b'),
    record(4000, 'a', 1),
    record(4000, 'b', 1),
    record(10_000, 'a', 2),
  ];

  it.each([1, 2, 0.5])('is (t − t0) / speed: speed %p', async (speed) => {
    const { dues } = await play(records, recorded(speed));
    expect(dues.map((due) => due.dueUs)).toEqual(records.map((one) => one.tUs / speed));
  });

  it('scales think times within a session', async () => {
    const { dues } = await play(records, recorded(1, { kind: 'factor', factor: 2 }));
    expect(dues.map((due) => [due.record.url, due.dueUs])).toEqual([
      ['/a/0', 0],
      ['/b/0', 1000],
      ['/b/1', 7000],
      ['/a/1', 8000],
      ['/a/2', 20_000],
    ]);
  });

  it('has no times but the first when there is no think time', async () => {
    const { dues } = await play(records, recorded(1, { kind: 'none' }));
    expect(dues.filter((due) => due.record.seq === 0).map((due) => due.dueUs)).toEqual([0, 1000]);
    expect(dues.filter((due) => due.record.seq > 0).every((due) => Number.isNaN(due.dueUs))).toBe(true);
    expect(dues.filter((due) => due.session.id === 'a').map((due) => due.record.seq)).toEqual([0, 1, 2]);
  });

  it('clones sessions with a fixed offset each, in order, the same in every run', async () => {
    const { dues, feed } = await play(records, recorded(), 4);
    expect(dues).toHaveLength(records.length * 4);
    expect(feed.sessions).toBe(8);
    expect(dues.map((due) => due.dueUs)).toEqual(dues.map((due) => due.dueUs).sort((a, b) => a - b));
    for (const id of ['a', 'b']) {
      for (const clone of [0, 1, 2, 3]) {
        const own = dues.filter((due) => due.session.id === id && due.session.clone === clone);
        const offsets = new Set(own.map((due) => Math.round(due.dueUs - due.record.tUs)));
        expect(own.map((due) => due.record.seq)).toEqual(own.map((_, seq) => seq));
        expect(offsets.size).toBe(1);
        expect([...offsets][0]).toBeLessThan(2_000_000);
        if (clone === 0) expect([...offsets]).toEqual([0]);
      }
    }
    expect(new Set(dues.filter((due) => due.record.seq === 0).map((due) => due.dueUs)).size).toBe(8);
    const again = await play(records, recorded(), 4);
    expect(again.dues.map((due) => due.dueUs)).toEqual(dues.map((due) => due.dueUs));
  });
});

describe('the staged schedule', () => {
  const records = [record(0, 'a'), record(1, 'b'), record(5, 'a', 1), record(900_000, 'c')];
  const plan = planStages([
    { kind: 'ramp', toPerSec: 20, durationMs: 1000 },
    { kind: 'hold', durationMs: 1000 },
  ]);

  it('repeats the recording with further clones until the stages end', async () => {
    const { dues } = await play(records, stagedTiming(plan, slotsFor([1])[0]!, 0));
    expect(dues).toHaveLength(30);
    expect(dues.slice(0, 9).map((due) => `${due.session.id}${due.session.clone}.${due.record.seq}`)).toEqual([
      'a0.0',
      'b0.0',
      'a0.1',
      'c0.0',
      'a1.0',
      'b1.0',
      'a1.1',
      'c1.0',
      'a2.0',
    ]);
    expect(dues.filter((due) => due.step === 1)).toHaveLength(20);
  });

  it('offers the same times from two workers as from one', async () => {
    const alone = await play(records, stagedTiming(plan, slotsFor([1])[0]!, 0));
    const pair = slotsFor([3, 1]);
    const first = await play(
      records.filter((one) => one.session !== 'c'),
      stagedTiming(plan, pair[0]!, 0),
    );
    const second = await play(
      records.filter((one) => one.session === 'c'),
      stagedTiming(plan, pair[1]!, 0),
    );
    const times = [...first.dues, ...second.dues].map((due) => due.dueUs).sort((a, b) => a - b);
    expect(times).toEqual(alone.dues.map((due) => due.dueUs));
  });
});

describe('the look-ahead', () => {
  it('is bounded in time', async () => {
    const records = Array.from({ length: 2000 }, (_, i) => record(i * 10_000, `s${i % 7}`, Math.floor(i / 7)));
    const { dues, mostReady } = await play(records, recorded());
    expect(dues).toHaveLength(2000);
    expect(mostReady).toBeLessThanOrEqual(210);
  });

  it('is bounded in bytes, and a request larger than the bound still comes through', async () => {
    const large = new Uint8Array(70 * 1024 * 1024);
    const records = Array.from({ length: 6 }, (_, i) => record(i, `s${i}`, 0, large));
    const { dues, mostReady } = await play(records, recorded());
    expect(dues).toHaveLength(6);
    expect(mostReady).toBe(1);
  });

  it('rejects with what the reader says', async () => {
    const feed = new Feed({
      async *read() {
        yield [record(0, 'a')];
        throw new Error('row 7 is out of order');
      },
      timing: recorded(),
      copies: 1,
      nowUs: () => 0,
      onReady: () => {},
    });
    await expect(feed.run()).rejects.toThrow('row 7 is out of order');
    expect(feed.ready.size).toBe(1);
  });
});
