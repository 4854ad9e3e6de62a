import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RecordedRequest, Recording } from '../recording/recording.js';
import { chooseProbes, chooseSessions } from './cover.js';

const routeOf = (method: string, url: string) => `${method} ${url.replace(/\d+/g, ':id')}`;

function recordingOf(sessions: Record<string, string[]>): Recording {
  const records: RecordedRequest[] = Object.entries(sessions)
    .flatMap(([session, urls]) =>
      urls.map(
        (url, seq) =>
          ({
            tUs: seq * 10,
            session,
            seq,
            method: 'GET',
            url,
            headers: [],
            body: undefined,
            status: 200,
            latencyUs: 1,
            responseHeaders: undefined,
            responseBody: undefined,
          }) as RecordedRequest,
      ),
    )
    .sort((a, b) => a.tUs - b.tUs);
  return {
    manifest: undefined as never,
    async *read() {
      for (let at = 0; at < records.length; at += 3) yield records.slice(at, at + 3);
    },
    close: async () => undefined,
  };
}

describe('probes', () => {
  it('takes the session that covers most, up to the last request that is new', async () => {
    const coverage = await chooseProbes(
      recordingOf({
        a: ['/login', '/accounts/1', '/accounts/2', '/accounts/3'],
        b: ['/login', '/accounts/1', '/transfers', '/accounts/9', '/accounts/9'],
        c: ['/login', '/health'],
      }),
      routeOf,
    );
    expect(coverage.sessions.map(({ session, records }) => [session, records.map(({ url }) => url)])).toEqual([
      ['b', ['/login', '/accounts/1', '/transfers']],
      ['c', ['/login', '/health']],
    ]);
  });

  it('covers every route, each by exactly one session, and takes no session for nothing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 8 }), {
          minLength: 1,
          maxLength: 20,
        }),
        (sessions) => {
          const outlines = sessions.map((routes, i) => ({
            session: `s${i}`,
            firstAt: new Map([...routes.entries()].reverse().map(([at, route]) => [`r${route}`, at])),
          }));
          const routes = new Set(sessions.flat().map((route) => `r${route}`));
          const chosen = [...chooseSessions(outlines, routes).values()];
          expect(chosen.flat().sort()).toEqual([...routes].sort());
          expect(chosen.every((covers) => covers.length > 0)).toBe(true);
        },
      ),
    );
  });

  it('bounds the routes of a site with a path for every file, and says so', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`s${i}`, [`/${String.fromCharCode(97 + (i % 26))}${'x'.repeat(i)}`]]),
    );
    const coverage = await chooseProbes(recordingOf(files), routeOf);
    expect(coverage.routes).toHaveLength(60);
    expect(coverage.notes.join()).toMatch(/60 most frequent of 300 routes/);
  });
});
