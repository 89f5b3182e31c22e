/** Peers that guess, dawdle, don't read, or ask for everything at once: section "patience" of table.ts. */
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { networkInterfaces } from 'node:os'
import { afterEach, expect, it } from 'vitest'
import { encode, encodeAll } from '../differential-wire.ts'
import type { ServerOptions } from '../options.ts'
import { HandClock } from '../testing/hand-clock.ts'
import { Site } from '../testing/site.ts'
import { Plug } from './plug.ts'
import { Victim } from './victim.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB

let site: Site | undefined
let victim: Victim | undefined
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

it('password guessing: at most ten guesses a second from one address, however many connections it has', async () => {
  const clock = new HandClock()
  await start({ env: clock, password: 'pw' })
  const plugs = await Promise.all(Array.from({ length: 20 }, () => Plug.into(site!.server.state)))
  for (const plug of plugs) plug.put(encodeAll(Array.from({ length: 50 }, (_, i) => ['AUTH', `guess ${i}`])))
  const looked = (): number => site!.server.state.statistics.denials.auth
  let most = 0
  for (let second = 0; second < 8; second++) {
    const before = looked()
    for (let tenth = 0; tenth < 10; tenth++) {
      clock.advance(100)
      for (const plug of plugs) await plug.settled()
    }
    most = Math.max(most, looked() - before)
  }
  expect(most).toBeGreaterThan(0)
  expect(most).toBeLessThanOrEqual(10)
  // Those that stood in line when it was short are through: now it is one in two seconds.
  const before = looked()
  for (let tenth = 0; tenth < 100; tenth++) {
    clock.advance(100)
    for (const plug of plugs) await plug.settled()
  }
  expect(looked() - before).toBeLessThanOrEqual(6)
})

it('password guessing: a right password behind wrong ones waits as long, so that its answer tells nothing', async () => {
  const clock = new HandClock()
  await start({ env: clock, password: 'pw' })
  const plug = await Plug.into(site!.server.state)
  plug.put(
    encodeAll([
      ['AUTH', 'a'],
      ['AUTH', 'b'],
      ['AUTH', 'pw'],
    ]),
  )
  await plug.settled()
  expect(plug.frames()).toHaveLength(1)
  clock.advance(100)
  await plug.settled()
  expect(plug.frames()).toHaveLength(2)
  clock.advance(199)
  await plug.settled()
  expect(plug.frames()).toHaveLength(2)
  clock.advance(1)
  await plug.settled()
  expect(plug.frames()[2]).toBe('+OK\r\n')
})

it('password guessing: only digests are kept and told, and what failed is counted', async () => {
  await start({ password: 'a secret that nobody may see' })
  const wire = await site!.client()
  await wire.ask('AUTH', 'wrong')
  await wire.ask('AUTH', 'a secret that nobody may see')
  expect(await wire.ask('INFO', 'stats')).toContain('acl_access_denied_auth:1\r\n')
  const told = [await wire.ask('ACL', 'GETUSER', 'default'), await wire.ask('ACL', 'LIST')].join()
  expect(told).toMatch(/[0-9a-f]{64}/)
  expect(told).not.toContain('secret')
  for (const user of site!.server.state.acl.users)
    for (const one of user.passwords) expect(one).toMatch(/^[0-9a-f]{64}$/)
})

it('slowloris: requests that come byte by byte are ended 30 seconds after they began', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const slow = await Promise.all(Array.from({ length: 100 }, () => Plug.into(site!.server.state)))
  const good = await Plug.into(site!.server.state)
  const bytes = encode(['SET', 'key', 'v'.repeat(100)])
  for (let at = 0; at < 40; at++) {
    for (const plug of slow) if (!plug.isEnded) plug.put(bytes.subarray(at, at + 1))
    good.put('PING\r\n')
    clock.advance(1000)
  }
  expect(slow.every((plug) => plug.isEnded)).toBe(true)
  expect(good.frames()).toHaveLength(40)
  expect(site!.server.state.clients.size).toBe(1)
})

it('slowloris: one whose bytes keep coming at 64 KiB a second has longer', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const plug = await Plug.into(site!.server.state)
  plug.put(`*2\r\n$4\r\nECHO\r\n$${5 * MIB}\r\n`)
  for (let sent = 0; sent < 5 * MIB; sent += 80 * 1024) {
    plug.put(Buffer.alloc(Math.min(80 * 1024, 5 * MIB - sent)))
    clock.advance(1000)
  }
  plug.put('\r\n')
  await plug.settled()
  expect(plug.frames()[0]).toHaveLength(5 * MIB + `$${5 * MIB}\r\n\r\n`.length)
})

it('slowloris: an idle connection is ended after `timeout` seconds', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const plug = await Plug.into(site!.server.state)
  plug.put('CONFIG SET timeout 5\r\n')
  clock.advance(7000)
  expect(plug.isEnded).toBe(true)
})

it('slowloris: connections are bounded, and those of loopback not by their address', async () => {
  await start({ settings: { maxClients: 3, maxClientsPerAddress: 2 } })
  const { state } = site!.server
  const wires = [await site!.client(), await site!.client(), await site!.client()]
  for (const wire of wires) expect(await wire.ask('PING')).toBe('+PONG\r\n')
  const fourth = await site!.client()
  await fourth.closed()
  expect(fourth.arrived()).toEqual(['-ERR max number of clients reached\r\n'])
  expect([...state.clientsByAddress.values()]).toEqual([3])
  expect(state.rejectedConnections).toBe(1)
})

it('slowloris: connections from one address that is not loopback are bounded', async () => {
  const host = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.internal === false && one.family === 'IPv4')?.address
  // A machine without a network has loopback alone, and nobody to bound.
  if (host === undefined) return
  await start({ bind: [host], insecure: true, settings: { maxClientsPerAddress: 2 } })
  const { state, port } = site!.server
  const sockets = Array.from({ length: 5 }, () => createConnection({ port, host }))
  // Who is refused may be cut before its PING is read.
  for (const socket of sockets) socket.on('error', () => undefined)
  const told = sockets.map(async (socket) => {
    let text = ''
    socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
    socket.write('PING\r\n')
    await once(socket, 'data')
    return text
  })
  const replies = await Promise.all(told)
  expect(replies.filter((reply) => reply === '+PONG\r\n')).toHaveLength(2)
  expect(replies.filter((reply) => reply.includes('from this address'))).toHaveLength(3)
  for (const socket of sockets) socket.destroy()
  await expect.poll(() => state.clientsByAddress.size).toBe(0)
})

it('CVE-2025-21605: 1 GB of replies is never made for a client that reads nothing, and it is closed', async () => {
  victim = await Victim.start({ settings: { unreadMs: 500, outputBytesHigh: 100_000 } })
  const good = await victim.client()
  await good.ask('SET', 'a', 'v'.repeat(100_000))
  const before = await victim.memory()
  const socket = await victim.socket()
  const requests = Math.ceil(GIB / 100_000)
  socket.write(encodeAll(Array.from({ length: requests }, () => ['GET', 'a'])))
  const watched = victim
  await expect.poll(async () => (await watched.memory()).clientCount, { timeout: 15_000 }).toBe(1)
  expect(await good.ask('PING')).toBe('+PONG\r\n')
  expect((await victim.memory()).peakBytes - before.rssBytes).toBeLessThan(64 * MIB)
})

it('CVE-2025-21605: before AUTH a few KiB of replies are all that 200 clients can pile up', async () => {
  victim = await Victim.start({ password: 'pw' })
  const before = await victim.memory()
  const pings = Buffer.from('PING\r\n'.repeat(100_000))
  await victim.sockets(200, (socket) => socket.write(pings))
  const watched = victim
  await expect.poll(async () => (await watched.memory()).clientCount, { timeout: 15_000 }).toBe(0)
  expect((await victim.memory()).peakBytes - before.rssBytes).toBeLessThan(64 * MIB)
})

it('unread replies: are waited for a minute, and longer while a large one is on its way', async () => {
  const clock = new HandClock()
  await start({ env: clock })
  const [stuck, large] = [await site!.silent(), await site!.silent()]
  for (let i = 0; i < 1000; i++) stuck.write(encode(['ECHO', 'x'.repeat(100_000)]))
  const wire = await site!.client()
  await wire.ask('SET', 'a', 'v'.repeat(60 * MIB))
  large.write(encodeAll([['GET', 'a'], ['PING']]))
  const { clients } = site!.server.state
  await expect
    .poll(() => [...clients.values()].map((client) => client.connection.outputBytes > MIB))
    .toEqual([true, true, false])
  clock.advance(59_000)
  expect(clients.size).toBe(3)
  clock.advance(60_000)
  expect(clients.size).toBe(2)
  clock.advance(1_000_000)
  expect(clients.size).toBe(1)
  expect(site!.log.join()).toContain('left its replies unread')
})

it('unread replies: of all clients together they are bounded, and the one with the most is closed', async () => {
  await start({ settings: { outputBytesTotalMax: 8 * MIB } })
  for (let i = 0; i < 20; i++) {
    const socket = await site!.silent()
    for (let j = 0; j < 100; j++) socket.write(encode(['ECHO', 'x'.repeat(100_000)]))
  }
  await expect
    .poll(() => site!.log.filter((line) => line.includes('over all clients')).length, { timeout: 10_000 })
    .toBeGreaterThan(0)
  expect(site!.server.state.outputBytes).toBeLessThanOrEqual(8 * MIB)
})

it('unread replies: CONFIG SET client-output-buffer-limit changes the limit', async () => {
  await start()
  const wire = await site!.client()
  await wire.ask('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 1mb 0 0 pubsub 500kb 0 0')
  const { outputBytesMax, outputBytesPubSubMax } = site!.server.state.settings
  expect([outputBytesMax, outputBytesPubSubMax]).toEqual([MIB, 500 * 1024])
})

it(
  'endless pipeline: a million commands of one client leave every other client its turn in between',
  { timeout: 60_000 },
  async () => {
    await start()
    const { state } = site!.server
    const greedy = await Plug.into(state)
    const good = await Plug.into(state)
    const most = 100_000
    let answered = 0
    for (let put = 0; put < 10; put++) {
      greedy.put('PING\r\n'.repeat(most))
      let before = state.commands.entry('ping')!.calls
      while (state.commands.entry('ping')!.calls < (put + 1) * most + answered) {
        good.put('PING\r\n')
        answered++
        await new Promise((resolve) => setImmediate(resolve))
        const now = state.commands.entry('ping')!.calls
        expect(now - before).toBeLessThanOrEqual(1001)
        before = now
      }
    }
    expect(answered).toBeGreaterThan(900)
    expect(good.frames()).toHaveLength(answered)
  },
)

it(
  'long listings: XRANGE of a million entries is told in steps, with the turns of others between them',
  { timeout: 60_000 },
  async () => {
    await start()
    const { state } = site!.server
    const writer = await Plug.into(state)
    for (let round = 0; round < 100; round++) {
      writer.put(encodeAll(Array.from({ length: 10_000 }, () => ['XADD', 's', '*', 'f', 'v'])))
      while (state.databases.at(0).find('s', 0)!.length < (round + 1) * 10_000) await writer.settled()
    }
    const [reader, good] = [await Plug.into(state), await Plug.into(state)]
    reader.put(encode(['XRANGE', 's', '-', '+']))
    let turns = 0
    // Whatever the step, none tells more than a few thousand entries.
    for (let before = 0; reader.connection.client.source !== undefined; turns++) {
      good.put('PING\r\n')
      await new Promise((resolve) => setImmediate(resolve))
      before++
      expect(good.frames().length).toBe(before)
    }
    expect(turns).toBeGreaterThan(20)
    expect(reader.text.startsWith('*1000000\r\n')).toBe(true)
    expect(reader.frames()).toHaveLength(1)
  },
)

it('long listings: what is told of pending entries and of groups is bounded by COUNT', async () => {
  await start()
  const wire = await site!.client()
  await wire.ask('XGROUP', 'CREATE', 's', 'g', '0', 'MKSTREAM')
  wire.send(encodeAll(Array.from({ length: 5000 }, () => ['XADD', 's', '*', 'f', 'v'])))
  await wire.take(5000)
  await wire.ask('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>')
  const pending = await wire.ask('XPENDING', 's', 'g', '-', '+', '7')
  expect(pending.startsWith('*7\r\n')).toBe(true)
  const full = await wire.ask('XINFO', 'STREAM', 's', 'FULL')
  expect(full.length).toBeLessThan(4000)
  const seven = await wire.ask('XINFO', 'STREAM', 's', 'FULL', 'COUNT', '7')
  expect(seven.length).toBeLessThan(full.length)
  expect((await wire.ask('XAUTOCLAIM', 's', 'g', 'd', '0', '0', 'JUSTID')).split('\r\n*')[1]).toMatch(/^100\r\n/)
})
