import { Redis } from 'ioredis';

export interface RedisScan {
  /** Keys under the run's prefix. */
  inside: number;
  /** Keys outside of it that were looked at. */
  outside: number;
  /** False when there were more keys than the limit. */
  complete: boolean;
  /** Keys outside of the prefix that hold the canary in their name or value. */
  found: string[];
}

/** The toolkit's own Redis needs. Errors name the server's address without its password. */
export interface RedisStore {
  ping(): Promise<void>;
  /** Looks at up to `limit` keys. Values are looked at in their first 64 KiB, collections in their first elements. */
  scan(prefix: string, canary: string, limit: number): Promise<RedisScan>;
  /** Removes keys under a prefix; returns how many. @throws RangeError for a prefix that is too short to be a run's own. */
  removePrefix(prefix: string): Promise<number>;
  close(): void;
}

const PAGE = 500;
const MAX_VALUE_BYTES = 64 * 1024;
const MAX_ELEMENTS = 200;

export async function openRedis(url: string): Promise<RedisStore> {
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: 1,
    connectTimeout: 3000,
    commandTimeout: 10_000,
    retryStrategy: (times) => (times > 2 ? null : 200),
  });
  let lastError: Error | undefined;
  redis.on('error', (error) => {
    lastError = error;
  });
  const at = new URL(url).host;
  try {
    await redis.connect();
  } catch (error) {
    redis.disconnect();
    throw new Error(`Redis at ${at} does not answer: ${(lastError ?? (error as Error)).message}`, { cause: error });
  }
  return {
    async ping() {
      await redis.ping();
    },
    async scan(prefix, canary, limit) {
      const result: RedisScan = { inside: 0, outside: 0, complete: true, found: [] };
      // SCAN may return a key twice.
      const seen = new Set<string>();
      for await (const page of pages(redis, undefined)) {
        const others: string[] = [];
        for (const key of page) {
          if (seen.has(key)) continue;
          seen.add(key);
          if (key.startsWith(prefix)) {
            result.inside++;
          } else {
            result.outside++;
            if (key.includes(canary)) result.found.push(key);
            else others.push(key);
          }
        }
        result.found.push(...(await holding(redis, others, canary)));
        if (seen.size >= limit) {
          result.complete = false;
          break;
        }
      }
      return result;
    },
    async removePrefix(prefix) {
      if (prefix.length < 8)
        throw new RangeError(`the prefix ${JSON.stringify(prefix)} is too short to be one run's own`);
      let removed = 0;
      for await (const page of pages(redis, `${prefix.replaceAll(/[\\*?[\]]/g, '\\$&')}*`)) {
        const own = page.filter((key) => key.startsWith(prefix));
        if (own.length > 0) removed += await redis.unlink(...own);
      }
      return removed;
    },
    close: () => redis.disconnect(),
  };
}

async function* pages(redis: Redis, match: string | undefined): AsyncGenerator<string[]> {
  let cursor = '0';
  do {
    const [next, keys] =
      match === undefined
        ? await redis.scan(cursor, 'COUNT', PAGE)
        : await redis.scan(cursor, 'MATCH', match, 'COUNT', PAGE);
    cursor = next;
    yield keys;
  } while (cursor !== '0');
}

/** Those of the keys whose values hold the canary. */
async function holding(redis: Redis, keys: string[], canary: string): Promise<string[]> {
  if (keys.length === 0) return [];
  const types = redis.pipeline();
  for (const key of keys) types.type(key);
  const kinds = (await types.exec()) ?? [];
  const values = redis.pipeline();
  const asked: string[] = [];
  for (const [i, key] of keys.entries()) {
    const kind = kinds[i]?.[1];
    if (kind === 'string') values.getrange(key, 0, MAX_VALUE_BYTES);
    else if (kind === 'hash') values.hscan(key, 0, 'COUNT', MAX_ELEMENTS);
    else if (kind === 'list') values.lrange(key, 0, MAX_ELEMENTS);
    else if (kind === 'set') values.sscan(key, 0, 'COUNT', MAX_ELEMENTS);
    else if (kind === 'zset') values.zrange(key, 0, MAX_ELEMENTS);
    else if (kind === 'stream') values.xrevrange(key, '+', '-', 'COUNT', MAX_ELEMENTS);
    else continue;
    asked.push(key);
  }
  const answers = (await values.exec()) ?? [];
  // A key that has expired or changed its type meanwhile answers with an error or nothing, and holds nothing.
  return asked.filter((_, i) => JSON.stringify(answers[i]?.[1] ?? '').includes(canary));
}
