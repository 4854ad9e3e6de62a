import { describe, expect, it } from '@jest/globals';
import type { RecordedRequest } from '../../../recording/recording.js';
import type { OutgoingRequest } from '../request.js';
import { newSession } from '../session.js';
import { correlateTransform, substitute } from './correlate.js';

const request = (): OutgoingRequest => ({
  method: 'POST',
  url: '/orders/order-17/items?cart=cart-1234&q=17',
  headers: [
    ['If-Match', '"version-5"'],
    ['X-Csrf', 'token-abc'],
    ['User-Agent', 'order-17'],
  ],
  body: Buffer.from(
    '{"orderId": "order-17", "order-17": 1, "customerId": 4711, "amount": 47110, "note": "about order-17"}',
  ),
});

describe('substitution', () => {
  it('replaces whole values everywhere, and names, parts and plain headers nowhere', () => {
    const changed = request();
    const values = new Map([
      ['order-17', 'o/94'],
      ['cart-1234', 'c 1'],
      ['"version-5"', '"version-6"'],
      ['token-abc', 't'],
      ['4711', '815'],
    ]);
    expect(substitute(changed, values)).toBe(true);
    expect(changed.url).toBe('/orders/o%2F94/items?cart=c%201&q=17');
    expect(changed.headers).toEqual([
      ['If-Match', '"version-6"'],
      ['X-Csrf', 't'],
      ['User-Agent', 'order-17'],
    ]);
    expect(String(changed.body)).toBe(
      '{"orderId": "o/94", "order-17": 1, "customerId": 815, "amount": 47110, "note": "about order-17"}',
    );
  });

  it('leaves a request without such values as it is', () => {
    const changed = request();
    const { body } = changed;
    expect(substitute(changed, new Map([['elsewhere', 'x']]))).toBe(false);
    expect(changed).toEqual(request());
    expect(changed.body).toBe(body);
  });
});

describe('a session', () => {
  const record = (over: Partial<RecordedRequest>): RecordedRequest => ({
    tUs: 0,
    session: 's',
    seq: 0,
    method: 'GET',
    url: '/',
    headers: [],
    body: undefined,
    status: 200,
    latencyUs: 1000,
    responseHeaders: undefined,
    responseBody: undefined,
    ...over,
  });
  const live = (body: string, headers: [string, string][] = []) => ({
    status: 200,
    header: () => undefined,
    headers: () => headers,
    body,
  });
  const outgoingOf = (one: RecordedRequest): OutgoingRequest => ({
    method: one.method,
    url: one.url,
    headers: one.headers.map(([name, value]) => [name, value]),
    body: one.body,
  });

  function play(first: RecordedRequest, answer: ReturnType<typeof live>, second: RecordedRequest): OutgoingRequest {
    const transform = correlateTransform(0, () => {});
    const session = newSession('s', 0, 0);
    const sent = outgoingOf(first);
    transform.apply(sent, { record: first, session, runId: 'r' });
    if (transform.learnsFrom!(first)) transform.learn!(sent, answer, { record: first, session, runId: 'r' });
    const next = outgoingOf(second);
    transform.apply(next, { record: second, session, runId: 'r' });
    return next;
  }

  it.each([
    [
      'a value of the body',
      record({ responseBody: '{"order":{"id":"order-17"}}' }),
      live('{"order":{"id":"order-94"}}'),
      '/orders/order-94',
    ],
    [
      'a Location',
      record({ responseHeaders: [['Location', 'http://old/orders/order-17']] }),
      live('', [['location', '/orders/order-94']]),
      '/orders/order-94',
    ],
    [
      'nothing that the client had itself',
      record({ url: '/orders/order-17', responseBody: '{"id":"order-17"}' }),
      live('{"id":"order-94"}'),
      '/orders/order-17',
    ],
    [
      'nothing from an answer that had not ended',
      record({ latencyUs: 10_000_000, responseBody: '{"id":"order-17"}' }),
      live('{"id":"order-94"}'),
      '/orders/order-17',
    ],
    [
      'nothing when the live answer has no such field',
      record({ responseBody: '{"id":"order-17"}' }),
      live('{"error":1}'),
      '/orders/order-17',
    ],
    [
      'nothing when the live answer is cut',
      record({ responseBody: '{"id":"order-17"}' }),
      live('{"id":"ord'),
      '/orders/order-17',
    ],
  ])('carries %s', (_, first, answer, expected) => {
    expect(play(first, answer, record({ tUs: 5_000_000, seq: 1, url: '/orders/order-17' })).url).toBe(expected);
  });

  it('carries a cookie', () => {
    const first = record({ responseHeaders: [['Set-Cookie', 'sid=recorded-session-1; Path=/']] });
    const second = record({ tUs: 5_000_000, seq: 1, headers: [['Cookie', 'a=1; sid=recorded-session-1; b=2']] });
    const next = play(first, live('', [['Set-Cookie', 'sid=live-session-2; HttpOnly']]), second);
    expect(next.headers).toEqual([['Cookie', 'a=1; sid=live-session-2; b=2']]);
  });
});
