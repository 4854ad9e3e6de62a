import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FlagVerifier, publicKeyText, readPrivateKey, readPublicKey, signFlag } from './flag.js';

const keys = generateKeyPairSync('ed25519');
const verifier = () => new FlagVerifier([keys.publicKey]);
const text = (alphabet: string, max: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength: max });
const letters = 'ABCXYZabcxyz0189_';

describe('flag', () => {
  it('what is signed is read back, until it expires', () => {
    const flags = fc.record({
      runId: text(`${letters}-`, 64),
      unit: fc.option(text(letters, 32), { nil: undefined }),
      expiresAtMs: fc.integer({ min: 1, max: 99_999_999_999 }).map((s) => s * 1000),
    });
    fc.assert(
      fc.property(flags, (flag) => {
        const one = verifier();
        const token = signFlag(flag, keys.privateKey);
        expect(one.verify(token, flag.expiresAtMs - 1)).toEqual({ ok: true, flag });
        // From the cache as well.
        expect(one.verify(token, flag.expiresAtMs - 1)).toEqual({ ok: true, flag });
        expect(one.verify(token, flag.expiresAtMs)).toEqual({ ok: false, code: 'FLAG_EXPIRED', flag });
      }),
    );
  });

  it('no changed character passes', () => {
    const token = signFlag({ runId: 'run-1', unit: 'u1', expiresAtMs: 2e12 }, keys.privateKey);
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.constantFrom(...'Aa0_-.=~ é'), (at, char) => {
        fc.pre(token[at] !== char);
        const changed = token.slice(0, at) + char + token.slice(at + 1);
        const verdict = verifier().verify(changed, 0);
        // The last character of base64url has two bits that mean nothing.
        if (at === token.length - 1 && verdict.ok) return;
        expect(verdict.ok).toBe(false);
      }),
    );
  });

  it.each([
    ['', 'FLAG_MALFORMED'],
    ['true', 'FLAG_MALFORMED'],
    [`v2.run.-.1.${'A'.repeat(86)}`, 'FLAG_MALFORMED'],
    [`v1.run.-.1.${'A'.repeat(86)}`, 'FLAG_FORGED'],
    ['x'.repeat(100_000), 'FLAG_MALFORMED'],
  ])('%#: refused with %s', (token, code) => {
    expect(verifier().verify(token, 0)).toEqual({ ok: false, code });
  });

  it('a token of another key is forged, and keys rotate', () => {
    const other = generateKeyPairSync('ed25519');
    const token = signFlag({ runId: 'r', unit: undefined, expiresAtMs: 2e12 }, other.privateKey);
    expect(verifier().verify(token, 0)).toEqual({ ok: false, code: 'FLAG_FORGED' });
    expect(new FlagVerifier([keys.publicKey, other.publicKey]).verify(token, 0).ok).toBe(true);
  });

  it('refuses to sign what does not fit, and keys of another kind', () => {
    const bad = { unit: undefined, expiresAtMs: 1e12 };
    expect(() => signFlag({ ...bad, runId: 'a b' }, keys.privateKey)).toThrow(RangeError);
    expect(() => signFlag({ ...bad, runId: 'x'.repeat(65) }, keys.privateKey)).toThrow(RangeError);
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expect(() => readPublicKey(publicKey.export({ format: 'pem', type: 'spki' }) as string)).toThrow(/Ed25519/);
  });

  it('reads keys as PEM and as 32 raw bytes', () => {
    const pem = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
    const raw = publicKeyText(readPrivateKey(pem));
    expect(Buffer.from(raw, 'base64url')).toHaveLength(32);
    expect(publicKeyText(readPublicKey(raw))).toBe(raw);
    expect(publicKeyText(readPublicKey(keys.publicKey.export({ format: 'pem', type: 'spki' }) as string))).toBe(raw);
  });
});
