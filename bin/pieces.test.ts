import { EventEmitter } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { SeedError } from '@shadowline/shadow-db/server';
import type { RecordedRequest } from '../orchestrator/recording/recording.js';
import { env } from '../orchestrator/scenario/fixtures/text.js';
import { ScenarioError, validateScenario } from '../orchestrator/scenario/index.js';
import { commandOf, commands } from './commands.js';
import { examine } from './examine.js';
import { CliError, exitCodes, exitMeanings } from './exit-codes.js';
import { interruptible } from './interrupt.js';
import { tell } from './print-error.js';
import { overridesOf } from './scenario-options.js';
import { scenarioText } from './scenario-text.js';
import { Survey } from './survey.js';

describe('exit codes', () => {
  it('are all different, and each has a meaning', () => {
    const codes = Object.values(exitCodes);
    expect(new Set(codes).size).toBe(codes.length);
    expect(Object.keys(exitMeanings)).toEqual(Object.keys(exitCodes));
  });
});

describe('the command that is meant', () => {
  it.each<[string[], string | undefined]>([
    [['run', 's.yaml'], 'run'],
    [['--quiet', 'run', 's.yaml'], 'run'],
    [['nope'], undefined],
    [['toString'], undefined],
    [[], undefined],
    [['--get-yargs-completions', 'stress', 'keys', ''], 'keys'],
  ])('%j', (argv, expected) => {
    expect(commandOf(argv)).toBe(expected);
  });

  it('has a line of help', () => {
    for (const entry of Object.values(commands)) expect(entry.describe).toMatch(/^[A-Z].{10,}/);
  });
});

describe('what an error tells', () => {
  it.each<[string, unknown, Partial<ReturnType<typeof tell>>]>([
    [
      'a command’s own',
      new CliError(3, 'no agent', 'start it'),
      { exitCode: 3, cause: 'no agent', remedy: 'start it' },
    ],
    [
      'one with a hint',
      Object.assign(new Error('cut'), { hint: 'record again', code: 'CUT' }),
      { exitCode: 1, cause: 'cut', remedy: 'record again' },
    ],
    [
      'the system’s',
      Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' }),
      { exitCode: 1, remedy: expect.stringContaining('disk is full') as unknown as string },
    ],
    [
      'an unexpected one',
      new TypeError('x is undefined'),
      {
        exitCode: 1,
        cause: 'unexpected error: x is undefined',
        stack: expect.stringContaining('TypeError') as unknown as string,
      },
    ],
    ...['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', '57P01'].map((code): [string, unknown, object] => [
      `a lost connection’s (${code})`,
      Object.assign(new Error('Connection lost'), { code }),
      { exitCode: 1, cause: 'the connection to a server was lost: Connection lost' },
    ]),
    [
      'the seeder’s',
      new SeedError('SEED_CONNECTION', 'copying rows of orders: the connection was lost'),
      {
        exitCode: 1,
        cause: expect.stringMatching(/^SEED_CONNECTION: .*Seed again/) as unknown as string,
        remedy: undefined,
      },
    ],
    ['no error at all', 'text', { exitCode: 1, cause: 'text' }],
    [
      'a scenario’s',
      new ScenarioError([{ file: 's.yaml', line: 1, column: 2, path: '', cause: 'c', remedy: 'r' }]),
      { exitCode: 2, cause: 's.yaml has 1 problem' },
    ],
  ])('%s', (_name, error, expected) => {
    expect(tell(error)).toMatchObject(expected);
  });
});

describe('Ctrl-C', () => {
  it('stops once, and ends at once the second time', () => {
    const exits: unknown[] = [];
    const said: string[] = [];
    const host = Object.assign(new EventEmitter(), { exit: (code: unknown) => exits.push(code) });
    const { signal, end } = interruptible((text) => said.push(text), host as never);
    expect(signal.aborted).toBe(false);
    host.emit('SIGTERM', 'SIGTERM');
    expect([signal.aborted, exits]).toEqual([true, []]);
    expect(said[0]).toContain('Once more');
    host.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
    end();
    expect(host.listenerCount('SIGINT')).toBe(0);
  });
});

describe('--set', () => {
  it('is path=value', () => {
    expect(overridesOf({ set: ['load.timeout=5s', 'a=b=c'], target: 'http://x' })).toEqual({
      'load.timeout': '5s',
      a: 'b=c',
      target: 'http://x',
    });
    expect(() => overridesOf({ set: ['load.timeout'] })).toThrow(CliError);
  });
});

describe('doctor', () => {
  const without = async (): Promise<undefined> => undefined;
  it('says what is missing and how to get it', async () => {
    const findings = await examine({}, without, '20.18.0');
    expect(findings.filter((one) => one.state === 'missing').map((one) => one.what)).toEqual(['Node.js', 'MariaDB']);
    for (const finding of findings) expect(finding.how).not.toBe('');
  });

  it('takes the first source that is there', async () => {
    const all = await examine({ SHADOWLINE_MYSQL_URL: 'mysql://h/d' }, async (program) => `/bin/${program}`, '22.1.0');
    expect(all.find((one) => one.what === 'MariaDB')?.how).toContain('SHADOWLINE_MYSQL_URL');
    expect(all.find((one) => one.what === 'Redis')?.how).toContain('/bin/redis-server');
    expect(all.filter((one) => one.state === 'missing')).toEqual([]);
  });
});

describe('init', () => {
  const request = (over: Partial<RecordedRequest>): RecordedRequest => ({
    tUs: 0,
    session: 's1',
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

  it('writes a scenario that is valid, with what it saw', () => {
    const survey = new Survey();
    const json = (value: unknown) => Buffer.from(JSON.stringify(value));
    survey.take(
      request({ method: 'POST', url: '/login', body: json({ customer: 7, pin: 'x' }), responseBody: '{"token":"t"}' }),
    );
    survey.take(
      request({
        tUs: 2e6,
        session: 's2',
        method: 'POST',
        url: '/transfers',
        body: json({ from: 1, to: 2, amount: 5, idempotencyKey: 'k' }),
      }),
    );
    survey.take(request({ tUs: 4e6, url: '/accounts/17' }));
    const text = scenarioText(survey, { name: 'x', target: 'http://127.0.0.1:8080', recording: './a folder: #1' });
    const { scenario, problems } = validateScenario(text, '/s/scenario.yaml', { SHADOWLINE_KEY: env.KEY });
    expect(problems).toEqual([]);
    expect(scenario?.recording).toBe('/s/a folder: #1');
    expect(scenario?.replay.transforms).toEqual([
      { kind: 'token', login: 'POST /login', tokenField: 'body.token', header: 'authorization' },
      { kind: 'canary', field: 'body.idempotencyKey' },
      { kind: 'correlate' },
    ]);
    for (const field of ['body.from', 'body.to', 'body.customer', 'path:1'])
      expect(text).toContain(`# - { identity: { field: ${JSON.stringify(field).replace(/^"(body\.\w+)"$/, '$1')}`);
    expect(text).not.toContain('body.amount');
  });

  it('bears traffic that is no JSON', () => {
    const survey = new Survey();
    survey.take(request({ method: 'POST', body: Buffer.from([0xff, 0x7b]), responseBody: '<html>' }));
    survey.take(request({ body: Buffer.from('[1,2]') }));
    survey.take(request({ body: Buffer.from('null') }));
    expect(survey.requests).toBe(3);
    expect(
      validateScenario(scenarioText(survey, { name: 'x', target: 'http://127.0.0.1:1', recording: 'r' }), 's.yaml', {
        SHADOWLINE_KEY: env.KEY,
      }).problems,
    ).toEqual([]);
  });
});
