import { generateKeyPairSync } from 'node:crypto';
import { signFlag } from '@shadowline/agent/flag';
import { request } from 'undici';

export interface NegativeProbe {
  what: string;
  headers: Record<string, string>;
  /** What the entry's agent must answer with 403. */
  code: string;
}

/** Flags that an entry which verifies must refuse. */
export function negativeProbes(options: {
  runId: string;
  header: string;
  member: string;
  /** Signs as the run does. */
  token(lifeMs: number): string;
}): NegativeProbe[] {
  const { privateKey } = generateKeyPairSync('ed25519');
  const forged = signFlag({ runId: options.runId, unit: undefined, expiresAtMs: Date.now() + 30_000 }, privateKey);
  const expired = options.token(-5_000);
  const both = (token: string) => ({ [options.header]: token, baggage: `${options.member}=${token}` });
  return [
    { what: 'a forged flag', headers: both(forged), code: 'FLAG_FORGED' },
    { what: 'an expired flag', headers: both(expired), code: 'FLAG_EXPIRED' },
    {
      what: 'two different flags',
      headers: { [options.header]: forged, baggage: `${options.member}=${expired}` },
      code: 'FLAG_CONFLICT',
    },
  ];
}

/**
 * Sends them to a path that only reads. An entry that lets one through would take anybody's word for what is shadow, or treat shadow
 * traffic as real. Returns the problems.
 */
export async function tryNegative(target: string, path: string, probes: readonly NegativeProbe[]): Promise<string[]> {
  const problems: string[] = [];
  for (const probe of probes) {
    try {
      const { statusCode, body } = await request(new URL(path, target), {
        headers: probe.headers,
        headersTimeout: 10_000,
        bodyTimeout: 10_000,
      });
      const text = (await body.text()).slice(0, 4096);
      const code = codeOf(text);
      if (statusCode !== 403 || code !== probe.code) {
        problems.push(
          `entry ${target}: ${probe.what} was answered ${statusCode}${code === undefined ? '' : ` ${code}`}, not 403 ${probe.code}: the entry does not verify flags. Run it with the agent; see that no proxy in front of it answers or drops the headers.`,
        );
      }
    } catch (error) {
      problems.push(`entry ${target}: ${(error as Error).message}. Is it running, and is \`target\` right?`);
      break;
    }
  }
  return problems;
}

/** The `code` of a problem+json body. */
export function codeOf(text: string): string | undefined {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === 'string' ? code.slice(0, 64) : undefined;
  } catch {
    return undefined;
  }
}
