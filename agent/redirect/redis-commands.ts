/**
 * What becomes of a command in shadow. What is not in the table is refused: a command that is not known may touch anything.
 *
 * | rule    | keys                  | life of the key                              | examples               |
 * |---------|-----------------------|----------------------------------------------|------------------------|
 * | read    | prefixed              | –                                            | GET, ZRANGE, XREAD     |
 * | shrink  | prefixed              | keys are not created, or keep their life     | DEL, LPOP, RENAME      |
 * | set     | prefixed              | SET: the expiry among the options is capped  | SET                    |
 * | expiry  | prefixed              | the expiry among the arguments is capped     | SETEX, EXPIRE, GETEX   |
 * | grow    | prefixed              | every key is capped afterwards               | INCR, HSET, XADD       |
 * | store   | prefixed              | the destination, first of the keys, is capped| ZUNIONSTORE, BITOP     |
 * | scan    | pattern prefixed      | –                                            | SCAN                   |
 * | keys    | pattern prefixed      | –                                            | KEYS                   |
 * | publish | channel prefixed      | –                                            | PUBLISH                |
 * | pass    | there are none        | –                                            | PING, MULTI in a pipeline |
 * | refuse  |                       |                                              | EVAL, SUBSCRIBE, BLPOP |
 */
export type RedisRuleKind =
  | 'read'
  | 'shrink'
  | 'set'
  | 'expiry'
  | 'grow'
  | 'store'
  | 'scan'
  | 'keys'
  | 'publish'
  | 'pass'
  | 'refuse';

export interface RedisRule {
  readonly kind: RedisRuleKind;
  /** It changes what the server holds, or sends a message: what the policy for unknown contexts is about. */
  readonly write: boolean;
  /** Why it is refused. */
  readonly reason?: string;
  /** Words that make it refused, wherever they stand behind the first key. */
  readonly without?: readonly string[];
  /** Subcommands that are allowed; their key is the second argument, if they have one. */
  readonly only?: readonly string[];
  /** The answer names keys: which shape it has. */
  readonly names?: 'popped' | 'streams';
}

const rules = new Map<string, RedisRule>();

function add(kind: RedisRuleKind, write: boolean, names: string, more: Omit<RedisRule, 'kind' | 'write'> = {}): void {
  for (const name of names.trim().split(/\s+/)) rules.set(name, { kind, write, ...more });
}

add(
  'read',
  false,
  `get getrange substr strlen mget getbit bitcount bitpos bitfield_ro lcs exists type ttl pttl expiretime pexpiretime touch dump
  hget hmget hgetall hexists hkeys hvals hlen hstrlen hrandfield hscan httl hpttl hexpiretime hpexpiretime
  lindex llen lpos lrange scard sismember smismember smembers srandmember sscan sdiff sinter sintercard sunion
  zcard zcount zdiff zinter zintercard zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore zrank zrevrange zrevrangebylex
  zrevrangebyscore zrevrank zscan zscore zunion geodist geohash geopos geosearch georadius_ro georadiusbymember_ro
  pfcount xlen xrange xrevrange xpending`,
);
add('read', false, 'sort_ro', { without: ['BY', 'GET'] });
add('read', true, 'sort', { without: ['BY', 'GET', 'STORE'] });
add('read', true, 'georadius georadiusbymember', { without: ['STORE', 'STOREDIST'] });
add('read', false, 'xread', { without: ['BLOCK'], names: 'streams' });
add('read', true, 'xreadgroup', { without: ['BLOCK'], names: 'streams' });
add('read', false, 'object', { only: ['ENCODING', 'FREQ', 'IDLETIME', 'REFCOUNT'] });
add('read', false, 'memory', { only: ['USAGE'] });
add('read', false, 'xinfo', { only: ['STREAM', 'GROUPS', 'CONSUMERS'] });

add(
  'shrink',
  true,
  `del unlink getdel rename renamenx hdel lpop rpop lrem lset ltrim lpushx rpushx linsert srem spop zrem zremrangebylex
  zremrangebyrank zremrangebyscore zpopmin zpopmax xack xdel xtrim xclaim xautoclaim`,
);
add('shrink', true, 'copy', { without: ['DB'] });
add('shrink', true, 'lmpop zmpop', { names: 'popped' });

add('set', true, 'set');
add('expiry', true, 'setex psetex expire pexpire expireat pexpireat');
add('expiry', true, 'getex', { without: ['PERSIST'] });

add(
  'grow',
  true,
  `append getset setnx setrange setbit bitfield incr incrby incrbyfloat decr decrby mset msetnx
  hset hmset hsetnx hincrby hincrbyfloat lpush rpush lmove rpoplpush sadd smove zadd zincrby geoadd pfadd xadd xsetid`,
);
add('grow', true, 'xgroup', { only: ['CREATE', 'CREATECONSUMER', 'DELCONSUMER', 'DESTROY', 'SETID'] });
add(
  'store',
  true,
  `bitop pfmerge sdiffstore sinterstore sunionstore zdiffstore zinterstore zunionstore zrangestore geosearchstore`,
);

add('scan', false, 'scan');
add('keys', false, 'keys');
add('publish', true, 'publish spublish');
add('pass', false, 'ping echo time info role asking quit');
add('pass', false, 'cluster', { only: ['SLOTS', 'SHARDS', 'NODES', 'INFO', 'KEYSLOT', 'MYID'] });
// only inside a pipeline, where nothing of others comes between
add('pass', false, 'multi exec discard');

add('refuse', true, 'eval evalsha fcall', { reason: 'a script may touch keys that it does not name' });
add('refuse', false, 'eval_ro evalsha_ro fcall_ro script function', {
  reason: 'a script may read keys that it does not name',
});
add('refuse', false, 'subscribe psubscribe ssubscribe unsubscribe punsubscribe sunsubscribe pubsub monitor', {
  reason: 'a subscription belongs to the connection, which ordinary work shares',
});
add('refuse', true, 'blpop brpop brpoplpush blmove blmpop bzpopmin bzpopmax bzmpop', {
  reason: 'it blocks the connection, which ordinary work shares',
});
add('refuse', false, 'wait waitaof', { reason: 'it blocks the connection, which ordinary work shares' });
add('refuse', false, 'watch unwatch select auth hello reset readonly readwrite client', {
  reason: 'it changes the connection, which ordinary work shares',
});
add('refuse', true, 'persist', { reason: 'a shadow key lives no longer than maxTtl' });
add('refuse', true, 'restore restore-asking migrate move swapdb flushall flushdb pfdebug', {
  reason: 'it reaches beyond the keys that it names',
});
add('refuse', false, 'randomkey dbsize', { reason: 'it looks at the keys of ordinary work' });
add(
  'refuse',
  false,
  `acl bgrewriteaof bgsave command config debug failover lastsave latency lolwut module pfselftest psync replconf
  replicaof save sentinel shutdown slaveof slowlog sync`,
  { reason: 'it is a command to the server' },
);

/** Newer or from a module: refused in shadow, and as good as a write where nobody knows better. */
const UNKNOWN: RedisRule = { kind: 'refuse', write: true, reason: 'it is not known to this version of the agent' };

/** @param name in any case */
export function redisRule(name: string): RedisRule {
  return rules.get(name) ?? rules.get(name.toLowerCase()) ?? UNKNOWN;
}

/** Names with a rule, for the tests. */
export function ruledCommands(): string[] {
  return [...rules.keys()];
}
