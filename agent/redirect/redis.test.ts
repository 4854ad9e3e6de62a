import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { redisRule, ruledCommands } from './redis-commands.js';
import { capExpiry, capSet } from './redis-expiry.js';
import { prefixed, prefixedPattern, RedisNames, stripped } from './redis-names.js';
import { type RedisCommand, rewriteCommand } from './redis-rewrite.js';

const require = createRequire(import.meta.url);
const Redis = require('ioredis');
const { list, hasFlag } = require('@ioredis/commands');
const names = new RedisNames('shadow:{run}:');
const MAX_MS = 60_000;

function rewrite(name: string, args: unknown[], template = names): RedisCommand {
  const command = new Redis.Command(name, args);
  command.promise.catch(() => undefined);
  rewriteCommand(command, redisRule(name), template, template.prefix('r1'), MAX_MS);
  return command;
}

describe('rules', () => {
  it('name only commands that ioredis knows, so that none is misspelt', () => {
    const unknown = ruledCommands().filter((name) => !list.includes(name));
    // newer than the list, or of a sentinel
    expect(unknown).toEqual(['waitaof', 'sentinel']);
  });

  it('say of no command that changes data that it does not', () => {
    const wrong = list.filter((name: string) => hasFlag(name, 'write') && !redisRule(name).write);
    expect(wrong).toEqual([]);
  });

  it('refuse what they do not know, in any case of letters', () => {
    expect(redisRule('NEW.COMMAND')).toMatchObject({ kind: 'refuse', write: true });
    expect(redisRule('FlushAll').kind).toBe('refuse');
    expect(redisRule('GET').kind).toBe('read');
  });

  it('find a key in every command that is rewritten by its keys', () => {
    const keyed = list.filter((name: string) => {
      const rule = redisRule(name);
      return ['read', 'shrink', 'set', 'expiry', 'grow', 'store'].includes(rule.kind) && rule.only === undefined;
    });
    // arguments that fit every shape: a count of keys of 1 in both places where it may stand
    for (const name of keyed) {
      const args = /^x?read/.test(name.slice(1))
        ? ['GROUP', 'g', 'c', 'STREAMS', 'k', '0'].slice(name === 'xread' ? 3 : 0)
        : /^(sintercard|zintercard|lmpop|zmpop|zunion|zinter|zdiff)$/.test(name)
          ? ['1', 'k', 'LEFT']
          : /store$/.test(name) && name.startsWith('z') && name !== 'zrangestore'
            ? ['k', '1', 'k']
            : ['k', 'k', 'k', 'k', 'k'];
      const command = rewrite(name, args);
      expect([name, command.keys!.length > 0]).toEqual([name, true]);
      expect([name, command.keys!.every((key) => String(key) === 'shadow:r1:k')]).toEqual([name, true]);
    }
  });
});

describe('rewriting', () => {
  it('does not depend on whether the driver looked at the keys before', () => {
    const command = new Redis.Command('mget', ['a', 'b'], { keyPrefix: 'app:' });
    expect(command.getKeys()).toEqual(['app:a', 'app:b']);
    rewriteCommand(command, redisRule('mget'), names, 'shadow:r1:', MAX_MS);
    expect(command.args).toEqual(['shadow:r1:app:a', 'shadow:r1:app:b']);
    expect(command.getKeys()).toEqual(command.args);
  });

  it.each([
    ['sort', ['k', 'by', 'w_*']],
    ['sort', ['k', Buffer.from('STORE'), 'real']],
    ['georadius', ['k', '1', '1', '1', 'm', 'store', 'x']],
    ['copy', ['a', 'b', 'db', '1']],
    ['getex', ['k', 'Persist']],
    ['xread', ['block', '0', 'STREAMS', 'k', '$']],
    ['get', []],
    ['zunion', ['0']],
    ['object', ['ENCODING']],
    ['xgroup', ['HELP']],
    ['get', ['shadow:any-run_1:k']],
    ['get', [Buffer.from('shadow:r1:\xff', 'latin1')]],
  ])('refuses %s %j', (name, args) => {
    expect(() => rewrite(name, args)).toThrow();
  });

  it('leaves keys alone that only look a little like shadow keys', () => {
    expect(rewrite('get', ['shadow:']).args).toEqual(['shadow:r1:shadow:']);
    expect(rewrite('get', ['shadow:a b:c']).args).toEqual(['shadow:r1:shadow:a b:c']);
  });

  it('gives every MATCH of a SCAN the prefix, and one to a SCAN without', () => {
    expect(rewrite('scan', ['0', 'COUNT', '5']).args).toEqual(['0', 'COUNT', '5', 'MATCH', 'shadow:r1:*']);
    expect(rewrite('scan', ['0', 'match', 'a*', 'TYPE', 'match', 'MATCH', 'b']).args).toEqual([
      '0',
      'match',
      'shadow:r1:a*',
      'TYPE',
      'match',
      'MATCH',
      'shadow:r1:b',
    ]);
  });
});

describe('names', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }));
  it('come back as they were, as text and as bytes', () => {
    fc.assert(
      fc.property(text, fc.uint8Array(), (key, bytes) => {
        expect(stripped('shadow:r1:', prefixed('shadow:r1:', key))).toBe(key);
        const buffer = Buffer.from(bytes);
        expect(stripped('shadow:r1:', prefixed('shadow:r1:', buffer))).toEqual(buffer);
        expect(names.isShadow(prefixed('shadow:r1:', key))).toBe(true);
        expect(names.isShadow(prefixed('shadow:r1:', buffer))).toBe(true);
      }),
    );
  });

  it('are known by any template, with the id of the run once or twice, and characters of patterns', () => {
    const odd = new RedisNames('{run}*[s]:{run}:');
    expect(odd.prefix('r1')).toBe('r1*[s]:r1:');
    expect(odd.isShadow('r1*[s]:r1:k')).toBe(true);
    expect(odd.isShadow('r1*[s]:r2:k')).toBe(false);
    expect(odd.isShadow('k')).toBe(false);
    expect(prefixedPattern('r1*[s]:', 'a*')).toBe('r1\\*\\[s\\]:a*');
    expect(odd.asksForShadow('anything')).toBe(false);
  });
});

describe('expiry', () => {
  const now = 1_800_000_000_000;
  it.each([
    [['k', 'v'], ['k', 'v', 'PX', '60000'], false],
    [['k', 'v', 'NX', 'GET'], ['k', 'v', 'NX', 'GET', 'PX', '60000'], false],
    [['k', 'v', 'ex', '10'], ['k', 'v', 'ex', '10'], false],
    [['k', 'v', 'EX', '61'], ['k', 'v', 'EX', '60'], false],
    [['k', 'v', 'XX', 'PX', '99999999'], ['k', 'v', 'XX', 'PX', '60000'], false],
    [['k', 'v', 'EXAT', '1900000000'], ['k', 'v', 'EXAT', '1800000060'], false],
    [['k', 'v', 'PXAT', '1900000000000'], ['k', 'v', 'PXAT', '1800000060000'], false],
    [['k', 'v', 'KEEPTTL'], ['k', 'v', 'KEEPTTL'], true],
    [['k', 'v', 'EX', 'ten'], ['k', 'v', 'EX', 'ten'], false],
    [['EX', 'EX', 'EX', '61'], ['EX', 'EX', 'EX', '60'], false],
  ])('of SET %j', (args, capped, after) => {
    const given = [...args];
    expect(capSet(given, MAX_MS, now)).toBe(after);
    expect(given).toEqual(capped);
  });

  it.each([
    ['setex', ['k', '61', 'v'], ['k', '60', 'v']],
    ['psetex', ['k', '61000', 'v'], ['k', '60000', 'v']],
    ['expire', ['k', '30', 'NX'], ['k', '30', 'NX']],
    ['expire', ['k', '-1'], ['k', '-1']],
    ['pexpire', ['k', '60001'], ['k', '60000']],
    ['expireat', ['k', '1900000000'], ['k', '1800000060']],
    ['pexpireat', ['k', '1900000000000'], ['k', '1800000060000']],
    ['getex', ['k', 'PX', '60001'], ['k', 'PX', '60000']],
    ['getex', ['k'], ['k']],
  ])('of %s %j', (name, args, capped) => {
    const given = [...args];
    capExpiry(name, given, MAX_MS, now);
    expect(given).toEqual(capped);
  });

  it('with a lifetime in fractions of seconds stays a whole number', () => {
    const given = ['k', '999', 'v'];
    capExpiry('setex', given, 1500, now);
    expect(given[1]).toBe('1');
  });
});
