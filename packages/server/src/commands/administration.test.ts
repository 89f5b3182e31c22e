/** The commands of administration: beside redis-server where a reply can be the same, by themselves where it is ours. */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from '../config.ts'
import { encode, encodeAll, Wire } from '../differential-wire.ts'
import { Plug } from '../security/plug.ts'
import { HandClock } from '../testing/hand-clock.ts'
import { Site } from '../testing/site.ts'

/** One request a line; `""` is the empty word. */
const sameAsRedis = `
CONFIG SET foo 1
CONFIG SET databases 3
CONFIG SET maxmemory x
CONFIG SET maxmemory 1zb
CONFIG SET maxmemory -1
CONFIG SET maxmemory 100%
CONFIG SET timeout x
CONFIG SET timeout -1
CONFIG SET timeout 99999999999999999999
CONFIG SET appendonly maybe
CONFIG SET maxmemory-policy x
CONFIG SET timeout 1 timeout 2
CONFIG SET timeout
CONFIG SET timeout 1 foo 2
CONFIG SET timeout 1 timeout
CONFIG SET notify-keyspace-events Q
CONFIG SET client-output-buffer-limit foo
CONFIG SET maxclients 0
CONFIG SET save x
CONFIG SET save ""
CONFIG SET slowlog-log-slower-than -5
CONFIG SET slowlog-max-len -1
CONFIG SET acl-pubsub-default x
CONFIG SET maxmemory 1gb timeout abc
CONFIG GET maxmemory
CONFIG SET acllog-max-len -1
CONFIG SET maxmemory 1gb
CONFIG GET maxmemory
CONFIG SET maxmemory 0
CONFIG SET TIMEOUT 0
CONFIG GET timeou?
CONFIG GET nope
CONFIG GET TIMEOUT timeout
CONFIG SET notify-keyspace-events Kg$t
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events KEA
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events ""
CONFIG
CONFIG GET
CONFIG FOO
CONFIG HELP
CONFIG REWRITE
CONFIG RESETSTAT
COMMAND FOO
COMMAND INFO xadd nope xreadgroup get memory|usage
COMMAND DOCS nope
COMMAND GETKEYS get a
COMMAND GETKEYS nope a
COMMAND GETKEYS ping a
COMMAND GETKEYSANDFLAGS set a b
COMMAND GETKEYSANDFLAGS set a b get
COMMAND GETKEYSANDFLAGS xread streams a b 0 0
COMMAND GETKEYSANDFLAGS xreadgroup group g c streams a b > >
COMMAND GETKEYSANDFLAGS mset a b c d
COMMAND GETKEYSANDFLAGS copy a b
COMMAND GETKEYS xread foo a b
COMMAND GETKEYS xread streams a
COMMAND GETKEYS xread count 1 streams a
COMMAND GETKEYS client list
COMMAND GETKEYS spublish a b
COMMAND GETKEYS client foo
COMMAND COUNT x
COMMAND LIST FILTERBY MODULE x
COMMAND LIST FILTERBY FOO x
COMMAND LIST FOO
COMMAND LIST FILTERBY PATTERN xl*
COMMAND HELP
SLOWLOG GET x
SLOWLOG GET -2
SLOWLOG GET -1 x
SLOWLOG LEN x
SLOWLOG RESET
SLOWLOG HELP
LATENCY LATEST
LATENCY HISTORY command
LATENCY RESET x command
LATENCY GRAPH nope
LATENCY HISTOGRAM nope
LATENCY HELP
CLIENT LIST TYPE foo
CLIENT LIST ID
CLIENT LIST ID x
CLIENT LIST ID 99999
CLIENT LIST FOO
CLIENT LIST TYPE master
CLIENT KILL x
CLIENT KILL ID x
CLIENT KILL ID 99999
CLIENT KILL ID 0
CLIENT KILL TYPE foo
CLIENT KILL FOO x
CLIENT KILL USER nope
CLIENT KILL SKIPME x
CLIENT KILL ADDR 1.1.1.1:1
CLIENT KILL ID 1 TYPE
CLIENT SETNAME abc
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT UNBLOCK x
CLIENT UNBLOCK 99999
CLIENT UNBLOCK 1 FOO
CLIENT REPLY x
CLIENT REPLY ON
CLIENT PAUSE x
CLIENT PAUSE -1
CLIENT PAUSE 1 FOO
CLIENT PAUSE 99999999999999999999
CLIENT PAUSE 0
CLIENT UNPAUSE
CLIENT NO-EVICT x
CLIENT NO-EVICT on
CLIENT TRACKINGINFO
CLIENT GETREDIR
CLIENT TRACKING off
CLIENT CACHING yes
CLIENT ID x
CLIENT
CLIENT FOO
ROLE
WAIT 0 0
WAIT 1 10
WAIT x 1
WAIT 1 -1
WAIT 1 x
SHUTDOWN x
SHUTDOWN NOSAVE SAVE
SHUTDOWN ABORT
SHUTDOWN ABORT NOW
MODULE LIST
MODULE LOAD x
MODULE HELP
CLUSTER INFO
CLUSTER SLOTS
CLUSTER FOO
REPLICAOF NO ONE
FAILOVER
SENTINEL MASTERS
READONLY
DEBUG SLEEP 0
INFO foo
BGSAVE x
ACL CAT foo
ACL CAT
ACL CAT READ x
ACL GENPASS 0
ACL GENPASS 5000
ACL GENPASS x
ACL SAVE
ACL LOG RESET
ACL LOG x
ACL LOG -1
ACL LOG 1 2
ACL LOG
ACL HELP
ACL WHOAMI
ACL LIST
ACL GETUSER default
ACL GETUSER nope
ACL DELUSER default
ACL DRYRUN default get x
ACL DRYRUN nope get x
ACL DRYRUN default foo x
ACL DRYRUN default get
`
  .trim()
  .split('\n')

describe('beside redis-server', () => {
  let site: Site
  let redis: RedisServer
  beforeAll(async () => {
    site = await Site.start()
    redis = await startRedis()
  })
  afterAll(async () => {
    await site.close()
    await redis.stop()
  })

  it.each([2, 3] as const)('answers the same bytes in RESP%d', async (protocol) => {
    const [ours, theirs] = [await site.client(protocol), await Wire.connect(redis.port)]
    await theirs.ask('HELLO', String(protocol))
    for (const line of sameAsRedis) {
      const args = line.split(' ').map((word) => (word === '""' ? '' : word))
      expect(`${line}: ${await ours.ask(...args)}`).toBe(`${line}: ${await theirs.ask(...args)}`)
    }
    theirs.destroy()
  })

  it('tells what COMMAND INFO tells of each command that both have', async () => {
    const [ours, theirs] = [await site.client(), await Wire.connect(redis.port)]
    for (const { command } of site.server.state.commands.entries()) {
      const reference = await theirs.ask('COMMAND', 'INFO', command.name)
      // Subcommands come in the order of a hash table: each is asked for by itself.
      if (command.subcommands !== undefined || reference === '*1\r\n$-1\r\n') continue
      expect(await ours.ask('COMMAND', 'INFO', command.name)).toBe(reference)
    }
    theirs.destroy()
  })
})

describe('of our own', () => {
  let site: Site
  let clock: HandClock
  let wire: Wire
  beforeEach(async () => {
    clock = new HandClock()
    site = await Site.start({ env: clock })
    wire = await site.client()
  })
  afterEach(async () => await site.close())

  it('tells an even list of parameters', async () => {
    const reply = await wire.ask('CONFIG', 'GET', '*')
    expect(Number(/^\*(\d+)/.exec(reply)![1]) % 2).toBe(0)
    expect(reply).toContain(`$4\r\nport\r\n$${String(site.server.port).length}\r\n${site.server.port}\r\n`)
  })

  it('takes only what it can do of a feature that is not here, and says why', async () => {
    expect(await wire.ask('CONFIG', 'SET', 'appendonly', 'no', 'save', '')).toBe('+OK\r\n')
    expect(await wire.ask('CONFIG', 'SET', 'appendonly', 'yes')).toMatch(
      /^-ERR CONFIG SET failed .*in memory only, as long as it has no directory \(dir\)\r\n$/,
    )
    expect(await wire.ask('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')).toMatch(/nothing is ever evicted here/)
    expect(await wire.ask('CONFIG', 'SET', 'dir', '/tmp')).toMatch(/can't set immutable config/)
  })

  it('lets what CONFIG SET changes hold at once', async () => {
    await wire.ask('CONFIG', 'SET', 'stream-node-max-entries', '2')
    for (let i = 0; i < 5; i++) await wire.ask('XADD', 's', '*', 'a', 'b')
    expect(await wire.ask('XTRIM', 's', 'MAXLEN', '~', '1')).toBe(':4\r\n')
    await wire.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1mb 0 0')
    expect(site.server.state.settings.outputBytesMax).toBe(1_048_576)
    await wire.ask('CONFIG', 'SET', 'requirepass', 'pw')
    const other = await site.client()
    expect(await other.ask('PING')).toBe('-NOAUTH Authentication required.\r\n')
    expect(await other.ask('AUTH', 'pw')).toBe('+OK\r\n')
    expect(await wire.ask('CONFIG', 'SET', 'requirepass', '')).toBe('+OK\r\n')
    expect(await (await site.client()).ask('PING')).toBe('+PONG\r\n')
  })

  it('tells its clients, by type and by ID, and itself', async () => {
    const reader = await site.client()
    await reader.ask('CLIENT', 'SETNAME', 'reader')
    await reader.ask('SUBSCRIBE', 'news')
    const line = await wire.ask('CLIENT', 'LIST', 'TYPE', 'pubsub')
    expect(line).toMatch(
      /^\$\d+\r\nid=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ fd=-?\d+ name=reader age=0 idle=0 flags=P db=0 sub=1 psub=0 ssub=0 multi=-1 /,
    )
    expect(line).toContain(' cmd=subscribe user=default redir=-1 resp=2 ')
    expect(await wire.ask('CLIENT', 'SETINFO', 'LIB-NAME', 'x')).toBe('+OK\r\n')
    expect(await wire.ask('CLIENT', 'SETINFO', 'LIB-VER', '1 2')).toMatch(/^-ERR lib-ver cannot contain spaces/)
    expect(await wire.ask('CLIENT', 'INFO')).toMatch(/ flags=N .* cmd=client\|info .* lib-name=x lib-ver=\n\r\n$/)
  })

  it('ends clients by filter, itself only when it is told to', async () => {
    const other = await site.client()
    expect(await wire.ask('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(':1\r\n')
    await other.closed()
    expect(await wire.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no')).toBe(':1\r\n')
    await wire.closed()
  })

  it('lets paused clients wait, writers only if so told, and go on', async () => {
    const other = await site.client()
    await wire.ask('CLIENT', 'PAUSE', '100000', 'WRITE')
    expect(await other.ask('GET', 'k')).toBe('$-1\r\n')
    other.send(encode(['SET', 'k', 'v']))
    expect(await wire.ask('GET', 'k')).toBe('$-1\r\n')
    expect(await wire.ask('CLIENT', 'UNPAUSE')).toBe('+OK\r\n')
    expect(await other.take(1)).toEqual(['+OK\r\n'])
  })

  it('ends a wait with CLIENT UNBLOCK, as a timeout or with an error', async () => {
    const other = await site.client()
    const id = /:(\d+)/.exec(await other.ask('CLIENT', 'ID'))![1]!
    const state = site.server.state
    for (const [how, reply] of [
      ['TIMEOUT', '*-1\r\n'],
      ['ERROR', '-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n'],
    ] as const) {
      other.send(encode(['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']))
      await expect.poll(() => state.blockedClients.size).toBe(1)
      expect(await wire.ask('INFO', 'clients')).toMatch(/blocked_clients:1\r\n[^]*total_blocking_keys:1\r\n/)
      expect(await wire.ask('CLIENT', 'UNBLOCK', id, how)).toBe(':1\r\n')
      expect(await other.take(1)).toEqual([reply])
    }
  })

  it('answers nothing with CLIENT REPLY OFF, and skips one with SKIP', async () => {
    wire.send(
      Buffer.concat(
        [
          ['CLIENT', 'REPLY', 'SKIP'],
          ['ECHO', 'a'],
          ['ECHO', 'b'],
        ].map((args) => encode(args)),
      ),
    )
    expect(await wire.take(1)).toEqual(['$1\r\nb\r\n'])
    wire.send(
      Buffer.concat(
        [
          ['CLIENT', 'REPLY', 'OFF'],
          ['ECHO', 'a'],
          ['CLIENT', 'REPLY', 'ON'],
        ].map((args) => encode(args)),
      ),
    )
    expect(await wire.take(1)).toEqual(['+OK\r\n'])
  })

  it('skips one with SKIP also when that has to wait', async () => {
    const other = await site.client()
    wire.send(encodeAll([['CLIENT', 'REPLY', 'SKIP'], 'XREAD BLOCK 0 STREAMS s $'.split(' '), ['ECHO', 'b']]))
    await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
    await other.ask('XADD', 's', '1-1', 'f', 'v')
    expect(await wire.take(1)).toEqual(['$1\r\nb\r\n'])
    await other.ask('CLIENT', 'PAUSE', '100000', 'WRITE')
    wire.send(
      encodeAll([
        ['CLIENT', 'REPLY', 'SKIP'],
        ['SET', 'a', '1'],
        ['ECHO', 'c'],
      ]),
    )
    await expect.poll(() => [...site.server.state.clients.values()].some((client) => client.held)).toBe(true)
    await other.ask('CLIENT', 'UNPAUSE')
    expect(await wire.take(1)).toEqual(['$1\r\nc\r\n'])
    expect(await wire.ask('GET', 'a')).toBe('$1\r\n1\r\n')
  })

  it('tells messages whatever CLIENT REPLY says, those of its own commands as well, but no QUEUED', async () => {
    await wire.ask('HELLO', '3')
    wire.send(
      encodeAll([
        ['CLIENT', 'REPLY', 'OFF'],
        ['SUBSCRIBE', 'news'],
        ['PUBLISH', 'news', 'one'],
        ['SUBSCRIBE'],
        ['MULTI'],
        ['SUBSCRIBE', 'more'],
        ['DISCARD'],
        ['CLIENT', 'REPLY', 'ON'],
        ['CLIENT', 'REPLY', 'SKIP'],
        ['PUBLISH', 'news', 'two'],
        ['PING'],
      ]),
    )
    expect(await wire.take(5)).toEqual([
      '>3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n',
      '>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\none\r\n',
      '+OK\r\n',
      '>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$3\r\ntwo\r\n',
      '+PONG\r\n',
    ])
  })

  it('runs what a pause has held behind the transaction that ends it', async () => {
    const other = await site.client()
    await wire.ask('CLIENT', 'PAUSE', '100000', 'WRITE')
    other.send(encode(['SET', 'a', 'in between']))
    await expect.poll(() => [...site.server.state.clients.values()].some((client) => client.held)).toBe(true)
    wire.send(encodeAll([['MULTI'], ['GET', 'a'], ['CLIENT', 'UNPAUSE'], ['GET', 'a'], ['EXEC']]))
    expect((await wire.take(5))[4]).toBe('*3\r\n$-1\r\n+OK\r\n$-1\r\n')
    expect(await other.take(1)).toEqual(['+OK\r\n'])
  })

  it('lets messages and scripts wait in a pause of writes, also in a transaction, but no scripts that only read', async () => {
    const others = await Promise.all([1, 2, 3].map(async () => await site.client()))
    await others[2]!.ask('MULTI')
    await others[2]!.ask('PUBLISH', 'news', 'a')
    await wire.ask('CLIENT', 'PAUSE', '100000', 'WRITE')
    expect(await wire.ask('EVAL_RO', 'return 1', '0')).toMatch(/^-ERR This server runs no Lua/)
    others[0]!.send(encode(['PUBLISH', 'news', 'a']))
    others[1]!.send(encode(['EVAL', 'return 1', '0']))
    others[2]!.send(encode(['EXEC']))
    await expect.poll(() => [...site.server.state.clients.values()].filter((client) => client.held).length).toBe(3)
    await wire.ask('CLIENT', 'UNPAUSE')
    expect(await others[0]!.take(1)).toEqual([':0\r\n'])
    expect((await others[1]!.take(1))[0]).toMatch(/^-ERR This server runs no Lua/)
    expect(await others[2]!.take(1)).toEqual(['*1\r\n:0\r\n'])
  })

  it('shows monitors what is run, without passwords and administration', async () => {
    const monitor = await site.client()
    expect(await monitor.ask('MONITOR')).toBe('+OK\r\n')
    await wire.ask('SET', 'a b"\n\0', 'x')
    await wire.ask('AUTH', 'default', 'secret')
    await wire.ask('CONFIG', 'GET', 'port')
    await wire.ask('NOPE')
    await wire.ask('MULTI')
    await wire.ask('GET', 'k')
    await wire.ask('EXEC')
    const lines = (await monitor.take(5)).map((line) => line.replace(/^\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] /, ''))
    expect(lines).toEqual([
      '"SET" "a b\\"\\n\\x00" "x"\r\n',
      '"AUTH" "(redacted)" "(redacted)"\r\n',
      '"MULTI"\r\n',
      '"GET" "k"\r\n',
      '"EXEC"\r\n',
    ])
    monitor.destroy()
    await expect.poll(() => site.server.state.monitors.size).toBe(0)
  })

  it('closes a monitor that does not read', async () => {
    await site.close()
    site = await Site.start({ settings: { outputBytesMax: 4_000_000 } })
    wire = await site.client()
    const silent = await site.silent()
    silent.write('MONITOR\r\n')
    const { monitors } = site.server.state
    await expect.poll(() => monitors.size).toBe(1)
    // More than the sockets' buffers hold.
    for (let i = 0; i < 400 && monitors.size > 0; i++) await wire.ask('SET', 'k', 'v'.repeat(100_000))
    await expect.poll(() => monitors.size).toBe(0)
    expect(await wire.ask('PING')).toBe('+PONG\r\n')
  })

  it('debugs only when it was started so', async () => {
    expect(await wire.ask('DEBUG', 'SLEEP', '0')).toMatch(/^-ERR DEBUG command not allowed/)
    await site.close()
    site = await Site.start({ env: clock, config: { 'enable-debug-command': 'yes' } })
    wire = await site.client()
    wire.send(encode(['DEBUG', 'SLEEP', '0.5']))
    await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
    expect(await (await site.client()).ask('PING')).toBe('+PONG\r\n')
    clock.advance(500)
    expect(await wire.take(1)).toEqual(['+OK\r\n'])
    expect(await wire.ask('DEBUG', 'ERROR', 'OOPS now')).toBe('-OOPS now\r\n')
  })

  it('debugs for clients of this machine alone when it was started so', async () => {
    await site.close()
    site = await Site.start({ env: clock, config: { 'enable-debug-command': 'local' } })
    expect(await (await site.client()).ask('DEBUG', 'SLEEP', '0')).toBe('+OK\r\n')
    const plug = await Plug.into(site.server.state, '10.1.2.3')
    plug.put('DEBUG SLEEP 0\r\n')
    expect(plug.frames()).toEqual([expect.stringMatching(/^-ERR DEBUG command not allowed/)])
  })

  it('holds requests to the limits that the configuration names', async () => {
    await site.close()
    const limits = { 'proto-max-bulk-len': '1mb', 'client-query-buffer-limit': '2mb' }
    site = await Site.start({ env: clock, config: limits })
    wire = await site.client()
    expect(await wire.ask('CONFIG', 'GET', 'proto-max-bulk-len')).toContain('\r\n1048576\r\n')
    const mib = 'v'.repeat(1_048_576)
    expect(await wire.ask('SET', 'k', mib)).toBe('+OK\r\n')
    expect(await wire.ask('APPEND', 'k', 'v')).toMatch(/exceeds maximum allowed size/)
    const [large, long] = [await site.client(), await site.client()]
    expect(await large.ask('SET', 'k', `${mib}v`)).toBe('-ERR Protocol error: invalid bulk length\r\n')
    expect(await long.ask('MSET', 'a', mib, 'b', mib)).toMatch(/^-ERR Protocol error/)
  })

  it('does not start with a parameter that would be told and have no effect', async () => {
    for (const config of [{ requirepass: 'pw' }, { 'cluster-enabled': 'yes' }, { 'protected-mode': 'no' }]) {
      await expect(Site.start({ config }), JSON.stringify(config)).rejects.toThrow(ConfigError)
    }
  })

  it('logs slow commands, shortened and without passwords', async () => {
    await wire.ask('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
    await wire.ask('SET', 'k', 'v'.repeat(200))
    await wire.ask('DEL', ...Array.from({ length: 40 }, (_, i) => `k${i}`))
    await wire.ask('ACL', 'SETUSER', 'u', '>pw')
    const log = await wire.ask('SLOWLOG', 'GET')
    expect(log).toContain(`${'v'.repeat(128)}... (72 more bytes)\r\n`)
    expect(log).toContain('$3\r\nk29\r\n$23\r\n... (10 more arguments)\r\n')
    expect(log).toContain('$7\r\nSETUSER\r\n$10\r\n(redacted)\r\n$10\r\n(redacted)\r\n')
    await wire.ask('CONFIG', 'SET', 'slowlog-max-len', '1')
    await wire.ask('PING')
    expect(await wire.ask('SLOWLOG', 'LEN')).toBe(':1\r\n')
  })

  it('tells how long commands take', async () => {
    await wire.ask('KEYS', '*')
    await wire.ask('KEYS', '*')
    expect(await wire.ask('LATENCY', 'HISTOGRAM', 'keys')).toMatch(
      /^\*2\r\n\$4\r\nkeys\r\n\*4\r\n\$5\r\ncalls\r\n:2\r\n/,
    )
    expect(await wire.ask('INFO', 'latencystats')).toMatch(
      /latency_percentiles_usec_keys:p50=[\d.]+,p99=[\d.]+,p99\.9=/,
    )
    site.server.state.statistics.latency.add('command', 30, 1_000_000)
    site.server.state.statistics.latency.add('command', 20, 1_000_500)
    expect(await wire.ask('LATENCY', 'HISTORY', 'command')).toBe('*1\r\n*2\r\n:1000\r\n:30\r\n')
    expect(await wire.ask('LATENCY', 'LATEST')).toBe('*1\r\n*4\r\n$7\r\ncommand\r\n:1000\r\n:30\r\n:30\r\n')
    expect(await wire.ask('LATENCY', 'GRAPH', 'command')).toContain('command - high 30 ms, low 30 ms')
    expect(await wire.ask('LATENCY', 'RESET')).toBe(':1\r\n')
  })

  it('counts calls, refusals and errors until CONFIG RESETSTAT', async () => {
    await wire.ask('SET', 's', 'v')
    await wire.ask('XLEN', 's')
    await wire.ask('XLEN')
    const text = await wire.ask('INFO', 'commandstats', 'errorstats')
    expect(text).toMatch(/cmdstat_xlen:calls=1,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=1\r\n/)
    expect(text).toContain('errorstat_WRONGTYPE:count=1\r\n')
    expect(text).toContain('errorstat_ERR:count=1\r\n')
    await wire.ask('CONFIG', 'RESETSTAT')
    expect(await wire.ask('INFO', 'errorstats')).toBe('$14\r\n# Errorstats\r\n\r\n')
  })

  it('counts keys that were found, missed and expired, bytes, reads and writes, and tells rates', async () => {
    const stats = async (): Promise<Map<string, string>> => {
      const text = await wire.ask('INFO', 'stats')
      return new Map([...text.matchAll(/^(\w+):(.*)\r$/gm)].map((match) => [match[1]!, match[2]!]))
    }
    await wire.ask('CONFIG', 'RESETSTAT')
    await wire.ask('XADD', 's', '1-1', 'f', 'v')
    for (const key of ['s', 'none', 's']) await wire.ask('XRANGE', key, '-', '+')
    await wire.ask('SET', 'k', 'v', 'PX', '5')
    await wire.ask('GET', 'k')
    clock.advance(1000)
    await wire.ask('MGET', 'k', 's')
    const before = await stats()
    expect([before.get('keyspace_hits'), before.get('keyspace_misses'), before.get('expired_keys')]).toEqual([
      '4',
      '2',
      '1',
    ])
    const long = 'x'.repeat(5000)
    for (let i = 0; i < 10; i++) await wire.ask('ECHO', long)
    const after = await stats()
    const grown = (name: string): number => Number(after.get(name)) - Number(before.get(name))
    expect(grown('total_net_input_bytes')).toBe(10 * encode(['ECHO', long]).length + encode(['INFO', 'stats']).length)
    expect(grown('total_net_output_bytes')).toBeGreaterThan(50_000)
    expect(grown('total_writes_processed')).toBe(11)
    expect(grown('total_reads_processed')).toBeGreaterThanOrEqual(11)
    expect(grown('total_commands_processed')).toBe(11)
    clock.advance(1000)
    const rates = await stats()
    expect(rates.get('instantaneous_ops_per_sec')).toBe('13')
    expect(Number(rates.get('instantaneous_input_kbps'))).toBeGreaterThan(48)
    expect(Number(rates.get('instantaneous_output_kbps'))).toBeGreaterThan(48)
    await wire.ask('CONFIG', 'RESETSTAT')
    const reset = await stats()
    expect([reset.get('keyspace_hits'), reset.get('expired_keys'), reset.get('keyspace_misses')]).toEqual([
      '0',
      '0',
      '0',
    ])
  })

  it('tells what clients look for in INFO', async () => {
    await wire.ask('SET', 'k', 'v', 'EX', '5')
    const info = await wire.ask('INFO')
    for (const field of ['redis_mode:standalone', 'loading:0', 'role:master', 'maxmemory_policy:noeviction']) {
      expect(info).toContain(`\r\n${field}\r\n`)
    }
    expect(info).toMatch(/redis_version:[78]\.\d+\.\d+\r\n/)
    expect(info).toMatch(/db0:keys=1,expires=1,avg_ttl=0\r\n/)
    expect(info).not.toContain('# Commandstats')
    expect(await wire.ask('INFO', 'all')).toContain('# Commandstats')
  })

  it('answers a request of many words with a reply that is bounded', async () => {
    const many = Array.from({ length: 20_000 }, () => 'client')
    expect((await wire.ask('COMMAND', 'DOCS', ...many)).length).toBeLessThan(100_000)
    expect(await wire.ask('COMMAND', 'INFO', ...many)).toBe(
      '-ERR COMMAND INFO tells at most 1000 commands at a time\r\n',
    )
    expect(await wire.ask('ACL', 'SETUSER', 'u', ...many.map(() => '+@read'))).toBe(
      '-ERR ACL SETUSER takes at most 10000 rules at a time\r\n',
    )
    expect(await wire.ask('ACL', 'DELUSER', ...many)).toBe(':0\r\n')
  })

  it('waits for replicas until its time is over, in EXEC not at all', async () => {
    wire.send(encode(['WAIT', '1', '1000']))
    await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
    clock.advance(1000)
    expect(await wire.take(1)).toEqual([':0\r\n'])
    await wire.ask('MULTI')
    await wire.ask('WAIT', '1', '0')
    expect(await wire.ask('EXEC')).toBe('*1\r\n:0\r\n')
    expect(await wire.ask('WAITAOF', '0', '0', '0')).toBe('*2\r\n:0\r\n:0\r\n')
    expect(await wire.ask('WAITAOF', '1', '0', '0')).toBe(
      '-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n',
    )
  })

  it('ends with SHUTDOWN', async () => {
    wire.send(encode(['SHUTDOWN', 'NOSAVE']))
    await wire.closed()
    await site.server.close()
  })
})
