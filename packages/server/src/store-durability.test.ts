/** A server on a directory: what was acknowledged is there after an end in order, and after none. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ServerOptions } from './options.ts'
import type { Server } from './server.ts'
import { Talk } from './talk.ts'

let directory: string
let talks: Talk[]
beforeEach(() => {
  directory = join(temporaryDirectory('kept'), 'data')
  talks = []
})
afterEach(async () => {
  for (const talk of talks) await talk.end()
})

async function start(options: ServerOptions = {}): Promise<Talk> {
  const talk = await Talk.start({ bind: ['127.0.0.1'], directory, ...options })
  talks.push(talk)
  return talk
}

it.each(['always', 'everysec', 'no'])('finds what it was told before, with appendfsync %s', async (appendfsync) => {
  const first = await start({ config: { appendfsync } })
  expect(await first.ask('XADD s 1-1 item tea')).toBe('$3 1-1')
  expect(await first.ask('XGROUP CREATE s g 0')).toBe('+OK')
  expect(await first.ask('XREADGROUP GROUP g c STREAMS s >')).toMatch(/1-1/)
  expect(await first.ask('SELECT 3')).toBe('+OK')
  expect(await first.ask('SET a b')).toBe('+OK')
  await first.end()
  const second = await start()
  expect(await second.ask('XPENDING s g')).toBe('*4 :1 $3 1-1 $3 1-1 *1 *2 $1 c $1 1')
  expect(await second.ask('SELECT 3')).toBe('+OK')
  expect(await second.ask('GET a')).toBe('$1 b')
})

it('serves blocked readers, events and transactions of what was loaded', async () => {
  const first = await start()
  await first.ask('XADD s 1-1 item tea')
  await first.end()
  const early: Promise<Talk>[] = []
  const onListening = (server: Server): void => void early.push(Talk.to(server))
  const second = await start({ onListening, config: { 'notify-keyspace-events': 'KEA' } })
  const reader = await early[0]!
  reader.say('XREAD BLOCK 0 STREAMS s $')
  const events = await second.another()
  expect(await events.ask('SUBSCRIBE __keyevent@0__:xadd')).toMatch(/subscribe/)
  while (second.server.state.blockedClients.size === 0) await new Promise((resolve) => setImmediate(resolve))
  expect(await second.ask('XADD s 2-1 item milk')).toBe('$3 2-1')
  expect((await reader.hear(1))[0]).toMatch(/2-1/)
  expect((await events.hear(1))[0]).toMatch(/xadd/)
})

it('tells the bytes of the journal', async () => {
  const talk = await start()
  await talk.ask('SET a b')
  const info = await talk.ask('INFO persistence')
  expect(info).toMatch(/ loading:0 .* aof_enabled:1 .* aof_current_size:[1-9]/)
  expect(readdirSync(directory).some((name) => name.startsWith('journal-'))).toBe(true)
})

it('does not start on a file, and says what it is', async () => {
  mkdirSync(join(directory, '..'), { recursive: true })
  writeFileSync(directory, 'no directory')
  await expect(start()).rejects.toThrow(directory)
})

it('does not start on data that are damaged', async () => {
  const first = await start()
  for (let i = 0; i < 20; i++) await first.ask(`SET key${i} value`)
  await first.end()
  const journal = readdirSync(directory).find((name) => name.startsWith('journal-'))!
  const path = join(directory, journal)
  const bytes = readFileSync(path)
  bytes[100]! ^= 1
  writeFileSync(path, bytes)
  await expect(start()).rejects.toThrow(journal)
  expect(existsSync(path)).toBe(true)
  expect(readFileSync(path).equals(bytes)).toBe(true)
})

it('finds what snapshots and the journal behind them say', async () => {
  const first = await start()
  for (let i = 0; i < 50; i++) await first.ask(`XADD s * n ${i}`)
  expect(await first.ask('SAVE')).toBe('+OK')
  expect(await first.ask('INFO persistence')).toMatch(/ rdb_changes_since_last_save:0 .* rdb_saves:1 /)
  await first.ask('SET a b')
  await first.end()
  const second = await start()
  expect([await second.ask('XLEN s'), await second.ask('GET a')]).toEqual([':50', '$1 b'])
  expect(await second.ask('BGREWRITEAOF')).toBe('+Background append only file rewriting started')
  expect(await second.ask('SET a c')).toBe('+OK')
  while (!(await second.ask('INFO persistence')).includes('aof_rewrites:1')) continue
  await second.end()
  const third = await start()
  expect([await third.ask('XLEN s'), await third.ask('GET a')]).toEqual([':50', '$1 c'])
})

it('waits for stable storage with WAITAOF', async () => {
  const talk = await start({ config: { appendfsync: 'no' } })
  expect(await talk.ask('SET a b')).toBe('+OK')
  expect(await talk.ask('WAITAOF 1 0 0')).toBe('*2 :1 :0')
})

it('lets one server have a directory', async () => {
  await start()
  await expect(start()).rejects.toThrow(String(process.pid))
})
