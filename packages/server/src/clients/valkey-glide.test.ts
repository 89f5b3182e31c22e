import { startRedis } from '@millrace/testing'
import {
  Batch,
  GlideClient,
  type GlideClientConfiguration,
  InfBoundary,
  Logger,
  ProtocolVersion,
  TimeUnit,
} from '@valkey/valkey-glide'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { bounded, describeClient, Inbox, type Scene } from './scenario.ts'

// That a connection ends is part of the play, and not to be printed.
Logger.init('off')

const anId = expect.stringMatching(/^\d+-\d+$/)

describeClient('valkey-glide (RESP3)', startRedis, (scene) => tell(scene, ProtocolVersion.RESP3))
describeClient('valkey-glide (RESP2)', startRedis, (scene) => tell(scene, ProtocolVersion.RESP2))

function tell(scene: Scene, protocol: ProtocolVersion): void {
  const clients: GlideClient[] = []
  let glide: GlideClient

  const enter = async (options: Partial<GlideClientConfiguration> = {}): Promise<GlideClient> => {
    const client = await bounded(
      GlideClient.createClient({
        addresses: [{ host: '127.0.0.1', port: scene.port }],
        protocol,
        requestTimeout: 5000,
        connectionBackoff: { numberOfRetries: 3, factor: 10, exponentBase: 2 },
        ...options,
      }),
      'the connection',
    )
    clients.push(client)
    return client
  }
  const untilBlocked = async (id: number): Promise<void> => {
    const blocked = new RegExp(`^id=${id} .* flags=b`, 'm')
    const seen = async (): Promise<void> => {
      while (!blocked.test(String(await glide.customCommand(['CLIENT', 'LIST'])))) continue
    }
    await bounded(seen(), `connection ${id} to block`)
  }

  beforeAll(async () => void (glide = await enter()))
  afterEach(() => {
    for (const client of clients.splice(1)) client.close()
  })
  afterAll(() => glide.close())

  it('shakes hands and says who it is', async () => {
    const named = await enter({ clientName: 'keeper', databaseId: 3 })
    await scene.is(glide.ping(), 'PONG')
    await scene.is(glide.echo('hello'), 'hello')
    await scene.is(named.clientGetName(), 'keeper')
    await scene.is(named.customCommand(['CLIENT', 'INFO']), expect.stringContaining(' db=3 '))
    await scene.is(named.clientId(), expect.any(Number))
    await scene.is(glide.info(), expect.stringContaining('redis_mode:standalone'))
    await scene.is(glide.configGet(['maxmemory-policy']), { 'maxmemory-policy': 'noeviction' })
    await scene.is(glide.time(), [expect.any(String), expect.any(String)])
    await scene.is(glide.dbsize(), 0)
    await scene.is(named.select(0), 'OK')
    await scene.is(named.customCommand(['CLIENT', 'INFO']), expect.stringContaining(' db=0 '))
  })

  it('proves who it is, and may do what its user may', async () => {
    await scene.is(glide.configSet({ requirepass: 'secret' }), 'OK')
    const owner = await enter({ credentials: { password: 'secret' } })
    await scene.is(owner.customCommand(['ACL', 'WHOAMI']), 'default')
    await scene.is(owner.customCommand(['ACL', 'SETUSER', 'reader', 'on', '>pages', '~book*', '+@read', '+info']), 'OK')
    const reader = await enter({ credentials: { username: 'reader', password: 'pages' } })
    await scene.is(reader.xlen('book'), 0)
    await scene.fails(reader.xlen('diary'), /this user has no permissions to access one of the keys/i)
    await scene.fails(reader.xdel('book', ['1-1']), /this user has no permissions to run the 'xdel' command/i)
    await scene.is(owner.customCommand(['ACL', 'DELUSER', 'reader']), 1)
    await scene.is(glide.configSet({ requirepass: '' }), 'OK')
  })

  it('keeps strings and keys', async () => {
    await scene.is(glide.set('name', 'value'), 'OK')
    await scene.is(glide.get('name'), 'value')
    await scene.is(glide.set('name', 'other', { conditionalSet: 'onlyIfDoesNotExist' }), null)
    await scene.is(glide.set('name', 'other', { returnOldValue: true }), 'value')
    await scene.is(glide.set('short', 'life', { expiry: { type: TimeUnit.Seconds, count: 100 } }), 'OK')
    await scene.is(glide.ttl('short'), 100)
    await scene.is(glide.persist('short'), true)
    await scene.is(glide.expire('short', 50), true)
    await scene.is(glide.incr('counter'), 1)
    await scene.is(glide.incrByFloat('counter', 0.5), 1.5)
    await scene.is(glide.mset({ one: '1', two: '2' }), 'OK')
    await scene.is(glide.mget(['one', 'none', 'two']), ['1', null, '2'])
    await scene.is(glide.exists(['one', 'none']), 1)
    await scene.is(glide.type('one'), 'string')
    await scene.is(glide.rename('one', 'three'), 'OK')
    await scene.is(glide.objectEncoding('three'), 'int')
    await scene.is(glide.del(['two', 'three']), 2)
    const [cursor, keys] = await scene.gives(glide.scan('0', { match: 's*', count: 100 }))
    await scene.is(Promise.resolve([cursor, keys]), ['0', ['short']])
  })

  it('writes, reads and trims a stream', async () => {
    await scene.is(glide.xadd('log', [['field', 'value']], { id: '1-1' }), '1-1')
    await scene.is(glide.xadd('log', [['field', 'second']], { id: '1-*' }), '1-2')
    await scene.is(glide.xadd('log', [['field', 'now']]), anId)
    await scene.is(glide.xadd('none', [['field', 'value']], { makeStream: false }), null)
    await scene.is(glide.xlen('log'), 3)
    await scene.is(glide.xrange('log', { value: '1-1' }, { value: '1-2', isInclusive: false }), {
      '1-1': [['field', 'value']],
    })
    await scene.is(glide.xrevrange('log', { value: '2' }, InfBoundary.NegativeInfinity, { count: 1 }), {
      '1-2': [['field', 'second']],
    })
    await scene.is(glide.xread({ log: '1-1' }, { count: 1 }), [{ key: 'log', value: { '1-2': [['field', 'second']] } }])
    await scene.is(glide.xread({ log: '$' }), null)
    await scene.is(glide.xdel('log', ['1-2', '9-9']), 1)
    await scene.is(glide.xtrim('log', { method: 'maxlen', threshold: 1, exact: true }), 1)
    await scene.is(glide.xinfoStream('log'), expect.objectContaining({ length: 1, 'entries-added': 3, groups: 0 }))
  })

  it('works off a stream with a consumer group', async () => {
    await scene.is(glide.xgroupCreate('work', 'team', '$', { mkStream: true }), 'OK')
    await scene.is(glide.xgroupCreateConsumer('work', 'team', 'idle'), true)
    await scene.is(glide.xadd('work', [['job', 'one']], { id: '1-0' }), '1-0')
    await scene.is(glide.xadd('work', [['job', 'two']], { id: '2-0' }), '2-0')
    await scene.is(glide.xreadgroup('team', 'ann', { work: '>' }, { count: 1 }), [
      { key: 'work', value: { '1-0': [['job', 'one']] } },
    ])
    await scene.is(glide.xreadgroup('team', 'bob', { work: '>' }), [
      { key: 'work', value: { '2-0': [['job', 'two']] } },
    ])
    await scene.is(glide.xreadgroup('team', 'bob', { work: '>' }), null)
    await scene.is(glide.xpending('work', 'team'), [
      2,
      '1-0',
      '2-0',
      [
        ['ann', '1'],
        ['bob', '1'],
      ],
    ])
    await scene.is(glide.xinfoGroups('work'), [
      { name: 'team', consumers: 3, pending: 2, 'last-delivered-id': '2-0', 'entries-read': 2, lag: 0 },
    ])
    await scene.is(glide.xinfoConsumers('work', 'team'), [
      expect.objectContaining({ name: 'ann', pending: 1 }),
      expect.objectContaining({ name: 'bob', pending: 1 }),
      expect.objectContaining({ name: 'idle', pending: 0 }),
    ])
    await scene.is(glide.xclaim('work', 'team', 'bob', 0, ['1-0']), { '1-0': [['job', 'one']] })
    await scene.is(glide.xclaimJustId('work', 'team', 'ann', 0, ['1-0']), ['1-0'])
    await scene.is(glide.xautoclaim('work', 'team', 'cid', 0, '0', { count: 1 }), [
      '2-0',
      { '1-0': [['job', 'one']] },
      [],
    ])
    await scene.is(glide.xack('work', 'team', ['1-0', '2-0', '9-9']), 2)
    await scene.is(glide.xgroupSetId('work', 'team', '0'), 'OK')
    await scene.is(glide.xgroupDelConsumer('work', 'team', 'cid'), 0)
    await scene.is(glide.xgroupDestroy('work', 'team'), true)
  })

  it('waits for what is not there yet', async () => {
    const waiting = await enter()
    const id = await scene.gives(waiting.clientId())
    const read = waiting.xread({ calls: '$' }, { block: 4000 })
    await untilBlocked(id)
    await scene.is(glide.xadd('calls', [['from', 'glide']], { id: '5-5' }), '5-5')
    await scene.is(read, [{ key: 'calls', value: { '5-5': [['from', 'glide']] } }])
    await scene.is(waiting.xread({ calls: '$' }, { block: 1 }), null)
    await scene.is(glide.xgroupCreate('calls', 'desk', '$'), 'OK')
    const groupRead = waiting.xreadgroup('desk', 'ann', { calls: '>' }, { block: 4000 })
    await untilBlocked(id)
    await scene.is(glide.xadd('calls', [['from', 'glide']], { id: '6-6' }), '6-6')
    await scene.is(groupRead, [{ key: 'calls', value: { '6-6': [['from', 'glide']] } }])
  })

  it('carries out transactions, and none whose keys have changed', async () => {
    const batch = new Batch(true).set('balance', '1').incr('balance').xlen('calls')
    await scene.is(glide.exec(batch, true), ['OK', 2, 2])
    await scene.fails(glide.exec(new Batch(true).xlen('balance'), true), /WRONGTYPE/i)
    const watcher = await enter()
    await scene.is(watcher.watch(['balance']), 'OK')
    await scene.is(glide.incr('balance'), 3)
    await scene.is(watcher.exec(new Batch(true).set('balance', '0'), true), null)
    await scene.is(watcher.watch(['balance']), 'OK')
    await scene.is(watcher.unwatch(), 'OK')
    await scene.is(watcher.exec(new Batch(true).get('balance'), true), ['3'])
    await scene.is(glide.exec(new Batch(false).set('piped', '1').get('piped'), true), ['OK', '1'])
  })

  it('publishes and hears', async () => {
    await scene.is(glide.publish('nobody listens', 'news'), 0)
    if (protocol === ProtocolVersion.RESP2) return
    const inbox = new Inbox<readonly unknown[]>()
    const subscriber = await enter({
      pubsubSubscriptions: {
        channelsAndPatterns: { 0: new Set(['news']), 1: new Set(['__key*__:*']) },
        callback: (message) => inbox.push([message.channel, message.message]),
      },
    })
    const subscribed = async (): Promise<void> => {
      while ((await glide.pubsubNumSub(['news']))[0]?.numSub !== 1 || (await glide.pubsubNumPat()) !== 1) continue
    }
    await bounded(subscribed(), 'the subscriptions')
    await scene.is(glide.publish('today', 'news'), 1)
    await scene.is(inbox.take(1), [['news', 'today']])
    await scene.is(glide.configSet({ 'notify-keyspace-events': 'KEt' }), 'OK')
    await scene.is(glide.xadd('heard', [['a', 'b']], { id: '1-1' }), '1-1')
    await scene.is(inbox.take(2), [
      ['__keyspace@0__:heard', 'xadd'],
      ['__keyevent@0__:xadd', 'heard'],
    ])
    await scene.is(glide.configSet({ 'notify-keyspace-events': '' }), 'OK')
    await scene.is(subscriber.get('name'), 'other')
    await scene.is(glide.pubsubChannels({ pattern: 'n*' }), ['news'])
  })

  it('is told what is wrong', async () => {
    await scene.is(glide.set('text', 'abc'), 'OK')
    await scene.fails(glide.xlen('text'), /WRONGTYPE.*Operation against a key holding the wrong kind of value/i)
    await scene.fails(glide.incr('text'), /value is not an integer or out of range/)
    await scene.fails(
      glide.xadd('log', [['a', 'b']], { id: '1-0' }),
      /The ID specified in XADD is equal or smaller than the target stream top item/,
    )
    await scene.is(glide.xgroupCreate('log', 'team', '$'), 'OK')
    await scene.fails(glide.xgroupCreate('log', 'team', '$'), /BUSYGROUP.*Consumer Group name already exists/)
    await scene.fails(
      glide.xreadgroup('none', 'ann', { log: '>' }),
      /NOGROUP.*No such key 'log' or consumer group 'none' in XREADGROUP with GROUP option/,
    )
    await scene.fails(glide.xinfoStream('none'), /no such key/)
    await scene.fails(glide.customCommand(['NOSUCH', 'a']), /unknown command '?`?NOSUCH/i)
    await scene.fails(glide.customCommand(['XADD', 'log']), /wrong number of arguments for 'xadd' command/)
    await scene.fails(glide.select(99), /DB index is out of range/)
  })

  it('comes back after its connection was killed', async () => {
    const returning = await enter({ clientName: 'returning', databaseId: 2 })
    await scene.is(returning.set('here', 'before'), 'OK')
    const id = await scene.gives(returning.clientId())
    await scene.is(glide.customCommand(['CLIENT', 'KILL', 'ID', String(id)]), 1)
    // A command on the lost connection rejects: the next ones go over the new one.
    const back = async (): Promise<string> => {
      for (;;) {
        try {
          return String(await returning.get('here'))
        } catch (error) {
          if (!/connection|disconnect|closed|broken|pipe|reset/i.test(String(error))) throw error
        }
      }
    }
    await scene.is(back(), 'before')
    await scene.is(returning.clientGetName(), 'returning')
    await scene.is(returning.clientId(), expect.any(Number))
  })
}
