import { describe, expect, it } from '@jest/globals';
import { findCorrelations } from './correlate.js';
import { responseValue } from './fields.js';
import type { RecordedRequest } from './recording.js';

function session(...requests: Partial<RecordedRequest>[]): RecordedRequest[] {
  return requests.map((request, seq) => ({
    tUs: (seq + 1) * 1000,
    session: 's',
    seq,
    method: 'GET',
    url: '/',
    headers: [],
    body: undefined,
    status: 200,
    latencyUs: 500,
    responseHeaders: undefined,
    responseBody: undefined,
    ...request,
  }));
}
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

describe('findCorrelations', () => {
  it.each<[string, Partial<RecordedRequest>, Partial<RecordedRequest>, string, string, string]>([
    [
      'a token',
      { responseBody: '{"token":"eyJhbGciOi.x.y1"}' },
      { headers: [['Authorization', 'Bearer eyJhbGciOi.x.y1']] },
      'body.token',
      'header:authorization',
      'eyJhbGciOi.x.y1',
    ],
    [
      'an id in a path',
      { responseBody: '{"order":{"id":4711}}' },
      { url: '/orders/4711/lines' },
      'body.order.id',
      'path:1',
      '4711',
    ],
    [
      'an id in a query',
      { responseBody: '[{"ref":"ab12cd34"}]' },
      { url: '/find?q=ab12cd34' },
      'body.0.ref',
      'query:q',
      'ab12cd34',
    ],
    [
      'an id in a body',
      { responseBody: '{"cartId":"c-000-1"}' },
      { body: json({ cart: { id: 'c-000-1' } }) },
      'body.cartId',
      'body.cart.id',
      'c-000-1',
    ],
    [
      'a cookie',
      { responseHeaders: [['Set-Cookie', 'sid=a1b2c3d4; Path=/; HttpOnly']] },
      { headers: [['cookie', 'x=1; sid=a1b2c3d4']] },
      'cookie:sid',
      'header:cookie',
      'a1b2c3d4',
    ],
    [
      'a created place',
      { responseHeaders: [['location', 'http://h.example/orders/981']] },
      { url: '/orders/981' },
      'location:path:1',
      'path:1',
      '981',
    ],
    [
      'a header',
      { responseHeaders: [['X-CSRF', 'f00dfeed1']] },
      { headers: [['x-csrf', 'f00dfeed1']] },
      'header:x-csrf',
      'header:x-csrf',
      'f00dfeed1',
    ],
  ])('finds %s', (_, first, second, fromField, toField, value) => {
    const requests = session(first, second);
    expect(findCorrelations(requests)).toEqual([{ fromSeq: 0, fromField, toSeq: 1, toField, value }]);
    const { responseHeaders = [], responseBody } = requests[0]!;
    expect(responseValue(fromField, responseHeaders, responseBody)).toBe(value);
  });

  it.each<[string, Partial<RecordedRequest>[]]>([
    [
      'what the client brought along',
      [{ url: '/accounts/123456', responseBody: '{"id":123456}' }, { url: '/accounts/123456' }],
    ],
    ['what the client used earlier', [{ url: '/a/123456' }, { responseBody: '{"id":123456}' }, { url: '/a/123456' }]],
    ['a small number', [{ responseBody: '{"page":2}' }, { url: '/list?page=2' }]],
    ['a word', [{ responseBody: '{"city":"Porto"}' }, { url: '/weather/Porto' }]],
    ['a date', [{ responseBody: '{"day":"2024-05-17"}' }, { url: '/plan/2024-05-17' }]],
    [
      'a response that came after the request had begun',
      [{ responseBody: '{"id":4711}', latencyUs: 5000 }, { url: '/orders/4711' }],
    ],
    [
      'headers that say how',
      [
        { responseHeaders: [['etag2', 'x']], responseBody: '{"agent":"Mozilla/5.0 (X11)"}' },
        { headers: [['user-agent', 'Mozilla/5.0 (X11)']] },
      ],
    ],
    ['a body that is not JSON', [{ responseBody: '<a id=4711>' }, { url: '/orders/4711' }]],
  ])('does not take %s for a correlation', (_, requests) => {
    expect(findCorrelations(session(...requests))).toEqual([]);
  });

  it('names the first response that had a value, and every use', () => {
    const found = findCorrelations(
      session(
        { responseBody: '{"id":4711}' },
        { url: '/orders/4711', responseBody: '{"id":4711}' },
        { url: '/orders/4711' },
      ),
    );
    expect(found.map(({ fromSeq, toSeq }) => [fromSeq, toSeq])).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });
});
