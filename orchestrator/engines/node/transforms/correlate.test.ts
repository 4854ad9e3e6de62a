import { describe, expect, it } from '@jest/globals';
import type { RecordedRequest } from '../../../recording/recording.js';
import type { OutgoingRequest } from '../request.js';
import { newSession } from '../session.js';
import { correlateTransform, pairsOf, substitute } from './correlate.js';

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

describe('pairs of a recorded and a live answer', () => {
  it.each([
    ['text of some length', '{"a":"order-17"}', '{"a":"order-94"}', [['order-17', 'order-94']]],
    [
      'a number under the name of an identity',
      '{"data":[{"orderId":17}]}',
      '{"data":[{"orderId":94}]}',
      [['17', '94']],
    ],
    ['a number that became text', '{"id":17}', '{"id":"x-1"}', [['17', 'x-1']]],
    ['no amounts', '{"balance":5000}', '{"balance":4000}', []],
    ['no short words', '{"state":"open"}', '{"state":"shut"}', []],
    ['nothing that the live one lacks', '{"a":"order-17"}', '{"b":"order-94"}', []],
    ['nothing when one is cut', '{"a":"order-17"}', '{"a":"ord', []],
    ['nothing when one is not JSON', '{"a":"order-17"}', '<html>', []],
  ])('%s', (_, recorded, live, expected) => {
    expect(pairsOf(recorded, live).map((pair) => [pair.recorded, pair.live])).toEqual(expected);
  });
});

describe('substitution', () => {
  it('replaces whole values everywhere, and names, parts and plain headers nowhere', () => {
    const changed = request();
    const values = new Map([
      ['order-17', 'o/94'],
      ['cart-1234', 'c 1'],
      ['version-5', 'version-6'],
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
  it('carries live values from an answer to later requests, of this session only', () => {
    const notes: string[] = [];
    const transform = correlateTransform(0, (what) => void notes.push(what));
    const record: RecordedRequest = {
      tUs: 0,
      session: 's',
      seq: 0,
      method: 'POST',
      url: '/orders',
      headers: [],
      body: undefined,
      status: 201,
      latencyUs: 1,
      responseHeaders: [['Location', 'http://old/orders/order-17']],
      responseBody: undefined,
    };
    const session = newSession('s', 0, 0);
    const context = { record, session, runId: 'r' };
    expect(transform.learnsFrom!(record)).toBe(true);
    transform.learn!(request(), { status: 201, header: () => '/orders/order-94', body: '' }, context);
    const later = request();
    transform.apply(later, context);
    expect(later.url).toMatch(/^\/orders\/order-94\//);
    const other = request();
    transform.apply(other, { ...context, session: newSession('t', 0, 0) });
    expect(other).toEqual(request());
    expect(notes).toHaveLength(1);
  });
});
