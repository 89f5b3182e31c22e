/** What a peer can do to the parser: section "protocol" of table.ts. */
import { startRedis, type RedisServer } from '@millrace/testing'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { transcript } from '../differential-bytes.ts'
import { encode } from '../differential-wire.ts'
import type { ServerOptions } from '../options.ts'
import { HandClock } from '../testing/hand-clock.ts'
import { Site } from '../testing/site.ts'
import { Victim } from './victim.ts'

const MIB = 1024 * 1024

let redis: RedisServer
let site: Site | undefined
let victim: Victim | undefined
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(async () => await redis?.stop())
afterEach(async () => {
  await site?.close()
  await victim?.stop()
  site = undefined
  victim = undefined
})

async function start(options?: ServerOptions): Promise<Site> {
  site = await Site.start(options)
  return site
}

async function answer(bytes: string): Promise<string> {
  return await transcript(site!.server.port, Buffer.from(bytes, 'latin1'))
}

it('HTTP on the port: is ended without an answer and nothing behind it is run, in any method that has a Host', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  for (const method of ['POST / HTTP/1.1', 'GET / HTTP/1.1', 'OPTIONS / HTTP/1.1', 'post /', 'PUT /']) {
    expect(await answer(`${method}\r\nHost: localhost\r\n\r\nSET a b\r\n`), method).toBe('')
  }
  expect(await answer('EXISTS a\r\n')).toBe(':0\r\n')
  const attacks = (): number => site!.log.filter((line) => line.includes('attack')).length
  expect(attacks()).toBe(1)
  clock.advance(61_000)
  await answer('POST / HTTP/1.1\r\n')
  expect(attacks()).toBe(2)
})

it('limits before AUTH: more than 10 arguments, 16 KiB in one or 64 KiB in all end the connection', async () => {
  await start({ password: 'pw' })
  expect(await answer('*11\r\n$4\r\nPING\r\n')).toBe('-ERR Protocol error: unauthenticated multibulk length\r\n')
  expect(await answer('*1\r\n$16385\r\n')).toBe('-ERR Protocol error: unauthenticated bulk length\r\n')
  expect(await answer('*10\r\n$16384\r\n')).toBe('')
  const wire = await site!.client()
  const request = encode(['ECHO', 'x'.repeat(16_000)])
  for (let i = 0; i < 5; i++) wire.send(request)
  await wire.closed()
  expect(wire.arrived().length).toBeLessThan(5)
  expect(site!.log.join()).toContain('too much without proving who it is')
})

it('limits before AUTH: whoever has not proved who it is after ten seconds is closed, and nobody else', async () => {
  const clock = new HandClock()
  await start({ env: clock, password: 'pw' })
  const [known, unknown] = [await site!.client(), await site!.client()]
  await known.ask('AUTH', 'pw')
  await unknown.ask('PING')
  clock.advance(9000)
  expect(site!.server.state.clients.size).toBe(2)
  clock.advance(2000)
  await unknown.closed()
  expect(await known.ask('PING')).toBe('+PONG\r\n')
})

it('limits before AUTH: they hold again after RESET', async () => {
  await start({ password: 'pw' })
  const said = await answer(`${encode(['AUTH', 'pw']).toString()}${encode(['RESET']).toString()}*11\r\n`)
  expect(said).toBe('+OK\r\n+RESET\r\n-ERR Protocol error: unauthenticated multibulk length\r\n')
})

it('multibulk beyond int32: is refused as in Redis', async () => {
  await start()
  for (const bytes of ['*2147483648\r\n', '*9223372036854775808\r\n', '*-9223372036854775809\r\n']) {
    expect(await answer(bytes), bytes).toBe(await transcript(redis.port, Buffer.from(bytes)))
    expect(await answer(bytes), bytes).toContain('invalid multibulk length')
  }
})

it('huge multibulk: more than 1,048,576 arguments are refused', async () => {
  await start()
  for (const count of [1_048_577, 2 ** 31 - 1]) {
    expect(await answer(`*${count}\r\n`)).toBe('-ERR Protocol error: invalid multibulk length\r\n')
  }
  expect(await answer('*1048576\r\n')).toBe('')
})

it('huge multibulk: declaring one takes no memory', async () => {
  victim = await Victim.start()
  const before = await victim.memory()
  // In 8 bytes for each argument that is 4 GB.
  await victim.sockets(500, (socket) => socket.write('*1048576\r\n$4\r\nPING\r\n$1\r\na\r\n'))
  const good = await victim.client()
  expect(await good.ask('PING')).toBe('+PONG\r\n')
  const after = await victim.memory()
  expect(after.peakBytes - before.rssBytes).toBeLessThan(100 * MIB)
})

it('huge bulk: more than 64 MiB are refused, and what is declared takes no memory before it comes', async () => {
  victim = await Victim.start()
  const said = await transcript(victim.port, Buffer.from('*2\r\n$3\r\nGET\r\n$67108865\r\n'))
  expect(said).toBe('-ERR Protocol error: invalid bulk length\r\n')
  const before = await victim.memory()
  await victim.sockets(200, (socket) => socket.write('*2\r\n$4\r\nECHO\r\n$67108864\r\nabc'))
  const good = await victim.client()
  await good.ask('PING')
  expect((await victim.memory()).peakBytes - before.rssBytes).toBeLessThan(100 * MIB)
})

it('huge bulk: one that is as large as may be is stored, told and echoed, and no string is made of it', async () => {
  await start()
  const value = Buffer.alloc(64 * MIB, 'v')
  const head = Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\na\r\n$${value.length}\r\n`)
  const wire = await site!.client()
  wire.send(Buffer.concat([head, value, Buffer.from('\r\n')]))
  expect(await wire.take(1)).toEqual(['+OK\r\n'])
  expect(await wire.ask('STRLEN', 'a')).toBe(`:${value.length}\r\n`)
  expect(await wire.ask('GETRANGE', 'a', '-2', '-1')).toBe('$2\r\nvv\r\n')
})

it('malformed lengths: are answered as by Redis, byte for byte', async () => {
  await start()
  const probes = [
    '*2\r\n$3\r\nGET\r\n$-1\r\n',
    '*01\r\n',
    '*+1\r\n',
    '*3\r\n*1\r\n$1\r\na\r\n',
    '%1\r\n',
    '*1\r\n$\r\n',
    '*1\r\n$04\r\nPING\r\n',
    '*1\r\n$ 4\r\nPING\r\n',
    '*1\r\n:4\r\n',
    '*\r\nPING\r\n',
    '* 1\r\n',
    '*1a\r\n',
    '*-1\r\nPING\r\n',
    '*0\r\nPING\r\n',
    '*-0\r\n',
    '*-01\r\n',
    '$4\r\nPING\r\n',
    'a'.repeat(70_000),
    `*${'1'.repeat(70_000)}`,
    `*1\r\n$${'1'.repeat(70_000)}`,
    'SET "a\r\n',
    "SET 'a\r\n",
    '"a"b\r\n',
    '*1\r\n$8388609999999999999\r\n',
  ]
  for (const bytes of probes) {
    expect(await answer(bytes), bytes.slice(0, 40)).toBe(await transcript(redis.port, Buffer.from(bytes)))
  }
})

it('bytes after a bulk: other than CR LF are refused, and nothing is run', async () => {
  await start()
  for (const end of ['xx', '\nx', '\r\r', '\0\0', '\n\r']) {
    const said = await answer(`*1\r\n$4\r\nPING${end}*1\r\n$4\r\nPING\r\n`)
    expect(said, JSON.stringify(end)).toBe('-ERR Protocol error: expected CRLF after an argument\r\n')
  }
})

it('TLS or NUL on the plain port: is ended at its first byte that no text has, though nothing more comes', async () => {
  await start()
  const hello = Buffer.from('16030100f8010000f40303', 'hex')
  for (const bytes of [hello, Buffer.from([0]), Buffer.from('PING\0\r\n'), Buffer.from([0x80, 0x2e, 1])]) {
    const wire = await site!.client()
    wire.send(bytes)
    if (bytes[0] === 0x80) wire.send(Buffer.from('\r\n'))
    const [said] = await wire.take(1)
    expect(said, bytes.toString('hex')).toMatch(/^-ERR /)
    if (bytes[0] !== 0x80) await wire.closed()
  }
})

it('TLS or NUL on the plain port: a NUL in the middle of a line never waits for more', async () => {
  await start()
  const wire = await site!.client()
  wire.send(Buffer.from('PI\0NG\r\nPING\r\n'))
  expect((await wire.take(1))[0]).toMatch(/^-ERR Protocol error/)
  await wire.closed()
})
