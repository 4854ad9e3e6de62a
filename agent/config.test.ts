import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { type AgentConfigError, configVersionOf, parseAgentConfig } from './config.js';
import { publicKeyText } from './flag.js';
import { resolveSettings } from './options.js';
import { AGENT_VERSION } from './version.js';

const key = publicKeyText(generateKeyPairSync('ed25519').publicKey);
const least = { version: 1, flag: { keys: { run: key } } };

function problemsOf(value: unknown): readonly string[] {
  try {
    parseAgentConfig(value);
  } catch (error) {
    return (error as AgentConfigError).problems;
  }
  return [];
}

describe('configuration', () => {
  it('fills in the defaults', () => {
    expect(parseAgentConfig(least)).toEqual({
      version: 1,
      flag: { keys: { run: key }, header: 'x-shadow', member: 'shadow', edge: 'open', allowFrom: [] },
      mysql: {},
      kafka: undefined,
      redis: undefined,
      egress: {},
      unknown: 'alarm',
      taint: undefined,
    });
  });

  it('tells all problems at once, each with its place', () => {
    const problems = problemsOf({
      version: 2,
      flag: { keys: { run: 'abc' }, edge: 'strikt', allowFrom: ['10.0.0.0/33'] },
      mysql: { main: { database: 'bank', mode: 'table', account: { user: 'u' }, tables: { a: 'shadw' } } },
      redis: { prefix: 'shadow:' },
      egress: { 'bureau.example': { action: 'mock', status: 99 } },
      taint: { from: 9, to: 1 },
      egres: {},
    });
    for (const place of [
      'version',
      'flag.keys.run',
      'flag.edge',
      'flag.allowFrom',
      'mysql.main.account.passwordEnv',
      'mysql.main.tables.a',
      'redis.prefix',
      'egress.bureau.example',
      'egress.bureau.example.status',
      'taint.to',
      'egres',
    ]) {
      expect([place, problems.some((problem) => problem.startsWith(`${place} `))]).toEqual([place, true]);
    }
  });

  it.each([[null], [[]], ['x'], [1], [undefined]])('%j is not a configuration', (value) => {
    expect(problemsOf(value).length).toBeGreaterThan(0);
  });

  it('has one version whatever the order of keys and the defaults written out', () => {
    const config = parseAgentConfig({
      ...least,
      egress: { 'b:1': { action: 'allow' }, 'a:1': { action: 'propagate' } },
    });
    const other = parseAgentConfig({
      egress: { 'a:1': { action: 'propagate' }, 'b:1': { action: 'allow' } },
      unknown: 'alarm',
      kafka: null,
      ...least,
    });
    expect(configVersionOf(config)).toMatch(/^[0-9a-f]{12}$/);
    expect(configVersionOf(other)).toBe(configVersionOf(config));
    expect(configVersionOf({ ...config, unknown: 'block' })).not.toBe(configVersionOf(config));
  });

  it('options win over the environment; what is wrong is collected, not thrown', () => {
    const env = { SHADOWLINE_SERVICE: 'env', SHADOWLINE_CONFIG: '/nowhere.json', SHADOWLINE_TELEMETRY: 'ftp://x' };
    const settings = resolveSettings({ service: 'option' }, env);
    expect(settings.service).toBe('option');
    expect(settings.config).toBeUndefined();
    expect(settings.problems).toEqual([expect.stringContaining('/nowhere.json'), expect.stringContaining('ftp://x')]);
    expect(resolveSettings({}, {}).problems).toHaveLength(2);
    expect(resolveSettings({ service: 'a', config: parseAgentConfig(least) }, {}).problems).toEqual([]);
  });

  it('the version is that of package.json', () => {
    const { version } = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'));
    expect(AGENT_VERSION).toBe(version);
  });
});
