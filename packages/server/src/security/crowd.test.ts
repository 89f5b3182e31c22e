/**
 * Many clients at once: most of them idle, some busy, in a server of its own.
 *
 * 2,000 idle and 200 active ones here; 10,000 and 1,000, as many as Redis takes by default and a tenth of them busy, when
 * MILLRACE_RUNS is above 10,000. That needs as many file descriptors for each of the two processes: `ulimit -n 12000`.
 */
import { readFileSync } from 'node:fs'
import { afterEach, expect, it } from 'vitest'
import { encodeAll, Wire } from '../differential-wire.ts'
import { Victim } from './victim.ts'

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const IDLE = RUNS > 10_000 ? 10_000 : 2000
const ACTIVE = IDLE / 10
const SPARE_DESCRIPTORS = 200
/** What an idle client may cost in all. Measured, resident: 7.7 KB each of 10,000, 10.3 KB each of 2,000. */
const IDLE_BYTES_MAX = 16 * 1024
/** Rounds of every active client. */
const ROUNDS = 20

let victim: Victim
afterEach(async () => await victim?.stop())

function descriptorsMax(): number {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
  return limit === undefined ? Infinity : Number(limit)
}

it(
  `idle and active: ${IDLE} idle clients and ${ACTIVE} active ones are held, at a few KiB each`,
  { timeout: 180_000 },
  async () => {
    const needed = IDLE + ACTIVE + SPARE_DESCRIPTORS
    expect(descriptorsMax(), `ulimit -n ${needed} is needed`).toBeGreaterThanOrEqual(needed)
    victim = await Victim.start({ settings: { maxClients: IDLE + ACTIVE + 1 } })
    const active = await connected(ACTIVE)
    // So that what everybody uses is there.
    for (const wire of active) expect(await wire.ask('PING')).toBe('+PONG\r\n')
    const before = await victim.memory()
    const sockets = await victim.sockets(IDLE)
    // An idle client is one that has been served once.
    for (const socket of sockets) socket.write('PING\r\n')
    const watched = victim
    await expect.poll(async () => (await watched.memory()).clientCount, { timeout: 60_000 }).toBe(IDLE + ACTIVE)
    const after = await victim.memory()
    console.log(`an idle client: ${Math.round((after.rssBytes - before.rssBytes) / IDLE)} bytes of RSS`)
    expect((after.rssBytes - before.rssBytes) / IDLE).toBeLessThan(IDLE_BYTES_MAX)
    await Promise.all(active.map(async (wire, number) => await work(wire, number)))
    const last = await Wire.connect(victim.port)
    expect(await last.ask('PING')).toBe('+PONG\r\n')
    expect(await last.ask('XLEN', 's')).toBe(`:${ACTIVE * ROUNDS}\r\n`)
    // And no more: the limit holds.
    const refused = await Wire.connect(victim.port)
    expect(await refused.take(1)).toEqual(['-ERR max number of clients reached\r\n'])
    for (const wire of [last, refused, ...active]) wire.destroy()
    await expect.poll(async () => (await watched.memory()).clientCount, { timeout: 60_000 }).toBe(IDLE)
  },
)

async function connected(count: number): Promise<Wire[]> {
  const wires: Wire[] = []
  while (wires.length < count)
    wires.push(...(await Promise.all(Array.from({ length: 100 }, () => Wire.connect(victim.port)))))
  return wires
}

async function work(wire: Wire, number: number): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    wire.send(
      encodeAll([
        ['XADD', 's', '*', 'client', String(number)],
        ['SET', `k${number}`, String(round)],
        ['GET', `k${number}`],
      ]),
    )
    const replies = await wire.take(3)
    expect(replies[2]).toBe(`$${String(round).length}\r\n${round}\r\n`)
  }
}
