import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAccessLogLine, parseTime, sessionOf } from './access-log.js';

const combined = (request: string, more = '200 123 "http://a.example/" "Mozilla/5.0"') =>
  `10.0.0.1 - - [17/May/2015:10:05:03 +0000] "${request}" ${more}`;

function requestOf(line: string) {
  const parsed = parseAccessLogLine(line);
  if (parsed.kind !== 'request') throw new Error(parsed.reason);
  return parsed.request;
}

describe('parseAccessLogLine', () => {
  it('reads a line of the combined format', () => {
    expect(parseAccessLogLine(combined('GET /a?b=1 HTTP/1.1'))).toEqual({
      kind: 'request',
      request: {
        t_us: Date.UTC(2015, 4, 17, 10, 5, 3) * 1000,
        session: sessionOf('10.0.0.1', 'Mozilla/5.0'),
        method: 'GET',
        url: '/a?b=1',
        headers: [
          ['referer', 'http://a.example/'],
          ['user-agent', 'Mozilla/5.0'],
        ],
        status: 200,
        latency_us: 0,
        response_headers: [['content-length', '123']],
      },
    });
  });

  it.each([
    ['the common format', '10.0.0.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 304 -', '/a'],
    ['a user with a space', '::1 - John Doe [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 1 "-" "-"', '/a'],
    ['fields after the user agent', `${combined('GET /a HTTP/1.1')} 0.004 "-"`, '/a'],
    ['no protocol (HTTP/0.9)', combined('GET /a'), '/a'],
    ['a space in the path', combined('GET /a b HTTP/1.1'), '/a%20b'],
    ['an escaped quote', combined('GET /a\\"b HTTP/1.1'), '/a"b'],
    ['escaped bytes', combined('GET /\\xc3\\xa9 HTTP/1.1'), '/%C3%A9'],
    ['raw UTF-8 bytes', combined(`GET /${Buffer.from('é').toString('latin1')} HTTP/1.1`), '/%C3%A9'],
    ['a fragment, which no client should send', combined('GET /a#b HTTP/1.1'), '/a'],
  ])('reads %s', (_, line, url) => {
    expect(requestOf(line).url).toBe(url);
  });

  it('takes the host of an absolute URI as a header', () => {
    const request = requestOf(combined('GET http://shop.example/a?b=1 HTTP/1.1'));
    expect(request.url).toBe('/a?b=1');
    expect(request.headers[0]).toEqual(['host', 'shop.example']);
    expect(requestOf(combined('GET http://shop.example?b=1 HTTP/1.1')).url).toBe('/?b=1');
  });

  it('leaves out what was logged as -', () => {
    const request = requestOf(combined('GET /a HTTP/1.1', '200 - "-" "-"'));
    expect(request.headers).toEqual([]);
    expect(request.response_headers).toBeUndefined();
  });

  it.each([
    ['', /no \[time\]/],
    ['hello', /no \[time\]/],
    ['1.1.1.1 - - [17/May/2015:10:05:03 +0000] GET / 200', /no "request"/],
    ['1.1.1.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" abc', /no status/],
    [combined('-'), /request line is empty/],
    [combined(''), /request line is empty/],
    [combined('\\x16\\x03\\x01'), /not a request line/],
    [combined('GET'), /not a request line/],
    [combined('CONNECT a.example:443 HTTP/1.1'), /proxy/],
    [combined('OPTIONS * HTTP/1.1'), /not a path/],
    [combined('GET index.html HTTP/1.1'), /not a path/],
    [combined('GET / HTTP/1.1').replace('17/May', '31/Apr'), /not a time/],
    [combined('GET / HTTP/1.1').replace('May', 'Mai'), /not a time/],
  ])('says why it cannot use %s', (line, reason) => {
    expect(parseAccessLogLine(line)).toEqual({ kind: 'unusable', reason: expect.stringMatching(reason) });
  });

  it('never throws, and what it lets through can be sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (target, agent) => {
        const parsed = parseAccessLogLine(
          Buffer.from(combined(`GET ${target} HTTP/1.1`, `200 1 "-" "${agent}"`)).toString('latin1'),
        );
        if (parsed.kind === 'unusable') return parsed.reason !== '';
        return (
          /^\/[!-~]*$/.test(parsed.request.url) && parsed.request.headers.every(([, value]) => /^[\t -~]+$/.test(value))
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('parseTime', () => {
  it.each([
    ['17/May/2015:10:05:03 +0000', '2015-05-17T10:05:03Z'],
    ['17/May/2015:10:05:03 +0200', '2015-05-17T08:05:03Z'],
    ['31/Dec/2015:23:30:00 -0130', '2016-01-01T01:00:00Z'],
    ['29/Feb/2016:00:00:00 +0000', '2016-02-29T00:00:00Z'],
  ])('%s is %s', (text, iso) => {
    expect(parseTime(text)).toBe(Date.parse(iso) * 1000);
  });
});
