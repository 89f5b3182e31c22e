import { nodeEnv } from '@millrace/engine'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Talk } from '../talk.ts'

let talk: Talk
let nowMs: number
beforeEach(async () => {
  nowMs = 1_700_000_000_000
  talk = await Talk.start({ env: { ...nodeEnv, nowMs: () => nowMs } })
})
afterEach(async () => await talk.end())

/** All keys that a walk with SCAN finds. */
async function walk(options: string): Promise<string[]> {
  const found: string[] = []
  let cursor = '0'
  do {
    const [, next, keys] = /^\*2 \$\d+ (\d+) \*\d+ ?(.*)$/.exec(await talk.ask(`SCAN ${cursor}${options}`))!
    cursor = next!
    found.push(...keys!.split(' ').filter((word) => word !== '' && !word.startsWith('$')))
  } while (cursor !== '0')
  return found.toSorted()
}

it('finds every key in a walk, those that match, and those of a type', async () => {
  const names = Array.from({ length: 95 }, (_, i) => `key:${i}`)
  await talk.ask(['MSET', ...names.flatMap((name) => [name, 'v'])])
  await talk.ask('XADD stream 1-1 f v')
  expect(await walk('')).toEqual([...names, 'stream'].toSorted())
  expect(await walk(' COUNT 7 MATCH key:1?')).toEqual(names.slice(10, 20))
  expect(await walk(' TYPE stream')).toEqual(['stream'])
  expect(await walk(' TYPE list')).toEqual([])
})

it('finds a key that was there all the time, though others come and go', async () => {
  const names = Array.from({ length: 60 }, (_, i) => `key:${i}`)
  await talk.ask(['MSET', ...names.flatMap((name) => [name, 'v'])])
  const found = new Set<string>()
  let cursor = '0'
  for (let round = 0; ; round++) {
    const reply = await talk.ask(`SCAN ${cursor} COUNT 5`)
    for (const word of reply.split(' ')) if (word.startsWith('key:')) found.add(word)
    cursor = reply.split(' ')[2]!
    if (cursor === '0') break
    await talk.ask(['DEL', names[round]!])
    await talk.ask(['SET', `new:${round}`, 'v'])
    names[round] = ''
  }
  for (const name of names.filter((each) => each !== '')) expect(found).toContain(name)
})

it('takes very many keys in one command', async () => {
  const names = Array.from({ length: 200_000 }, (_, i) => `k${i}`)
  await talk.ask(['MSET', ...names.flatMap((name) => [name, 'v'])])
  expect(await talk.ask(['EXISTS', ...names])).toBe(':200000')
  expect(await talk.ask(['DEL', ...names])).toBe(':200000')
  expect(await talk.ask('DBSIZE')).toBe(':0')
})

it('shows databases that were swapped to clients that have them selected', async () => {
  const other = await talk.another()
  await other.ask('SELECT 1')
  await talk.ask('SET a 1')
  await talk.ask('SWAPDB 0 1')
  expect(await talk.ask('GET a')).toBe('$-1')
  expect(await other.ask('GET a')).toBe('$1 1')
})

it('serves a blocked reader when a stream comes by RENAME, COPY, MOVE or SWAPDB', async () => {
  for (const command of ['RENAME other s', 'COPY other s', 'MOVE s 1', 'SWAPDB 0 1']) {
    await talk.ask('FLUSHALL')
    const reader = await talk.another()
    const isElsewhere = !command.includes('other')
    if (isElsewhere) await reader.ask('SELECT 1')
    reader.say('XREAD BLOCK 0 STREAMS s 0')
    while (talk.server.state.blockedClients.size === 0) await talk.ask('PING')
    await talk.ask(`XADD ${isElsewhere ? 's' : 'other'} 1-1 f v`)
    await talk.ask(command)
    expect(await reader.hear(1), command).toEqual(['*1 *2 $1 s *1 *2 $3 1-1 *2 $1 f $1 v'])
  }
})

it('sets an expiry under a condition on the one that there is', async () => {
  await talk.ask('SET a 1')
  const steps = [
    ['EXPIRE a 100 XX', ':0'],
    ['EXPIRE a 100 GT', ':0'],
    ['EXPIRE a 100 LT', ':1'],
    ['EXPIRE a 200 NX', ':0'],
    ['EXPIRE a 50 GT', ':0'],
    ['EXPIRE a 200 GT', ':1'],
    ['TTL a', ':200'],
    ['EXPIRETIME a', ':1700000200'],
    ['PERSIST a', ':1'],
    ['TTL a', ':-1'],
    ['EXPIRE a -1', ':1'],
    ['TTL a', ':-2'],
  ] as const
  for (const [command, reply] of steps) expect(await talk.ask(command), command).toBe(reply)
})

it('takes times up to 2^63 ms as redis-server does, and tells those beyond 2^53 rounded', async () => {
  const steps = [
    ['SET a 1', '+OK'],
    ['PEXPIREAT a 9007199254740991', ':1'],
    ['PEXPIRETIME a', ':9007199254740991'],
    ['PEXPIREAT a 9007199254740993', ':1'],
    ['PEXPIRETIME a', ':9007199254740992'],
    ['SET a 1 PXAT 9223372036854775807', '+OK'],
    ['PEXPIRETIME a', ':9223372036854774784'],
    ['EXPIRETIME a', ':9223372036854774'],
    ['PEXPIREAT a 9223372036854775808', '-ERR value is not an integer or out of range'],
    ['PEXPIRE a 9223372036854775807', "-ERR invalid expire time in 'pexpire' command"],
    ['EXPIREAT a 9223372036854776', "-ERR invalid expire time in 'expireat' command"],
  ] as const
  for (const [command, reply] of steps) expect(await talk.ask(command), command).toBe(reply)
})

it('counts the bytes of a key, and grows with its value', async () => {
  await talk.ask(['SET', 'small', 'x'])
  await talk.ask(['SET', 'large', 'x'.repeat(10_000)])
  const bytes = async (key: string): Promise<number> => Number((await talk.ask(`MEMORY USAGE ${key}`)).slice(1))
  expect((await bytes('large')) - (await bytes('small'))).toBeGreaterThan(9_990)
  expect(await talk.ask('MEMORY USAGE missing')).toBe('$-1')
})

it('tells encodings and references as redis-server does', async () => {
  const cases = [
    ['12', 'int'],
    ['9223372036854775807', 'int'],
    ['9223372036854775808', 'embstr'],
    ['007', 'embstr'],
    ['x'.repeat(44), 'embstr'],
    ['x'.repeat(45), 'raw'],
  ] as const
  for (const [value, encoding] of cases) {
    await talk.ask(['SET', 'a', value])
    expect(await talk.ask('OBJECT ENCODING a'), value).toBe(`$${encoding.length} ${encoding}`)
  }
  await talk.ask('SET a 9999')
  expect(await talk.ask('OBJECT REFCOUNT a')).toBe(':2147483647')
  await talk.ask('XADD s 1-1 f v')
  expect(await talk.ask('OBJECT ENCODING s')).toBe('$6 stream')
  expect(await talk.ask('OBJECT ENCODING missing')).toBe('$-1')
})
