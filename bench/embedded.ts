/**
 * In process, against what a Node program gets from redis-server on the same machine: appends, and the cycle of appending,
 * reading with a group and acknowledging, through the same kind of calls.
 *
 *   embedded ──fork──► embedded-millrace.ts      connect() without a URL, backend.add / addMany / readGroup / settle
 *            ──fork──► embedded-ioredis.ts       awaited │ 1,000 in flight │ autopipelined │ pipeline()           ──► redis-server
 *            ──fork──► embedded-node-redis.ts    awaited │ 1,000 in flight │ multi().execAsPipeline()             ──► redis-server
 *
 * Each side has a process of its own, as a program has one of them: together in one they slow each other (a class of one
 * of them that extends String makes `charCodeAt` slow for all; each collects the others' garbage). They take turns, one way
 * at a time while the others wait: a round that does not count, the same for all, then several, of which the median
 * counts. The best way of each side is compared. All in memory only.
 *
 * At full rate the engine's own `append` and `appendMany` stand beside connect(): called directly, without a promise or an
 * ID as text. Their ratio has a line of its own, as the bar asks for any setting.
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
import { startRedis } from '@millrace/testing'
import { PAGE, SideProcess } from './embedded-side.ts'
import { median } from './peer.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, scale: { type: 'string', default: '1' } },
})
const runs = Number(values.runs)
const scale = Number(values.scale)

type SideName = 'millrace' | 'ioredis' | 'node-redis'

interface Way {
  readonly side: SideName
  /** As the side calls it. */
  readonly way: string
  /** As people read it. */
  readonly name: string
  readonly times: number
  /** The engine without connect(). */
  readonly isEngine?: boolean
}

interface Row {
  readonly name: string
  readonly bar: number
  readonly ways: readonly Way[]
}

const rows: readonly Row[] = [
  {
    name: 'add, awaited one by one',
    bar: 50,
    ways: [
      { side: 'millrace', way: 'awaited', name: 'millrace', times: 400_000 },
      { side: 'ioredis', way: 'awaited', name: 'ioredis', times: 20_000 },
      { side: 'node-redis', way: 'awaited', name: 'node-redis', times: 20_000 },
    ],
  },
  {
    name: 'add, at full rate',
    bar: 10,
    ways: [
      { side: 'millrace', way: 'in flight', name: 'millrace, 1,000 in flight', times: 400_000 },
      { side: 'millrace', way: 'awaited', name: 'millrace, awaited one by one', times: 400_000 },
      { side: 'millrace', way: 'batched', name: 'millrace, addMany of 1,000', times: 400_000 },
      { side: 'millrace', way: 'append', name: 'append of @millrace/engine', times: 400_000, isEngine: true },
      { side: 'millrace', way: 'appendMany', name: 'appendMany of 1,000', times: 400_000, isEngine: true },
      { side: 'ioredis', way: 'in flight', name: 'ioredis, 1,000 in flight', times: 100_000 },
      { side: 'ioredis', way: 'autopipelined', name: 'ioredis, autopipelined', times: 100_000 },
      { side: 'ioredis', way: 'pipeline', name: 'ioredis, pipeline of 1,000', times: 100_000 },
      { side: 'node-redis', way: 'in flight', name: 'node-redis, 1,000 in flight', times: 100_000 },
      { side: 'node-redis', way: 'pipeline', name: 'node-redis, pipeline of 1,000', times: 100_000 },
    ],
  },
  {
    name: 'add, group read, acknowledge; 100 at a time',
    bar: 10,
    ways: [
      { side: 'millrace', way: 'cycle', name: 'millrace', times: 200_000 },
      { side: 'millrace', way: 'batched cycle', name: 'millrace, addMany', times: 200_000 },
      { side: 'ioredis', way: 'cycle', name: 'ioredis', times: 30_000 },
      { side: 'ioredis', way: 'pipelined cycle', name: 'ioredis, pipeline()', times: 30_000 },
      { side: 'node-redis', way: 'cycle', name: 'node-redis', times: 30_000 },
      { side: 'node-redis', way: 'pipelined cycle', name: 'node-redis, execAsPipeline()', times: 30_000 },
    ],
  },
]

function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

async function measure(row: Row, sides: Readonly<Record<SideName, SideProcess>>): Promise<boolean> {
  const rates = row.ways.map((): number[] => [])
  const costs = row.ways.map((): number[] => [])
  for (let round = 0; round <= runs; round++) {
    for (const [i, { side, way, times: wanted }] of row.ways.entries()) {
      const times = Math.max(PAGE, Math.round((wanted * scale) / PAGE) * PAGE)
      const { ns, cpuNs } = await sides[side].run(way, times)
      if (round === 0) continue
      rates[i]!.push(times / (ns / 1e9))
      costs[i]!.push(cpuNs / times)
    }
  }
  return report(row, rates.map(median), costs.map(median))
}

function report(row: Row, rates: readonly number[], costs: readonly number[]): boolean {
  const bestOf = (isOf: (way: Way) => boolean): number => Math.max(...rates.filter((_, i) => isOf(row.ways[i]!)))
  const best = bestOf(({ side }) => side !== 'millrace')
  const ratio = bestOf(({ side, isEngine }) => side === 'millrace' && isEngine !== true) / best
  console.log(`\n${row.name}`)
  for (const [i, { name }] of row.ways.entries())
    console.log(`  ${name.padEnd(32)}${whole(rates[i]!).padStart(12)} a second${whole(costs[i]!).padStart(9)} ns`)
  console.log(`  ${ratio.toFixed(1)} times the best client (bar ${row.bar}${ratio >= row.bar ? '' : ', MISSED'})`)
  if (row.ways.some(({ isEngine }) => isEngine === true)) {
    const engine = bestOf(({ isEngine }) => isEngine === true)
    console.log(`  ${(engine / best).toFixed(1)} times with the engine called directly`)
  }
  return ratio >= row.bar
}

const redis = await startRedis()
const sides = {
  millrace: await SideProcess.start('millrace', redis.url),
  ioredis: await SideProcess.start('ioredis', redis.url),
  'node-redis': await SideProcess.start('node-redis', redis.url),
}
console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, median of ${runs} rounds`)
let missed = 0
for (const row of rows) if (!(await measure(row, sides))) missed++
for (const side of Object.values(sides)) await side.stop()
await redis.stop()
process.exitCode = missed === 0 ? 0 : 1
