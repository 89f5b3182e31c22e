/** What a server with a directory tells, and when: nothing that is not safe. */
import { afterEach, expect, it } from 'vitest'
import { encode, encodeAll, type Wire } from './differential-wire.ts'
import type { ServerOptions } from './options.ts'
import { HandClock } from './testing/hand-clock.ts'
import { HandDisk } from './testing/hand-disk.ts'
import { Site } from './testing/site.ts'

let site: Site
let disk: HandDisk
afterEach(async () => {
  disk.makeSafe()
  await site.close()
})

async function start(options?: ServerOptions): Promise<void> {
  disk = new HandDisk()
  site = await Site.start({ directory: '/nowhere', openDurability: disk.opener(), ...options })
}

/** Resolves when so many groups are written, after which their replies are held. */
async function written(groups: number): Promise<void> {
  while (disk.groups.length < groups) await turn()
  await turn()
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Whether it stays silent while others are answered. */
async function isSilent(wire: Wire): Promise<boolean> {
  let heard = false
  const hearing = wire.take(1).then((frames) => {
    heard = true
    return frames
  })
  for (let i = 0; i < 20; i++) await turn()
  const wasSilent = !heard
  disk.makeSafe()
  await hearing
  return wasSilent
}

it('answers a write when it is safe, and not before', async () => {
  await start()
  const wire = await site.client()
  wire.send(encode(['SET', 'a', 'b']))
  await written(1)
  expect(await isSilent(wire)).toBe(true)
  expect(await wire.ask('GET', 'a')).toBe('$1\r\nb\r\n')
})

it('answers at once what tells of nothing new', async () => {
  await start()
  const wire = await site.client()
  expect(await wire.ask('PING')).toBe('+PONG\r\n')
  expect(await wire.ask('GET', 'a')).toBe('$-1\r\n')
  expect(disk.groups).toEqual([])
})

it('holds a read that may tell of a change of another client', async () => {
  await start()
  const [writer, reader] = [await site.client(), await site.client()]
  writer.send(encode(['SET', 'a', 'b']))
  await written(1)
  reader.send(encode(['GET', 'a']))
  expect(await isSilent(reader)).toBe(true)
})

it('goes on with requests meanwhile, and lets go each reply with its own group, in order', async () => {
  await start()
  const [one, other] = [await site.client(), await site.client()]
  one.send(encode(['INCR', 'n']))
  await written(1)
  one.send(encode(['INCR', 'n']))
  await written(2)
  other.send(encode(['INCR', 'n']))
  await written(3)
  disk.makeSafe(1)
  expect(await one.take(1)).toEqual([':1\r\n'])
  disk.makeSafe(2)
  expect(await one.take(1)).toEqual([':2\r\n'])
  expect(await isSilent(other)).toBe(true)
})

it('writes the changes of a round as one group, and a transaction never in parts', async () => {
  await start()
  const wire = await site.client()
  const id = /:(\d+)/.exec(await wire.ask('CLIENT', 'ID'))![1]!
  // Who kills itself in a transaction is sent what it was answered so far, and the transaction goes on.
  const requests = [
    ['SET', 'a', '1'],
    ['MULTI'],
    ['SET', 'b', '2'],
    ['CLIENT', 'KILL', 'ID', id, 'SKIPME', 'NO'],
    ['SET', 'c', '3'],
    ['EXEC'],
  ]
  wire.send(encodeAll(requests))
  await written(1)
  disk.makeSafe()
  await wire.closed()
  expect(disk.groups).toEqual([3])
})

/** Three clients that were one group, and have had their replies. */
async function three(): Promise<[Wire, Wire, Wire]> {
  const wires: [Wire, Wire, Wire] = [await site.client(), await site.client(), await site.client()]
  disk.isSyncing = true
  for (const wire of wires) wire.send(encode(['INCR', 'n']))
  while (disk.databases.changeCount < 3) await turn()
  for (let i = 0; i < 50; i++) await turn()
  expect(disk.groups).toEqual([])
  disk.isSyncing = false
  disk.onChange()
  await written(1)
  disk.makeSafe()
  for (const [index, wire] of wires.entries()) expect(await wire.take(1)).toEqual([`:${index + 1}\r\n`])
  return wires
}

it('makes one group of what comes while the disk is busy', async () => {
  await start()
  await three()
  expect(disk.groups).toEqual([3])
})

it('waits a moment for those who were in the group before', async () => {
  await start()
  const [one, two, other] = await three()
  one.send(encode(['INCR', 'n']))
  while (disk.databases.changeCount < 4) await turn()
  two.send(encode(['INCR', 'n']))
  other.send(encode(['INCR', 'n']))
  await written(2)
  expect(disk.groups).toEqual([3, 3])
})

it('waits no longer when nobody joins', async () => {
  await start()
  const [one] = await three()
  one.send(encode(['INCR', 'n']))
  await written(2)
  expect(disk.groups).toEqual([3, 1])
})

it('holds what a blocked reader is served until what it is told of is safe', async () => {
  await start()
  const [reader, writer] = [await site.client(), await site.client()]
  reader.send(encode(['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']))
  while (site.server.state.blockedClients.size === 0) await turn()
  writer.send(encode(['XADD', 's', '1-1', 'a', 'b']))
  await written(1)
  expect(await isSilent(reader)).toBe(true)
  expect(await writer.take(1)).toEqual(['$3\r\n1-1\r\n'])
})

it('holds messages, keyspace events and the lines of MONITOR', async () => {
  await start({ config: { 'notify-keyspace-events': 'KEA' } })
  const [listener, watcher, monitor, writer] = [
    await site.client(),
    await site.client(),
    await site.client(),
    await site.client(),
  ]
  await listener.ask('SUBSCRIBE', 'news')
  await watcher.ask('SUBSCRIBE', '__keyevent@0__:set')
  await monitor.ask('MONITOR')
  const heard: string[] = []
  const hears = [
    listener.take(1).then(() => heard.push('message')),
    watcher.take(1).then(() => heard.push('event')),
    monitor.take(2).then(() => heard.push('lines')),
  ]
  writer.send(
    encodeAll([
      ['SET', 'a', 'b'],
      ['PUBLISH', 'news', 'x'],
    ]),
  )
  await written(1)
  for (let i = 0; i < 20; i++) await turn()
  expect(heard).toEqual([])
  disk.makeSafe()
  await Promise.all(hears)
})

it('runs no more requests of a client when too much of what it is told is held, and goes on when that is safe', async () => {
  await start({ settings: { outputBytesHigh: 131_072 } })
  const wire = await site.client()
  const value = 'x'.repeat(10_000)
  wire.send(encodeAll([['SET', 'a', value], ...Array.from({ length: 400 }, () => ['GET', 'a'])]))
  await written(1)
  for (let i = 0; i < 50; i++) await turn()
  const ran = site.server.state.commands.entry('get')!.calls
  // What is run within a turn leaves in pieces of 256 KiB.
  expect(ran).toBeLessThan(100)
  disk.makeSafe()
  expect(await wire.take(401)).toHaveLength(401)
})

it('counts what is held against the limits on unsent output', async () => {
  await start({ settings: { outputBytesPubSubMax: 100_000 } })
  const [writer, listener] = [await site.client(), await site.client()]
  await listener.ask('SUBSCRIBE', 'news')
  writer.send(encode(['SET', 'a', 'b']))
  await written(1)
  writer.send(encodeAll(Array.from({ length: 60 }, () => ['PUBLISH', 'news', 'x'.repeat(3000)])))
  await listener.closed()
  expect(site.log.join()).toMatch(/Closed .*: its replies wait for the disk, \d+ bytes wait/)
})

it('closes the client with the most when all together hold too much', async () => {
  await start({ settings: { outputBytesTotalMax: 400_000 } })
  const wires = [await site.client(), await site.client()]
  wires[0]!.send(encode(['SET', 'a', 'x'.repeat(100_000)]))
  await written(1)
  wires[1]!.send(encodeAll(Array.from({ length: 4 }, () => ['GET', 'a'])))
  await wires[1]!.closed()
  expect(site.log.join()).toMatch(/bytes wait over all clients/)
})

it('answers QUIT, and what came before it, when that is safe', async () => {
  await start()
  const wire = await site.client()
  wire.send(encodeAll([['SET', 'a', 'b'], ['QUIT']]))
  await written(1)
  for (let i = 0; i < 20; i++) await turn()
  expect(site.server.state.connections.size).toBe(1)
  expect(site.server.state.clients.size).toBe(0)
  disk.makeSafe()
  expect(await wire.take(2)).toEqual(['+OK\r\n', '+OK\r\n'])
  await wire.closed()
})

it('answers a peer that has sent its end', async () => {
  await start()
  const wire = await site.client()
  wire.send(encode(['SET', 'a', 'b']))
  wire.end()
  await written(1)
  for (let i = 0; i < 20; i++) await turn()
  disk.makeSafe()
  expect(await wire.take(1)).toEqual(['+OK\r\n'])
  await wire.closed()
})

it('answers QUIT also when its peer has sent its end meanwhile', async () => {
  await start()
  const wire = await site.client()
  wire.send(encodeAll([['SET', 'a', 'b'], ['QUIT']]))
  await written(1)
  wire.end()
  for (let i = 0; i < 20; i++) await turn()
  disk.makeSafe()
  expect(await wire.take(2)).toEqual(['+OK\r\n', '+OK\r\n'])
  await wire.closed()
})

it('answers in order across RESET and a change of the protocol', async () => {
  await start()
  const wire = await site.client(3)
  wire.send(encodeAll([['SET', 'a', 'b'], ['GET', 'c'], ['RESET'], ['GET', 'c']]))
  await written(1)
  disk.makeSafe()
  expect(await wire.take(4)).toEqual(['+OK\r\n', '_\r\n', '+RESET\r\n', '$-1\r\n'])
})

it('drops what is held for a client that is killed', async () => {
  await start()
  const [wire, killer] = [await site.client(), await site.client()]
  const id = /:(\d+)/.exec(await wire.ask('CLIENT', 'ID'))![1]!
  wire.send(encode(['SET', 'a', 'b']))
  await written(1)
  killer.send(encode(['CLIENT', 'KILL', 'ID', id]))
  await wire.closed()
  expect(site.server.state.gate!.holderCount).toBe(1)
  disk.makeSafe()
  expect(await killer.take(1)).toEqual([':1\r\n'])
  expect(site.server.state.outputBytes).toBe(0)
})

it('closes who has waited for a minute, with a line in the log', async () => {
  const env = new HandClock()
  await start({ env })
  const wire = await site.client()
  wire.send(encode(['SET', 'a', 'b']))
  await written(1)
  env.advance(58_000)
  expect(site.server.state.clients.size).toBe(1)
  env.advance(4000)
  await wire.closed()
  expect(site.log.join()).toMatch(/its replies could not be made safe in time/)
})

it('ends in order: what was received is answered when it is safe, then the disk is closed', async () => {
  await start()
  const wire = await site.client()
  wire.send(encode(['SET', 'a', 'b']))
  await written(1)
  const closing = site.server.close()
  for (let i = 0; i < 5; i++) await turn()
  expect(disk.isClosed).toBe(false)
  disk.makeSafe()
  expect(await wire.take(1)).toEqual(['+OK\r\n'])
  await closing
  expect(disk.isClosed).toBe(true)
})

it('writes what nobody is answered for', async () => {
  const env = new HandClock()
  await start({ env })
  disk.isQuick = true
  const wire = await site.client()
  wire.send(
    encodeAll([
      ['CLIENT', 'REPLY', 'OFF'],
      ['SET', 'a', 'b', 'PX', '1000'],
    ]),
  )
  await written(1)
  // The key expires, and no client is there for it.
  env.advance(2000)
  await written(2)
  expect(disk.groups).toEqual([1, 1])
})

it('lets reads go on while all writes are refused, and holds what was written before', async () => {
  await start()
  const [writer, reader] = [await site.client(), await site.client()]
  writer.send(encode(['SET', 'a', 'b']))
  await written(1)
  disk.refuse({ kind: 'all', reason: 'Input/output error' })
  await turn()
  expect(await reader.ask('GET', 'a')).toBe('$1\r\nb\r\n')
  expect(await reader.ask('SET', 'a', 'c')).toBe('-MISCONF Errors writing to the AOF file: Input/output error\r\n')
  disk.refuse(undefined)
  expect(await isSilent(writer)).toBe(true)
})
