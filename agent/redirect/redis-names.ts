/** What ioredis has in its arguments and answers: text, or bytes. */
export type RedisText = string | Buffer;

const RUN = '{run}';
const RUN_ID = '[A-Za-z0-9_-]{1,64}';

/**
 * Names of keys and channels of shadow work: the configured prefix with the run's id in front of the real name. A hash tag in the real name
 * stays the first one, so that keys which belong to one slot of a cluster still do.
 */
export class RedisNames {
  readonly #template: string;
  /** What stands before the run's id: compared first, because it is cheap. */
  readonly #head: string;
  readonly #shadow: RegExp;

  /** @param template `shadow:{run}:` */
  constructor(template: string) {
    this.#template = template;
    this.#head = template.slice(0, template.indexOf(RUN));
    // the id must be the same wherever it stands
    const [first, ...rest] = template.split(RUN).map(escapeRegExp);
    const tail = rest.map((part, i) => (i === 0 ? `(${RUN_ID})${part}` : `\\1${part}`)).join('');
    this.#shadow = new RegExp(`^${first}${tail}`, 's');
  }

  prefix(runId: string): string {
    return this.#template.replaceAll(RUN, runId);
  }

  /** Whether it is the name of a key of any run. */
  isShadow(name: RedisText): boolean {
    if (typeof name === 'string') return name.startsWith(this.#head) && this.#shadow.test(name);
    // bytes are compared as such: the prefix may be followed by what is no text
    return this.#shadow.test(name.toString('latin1', 0, 512)) || this.#shadow.test(name.toString('utf8', 0, 512));
  }

  /** Whether a pattern of SCAN or KEYS asks for shadow keys by name. */
  asksForShadow(pattern: RedisText): boolean {
    return this.#head !== '' && String(pattern).startsWith(this.#head);
  }
}

export function prefixed(prefix: string, name: RedisText): RedisText {
  return typeof name === 'string' ? prefix + name : Buffer.concat([Buffer.from(prefix), name]);
}

/** The name as the service knows it. What has no prefix stays. */
export function stripped(prefix: string, name: unknown): unknown {
  if (typeof name === 'string') return name.startsWith(prefix) ? name.slice(prefix.length) : name;
  if (!Buffer.isBuffer(name)) return name;
  const bytes = Buffer.from(prefix);
  return name.subarray(0, bytes.length).equals(bytes) ? name.subarray(bytes.length) : name;
}

/** A pattern that fits names below the prefix only. */
export function prefixedPattern(prefix: string, pattern: RedisText): RedisText {
  return prefixed(prefix.replaceAll(/[\\*?[\]]/g, '\\$&'), pattern);
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}
