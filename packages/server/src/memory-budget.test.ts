/** A server on a directory whose streams are larger than `maxmemory`. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { nodeEnv, type Env, type Fs, type OpenFile } from '@millrace/engine'
import { temporaryDirectory } from '@millrace/testing'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ServerOptions } from './options.ts'
import { Talk } from './talk.ts'

const MIB = 1 << 20
const VALUE = 'x'.repeat(2000)
const OOM = "-OOM command not allowed when used memory > 'maxmemory'."

let directory: string
let talks: Talk[]
let log: string[]
beforeEach(() => {
  directory = join(temporaryDirectory('budget'), 'data')
  talks = []
  log = []
})
afterEach(async () => {
  for (const talk of talks) await talk.end()
})

async function start(options: ServerOptions = {}): Promise<Talk> {
  const talk = await Talk.start({
    bind: ['127.0.0.1'],
    directory,
    maxMemoryBytes: 4 * MIB,
    config: { appendfsync: 'no' },
    log: (line) => log.push(line),
    ...options,
  })
  talks.push(talk)
  return talk
}

/** Adds entries of 2 KB with the IDs from-1 to to-1. */
async function fill(talk: Talk, from: number, to: number): Promise<string[]> {
  for (let i = from; i <= to; i++) talk.say(`XADD s ${i}-1 n ${i} v ${VALUE}`)
  return await talk.hear(to - from + 1)
}

async function memory(talk: Talk, field: string): Promise<string | undefined> {
  return new RegExp(`(?:^| )${field}:(\\S*)`).exec(await talk.ask('INFO memory'))?.[1]
}

const entry = (i: number): string => `*2 $${`${i}-1`.length} ${i}-1 *4 $1 n $${`${i}`.length} ${i} $1 v $2000 ${VALUE}`

/** A world whose files of cold segments fail when they are read, or written, while a test says so. */
function failingEnv(): { env: Env; fails: { read: boolean; write: boolean } } {
  const fails = { read: false, write: false }
  const failed = (what: string): Error => Object.assign(new Error(`EIO: i/o error, ${what}`), { code: 'EIO' })
  const wrap = (file: OpenFile): OpenFile => ({
    ...bound(file),
    read(into, position) {
      if (fails.read) throw failed('read')
      return file.read(into, position)
    },
    write(bytes, position) {
      if (fails.write) throw failed('write')
      return file.write(bytes, position)
    },
  })
  const fs: Fs = {
    ...nodeEnv.fs,
    open: (path, mode) => {
      const file = nodeEnv.fs.open(path, mode)
      return path.includes('/cold-') ? wrap(file) : file
    },
  }
  return { env: { ...nodeEnv, fs }, fails }
}

function bound(file: OpenFile): OpenFile {
  return {
    read: (into, position) => file.read(into, position),
    write: (bytes, position) => file.write(bytes, position),
    sync: async () => await file.sync(),
    syncNow: () => file.syncNow(),
    truncate: (size) => file.truncate(size),
    size: () => file.size(),
    close: () => file.close(),
  }
}

it('keeps a stream that is larger, and reads, delivers, claims and deletes all of it', async () => {
  const talk = await start()
  await fill(talk, 1, 10_000)
  expect(Number(await memory(talk, 'used_memory_dataset'))).toBeLessThan(4 * MIB)
  expect(Number(await memory(talk, 'cold_segments'))).toBeGreaterThan(10)
  expect(Number(await memory(talk, 'cold_bytes'))).toBeGreaterThan(10 * MIB)
  expect(await memory(talk, 'cold_last_write_status')).toBe('ok')
  expect(await talk.ask('XLEN s')).toBe(':10000')
  for (const i of [1, 5000, 9999]) expect(await talk.ask(`XRANGE s ${i} ${i}`)).toBe(`*1 ${entry(i)}`)
  expect(await talk.ask('XGROUP CREATE s g 4000-1')).toBe('+OK')
  expect(await talk.ask('XREADGROUP GROUP g a COUNT 1 STREAMS s >')).toContain(entry(4001).slice(0, 40))
  expect(await talk.ask('XCLAIM s g b 0 4001-1')).toBe(`*1 ${entry(4001)}`)
  expect(await talk.ask('XDEL s 2-1 9000-1')).toBe(':2')
  expect(await talk.ask('XRANGE s 1 3')).toBe(`*2 ${entry(1)} ${entry(3)}`)
  expect(await talk.ask('XTRIM s MAXLEN 5')).toBe(':9993')
  expect(await memory(talk, 'cold_file_bytes')).toBe('0')
})

it('loads a directory that is larger, and has its files for itself', async () => {
  const first = await start()
  await fill(first, 1, 6000)
  expect(await first.ask('SAVE')).toBe('+OK')
  await fill(first, 6001, 10_000)
  await first.end()
  expect(readdirSync(join(directory, 'cold'))).toEqual([])
  const second = await start()
  expect(Number(await memory(second, 'used_memory_dataset'))).toBeLessThan(4 * MIB)
  expect(await second.ask('XLEN s')).toBe(':10000')
  for (const i of [1, 5999, 6001, 10_000]) expect(await second.ask(`XRANGE s ${i} ${i}`)).toBe(`*1 ${entry(i)}`)
})

it('refuses only what cannot be on disk: strings, and what is at the end of streams', async () => {
  const talk = await start()
  expect(await talk.ask(`SET a ${'a'.repeat(2 * MIB)}`)).toBe('+OK')
  expect(new Set((await fill(talk, 1, 5000)).map((reply) => reply[0]))).toEqual(new Set(['$']))
  expect(await talk.ask(`SET b ${'b'.repeat(3 * MIB)}`)).toBe('+OK')
  expect(await talk.ask('XADD s * f v')).toBe(OOM)
  expect(await talk.ask('XRANGE s 7 7')).toBe(`*1 ${entry(7)}`)
  expect(await talk.ask('DEL b')).toBe(':1')
  expect(await talk.ask('XADD s * f v')).toMatch(/^\$/)
})

it('takes another budget while it runs', async () => {
  const talk = await start({ maxMemoryBytes: 0 })
  await fill(talk, 1, 5000)
  expect(await memory(talk, 'cold_segments')).toBe('0')
  expect(await talk.ask('CONFIG SET maxmemory 4mb')).toBe('+OK')
  expect(Number(await memory(talk, 'used_memory_dataset'))).toBeLessThan(4 * MIB)
  const segments = await memory(talk, 'cold_segments')
  expect(Number(segments)).toBeGreaterThan(3)
  expect(await talk.ask('CONFIG SET maxmemory 0')).toBe('+OK')
  await fill(talk, 5001, 8000)
  expect(await memory(talk, 'cold_segments')).toBe(segments)
})

it('has no such place without a directory', async () => {
  const talk = await Talk.start({ bind: ['127.0.0.1'], maxMemoryBytes: 4 * MIB })
  talks.push(talk)
  expect((await fill(talk, 1, 5000)).at(-1)).toBe(OOM)
  expect(await memory(talk, 'cold_segments')).toBe(undefined)
})

it('tells a long reply to its end though the stream is trimmed meanwhile', async () => {
  const talk = await start()
  await fill(talk, 1, 5000)
  const other = await talk.another()
  talk.say('XRANGE s - +')
  const [client] = [...talk.server.state.clients.values()]
  while (client!.source === undefined) await new Promise((resolve) => setImmediate(resolve))
  expect(await other.ask('XTRIM s MAXLEN 0')).toBe(':5000')
  expect(client!.source).toBeDefined()
  const [reply] = await talk.hear(1)
  expect(reply).toBe(`*5000 ${Array.from({ length: 5000 }, (_, i) => entry(i + 1)).join(' ')}`)
  expect(await memory(talk, 'cold_files')).toBe('0')
})

it('lets go of what a client was to be told that has left', async () => {
  const talk = await start()
  await fill(talk, 1, 5000)
  const other = await talk.another()
  other.say('XRANGE s - +')
  const client = [...talk.server.state.clients.values()].at(-1)!
  while (client.source === undefined) await new Promise((resolve) => setImmediate(resolve))
  client.connection.close('now')
  expect(await talk.ask('DEL s')).toBe(':1')
  expect(await memory(talk, 'cold_files')).toBe('0')
})

it('answers an error when the disk does not give what a reply needs, and goes on', async () => {
  const { env, fails } = failingEnv()
  const talk = await start({ env })
  await fill(talk, 1, 5000)
  expect(await talk.ask('XGROUP CREATE s g 0')).toBe('+OK')
  fails.read = true
  for (const command of [
    'XRANGE s 7 7',
    'XREAD COUNT 5 STREAMS s 0',
    'XREADGROUP GROUP g c COUNT 5 STREAMS s >',
    'XDEL s 7-1',
  ])
    expect(`${command} ${await talk.ask(command)}`).toMatch(
      / -ERR Reading \d+ bytes of \S+cold-000001 at offset \d+: EIO/,
    )
  expect(await talk.ask('XLEN s')).toBe(':5000')
  expect(await talk.ask('XPENDING s g')).toBe('*4 :0 $-1 $-1 *-1')
  fails.read = false
  expect(await talk.ask('XRANGE s 7 7')).toBe(`*1 ${entry(7)}`)
})

it('closes a connection in the middle of whose reply the disk fails, and tells the log', async () => {
  const { env, fails } = failingEnv()
  const talk = await start({ env })
  await fill(talk, 1, 5000)
  const other = await talk.another()
  other.say('XRANGE s - +')
  const client = [...talk.server.state.clients.values()].at(-1)!
  while (client.source === undefined) await new Promise((resolve) => setImmediate(resolve))
  fails.read = true
  while (!client.isClosed) await new Promise((resolve) => setImmediate(resolve))
  expect(log.join('\n')).toMatch(/Closed \S+: its reply could not be told to its end: Reading \d+ bytes of \S+cold-/)
  fails.read = false
  expect(await talk.ask('DEL s')).toBe(':1')
  expect(await memory(talk, 'cold_files')).toBe('0')
})

it('keeps in memory what the disk does not take, up to the budget, and tells the log', async () => {
  const { env, fails } = failingEnv()
  const talk = await start({ env })
  fails.write = true
  expect((await fill(talk, 1, 5000)).at(-1)).toBe(OOM)
  expect(await memory(talk, 'cold_last_write_status')).toBe('err')
  expect(log).toEqual([expect.stringMatching(/stays in memory, as the disk does not take it: EIO/)])
  fails.write = false
  expect(await talk.ask('XADD s * f v')).toMatch(/^\$/)
  expect(log.at(-1)).toBe('The disk takes what is beyond maxmemory again')
})
