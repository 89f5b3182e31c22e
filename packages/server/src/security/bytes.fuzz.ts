/**
 * Bytes that are no requests, or nearly: damaged pipelines and noise, cut anywhere, on many connections at once, some of them
 * dropped in the middle. The server is in a process of its own; a good client beside them is answered all the time.
 *
 * MILLRACE_RUNS sets how many connections (8 for each run), MILLRACE_SEED repeats a run.
 */
import { createConnection, type Socket } from 'node:net'
import { ProtocolError, ReplyReader } from '@millrace/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mutated } from '../differential-bytes.ts'
import { Grammar } from '../differential-grammar.ts'
import { Random, seedOfRun } from '../differential-random.ts'
import { Wire } from '../differential-wire.ts'
import { Victim } from './victim.ts'

const MIB = 1024 * 1024
const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 2000)
const CONNECTIONS = RUNS * 8
const AT_ONCE = 20
const HANG_MS = RUNS > 2000 ? 1000 : 20_000
const seed = seedOfRun()

let victim: Victim
beforeAll(async () => {
  victim = await Victim.start()
})
afterAll(async () => await victim?.stop())

function noise(random: Random): Buffer {
  const alphabet = random.pick([undefined, '*$0123456789-\r\n', '\r\n\0 "\'\\x', '*1\r\n$4\r\nPING'])
  const length = random.below(random.chance(0.05) ? 100_000 : 200)
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) {
    bytes[i] = alphabet === undefined ? random.below(256) : alphabet.charCodeAt(random.below(alphabet.length))
  }
  return bytes
}

/** One connection: everything that it is sent is whole replies, however it is treated. Resolves when it has ended. */
async function treat(random: Random): Promise<void> {
  const grammar = new Grammar(random)
  const parts: Buffer[] = []
  for (let i = 1 + random.below(3); i > 0; i--)
    parts.push(random.chance(0.75) ? mutated(random, grammar) : noise(random))
  const bytes = Buffer.concat(parts)
  const reader = new ReplyReader()
  await new Promise<void>((resolve, reject) => {
    const socket: Socket = createConnection({ port: victim.port, host: '127.0.0.1', noDelay: true }, () => send(0))
    const isDropped = random.chance(0.2)
    const send = (from: number): void => {
      if (from >= bytes.length) return void (isDropped ? socket.destroy() : socket.end())
      if (isDropped && random.chance(0.05)) return void socket.resetAndDestroy()
      const size = random.chance(0.5) ? bytes.length : 1 + random.below(50)
      socket.write(bytes.subarray(from, from + size), () => setImmediate(() => send(from + size)))
    }
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.feed(chunk)
        while (reader.next()) continue
      } catch (error) {
        socket.destroy()
        const told = `${String(error)} after ${JSON.stringify(bytes.toString('latin1').slice(0, 2000))}`
        reject(error instanceof ProtocolError ? new Error(told, { cause: error }) : error)
      }
    })
    socket.on('error', () => socket.destroy())
    socket.once('close', () => resolve())
  })
}

it(
  `damaged bytes: lives through ${CONNECTIONS} connections of damaged bytes (seed ${seed})`,
  { timeout: 60_000 + CONNECTIONS * 10 },
  async () => {
    let slowest = 0
    let warm = 0
    for (let number = 0; number < CONNECTIONS; number += AT_ONCE) {
      const treated = Array.from({ length: AT_ONCE }, (_, i) => treat(new Random(seed + number + i)))
      const started = performance.now()
      const good = await Wire.connect(victim.port)
      expect(await good.ask('PING'), `connection ${number} of seed ${seed}`).toBe('+PONG\r\n')
      slowest = Math.max(slowest, performance.now() - started)
      await Promise.all(treated)
      if (number % 500 === 0) {
        await good.ask('FLUSHALL')
        const { usedBytes } = await victim.memory()
        if (warm === 0) warm = usedBytes
        expect(usedBytes - warm, `growth after connection ${number} of seed ${seed}`).toBeLessThan(24 * MIB)
      }
      good.destroy()
    }
    expect(victim.failure).toBe('')
    expect(slowest).toBeLessThan(HANG_MS)
    await expect.poll(async () => (await victim.memory()).clientCount).toBe(0)
  },
)
