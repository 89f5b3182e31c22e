/** The Redis backend on a line that breaks: every command has exactly one outcome, and nothing waits for ever. */

import { type Proxy, type RedisServer, startCluster, startProxy, startRedis, waitFor } from '@millrace/testing'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EntryId } from '../backend.ts'
import { nodeClock } from '../clock.ts'
import { fields } from '../codec.ts'
import { RedisBackend, type RedisBackendOptions } from './redis-backend.ts'
import type { ClientEvent } from './redis-client.ts'
import { Stream } from '../stream.ts'

const start = '0-0' as EntryId
const ends: (() => Promise<unknown>)[] = []
let server: RedisServer
let proxy: Proxy

beforeEach(async () => {
  server = await startRedis()
  proxy = await startProxy({ target: server.port })
  ends.push(
    () => server.stop(),
    () => proxy.stop(),
  )
})
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

async function open(url: string | readonly string[], options: RedisBackendOptions = {}): Promise<RedisBackend> {
  const backend = await RedisBackend.connect(typeof url === 'string' ? [url] : url, options)
  ends.push(() => backend.close())
  return backend
}

function direct(port = server.port): Redis {
  const redis = new Redis(port, '127.0.0.1')
  ends.push(async () => redis.disconnect())
  return redis
}

async function numbers(backend: RedisBackend, stream: string): Promise<string[]> {
  return (await backend.range(stream)).map((entry) => Buffer.from(entry.fields[1]!).toString())
}

/** Lets the next request that contains `word` through, but not its reply: the line breaks in between. */
function cutReplyTo(word: string): Promise<void> {
  return new Promise((resolve) => {
    let wasSent = false
    proxy.onClientBytes = (bytes) => {
      wasSent ||= bytes.includes(word)
      return true
    }
    proxy.onTargetBytes = () => {
      if (!wasSent) return true
      proxy.onClientBytes = undefined
      proxy.onTargetBytes = undefined
      proxy.cut()
      proxy.restore()
      resolve()
      return false
    }
  })
}

describe('a lost reply', () => {
  it('leaves an append unknown, and never makes it happen twice', async () => {
    const backend = await open(proxy.url)
    const all = Array.from({ length: 50 }, (_, i) => String(i))
    for (const n of all) {
      const isCut = cutReplyTo('xadd')
      await expect(backend.add('s', ['n', n])).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
      await isCut
    }
    expect(await numbers(backend, 's')).toEqual(all)
  })

  it('leaves every append on the way unknown or done, and none twice', async () => {
    const backend = await open(proxy.url)
    const isCut = cutReplyTo('xadd')
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, i) => await backend.add('s', ['n', String(i)])),
    )
    await isCut
    const kept = await numbers(backend, 's')
    expect(new Set(kept).size).toBe(kept.length)
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') expect(kept).toContain(String(i))
      else expect(result.reason).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    }
  })

  it('to a command without effect is asked for again', async () => {
    const backend = await open(proxy.url)
    await backend.add('s', ['n', '1'])
    const isCut = cutReplyTo('xrange')
    expect(await numbers(backend, 's')).toEqual(['1'])
    await isCut
  })

  it('of a script leaves it unknown as well', async () => {
    const backend = await open(proxy.url)
    await backend.add('s', ['n', '1'], { expireMs: 60_000 })
    const isCut = cutReplyTo('evalsha')
    const adding = backend.add('s', ['n', '2'], { expireMs: 60_000 })
    await expect(adding).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    await isCut
    expect(await numbers(backend, 's')).toEqual(['1', '2'])
  })

  it('that never comes is given up after replyMs', async () => {
    const backend = await open(proxy.url, { replyMs: 150, unavailableMs: 300 })
    proxy.stall()
    await expect(backend.add('s', ['n', '1'])).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    proxy.restore()
    await waitFor(async () => (await backend.add('s', ['n', '2'])) !== undefined, { what: 'the line to work again' })
    expect(await numbers(backend, 's')).toEqual(['2'])
  })
})

describe('without a connection', () => {
  it('a command waits and then happens once', async () => {
    const events: ClientEvent['type'][] = []
    const backend = await open(proxy.url, { onEvent: ({ type }) => events.push(type) })
    proxy.cut()
    await waitFor(() => events.includes('disconnected'), { what: 'the line to break' })
    const adding = backend.add('s', ['n', '1'])
    proxy.restore()
    await adding
    expect(await numbers(backend, 's')).toEqual(['1'])
    expect(events.filter((type) => type === 'connected')).toHaveLength(2)
  })

  it('a command rejects after unavailableMs and does not happen later', async () => {
    const events: ClientEvent['type'][] = []
    const backend = await open(proxy.url, { unavailableMs: 200, onEvent: ({ type }) => events.push(type) })
    proxy.cut()
    await waitFor(() => events.includes('disconnected'), { what: 'the line to break' })
    await expect(backend.add('s', ['n', '1'])).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const reading = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), { blockMs: 5000 })
    await expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    proxy.restore()
    await waitFor(async () => (await backend.add('s', ['n', '2'])) !== undefined, { what: 'the line to work again' })
    expect(await numbers(backend, 's')).toEqual(['2'])
  })

  it('the first one is refused within its time, and says why', async () => {
    proxy.cut()
    const connecting = RedisBackend.connect([proxy.url], { connectMs: 300 })
    await expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await expect(RedisBackend.connect(['redis://127.0.0.1:1'], { connectMs: 300 })).rejects.toThrow('ECONNREFUSED')
  })

  it('the first one to a server that says nothing is refused within its time', async () => {
    proxy.stall()
    const connecting = RedisBackend.connect([proxy.url], { connectMs: 300, replyMs: 300 })
    await expect(connecting).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('a wrong password is refused at once and not repeated in the error', async () => {
    const guarded = await startRedis({ args: ['--requirepass', 'secret'] })
    ends.push(() => guarded.stop())
    const started = performance.now()
    const wrong = RedisBackend.connect([`redis://:hunter2@127.0.0.1:${guarded.port}`])
    await expect(wrong).rejects.toThrow(/WRONGPASS|invalid/)
    await expect(wrong).rejects.not.toThrow('hunter2')
    expect(performance.now() - started).toBeLessThan(4000)
    const backend = await open(`redis://:secret@127.0.0.1:${guarded.port}`)
    expect(await backend.add('s', ['n', '1'])).toBeDefined()
  })
})

describe('a blocked read', () => {
  it('rejects when its line breaks: nothing was consumed', async () => {
    const backend = await open(proxy.url)
    const reading = backend.read(new Map([['s', start]]), { blockMs: 10_000 })
    const rejected = expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await untilBlocked(1)
    proxy.cut()
    await rejected
  })

  it('of a group rejects as unknown when its line breaks: what it held is pending for its consumer', async () => {
    const backend = await open(proxy.url)
    await backend.createGroup('s', 'g')
    const reading = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), { blockMs: 10_000 })
    const rejected = expect(reading).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    await untilBlocked(1)
    proxy.onTargetBytes = (bytes) => {
      if (!bytes.includes('held')) return true
      proxy.onTargetBytes = undefined
      proxy.cut()
      return false
    }
    await direct().xadd('s', '*', 'n', 'held')
    await rejected
    proxy.restore()
    const own = await backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', start]]))
    expect(own.get('s')).toHaveLength(1)
  })

  it('does not outlive its time by more than its margin when the line is dead', async () => {
    const backend = await open(proxy.url)
    const reading = backend.read(new Map([['s', start]]), { blockMs: 300 })
    const rejected = expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await untilBlocked(1)
    proxy.stall()
    await rejected
  })

  it('ends within a second of its abort when the line is dead', async () => {
    const backend = await open(proxy.url)
    await backend.createGroup('s', 'g')
    const controller = new AbortController()
    const options = { blockMs: 60_000, signal: controller.signal }
    const reading = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>']]), options)
    const rejected = expect(reading).rejects.toThrow('enough')
    await untilBlocked(1)
    proxy.stall()
    const started = performance.now()
    controller.abort(new Error('enough'))
    await rejected
    expect(performance.now() - started).toBeLessThan(2000)
  })

  it('leaves no connection behind, however often it is aborted', async () => {
    const backend = await open(server.url)
    for (let i = 0; i < 100; i++) {
      const controller = new AbortController()
      const reading = backend.read(new Map([['s', start]]), { blockMs: 60_000, signal: controller.signal })
      if (i % 3 === 0) await untilBlocked(1)
      controller.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
    }
    await untilBlocked(0)
    // Commands, 8 pooled ones, CLIENT UNBLOCK, and this test's own: far fewer than were aborted.
    const own = direct()
    await waitFor(async () => Number(/connected_clients:(\d+)/.exec(await own.info('clients'))?.[1]) <= 12, {
      what: 'the connections to be closed',
    })
  })

  it('is unblocked, not cut off, also after the server has closed an idle connection', async () => {
    const backend = await open(server.url)
    await backend.createGroup('s', 'g')
    const own = direct()
    const idOf = async (command: string): Promise<string | undefined> =>
      new RegExp(`^id=(\\d+) .* cmd=${command} `, 'm').exec(String(await own.client('LIST')))?.[1]
    const lines = new Set<string | undefined>()
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController()
      const options = { blockMs: 10_000, signal: controller.signal }
      const reading = backend.readGroup({ group: 'g', consumer: 'c' }, new Map([['s', '>' as const]]), options)
      await untilBlocked(1)
      lines.add(await idOf('xreadgroup'))
      controller.abort(new Error('enough'))
      await expect(reading).rejects.toThrow('enough')
      await own.client('KILL', 'ID', (await idOf('client\\|unblock'))!)
      // A reply on another connection comes after the end of that one.
      await backend.inspect('s')
    }
    expect(lines.size).toBe(1)
  })

  it('is not ended by what was meant for the one before it on the same connection', async () => {
    const backend = await open(server.url)
    for (let i = 0; i < 40; i++) {
      const controller = new AbortController()
      const options = { blockMs: 10_000, signal: controller.signal }
      const reading = backend.read(new Map([['s', start]]), options).catch(() => undefined)
      if (i % 2 === 0) await untilBlocked(1)
      const adding = backend.add('s', ['n', '1'])
      controller.abort(new Error('enough'))
      await Promise.all([adding, reading])
      const began = performance.now()
      const { lastId } = (await backend.inspect('s'))!
      expect((await backend.read(new Map([['s', lastId]]), { blockMs: 30 })).size).toBe(0)
      expect(performance.now() - began).toBeGreaterThan(25)
      await backend.expire('s', 0)
    }
  })

  it('waits for the connection, like every command', async () => {
    const events: ClientEvent['type'][] = []
    const backend = await open(proxy.url, { onEvent: ({ type }) => events.push(type) })
    proxy.cut()
    await waitFor(() => events.includes('disconnected'), { what: 'the line to break' })
    const reading = backend.read(new Map([['s', start]]), { blockMs: 10_000 })
    proxy.restore()
    await backend.add('s', ['n', '1'])
    expect((await reading).size).toBe(1)
  })

  it('is refused beyond the limit of open ones', async () => {
    const backend = await open(server.url, { blockedReadsMax: 2 })
    const reading = [1, 2].map(async () => await backend.read(new Map([['s', start]]), { blockMs: 10_000 }))
    await untilBlocked(2)
    const third = backend.read(new Map([['s', start]]), { blockMs: 10_000 })
    await expect(third).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    await backend.add('s', ['n', '1'])
    for (const result of await Promise.all(reading)) expect(result.size).toBe(1)
  })
})

describe('another server behind the same address', () => {
  it('serves what comes after a fail-over', async () => {
    const other = await startRedis()
    ends.push(() => other.stop())
    const backend = await open(proxy.url)
    await backend.add('s', ['n', '1'])
    proxy.retarget(other.port)
    await waitFor(async () => (await backend.add('s', ['n', '2'])) !== undefined, { what: 'the other server' })
    expect(await numbers(backend, 's')).toEqual(['2'])
  })

  it('is looked for when the old one has become a replica', async () => {
    const other = await startRedis()
    ends.push(() => other.stop())
    const backend = await open(proxy.url)
    await direct().replicaof('127.0.0.1', other.port)
    let isRefused = false
    proxy.onTargetBytes = (bytes) => {
      isRefused ||= bytes.includes('READONLY')
      return true
    }
    const adding = backend.add('s', ['n', '1'])
    await waitFor(() => isRefused, { what: 'the replica to refuse' })
    proxy.retarget(other.port)
    await adding
    expect(await numbers(backend, 's')).toEqual(['1'])
  })
})

it('says that the memory is full', async () => {
  const small = await startRedis({ args: ['--maxmemory', '100kb'] })
  ends.push(() => small.stop())
  const backend = await open(small.url)
  await expect(backend.add('s', ['n', '1'])).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
})

it('keeps an error of the server that has no code of its own', async () => {
  const backend = await open(server.url)
  await direct().acl('SETUSER', 'default', '-xtrim')
  const trimming = backend.trim('s', { maxLen: 1 })
  await expect(trimming).rejects.toMatchObject({ code: 'BACKEND_ERROR', message: expect.stringContaining('NOPERM') })
})

it('leaves no connection behind when the server does not let itself be asked', async () => {
  await direct().acl('SETUSER', 'mute', 'on', '>secret', '~*', '+@all', '-info')
  const opening = open(`redis://mute:secret@127.0.0.1:${server.port}`)
  await expect(opening).rejects.toMatchObject({ name: 'StreamError' })
  const own = direct()
  await waitFor(async () => !String(await own.client('LIST')).includes('user=mute'), { what: 'the connection to end' })
})

it('loads its scripts again after the server has forgotten them', async () => {
  const backend = await open(server.url)
  await backend.add('s', ['n', '1'], { expireMs: 60_000 })
  await direct().script('FLUSH')
  expect(await backend.add('s', ['n', '2'], { expireMs: 60_000 })).toBeDefined()
})

describe('a Cluster', () => {
  it('is recognised behind the URL of one node', async () => {
    const cluster = await startCluster({ masters: 3 })
    ends.push(() => cluster.stop())
    const backend = await open(cluster.nodes[1]!.url)
    expect(backend.kind).toBe('cluster')
    expect(backend.label).toBe('redis cluster (3 nodes)')
  }, 60_000)

  it('that gives a slot to another node ends its blocked reads as unavailable, and reads go on there', async () => {
    const cluster = await startCluster({ masters: 3 })
    ends.push(() => cluster.stop())
    const backend = await open(cluster.url.split(','))
    // {b} is in slot 3,300, which the first node holds.
    const reading = backend.read(new Map([['{b}', start]]), { blockMs: 20_000 })
    const ended = expect(reading).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const nodes = cluster.nodes.map((node) => direct(node.port))
    await waitFor(async () => (await nodes[0]!.info('clients')).includes('blocked_clients:1\r'), { what: 'the read' })
    const target = String(await nodes[1]!.call('cluster', 'myid'))
    for (const node of [nodes[1]!, nodes[0]!, nodes[2]!]) await node.call('cluster', 'setslot', 3300, 'node', target)
    await ended
    const { value: entry } = await readOn(backend, async () => void (await backend.add('{b}', ['n', '1'])))
    expect(entry?.value).toEqual({ n: '1' })
  }, 60_000)

  it('that loses a master goes on with its replica, and appends nothing twice', async () => {
    const cluster = await startCluster({ masters: 3, replicas: 1 })
    ends.push(() => cluster.stop())
    const backend = await open(cluster.url.split(','), { unavailableMs: 20_000 })
    // One stream in each third of the slots; the first master holds slots 0 to 5,460, where {b} (3,300) is.
    await backend.add('{b}', ['n', 'before'])
    const adding = Promise.allSettled(
      Array.from({ length: 50 }, async (_, i) => await backend.add('{b}', ['n', String(i)])),
    )
    await cluster.nodes[0]!.kill()
    const results = await adding
    // A caller that must append repeats what is unknown: at least once, by its own decision.
    await waitFor(async () => (await backend.add('{b}', ['n', 'again'])) !== undefined, {
      what: 'the new master',
      timeoutMs: 20_000,
    })
    const later = Array.from({ length: 10 }, async (_, i) => await backend.add('{b}', ['n', `later ${i}`]))
    await Promise.all(later)
    const kept = await numbers(backend, '{b}')
    const counted = kept.filter((n) => n !== 'again')
    expect(new Set(counted).size).toBe(counted.length)
    expect(counted.filter((n) => n.startsWith('later'))).toHaveLength(10)
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
    }
    const { lastId } = (await backend.inspect('{b}'))!
    const reading = backend.read(new Map([['{b}', lastId]]), { blockMs: 10_000 })
    await backend.add('{b}', ['n', 'more'])
    expect((await reading).size).toBe(1)
  }, 90_000)
})

/** The first entry that a stream's reader is given, which waits out what is unavailable. */
async function readOn(backend: RedisBackend, add: () => Promise<void>) {
  const reader = new Stream({ backend, clock: nodeClock }, '{b}', { codec: fields }).read({
    signal: AbortSignal.timeout(15_000),
  })
  const first = reader.next()
  await add()
  return await first
}

async function untilBlocked(count: number): Promise<void> {
  const redis = new Redis(server.port, '127.0.0.1')
  try {
    await waitFor(async () => (await redis.info('clients')).includes(`blocked_clients:${count}\r`), {
      what: `${count} blocked clients`,
    })
  } finally {
    redis.disconnect()
  }
}
