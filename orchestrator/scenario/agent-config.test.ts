import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { configVersionOf, parseAgentConfig } from '@shadowline/agent/config';
import { publicKeyText, readPrivateKey } from '@shadowline/agent/flag';
import { agentConfigOf } from './agent-config.js';
import { env, full, minimal } from './fixtures/text.js';
import { jsonSchema } from './json-schema.js';
import { validateScenario } from './parse.js';

const scenarioOf = (text: string) => validateScenario(text, '/s/scenario.yaml', env).scenario!;

describe('the configuration of agents', () => {
  it('holds public keys and names of variables, no secret', () => {
    const config = agentConfigOf(scenarioOf(full));
    expect(config.flag.keys).toEqual({ run: publicKeyText(readPrivateKey(env.KEY)) });
    const text = JSON.stringify(config);
    expect(text).not.toContain('hunter2secret');
    expect(text).not.toContain('PRIVATE');
    expect(config).toMatchObject({
      version: 1,
      mysql: {
        main: { database: 'bank', mode: 'table', account: { user: 'shadow_rw', passwordEnv: 'SHADOW_DB_PASSWORD' } },
      },
      kafka: { suffix: '.shadow', messageMaxAgeS: 600, topics: ['transfer.created'] },
      redis: { prefix: 'shadow:{run}:', maxTtlS: 3600 },
      unknown: 'alarm',
      taint: { from: 9_000_000, to: 9_999_999 },
    });
  });

  it('names host and port only where two stores share a database name', () => {
    expect(agentConfigOf(scenarioOf(full)).mysql.main).not.toHaveProperty('host');
    const two = full.replace(
      '  kafka:',
      '    other: { url: "mysql://root@10.0.0.9:3307/bank", account: shadow_rw, tables: { shadow: [t] } }\n  kafka:',
    );
    expect(agentConfigOf(scenarioOf(two)).mysql.other).toMatchObject({ host: '10.0.0.9', port: 3307 });
    expect(agentConfigOf(scenarioOf(two)).mysql.main).toMatchObject({ host: '127.0.0.1', port: 3306 });
  });

  it('is what agents accept, after a way through JSON', () => {
    for (const text of [full, minimal]) {
      const config = agentConfigOf(scenarioOf(text));
      const read = parseAgentConfig(JSON.parse(JSON.stringify(config)));
      expect(configVersionOf(read)).toBe(configVersionOf(config));
    }
  });

  it('is the same for the same scenario, and leaves out what is not there', () => {
    expect(agentConfigOf(scenarioOf(full))).toEqual(agentConfigOf(scenarioOf(full)));
    const config = agentConfigOf(scenarioOf(minimal));
    expect([config.kafka, config.redis, config.taint, config.mysql]).toEqual([undefined, undefined, undefined, {}]);
  });
});

describe('the schema for editors', () => {
  it('is draft 7, strict, and knows every key that the grammar knows', () => {
    const schema = jsonSchema() as {
      $schema: string;
      additionalProperties: boolean;
      required: string[];
      properties: Record<string, unknown>;
    };
    expect(schema.$schema).toContain('draft-07');
    expect(schema.additionalProperties).toBe(false);
    expect(schema.required.sort()).toEqual(['name', 'recording', 'services', 'shadow', 'target', 'version']);
    expect(Object.keys(schema.properties)).toContain('guardrails');
  });
});

describe('docs/formats/scenario.md', () => {
  const page = readFileSync(new URL('../../docs/formats/scenario.md', import.meta.url), 'utf8');

  it('has an example that is valid', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(page)![1]!;
    const variables = { SHADOWLINE_KEY: env.KEY, MYSQL_URL: env.DB };
    expect(validateScenario(example, 'scenario.yaml', variables).problems).toEqual([]);
  });

  it('names every key of the grammar', () => {
    const keys = new Set<string>();
    const walk = (schema: unknown): void => {
      if (typeof schema !== 'object' || schema === null) return;
      const { properties } = schema as { properties?: Record<string, unknown> };
      for (const key of Object.keys(properties ?? {})) keys.add(key);
      for (const inner of Object.values(schema)) walk(inner);
    };
    walk(jsonSchema());
    // `properties` itself is walked as a map of names.
    const missing = [...keys].filter((key) => !new RegExp(`\\b${key}\\b`).test(page));
    expect(missing).toEqual([]);
    expect(keys.size).toBeGreaterThan(60);
  });
});
