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

it('keeps any bytes as they are', async () => {
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
  await talk.ask(['SET', bytes, bytes])
  expect(await talk.ask(['GETRANGE', bytes, '120', '255'])).toBe(`$136 ${bytes.slice(120)}`)
  expect(await talk.ask(['STRLEN', bytes])).toBe(':256')
})

it('sets under a condition, and tells the old value when asked', async () => {
  expect(await talk.ask('SET a 1 XX')).toBe('$-1')
  expect(await talk.ask('SET a 1 NX')).toBe('+OK')
  expect(await talk.ask('SET a 2 NX GET')).toBe('$1 1')
  expect(await talk.ask('SET a 3 XX GET')).toBe('$1 1')
  expect(await talk.ask('GET a')).toBe('$1 3')
})

it('ends an expiry with SET, but not with KEEPTTL, INCR and APPEND', async () => {
  await talk.ask('SET a 1 EX 100')
  for (const command of ['SET a 1 KEEPTTL', 'INCR a', 'APPEND a 5', 'SETRANGE a 0 1', 'INCRBYFLOAT a 1']) {
    await talk.ask(command)
    expect(await talk.ask('TTL a'), command).toBe(':100')
  }
  await talk.ask('SET a 1')
  expect(await talk.ask('TTL a')).toBe(':-1')
})

it('has no key any more from its last millisecond on', async () => {
  await talk.ask('SET a 1 PX 100')
  nowMs += 99
  expect(await talk.ask('PTTL a')).toBe(':1')
  nowMs += 1
  expect(await talk.ask('EXISTS a')).toBe(':0')
  expect(await talk.ask('SET b 1 EXAT 1')).toBe('+OK')
  expect(await talk.ask('GET b')).toBe('$-1')
})

it('counts exactly to the last of 64 bits, and not beyond', async () => {
  await talk.ask('SET a 9223372036854775806')
  expect(await talk.ask('INCR a')).toBe(':9223372036854775807')
  expect(await talk.ask('INCR a')).toBe('-ERR increment or decrement would overflow')
  expect(await talk.ask('DECRBY a -9223372036854775808')).toBe('-ERR decrement would overflow')
  expect(await talk.ask('GET a')).toBe('$19 9223372036854775807')
})

it('adds decimals as a long double does', async () => {
  await talk.ask('SET a 10.50')
  expect(await talk.ask('INCRBYFLOAT a 0.1')).toBe('$4 10.6')
  expect(await talk.ask('INCRBYFLOAT a 1e17')).toBe('$26 100000000000000010.6015625')
})

it('sets all or none with MSETNX', async () => {
  await talk.ask('SET b 1')
  expect(await talk.ask('MSETNX a 1 b 2')).toBe(':0')
  expect(await talk.ask('MGET a b')).toBe('*2 $-1 $1 1')
  expect(await talk.ask('MSETNX a 1 c 2')).toBe(':1')
})

it('tells a stream from a string', async () => {
  await talk.ask('XADD s 1-1 f v')
  const wrong = '-WRONGTYPE Operation against a key holding the wrong kind of value'
  for (const command of [
    'GET s',
    'INCR s',
    'APPEND s x',
    'GETRANGE s 0 1',
    'STRLEN s',
    'SET s x GET',
    'GETEX s EX x',
  ]) {
    expect(await talk.ask(command), command).toBe(wrong)
  }
  expect(await talk.ask('MGET s')).toBe('*1 $-1')
  await talk.ask('SET a 1')
  expect(await talk.ask('XADD a 1-1 f v')).toBe(wrong)
})

it('holds no string that is longer than an argument may be', async () => {
  const small = await Talk.start({ requestLimits: { bulkBytesMax: 100 } })
  const tooLong = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)'
  expect(await small.ask('SETRANGE a 99 x')).toBe(':100')
  expect(await small.ask('SETRANGE a 100 x')).toBe(tooLong)
  expect(await small.ask('SETRANGE a 9223372036854775807 x')).toBe(tooLong)
  expect(await small.ask('APPEND a x')).toBe(tooLong)
  await small.end()
})

it('says of a command of another type of Redis why it is not here', async () => {
  expect(await talk.ask('LPUSH a 1')).toBe(
    "-ERR 'LPUSH' is not available: Millrace has streams and strings, no lists, sets, hashes or sorted sets",
  )
  expect(await talk.ask('fcall f 0')).toBe("-ERR 'FCALL' is not available: Millrace runs no Lua")
  expect(await talk.ask('NOSUCH a')).toBe("-ERR unknown command 'NOSUCH', with args beginning with: 'a'")
  expect(await talk.ask('COMMAND GETKEYS lpush a 1')).toBe('-ERR Invalid command specified')
})

// Strings are here for what stands beside a stream.
it('says that LCS is not available', async () => {
  expect(await talk.ask('LCS a b')).toBe(
    "-ERR 'LCS' is not available: Millrace has streams and strings, no lists, sets, hashes or sorted sets, and of strings what a key beside a stream needs",
  )
})
