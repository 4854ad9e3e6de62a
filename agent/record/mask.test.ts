import { describe, expect, it } from '@jest/globals';
import { isCardNumber } from '@shadowline/shadow-db';
import fc from 'fast-check';
import { replaceInJson } from './json-text.js';
import { Masker } from './mask.js';

const masker = new Masker('key', ['header:x-customer', 'body.user.name', 'body.ssn', 'query:phone']);
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl';

describe('masking', () => {
  it('the same secret gives the same token wherever it stands', () => {
    const login = JSON.parse(masker.body(JSON.stringify({ token: JWT, user: { name: 'Ann' } }), 'application/json'));
    const [[, bearer], [, cookie], [, setCookie], [, customer]] = masker.headers([
      ['Authorization', `Bearer ${JWT}`],
      ['Cookie', `a=1; jwt=${JWT}`],
      ['Set-Cookie', `jwt=${JWT}; Path=/; HttpOnly`],
      ['X-Customer', 'Ann'],
    ]) as [[string, string], [string, string], [string, string], [string, string]];
    expect(bearer).toBe(`Bearer ${login.token}`);
    expect(cookie).toContain(`; jwt=${login.token}`);
    expect(cookie).not.toContain('a=1');
    expect(setCookie).toBe(`jwt=${login.token}; Path=/; HttpOnly`);
    expect(login.user.name).toBe(customer);
    expect(masker.text(`see ${JWT}.`)).toContain(login.token);
    expect(new Masker('other', []).token(JWT)).not.toBe(login.token);
    expect(new Masker('key', []).token(JWT)).toBe(login.token);
  });

  it('keeps types and shapes', () => {
    const body =
      '{ "card":4111111111111111, "text":"4111 1111 1111 1111", "ssn":123456789, "n":1.50, "big":12345678901234567890, "ok":true }';
    const masked = masker.body(body, 'application/json');
    const value = JSON.parse(masked);
    expect(masked).toContain('"n":1.50, "big":12345678901234567890, "ok":true }');
    expect(isCardNumber(String(value.card))).toBe(true);
    expect(value.card).not.toBe(4111111111111111);
    expect(value.text.replaceAll(' ', '')).toBe(String(value.card));
    expect(String(value.ssn)).toMatch(/^[1-9]\d{8}$/);
    expect(value.ssn).not.toBe(123456789);
  });

  it.each([
    'ann.smith@example.com',
    '+49 170 1234567',
    '(555) 123-4567',
    '123-45-6789',
    '4111-1111-1111-1111',
    '11010519491231002X',
  ])('%s is not left in any place', (secret) => {
    const encoded = encodeURIComponent(secret);
    expect(masker.text(`a ${secret} b`)).not.toContain(secret);
    expect(masker.body(JSON.stringify({ deep: [{ note: `call ${secret}` }] }), 'application/json')).not.toContain(
      secret,
    );
    expect(decodeURIComponent(masker.body(`a=1&b=${encoded}`, 'application/x-www-form-urlencoded'))).not.toContain(
      secret,
    );
    expect(decodeURIComponent(masker.url(`/find/${encoded}?q=${encoded}`))).not.toContain(secret);
  });

  it.each([
    '/orders/1700000000000',
    '/orders/4111111111111112',
    '2024-01-15',
    '10.0.0.1',
    'user@',
    '/a%zz?b=%E0%A4%A&c',
    '12345678901234567',
  ])('%s stays as it is', (text) => {
    expect(masker.url(text)).toBe(text);
    expect(masker.text(text)).toBe(text);
  });

  it('never throws, and valid JSON stays valid with the same structure', () => {
    const shape = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shape);
      if (typeof value === 'object' && value !== null) return Object.entries(value).map(([k, v]) => [k, shape(v)]);
      return typeof value;
    };
    fc.assert(
      fc.property(fc.json(), fc.string(), (json, text) => {
        expect(shape(JSON.parse(masker.body(json, 'application/json')))).toEqual(shape(JSON.parse(json)));
        masker.body(text, 'application/json');
        masker.url(text);
        masker.headers([
          ['cookie', text],
          ['authorization', text],
        ]);
      }),
    );
  });

  it('tells paths without list indexes', () => {
    const seen: string[] = [];
    const json = '{"a":{"b":[1,{"c":"x"},["y"]]},"d\\"e":2,"f":{},"g":[]}';
    const out = replaceInJson(json, {
      text: (path, value) => void seen.push(`${path}=${value}`),
      number: (path, literal) => void seen.push(`${path}=${literal}`),
    });
    expect(out).toBe(json);
    expect(seen).toEqual(['a.b=1', 'a.b.c=x', 'a.b=y', 'd"e=2']);
  });
});
