import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ShadowContext } from '../context.js';
import { MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS, readMembers, withMember, withoutMember } from './baggage.js';
import { readFlag, stripFlag, withFlag } from './carrier.js';
import { routeOf } from './route.js';

const names = { header: 'x-shadow', member: 'shadow' };
const member = fc
  .tuple(
    fc
      .string({ unit: fc.constantFrom(...'abcshadow-_'), minLength: 1, maxLength: 12 })
      .filter((key) => key !== 'shadow'),
    fc.string({ unit: fc.constantFrom(...'abc012%;= é'), maxLength: 20 }),
    fc.constantFrom('', ' ', '\t'),
  )
  .map(([key, value, space]) => `${space}${key}${space}=${value}`);

describe('baggage', () => {
  it('puts our member first and keeps the others byte for byte', () => {
    fc.assert(
      fc.property(fc.array(member, { maxLength: 20 }), fc.nat(20), (members, at) => {
        const header = [...members.slice(0, at), ' shadow = old;p=1', ...members.slice(at)].join(',');
        expect(withMember(header, 'shadow', 'new')).toBe(['shadow=new', ...members].join(','));
        expect(withoutMember(header, 'shadow')).toBe(members.join(','));
        expect(readMembers(header, 'shadow')).toEqual(['old']);
      }),
    );
  });

  it('stays within the limits whatever comes in', () => {
    const many = fc.array(member, { minLength: 150, maxLength: 400 });
    fc.assert(
      fc.property(many, fc.nat(9_000), (members, padding) => {
        const header = withMember([`big=${'x'.repeat(padding)}`, ...members].join(','), 'shadow', 'token');
        expect(header.length).toBeLessThanOrEqual(MAX_BAGGAGE_BYTES);
        expect(header.split(',').length).toBeLessThanOrEqual(MAX_BAGGAGE_MEMBERS);
        expect(header.startsWith('shadow=token')).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        readMembers(text, 'shadow');
        withMember(text, 'shadow', 'x');
        withoutMember(text, 'shadow');
      }),
    );
  });

  it.each([
    ['shadow=a%2Eb', ['a.b']],
    ['shadow=%E0%A4%A', ['%E0%A4%A']],
    ['x=shadow=1', []],
    ['shadows=1,Shadow=2', []],
    ['shadow=1,shadow=2', ['1', '2']],
    ['shadow', []],
    ['shadow=', ['']],
  ])('%s is read as %j', (header, values) => {
    expect(readMembers(header, 'shadow')).toEqual(values);
  });
});

describe('carrier', () => {
  const read = (...raw: string[]) => {
    const found = readFlag(raw, names);
    return found && { token: found.token, conflict: found.conflict };
  };

  it.each<[string, string[], object | undefined]>([
    ['nothing', ['host', 'x', 'accept', '*/*'], undefined],
    ['baggage of others', ['baggage', 'a=1,b=2'], undefined],
    ['the header', ['X-Shadow', ' t '], { token: 't', conflict: false }],
    ['the member', ['BAGGAGE', 'a=1, shadow=t;p'], { token: 't', conflict: false }],
    ['both, equal', ['x-shadow', 't', 'baggage', 'shadow=t'], { token: 't', conflict: false }],
    ['both, different', ['x-shadow', 't', 'baggage', 'shadow=u'], { token: 't', conflict: true }],
    ['a doubled header', ['x-shadow', 't', 'x-shadow', 't'], { token: 't', conflict: true }],
    ['a doubled member', ['baggage', 'shadow=t', 'baggage', 'shadow=t'], { token: 't', conflict: true }],
    ['an empty header', ['x-shadow', ''], { token: '', conflict: false }],
  ])('reads %s', (_, raw, expected) => {
    expect(read(...raw)).toEqual(expected);
  });

  it('strips the flag and nothing else', () => {
    const raw = ['Host', 'h', 'X-Shadow', 't', 'baggage', 'a=1,shadow=t', 'x-shadow-probe', 'p', 'Baggage', 'shadow=t'];
    stripFlag(raw, names);
    expect(raw).toEqual(['Host', 'h', 'baggage', 'a=1']);
  });

  it('writes the flag in place of what was there, and takes it out', () => {
    const headers: [string, string][] = [
      ['Accept', '*/*'],
      ['X-SHADOW', 'old'],
      ['baggage', 'a=1,shadow=old'],
    ];
    const context = { token: 'new', probe: 'p1' } as ShadowContext;
    expect(withFlag(headers, names, context)).toEqual([
      'Accept',
      '*/*',
      'x-shadow',
      'new',
      'baggage',
      'shadow=new,a=1',
      'x-shadow-probe',
      'p1',
    ]);
    expect(withFlag(headers, names, undefined)).toEqual(['Accept', '*/*', 'baggage', 'a=1']);
  });
});

describe('route', () => {
  it.each([
    ['/', 'GET /'],
    ['/accounts/123/statement?from=1', 'GET /accounts/:id/statement'],
    ['/v1/users/3f2504e0-4f89-11d3-9a0c-0305e82c3301', 'GET /v1/users/:id'],
    ['/img/logo2.png', 'GET /img/logo2.png'],
    ['/orders/A-2024-17', 'GET /orders/:id'],
    ['http://host:80/a/5', 'GET /a/:id'],
    ['http://host', 'GET /'],
    ['*', 'GET *'],
    [`/${'a/'.repeat(40)}`, `GET ${'/a'.repeat(12)}/…`],
  ])('%s', (url, route) => {
    expect(routeOf('GET', url)).toBe(route);
  });
});
