/**
 * The scenario of ioredis, and of iovalkey, which has the same methods: both protocols give the same values there.
 */
import type { Redis, RedisOptions } from 'ioredis'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { bounded, Inbox, type Scene } from './scenario.ts'

export type IoredisOptions = Pick<RedisOptions, 'connectionName' | 'db' | 'retryStrategy' | 'username' | 'password'>
export type CreateIoredis = (port: number, options: IoredisOptions) => Redis

const anId = expect.stringMatching(/^\d+-\d+$/)

/** Tells the scenario with clients from `create`. */
export function tellIoredis(scene: Scene, create: CreateIoredis): void {
  const cast = new Cast(scene, create)
  beforeAll(() => void cast.enter())
  afterEach(() => cast.leave(1))
  afterAll(() => cast.leave(0))
  it('shakes hands and says who it is', () => shakeHands(cast))
  it('proves who it is, and may do what its user may', () => prove(cast))
  it('keeps strings', () => keepStrings(cast))
  it('keeps keys and walks over them', () => keepKeys(cast))
  it('writes, reads and trims a stream', () => writeStream(cast))
  it('works off a stream with a consumer group', () => workGroup(cast))
  it('hands pending entries to another consumer', () => handOver(cast))
  it('waits for what is not there yet', () => waitForEntries(cast))
  it('carries out transactions, and none whose keys have changed', () => transact(cast))
  it('publishes and hears', () => publish(cast))
  it('hears what happens to keys', () => hearKeys(cast))
  it('is told what is wrong', () => hearErrors(cast))
  it('sends many commands at once', () => pipeline(cast))
  it('comes back after its connection was killed', () => comeBack(cast))
}

/** The clients of one scenario: `redis` all the way, others where they are needed. */
class Cast {
  readonly scene: Scene
  readonly #create: CreateIoredis
  readonly #clients: Redis[] = []

  constructor(scene: Scene, create: CreateIoredis) {
    this.scene = scene
    this.#create = create
  }

  get redis(): Redis {
    return this.#clients[0]!
  }

  enter(options: IoredisOptions = {}): Redis {
    const client = this.#create(this.scene.port, options)
    // That a connection ends is part of the play; the commands on it reject.
    client.on('error', () => undefined)
    this.#clients.push(client)
    return client
  }

  /** Ends the clients that came after the first `kept`. */
  leave(kept: number): void {
    for (const client of this.#clients.splice(kept)) client.disconnect()
  }
}

async function shakeHands(cast: Cast): Promise<void> {
  const { scene } = cast
  const named = cast.enter({ connectionName: 'keeper', db: 3 })
  await scene.is(cast.redis.ping(), 'PONG')
  await scene.is(cast.redis.echo('hello'), 'hello')
  await scene.is(named.client('GETNAME'), 'keeper')
  await scene.is(named.client('INFO'), expect.stringContaining(' db=3 '))
  await scene.is(named.client('ID'), expect.any(Number))
  await scene.is(cast.redis.info('server'), expect.stringMatching(/^# Server\r\nredis_version:\d+\.\d+\.\d+\r\n/))
  await scene.is(cast.redis.info('replication'), expect.stringContaining('role:master'))
  await scene.is(cast.redis.call('ACL', 'WHOAMI'), 'default')
  await scene.is(cast.redis.call('ROLE'), ['master', 0, []])
  await scene.is(named.select(0), 'OK')
  await scene.is(named.client('INFO'), expect.stringContaining(' db=0 '))
}

async function prove(cast: Cast): Promise<void> {
  const { scene, redis } = cast
  await scene.is(redis.config('SET', 'requirepass', 'secret'), 'OK')
  const owner = cast.enter({ password: 'secret' })
  await scene.is(owner.call('ACL', 'WHOAMI'), 'default')
  await scene.fails(redis.auth('wrong'), 'WRONGPASS invalid username-password pair or user is disabled.')
  await scene.is(
    owner.call('ACL', 'SETUSER', 'reader', 'on', '>pages', '~book*', '+@read', '+info', '+acl|whoami'),
    'OK',
  )
  const reader = cast.enter({ username: 'reader', password: 'pages' })
  await scene.is(reader.call('ACL', 'WHOAMI'), 'reader')
  await scene.is(reader.xrange('book', '-', '+'), [])
  await scene.fails(reader.xrange('diary', '-', '+'), /^NOPERM this user has no permissions to access one of the keys/i)
  await scene.fails(
    reader.xadd('book', '*', 'a', 'b'),
    /^NOPERM this user has no permissions to run the 'xadd' command/i,
  )
  await scene.is(owner.call('ACL', 'DELUSER', 'reader'), 1)
  await scene.is(redis.config('SET', 'requirepass', ''), 'OK')
}

async function keepStrings({ scene, redis }: Cast): Promise<void> {
  await scene.is(redis.set('name', 'value'), 'OK')
  await scene.is(redis.get('name'), 'value')
  await scene.is(redis.set('name', 'other', 'NX'), null)
  await scene.is(redis.set('name', 'other', 'XX'), 'OK')
  await scene.is(redis.call('SET', 'name', 'third', 'GET'), 'other')
  await scene.is(redis.append('name', '!'), 6)
  await scene.is(redis.strlen('name'), 6)
  await scene.is(redis.getrange('name', 0, 2), 'thi')
  await scene.is(redis.incr('counter'), 1)
  await scene.is(redis.incrby('counter', 41), 42)
  await scene.is(redis.incrbyfloat('counter', 0.5), '42.5')
  await scene.is(redis.mset('one', '1', 'two', '2'), 'OK')
  await scene.is(redis.mget('one', 'none', 'two'), ['1', null, '2'])
  await scene.is(redis.getdel('one'), '1')
  await scene.is(redis.set('bytes', Buffer.from([0, 13, 10, 255])), 'OK')
  await scene.is(redis.getBuffer('bytes'), Buffer.from([0, 13, 10, 255]))
}

async function keepKeys({ scene, redis }: Cast): Promise<void> {
  await scene.is(redis.mset('keys:a', 'a', 'keys:b', 'b', 'keys:c', 'c'), 'OK')
  await scene.is(redis.exists('keys:a', 'keys:b', 'keys:none'), 2)
  await scene.is(redis.type('keys:a'), 'string')
  await scene.is(redis.expire('keys:a', 100), 1)
  await scene.is(redis.ttl('keys:a'), 100)
  await scene.is(redis.persist('keys:a'), 1)
  await scene.is(redis.pttl('keys:a'), -1)
  await scene.is(redis.rename('keys:a', 'keys:d'), 'OK')
  await scene.is(redis.copy('keys:d', 'keys:e'), 1)
  await scene.is(redis.call('OBJECT', 'ENCODING', 'keys:d'), 'embstr')
  const found: string[] = []
  for await (const keys of redis.scanStream({ match: 'keys:*', count: 2 })) found.push(...(keys as string[]))
  await scene.is(Promise.resolve([...new Set(found)].sort()), ['keys:b', 'keys:c', 'keys:d', 'keys:e'])
  await scene.is(redis.unlink('keys:b', 'keys:c'), 2)
  await scene.is(redis.del('keys:d', 'keys:e'), 2)
  await scene.is(redis.keys('keys:*'), [])
}

async function writeStream({ scene, redis }: Cast): Promise<void> {
  await scene.is(redis.xadd('log', '1-1', 'field', 'value', 'empty', ''), '1-1')
  await scene.is(redis.xadd('log', '1-*', 'field', 'second'), '1-2')
  await scene.is(redis.xadd('log', '2-0', 'field', 'third'), '2-0')
  await scene.is(redis.xadd('none', 'NOMKSTREAM', '*', 'field', 'value'), null)
  await scene.is(redis.xadd('clock', '*', 'field', 'value'), anId)
  await scene.is(redis.xlen('log'), 3)
  await scene.is(redis.xrange('log', '-', '+', 'COUNT', 1), [['1-1', ['field', 'value', 'empty', '']]])
  await scene.is(redis.xrange('log', '(1-1', '1'), [['1-2', ['field', 'second']]])
  await scene.is(redis.xrevrange('log', '+', '-', 'COUNT', 1), [['2-0', ['field', 'third']]])
  await scene.is(redis.xread('COUNT', 2, 'STREAMS', 'log', '1-1'), [
    [
      'log',
      [
        ['1-2', ['field', 'second']],
        ['2-0', ['field', 'third']],
      ],
    ],
  ])
  await scene.is(redis.xread('STREAMS', 'log', '$'), null)
  await scene.is(redis.xdel('log', '1-2', '9-9'), 1)
  await scene.is(redis.xtrim('log', 'MAXLEN', 1), 1)
  const info = await scene.gives(redis.xinfo('STREAM', 'log'), expect.arrayContaining(['last-generated-id', '2-0']))
  await scene.is(Promise.resolve((info as unknown[])[1]), 1)
  await scene.is(redis.call('XSETID', 'log', '7-0'), 'OK')
  await scene.is(redis.type('log'), 'stream')
}

async function workGroup({ scene, redis }: Cast): Promise<void> {
  await scene.is(redis.xgroup('CREATE', 'work', 'team', '$', 'MKSTREAM'), 'OK')
  await scene.is(redis.xgroup('CREATECONSUMER', 'work', 'team', 'idle'), 1)
  for (const id of ['1-0', '2-0', '3-0']) await scene.is(redis.xadd('work', id, 'job', id), id)
  await scene.is(redis.xreadgroup('GROUP', 'team', 'ann', 'COUNT', 2, 'STREAMS', 'work', '>'), [
    [
      'work',
      [
        ['1-0', ['job', '1-0']],
        ['2-0', ['job', '2-0']],
      ],
    ],
  ])
  await scene.is(redis.xreadgroup('GROUP', 'team', 'bob', 'STREAMS', 'work', '>'), [
    ['work', [['3-0', ['job', '3-0']]]],
  ])
  await scene.is(redis.xreadgroup('GROUP', 'team', 'bob', 'STREAMS', 'work', '>'), null)
  await scene.is(redis.xreadgroup('GROUP', 'team', 'bob', 'STREAMS', 'work', '3-0'), [['work', []]])
  await scene.is(redis.xpending('work', 'team'), [
    3,
    '1-0',
    '3-0',
    [
      ['ann', '2'],
      ['bob', '1'],
    ],
  ])
  await scene.is(redis.xpending('work', 'team', '-', '+', 10, 'bob'), [['3-0', 'bob', expect.any(Number), 1]])
  await scene.is(redis.xack('work', 'team', '1-0', '9-9'), 1)
  await scene.is(redis.xinfo('GROUPS', 'work'), [
    expect.arrayContaining(['name', 'team', 'pending', 2, 'last-delivered-id', '3-0', 'entries-read', 3, 'lag', 0]),
  ])
  await scene.is(redis.xinfo('CONSUMERS', 'work', 'team'), [
    expect.arrayContaining(['name', 'ann', 'pending', 1]),
    expect.arrayContaining(['name', 'bob', 'pending', 1]),
    expect.arrayContaining(['name', 'idle', 'pending', 0]),
  ])
}

async function handOver({ scene, redis }: Cast): Promise<void> {
  await scene.is(redis.xclaim('work', 'team', 'bob', 0, '2-0'), [['2-0', ['job', '2-0']]])
  await scene.is(redis.xclaim('work', 'team', 'cid', 0, '2-0', 'JUSTID'), ['2-0'])
  await scene.is(redis.xautoclaim('work', 'team', 'dot', 0, '0', 'COUNT', 1), ['3-0', [['2-0', ['job', '2-0']]], []])
  await scene.is(redis.xgroup('DELCONSUMER', 'work', 'team', 'dot'), 1)
  await scene.is(redis.xgroup('SETID', 'work', 'team', '0'), 'OK')
  await scene.is(redis.xgroup('DESTROY', 'work', 'team'), 1)
  await scene.is(redis.xgroup('DESTROY', 'work', 'team'), 0)
}

async function waitForEntries(cast: Cast): Promise<void> {
  const { scene, redis } = cast
  const waiting = cast.enter({ connectionName: 'waiting' })
  const id = String(await scene.gives(waiting.client('ID')))
  const read = waiting.xread('BLOCK', 0, 'STREAMS', 'calls', '$')
  await untilBlocked(redis, id)
  await scene.is(redis.xadd('calls', '5-5', 'from', 'redis'), '5-5')
  await scene.is(read, [['calls', [['5-5', ['from', 'redis']]]]])
  await scene.is(redis.xgroup('CREATE', 'calls', 'desk', '$'), 'OK')
  const groupRead = waiting.xreadgroup('GROUP', 'desk', 'ann', 'BLOCK', 0, 'STREAMS', 'calls', '>')
  await untilBlocked(redis, id)
  await scene.is(redis.xadd('calls', '6-6', 'from', 'redis'), '6-6')
  await scene.is(groupRead, [['calls', [['6-6', ['from', 'redis']]]]])
  await scene.is(waiting.xread('BLOCK', 1, 'STREAMS', 'calls', '$'), null)
  const unblocked = waiting.xread('BLOCK', 0, 'STREAMS', 'calls', '$')
  await untilBlocked(redis, id)
  await scene.is(redis.call('CLIENT', 'UNBLOCK', id), 1)
  await scene.is(unblocked, null)
}

/** Resolves once the connection waits: what comes later wakes it. */
async function untilBlocked(redis: Redis, id: string): Promise<void> {
  const blocked = new RegExp(`^id=${id} .* flags=b`, 'm')
  const seen = async (): Promise<void> => {
    while (!blocked.test(String(await redis.client('LIST')))) continue
  }
  await bounded(seen(), `connection ${id} to block`)
}

async function transact(cast: Cast): Promise<void> {
  const { scene, redis } = cast
  await scene.is(redis.multi().set('balance', '1').incr('balance').xlen('calls').exec(), [
    [null, 'OK'],
    [null, 2],
    [null, 2],
  ])
  await scene.is(redis.multi().xadd('balance', '*', 'a', 'b').get('balance').exec(), [
    [expect.objectContaining({ message: expect.stringMatching(/^WRONGTYPE /) })],
    [null, '2'],
  ])
  const watcher = cast.enter()
  await scene.is(watcher.watch('balance'), 'OK')
  await scene.is(redis.incr('balance'), 3)
  await scene.is(watcher.multi().set('balance', '0').exec(), null)
  await scene.is(watcher.watch('calls'), 'OK')
  await scene.is(watcher.unwatch(), 'OK')
  await scene.is(watcher.multi().get('balance').exec(), [[null, '3']])
  await scene.is(watcher.multi({ pipeline: false }), 'OK')
  await scene.fails(watcher.call('NOSUCH'), /^ERR unknown command 'NOSUCH'/i)
  await scene.fails(watcher.exec(), 'EXECABORT Transaction discarded because of previous errors.')
  await scene.is(watcher.multi({ pipeline: false }), 'OK')
  await scene.is(watcher.discard(), 'OK')
}

async function publish(cast: Cast): Promise<void> {
  const { scene, redis } = cast
  const subscriber = cast.enter()
  const inbox = new Inbox<readonly string[]>()
  subscriber.on('message', (channel: string, text: string) => inbox.push([channel, text]))
  subscriber.on('pmessage', (pattern: string, channel: string, text: string) => inbox.push([pattern, channel, text]))
  await scene.is(subscriber.subscribe('news', 'sport'), 2)
  await scene.is(subscriber.psubscribe('n*'), 3)
  await scene.is(redis.publish('news', 'today'), 2)
  await scene.is(inbox.take(2), [
    ['news', 'today'],
    ['n*', 'news', 'today'],
  ])
  await scene.is(redis.call('PUBSUB', 'NUMSUB', 'news', 'none'), ['news', 1, 'none', 0])
  await scene.is(redis.call('PUBSUB', 'NUMPAT'), 1)
  await scene.is(subscriber.unsubscribe('news', 'sport'), 1)
  await scene.is(subscriber.punsubscribe('n*'), 0)
  await scene.is(redis.publish('news', 'tomorrow'), 0)
  await scene.is(subscriber.ping(), 'PONG')
}

async function hearKeys(cast: Cast): Promise<void> {
  const { scene, redis } = cast
  const subscriber = cast.enter()
  const inbox = new Inbox<readonly string[]>()
  subscriber.on('pmessage', (_pattern: string, channel: string, text: string) => inbox.push([channel, text]))
  await scene.is(redis.config('SET', 'notify-keyspace-events', 'KEA'), 'OK')
  await scene.is(redis.config('GET', 'notify-keyspace-events'), ['notify-keyspace-events', 'AKE'])
  await scene.is(subscriber.psubscribe('__key*__:*'), 1)
  await scene.is(redis.xadd('heard', '1-1', 'a', 'b'), '1-1')
  await scene.is(redis.set('told', 'x', 'PX', 1), 'OK')
  await scene.is(inbox.take(8), [
    ['__keyspace@0__:heard', 'xadd'],
    ['__keyevent@0__:xadd', 'heard'],
    ['__keyspace@0__:told', 'set'],
    ['__keyevent@0__:set', 'told'],
    ['__keyspace@0__:told', 'expire'],
    ['__keyevent@0__:expire', 'told'],
    ['__keyspace@0__:told', 'expired'],
    ['__keyevent@0__:expired', 'told'],
  ])
  await scene.is(redis.config('SET', 'notify-keyspace-events', ''), 'OK')
}

async function hearErrors({ scene, redis }: Cast): Promise<void> {
  await scene.is(redis.set('text', 'abc'), 'OK')
  await scene.fails(redis.xadd('log', '1-0', 'a', 'b'), /^ERR The ID specified in XADD is equal or smaller than/)
  await scene.fails(redis.xadd('text', '*', 'a', 'b'), /^WRONGTYPE Operation against a key holding the wrong kind/)
  await scene.fails(redis.incr('text'), 'ERR value is not an integer or out of range')
  await scene.is(redis.xgroup('CREATE', 'log', 'team', '$'), 'OK')
  await scene.fails(redis.xgroup('CREATE', 'log', 'team', '$'), 'BUSYGROUP Consumer Group name already exists')
  await scene.fails(
    redis.xreadgroup('GROUP', 'none', 'ann', 'STREAMS', 'log', '>'),
    "NOGROUP No such key 'log' or consumer group 'none' in XREADGROUP with GROUP option",
  )
  await scene.fails(redis.xinfo('STREAM', 'none'), 'ERR no such key')
  await scene.fails(redis.xrange('log', 'x', '+'), 'ERR Invalid stream ID specified as stream command argument')
  await scene.fails(redis.call('XADD', 'log'), "ERR wrong number of arguments for 'xadd' command")
  await scene.fails(redis.select(99), 'ERR DB index is out of range')
  await scene.fails(redis.call('CLIENT', 'NOSUCH'), "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.")
  await scene.fails(redis.config('SET', 'no-such', '1'), /^ERR Unknown option or number of arguments/)
}

async function pipeline({ scene, redis }: Cast): Promise<void> {
  const pipelined = redis.pipeline()
  for (let i = 1; i <= 1000; i++) pipelined.xadd('many', `${i}-0`, 'i', i)
  const added = (await scene.gives(pipelined.exec())) ?? []
  await scene.is(Promise.resolve([added.length, added[0], added[999]]), [1000, [null, '1-0'], [null, '1000-0']])
  const entries = await scene.gives(redis.xrange('many', '-', '+'))
  await scene.is(Promise.resolve([entries.length, entries.at(-1)]), [1000, ['1000-0', ['i', '1000']]])
  const large = Buffer.alloc(300_000, 'x')
  await scene.is(redis.xadd('large', '1-0', 'body', large), '1-0')
  const [entry] = await scene.gives(redis.xrangeBuffer('large', '-', '+'))
  await scene.is(Promise.resolve(entry?.[1][1]?.equals(large)), true)
}

async function comeBack(cast: Cast): Promise<void> {
  const { scene, redis } = cast
  const returning = cast.enter({ connectionName: 'returning', db: 2, retryStrategy: () => 1 })
  const subscriber = cast.enter({ retryStrategy: () => 1 })
  const inbox = new Inbox<string>()
  subscriber.on('message', (_channel: string, text: string) => inbox.push(text))
  await scene.is(subscriber.subscribe('after'), 1)
  await scene.is(returning.set('here', 'before'), 'OK')
  const id = String(await scene.gives(returning.client('ID')))
  const ready = new Promise((resolve) => returning.once('ready', resolve))
  await scene.is(redis.call('CLIENT', 'KILL', 'ID', id), 1)
  await bounded(ready, 'the client to come back')
  await scene.is(returning.get('here'), 'before')
  await scene.is(returning.client('GETNAME'), 'returning')
  await scene.is(
    returning.client('ID'),
    expect.toSatisfy((next: number) => next > Number(id)),
  )
  const again = new Promise((resolve) => subscriber.once('ready', resolve))
  await scene.is(redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub'), 1)
  await bounded(again, 'the subscriber to come back')
  const heard = async (): Promise<void> => {
    while ((await redis.publish('after', 'back')) === 0) continue
  }
  await bounded(heard(), 'the subscription to be renewed')
  await scene.is(inbox.take(1), ['back'])
}
