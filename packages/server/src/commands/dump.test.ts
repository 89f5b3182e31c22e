/** DUMP and RESTORE: what is replied is the same from redis-server 7.0.15, to the byte. */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { Wire } from '../differential-wire.ts'
import { Site } from '../testing/site.ts'

let redis: RedisServer
let site: Site
let theirs: Wire
let ours: Wire
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => await redis?.stop())
beforeEach(async () => {
  site = await Site.start()
  ours = await site.client()
  theirs = await Wire.connect(redis.port)
  await theirs.ask('FLUSHALL')
})
afterEach(async () => {
  theirs.destroy()
  await site.close()
})

/** Asks both; returns what both reply. */
async function ask(...args: string[]): Promise<string> {
  const [mine, other] = await Promise.all([ours.ask(...args), theirs.ask(...args)])
  expect(mine, args.join(' ')).toBe(other)
  return mine
}

/** What both dump of a key, from redis-server. */
async function dumped(key: string, from = theirs): Promise<string> {
  const frame = await from.ask('DUMP', key)
  return frame.slice(frame.indexOf('\r\n') + 2, -2)
}

async function makeStream(key: string): Promise<void> {
  await ask('XADD', key, '1-1', 'f', 'v')
  await ask('XADD', key, '2-1', 'f', 'v')
  await ask('XGROUP', 'CREATE', key, 'g', '0')
}

it('dumps short strings to the same bytes, and of a key that is missing nothing', async () => {
  for (const value of ['', 'hello', '0', '-1', '127', '128', '-32769', '2147483647', '2147483648', '007', '\xff\0']) {
    await ask('SET', 'a', value)
    await ask('DUMP', 'a')
  }
  expect(await ask('DUMP', 'missing')).toBe('$-1\r\n')
  expect(await ask('DUMP')).toMatch(/^-ERR wrong number/)
  expect(await ask('DUMP', 'a', 'b')).toMatch(/^-ERR wrong number/)
  await Promise.all([ours.ask('HELLO', '3'), theirs.ask('HELLO', '3')])
  expect(await ask('DUMP', 'missing')).toBe('_\r\n')
})

it('dumps an empty stream, and one with entries and a group, to the same bytes', async () => {
  await ask('XGROUP', 'CREATE', 'empty', 'g', '$', 'MKSTREAM')
  await ask('DUMP', 'empty')
  await makeStream('s')
  // We compress nothing.
  await theirs.ask('CONFIG', 'SET', 'rdbcompression', 'no')
  await ask('DUMP', 's')
  await theirs.ask('CONFIG', 'SET', 'rdbcompression', 'yes')
})

it('takes the options in any order, and refuses in the same order as redis-server', async () => {
  await ask('SET', 'a', 'hello')
  await makeStream('s')
  for (const payload of [await dumped('a'), await dumped('s'), 'x', '', '0'.repeat(30)]) {
    for (const key of ['a', 'n']) {
      for (const ttl of ['0', '-1', 'x', '99999999', '9223372036854775807', '9223372036854775808', '+1', '']) {
        for (const options of [[], ['REPLACE'], ['replace', 'ABSTTL'], ['ABSTTL'], ['FOO']]) {
          await ask('RESTORE', key, ttl, payload, ...options)
          await ask('EXISTS', key)
        }
      }
    }
    await ask('DEL', 'n')
  }
})

it('looks at IDLETIME and FREQ, which exclude each other', async () => {
  await ask('SET', 'a', 'hello')
  const payload = await dumped('a')
  const options = `
    IDLETIME | IDLETIME x | IDLETIME -1 | IDLETIME 5 REPLACE | IDLETIME 9223372036854775807 | IDLETIME 9223372036854775808
    FREQ | FREQ x | FREQ 256 | FREQ -1 | FREQ 255 REPLACE | FREQ 0
    IDLETIME 5 FREQ 5 | FREQ 5 IDLETIME 5 | IDLETIME 5 IDLETIME 6 | FREQ 5 FREQ 6 | FREQ 5 FREQ 256
    REPLACE REPLACE ABSTTL ABSTTL | IDLETIME REPLACE | REPLACE IDLETIME 1 ABSTTL | FREQ 1 FOO
  `
  for (const line of options.split(/[|\n]/)) {
    const words = line.trim().split(' ')
    if (words[0] === '') continue
    await ask('RESTORE', 'n', '0', payload, ...words)
    await ask('RESTORE', 'n', '0', 'x', ...words)
    await ask('RESTORE', 'n', 'x', payload, ...words)
  }
})

it('lets a key expire when it is told to, absolute or from now', async () => {
  await ask('SET', 'a', 'hello')
  const payload = await dumped('a')
  expect(await ask('RESTORE', 'n', '5000000000123', payload, 'ABSTTL')).toBe('+OK\r\n')
  expect(await ask('PEXPIRETIME', 'n')).toBe(':5000000000123\r\n')
  expect(await ask('RESTORE', 'n', '0', payload, 'REPLACE')).toBe('+OK\r\n')
  expect(await ask('PTTL', 'n')).toBe(':-1\r\n')
  const before = Date.now()
  await ask('RESTORE', 'n', '1000000', payload, 'REPLACE')
  const atMs = Number((await ours.ask('PEXPIRETIME', 'n')).slice(1))
  expect(atMs).toBeGreaterThanOrEqual(before + 1_000_000)
  expect(atMs).toBeLessThanOrEqual(Date.now() + 1_000_000)
})

it('tells the same events, of a time that has passed only that the key is gone', async () => {
  const [listeningOurs, listeningTheirs] = [await site.client(), await Wire.connect(redis.port)]
  const listeners = [listeningOurs, listeningTheirs]
  await ask('CONFIG', 'SET', 'notify-keyspace-events', 'EAnm')
  await ask('SET', 'a', 'hello')
  const payload = await dumped('a')
  for (const wire of listeners) await wire.ask('PSUBSCRIBE', '*')
  await ask('RESTORE', 'n', '0', payload)
  await ask('RESTORE', 'n', '0', payload, 'REPLACE')
  await ask('RESTORE', 'n', '1000', payload, 'REPLACE', 'ABSTTL')
  await ask('RESTORE', 'n', '1000', payload, 'REPLACE', 'ABSTTL')
  await ask('RESTORE', 'n', '1000', 'x', 'ABSTTL')
  await ask('DUMP', 'n')
  const [mine, other] = await Promise.all(listeners.map(async (wire) => await wire.take(6)))
  expect(mine).toEqual(other)
  expect(mine!.map((frame) => frame.split('\r\n')[6])).toEqual(
    ['new', 'restore', 'new', 'restore', 'del', 'keymiss'].map((event) => `__keyevent@0__:${event}`),
  )
  await ask('CONFIG', 'SET', 'notify-keyspace-events', '')
  listeningTheirs.destroy()
})

it('wakes who waits for the key, and undoes a transaction that watches it', async () => {
  await makeStream('s')
  const payload = await dumped('s')
  const [waitingOurs, waitingTheirs] = [await site.client(), await Wire.connect(redis.port)]
  const waiting = [waitingOurs, waitingTheirs]
  for (const wire of waiting) wire.send(Buffer.from('PING\r\nXREAD BLOCK 0 STREAMS b 0\r\n'))
  for (const wire of waiting) await wire.take(1)
  // It waits as soon as the server says so.
  for (const wire of [ours, theirs]) {
    await expect.poll(async () => await wire.ask('INFO', 'clients')).toContain('blocked_clients:1')
  }
  await ask('WATCH', 'b')
  await ask('RESTORE', 'b', '0', payload)
  await ask('MULTI')
  await ask('PING')
  expect(await ask('EXEC')).toBe('*-1\r\n')
  const [mine, other] = await Promise.all(waiting.map(async (wire) => await wire.take(1)))
  expect(mine).toEqual(other)
  expect(mine![0]).toContain('2-1')
  waitingTheirs.destroy()
})

it('takes each other’s payloads', async () => {
  await makeStream('s')
  await ask('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '1', 'STREAMS', 's', '>')
  await ask('SET', 'text', 'x'.repeat(100))
  for (const key of ['s', 'text']) {
    const [mine, other] = [await dumped(key, ours), await dumped(key)]
    expect(await ask('RESTORE', `${key}-ours`, '0', mine)).toBe('+OK\r\n')
    expect(await ask('RESTORE', `${key}-theirs`, '0', other)).toBe('+OK\r\n')
  }
  expect(await ask('GET', 'text-theirs')).toBe(await ask('GET', 'text-ours'))
  expect(await ask('XRANGE', 's-theirs', '-', '+')).toBe(await ask('XRANGE', 's-ours', '-', '+'))
  expect(await ask('XPENDING', 's-theirs', 'g')).toBe(await ask('XPENDING', 's-ours', 'g'))
})

it('refuses what redis-server has and this server has not', async () => {
  await theirs.ask('RPUSH', 'l', 'x')
  expect(await ours.ask('RESTORE', 'l', '0', await dumped('l'))).toBe(
    '-ERR a dumped value is a list: there are only streams and strings here\r\n',
  )
})

it('refuses to dump what is longer than an argument may be', async () => {
  await site.close()
  site = await Site.start({ settings: {}, requestLimits: { bulkBytesMax: 1000 } })
  ours = await site.client()
  await ours.ask('SET', 'a', 'x'.repeat(900))
  await ours.ask('SET', 'b', 'x'.repeat(1000))
  for (let i = 0; i < 20; i++) await ours.ask('XADD', 's', '*', 'f', 'x'.repeat(900))
  expect((await dumped('a', ours)).length).toBeGreaterThan(900)
  for (const key of ['b', 's']) {
    expect(await ours.ask('DUMP', key)).toBe('-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n')
  }
})
