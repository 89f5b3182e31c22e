import { afterEach, beforeEach, expect, it } from 'vitest'
import { encodeAll } from '../differential-wire.ts'
import { HandClock } from '../testing/hand-clock.ts'
import { Site } from '../testing/site.ts'

let site: Site
const clock = new HandClock()

beforeEach(async () => {
  clock.stepMs = 0
  site = await Site.start({ env: clock })
})
afterEach(async () => await site.close())

/** Inline commands and their replies, as redis-server 7.0.15 gives them. */
async function talk(...lines: readonly string[]): Promise<string[]> {
  const wire = await site.client()
  wire.send(Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1'))
  return (await wire.take(lines.length)).map((frame) => frame.trimEnd().replaceAll('\r\n', ' '))
}

it('queues what comes after MULTI and runs it at EXEC, errors in their places', async () => {
  expect(await talk('MULTI', 'SET a b', 'XLEN a', 'GET a', 'EXEC', 'EXEC')).toEqual([
    '+OK',
    '+QUEUED',
    '+QUEUED',
    '+QUEUED',
    '*3 +OK -WRONGTYPE Operation against a key holding the wrong kind of value $1 b',
    '-ERR EXEC without MULTI',
  ])
})

it('refuses EXEC and DISCARD without MULTI, MULTI and WATCH within it', async () => {
  expect(await talk('DISCARD', 'MULTI', 'MULTI', 'WATCH a', 'UNWATCH', 'PING', 'EXEC')).toEqual([
    '-ERR DISCARD without MULTI',
    '+OK',
    '-ERR MULTI calls can not be nested',
    '-ERR WATCH inside MULTI is not allowed',
    '+QUEUED',
    '+QUEUED',
    '*2 +OK +PONG',
  ])
})

it('discards a transaction that has a command which cannot be queued', async () => {
  expect(await talk('MULTI', 'SET a b', 'FOO', 'EXEC', 'EXISTS a', 'MULTI', 'DISCARD x', 'EXEC')).toEqual([
    '+OK',
    '+QUEUED',
    "-ERR unknown command 'FOO', with args beginning with:",
    '-EXECABORT Transaction discarded because of previous errors.',
    ':0',
    '+OK',
    "-ERR wrong number of arguments for 'discard' command",
    '-EXECABORT Transaction discarded because of previous errors.',
  ])
})

it('takes the transaction away with an EXEC that is refused', async () => {
  expect(await talk('MULTI', 'EXEC x', 'EXEC')).toEqual([
    '+OK',
    "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
    '-ERR EXEC without MULTI',
  ])
})

it('leaves a transaction by DISCARD and by RESET', async () => {
  expect(await talk('MULTI', 'SET a b', 'DISCARD', 'EXISTS a', 'MULTI', 'RESET', 'EXEC')).toEqual([
    '+OK',
    '+QUEUED',
    '+OK',
    ':0',
    '+OK',
    '+RESET',
    '-ERR EXEC without MULTI',
  ])
})

it('refuses to queue anything when memory is out, and EXEC when what is queued needs it', async () => {
  const wire = await site.client()
  await wire.ask('SET', 'data', 'x'.repeat(100))
  wire.send(encodeAll([['MULTI'], ['SET', 'a', 'b'], ['GET', 'a']]))
  await wire.take(3)
  site.server.state.settings.maxMemoryBytes = 1
  expect(await wire.ask('EXEC')).toBe(
    "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.\r\n",
  )
  expect(await talk('SET a b', 'GET a', 'MULTI', 'GET a', 'UNWATCH', 'EXEC')).toEqual([
    "-OOM command not allowed when used memory > 'maxmemory'.",
    '$-1',
    '+OK',
    "-OOM command not allowed when used memory > 'maxmemory'.",
    "-OOM command not allowed when used memory > 'maxmemory'.",
    '-EXECABORT Transaction discarded because of previous errors.',
  ])
})

it('answers null when somebody has touched a watched key, in the array form of each protocol', async () => {
  const [two, three, other] = [await site.client(2), await site.client(3), await site.client()]
  for (const wire of [two, three]) {
    wire.send(encodeAll([['WATCH', 'a'], ['MULTI'], ['PING']]))
    await wire.take(3)
  }
  await other.ask('SET', 'a', '1')
  expect(await two.ask('EXEC')).toBe('*-1\r\n')
  expect(await three.ask('EXEC')).toBe('_\r\n')
})

it('counts a key of another database, a key that expires and a flush as touched, and none after UNWATCH', async () => {
  const [wire, other] = [await site.client(), await site.client()]
  const watched = async (key: string, touch: () => Promise<unknown>, ...before: string[][]): Promise<string> => {
    for (const args of [...before, ['WATCH', key]]) await wire.ask(...args)
    await touch()
    await wire.ask('MULTI')
    await wire.ask('PING')
    return await wire.ask('EXEC')
  }
  await other.ask('SET', 'dies', '1', 'PX', '50')
  const passes = (): Promise<unknown> => Promise.resolve(clock.advance(60))
  expect(await watched('dies', passes)).toBe('*-1\r\n')
  // It had expired when it was watched.
  await other.ask('SET', 'dead', '1', 'PX', '50')
  await passes()
  expect(await watched('dead', async () => await other.ask('EXISTS', 'dead'))).toBe('*1\r\n+PONG\r\n')
  await other.ask('SET', 'there', '1')
  expect(await watched('there', async () => await other.ask('FLUSHALL'))).toBe('*-1\r\n')
  expect(await watched('a', async () => await other.ask('SET', 'a', '1'), ['SELECT', '3'])).toBe('*1\r\n+PONG\r\n')
  expect(await watched('b', async () => await wire.ask('UNWATCH'))).toBe('*1\r\n+PONG\r\n')
})

it('gives all commands of a transaction one reading of the clock', async () => {
  const wire = await site.client()
  wire.send(encodeAll([['MULTI'], ['XADD', 's', '*', 'a', '1'], ['XADD', 's', '*', 'a', '2']]))
  await wire.take(3)
  clock.stepMs = 1
  const reply = await wire.ask('EXEC')
  clock.stepMs = 0
  const [first, second] = [...reply.matchAll(/\r\n(\d+)-(\d+)\r\n/g)]
  expect(second![1]).toBe(first![1])
  expect([first![2], second![2]]).toEqual(['0', '1'])
})

it('serves blocked readers after the whole transaction, and does not block in one', async () => {
  const [reader, writer] = [await site.client(), await site.client()]
  reader.send(encodeAll([['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']]))
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  writer.send(
    encodeAll([
      ['MULTI'],
      ['XADD', 's', '1-1', 'a', '1'],
      ['XADD', 's', '1-2', 'a', '2'],
      ['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'],
      ['EXEC'],
    ]),
  )
  expect((await writer.take(5))[4]).toBe('*3\r\n$3\r\n1-1\r\n$3\r\n1-2\r\n*-1\r\n')
  expect((await reader.take(1))[0]).toContain('1-2')
})

it('keeps its protocol from one command to the next within EXEC', async () => {
  expect((await talk('MULTI', 'HELLO 3', 'XREAD BLOCK 0 STREAMS s 0', 'EXEC'))[3]).toMatch(/^\*2 %7 .* _$/)
})

it('frees the memory of a transaction with its client', async () => {
  const wire = await site.client()
  wire.send(encodeAll([['MULTI'], ['SET', 'a', 'x'.repeat(100_000)], ['PING']]))
  await wire.take(3)
  expect(site.server.state.inputBytes).toBeGreaterThan(100_000)
  wire.destroy()
  await expect.poll(() => site.server.state.inputBytes).toBe(0)
})

it('counts what a queued command of very many short arguments takes', async () => {
  const wire = await site.client()
  const before = site.server.state.inputBytes
  wire.send(encodeAll([['MULTI'], ['DEL', ...Array.from({ length: 10_000 }, () => '')], ['PING']]))
  await wire.take(3)
  // Six bytes of each, and eight in the columns that say where it lies.
  expect(site.server.state.inputBytes - before).toBeGreaterThan(140_000)
  wire.destroy()
  await expect.poll(() => site.server.state.inputBytes).toBe(0)
})
