import { readFileSync, statSync } from 'node:fs';
import { readPrivateKey, readPublicKey } from '@shadowline/agent/flag';

/** Something wrong with a key, in words without the key. */
export class SecretError extends Error {
  readonly remedy: string;

  constructor(cause: string, remedy: string) {
    super(cause);
    this.remedy = remedy;
  }
}

/**
 * Reads a key file that its owner alone may read.
 * @throws SecretError when it is not there, or when its mode lets others read it.
 */
export function readKeyFile(path: string): string {
  try {
    const stats = statSync(path);
    if (!stats.isFile()) throw new SecretError(`${path} is not a file`, 'name the key file itself');
    if (stats.size > 64 * 1024) throw new SecretError(`${path} is too large to be a key`, 'name the key file itself');
    if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
      const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
      throw new SecretError(`${path} has mode ${mode}: others may read this key`, `chmod 0600 ${path}`);
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof SecretError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    throw code === 'ENOENT'
      ? new SecretError(
          `there is no key file ${path}`,
          '`stress keys make --out <file>` makes one; or give the key in a variable: env:SHADOWLINE_KEY',
        )
      : new SecretError(`${path} cannot be read (${code})`, 'check its owner and mode (0600)');
  }
}

/** Environment variables often carry a PEM with `\n` written out. Returns it as it should be. @throws SecretError */
export function checkPrivateKey(pem: string): string {
  const text = pem.includes('\n') ? pem : pem.replaceAll('\\n', '\n');
  try {
    readPrivateKey(text);
  } catch (error) {
    throw new SecretError(`it is not an Ed25519 private key (${safeMessage(error)})`, '`stress keys make` makes one');
  }
  return text;
}

/** @throws SecretError */
export function checkPublicKey(text: string): void {
  try {
    readPublicKey(text);
  } catch (error) {
    throw new SecretError(
      `it is not an Ed25519 public key (${safeMessage(error)})`,
      '`stress keys public <file>` prints one: 43 characters of base64url',
    );
  }
}

/** OpenSSL's messages name functions, not key material; still only their first words are shown. */
function safeMessage(error: unknown): string {
  return (error as Error).message.split('\n')[0]!.slice(0, 80);
}
