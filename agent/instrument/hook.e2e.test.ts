import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

const dist = new URL('../dist/', import.meta.url).href;

/** `require` hooks do not fire inside jest: each case is a process. */
describe('hook', () => {
  const dir = mkdtempSync(join(tmpdir(), 'shadowline-hook-'));
  beforeAll(() => {
    for (const [folder, version] of [
      ['node_modules/drv', '1.2.3'],
      ['node_modules/other/node_modules/drv', '2.0.0'],
      ['node_modules/my-drv', '9.9.9'],
    ] as const) {
      const name = folder.endsWith('my-drv') ? 'my-drv' : 'drv';
      mkdirSync(join(dir, folder, 'lib'), { recursive: true });
      writeFileSync(join(dir, folder, 'package.json'), JSON.stringify({ name, version, main: 'lib/core.js' }));
      writeFileSync(join(dir, folder, 'lib/core.js'), 'exports.query = () => "plain";');
    }
    writeFileSync(
      join(dir, 'node_modules/other/index.js'),
      'const drv = require("drv"); exports.query = () => drv.query();',
    );
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  function run(code: string, wrap: string): any {
    const file = join(dir, `case-${Math.random().toString(36).slice(2)}.mjs`);
    const head = `
      import { createRequire } from 'node:module';
      import { installHook } from '${dist}instrument/hook.js';
      import { createRuntime } from '${dist}create-runtime.js';
      const require = createRequire(import.meta.url);
      const runtime = createRuntime({ service: 'hook' });
      const wrap = ${wrap};
      const install = () => installHook([{ name: 'drv', versions: '*', targets: [{ file: 'drv/lib/core.js', wrap }] }], runtime);
      const say = (value) => console.log(JSON.stringify({ value, instrumented: [...runtime.instrumented], problems: runtime.problems }));`;
    writeFileSync(file, `${head}\n${code}`);
    const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8', env: {} });
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout);
  }
  const GOOD = `(exports) => {
    const query = exports.query;
    exports.query = () => 'wrapped ' + query();
    return () => { exports.query = query; };
  }`;

  it('wraps every copy once, for require and import, and no library of a similar name', () => {
    expect(
      run(
        `install();
         const own = (await import('drv')).default.query();
         say([own, require('drv').query(), require('other').query(), require('my-drv').query()]);`,
        GOOD,
      ),
    ).toEqual({
      value: ['wrapped plain', 'wrapped plain', 'wrapped plain', 'plain'],
      instrumented: ['drv@1.2.3', 'drv@2.0.0'],
      problems: [],
    });
  });

  it('finds what was loaded before, and takes the wraps off', () => {
    expect(
      run(
        `const drv = require('drv');
         const restore = install();
         const before = drv.query();
         restore();
         say([before, drv.query()]);`,
        GOOD,
      ).value,
    ).toEqual(['wrapped plain', 'plain']);
  });

  it('a wrap that fails leaves the library as it is and makes the agent refuse', () => {
    const result = run(
      `install();
       say([require('drv').query(), runtime.admit('x', 'request', undefined).error.code]);`,
      `() => { throw new Error('unknown shape'); }`,
    );
    expect(result.value).toEqual(['plain', 'AGENT_NOT_READY']);
    expect(result.problems).toEqual(['drv@1.2.3 is not instrumented (drv/lib/core.js): unknown shape']);
  });
});
