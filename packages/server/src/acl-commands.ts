/**
 * Every command that an ACL rule can name gets a number; what a selector allows is a byte for each.
 *
 *   0 xadd   1 client   2 client|id   3 client|list   …   n lpush (not ours)   n + 1 commands that come later
 *              └─ children: 2, 3, …
 *
 * Rules come from files that were written for Redis, so the commands of Redis 7.0 that this server lacks have numbers too:
 * `-lpush` is no error, and what a user is told of `+@list` is what Redis would tell.
 */
import { categoriesOf } from './command-categories.ts'
import type { Command } from './command.ts'

export interface AclCommand {
  readonly number: number
  readonly name: string
  readonly categories: ReadonlySet<string>
  readonly children: AclCommand[]
  readonly parent: AclCommand | undefined
  /** Whether this server has it. */
  readonly isOurs: boolean
  /** It came after Redis 7.0: what describes a user best is judged without it, so that it is as Redis 7.0 says it. */
  readonly isNewer: boolean
}

/** Commands of Redis 7.0 that are not here, by their categories. */
const foreignCommands: Readonly<Record<string, string>> = {
  'read string slow': 'lcs',
  'hyperloglog admin slow dangerous': 'pfselftest',
  'keyspace write slow dangerous': 'migrate restore-asking',
  'read bitmap fast': 'bitfield_ro getbit',
  'read bitmap slow': 'bitcount bitpos',
  'read geo slow': 'geodist geohash geopos georadius_ro georadiusbymember_ro geosearch',
  'read hash fast': 'hexists hget hlen hmget hstrlen',
  'read hash slow': 'hgetall hkeys hrandfield hscan hvals',
  'read hyperloglog slow': 'pfcount',
  'read list fast': 'llen',
  'read list slow': 'lindex lpos lrange',
  'read set fast': 'scard sismember smismember',
  'read set slow': 'sdiff sinter sintercard smembers srandmember sscan sunion',
  'read set sortedset list slow dangerous': 'sort_ro',
  'read sortedset fast': 'zcard zcount zlexcount zmscore zrank zrevrank zscore',
  'read sortedset slow':
    'zdiff zinter zintercard zrandmember zrange zrangebylex zrangebyscore zrevrange zrevrangebylex ' +
    'zrevrangebyscore zscan zunion',
  slow: 'function script',
  'slow scripting':
    'eval eval_ro evalsha evalsha_ro fcall fcall_ro function|dump function|help function|kill ' +
    'function|list function|stats script|debug script|exists script|flush script|help script|kill ' +
    'script|load',
  'write bitmap slow': 'bitfield bitop setbit',
  'write geo slow': 'geoadd georadius georadiusbymember geosearchstore',
  'write hash fast': 'hdel hincrby hincrbyfloat hmset hset hsetnx',
  'write hyperloglog admin slow dangerous': 'pfdebug',
  'write hyperloglog fast': 'pfadd',
  'write hyperloglog slow': 'pfmerge',
  'write list fast': 'lpop lpush lpushx rpop rpush rpushx',
  'write list slow': 'linsert lmove lmpop lrem lset ltrim rpoplpush',
  'write list slow blocking': 'blmove blmpop blpop brpop brpoplpush',
  'write set fast': 'sadd smove spop srem',
  'write set slow': 'sdiffstore sinterstore sunionstore',
  'write set sortedset list slow dangerous': 'sort',
  'write slow scripting': 'function|delete function|flush function|load function|restore',
  'write sortedset fast': 'zadd zincrby zpopmax zpopmin zrem',
  'write sortedset fast blocking': 'bzpopmax bzpopmin',
  'write sortedset slow':
    'zdiffstore zinterstore zmpop zrangestore zremrangebylex zremrangebyrank zremrangebyscore zunionstore',
  'write sortedset slow blocking': 'bzmpop',
}

export class AclCommands {
  readonly #byName = new Map<string, AclCommand>()
  readonly #numbers = new Map<Command, number>()

  constructor(commands: Iterable<Command>) {
    for (const command of commands) {
      const parent = this.#add(command.name, categoriesOf(command), undefined, command)
      for (const child of command.subcommands ?? []) this.#add(child.name, categoriesOf(child), parent, child)
    }
    const foreign = Object.entries(foreignCommands).flatMap(([categories, names]) =>
      names.split(' ').map((name) => ({ name, categories: categories.split(' ') })),
    )
    // Containers first: their children look for them.
    foreign.sort((a, b) => Number(a.name.includes('|')) - Number(b.name.includes('|')))
    for (const { name, categories } of foreign) {
      if (this.#byName.has(name)) continue
      const bar = name.indexOf('|')
      this.#add(name, categories, bar < 0 ? undefined : this.#byName.get(name.slice(0, bar)), undefined)
    }
  }

  /** How many there are. */
  get size(): number {
    return this.#byName.size
  }

  get all(): Iterable<AclCommand> {
    return this.#byName.values()
  }

  /** By a name in small letters, of a subcommand with its container. */
  get(name: string): AclCommand | undefined {
    return this.#byName.get(name)
  }

  numberOf(command: Command): number {
    return this.#numbers.get(command)!
  }

  #add(
    name: string,
    categories: readonly string[],
    parent: AclCommand | undefined,
    command: Command | undefined,
  ): AclCommand {
    const number = this.#byName.size
    const isOurs = command !== undefined
    const isNewer = command !== undefined && isAfter70(command.since)
    const added = { number, name, categories: new Set(categories), children: [], parent, isOurs, isNewer }
    this.#byName.set(name, added)
    parent?.children.push(added)
    if (command !== undefined) this.#numbers.set(command, number)
    return added
  }
}

function isAfter70(version: string): boolean {
  const [major, minor] = version.split('.').map(Number)
  return major! > 7 || (major === 7 && minor! > 0)
}
