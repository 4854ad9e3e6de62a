import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { currentContext, type ShadowContext } from '../context.js';
import {
  codeOf,
  deniedSockets,
  inReal,
  inShadow,
  randomName,
  shadowContext,
  TestRuntime,
} from '../redirect/fixtures/test-runtime.js';
import { ioredisInstrumentation } from './ioredis.js';

const require = createRequire(import.meta.url);
const Redis = require('ioredis');
const url = process.env.SHADOWLINE_TEST_REDIS_URL!;
const run = randomName('run');
/** Every real key of the tests starts with it. */
const own = `${randomName('agent')}:`;
const prefix = `shadow:${run}:`;
const context = () => shadowContext(run);
const shadow = <T>(fn: () => T, as: ShadowContext = context()): T => inShadow(fn, as);

let admin: any;
let runtime: TestRuntime;
let restores: (() => void)[] = [];
const open: any[] = [];

beforeAll(async () => {
  use({});
  admin = new Redis(url);
  await inReal(() => admin.ping());
});

afterAll(async () => {
  await clear();
  await admin.quit();
});

beforeEach(async () => {
  await clear();
  use({ redis: { prefix: 'shadow:{run}:', maxTtlS: 100 } });
});

afterEach(() => {
  for (const one of open.splice(0)) one.disconnect();
  for (const restore of restores.splice(0)) restore();
});

function internal(file: string): string {
  return join(dirname(require.resolve('ioredis/package.json')), '..', file);
}

function use(config: ConstructorParameters<typeof TestRuntime>[0]): void {
  for (const restore of restores.splice(0)) restore();
  runtime = new TestRuntime(config);
  restores = ioredisInstrumentation.targets.map(({ file, wrap }) => wrap(require(internal(file)), runtime));
}

function client(options: object = {}): any {
  const made = new Redis(url, { maxRetriesPerRequest: 2, ...options });
  open.push(made);
  return made;
}

/** The tests' own view, past the gates: the keys of this file, real and shadow, with their values. */
async function keys(pattern: string): Promise<string[]> {
  const Command = Redis.Command;
  const command = new Command('keys', [pattern], { replyEncoding: 'utf8' });
  command[Symbol.for('shadowline.agent.redis.issued')] = 'real';
  return (await admin.sendCommand(command)).sort();
}
async function raw(name: string, ...args: string[]): Promise<any> {
  const command = new Redis.Command(name, args, { replyEncoding: 'utf8' });
  command[Symbol.for('shadowline.agent.redis.issued')] = 'real';
  return admin.sendCommand(command);
}
const realKeys = async () => (await keys(`${own}*`)).map((key) => key.slice(own.length));
const shadowKeys = async () => (await keys(`${prefix}${own}*`)).map((key) => key.slice(prefix.length + own.length));
async function clear(): Promise<void> {
  for (const key of [...(await keys(`*${own}*`)), ...(await keys(`${prefix}*`))]) await raw('del', key);
}

describe('keys', () => {
  it('of shadow work lie below the prefix of the run, those of real work stay', async () => {
    const redis = client();
    await inReal(() => redis.set(`${own}a`, 'real'));
    await shadow(() => redis.set(`${own}a`, 'shadow', 'EX', 5));
    expect(await inReal(() => redis.get(`${own}a`))).toBe('real');
    expect(await shadow(() => redis.get(`${own}a`))).toBe('shadow');
    expect(await shadow(() => redis.get(`${own}none`))).toBeNull();
    expect(await raw('get', `${prefix}${own}a`)).toBe('shadow');
    expect(await raw('ttl', `${prefix}${own}a`)).toBeLessThanOrEqual(5);
    expect(await raw('ttl', `${own}a`)).toBe(-1);
    expect(runtime.operations).toContain('shadow redis db0 set ok');
    expect(runtime.operations).toContain('real redis db0 get ok');
    expect(runtime.writes.get(`redis ${prefix} set`)).toBe(1);
    expect(runtime.suspects).toEqual([]);
  });
});

describe('commands', () => {
  it('with several keys, bytes, objects and a key prefix of the client', async () => {
    const redis = client({ keyPrefix: own });
    await shadow(async () => {
      await redis.mset({ a: '1', b: '2' });
      await redis.hset('h', { x: 1, y: 2 });
      await redis.set(Buffer.from('bytes'), Buffer.from([0, 255, 1]));
      await redis.sadd('s1', 'm');
      await redis.sunionstore('s2', 's1');
      await redis.zadd('z', 1, 'm');
      await redis.zunionstore('z2', 2, 'z', 'z');
      await redis.bitop('OR', 'bits', 'a', 'b');
      await redis.lpush('l', 'x');
      await redis.call('SET', `${own}called`, 'v');
      expect(await redis.mget('a', 'b', 'none')).toEqual(['1', '2', null]);
      expect(await redis.hgetall('h')).toEqual({ x: '1', y: '2' });
      expect(await redis.getBuffer('bytes')).toEqual(Buffer.from([0, 255, 1]));
      expect(await redis.smembers('s2')).toEqual(['m']);
      expect(await redis.exists('a', 'b', 'l')).toBe(3);
    });
    // call() takes the client's prefix like any other
    const called = `${own}called`;
    expect(await realKeys()).toEqual([]);
    const expected = ['a', 'b', 'bits', 'bytes', called, 'h', 'l', 's1', 's2', 'z', 'z2'];
    expect(await shadowKeys()).toEqual(expected.sort());
  });

  it('keep a hash tag, so that keys of one slot stay together', async () => {
    const redis = client();
    await shadow(() => redis.mset(`${own}{u}:1`, 'a', `${own}{u}:2`, 'b'));
    const slots = await Promise.all(
      ['1', '2'].map((one) => raw('cluster', 'keyslot', `${prefix}${own}{u}:${one}`).catch(() => 0)),
    );
    expect(slots[0]).toBe(slots[1]);
    expect(await shadowKeys()).toEqual(['{u}:1', '{u}:2']);
  });

  it('give every key a life of at most maxTtl', async () => {
    const redis = client();
    const k = (name: string) => `${own}${name}`;
    await shadow(async () => {
      await redis.set(k('none'), 1);
      await redis.set(k('ex'), 1, 'EX', 5000);
      await redis.set(k('px'), 1, 'PX', 7_000_000, 'NX');
      await redis.set(k('exat'), 1, 'EXAT', 4_102_444_800);
      await redis.set(k('keep'), 1, 'KEEPTTL');
      await redis.setex(k('setex'), 9999, 1);
      await redis.psetex(k('psetex'), 9_999_999, 1);
      await redis.setnx(k('setnx'), 1);
      await redis.getset(k('getset'), 1);
      await redis.incr(k('incr'));
      await redis.mset(k('m1'), 1, k('m2'), 2);
      await redis.hset(k('h'), 'f', 1);
      await redis.lpush(k('l'), 1);
      await redis.lmove(k('l'), k('l2'), 'LEFT', 'RIGHT');
      await redis.sadd(k('s'), 1);
      await redis.sinterstore(k('s2'), k('s'));
      await redis.zadd(k('z'), 1, 'a');
      await redis.zrangestore(k('z2'), k('z'), 0, -1);
      await redis.geoadd(k('geo'), 13, 52, 'x');
      await redis.pfadd(k('pf'), 'a');
      await redis.pfmerge(k('pf2'), k('pf'));
      await redis.xadd(k('x'), '*', 'a', 'b');
      await redis.xgroup('CREATE', k('x2'), 'g', '$', 'MKSTREAM');
      await redis.expire(k('incr'), 100_000);
      await redis.expireat(k('h'), 4_102_444_800);
      await redis.pexpireat(k('s'), 4_102_444_800_000);
      await redis.getex(k('none'), 'EX', 100_000);
      await redis.rename(k('setnx'), k('renamed'));
      await redis.copy(k('incr'), k('copied'));
      await redis.bitfield(k('bf'), 'SET', 'u8', 0, 1);
      await redis.setbit(k('bit'), 1, 1);
      await redis.append(k('app'), 'x');
      expect(await codeOf(redis.persist(k('none')))).toBe('COMMAND_REFUSED');
      expect(await codeOf(redis.getex(k('none'), 'PERSIST'))).toBe('COMMAND_REFUSED');
      // what the service itself sets shorter stays so
      await redis.set(k('short'), 1, 'EX', 3);
      await redis.incr(k('short'));
    });
    const names = await shadowKeys();
    expect(names.length).toBe(28);
    for (const name of names) {
      const ttl = await raw('pttl', `${prefix}${own}${name}`);
      expect([name, ttl > 0 && ttl <= 100_000]).toEqual([name, true]);
    }
    expect(await raw('pttl', `${prefix}${own}short`)).toBeLessThanOrEqual(3000);
    expect(await realKeys()).toEqual([]);
  });

  it('are refused when they reach beyond their keys, belong to the connection, or are not known', async () => {
    const redis = client();
    redis.defineCommand('scripted', { numberOfKeys: 1, lua: "return redis.call('set', KEYS[1], 'x')" });
    const k = `${own}k`;
    const attempts: ((redis: any) => Promise<unknown>)[] = [
      (r) => r.eval('return 1', 0),
      (r) => r.eval("return redis.call('set', KEYS[1], 1)", 1, k),
      (r) => r.scripted(k),
      (r) => r.fcall('f', 1, k),
      (r) => r.script('FLUSH'),
      (r) => r.flushall(),
      (r) => r.flushdb(),
      (r) => r.select(1),
      (r) => r.watch(k),
      (r) => r.multi({ pipeline: false }),
      (r) => r.exec(),
      (r) => r.discard(),
      (r) => r.subscribe('c'),
      (r) => r.psubscribe('c*'),
      (r) => r.blpop(k, 1),
      (r) => r.xread('BLOCK', 10, 'STREAMS', k, '$'),
      (r) => r.sort(k, 'BY', 'nosort', 'STORE', k),
      (r) => r.sort(k, 'GET', 'other_*'),
      (r) => r.georadius(k, 1, 1, 1, 'km', 'STORE', k),
      (r) => r.copy(k, `${k}2`, 'DB', 1),
      (r) => r.move(k, 1),
      (r) => r.migrate('127.0.0.1', 1, k, 0, 10),
      (r) => r.swapdb(0, 1),
      (r) => r.config('GET', '*'),
      (r) => r.client('KILL', 'TYPE', 'normal'),
      (r) => r.randomkey(),
      (r) => r.object('HELP'),
      (r) => r.debug('SLEEP', 0),
      (r) => r.shutdown(),
      (r) => r.call('unheard.of', k),
      (r) => r.call('CONFIG', 'GET', '*'),
      (r) => r.get(`${prefix}${k}`),
      (r) => r.get('shadow:otherrun:k'),
      (r) => r.set(Buffer.from('shadow:otherrun:k'), 1),
    ];
    for (const attempt of attempts) {
      expect([String(attempt), await shadow(() => codeOf(attempt(redis)))]).toEqual(
        [String(attempt), 'COMMAND_REFUSED'].map((one, i) =>
          i === 1 && /pipeline: false|exec\(\)|discard/.test(String(attempt)) ? 'MODE_MISMATCH' : one,
        ),
      );
    }
    expect(await keys(`*${own}*`)).toEqual([]);
    // real work is free to do all that
    expect(await inReal(() => redis.eval('return 7', 0))).toBe(7);
    expect(await inReal(() => redis.scripted(`${own}scripted`))).toBe('OK');
    expect(runtime.suspects).toEqual([]);
  });

  it('refuses with STORE_UNDECLARED, AGENT_KILLED and CONTEXT_ENDED', async () => {
    const redis = client();
    const ended = { ...context(), ended: true };
    expect(await codeOf(shadow(() => redis.set(`${own}a`, 1), ended))).toBe('CONTEXT_ENDED');
    runtime.current = 'killed';
    expect(await codeOf(shadow(() => redis.set(`${own}a`, 1)))).toBe('AGENT_KILLED');
    expect(await inReal(() => redis.set(`${own}real`, 1))).toBe('OK');
    use({});
    expect(await codeOf(shadow(() => redis.get(`${own}a`)))).toBe('STORE_UNDECLARED');
    expect(await inReal(() => redis.get(`${own}real`))).toBe('1');
    expect(await keys(`*${own}*`)).toEqual([`${own}real`]);
  });

  it('tells a callback of the refusal, in the context of the issuer', async () => {
    const redis = client();
    const as = context();
    const [error, seen] = await shadow(
      () =>
        new Promise<any[]>((resolve) => {
          redis.flushall((refusal: Error) => resolve([refusal, currentContext()]));
        }),
      as,
    );
    expect(error.code).toBe('COMMAND_REFUSED');
    expect(seen).toBe(as);
  });
});

describe('names in patterns and answers', () => {
  it('are those of the service: SCAN, KEYS, XREAD, LMPOP', async () => {
    const redis = client();
    const found = await shadow(async () => {
      await redis.mset(`${own}a`, 1, `${own}b`, 2, 'glob*[x]', 3);
      await redis.xadd(`${own}x`, '1-1', 'f', 'v');
      await redis.rpush(`${own}l`, 'e');
      const scanned: string[] = [];
      for await (const page of redis.scanStream({ match: `${own}*` })) scanned.push(...page);
      let cursor = '0';
      const all: string[] = [];
      do {
        const [next, page] = await redis.scan(cursor);
        all.push(...page);
        cursor = next;
      } while (cursor !== '0');
      return {
        scanned: scanned.sort(),
        all: all.sort(),
        bytes: (await redis.keysBuffer(`${own}[a-b]`)).map(String).sort(),
        keys: (await redis.keys(`${own}?`)).sort(),
        streams: await redis.xread('COUNT', 5, 'STREAMS', `${own}x`, '0'),
        popped: await redis.lmpop(2, `${own}none`, `${own}l`, 'LEFT'),
      };
    });
    const mine = [`${own}a`, `${own}b`, `${own}l`, `${own}x`];
    expect(found).toEqual({
      scanned: mine,
      all: [...mine, 'glob*[x]'].sort(),
      bytes: [`${own}a`, `${own}b`],
      keys: mine,
      streams: [[`${own}x`, [['1-1', ['f', 'v']]]]],
      popped: [`${own}l`, ['e']],
    });
  });

  it('of shadow keys are not shown to real work, unless it asks for them', async () => {
    const redis = client();
    await shadow(() => redis.set(`${own}s`, 1));
    await inReal(() => redis.set(`${own}r`, 1));
    expect(await inReal(() => redis.keys(`*${own}*`))).toEqual([`${own}r`]);
    const scanned: string[] = [];
    await inReal(async () => {
      for await (const page of redis.scanStream({ match: `*${own}*` })) scanned.push(...page);
    });
    expect(scanned).toEqual([`${own}r`]);
    expect(await inReal(() => redis.keys(`${prefix}*`))).toEqual([`${prefix}${own}s`]);
  });

  it('of channels: a shadow message does not reach a real subscriber', async () => {
    const subscriber = client();
    const heard: string[] = [];
    subscriber.on('pmessage', (_pattern: string, channel: string, message: string) =>
      heard.push(`${channel} ${message}`),
    );
    await inReal(() => subscriber.psubscribe(`*${own}*`));
    const redis = client();
    await shadow(() => redis.publish(`${own}c`, 'shadow'));
    await inReal(() => redis.publish(`${own}c`, 'real'));
    await inReal(() => redis.publish(`${own}c`, 'end'));
    while (!heard.includes(`${own}c end`)) await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([`${prefix}${own}c shadow`, `${own}c real`, `${own}c end`]);
  });

  it('of streams with groups', async () => {
    const redis = client();
    const answer = await shadow(async () => {
      await redis.xgroup('CREATE', `${own}x`, 'g', '0', 'MKSTREAM');
      await redis.xadd(`${own}x`, '5-1', 'f', 'v');
      const read = await redis.xreadgroup('GROUP', 'g', 'c', 'STREAMS', `${own}x`, '>');
      expect(await redis.xack(`${own}x`, 'g', '5-1')).toBe(1);
      expect((await redis.xinfo('GROUPS', `${own}x`)).length).toBe(1);
      return read;
    });
    expect(answer).toEqual([[`${own}x`, [['5-1', ['f', 'v']]]]]);
    expect(await realKeys()).toEqual([]);
  });
});

describe('real work', () => {
  it('that names a shadow key or writes a shadow id is reported and passes', async () => {
    use({ redis: { prefix: 'shadow:{run}:', maxTtlS: 100 }, taint: { from: 9_000_000, to: 9_100_000 } });
    const redis = client();
    await inReal(async () => {
      await redis.get(`${prefix}x`);
      await redis.set(`${own}account:9000001`, 1);
      await redis.get(`${own}account:9000001`);
      await redis.set(`${own}account:8999999:b19000001`, 1);
    });
    expect(runtime.suspects.map((one) => one.code)).toEqual(['SHADOW_NAME_IN_REAL', 'TAINTED_WRITE']);
    expect(await realKeys()).toEqual(['account:8999999:b19000001', 'account:9000001']);
  });

  it('without a context follows the policy: reads pass, writes are blocked', async () => {
    use({ redis: { prefix: 'shadow:{run}:', maxTtlS: 100 }, unknown: 'block' });
    const redis = client();
    expect(await redis.get(`${own}a`)).toBeNull();
    expect(await codeOf(redis.set(`${own}a`, 1))).toBe('MODE_MISMATCH');
    const results = await redis.pipeline().set(`${own}b`, 1).get(`${own}b`).exec();
    expect(results[0][0].code).toBe('MODE_MISMATCH');
    expect(results[1]).toEqual([null, null]);
    expect(await realKeys()).toEqual([]);
  });

  it('is not touched while the agent is idle', async () => {
    runtime.current = 'idle';
    const redis = client();
    expect(await redis.set(`${own}a`, 1)).toBe('OK');
    expect(await redis.keys(`${own}*`)).toEqual([`${own}a`]);
    expect(runtime.operations).toEqual([]);
  });

  it('goes on when the agent has a fault of its own; shadow work does not', async () => {
    const redis = client();
    runtime.meter.dbOperation = () => {
      throw new Error('fault');
    };
    runtime.config.redis!.prefix = undefined as never;
    (runtime as any).modeOf = () => {
      throw new Error('fault');
    };
    expect(await inReal(() => redis.set(`${own}a`, 1))).toBe('OK');
    expect(await redis.set(`${own}b`, 1)).toBe('OK');
    expect(await codeOf(shadow(() => redis.set(`${own}c`, 1)))).toBe('AGENT_NOT_READY');
    expect(await keys(`*${own}*`)).toEqual([`${own}a`, `${own}b`]);
  });
});

describe('pipelines', () => {
  it('bind each command when it is put in', async () => {
    const redis = client();
    const pipeline = redis.pipeline();
    inReal(() => pipeline.set(`${own}a`, 'real'));
    shadow(() => pipeline.set(`${own}a`, 'shadow').get(`${own}a`).eval('return 1', 0));
    inReal(() => pipeline.get(`${own}a`));
    const results = await inReal(() => pipeline.exec());
    expect(results[3][0].code).toBe('COMMAND_REFUSED');
    expect(results.filter((_: unknown, i: number) => i !== 3)).toEqual([
      [null, 'OK'],
      [null, 'OK'],
      [null, 'shadow'],
      [null, 'real'],
    ]);
    expect(await raw('ttl', `${own}a`)).toBe(-1);
    expect(await raw('ttl', `${prefix}${own}a`)).toBeGreaterThan(0);
  });

  it('that consist of refused commands only are answered', async () => {
    const redis = client();
    redis.defineCommand('scripted', { numberOfKeys: 1, lua: "return redis.call('set', KEYS[1], 'x')" });
    const results = await shadow(() => redis.pipeline().flushall().scripted(`${own}a`).blpop('x', 0).exec());
    expect(results.map(([error]: any[]) => error.code)).toEqual(Array(3).fill('COMMAND_REFUSED'));
    expect(await keys(`*${own}*`)).toEqual([]);
  });

  it('make a transaction all or nothing', async () => {
    const redis = client();
    const fine = await shadow(() => redis.multi().incr(`${own}n`).keys(`${own}*`).hset(`${own}h`, 'f', 1).exec());
    expect(fine).toEqual([
      [null, 1],
      [null, [`${own}n`]],
      [null, 1],
    ]);
    expect(await raw('ttl', `${prefix}${own}n`)).toBeGreaterThan(0);
    expect(await raw('ttl', `${prefix}${own}h`)).toBeGreaterThan(0);
    const code = await codeOf(shadow(() => redis.multi().set(`${own}x`, 1).flushall().set(`${own}y`, 1).exec()));
    expect(code).toBe('MODE_MISMATCH');
    expect(await shadowKeys()).toEqual(['h', 'n']);
    expect(await realKeys()).toEqual([]);
    // and the connection is not left inside of it
    expect(await inReal(() => redis.get(`${own}none`))).toBeNull();
    expect(runtime.writes.get(`redis ${prefix} set`)).toBeUndefined();
    expect(runtime.writes.get(`redis ${prefix} incr`)).toBe(1);
  });

  it('leave what real work has open on the connection alone', async () => {
    const redis = client();
    await inReal(() => redis.watch(`${own}w`));
    expect(await codeOf(shadow(() => redis.multi().set(`${own}x`, 1).exec()))).toBe('MODE_MISMATCH');
    const late = shadow(() => redis.multi());
    await inReal(() => raw('set', `${own}w`, '1'));
    expect(await inReal(() => redis.multi().set(`${own}r`, 1).exec())).toBeNull();
    await inReal(() => redis.watch(`${own}w`));
    shadow(() => late.set(`${own}x`, 1));
    expect(await codeOf(shadow(() => late.exec()))).toBe('MODE_MISMATCH');
    await inReal(() => redis.unwatch());
    await inReal(() => redis.multi({ pipeline: false }));
    expect(await codeOf(shadow(() => redis.set(`${own}x`, 1)))).toBe('MODE_MISMATCH');
    inReal(() => redis.set(`${own}r`, 2));
    expect(await inReal(() => redis.exec())).toEqual([[null, 'OK']]);
    expect(await shadow(() => redis.set(`${own}x`, 1))).toBe('OK');
    expect(await realKeys()).toEqual(['r', 'w']);
  });

  it('of a real transaction refuse a shadow command and go on', async () => {
    const redis = client();
    const multi = inReal(() => redis.multi().set(`${own}a`, 1));
    shadow(() => multi.set(`${own}b`, 2));
    const results = await inReal(() => multi.exec());
    expect(results[0]).toEqual([null, 'OK']);
    expect(results[1][0].code).toBe('MODE_MISMATCH');
    expect(await keys(`*${own}*`)).toEqual([`${own}a`]);
  });
});

describe('connection', () => {
  it('opened inside a shadow request belongs to none, and is let through', async () => {
    let redis: any;
    const denied = await deniedSockets(runtime, async () => {
      redis = shadow(() => client({ lazyConnect: true }));
      expect(await shadow(() => redis.set(`${own}a`, 's'))).toBe('OK');
      expect(await inReal(() => redis.get(`${own}a`))).toBeNull();
    });
    expect(denied).toBe(0);
    const seen = await shadow(
      () =>
        new Promise((resolve) => {
          const one = client({ lazyConnect: true });
          one.connect(() => resolve(currentContext()?.mode));
        }),
    );
    expect(seen).toBe('shadow');
  });

  it('keeps the modes of its offline queue, also when it is lost', async () => {
    const redis = client({ lazyConnect: true });
    const done = [
      inReal(() => redis.set(`${own}a`, 'real')),
      shadow(() => redis.set(`${own}a`, 'shadow')),
      inReal(() => redis.get(`${own}a`)),
      shadow(() => redis.get(`${own}a`)),
    ];
    expect(await Promise.all(done)).toEqual(['OK', 'OK', 'real', 'shadow']);
    redis.disconnect(true);
    const again = [
      shadow(() => redis.get(`${own}a`)),
      inReal(() => redis.get(`${own}a`)),
      shadow(() => redis.pipeline().set(`${own}b`, 1).flushall().get(`${own}b`).exec()),
    ];
    const [one, two, three] = await Promise.all(again);
    expect([one, two]).toEqual(['shadow', 'real']);
    expect(three[0]).toEqual([null, 'OK']);
    expect(three[1][0].code).toBe('COMMAND_REFUSED');
    expect(three[2]).toEqual([null, '1']);
    expect(await realKeys()).toEqual(['a']);
    expect(await shadowKeys()).toEqual(['a', 'b']);
  });

  it('whose user may not set an expiry writes no key that lives for ever, but for the first', async () => {
    const user = randomName('u');
    await raw('acl', 'setuser', user, 'on', '>pw', '~*', '&*', '+@all', '-pexpire');
    try {
      const redis = client({ username: user, password: 'pw' });
      await shadow(() => redis.incr(`${own}n`));
      expect(await shadow(() => redis.get(`${own}n`))).toBe('1');
      expect(await codeOf(shadow(() => redis.incr(`${own}n2`)))).toBe('COMMAND_REFUSED');
      // it caps itself
      expect(await shadow(() => redis.set(`${own}s`, 1))).toBe('OK');
    } finally {
      await raw('acl', 'deluser', user);
    }
  });

  it('of a request that is over can be ended, but not inside a MULTI of ordinary work', async () => {
    const as = context();
    const redis = shadow(() => client(), as);
    await shadow(() => redis.set(`${own}a`, 'shadow'), as);
    as.ended = true;
    await inReal(() => redis.multi({ pipeline: false }));
    expect(await codeOf(shadow(() => redis.quit(), as))).toBe('CONTEXT_ENDED');
    await inReal(() => redis.exec());
    expect(await shadow(() => redis.quit(), as)).toBe('OK');
  });
});

describe('a cluster', () => {
  let server: ChildProcess;
  let folder: string;
  let port: number;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shadowline-cluster-'));
    port = await freePort();
    const bus = String(await freePort());
    const options = {
      port,
      bind: '127.0.0.1',
      dir: folder,
      save: '',
      'cluster-enabled': 'yes',
      'cluster-port': bus,
      'cluster-announce-ip': '127.0.0.1',
    };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of server.stdout!) if (String(line).includes('Ready to accept connections')) break;
    server.stdout!.resume();
    const one = new Redis(port);
    await one.cluster('ADDSLOTSRANGE', 0, 16383);
    while (!(await one.cluster('INFO')).includes('cluster_state:ok')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    one.disconnect();
  });

  afterAll(async () => {
    server.kill();
    await once(server, 'exit');
    await rm(folder, { recursive: true });
  });

  function cluster(options: object = {}): any {
    const made = new Redis.Cluster([{ host: '127.0.0.1', port }], options);
    open.push(made);
    return made;
  }

  it('keeps real and shadow keys apart, in pipelines and transactions too', async () => {
    const redis = shadow(() => cluster());
    await shadow(async () => {
      await redis.set('{u}:a', 's');
      await redis.incr('{u}:n');
      expect(await redis.mget('{u}:a', '{u}:n')).toEqual(['s', '1']);
      const piped = await redis.pipeline().incr('{u}:n').flushall().get('{u}:a').exec();
      expect(piped[0]).toEqual([null, 2]);
      expect(piped[1][0].code).toBe('COMMAND_REFUSED');
      expect(piped[2]).toEqual([null, 's']);
      expect(await redis.multi().incr('{u}:n').get('{u}:a').exec()).toEqual([
        [null, 3],
        [null, 's'],
      ]);
      expect(await codeOf(redis.flushall())).toBe('COMMAND_REFUSED');
    });
    await inReal(() => redis.set('{u}:a', 'r'));
    const found = await inReal(async () => {
      const [node] = redis.nodes('master');
      runtime.current = 'idle';
      return (await node.keys('*')).sort();
    });
    expect(found).toEqual([`${prefix}{u}:a`, `${prefix}{u}:n`, '{u}:a']);
  });

  it('refuses shadow commands in automatic pipelines, which real work goes on to use', async () => {
    const redis = cluster({ enableAutoPipelining: true });
    await inReal(() => redis.set('auto', 1));
    const both = [inReal(() => redis.get('auto')), shadow(() => codeOf(redis.get('auto')))];
    expect(await Promise.all(both)).toEqual(['1', 'MODE_MISMATCH']);
  });
});

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

type Step = { shadow: boolean; kind: 'direct' | 'pipeline' | 'multi' | 'refused' | 'turn'; key: number };

describe('any interleaving', () => {
  const step: fc.Arbitrary<Step> = fc.record({
    shadow: fc.boolean(),
    kind: fc.constantFrom(
      'direct' as const,
      'direct' as const,
      'pipeline' as const,
      'multi' as const,
      'refused' as const,
      'turn' as const,
    ),
    key: fc.integer({ min: 0, max: 4 }),
  });
  it.each([
    ['a plain client', {}],
    ['automatic pipelines', { enableAutoPipelining: true }],
    ['a client that is not connected yet', { lazyConnect: true }],
    ['automatic pipelines before the connection', { lazyConnect: true, enableAutoPipelining: true }],
  ])('of real and shadow commands leaves each key where it belongs: %s', async (_name, options) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        await clear();
        runtime.suspects.length = 0;
        const redis = client({ ...options, retryStrategy: () => 1 });
        const expected = { real: new Map<string, number>(), shadow: new Map<string, number>() };
        const waiting: Promise<unknown>[] = [];
        for (const { shadow: isShadow, kind, key } of steps) {
          const name = `k${key}`;
          const counts = isShadow ? expected.shadow : expected.real;
          const wrote = (n: number) => counts.set(name, (counts.get(name) ?? 0) + n);
          const within = isShadow ? shadow : inReal;
          if (kind === 'direct') {
            wrote(1);
            waiting.push(within(() => redis.incr(own + name)));
          } else if (kind === 'pipeline') {
            wrote(2);
            waiting.push(
              within(() =>
                redis
                  .pipeline()
                  .incr(own + name)
                  .get(own + name)
                  .incr(own + name)
                  .exec(),
              ),
            );
          } else if (kind === 'multi') {
            wrote(2);
            waiting.push(
              within(() =>
                redis
                  .multi()
                  .incr(own + name)
                  .incr(own + name)
                  .exec(),
              ),
            );
          } else if (kind === 'refused') {
            // refused in shadow, harmless in real
            const outcome = within(() => codeOf(redis.object('HELP')));
            waiting.push(
              outcome.then((code: string) => {
                if (code !== (isShadow ? 'COMMAND_REFUSED' : 'no error')) throw new Error(`answered with ${code}`);
              }),
            );
            waiting.push(
              within(async () => {
                const results = await redis
                  .pipeline()
                  .get(own + name)
                  .object('HELP')
                  .get(own + name)
                  .exec();
                if ((results[1][0] !== null) !== isShadow || results[0][0] !== null || results[2][0] !== null)
                  throw new Error('moved');
              }),
            );
          } else {
            // let what is issued be answered in part
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        await Promise.all(waiting);
        const found = {
          real: await Promise.all((await realKeys()).map(async (key) => [key, Number(await raw('get', own + key))])),
          shadow: await Promise.all(
            (await shadowKeys()).map(async (key) => [key, Number(await raw('get', prefix + own + key))]),
          ),
        };
        const sorted = (map: Map<string, number>) => [...map].sort();
        expect(found).toEqual({ real: sorted(expected.real), shadow: sorted(expected.shadow) });
        for (const [key] of found.shadow) expect(await raw('ttl', prefix + own + key)).toBeGreaterThan(0);
        for (const [key] of found.real) expect(await raw('ttl', own + key)).toBe(-1);
        expect(runtime.suspects).toEqual([]);
        for (const one of open.splice(0)) one.disconnect();
      }),
      { numRuns: 40 },
    );
  });
});
