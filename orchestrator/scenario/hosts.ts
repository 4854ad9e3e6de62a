/** `host:port` that stays on this machine. */
export function isLoopback(hostPort: string): boolean {
  const host = hostPort
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost') || host === '::1') return true;
  return /^127(\.\d{1,3}){3}$/.test(host);
}

const examples: Record<string, string> = {
  'mysql:': 'mysql://user@host:3306/database',
  'postgres:': 'postgres://user@host:5432/database',
};

/**
 * Checks the URL of a store. A password that stands in the file itself is a problem; one that came from the environment is not.
 * Messages never contain the URL.
 */
export function storeUrl(
  text: string,
  protocols: readonly string[],
  isExpanded: boolean,
): { url?: URL; problem?: { cause: string; remedy: string } } {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !protocols.includes(url.protocol) || url.hostname === '') {
    return {
      problem: {
        cause: `it is not a URL of ${protocols.map((one) => `${one}//`).join(' or ')}`,
        remedy: `write it like this: ${examples[protocols[0] ?? ''] ?? 'redis://host:6379'}, or env:NAME`,
      },
    };
  }
  if (![url.username, url.password, url.pathname].every(isEscaped)) {
    return {
      problem: {
        cause: 'a "%" in its user, password or database is not followed by two hexadecimal digits',
        remedy: 'write "%" as %25, and other special characters alike',
      },
    };
  }
  if (url.password !== '' && !isExpanded) {
    return { url, problem: { cause: 'a password stands in the file', remedy: 'keep the URL in a variable: env:NAME' } };
  }
  return { url };
}

function isEscaped(part: string): boolean {
  try {
    decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}
