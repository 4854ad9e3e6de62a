import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { Finding } from './campaign.js';
import { readRegressions, saveRegression } from './regressions.js';

describe('saved cases', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fuzz-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const finding = (step: string): Finding => ({
    dialect: 'mysql',
    difference: { kind: 'rows', at: 0, detail: 'x' },
    world: { tables: [] },
    steps: [step],
    seed: 1,
  });

  it('are read as they were written, once each, those of the dialect only', () => {
    const path = saveRegression(folder, finding('one'));
    expect(saveRegression(folder, finding('one'))).toBe(path);
    saveRegression(folder, finding('two'));
    saveRegression(folder, { ...finding('one'), dialect: 'postgres' });
    expect(readdirSync(folder)).toHaveLength(3);
    const read = readRegressions(folder, 'mysql');
    expect(read.map(({ steps }) => steps[0]).sort()).toEqual(['one', 'two']);
    expect(read[0]?.file).toMatch(/^mysql-rows-[0-9a-f]{10}\.json$/);
  });

  it.each([['{"steps": ['], ['{"steps": []}'], ['{"world": {}}']])('name the file that cannot be read: %s', (text) => {
    writeFileSync(join(folder, 'mysql-broken.json'), text);
    expect(() => readRegressions(folder, 'mysql')).toThrow(/mysql-broken\.json: /);
    rmSync(join(folder, 'mysql-broken.json'));
  });
});
