import { once } from 'node:events'
import type { Socket } from 'node:net'
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from 'node:stream'
import { ReplyReader } from '@millrace/protocol'
import { afterEach, expect, it } from 'vitest'
import { encode, encodeAll, type Wire } from './differential-wire.ts'
import type { ServerOptions } from './options.ts'
import type { ReplySource } from './reply-source.ts'
import { HandClock } from './testing/hand-clock.ts'
import { Site } from './testing/site.ts'

const MIB = 1024 * 1024

let site: Site
afterEach(async () => await site.close())

async function start(options?: ServerOptions): Promise<Site> {
  site = await Site.start(options)
  return site
}

function onlyClient(): Site['server']['state']['clients'] extends Map<number, infer C> ? C : never {
  return [...site.server.state.clients.values()][0]!
}

/** What a peer that begins to read gets, until so many replies are there. */
async function readAll(socket: Socket, count: number): Promise<number> {
  const reader = new ReplyReader()
  let frames = 0
  socket.on('data', (chunk: Buffer) => {
    reader.feed(chunk)
    while (reader.next()) frames++
    if (frames >= count) socket.emit('all-read')
  })
  socket.resume()
  if (frames < count) await once(socket, 'all-read')
  return frames
}

it('runs at most 1,000 requests of a client before others have their turn', async () => {
  await start()
  const { state } = site.server
  let run = 0
  let longest = 0
  state.monitor = () => {
    // Microtasks run when a turn has ended.
    if (run++ > 0) return
    queueMicrotask(() => {
      longest = Math.max(longest, run)
      run = 0
    })
  }
  const wire = await site.client()
  wire.send(Buffer.from('PING\r\n'.repeat(50_000)))
  expect(await wire.take(50_000)).toHaveLength(50_000)
  expect(longest).toBeGreaterThan(1)
  // After a pause the socket gives two chunks at once.
  expect(longest).toBeLessThanOrEqual(2000)
})

it('ends a turn after five milliseconds', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  let run = 0
  let longest = 0
  site.replace('echo', (client) => {
    clock.advance(2)
    client.reply.ok()
    if (run++ > 0) return
    queueMicrotask(() => {
      longest = Math.max(longest, run)
      run = 0
    })
  })
  site.server.state.observer = undefined
  const wire = await site.client()
  wire.send(encodeAll(Array.from({ length: 200 }, () => ['ECHO', 'a'])))
  expect(await wire.take(200)).toHaveLength(200)
  // The clock is looked at for every 16th quick command.
  expect(longest).toBeLessThanOrEqual(32)
})

it('stops running the requests of a client that does not read, and loses none', async () => {
  await start()
  const socket = await site.silent()
  const request = encode(['ECHO', 'x'.repeat(100_000)])
  const count = 1000
  for (let i = 0; i < count; i++) socket.write(request)
  await expect.poll(() => onlyClient().connection.outputBytes).toBeGreaterThan(MIB)
  const other = await site.client()
  for (let i = 0; i < 200; i++) await other.ask('PING')
  const { connection } = onlyClient()
  expect(connection.outputBytes).toBeLessThan(2 * MIB)
  expect(connection.inputBytes).toBeLessThan(MIB)
  expect(site.server.state.commands.entry('echo')!.calls).toBeLessThan(count)
  expect(await readAll(socket, count)).toBe(count)
})

it('gives one reply that is larger than the limit to a client that reads', async () => {
  await start({ settings: { outputBytesMax: MIB } })
  const wire = await site.client()
  const value = 'x'.repeat(4 * MIB)
  await wire.ask('SET', 'a', value)
  expect((await wire.ask('GET', 'a')).length).toBe(value.length + 12)
})

it('closes a listener that does not read its messages', async () => {
  await start({ settings: { outputBytesPubSubMax: 200_000 } })
  const socket = await site.silent()
  socket.write('SUBSCRIBE news\r\n')
  const wire = await site.client()
  await expect.poll(() => site.server.state.pubSub.listenerCount('channel', 'news')).toBe(1)
  let sent = 0
  while (site.server.state.pubSub.listenerCount('channel', 'news') > 0) {
    wire.send(encodeAll(Array.from({ length: 1000 }, () => ['PUBLISH', 'news', 'x'.repeat(100)])))
    await wire.take(1000)
    sent += 1000
    expect(sent).toBeLessThan(1_000_000)
  }
  expect(site.log.join()).toContain("doesn't read")
})

it('closes the client with the largest unfinished request when all together take too much', async () => {
  await start({ settings: { inputBytesTotalMax: MIB } })
  const [large, small] = [await site.client(), await site.client()]
  large.send(Buffer.from(`*2\r\n$4\r\nECHO\r\n$900000\r\n${'x'.repeat(700_000)}`))
  await expect.poll(() => site.server.state.inputBytes).toBeGreaterThan(700_000)
  small.send(Buffer.from(`*2\r\n$4\r\nECHO\r\n$500000\r\n${'x'.repeat(400_000)}`))
  await large.closed()
  small.send(Buffer.from(`${'x'.repeat(100_000)}\r\n`))
  expect((await small.take(1))[0]).toHaveLength(500_011)
  expect(site.server.state.inputBytes).toBe(0)
})

it('closes a client whose request is not whole in 30 seconds, and no other', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const [half, idle, blocked] = [await site.client(), await site.client(), await site.client()]
  half.send(Buffer.from('*1\r\n$4\r\nPI'))
  blocked.send(encodeAll([['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$'], ['PING']]))
  await idle.ask('PING')
  await expect.poll(() => site.server.state.inputBytes).toBeGreaterThan(0)
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  clock.advance(29_000)
  expect(site.server.state.clients.size).toBe(3)
  clock.advance(2000)
  await half.closed()
  expect(await idle.ask('PING')).toBe('+PONG\r\n')
  expect(blocked.isClosed).toBe(false)
})

it('closes idle clients after `timeout` seconds, but not those that wait or listen', async () => {
  const clock = new HandClock()
  await start({ env: clock, settings: { idleSeconds: 10 } })
  const [idle, blocked, listener] = [await site.client(), await site.client(), await site.client()]
  await idle.ask('PING')
  blocked.send(encode(['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']))
  await listener.ask('SUBSCRIBE', 'a')
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  clock.advance(12_000)
  await idle.closed()
  expect([blocked.isClosed, listener.isClosed]).toEqual([false, false])
})

it('refuses more clients than it may have', async () => {
  await start({ settings: { maxClients: 2 } })
  const kept = [await site.client(), await site.client()]
  for (const wire of kept) await wire.ask('PING')
  const third = await site.client()
  expect(await third.take(1)).toEqual(['-ERR max number of clients reached\r\n'])
  await third.closed()
  kept[0]!.destroy()
  await expect.poll(() => site.server.state.clients.size).toBe(1)
  expect(await (await site.client()).ask('PING')).toBe('+PONG\r\n')
})

it('gives nothing to a reader that is gone: its entry goes to the next one', async () => {
  await start()
  const [dead, alive, writer] = [await site.client(), await site.client(), await site.client()]
  await writer.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
  const read = (consumer: string): Buffer =>
    encode(['XREADGROUP', 'GROUP', 'g', consumer, 'BLOCK', '0', 'STREAMS', 's', '>'])
  dead.send(read('dead'))
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  alive.send(read('alive'))
  await expect.poll(() => site.server.state.blockedClients.size).toBe(2)
  dead.destroy()
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  await writer.ask('XADD', 's', '1-1', 'a', 'b')
  expect((await alive.take(1))[0]).toContain('1-1')
  expect(await writer.ask('XPENDING', 's', 'g')).toContain('alive')
})

it('gives nothing to a reader whose peer has ended its half, as Redis', async () => {
  await start()
  const [gone, writer] = [await site.client(), await site.client()]
  await writer.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
  gone.send(encode(['XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', '0', 'STREAMS', 's', '>']))
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  gone.end()
  await gone.closed()
  await writer.ask('XADD', 's', '1-1', 'a', 'b')
  expect(await writer.ask('XPENDING', 's', 'g')).toBe('*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n')
})

it('answers all requests of a peer that ends its half behind them', async () => {
  await start()
  const wire = await site.client()
  wire.send(Buffer.from('PING\r\n'.repeat(20_000)))
  wire.end()
  expect(await wire.take(20_001)).toHaveLength(20_000)
})

it('ends a client that sends HTTP without an answer, runs nothing behind it, and logs it once', async () => {
  // With a clock that stands, so that both lines are of one turn.
  await start({ env: new HandClock() })
  for (const first of ['POST / HTTP/1.1', 'GET / HTTP/1.1\r\nHost: example.org', 'hOsT: a']) {
    const wire = await site.client()
    wire.send(Buffer.from(`${first}\r\nSET a b\r\n`))
    await wire.closed()
    expect(wire.arrived()).toEqual([])
  }
  expect(await (await site.client()).ask('EXISTS', 'a')).toBe(':0\r\n')
  expect(site.log.filter((line) => line.includes('attack'))).toHaveLength(1)
})

it('answers a protocol error after the replies before it, and runs nothing behind it', async () => {
  await start()
  const wire = await site.client()
  wire.send(Buffer.from('PING\r\n*1\r\n$x\r\nSET a b\r\n'))
  expect(await wire.take(3)).toEqual(['+PONG\r\n', '-ERR Protocol error: invalid bulk length\r\n'])
  await wire.closed()
  expect(await (await site.client()).ask('EXISTS', 'a')).toBe(':0\r\n')
})

it('answers a command that throws with an error, logs where, and goes on', async () => {
  await start()
  site.replace('echo', (client) => {
    client.reply.array(3)
    throw new TypeError('a mistake of ours')
  })
  const wire = await site.client()
  wire.send(encodeAll([['ECHO', 'a'], ['PING']]))
  expect(await wire.take(2)).toEqual(["-ERR Internal error, told in the server's log\r\n", '+PONG\r\n'])
  expect(site.log.join()).toMatch(/a mistake of ours\n.*at/)
})

/** An array of so many numbers, in steps. */
function numbers(count: number): ReplySource {
  let told = -1
  return {
    next(reply, budgetBytes) {
      if (told < 0) {
        reply.array(count)
        told = 0
      }
      const until = reply.length + budgetBytes
      while (told < count && reply.length < until) reply.integer(told++)
      return told === count
    },
  }
}

function tellNumbers(count: number): void {
  site.replace('echo', (client) => client.stream(numbers(count)))
}

it('tells a long reply in steps, with the turns of others between them and the own requests behind it', async () => {
  await start()
  tellNumbers(1_000_000)
  const [wire, other] = [await site.client(), await site.client()]
  wire.send(encodeAll([['ECHO', 'a'], ['PING']]))
  await expect.poll(() => onlyClient().source).toBeDefined()
  expect(await other.ask('PING')).toBe('+PONG\r\n')
  expect(onlyClient().source).toBeDefined()
  const [long, pong] = await wire.take(2)
  expect(long!.length).toBe('*1000000\r\n'.length + digits(1_000_000) + 1_000_000 * 3)
  expect(pong).toBe('+PONG\r\n')
})

it('holds messages back until a long reply is told', async () => {
  await start()
  tellNumbers(1_000_000)
  const [wire, other] = [await site.client(3), await site.client()]
  await wire.ask('SUBSCRIBE', 'news')
  wire.send(encode(['ECHO', 'a']))
  await expect.poll(() => onlyClient().source).toBeDefined()
  await other.ask('PUBLISH', 'news', 'hello')
  expect(onlyClient().source).toBeDefined()
  const [long, message] = await wire.take(2)
  expect(long!.slice(0, 10)).toBe('*1000000\r\n')
  expect(message).toBe('>3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n')
})

it('tells no more of a long reply than its peer takes', async () => {
  await start()
  tellNumbers(10_000_000)
  const socket = await site.silent()
  socket.write(encode(['ECHO', 'a']))
  await expect.poll(() => onlyClient().connection.outputBytes).toBeGreaterThan(MIB)
  const other = await site.client()
  for (let i = 0; i < 100; i++) await other.ask('PING')
  expect(onlyClient().connection.outputBytes).toBeLessThan(2 * MIB)
})

it('tells a long reply at once within EXEC', async () => {
  await start()
  tellNumbers(3)
  const wire = await site.client()
  wire.send(encodeAll([['MULTI'], ['ECHO', 'a'], ['PING'], ['EXEC']]))
  expect((await wire.take(4))[3]).toBe('*2\r\n*3\r\n:0\r\n:1\r\n:2\r\n+PONG\r\n')
})

it('answers at its end what it has received, and ends who waits', async () => {
  await start()
  const [wire, blocked] = [await site.client(), await site.client()]
  blocked.send(encode(['XREAD', 'BLOCK', '0', 'STREAMS', 's', '$']))
  await expect.poll(() => site.server.state.blockedClients.size).toBe(1)
  wire.send(Buffer.from('PING\r\n'.repeat(5000)))
  await wire.take(1)
  const closing = site.server.close()
  expect(await wire.take(5000)).toHaveLength(4999)
  await blocked.closed()
  expect(blocked.arrived()).toEqual([])
  await closing
  await expect(site.client()).rejects.toThrow('ECONNREFUSED')
})

it('ends at its limit though a peer takes nothing', async () => {
  await start()
  const socket = await site.silent()
  for (let i = 0; i < 300; i++) socket.write(encode(['ECHO', 'x'.repeat(100_000)]))
  await expect.poll(() => onlyClient().connection.outputBytes).toBeGreaterThan(MIB)
  await site.server.close(100)
  expect(site.server.state.connections.size).toBe(0)
})

it('cuts the wait of a blocked client at its deadline, in the order of the deadlines', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const wires: Wire[] = []
  for (const ms of ['3000', '1000', '2000']) {
    const wire = await site.client()
    wire.send(encodeAll([['XREAD', 'BLOCK', ms, 'STREAMS', 's', '$'], ['PING']]))
    wires.push(wire)
    await expect.poll(() => site.server.state.blockedClients.size).toBe(wires.length)
  }
  for (const place of [1, 2, 0]) {
    expect(wires[place]!.arrived()).toEqual([])
    clock.advance(1000)
    expect(await wires[place]!.take(2)).toEqual(['*-1\r\n', '+PONG\r\n'])
  }
})

it('removes keys that have expired though nobody looks at them', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const wire = await site.client()
  for (let i = 0; i < 1000; i++) wire.send(encode(['SET', `key ${i}`, 'a', 'PX', '500']))
  await wire.take(1000)
  clock.advance(499)
  expect(site.server.state.databases.at(0).keyCount).toBe(1000)
  clock.advance(200)
  expect(site.server.state.databases.at(0).keyCount).toBe(0)
})

it('lets requests wait while clients are paused, and goes on in their order', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const [wire, reader] = [await site.client(), await site.client()]
  await wire.ask('PING')
  site.server.state.pause = { untilMs: clock.nowMs() + 5000, isForWritesOnly: true }
  wire.send(
    encodeAll([
      ['SET', 'a', '1'],
      ['INCR', 'a'],
    ]),
  )
  await expect.poll(() => onlyClient().held).toBeDefined()
  expect(await reader.ask('GET', 'a')).toBe('$-1\r\n')
  clock.advance(5001)
  expect(await wire.take(2)).toEqual(['+OK\r\n', ':2\r\n'])
})

function digits(count: number): number {
  let sum = 0
  for (let i = 0; i < count; i++) sum += String(i).length
  return sum
}

it('removes keys that have expired after a pause though nobody asks for anything', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const wire = await site.client()
  await wire.ask('SET', 'a', '1', 'PX', '100')
  await wire.ask('CLIENT', 'PAUSE', '1000')
  clock.advance(900)
  expect(site.server.state.databases.at(0).keyCount).toBe(1)
  clock.advance(400)
  expect(site.server.state.databases.at(0).keyCount).toBe(0)
})

it('keeps no buffers for a connection that is quiet', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const wire = await site.client()
  const value = 'x'.repeat(100_000)
  expect(await wire.ask('ECHO', value)).toHaveLength(100_011)
  expect(onlyClient().reply.bytes.length).toBeGreaterThan(0)
  clock.advance(3000)
  expect(onlyClient().reply.bytes.length).toBe(0)
  expect(await wire.ask('ECHO', value)).toHaveLength(100_011)
  wire.send(Buffer.from('PING\r\nPI'))
  await wire.take(1)
  wire.send(Buffer.from('NG\r\n'))
  expect(await wire.take(1)).toEqual(['+PONG\r\n'])
})

it('does not begin to wait for a peer that has ended its half, and gives it nothing', async () => {
  await start()
  const wire = await site.client()
  await wire.ask('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
  const socket = await site.silent()
  const read = encode(['XREADGROUP', 'GROUP', 'g', 'gone', 'BLOCK', '0', 'STREAMS', 's', '>'])
  // So many requests that the end of the peer is known before the last one has its turn.
  socket.end(Buffer.concat([Buffer.from('PING\r\n'.repeat(20_000)), read]))
  expect(await readAll(socket, 20_000)).toBe(20_000)
  await expect.poll(() => site.server.state.clients.size).toBe(1)
  await wire.ask('XADD', 's', '1-1', 'f', 'v')
  expect(await wire.ask('XPENDING', 's', 'g')).toBe('*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n')
})

it('closes a listener whose messages grow behind a long reply that it does not read', async () => {
  await start()
  tellNumbers(10_000_000)
  const socket = await site.silent()
  socket.write(Buffer.concat([encode(['HELLO', '3']), encode(['SUBSCRIBE', 'news']), encode(['ECHO', 'a'])]))
  await expect.poll(() => onlyClient()?.connection.outputBytes).toBeGreaterThan(MIB)
  const listener = onlyClient()
  const wire = await site.client()
  const message = 'x'.repeat(MIB)
  for (let i = 0; i < 20 && !listener.isClosed; i++) await wire.ask('PUBLISH', 'news', message)
  expect(listener.isClosed).toBe(true)
  expect(site.log.join()).toContain("doesn't read")
})

it('sends all replies to a peer that reads slowly before it ends the connection, within a limit', async () => {
  const clock = new HandClock()
  await start({ env: clock, settings: { outputBytesHigh: 32 * MIB } })
  const { state } = site.server
  const wire = await site.client()
  await wire.ask('SET', 'large', 'x'.repeat(16 * MIB))
  const requests = encodeAll([['GET', 'large'], ['QUIT']])
  const [patient, silent] = [await site.silent(), await site.silent()]
  for (const socket of [patient, silent]) socket.write(requests)
  await expect.poll(() => state.clients.size).toBe(1)
  clock.advance(30_000)
  expect(await readAll(patient, 2)).toBe(2)
  // Also while it ends the other one counts among those who leave their replies unread.
  expect(state.outputBytes).toBeGreaterThan(2 * MIB)
  expect(state.connections.size).toBeGreaterThan(1)
  clock.advance(600_000)
  await expect.poll(() => state.connections.size).toBe(1)
  expect(state.outputBytes).toBe(0)
})

it('goes on after a full buffer also where sockets tell of an empty one only beyond 64 KiB, as from Node 22 on', async () => {
  const before = getDefaultHighWaterMark(false)
  setDefaultHighWaterMark(false, 1024 * 1024)
  try {
    await start({ password: 'secret', settings: { slowsGuesses: false, unauthenticatedBytesMax: 100 * MIB } })
    const socket = await site.silent()
    const count = 300_000
    socket.write(Buffer.from('PING\r\n'.repeat(count)))
    await expect.poll(() => onlyClient()?.connection.outputBytes).toBeGreaterThan(16_384)
    expect(await readAll(socket, count)).toBe(count)
  } finally {
    setDefaultHighWaterMark(false, before)
  }
})
