import { afterEach, describe, expect, it } from '@jest/globals';
import { jwtVerify, SignJWT } from 'jose';
import type { TransformSpec } from '../engine.js';
import { bodyOf, record, serve, start, type Target } from './fixtures/engine-harness.js';

/** A service with real JWTs that live for a second: yesterday's recording, whose tokens are masked, must succeed against it. */
const key = new TextEncoder().encode('a key of this test, 32 bytes long');
let target: Target | undefined;
afterEach(async () => {
  await target?.close();
  target = undefined;
});

interface Bank {
  logins: string[];
  served: string[];
  refused: number;
  target: Target;
}

async function bank(lifeS: number, alsoRefuse: (served: number) => boolean = () => false): Promise<Bank> {
  const state: Omit<Bank, 'target'> = { logins: [], served: [], refused: 0 };
  let refusals = 0;
  const at = await serve(async (request, response) => {
    const body = await bodyOf(request);
    if (request.url === '/login') {
      const { user } = JSON.parse(body) as { user: string };
      state.logins.push(user);
      const token = await new SignJWT({ user, n: state.logins.length })
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + lifeS)
        .sign(key);
      response.end(JSON.stringify({ data: { token } }));
      return;
    }
    try {
      if (alsoRefuse(state.served.length) && refusals++ === 0) throw new Error('revoked');
      const { payload } = await jwtVerify((request.headers.authorization ?? '').replace('Bearer ', ''), key);
      state.served.push(`${String(payload.user)} ${request.url}`);
      response.end('ok');
    } catch {
      state.refused++;
      response.writeHead(401).end('no');
    }
  });
  target = at;
  return Object.assign(state, { target: at });
}

function session(user: number, requests: number, everyUs: number): object[] {
  const own = { session: `s-${user}`, headers: [] };
  const login = record({
    ...own,
    tUs: 0,
    method: 'POST',
    url: '/login',
    body: JSON.stringify({ user: `u${user}` }),
    status: 200,
  });
  const rest = Array.from({ length: requests }, (_, i) =>
    record({
      ...own,
      tUs: (i + 1) * everyUs,
      seq: i + 1,
      url: `/accounts/${i}`,
      headers: [['Authorization', 'Bearer tok_masked']],
    }),
  );
  return [login, ...rest];
}

const byTime = (records: object[]) => records.sort((a, b) => (a as { tUs: number }).tUs - (b as { tUs: number }).tUs);
const token: TransformSpec = { kind: 'token', login: 'POST /login', tokenField: 'data.token', header: 'authorization' };

describe('a login token', () => {
  it('is the live one of its own session', async () => {
    const state = await bank(600);
    const records = byTime([...session(1, 5, 20_000), ...session(2, 5, 20_000)]);
    const { totals } = await start(state.target.url, { records }, { transforms: [token], workers: 2 }).done();
    expect(totals).toMatchObject({ completed: 12, errors: 0 });
    expect(state.served.sort()).toEqual(
      [1, 2].flatMap((user) => [0, 1, 2, 3, 4].map((i) => `u${user} /accounts/${i}`)),
    );
    expect(state.logins.sort()).toEqual(['u1', 'u2']);
  });

  it('is renewed before it expires', async () => {
    const state = await bank(2);
    const { totals, notes } = await start(
      state.target.url,
      { records: session(1, 25, 200_000) },
      { transforms: [token] },
    ).done();
    expect(totals).toMatchObject({ offered: 26, completed: 26, errors: 0 });
    expect(state.refused).toBe(0);
    expect(state.logins.length).toBeGreaterThan(2);
    expect(notes.join()).toMatch(/token: renewed by logging in again: \d+ times/);
  });

  it('is renewed once after a 401, and the request is sent again', async () => {
    const state = await bank(600, (served) => served === 2);
    const { totals } = await start(
      state.target.url,
      { records: session(1, 5, 50_000) },
      { transforms: [token] },
    ).done();
    expect(totals).toMatchObject({ offered: 6, started: 6, completed: 6, errors: 0 });
    expect(state).toMatchObject({ refused: 1, logins: ['u1', 'u1'] });
    expect(state.served.map((line) => line.split('/')[2])).toEqual(['0', '1', '2', '3', '4']);
  });

  it('without the transform, the masked ones are refused: what is measured then is the refusal, and it says so', async () => {
    const state = await bank(600);
    const { totals, failures } = await start(state.target.url, { records: session(1, 5, 10_000) }).done();
    expect(totals.errors).toBe(5);
    expect(failures).toEqual([expect.objectContaining({ code: 'http-401', count: 5 })]);
  });
});
