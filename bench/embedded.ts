/**
 * In process, against what a Node program gets from redis-server on the same machine: appends, and the cycle of appending,
 * reading with a group and acknowledging, through the same kind of calls.
 *
 *   millrace   connect() without a URL, backend.add / readGroup / settle          no server, no socket
 *   ioredis    xadd / xreadgroup / xack       awaited │ 1,000 in flight │ autopipelined │ pipeline()
 *   node-redis xAdd / xReadGroup / xAck       awaited │ 1,000 in flight (it pipelines by itself) │ multi().execAsPipeline()
 *
 * At full rate the engine's own `append` stands beside connect(): the same database called directly, synchronous, without
 * a promise or an ID as text. Its ratio has a line of its own, as the bar asks for any setting.
 *
 * Each way runs in turn, several rounds, median; the best way of each side counts. All in memory only.
 *
 *   npm run bench -- embedded [--runs 5] [--scale 1]
 *
 * Beside each rate stands the processor time that the Node process spent on one entry (of the clients without what
 * redis-server spends): it hardly depends on what else the machine does.
 *
 * Does not show: durability, other processes that use the same streams, a network.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { append, Database } from '@millrace/engine'
import { startRedis } from '@millrace/testing'
import { Redis } from 'ioredis'
import { connect, type EntryId } from 'millrace'
import { createClient } from 'redis'
import { median } from './peer.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, scale: { type: 'string', default: '1' } },
})
const runs = Number(values.runs)
const scale = Number(values.scale)
const value = 'abcdefghijklmnopqrstuvwxyz01'
const inFlight = 1000
const page = 100

/** One way of doing a thing; `run` does it so many times and is timed as a whole. */
interface Way {
  readonly side: 'millrace' | 'engine' | 'client'
  readonly name: string
  readonly times: number
  readonly run: (times: number) => Promise<void>
}

interface Row {
  readonly name: string
  readonly bar: number
  readonly ways: readonly Way[]
}

const redis = await startRedis()
const millrace = await connect()
let database = new Database()
const awaited = new Redis(redis.url)
const automatic = new Redis(redis.url, { enableAutoPipelining: true })
const nodeRedis = createClient({ url: redis.url })
await nodeRedis.connect()

/** Many calls on their way, a window of them at a time. */
async function window(times: number, call: () => Promise<unknown>): Promise<void> {
  for (let left = times; left > 0; left -= inFlight) {
    const calls: Promise<unknown>[] = []
    for (let i = Math.min(left, inFlight); i > 0; i--) calls.push(call())
    await Promise.all(calls)
  }
}

// The promise of each call as it is: another one around it would cost more than some of the calls.
const addMillrace = (): Promise<unknown> => millrace.backend.add('s', ['field', value])
const addIoredis = (): Promise<unknown> => awaited.xadd('s', '*', 'field', value)
const addAutomatic = (): Promise<unknown> => automatic.xadd('s', '*', 'field', value)
const addNodeRedis = (): Promise<unknown> => nodeRedis.xAdd('s', '*', { field: value })

async function oneByOne(times: number, call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < times; i++) await call()
}

const rows: readonly Row[] = [
  {
    name: 'add, awaited one by one',
    bar: 50,
    ways: [
      { side: 'millrace', name: 'millrace', times: 400_000, run: async (times) => await oneByOne(times, addMillrace) },
      { side: 'client', name: 'ioredis', times: 20_000, run: async (times) => await oneByOne(times, addIoredis) },
      { side: 'client', name: 'node-redis', times: 20_000, run: async (times) => await oneByOne(times, addNodeRedis) },
    ],
  },
  {
    name: 'add, at full rate',
    bar: 10,
    ways: [
      {
        side: 'millrace',
        name: 'millrace, 1,000 in flight',
        times: 400_000,
        run: async (n) => await window(n, addMillrace),
      },
      {
        side: 'millrace',
        name: 'millrace, awaited one by one',
        times: 400_000,
        run: async (n) => await oneByOne(n, addMillrace),
      },
      { side: 'engine', name: 'append of @millrace/engine', times: 400_000, run: appendDirectly },
      {
        side: 'client',
        name: 'ioredis, 1,000 in flight',
        times: 100_000,
        run: async (n) => await window(n, addIoredis),
      },
      {
        side: 'client',
        name: 'ioredis, autopipelined',
        times: 100_000,
        run: async (n) => await window(n, addAutomatic),
      },
      { side: 'client', name: 'ioredis, pipeline of 1,000', times: 100_000, run: pipelineIoredis },
      {
        side: 'client',
        name: 'node-redis, 1,000 in flight',
        times: 100_000,
        run: async (n) => await window(n, addNodeRedis),
      },
      { side: 'client', name: 'node-redis, pipeline of 1,000', times: 100_000, run: pipelineNodeRedis },
    ],
  },
  {
    name: 'add, group read, acknowledge; 100 at a time',
    bar: 10,
    ways: [
      { side: 'millrace', name: 'millrace', times: 200_000, run: cycleMillrace },
      { side: 'client', name: 'ioredis', times: 30_000, run: cycleIoredis },
      { side: 'client', name: 'ioredis, pipeline()', times: 30_000, run: cyclePipelined },
      { side: 'client', name: 'node-redis', times: 30_000, run: cycleNodeRedis },
    ],
  },
]

async function appendDirectly(times: number): Promise<void> {
  const fields = ['field', value]
  for (let i = 0; i < times; i++) append(database, { key: 's', fields }, Date.now())
}

async function pipelineIoredis(times: number): Promise<void> {
  for (let left = times; left > 0; left -= inFlight) {
    const pipeline = awaited.pipeline()
    for (let i = Math.min(left, inFlight); i > 0; i--) pipeline.xadd('s', '*', 'field', value)
    await pipeline.exec()
  }
}

async function pipelineNodeRedis(times: number): Promise<void> {
  for (let left = times; left > 0; left -= inFlight) {
    const multi = nodeRedis.multi()
    for (let i = Math.min(left, inFlight); i > 0; i--) multi.xAdd('s', '*', { field: value })
    await multi.execAsPipeline()
  }
}

async function cycleMillrace(times: number): Promise<void> {
  const { backend } = millrace
  const positions = new Map([['s', '>' as const]])
  for (let done = 0; done < times; done += page) {
    await window(page, addMillrace)
    const found = await backend.readGroup({ group: 'g', consumer: 'c' }, positions, { count: page })
    const ids: EntryId[] = found.get('s')!.map(({ id }) => id)
    const settled = await backend.settle('s', 'g', 'c', ids)
    if (settled.length !== page) throw new Error(`settled ${settled.length} of ${page}`)
  }
}

type RawRead = [string, [string, string[]][]][]

async function cycleIoredis(times: number): Promise<void> {
  for (let done = 0; done < times; done += page) {
    await window(page, addIoredis)
    const found = (await awaited.xreadgroup('GROUP', 'g', 'c', 'COUNT', page, 'STREAMS', 's', '>')) as RawRead
    if ((await awaited.xack('s', 'g', ...found[0]![1].map(([id]) => id))) !== page)
      throw new Error('not all acknowledged')
  }
}

async function cyclePipelined(times: number): Promise<void> {
  for (let done = 0; done < times; done += page) {
    const pipeline = awaited.pipeline()
    for (let i = 0; i < page; i++) pipeline.xadd('s', '*', 'field', value)
    pipeline.xreadgroup('GROUP', 'g', 'c', 'COUNT', page, 'STREAMS', 's', '>')
    const found = (await pipeline.exec())!.at(-1)![1] as RawRead
    if ((await awaited.xack('s', 'g', ...found[0]![1].map(([id]) => id))) !== page)
      throw new Error('not all acknowledged')
  }
}

async function cycleNodeRedis(times: number): Promise<void> {
  for (let done = 0; done < times; done += page) {
    await window(page, addNodeRedis)
    const found = await nodeRedis.xReadGroup('g', 'c', { key: 's', id: '>' }, { COUNT: page })
    const messages = (found as { messages: { id: string }[] }[])[0]!.messages
    if (
      (await nodeRedis.xAck(
        's',
        'g',
        messages.map(({ id }) => id),
      )) !== page
    )
      throw new Error('not all acknowledged')
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** An empty stream and group on both sides. */
async function reset(): Promise<void> {
  database = new Database()
  await millrace.backend.expire('s', 0)
  await millrace.backend.createGroup('s', 'g')
  await awaited.flushall()
  await awaited.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM')
  globalThis.gc?.()
}

async function measure(row: Row): Promise<boolean> {
  const rates = row.ways.map((): number[] => [])
  const costs = row.ways.map((): number[] => [])
  for (const way of row.ways) await way.run(Math.round(Math.min(way.times, 20_000)))
  for (let run = 0; run < runs; run++) {
    for (const [i, way] of row.ways.entries()) {
      await reset()
      const times = Math.max(page, Math.round((way.times * scale) / page) * page)
      const startMs = performance.now()
      const before = process.cpuUsage()
      await way.run(times)
      const { user, system } = process.cpuUsage(before)
      costs[i]!.push(((user + system) * 1000) / times)
      rates[i]!.push(times / ((performance.now() - startMs) / 1000))
    }
  }
  const medians = rates.map(median)
  const bestOf = (side: Way['side']): number => Math.max(...medians.filter((_, i) => row.ways[i]!.side === side))
  const best = bestOf('client')
  const ratio = bestOf('millrace') / best
  const engine = row.ways.findIndex(({ side }) => side === 'engine')
  console.log(`\n${row.name}`)
  for (const [i, way] of row.ways.entries())
    console.log(
      `  ${way.name.padEnd(32)}${whole(medians[i]!).padStart(12)} a second${whole(median(costs[i]!)).padStart(9)} ns`,
    )
  console.log(`  ${ratio.toFixed(1)} times the best client (bar ${row.bar}${ratio >= row.bar ? '' : ', MISSED'})`)
  if (engine >= 0) console.log(`  ${(medians[engine]! / best).toFixed(1)} times with the engine called directly`)
  return ratio >= row.bar
}

console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, median of ${runs} rounds`)
let missed = 0
for (const row of rows) if (!(await measure(row))) missed++
await millrace.close()
awaited.disconnect()
automatic.disconnect()
nodeRedis.destroy()
await redis.stop()
process.exitCode = missed === 0 ? 0 : 1
