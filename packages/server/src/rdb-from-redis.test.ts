/** What else a real redis-server 7.0.15 writes: values of other types in all of their encodings, and DUMP. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Databases, readDump, RdbSource, readRdbNow } from '@millrace/engine'
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { encodeAll, Wire } from './differential-wire.ts'
import { ourPicture, theirPicture } from './rdb-picture.ts'

const many = Array.from({ length: 700 }, (_, i) => `member:${i}`)
const long = 'x'.repeat(20_000)
/** Which encoding OBJECT tells, and how such a value is made. */
const others: readonly (readonly [type: string, encoding: string, command: readonly string[]])[] = [
  ['list', 'quicklist', ['RPUSH', 'list', 'a', '1', '-5000', long]],
  ['list', 'quicklist', ['RPUSH', 'list:long', ...many, long]],
  ['set', 'intset', ['SADD', 'set:numbers', '1', '70000', '9223372036854775807']],
  ['set', 'hashtable', ['SADD', 'set', 'a', long, ...many]],
  ['hash', 'listpack', ['HSET', 'hash', 'a', '1', 'b', 'two']],
  ['hash', 'hashtable', ['HSET', 'hash:long', 'a', long, ...many]],
  ['zset', 'listpack', ['ZADD', 'zset', '1', 'a', '2.5', 'b']],
  [
    'zset',
    'skiplist',
    ['ZADD', 'zset:long', '-inf', 'a', 'inf', long, ...many.flatMap((name, i) => [String(i / 7), name])],
  ],
]

let redis: RedisServer
let wire: Wire
let file = ''
beforeAll(async () => {
  redis = await startRedis()
  wire = await Wire.connect(redis.port)
  file = join((await wire.ask('CONFIG', 'GET', 'dir')).split('\r\n').at(-2)!, 'dump.rdb')
})
afterAll(async () => {
  wire?.destroy()
  await redis?.stop()
})
beforeEach(async () => {
  await ask(['FLUSHALL'], ['FUNCTION', 'FLUSH'], ['XADD', 's', '1-1', 'f', 'v'], ['XGROUP', 'CREATE', 's', 'g', '0'])
  await ask(['XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 's', '>'], ['SET', 'text', 'v', 'PX', '100000000'])
})

async function ask(...commands: readonly (readonly string[])[]): Promise<string[]> {
  wire.send(encodeAll(commands))
  return await wire.take(commands.length)
}

async function saved(): Promise<RdbSource> {
  expect(await wire.ask('SAVE')).toBe('+OK\r\n')
  return RdbSource.ofBytes(readFileSync(file), 'dump.rdb')
}

it('passes over lists, sets, hashes and sorted sets in every encoding, and counts them', async () => {
  const before = await theirPicture(wire)
  for (const [, encoding, command] of others) {
    const [, told] = await ask(command, ['OBJECT', 'ENCODING', command[1]!])
    expect(told).toContain(encoding)
  }
  const library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
  expect((await ask(['FUNCTION', 'LOAD', library]))[0]).toContain('lib')
  for (const compression of ['yes', 'no']) {
    await ask(['CONFIG', 'SET', 'rdbcompression', compression])
    const databases = new Databases()
    const { skipped, keys, streams } = readRdbNow(await saved(), { databases, skipOtherTypes: true })
    expect(Object.fromEntries(skipped)).toEqual({ function: 1, list: 2, set: 2, hash: 2, zset: 2 })
    expect([keys, streams]).toEqual([2, 1])
    expect(ourPicture(databases)).toEqual(before)
  }
})

it('refuses each of them by its name and its key', async () => {
  for (const [type, , command] of others) {
    await ask(['FLUSHALL'], command)
    const source = await saved()
    const read = (): unknown => readRdbNow(source, { databases: new Databases() })
    expect(read).toThrow(`dump.rdb has the key '${command[1]}' of database 0 with a ${type}`)
  }
})

it('reads what DUMP gives of streams and strings, and refuses the rest by name', async () => {
  const [dumped, text] = await ask(['DUMP', 's'], ['DUMP', 'text'])
  const stream = readDump(payloadOf(dumped!))
  expect(stream.type === 'stream' && [stream.length, stream.group('g')!.pending.size]).toEqual([1, 1])
  const value = readDump(payloadOf(text!))
  expect(value.type === 'string' && Buffer.from(value.bytes).toString()).toBe('v')
  for (const [type, , command] of others) {
    const [, other] = await ask(command, ['DUMP', command[1]!])
    expect(() => readDump(payloadOf(other!))).toThrow(`a dumped value is a ${type}`)
  }
})

it('reads values of every length at which something in a listpack changes, and numbers likewise', async () => {
  const lengths = [
    62, 63, 64, 125, 126, 127, 4093, 4094, 4095, 4096, 16_376, 16_377, 16_378, 16_379, 2_097_145, 2_097_146,
  ]
  const numbers = [0, 7, 12, 13, 15, 16, 23, 24, 31, 32, 53, 62, 63, 64].flatMap((bits) =>
    [-1n, 0n, 1n].flatMap((more) => [2n ** BigInt(bits) + more, -(2n ** BigInt(bits)) + more]),
  )
  const fields = [
    ...lengths.map((length) => 'x'.repeat(length)),
    ...numbers.map(String),
    '-0',
    '00',
    '+1',
    '',
    ' 1',
    '1e3',
  ]
  await ask(...fields.map((field) => ['XADD', 'edges', '*', field, field]))
  await ask(['XADD', 'edges', '*', ...fields.slice(0, 20).flatMap((field) => ['f', field])])
  const databases = new Databases()
  readRdbNow(await saved(), { databases })
  expect(ourPicture(databases)).toEqual(await theirPicture(wire))
})

/** The bytes of a bulk reply. */
function payloadOf(reply: string): Uint8Array {
  return Uint8Array.from(Buffer.from(reply.slice(reply.indexOf('\n') + 1, -2), 'latin1'))
}
