import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { RefusalCode } from './errors.js';

/**
 * The shadow flag, token version 1 (docs/formats/flag.md): `v1.<runId>.<unit or ->.<expiry, unix s>.<signature>`. The signature is Ed25519
 * over everything before the last dot, base64url. Agents hold public keys only.
 */
export interface Flag {
  readonly runId: string;
  /** Unit of a unitized architecture; undefined for `-`. */
  readonly unit: string | undefined;
  /** Milliseconds since the epoch; the token carries seconds. */
  readonly expiresAtMs: number;
}

export type FlagVerdict =
  | { ok: true; flag: Flag }
  /** `flag` is there when the signature is valid and only the time has passed: messages outlive requests. */
  | { ok: false; code: Extract<RefusalCode, 'FLAG_MALFORMED' | 'FLAG_FORGED' | 'FLAG_EXPIRED'>; flag?: Flag };

const TOKEN = /^v1\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_]{1,32}|-)\.(\d{1,12})\.([A-Za-z0-9_-]{86})$/;
/** A valid token is at most 4 + 64 + 1 + 32 + 1 + 12 + 1 + 86 characters. Anything longer is not looked at. */
const MAX_TOKEN_LENGTH = 201;
const MAX_CACHED = 1024;

/**
 * Signs a flag. `expiresAtMs` is rounded down to a second.
 * @throws RangeError when the run id or the unit has characters that do not fit the token.
 */
export function signFlag(flag: Flag, privateKey: KeyObject): string {
  const text = `v1.${flag.runId}.${flag.unit ?? '-'}.${Math.floor(flag.expiresAtMs / 1000)}`;
  const token = `${text}.${sign(null, Buffer.from(text), privateKey).toString('base64url')}`;
  if (!TOKEN.test(token)) {
    throw new RangeError(
      `run id ${JSON.stringify(flag.runId)} or unit ${JSON.stringify(flag.unit)} does not fit a flag: run id [A-Za-z0-9_-]{1,64}, unit [A-Za-z0-9_]{1,32}`,
    );
  }
  return token;
}

/** Reads a public key: PEM (SPKI) or the 32 raw bytes in base64url. Throws TypeError when it is not Ed25519. */
export function readPublicKey(text: string): KeyObject {
  const trimmed = text.trim();
  const key = trimmed.startsWith('-----')
    ? createPublicKey(trimmed)
    : createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: trimmed }, format: 'jwk' });
  if (key.asymmetricKeyType !== 'ed25519')
    throw new TypeError(`a flag key is Ed25519, this one is ${key.asymmetricKeyType}`);
  return key;
}

/** Reads a private key: PEM (PKCS #8). Throws TypeError when it is not Ed25519. */
export function readPrivateKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519')
    throw new TypeError(`a flag key is Ed25519, this one is ${key.asymmetricKeyType}`);
  return key;
}

/** The 32 raw bytes of a public key in base64url: what stands in an agent's configuration. */
export function publicKeyText(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'jwk' }).x as string;
}

/**
 * Verifies tokens against a set of public keys. One run shares one token for its lifetime, so a verified token is a map
 * look-up; refused tokens are not cached (a flood of forged ones must not push out the good one).
 */
export class FlagVerifier {
  readonly #keys: KeyObject[];
  readonly #verified = new Map<string, Flag>();

  constructor(publicKeys: Iterable<KeyObject>) {
    this.#keys = [...publicKeys];
  }

  verify(token: string, nowMs: number): FlagVerdict {
    const cached = this.#verified.get(token);
    if (cached !== undefined) {
      return cached.expiresAtMs > nowMs
        ? { ok: true, flag: cached }
        : { ok: false, code: 'FLAG_EXPIRED', flag: cached };
    }
    const parts = token.length <= MAX_TOKEN_LENGTH ? TOKEN.exec(token) : null;
    if (parts === null) return { ok: false, code: 'FLAG_MALFORMED' };
    const text = Buffer.from(token.slice(0, token.lastIndexOf('.')));
    const signature = Buffer.from(parts[4]!, 'base64url');
    if (!this.#keys.some((key) => verify(null, text, key, signature))) return { ok: false, code: 'FLAG_FORGED' };
    const flag: Flag = {
      runId: parts[1]!,
      unit: parts[2] === '-' ? undefined : parts[2],
      expiresAtMs: Number(parts[3]) * 1000,
    };
    if (this.#verified.size >= MAX_CACHED) this.#verified.delete(this.#verified.keys().next().value!);
    this.#verified.set(token, flag);
    return flag.expiresAtMs > nowMs ? { ok: true, flag } : { ok: false, code: 'FLAG_EXPIRED', flag };
  }
}
