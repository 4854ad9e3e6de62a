import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { RecordedRequest } from '../../../recording/recording.js';
import type { TransformSpec } from '../../engine.js';
import type { OutgoingRequest } from '../request.js';
import { newSession } from '../session.js';
import { changeField, parseField } from './field.js';
import { mapIdentity } from './identity.js';
import { buildTransforms } from './index.js';
import { findJson } from './json-span.js';
import { lifeOf } from './token.js';
import type { TransformContext } from './transform.js';

const request = (over: Partial<OutgoingRequest> = {}): OutgoingRequest => ({
  method: 'POST',
  url: '/accounts/42/transfers?from=7&to=8%209',
  headers: [
    ['X-User', '42'],
    ['Authorization', 'Bearer masked'],
  ],
  body: Buffer.from('{ "from": 42, "note": "a\\"b", "list": [ {"id": 12345678901234567890} ], "amount": 1.50 }'),
  ...over,
});

const context = (clone = 0, over: Partial<RecordedRequest> = {}): TransformContext => ({
  runId: 'run',
  session: newSession('s', clone, 0),
  record: {
    tUs: 0,
    session: 's',
    seq: 0,
    method: 'POST',
    url: '/x',
    headers: [],
    body: undefined,
    status: 200,
    latencyUs: 1,
    responseHeaders: undefined,
    responseBody: undefined,
    ...over,
  },
});

const build = (
  transforms: TransformSpec[],
  over: { nowMs?: () => number; renew?: () => Promise<any>; notes?: string[]; placed?: () => void } = {},
) =>
  buildTransforms(
    { transforms, canary: 'canary0123' },
    {
      count: (what) => void over.notes?.push(what),
      canaryPlaced: over.placed ?? (() => {}),
      renew: over.renew ?? (() => Promise.reject(new Error('not expected'))),
      nowMs: over.nowMs ?? (() => 0),
    },
  );

describe('a field', () => {
  it.each([
    ['header:x-user', (r: OutgoingRequest) => r.headers[0]![1], 'NEW'],
    ['query:to', (r: OutgoingRequest) => r.url, '/accounts/42/transfers?from=7&to=NEW'],
    ['path:1', (r: OutgoingRequest) => r.url, '/accounts/NEW/transfers?from=7&to=8%209'],
    [
      'body.note',
      (r: OutgoingRequest) => String(r.body),
      '{ "from": 42, "note": "NEW", "list": [ {"id": 12345678901234567890} ], "amount": 1.50 }',
    ],
    [
      'body.list.0.id',
      (r: OutgoingRequest) => String(r.body),
      '{ "from": 42, "note": "a\\"b", "list": [ {"id": NEW} ], "amount": 1.50 }',
    ],
  ])('%s is replaced and nothing else', (field, read, expected) => {
    const changed = request();
    expect(changeField(changed, parseField(field), () => 'NEW')).toBe('set');
    expect(read(changed)).toBe(expected);
  });

  it.each([
    ['query:to', '8 9'],
    ['body.note', 'a"b'],
    ['body.amount', '1.50'],
    ['body.list.0.id', '12345678901234567890'],
    ['path:0', 'accounts'],
  ])('%s is read as %p', (field, expected) => {
    let seen = '';
    changeField(request(), parseField(field), (value) => {
      seen = value;
      return value;
    });
    expect(seen).toBe(expected);
  });

  it.each(['header:nope', 'query:nope', 'path:9', 'body.nope', 'body.list.7.id', 'body.note.deeper'])(
    '%s is absent',
    (field) => {
      expect(changeField(request(), parseField(field), () => 'x')).toBe('absent');
    },
  );

  it.each(['', 'body', 'cookie:x', 'path:x', 'body..a'])('%p is refused', (field) => {
    expect(() => parseField(field)).toThrow(RangeError);
  });
});

describe('JSON in place', () => {
  it('finds what JSON.parse finds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 2), (value, spaces) => {
        const text = JSON.stringify(value, null, spaces);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        for (const key of Object.keys(parsed)) {
          const span = findJson(text, [key])!;
          expect(JSON.parse(text.slice(span.start, span.end))).toEqual(parsed[key]);
        }
        expect(findJson(text, ['no such key at all'])).toBeUndefined();
      }),
    );
  });

  it('finds nothing in text that is cut, and does not hang', () => {
    const text = JSON.stringify({ a: { b: [1, { c: 'text' }] } });
    for (let end = 0; end < text.length - 2; end++) findJson(text.slice(0, end), ['a', 'b', '1', 'c']);
    expect(findJson('{"a": {"b": 1', ['a'])).toBeUndefined();
    expect(findJson('not json', ['a'])).toBeUndefined();
  });
});

describe('identity', () => {
  it('maps into the range, one to one within its size, and shifts clones', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(1000), (value, clone) => {
        const mapped = Number(mapIdentity(String(value), 9_000_000, 9_999_999, clone));
        expect(mapped).toBe(9_000_000 + ((value + clone) % 1_000_000));
      }),
    );
    expect(mapIdentity('12345678901234567890', 9_000_000, 9_999_999, 1)).toBe('9567891');
    expect(mapIdentity('abc', 1, 9, 0)).toBeUndefined();
  });

  it('is the same everywhere in a request', async () => {
    const transforms = await build(
      ['header:x-user', 'path:1', 'body.from'].map((field) => ({ kind: 'identity', field, from: 1000, to: 1999 })),
    );
    const changed = request();
    for (const transform of transforms) await transform.apply(changed, context(3));
    expect(changed.headers[0]![1]).toBe('1045');
    expect(changed.url).toMatch(/^\/accounts\/1045\//);
    expect(String(changed.body)).toContain('"from": 1045,');
  });
});

describe('canary', () => {
  it('goes before the value, with the clone, and is counted; a number cannot carry it', async () => {
    const notes: string[] = [];
    let placed = 0;
    const transforms = await build(
      [
        { kind: 'canary', field: 'body.note' },
        { kind: 'canary', field: 'body.from' },
        { kind: 'canary', field: 'body.absent' },
      ],
      { notes, placed: () => placed++ },
    );
    const changed = request();
    for (const transform of transforms) await transform.apply(changed, context(5));
    expect(JSON.parse(String(changed.body)).note).toBe('canary0123-5-a"b');
    expect(placed).toBe(1);
    expect(notes).toEqual([expect.stringContaining('canary body.from')]);
  });
});

describe('token', () => {
  const spec: TransformSpec = {
    kind: 'token',
    login: 'POST /login',
    tokenField: 'token',
    header: 'authorization',
    expiresInField: 'expiresIn',
  };
  const answer = (token: string, expiresIn?: number) => ({
    status: 200,
    header: () => undefined,
    headers: () => [],
    body: JSON.stringify({ token, expiresIn }),
  });

  it('replaces the recorded token by position and renews it before it expires', async () => {
    let nowMs = 1000;
    const logins: OutgoingRequest[] = [];
    const [transform] = await build([spec], {
      nowMs: () => nowMs,
      renew: async (...args: unknown[]) => {
        logins.push(args[0] as OutgoingRequest);
        return answer('second', 100);
      },
    });
    const session = context();
    const login = { ...session, record: { ...session.record, url: '/login?x=1' } };
    expect(transform!.learnsFrom!(login.record)).toBe(true);
    const sent = request({ url: '/login?x=1' });
    transform!.learn!(sent, answer('first', 100), login);

    const one = request();
    await transform!.apply(one, session);
    expect(one.headers[1]![1]).toBe('Bearer first');
    expect(logins).toHaveLength(0);

    nowMs = 1000 + 91_000;
    const two = request();
    await transform!.apply(two, session);
    expect(two.headers[1]![1]).toBe('Bearer second');
    expect(logins).toEqual([sent]);
  });

  it('leaves requests without the header, and notes sessions without a login', async () => {
    const notes: string[] = [];
    const [transform] = await build([spec], { notes });
    const bare = request({ headers: [] });
    await transform!.apply(bare, context());
    expect(notes).toEqual([]);
    const other = request();
    await transform!.apply(other, context());
    expect(other.headers[1]![1]).toBe('Bearer masked');
    expect(notes).toHaveLength(1);
  });

  it.each([
    ['seconds of the login', 'x', 30, 30_000],
    ['a JWT with iat', `h.${Buffer.from('{"iat":100,"exp":160}').toString('base64url')}.s`, undefined, 59_000],
    ['a JWT without iat', `h.${Buffer.from('{"exp":160}').toString('base64url')}.s`, undefined, 150_000],
    ['nothing', 'opaque', undefined, Number.NaN],
  ])('knows how long a token lives: %s', (_, token, expiresIn, expected) => {
    expect(lifeOf(token, expiresIn, 10_000)).toEqual(expected);
  });
});

describe('transforms that cannot be', () => {
  it.each([
    [{ kind: 'identity', field: 'nonsense', from: 1, to: 2 }, /transform 0 \(identity\).*nonsense/],
    [{ kind: 'token', login: 'login', tokenField: 't', header: 'x' }, /POST \/login/],
    [{ kind: 'module', path: '/no/such/file.mjs' }, /\/no\/such\/file\.mjs/],
  ] as [TransformSpec, RegExp][])('%j is refused by name', async (spec, message) => {
    await expect(build([spec])).rejects.toThrow(message);
  });
});
