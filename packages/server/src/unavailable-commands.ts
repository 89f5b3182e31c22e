/**
 * Commands that Redis has and this server does not: a client that uses one is told why, instead of that nobody knows it.
 * They are not in the command table, so COMMAND does not list them.
 */

const TYPES = 'Millrace has streams and strings, no lists, sets, hashes or sorted sets'
const LUA = 'Millrace runs no Lua'
const OTHERS = 'Millrace is one server that has its own data'

const families: readonly (readonly [names: string, reason: string])[] = [
  [
    `blmove blmpop blpop brpop brpoplpush lindex linsert llen lmove lmpop lpop lpos lpush lpushx lrange lrem lset ltrim
     rpop rpoplpush rpush rpushx sort sort_ro`,
    TYPES,
  ],
  [
    `sadd scard sdiff sdiffstore sinter sintercard sinterstore sismember smembers smismember smove spop srandmember srem
     sscan sunion sunionstore`,
    TYPES,
  ],
  [
    `bzmpop bzpopmax bzpopmin zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop
     zmscore zpopmax zpopmin zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex
     zremrangebyrank zremrangebyscore zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore`,
    TYPES,
  ],
  [
    `hdel hexists hexpire hexpireat hexpiretime hget hgetall hgetdel hgetex hincrby hincrbyfloat hkeys hlen hmget hmset
     hpersist hpexpire hpexpireat hpexpiretime hpttl hrandfield hscan hset hsetex hsetnx hstrlen httl hvals`,
    TYPES,
  ],
  ['geoadd geodist geohash geopos georadius georadius_ro georadiusbymember georadiusbymember_ro', TYPES],
  ['geosearch geosearchstore pfadd pfcount pfdebug pfmerge pfselftest', TYPES],
  [
    'bitcount bitfield bitfield_ro bitop bitpos getbit setbit lcs',
    `${TYPES}, and of strings what a key beside a stream needs`,
  ],
  ['fcall fcall_ro', LUA],
  ['migrate restore-asking', OTHERS],
]

const reasons = new Map(
  families.flatMap(([names, reason]) => names.split(/\s+/).map((name): readonly [string, string] => [name, reason])),
)

/** The error line for a name that only Redis knows; undefined for any other. */
export function unavailableLine(name: string): string | undefined {
  const reason = reasons.get(name.toLowerCase())
  return reason === undefined ? undefined : `ERR '${name.toUpperCase()}' is not available: ${reason}`
}
