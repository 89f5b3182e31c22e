import { startRedis } from '@millrace/testing'
import { createClient, type RedisClientOptions, type RedisFunctions, type RedisModules, type RedisScripts } from 'redis'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { bounded, describeClient, Inbox, type Scene } from './scenario.ts'

type Client = ReturnType<typeof create>
type Options = Pick<RedisClientOptions, 'name' | 'database' | 'username' | 'password' | 'pingInterval'>

const anId = expect.stringMatching(/^\d+-\d+$/)

describeClient('node-redis (RESP3)', startRedis, (scene) => tell(scene, 3))
describeClient('node-redis (RESP2)', startRedis, (scene) => tell(scene, 2))

function create(port: number, protocol: 2 | 3, options: Options) {
  const client = createClient<RedisModules, RedisFunctions, RedisScripts, 2 | 3>({
    ...options,
    RESP: protocol,
    socket: { host: '127.0.0.1', port, reconnectStrategy: () => 1, connectTimeout: 5000 },
  })
  // That a connection ends is part of the play; the commands on it reject.
  client.on('error', () => undefined)
  return client
}

function tell(scene: Scene, protocol: 2 | 3): void {
  const clients: Client[] = []
  let redis: Client

  const enter = async (options: Options = {}): Promise<Client> => {
    const client = create(scene.port, protocol, options)
    clients.push(client)
    await bounded(client.connect(), 'the connection')
    return client
  }
  const untilBlocked = async (id: number): Promise<void> => {
    const blocked = new RegExp(`^id=${id} .* flags=b`, 'm')
    const seen = async (): Promise<void> => {
      while (!blocked.test(String(await redis.sendCommand(['CLIENT', 'LIST'])))) continue
    }
    await bounded(seen(), `connection ${id} to block`)
  }

  beforeAll(async () => void (redis = await enter()))
  afterEach(() => {
    for (const client of clients.splice(1)) client.destroy()
  })
  afterAll(() => redis.destroy())

  it('shakes hands and says who it is', async () => {
    const named = await enter({ name: 'keeper', database: 3 })
    await scene.is(redis.ping(), 'PONG')
    await scene.is(redis.echo('hello'), 'hello')
    await scene.is(named.clientGetName(), 'keeper')
    await scene.is(named.clientInfo(), expect.objectContaining({ db: 3, name: 'keeper' }))
    await scene.is(named.clientId(), expect.any(Number))
    await scene.is(redis.info('server'), expect.stringMatching(/^# Server\r\nredis_version:\d+\.\d+\.\d+\r\n/))
    await scene.is(redis.aclWhoAmI(), 'default')
    await scene.is(redis.role(), { role: 'master', replicationOffest: 0, replicas: [] })
    await scene.is(redis.time(), expect.anything())
    await scene.is(redis.configGet('maxmemory-policy'), { 'maxmemory-policy': 'noeviction' })
    await scene.is(redis.commandGetKeys(['XREAD', 'STREAMS', 'a', 'b', '0', '0']), ['a', 'b'])
    await scene.is(redis.commandInfo(['xadd']), [expect.objectContaining({ name: 'xadd', arity: -5 })])
  })

  it('proves who it is, and may do what its user may', async () => {
    await scene.is(redis.configSet('requirepass', 'secret'), 'OK')
    const owner = await enter({ password: 'secret', name: 'owner', database: 5, pingInterval: 1000 })
    await scene.is(owner.clientInfo(), expect.objectContaining({ name: 'owner', db: 5, user: 'default' }))
    await scene.fails(redis.auth({ password: 'x' }), 'WRONGPASS invalid username-password pair or user is disabled.')
    await scene.is(owner.aclSetUser('reader', ['on', '>pages', '~book*', '+@read']), 'OK')
    const reader = await enter({ username: 'reader', password: 'pages' })
    await scene.is(reader.xRange('book', '-', '+'), [])
    await scene.fails(
      reader.xRange('diary', '-', '+'),
      /^NOPERM this user has no permissions to access one of the keys/i,
    )
    await scene.fails(reader.xDel('book', '1-1'), /^NOPERM this user has no permissions to run the 'xdel' command/i)
    await scene.is(owner.aclDelUser('reader'), 1)
    await scene.is(redis.configSet('requirepass', ''), 'OK')
  })

  it('keeps strings', async () => {
    await scene.is(redis.set('name', 'value'), 'OK')
    await scene.is(redis.get('name'), 'value')
    await scene.is(redis.set('name', 'other', { condition: 'NX' }), null)
    await scene.is(redis.set('name', 'other', { GET: true }), 'value')
    await scene.is(redis.setEx('name', 100, 'third'), 'OK')
    await scene.is(redis.ttl('name'), 100)
    await scene.is(redis.incr('counter'), 1)
    await scene.is(redis.incrByFloat('counter', 0.5), '1.5')
    await scene.is(redis.mSet({ one: '1', two: '2' }), 'OK')
    await scene.is(redis.mGet(['one', 'none', 'two']), ['1', null, '2'])
    await scene.is(redis.getDel('one'), '1')
  })

  it('keeps keys and walks over them', async () => {
    await scene.is(redis.mSet({ 'keys:a': 'a', 'keys:b': 'b', 'keys:c': 'c' }), 'OK')
    await scene.is(redis.exists(['keys:a', 'keys:none']), 1)
    await scene.is(redis.expire('keys:a', 100), 1)
    await scene.is(redis.persist('keys:a'), 1)
    await scene.is(redis.type('keys:a'), 'string')
    const found: string[] = []
    for await (const keys of redis.scanIterator({ MATCH: 'keys:*', COUNT: 2 })) found.push(...keys)
    await scene.is(Promise.resolve([...new Set(found)].sort()), ['keys:a', 'keys:b', 'keys:c'])
    await scene.is(redis.rename('keys:a', 'keys:d'), 'OK')
    await scene.is(redis.del(['keys:b', 'keys:c', 'keys:d']), 3)
    await scene.is(redis.memoryUsage('name'), expect.any(Number))
  })

  it('writes, reads and trims a stream', async () => {
    await scene.is(redis.xAdd('log', '1-1', { field: 'value', empty: '' }), '1-1')
    await scene.is(redis.xAdd('log', '1-*', { field: 'second' }), '1-2')
    await scene.is(redis.xAdd('log', '*', { field: 'now' }), anId)
    await scene.is(redis.xAddNoMkStream('none', '*', { field: 'value' }), null)
    await scene.is(redis.xLen('log'), 3)
    await scene.is(redis.xRange('log', '-', '+', { COUNT: 1 }), [{ id: '1-1', message: { field: 'value', empty: '' } }])
    await scene.is(redis.xRevRange('log', '(2', '-', { COUNT: 1 }), [{ id: '1-2', message: { field: 'second' } }])
    await scene.is(redis.xRead({ key: 'log', id: '1-1' }, { COUNT: 1 }), [
      { name: 'log', messages: [{ id: '1-2', message: { field: 'second' } }] },
    ])
    await scene.is(redis.xRead({ key: 'log', id: '$' }), null)
    await scene.is(redis.xDel('log', '1-2'), 1)
    await scene.is(redis.xTrim('log', 'MAXLEN', 1), 1)
    await scene.is(
      redis.xInfoStream('log'),
      expect.objectContaining({ length: 1, 'entries-added': 3, 'max-deleted-entry-id': '1-2', groups: 0 }),
    )
    await scene.is(redis.xSetId('log', '18446744073709551615-0'), 'OK')
    await scene.is(
      redis.xAdd('log', '*', { a: '1' }, { TRIM: { strategy: 'MINID', threshold: 5 } }),
      '18446744073709551615-1',
    )
    await scene.is(redis.xLen('log'), 2)
  })

  it('works off a stream with a consumer group', async () => {
    await scene.is(redis.xGroupCreate('work', 'team', '$', { MKSTREAM: true }), 'OK')
    await scene.is(redis.xGroupCreateConsumer('work', 'team', 'idle'), 1)
    await scene.is(redis.xAdd('work', '1-0', { job: 'one' }), '1-0')
    await scene.is(redis.xAdd('work', '2-0', { job: 'two' }), '2-0')
    const [first, second] = [
      { id: '1-0', message: { job: 'one' } },
      { id: '2-0', message: { job: 'two' } },
    ]
    await scene.is(redis.xReadGroup('team', 'ann', { key: 'work', id: '>' }, { COUNT: 1 }), [
      { name: 'work', messages: [first] },
    ])
    await scene.is(redis.xReadGroup('team', 'bob', { key: 'work', id: '>' }), [{ name: 'work', messages: [second] }])
    await scene.is(redis.xReadGroup('team', 'bob', { key: 'work', id: '>' }), null)
    await scene.is(redis.xReadGroup('team', 'bob', { key: 'work', id: '0' }), [{ name: 'work', messages: [second] }])
    await scene.is(redis.xPending('work', 'team'), {
      pending: 2,
      firstId: '1-0',
      lastId: '2-0',
      consumers: [
        { name: 'ann', deliveriesCounter: 1 },
        { name: 'bob', deliveriesCounter: 1 },
      ],
    })
    await scene.is(redis.xPendingRange('work', 'team', '-', '+', 10, { consumer: 'ann' }), [
      { id: '1-0', consumer: 'ann', millisecondsSinceLastDelivery: expect.any(Number), deliveriesCounter: 1 },
    ])
    await scene.is(redis.xInfoGroups('work'), [
      { name: 'team', consumers: 3, pending: 2, 'last-delivered-id': '2-0', 'entries-read': 2, lag: 0 },
    ])
    await scene.is(redis.xInfoConsumers('work', 'team'), [
      expect.objectContaining({ name: 'ann', pending: 1 }),
      expect.objectContaining({ name: 'bob', pending: 1 }),
      expect.objectContaining({ name: 'idle', pending: 0 }),
    ])
    await scene.is(redis.xClaim('work', 'team', 'bob', 0, '1-0'), [first])
    await scene.is(redis.xAutoClaim('work', 'team', 'cid', 0, '-', { COUNT: 1 }), {
      nextId: '2-0',
      messages: [first],
      deletedMessages: [],
    })
    await scene.is(redis.xClaimJustId('work', 'team', 'ann', 0, ['1-0', '2-0']), ['1-0', '2-0'])
    await scene.is(redis.xAck('work', 'team', ['1-0', '2-0', '9-9']), 2)
    await scene.is(redis.xGroupSetId('work', 'team', '0'), 'OK')
    await scene.is(redis.xGroupDelConsumer('work', 'team', 'bob'), 0)
    await scene.is(redis.xGroupDestroy('work', 'team'), 1)
  })

  it('uses what streams have learned since 7.0', async () => {
    if (!scene.isOurs) return
    const add = async (id: string): Promise<string> =>
      String(await redis.xAdd('newer', '*', { id }, { IDMP: { pid: 'p', iid: id } }))
    const first = await add('one')
    expect(await add('one')).toBe(first)
    const second = await add('two')
    await redis.xGroupCreate('newer', 'team', '0')
    await redis.xReadGroup('team', 'ann', { key: 'newer', id: '>' })
    expect(await redis.xNack('newer', 'team', 'FAIL', [first])).toBe(1)
    const again = await redis.xReadGroup('team', 'bob', { key: 'newer', id: '>' }, { CLAIM: 0, COUNT: 1 })
    expect(again).toEqual([
      { name: 'newer', messages: [expect.objectContaining({ id: first, message: { id: 'one' } })] },
    ])
    expect(await redis.xAckDel('newer', 'team', [first, '9-9'])).toEqual([1, -1])
    expect(await redis.xRead({ key: 'newer', id: '+' })).toEqual([
      { name: 'newer', messages: [{ id: second, message: { id: 'two' } }] },
    ])
    expect(await redis.xDelEx('newer', [second, '9-9'], 'DELREF')).toEqual([1, -1])
    expect(await redis.xPending('newer', 'team')).toEqual({ pending: 0, firstId: null, lastId: null, consumers: null })
  })

  it('waits for what is not there yet', async () => {
    const waiting = await enter()
    const id = await scene.gives(waiting.clientId())
    const read = waiting.xRead({ key: 'calls', id: '$' }, { BLOCK: 0 })
    await untilBlocked(id)
    await scene.is(redis.xAdd('calls', '5-5', { from: 'redis' }), '5-5')
    await scene.is(read, [{ name: 'calls', messages: [{ id: '5-5', message: { from: 'redis' } }] }])
    await scene.is(redis.xGroupCreate('calls', 'desk', '$'), 'OK')
    const groupRead = waiting.xReadGroup('desk', 'ann', { key: 'calls', id: '>' }, { BLOCK: 0 })
    await untilBlocked(id)
    await scene.is(redis.xAdd('calls', '6-6', { from: 'redis' }), '6-6')
    await scene.is(groupRead, [{ name: 'calls', messages: [{ id: '6-6', message: { from: 'redis' } }] }])
    await scene.is(waiting.xRead({ key: 'calls', id: '$' }, { BLOCK: 1 }), null)
  })

  it('carries out transactions, and none whose keys have changed', async () => {
    await scene.is(redis.multi().set('balance', '1').incr('balance').xLen('calls').exec(), ['OK', 2, 2])
    await scene.fails(redis.multi().xAdd('balance', '*', { a: 'b' }).exec(), /1 commands failed/)
    const watcher = await enter()
    await scene.is(watcher.watch('balance'), 'OK')
    await scene.is(redis.incr('balance'), 3)
    await scene.fails(watcher.multi().set('balance', '0').exec(), 'One (or more) of the watched keys has been changed')
    await scene.is(watcher.watch('balance'), 'OK')
    await scene.is(watcher.unwatch(), 'OK')
    await scene.is(redis.incr('balance'), 4)
    await scene.is(watcher.multi().get('balance').exec(), ['4'])
    await scene.fails(watcher.multi().addCommand(['NOSUCH']).exec(), /EXECABORT|unknown command/)
  })

  it('publishes and hears, and still answers while subscribed in RESP3', async () => {
    const subscriber = await enter()
    const inbox = new Inbox<readonly string[]>()
    const listen = (text: string, channel: string): void => inbox.push([channel, text])
    await scene.is(subscriber.subscribe(['news', 'sport'], listen), undefined)
    await scene.is(redis.publish('news', 'today'), 1)
    await scene.is(inbox.take(1), [['news', 'today']])
    await scene.is(subscriber.pSubscribe('s*', listen), undefined)
    await scene.is(redis.publish('sport', 'later'), 2)
    await scene.is(inbox.take(2), [
      ['sport', 'later'],
      ['sport', 'later'],
    ])
    await scene.is(subscriber.sSubscribe('shard', listen), undefined)
    await scene.is(redis.sPublish('shard', 'here'), 1)
    await scene.is(inbox.take(1), [['shard', 'here']])
    await scene.is(redis.pubSubNumSub(['news', 'none']), { news: 1, none: 0 })
    await scene.is(redis.pubSubChannels('n*'), ['news'])
    await scene.is(redis.pubSubNumPat(), 1)
    if (protocol === 3) await scene.is(subscriber.get('name'), 'third')
    await scene.is(subscriber.unsubscribe(), undefined)
    await scene.is(subscriber.pUnsubscribe(), undefined)
    await scene.is(subscriber.sUnsubscribe(), undefined)
    await scene.is(redis.publish('news', 'tomorrow'), 0)
    // In RESP2 the client goes on giving bytes after its last subscription.
    await scene.is(subscriber.get('name').then(String), 'third')
  })

  it('hears what happens to keys', async () => {
    const subscriber = await enter()
    const inbox = new Inbox<readonly string[]>()
    await scene.is(redis.configSet('notify-keyspace-events', 'Et'), 'OK')
    await scene.is(
      subscriber.pSubscribe('__keyevent@*__:*', (text, channel) => inbox.push([channel, text])),
      undefined,
    )
    await scene.is(redis.xAdd('heard', '1-1', { a: 'b' }), '1-1')
    await scene.is(redis.xGroupCreate('heard', 'team', '0'), 'OK')
    await scene.is(redis.xTrim('heard', 'MAXLEN', 0), 1)
    await scene.is(inbox.take(3), [
      ['__keyevent@0__:xadd', 'heard'],
      ['__keyevent@0__:xgroup-create', 'heard'],
      ['__keyevent@0__:xtrim', 'heard'],
    ])
    await scene.is(redis.configSet('notify-keyspace-events', ''), 'OK')
  })

  it('is told what is wrong', async () => {
    await scene.is(redis.set('text', 'abc'), 'OK')
    await scene.fails(
      redis.xAdd('log', '1-0', { a: 'b' }),
      'ERR The ID specified in XADD is equal or smaller than the target stream top item',
    )
    await scene.fails(redis.xLen('text'), 'WRONGTYPE Operation against a key holding the wrong kind of value')
    await scene.fails(redis.incr('text'), 'ERR value is not an integer or out of range')
    await scene.fails(redis.xAck('text', 'g', '1-1'), /^WRONGTYPE/)
    await scene.fails(
      redis.xReadGroup('none', 'ann', { key: 'log', id: '>' }),
      "NOGROUP No such key 'log' or consumer group 'none' in XREADGROUP with GROUP option",
    )
    await scene.fails(redis.xInfoStream('none'), 'ERR no such key')
    await scene.fails(redis.sendCommand(['XADD', 'log']), "ERR wrong number of arguments for 'xadd' command")
    await scene.fails(
      redis.sendCommand(['NOSUCH', 'a']),
      "ERR unknown command 'NOSUCH', with args beginning with: 'a' ",
    )
    await scene.fails(redis.auth({ password: 'x' }), /^ERR AUTH <password> called without any password configured/)
  })

  it('comes back after its connection was killed', async () => {
    const returning = await enter({ name: 'returning', database: 2 })
    await scene.is(returning.set('here', 'before'), 'OK')
    const id = await scene.gives(returning.clientId())
    const ready = new Promise((resolve) => returning.once('ready', resolve))
    await scene.is(redis.sendCommand(['CLIENT', 'KILL', 'ID', String(id)]), 1)
    await bounded(ready, 'the client to come back')
    await scene.is(returning.get('here'), 'before')
    await scene.is(returning.clientGetName(), 'returning')
    const subscriber = await enter()
    const inbox = new Inbox<string>()
    await subscriber.subscribe('after', (text) => inbox.push(text))
    const again = new Promise((resolve) => subscriber.once('ready', resolve))
    await scene.is(redis.sendCommand(['CLIENT', 'KILL', 'TYPE', 'pubsub']), 1)
    await bounded(again, 'the subscriber to come back')
    const heard = async (): Promise<void> => {
      while ((await redis.publish('after', 'back')) === 0) continue
    }
    await bounded(heard(), 'the subscription to be renewed')
    await scene.is(inbox.take(1), ['back'])
  })
}
