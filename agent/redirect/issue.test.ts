import { describe, expect, it } from '@jest/globals';
import { currentContext, runWith } from '../context.js';
import { inReal, inShadow, shadowContext, TestRuntime } from './fixtures/test-runtime.js';
import { isRefusal, issueMode, outside, refusalOf, wrapMethod } from './issue.js';

describe('the mode of an operation', () => {
  it('is ordinary for reads without a context; writes ask the policy', () => {
    const runtime = new TestRuntime({ unknown: 'block' });
    expect(issueMode(runtime, 'read', false)).toBeUndefined();
    expect(() => issueMode(runtime, 'write', true)).toThrow(/MODE_MISMATCH/);
    expect(inReal(() => issueMode(runtime, 'write', true))).toBeUndefined();
    const context = shadowContext();
    expect(runWith(context, () => issueMode(runtime, 'read', false))).toBe(context);
    context.ended = true;
    expect(() => runWith(context, () => issueMode(runtime, 'read', false))).toThrow(/CONTEXT_ENDED/);
  });

  it('decides what a fault of the agent becomes: a refusal in shadow, nothing else', () => {
    const runtime = new TestRuntime();
    expect(inReal(() => refusalOf(runtime, new Error('fault')))).toBeUndefined();
    expect(inShadow(() => refusalOf(runtime, new Error('fault')))?.code).toBe('AGENT_NOT_READY');
    const refusal = runtime.refuse('SQL_REFUSED', 'x');
    expect(inReal(() => refusalOf(runtime, refusal))).toBe(refusal);
    // of a second copy of the library
    expect(isRefusal(Object.assign(new Error('x'), { name: 'ShadowRefusedError' }))).toBe(true);
    expect(isRefusal('x')).toBe(false);
  });

  it('is left behind for drivers that serve both modes', () => {
    new TestRuntime();
    expect(inShadow(() => outside(() => currentContext()))).toBeUndefined();
    expect(inReal(() => outside(() => currentContext()?.mode))).toBe('real');
  });
});

describe('a wrapped method', () => {
  it('calls through, is wrapped once, and is restored', () => {
    class Driver {
      name(): string {
        return 'driver';
      }
    }
    class Special extends Driver {}
    const wrap = (target: object) =>
      wrapMethod(target, 'name', (original) => {
        return function (this: unknown) {
          return `wrapped ${original.call(this)}`;
        };
      });
    const restore = wrap(Driver.prototype);
    const again = wrap(Driver.prototype);
    expect(new Driver().name()).toBe('wrapped driver');
    again();
    expect(new Driver().name()).toBe('wrapped driver');
    restore();
    expect(new Driver().name()).toBe('driver');
    const inherited = wrap(Special.prototype);
    expect([new Special().name(), new Driver().name()]).toEqual(['wrapped driver', 'driver']);
    inherited();
    expect(Object.hasOwn(Special.prototype, 'name')).toBe(false);
  });

  it('stays when another tool has wrapped it since', () => {
    const target = { name: () => 'driver' };
    const restore = wrapMethod(target, 'name', (original) => () => `ours ${original()}`);
    const ours = target.name;
    target.name = () => `theirs ${ours()}`;
    restore();
    expect(target.name()).toBe('theirs ours driver');
  });

  it('must exist', () => {
    expect(() => wrapMethod({}, 'gone', (original) => original)).toThrow(/no method gone/);
    expect(() => wrapMethod(undefined, 'gone', (original) => original)).toThrow(TypeError);
  });
});
