import { describe, expect, it } from '@jest/globals';
import { Fleet } from '../telemetry/index.js';
import { awaitPresence, presenceProblems } from './presence.js';

const origin = {
  service: 'payment',
  instance: 'h-1',
  agentVersion: '0.1.0',
  configVersion: 'abc',
  telemetryVersion: '1',
};
const state = (value: number, timeMs: number) => ({
  name: 'shadowline.state',
  attributes: {},
  startMs: timeMs,
  timeMs,
  value,
  histogram: undefined,
});
const hello = (problems: string) => ({ name: 'shadowline.hello', attributes: { problems }, body: '', timeMs: 0 });
const expected = {
  services: { payment: { instances: 1 } },
  configVersion: 'abc',
  telemetryUrl: 'http://127.0.0.1:4318',
  ttlMs: 60_000,
};
const NOW = 1_700_000_000_000;

describe('presence', () => {
  it.each([
    // what, origin, state, its clock, problems said, expected
    ['a healthy one', {}, 0, NOW, '', []],
    ['killed', {}, 2, NOW, '', [/kill switch.*[Rr]e-arm/]],
    [
      'another configuration',
      { configVersion: 'old' },
      0,
      NOW,
      '',
      [/configuration old.*makes abc.*stress agent-config/],
    ],
    ['another telemetry version', { telemetryVersion: '2' }, 0, NOW, '', [/version 2/]],
    ['a clock that is off', {}, 0, NOW - 40_000, '', [/clock differs by 40\.0 s/]],
    ['problems of its own', {}, 0, NOW, 'mysql2 not instrumented', [/mysql2 not instrumented/]],
    [
      'all at once',
      { configVersion: 'old', telemetryVersion: '2' },
      2,
      NOW - 40_000,
      'x',
      [/kill/, /reports: x/, /version 2/, /old/, /clock/],
    ],
  ] as const)('%s', (_what, change, code, timeMs, problems, patterns) => {
    const fleet = new Fleet();
    fleet.ingest({ origin: { ...origin, ...change }, points: [state(code, timeMs)], events: [] }, NOW);
    if (problems !== '') fleet.ingest({ origin: { ...origin, ...change }, points: [], events: [hello(problems)] }, NOW);
    const found = presenceProblems(fleet, expected);
    expect(found).toHaveLength(patterns.length);
    for (const [i, pattern] of patterns.entries()) expect(found[i]).toMatch(pattern);
  });

  it('names every service that was not heard, and the missing instances, with what to do', () => {
    const fleet = new Fleet();
    fleet.ingest({ origin, points: [state(0, NOW)], events: [] }, NOW);
    const found = presenceProblems(fleet, {
      ...expected,
      services: { payment: { instances: 2 }, ledger: { instances: 1 } },
    });
    expect(found[0]).toMatch(/payment: 1 of 2 instances/);
    expect(found[1]).toMatch(/ledger: no agent was heard.*SHADOWLINE_SERVICE=ledger.*http:\/\/127\.0\.0\.1:4318/);
  });

  it('waits for those that come late, and not for ever', async () => {
    const fleet = new Fleet();
    let nowMs = NOW;
    const wait = (timeoutMs: number) =>
      awaitPresence(fleet, expected, {
        timeoutMs,
        now: () => nowMs,
        sleep: async (ms) => {
          nowMs += ms;
          if (nowMs > NOW + 5_000) fleet.ingest({ origin, points: [state(0, nowMs)], events: [] }, nowMs);
        },
      });
    expect(await wait(1_000)).toHaveLength(1);
    expect(await wait(8_000)).toEqual([]);
  });
});
