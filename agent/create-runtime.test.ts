import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { parseAgentConfig } from './config.js';
import { contextsActive, currentContext, REAL, runWith } from './context.js';
import { createRuntime, type Runtime } from './create-runtime.js';
import type { ShadowRefusedError } from './errors.js';
import { publicKeyText, signFlag } from './flag.js';
import { resolveSettings } from './options.js';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const token = (lifeMs = 60_000) =>
  signFlag({ runId: 'run', unit: undefined, expiresAtMs: Date.now() + lifeMs }, privateKey);
const started: Runtime[] = [];

function make(parts: object = {}, options: object = {}): Runtime {
  const config = parseAgentConfig({ version: 1, flag: { keys: { k: publicKeyText(publicKey) } }, ...parts });
  const runtime = createRuntime({ service: 'test', config, ...options });
  started.push(runtime);
  return runtime;
}

function admitted(runtime: Runtime, kind: 'request' | 'message' = 'request', text = token()) {
  const admission = runtime.admit(text, kind, undefined);
  if (!admission.ok) throw admission.error;
  return admission.context;
}

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as ShadowRefusedError).code;
  }
  return 'none';
}

afterEach(async () => {
  jest.restoreAllMocks();
  for (const runtime of started.splice(0)) {
    runtime.counters.open = 0;
    await runtime.stop();
  }
});

describe('runtime', () => {
  it('is idle until the first admitted flag; a refused one does not arm', () => {
    const runtime = make();
    expect(runtime.admit('junk', 'request', undefined)).toMatchObject({ ok: false, status: 403 });
    expect([runtime.state(), contextsActive()]).toEqual(['idle', false]);
    admitted(runtime);
    expect([runtime.state(), contextsActive()]).toEqual(['armed', true]);
  });

  it('takes an expired message up to the configured age, and no expired request', () => {
    const runtime = make({ kafka: { messageMaxAgeS: 60 } });
    expect(runtime.admit(token(-30_000), 'message', undefined).ok).toBe(true);
    expect(runtime.admit(token(-90_000), 'message', undefined)).toMatchObject({ error: { code: 'FLAG_EXPIRED' } });
    expect(runtime.admit(token(-30_000), 'request', undefined)).toMatchObject({ error: { code: 'FLAG_EXPIRED' } });
    expect(make().admit(token(-30_000), 'message', undefined).ok).toBe(false);
  });

  it('modeOf: ordinary while idle and in REAL, the context in shadow, refused when ended or killed', () => {
    const runtime = make();
    expect(runtime.modeOf('x')).toBeUndefined();
    const context = admitted(runtime);
    const mode = () => runtime.modeOf('insert');
    expect(runWith(REAL, mode)).toBeUndefined();
    expect(runWith(context, mode)).toBe(context);
    runtime.kill('test');
    expect(codeOf(() => runWith(context, mode))).toBe('AGENT_KILLED');
    expect(runWith(REAL, mode)).toBeUndefined();
    runtime.rearm();
    context.ended = true;
    expect(codeOf(() => runWith(context, mode))).toBe('CONTEXT_ENDED');
    expect(runtime.counters).toMatchObject({ open: 0, refused: { AGENT_KILLED: 1, CONTEXT_ENDED: 1 } });
  });

  it.each<['allow' | 'alarm' | 'block', number, string]>([
    ['allow', 0, 'none'],
    ['alarm', 1, 'none'],
    ['block', 1, 'MODE_MISMATCH'],
  ])('work without a context: %s', (unknown, suspects, code) => {
    const runtime = make({ unknown });
    admitted(runtime);
    // A request that was under way when the agent armed.
    expect(codeOf(() => runtime.modeOf('insert'))).toBe('none');
    expect(runtime.counters.suspects).toEqual({});
    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 3_000);
    expect(codeOf(() => runtime.modeOf('insert'))).toBe(code);
    expect(runtime.counters.suspects.UNKNOWN_WRITE ?? 0).toBe(suspects);
    expect(runtime.state()).toBe('armed');
  });

  it('what may have touched something real throws the switch; a forged message does not', () => {
    for (const code of ['TAINTED_WRITE', 'SHADOW_NAME_IN_REAL', 'HOP_UNACKNOWLEDGED', 'UNSEEN_OPERATION'] as const) {
      const runtime = make();
      runtime.suspect(code, 'detail');
      expect(runtime.state()).toBe('killed');
      expect(runtime.admit(token(), 'request', undefined)).toMatchObject({ ok: false, status: 503 });
      expect(contextsActive()).toBe(false);
    }
    const runtime = make();
    runtime.suspect('FORGED_MESSAGE', 'detail');
    expect(runtime.state()).toBe('idle');
  });

  it('a kill keeps contexts on, so that what is in flight is still known as shadow', () => {
    const runtime = make();
    const context = admitted(runtime);
    runtime.kill('test');
    runWith(context, () => expect(currentContext()).toBe(context));
    expect(contextsActive()).toBe(true);
  });

  it('stop keeps what is in flight refused', async () => {
    const runtime = make();
    const context = admitted(runtime);
    await runtime.stop();
    expect(codeOf(() => runWith(context, () => runtime.modeOf('insert')))).toBe('AGENT_KILLED');
  });

  it('a problem refuses what is flagged with 503', () => {
    const runtime = make();
    runtime.addProblem('mysql2 is not instrumented');
    expect(runtime.admit(token(), 'request', undefined)).toMatchObject({
      status: 503,
      error: { code: 'AGENT_NOT_READY' },
    });
    const without = createRuntime(resolveSettings({}, {}));
    expect(without.admit(token(), 'request', undefined)).toMatchObject({ status: 503 });
    expect(without.configVersion).toBe('none');
  });

  it('permitted reaches as far as its call', () => {
    const runtime = make();
    expect(runtime.permitted(() => runtime.permitted(() => runtime.isPermitted) && runtime.isPermitted)).toBe(true);
    expect(
      codeOf(() =>
        runtime.permitted(() => {
          throw runtime.refuse('SQL_REFUSED', 'x');
        }),
      ),
    ).toBe('SQL_REFUSED');
    expect(runtime.isPermitted).toBe(false);
  });

  it('the kill file is looked at when arming', () => {
    const dir = mkdtempSync(join(tmpdir(), 'shadowline-kill-'));
    const killFile = join(dir, 'kill');
    writeFileSync(killFile, '');
    const runtime = make({}, { killFile });
    expect(runtime.admit(token(), 'request', undefined)).toMatchObject({
      status: 503,
      error: { code: 'AGENT_KILLED' },
    });
    expect(runtime.rearm()).toBe(false);
    rmSync(dir, { recursive: true });
    expect(existsSync(killFile)).toBe(false);
    expect(runtime.rearm()).toBe(true);
    expect(runtime.admit(token(), 'request', undefined).ok).toBe(true);
  });
});
