import { describe, expect, it } from '@jest/globals';
import { engineByName, nodeEngine } from './index.js';
import { failureOf } from './node/failure.js';
import { alwaysHeaders, outgoing, wireHeaders } from './node/request.js';
import type { Answer } from './node/sender.js';

describe('an engine by name', () => {
  it('is the node engine, or says that it is not built', () => {
    expect(engineByName('node')).toBe(nodeEngine);
    for (const name of ['autocannon', 'k6'] as const) expect(() => engineByName(name)).toThrow(/not built yet/);
  });
});

describe('a failure', () => {
  const answer = (status: number, body = '', error?: string): Answer => ({
    status,
    error,
    message: 'the socket hung up',
    headers: [],
    body: Buffer.from(body),
    sentUs: 0,
    endUs: 1,
  });

  it.each([
    ['a success', answer(200), 200, undefined],
    ['a redirect', answer(302), 200, undefined],
    ['a refusal that was one when it was recorded', answer(404), 404, undefined],
    ['another refusal than the recorded one', answer(403), 404, undefined],
    ['a refusal of what was let in', answer(403), 200, 'http-403'],
    ['a server error, recorded or not', answer(500), 500, 'http-500'],
    ['a problem document', answer(403, '{"code":"FLAG_FORGED"}'), 200, 'FLAG_FORGED'],
    ['a problem document without a fit code', answer(403, '{"code":"two words"}'), 200, 'http-403'],
    ['a network error', answer(0, '', 'ECONNRESET'), 200, 'ECONNRESET'],
  ])('%s', (_, one, recorded, code) => {
    expect(failureOf(one, recorded)?.code).toBe(code);
  });

  it('keeps 200 characters of the body as its example', () => {
    expect(failureOf(answer(500, 'x'.repeat(1000)), 200)!.example).toHaveLength(200);
  });
});

describe('headers on the wire', () => {
  it('are the recorded ones without hop-by-hop, and the run’s own last, whatever transforms set', () => {
    const headers: [string, string][] = [
      ['Host', 'recorded'],
      ['Accept', 'a/b'],
      ['Baggage', 'shadow=old'],
      ['Cookie', 'a=1'],
      ['Cookie', 'b=2'],
    ];
    const request = outgoing({
      tUs: 0,
      session: 's',
      seq: 0,
      method: 'GET',
      url: '/',
      headers,
      body: undefined,
      status: 200,
      latencyUs: 1,
      responseHeaders: undefined,
      responseBody: undefined,
    });
    request.headers.push(['X-SHADOW', 'from a transform'], ['Content-Length', '7'], ['X-Flag', 'from a transform']);
    const wire = wireHeaders(request, alwaysHeaders({ 'x-flag': 'live', baggage: 'shadow=live' }));
    expect(wire).toEqual([
      'Accept',
      'a/b',
      'Cookie',
      'a=1',
      'Cookie',
      'b=2',
      'x-flag',
      'live',
      'baggage',
      'shadow=live',
    ]);
    request.headers[0]![1] = 'changed';
    expect(headers[1]![1]).toBe('a/b');
  });
});
