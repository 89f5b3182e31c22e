/**
 * Does anything get slower as a stream grows? Cost of an operation with ten thousand and with ten million entries, in
 * process; the longest stall of the event loop while a server of ten million entries takes appends at full rate; and how
 * long others wait while somebody reads a million entries at once.
 *
 *   engine: 10,000 ──► ns an operation     10,000,000 ──► ns an operation      ratio at most 1.5
 *   server: fill ──► full append load ──► longest stall; XRANGE of 1,000,000 beside PINGs ──► p99 of the PINGs
 *
 * Each operation goes over two rows of places, and both ratios are printed:
 *
 *   in order   one place after the other, from the middle on: what workers and readers do, and what the bar is about
 *   random     anywhere: of ten million entries no place is in the processor's cache, of ten thousand all are. The ratio is
 *              that of the machine's memory to its cache, times how often a lookup has to wait for memory
 *
 *   npm run bench -- growth [--entries 10000000]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import {
  acknowledge,
  append,
  claim,
  createGroup,
  Database,
  deleteEntries,
  ID_ZERO,
  pendingEntries,
  range,
  readGroup,
  type StreamId,
} from '@millrace/engine'
import { encode, median, RawClient, startMillrace } from './peer.ts'

const { values } = parseArgs({ options: { entries: { type: 'string', default: '10000000' } } })
const large = Number(values.entries)
const small = 10_000
const startMs = 1_700_000_000_000
const fields = [Buffer.from('field'), Buffer.from('abcdefghijklmnopqrstuvwxyz01')]
const ratioMax = 1.5
const warmEntries = 100_000
const times = 200
const rounds = 11
const consumers = 100
const nowMs = startMs + 1_000_000_000
const group = { key: 's', group: 'g' }

/** One operation on one place; `i` counts them. */
type Operation = (database: Database, id: StreamId, i: number) => void

const operations: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['append', (database, _id, i) => void append(database, { key: 's', fields }, nowMs + i)],
  ['range of 10', (database, from) => void range(database, { key: 's', from, count: 10 }, nowMs)],
  [
    'claim',
    (database, id, i) => {
      claim(database, { ...group, consumer: `c${i % consumers}` }, { minIdleMs: 0, ids: [id] }, nowMs)
    },
  ],
  [
    'pending by consumer, 10',
    (database, from, i) => {
      pendingEntries(database, group, { from, count: 10, consumer: `c${i % consumers}` }, nowMs)
    },
  ],
  ['acknowledge', (database, id) => void acknowledge(database, group, { ids: [id] }, nowMs)],
  ['delete', (database, id) => void deleteEntries(database, 's', [id], nowMs)],
])

const patterns: ReadonlyMap<string, (entries: number) => readonly number[]> = new Map([
  ['in order', (entries) => Array.from({ length: times * rounds }, (_, i) => Math.floor(entries / 2) + i)],
  ['random', (entries) => randomPlaces(Math.floor(entries / 2))],
])

/** Places below the end, none twice. The same for the same end. */
function randomPlaces(end: number): readonly number[] {
  const places = new Set<number>()
  for (let state = 12_345; places.size < times * rounds;) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    places.add(Math.floor((state / 2 ** 32) * end))
  }
  return [...places]
}

/** A stream with all of its entries pending, in runs of 100 for each of 100 consumers. */
function fill(entries: number): Database {
  const database = new Database()
  for (let i = 0; i < entries; i++) append(database, { key: 's', fields }, startMs + i)
  createGroup(database, group, { from: ID_ZERO }, startMs)
  const positions = [{ key: 's', from: '>' as const }]
  for (let i = 0; i < entries / 100; i++) {
    readGroup(database, { group: 'g', consumer: `c${i % consumers}`, positions, count: 100 }, startMs)
  }
  return database
}

interface Side {
  readonly database: Database
  readonly ids: readonly StreamId[]
  readonly rates: number[]
}

function side(database: Database, places: readonly number[]): Side {
  return { database, ids: places.map((place) => ({ ms: BigInt(startMs + place), seq: 0n })), rates: [] }
}

/** Nanoseconds an operation on each side, which take turns: medians of the rounds but the first. */
function costs(operation: Operation, sides: readonly Side[]): readonly number[] {
  for (let round = 0; round < rounds; round++) {
    for (const { database, ids, rates } of sides) {
      const start = process.hrtime.bigint()
      for (let i = round * times; i < (round + 1) * times; i++) operation(database, ids[i]!, i)
      rates.push(Number(process.hrtime.bigint() - start) / times)
    }
  }
  return sides.map(({ rates }) => median(rates.slice(1)))
}

/** The bar is about places in order; those at random have their ratios shown beside. */
function measureCosts(): number {
  let missed = 0
  // The code is compiled on a stream of its own, so that the small one does not pay for it.
  const warm = fill(warmEntries)
  for (const places of patterns.values())
    for (const operation of operations.values()) costs(operation, [side(warm, places(warmEntries))])
  const databases = { small: fill(small), large: fill(large) }
  for (const [pattern, places] of patterns) {
    for (const [name, operation] of operations) {
      const sides = [side(databases.small, places(small)), side(databases.large, places(large))]
      const [few, many] = costs(operation, sides) as [number, number]
      const ratio = many / few
      const isMissed = pattern === 'in order' && ratio > ratioMax
      if (isMissed) missed++
      const shown = `${`${name}, ${pattern}`.padEnd(34)} ${few.toFixed(0).padStart(8)} ns ${many.toFixed(0).padStart(8)} ns`
      console.log(`${shown}  ${ratio.toFixed(2)}${isMissed ? ` MISSED (bar ${ratioMax})` : ''}`)
    }
  }
  return missed
}

async function measureStalls(): Promise<number> {
  const server = await startMillrace()
  const clients = await Promise.all(Array.from({ length: 10 }, async () => await RawClient.open(server.port)))
  const batch = encode(['XADD', 's', '*', 'field', fields[1]!.toString()]).repeat(100)
  const load = async (until: () => boolean): Promise<void> => {
    const work = async (client: RawClient): Promise<void> => {
      while (!until()) await client.send(batch, 200)
    }
    await Promise.all(clients.map(work))
  }
  let added = 0
  await load(() => (added += 100) > large)
  await server.stall!()
  const endMs = performance.now() + 10_000
  await load(() => performance.now() > endMs)
  const { stallMs, waitedMs } = await server.stall!()
  console.log(
    `longest stall under full append load behind ${large.toLocaleString('en')} entries: ${stallMs.toFixed(1)} ms (bar 50), ` +
      `of which ${waitedMs.toFixed(1)} ms waiting for a processor that others had`,
  )
  const pingMs = await pingsBesideRange(server.port)
  const beside = await server.stall!()
  console.log(
    `PING beside XRANGE of 1,000,000 entries: p99 ${pingMs.toFixed(1)} ms (bar 50); the server's longest stall ` +
      `${beside.stallMs.toFixed(1)} ms, of which ${beside.waitedMs.toFixed(1)} ms waiting for a processor`,
  )
  for (const client of clients) client.close()
  await server.stop()
  return (stallMs > 50 ? 1 : 0) + (pingMs > 50 ? 1 : 0)
}

async function pingsBesideRange(port: number): Promise<number> {
  const other = await RawClient.open(port)
  const reader = fork(new URL('./growth-reader.ts', import.meta.url), [String(port)])
  const reading = { goesOn: true }
  const end = once(reader, 'exit').then(([code]) => {
    reading.goesOn = false
    if (code !== 0) throw new Error(`The reader ended with ${code}`)
  })
  await once(reader, 'message')
  const waits: number[] = []
  while (reading.goesOn) {
    const start = performance.now()
    await other.send(encode(['PING']), 1)
    waits.push(performance.now() - start)
  }
  await end
  other.close()
  waits.sort((a, b) => a - b)
  return waits[Math.floor(waits.length * 0.99)]!
}

console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`)
console.log(`${''.padEnd(34)} ${small.toLocaleString('en').padStart(11)} ${large.toLocaleString('en').padStart(11)}`)
const missed = measureCosts() + (await measureStalls())
process.exitCode = missed === 0 ? 0 : 1
