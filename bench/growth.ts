/**
 * Does anything get slower as a stream grows? Cost of an operation with ten thousand and with ten million entries, in
 * process; the longest stall of the event loop while a server of ten million entries takes appends at full rate; and how
 * long others wait while somebody reads a million entries at once.
 *
 *   engine: 10,000 ──► ns an operation     10,000,000 ──► ns an operation      ratio at most 1.5
 *   server: fill ──► full append load ──► longest stall; XRANGE of 1,000,000 beside PINGs ──► p99 of the PINGs
 *
 *   npm run bench -- growth [--entries 10000000]
 */
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
const consumers = 100

interface Operation {
  readonly name: string
  /** Does it `times` times on a stream of `entries`; `round` differs each time, so nothing is done twice. */
  readonly run: (database: Database, entries: number, round: number) => void
}

const times = 200
const rounds = 11

/** Well spread over the whole stream, never the same twice. */
function spread(entries: number, round: number, i: number): StreamId {
  const place = (round * times + i) * Math.floor(entries / (rounds * times + times))
  return { ms: BigInt(startMs + place), seq: 0n }
}

const nowMs = startMs + 1_000_000_000
const group = { key: 's', group: 'g' }

const operations: readonly Operation[] = [
  {
    name: 'append',
    run: (database, _entries, round) => {
      for (let i = 0; i < times; i++) append(database, { key: 's', fields }, nowMs + round)
    },
  },
  {
    name: 'range from the middle, 10',
    run: (database, entries, round) => {
      for (let i = 0; i < times; i++) range(database, { key: 's', from: spread(entries, round, i), count: 10 }, nowMs)
    },
  },
  {
    name: 'claim',
    run: (database, entries, round) => {
      for (let i = 0; i < times; i++) {
        const what = { minIdleMs: 0, ids: [spread(entries, round, i)] }
        claim(database, { ...group, consumer: `c${i % consumers}` }, what, nowMs)
      }
    },
  },
  {
    name: 'pending by consumer, 10',
    run: (database, entries, round) => {
      for (let i = 0; i < times; i++) {
        const query = { from: spread(entries, round, i), count: 10, consumer: `c${i % consumers}` }
        pendingEntries(database, group, query, nowMs)
      }
    },
  },
  {
    name: 'acknowledge',
    run: (database, entries, round) => {
      for (let i = 0; i < times; i++) acknowledge(database, group, { ids: [spread(entries, round, i)] }, nowMs)
    },
  },
  {
    name: 'delete',
    run: (database, entries, round) => {
      for (let i = 0; i < times; i++) deleteEntries(database, 's', [spread(entries, round, i)], nowMs)
    },
  },
]

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

/** Nanoseconds an operation: the median round; the first, in which code gets compiled, does not count. */
function cost(operation: Operation, database: Database, entries: number): number {
  const rates: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = process.hrtime.bigint()
    operation.run(database, entries, round)
    rates.push(Number(process.hrtime.bigint() - start) / times)
  }
  return median(rates.slice(1))
}

function measureCosts(): number {
  let missed = 0
  // The code is compiled on a stream of its own, so that the small one does not pay for it.
  const warm = fill(100_000)
  for (const operation of operations) cost(operation, warm, 100_000)
  const databases = { small: fill(small), large: fill(large) }
  for (const operation of operations) {
    const few = cost(operation, databases.small, small)
    const many = cost(operation, databases.large, large)
    const ratio = many / few
    if (ratio > 1.5) missed++
    const shown = `${operation.name.padEnd(28)} ${few.toFixed(0).padStart(8)} ns ${many.toFixed(0).padStart(8)} ns`
    console.log(`${shown}  ${ratio.toFixed(2)}${ratio > 1.5 ? ' MISSED (bar 1.50)' : ''}`)
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
  const stallMs = await server.stall!()
  console.log(
    `longest stall under full append load behind ${large.toLocaleString('en')} entries: ${stallMs.toFixed(1)} ms (bar 50)`,
  )
  const pingMs = await pingsBesideRange(server.port)
  console.log(`PING beside XRANGE of 1,000,000 entries: p99 ${pingMs.toFixed(1)} ms (bar 50)`)
  for (const client of clients) client.close()
  await server.stop()
  return (stallMs > 50 ? 1 : 0) + (pingMs > 50 ? 1 : 0)
}

async function pingsBesideRange(port: number): Promise<number> {
  const [reader, other] = [await RawClient.open(port), await RawClient.open(port)]
  // The count, and of each entry two headers, its ID and its field's name and value.
  const lines = 1 + 1_000_000 * 8
  const request = encode(['XRANGE', 's', '-', '+', 'COUNT', '1000000'])
  const reads = { left: 3 }
  const reading = (async () => {
    for (; reads.left > 0; reads.left--) await reader.send(request, lines)
  })()
  const waits: number[] = []
  while (reads.left > 0) {
    const start = performance.now()
    await other.send(encode(['PING']), 1)
    waits.push(performance.now() - start)
  }
  await reading
  reader.close()
  other.close()
  waits.sort((a, b) => a - b)
  return waits[Math.floor(waits.length * 0.99)]!
}

console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`)
console.log(`${''.padEnd(28)} ${small.toLocaleString('en').padStart(11)} ${large.toLocaleString('en').padStart(11)}`)
const missed = measureCosts() + (await measureStalls())
process.exitCode = missed === 0 ? 0 : 1
