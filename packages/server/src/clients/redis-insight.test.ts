/**
 * The commands that Redis Insight sends, over the client that it uses (ioredis, RESP2): how it gets to know a server, its list
 * of keys, the tabs of a stream, what can be done there, and its tools.
 */
import { startRedis } from '@millrace/testing'
import { type ChainableCommander, Redis } from 'ioredis'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bounded, describeClient, Inbox, type Scene } from './scenario.ts'

const KEY = 'orders'
const aNumber = expect.any(Number)

describeClient('Redis Insight', startRedis, (scene) => {
  const clients: Redis[] = []
  let browser: Redis

  const enter = (name: string): Redis => {
    const client = new Redis({
      port: scene.port,
      protocol: 2,
      connectionName: name,
      retryStrategy: () => 1,
      enableReadyCheck: true,
    })
    // That a connection ends is part of the play; the commands on it reject.
    client.on('error', () => undefined)
    clients.push(client)
    return client
  }

  beforeAll(() => void (browser = enter('redisinsight-browser')))
  afterAll(() => {
    for (const client of clients) client.disconnect()
  })

  it('gets to know the server', async () => await connect(scene, browser))
  it('lists keys with their time to live, type and size', async () => await listKeys(scene, browser))
  it('shows the entries of a stream', async () => await showEntries(scene, browser))
  it('shows groups, consumers and pending entries', async () => await showGroups(scene, browser))
  it('claims, acknowledges and deletes', async () => await act(scene, browser))
  it('knows errors by their words', async () => await hearErrors(scene, browser))
  it('profiles with MONITOR', async () => await profile(scene, browser, enter('redisinsight-monitor')))
  it('listens to channels', async () => await listen(scene, browser, enter('redisinsight-subscriber')))
  it('reads and sets the slow log', async () => await readSlowLog(scene, browser))
  it('runs transactions and waiting commands in its command line', async () =>
    await commandLine(scene, browser, enter('redisinsight-cli')))
  it('comes back after its connection was closed', async () => await comeBack(scene, browser, enter('redisinsight')))
})

async function connect(scene: Scene, redis: Redis): Promise<void> {
  const info = await scene.gives(redis.info(), expect.stringMatching(/^# Server\r\nredis_version:\d+\.\d+\.\d+\r\n/))
  const lines = new Map(info.split('\r\n').map((line) => [line.split(':')[0]!, line.slice(line.indexOf(':') + 1)]))
  await scene.is(Promise.resolve(lines.get('redis_mode')), 'standalone')
  await scene.is(Promise.resolve(lines.get('role')), 'master')
  for (const name of ['uptime_in_seconds', 'connected_clients', 'used_memory', 'total_commands_processed']) {
    await scene.is(Promise.resolve(lines.get(name)), expect.stringMatching(/^\d+$/))
  }
  for (const name of ['instantaneous_ops_per_sec', 'maxmemory', 'blocked_clients', 'loading']) {
    await scene.is(Promise.resolve(lines.get(name)), expect.stringMatching(/^\d+$/))
  }
  await scene.is(redis.call('HELLO'), expect.arrayContaining(['server', 'redis', 'proto', 2, 'mode', 'standalone']))
  await scene.fails(redis.call('CLUSTER', 'INFO'), 'ERR This instance has cluster support disabled')
  await scene.fails(redis.call('CLUSTER', 'NODES'), 'ERR This instance has cluster support disabled')
  await scene.fails(redis.call('SENTINEL', 'MASTERS'), /^ERR unknown command 'SENTINEL', with args beginning with:/i)
  await scene.is(redis.call('MODULE', 'LIST'), [])
  await scene.is(redis.call('COMMAND', 'INFO', 'FT.SEARCH', 'JSON.GET'), [null, null])
  await scene.is(redis.config('GET', 'databases'), ['databases', '16'])
  await scene.is(redis.client('SETNAME', 'redisinsight-common'), 'OK')
  await scene.is(redis.client('LIST'), expect.stringContaining('name=redisinsight-common'))
  await scene.is(redis.dbsize(), 0)
  await scene.is(redis.info('keyspace'), '# Keyspace\r\n')
  await scene.is(redis.call('ACL', 'WHOAMI'), 'default')
}

async function listKeys(scene: Scene, redis: Redis): Promise<void> {
  const pipeline = redis.pipeline().call('XADD', KEY, '1-0', 'item', 'pen').call('EXPIRE', KEY, '1000')
  await scene.is(pipeline.exec(), [
    [null, '1-0'],
    [null, 1],
  ])
  await scene.is(redis.set('text', 'value'), 'OK')
  await scene.is(redis.info('keyspace'), expect.stringMatching(/^# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=\d+\r\n$/))
  const [cursor, keys] = await scene.gives(redis.scan('0', 'MATCH', '*', 'COUNT', 500))
  await scene.is(Promise.resolve([cursor, keys.sort()]), ['0', [KEY, 'text']])
  await scene.is(redis.call('SCAN', '0', 'MATCH', '*', 'COUNT', '500', 'TYPE', 'stream'), ['0', [KEY]])
  await scene.is(redis.call('SCAN', '0', 'MATCH', '*', 'COUNT', '500', 'TYPE', 'hash'), ['0', []])
  await scene.is(details(redis.pipeline(), KEY).exec(), [
    [null, 1000],
    [null, 'stream'],
    [null, aNumber],
  ])
  await scene.is(details(redis.pipeline(), 'text').exec(), [
    [null, -1],
    [null, 'string'],
    [null, aNumber],
  ])
  await scene.is(details(redis.pipeline(), 'none').exec(), [
    [null, -2],
    [null, 'none'],
    [null, null],
  ])
  await scene.is(redis.xlen(KEY), 1)
}

/** What a page of the key list asks for each of its keys. */
function details(pipeline: ChainableCommander, key: string): ChainableCommander {
  return pipeline.call('TTL', key).call('TYPE', key).call('MEMORY', 'USAGE', key, 'SAMPLES', '0')
}

async function showEntries(scene: Scene, redis: Redis): Promise<void> {
  await scene.is(redis.xadd(KEY, '2-0', 'item', 'ink', 'count', '2'), '2-0')
  await scene.is(redis.exists(KEY), 1)
  const info = (await scene.gives(redis.xinfo('STREAM', KEY))) as unknown[]
  const told = new Map(info.map((name, i) => [name, info[i + 1]]))
  await scene.is(Promise.resolve(told.get('length')), 2)
  await scene.is(Promise.resolve(told.get('last-generated-id')), '2-0')
  await scene.is(Promise.resolve(told.get('first-entry')), ['1-0', ['item', 'pen']])
  await scene.is(Promise.resolve(told.get('last-entry')), ['2-0', ['item', 'ink', 'count', '2']])
  await scene.is(redis.xrevrange(KEY, '+', '-', 'COUNT', 500), [
    ['2-0', ['item', 'ink', 'count', '2']],
    ['1-0', ['item', 'pen']],
  ])
  await scene.is(redis.xrange(KEY, '1-0', '1-0', 'COUNT', 500), [['1-0', ['item', 'pen']]])
}

async function showGroups(scene: Scene, redis: Redis): Promise<void> {
  await scene.is(redis.xinfo('GROUPS', KEY), [])
  await scene.is(redis.xgroup('CREATE', KEY, 'packing', '0'), 'OK')
  await scene.is(redis.xinfo('GROUPS', KEY), [
    ['name', 'packing', 'consumers', 0, 'pending', 0, 'last-delivered-id', '0-0', 'entries-read', null, 'lag', 2],
  ])
  await scene.is(redis.xpending(KEY, 'packing'), [0, null, null, null])
  await scene.is(redis.call('XREADGROUP', 'GROUP', 'packing', 'ann', 'COUNT', '2', 'STREAMS', KEY, '>'), [
    [
      KEY,
      [
        ['1-0', ['item', 'pen']],
        ['2-0', ['item', 'ink', 'count', '2']],
      ],
    ],
  ])
  await scene.is(redis.xpending(KEY, 'packing'), [2, '1-0', '2-0', [['ann', '2']]])
  await scene.is(redis.xinfo('CONSUMERS', KEY, 'packing'), [
    expect.arrayContaining(['name', 'ann', 'pending', 2, 'idle', aNumber]),
  ])
  await scene.is(redis.xpending(KEY, 'packing', '-', '+', 500, 'ann'), [
    ['1-0', 'ann', aNumber, 1],
    ['2-0', 'ann', aNumber, 1],
  ])
}

async function act(scene: Scene, redis: Redis): Promise<void> {
  const claim = ['XCLAIM', KEY, 'packing', 'bob', '0', '1-0', '2-0'] as const
  await scene.is(redis.call(...claim, 'IDLE', '5', 'RETRYCOUNT', '3', 'FORCE', 'JUSTID'), ['1-0', '2-0'])
  await scene.is(redis.call(...claim, 'TIME', '1000', 'JUSTID'), ['1-0', '2-0'])
  await scene.is(redis.xpending(KEY, 'packing', '-', '+', 500, 'bob'), [
    ['1-0', 'bob', aNumber, 3],
    ['2-0', 'bob', aNumber, 3],
  ])
  await scene.is(redis.xack(KEY, 'packing', '1-0'), 1)
  await scene.is(redis.xgroup('SETID', KEY, 'packing', '1-0'), 'OK')
  await scene.is(redis.xgroup('DELCONSUMER', KEY, 'packing', 'ann'), 0)
  await scene.is(redis.xgroup('DESTROY', KEY, 'packing'), 1)
  await scene.is(redis.xdel(KEY, '1-0'), 1)
  await scene.is(redis.persist(KEY), 1)
  await scene.is(redis.expire(KEY, 10), 1)
  await scene.is(redis.rename(KEY, 'moved'), 'OK')
  await scene.is(redis.renamenx('moved', 'text'), 0)
  await scene.is(redis.renamenx('moved', KEY), 1)
  await scene.is(redis.del('none', 'text'), 1)
}

async function hearErrors(scene: Scene, redis: Redis): Promise<void> {
  await scene.is(redis.set('text', 'value'), 'OK')
  await scene.fails(redis.xlen('text'), /^WRONGTYPE/)
  await scene.fails(redis.xadd(KEY, '1-0', 'a', 'b'), /ID specified in XADD is equal or smaller/)
  await scene.is(redis.xgroup('CREATE', KEY, 'packing', '$'), 'OK')
  await scene.fails(redis.xgroup('CREATE', KEY, 'packing', '$'), /^BUSYGROUP/)
  await scene.fails(
    redis.xinfo('CONSUMERS', KEY, 'none'),
    `NOGROUP No such consumer group 'none' for key name '${KEY}'`,
  )
  await scene.fails(redis.xpending(KEY, 'none'), `NOGROUP No such key '${KEY}' or consumer group 'none'`)
  await scene.fails(redis.xinfo('STREAM', 'none'), 'ERR no such key')
  await scene.fails(redis.rename('none', 'other'), 'ERR no such key')
}

async function profile(scene: Scene, redis: Redis, profiler: Redis): Promise<void> {
  const inbox = new Inbox<string>()
  // Ready, so that its own INFO does not come between MONITOR and its reply, which ioredis takes amiss.
  await scene.is(profiler.ping(), 'PONG')
  const monitor = await scene.gives(profiler.monitor())
  // Other connections of the scenario may still be introducing themselves (CLIENT SETINFO, INFO).
  monitor.on('monitor', (_time: string, args: string[]) => {
    if (args[0] === 'get' || args[0] === 'xadd') inbox.push(args.join(' '))
  })
  try {
    await scene.is(redis.get('text'), 'value')
    await scene.is(redis.xadd(KEY, '9-0', 'say', '"hello"'), '9-0')
    await scene.is(inbox.take(2), ['get text', 'xadd orders 9-0 say "hello"'])
  } finally {
    monitor.disconnect()
  }
}

async function listen(scene: Scene, redis: Redis, subscriber: Redis): Promise<void> {
  const inbox = new Inbox<readonly string[]>()
  subscriber.on('pmessage', (_pattern: string, channel: string, text: string) => inbox.push([channel, text]))
  await scene.is(subscriber.psubscribe('*'), 1)
  await scene.is(redis.publish('news', 'today'), 1)
  await scene.is(inbox.take(1), [['news', 'today']])
  await scene.is(redis.config('SET', 'notify-keyspace-events', 'KEA'), 'OK')
  await scene.is(redis.xdel(KEY, '9-0'), 1)
  await scene.is(inbox.take(2), [
    [`__keyspace@0__:${KEY}`, 'xdel'],
    ['__keyevent@0__:xdel', KEY],
  ])
  await scene.is(redis.config('SET', 'notify-keyspace-events', ''), 'OK')
  await scene.is(subscriber.punsubscribe('*'), 0)
}

async function readSlowLog(scene: Scene, redis: Redis): Promise<void> {
  await scene.is(redis.config('GET', 'slowlog*'), expect.arrayContaining(['slowlog-max-len', '128']))
  await scene.is(redis.config('SET', 'slowlog-log-slower-than', '0'), 'OK')
  await scene.is(redis.slowlog('RESET'), 'OK')
  await scene.is(redis.ping(), 'PONG')
  const log = (await scene.gives(redis.slowlog('GET', 50))) as unknown[][]
  const ping = log.find((entry) => (entry[3] as string[])[0] === 'ping')
  const name = 'redisinsight-common'
  await scene.is(Promise.resolve(ping), [aNumber, aNumber, aNumber, ['ping'], expect.any(String), name])
  await scene.is(redis.slowlog('LEN'), expect.any(Number))
  await scene.is(redis.config('SET', 'slowlog-log-slower-than', '10000'), 'OK')
  await scene.is(redis.slowlog('RESET'), 'OK')
  await scene.is(redis.slowlog('LEN'), 0)
}

async function commandLine(scene: Scene, redis: Redis, line: Redis): Promise<void> {
  await scene.is(line.call('MULTI'), 'OK')
  await scene.is(line.call('SET', 'balance', '1'), 'QUEUED')
  await scene.is(line.call('INCR', 'balance'), 'QUEUED')
  await scene.is(line.call('EXEC'), ['OK', 2])
  await scene.is(line.call('WATCH', 'balance'), 'OK')
  await scene.is(redis.incr('balance'), 3)
  await scene.is(line.call('MULTI'), 'OK')
  await scene.is(line.call('GET', 'balance'), 'QUEUED')
  await scene.is(line.call('EXEC'), null)
  const read = line.call('XREAD', 'BLOCK', '0', 'STREAMS', 'calls', '$')
  const blocked = async (): Promise<void> => {
    while (!/^blocked_clients:1\r$/m.test(await redis.info('clients'))) continue
  }
  await bounded(blocked(), 'the command line to block')
  await scene.is(redis.xadd('calls', '1-1', 'a', 'b'), '1-1')
  await scene.is(read, [['calls', [['1-1', ['a', 'b']]]]])
  await scene.is(line.call('OBJECT', 'ENCODING', KEY), 'stream')
  await scene.is(line.call('COMMAND', 'COUNT'), aNumber)
  const docs = (await scene.gives(line.call('COMMAND', 'DOCS', 'xadd'))) as unknown[]
  await scene.is(Promise.resolve(docs[0]), 'xadd')
}

async function comeBack(scene: Scene, redis: Redis, returning: Redis): Promise<void> {
  const id = String(await scene.gives(returning.client('ID')))
  const ready = new Promise((resolve) => returning.once('ready', resolve))
  await scene.is(redis.call('CLIENT', 'KILL', 'ID', id), 1)
  await bounded(ready, 'the client to come back')
  await scene.is(returning.client('GETNAME'), 'redisinsight')
  await scene.is(returning.xlen(KEY), 1)
  await scene.is(returning.quit(), 'OK')
}
