/**
 * What the four hot operations cost, and what an entry and a pending entry weigh: one stream, one process, no network.
 *
 *   node --expose-gc --conditions=@millrace/source --import tsx packages/engine/src/engine.bench.ts [entries]
 *
 * Does not show: decoding, encoding, a journal, a socket. The figures of a run stand in the package's README.
 */
import { append } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { Database } from './database.ts'
import { createGroup } from './group-commands.ts'
import { ID_ZERO, type StreamId } from './id.ts'
import { readGroup } from './read-group.ts'
import { range } from './read-range.ts'

const ENTRIES = Number(process.argv[2] ?? 1_000_000)
const PAGE = 100
const PARTS = 20
const CONSUMERS = 4
const shapes: Record<string, (i: number) => string[]> = {
  'one field of 64 bytes': () => ['f', 'v'.repeat(64)],
  'five fields, 64 bytes': (i) => [
    'type',
    'delta',
    'user',
    `u-${String(i % 1000).padStart(6, '0')}`,
    'amount',
    `${String(i % 100_000).padStart(8, '0')}.00 EUR`,
    'ref',
    `ref-${String(i).padStart(12, '0')}`,
    'state',
    'accepted-ok-1234',
  ],
}

/**
 * Does all entries in twenty parts; nanoseconds for an entry in the fastest part (which the machine's other work
 * disturbed least), and in the median one.
 */
function timed(run: (from: number, to: number) => void): string {
  const parts: number[] = []
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [(ENTRIES / PARTS) * part, (ENTRIES / PARTS) * (part + 1)]
    const start = process.hrtime.bigint()
    run(from, to)
    parts.push(Number(process.hrtime.bigint() - start) / (to - from))
  }
  parts.sort((a, b) => a - b)
  return `${Math.round(parts[0]!)} (${Math.round(parts[PARTS / 2]!)}) ns`
}

function memoryBytes(): number {
  // Twice: byte arrays are let go one round after what held them.
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

for (const [name, shape] of Object.entries(shapes)) measure(name, shape)

function measure(name: string, shape: (i: number) => string[]): void {
  // A thousand different entries, made before the clock starts.
  const made = Array.from({ length: 1000 }, (_, i) => shape(i).map((text) => Uint8Array.from(Buffer.from(text))))
  const startMs = 1_700_000_000_000
  const database = new Database()
  const empty = memoryBytes()
  const appendNs = timed((from, to) => {
    for (let i = from; i < to; i++)
      append(database, { key: 's', fields: made[i % 1000]! }, startMs + Math.floor(i / 1000))
  })
  const full = memoryBytes()
  const metered = database.memoryBytes
  createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO }, startMs)
  const positions = [{ key: 's', from: '>' as const }]
  const deliverNs = timed((from, to) => {
    for (let i = from / PAGE; i < to / PAGE; i++) {
      readGroup(database, { group: 'g', consumer: `c${i % CONSUMERS}`, positions, count: PAGE }, startMs + 2000 + i)
    }
  })
  const pending = memoryBytes()
  const ids: StreamId[] = range(database, { key: 's' }, startMs).map(({ id }) => id)
  const rangeNs = timed((from, to) => {
    for (let i = from; i < to; i += PAGE) range(database, { key: 's', from: ids[i]!, count: PAGE }, startMs)
  })
  const ackNs = timed((from, to) => {
    for (let i = from; i < to; i++) acknowledge(database, { key: 's', group: 'g' }, { ids: [ids[i]!] }, startMs)
  })
  console.log(`${name}, ${ENTRIES} entries`)
  console.log(`  append ${appendNs} · range ${rangeNs} · deliver ${deliverNs} · acknowledge ${ackNs}: fastest (median)`)
  console.log(
    `  ${((full - empty) / ENTRIES).toFixed(1)} bytes an entry, counted by the engine as ${(metered / ENTRIES).toFixed(1)}`,
  )
  console.log(`  ${((pending - full) / ENTRIES).toFixed(1)} bytes a pending entry`)
}
