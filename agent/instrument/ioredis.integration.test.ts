import { createRequire } from 'node:module';
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
