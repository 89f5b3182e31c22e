/**
 * Work queues on the same redis-server: BullMQ, the raw loop of XREADGROUP and XACK, and Millrace; and Millrace embedded.
 *
 *   workers ──fork──► workers-bullmq.ts      its recommended settings                                  ──► redis-server
 *           ──fork──► workers-raw.ts         COUNT 100, one XACK a batch, nothing else                 ──► redis-server
 *           ──fork──► workers-millrace.ts    the defaults: leases, owner-checked acknowledgement, …    ──► redis-server
 *           ──fork──► workers-millrace.ts    the same, on the embedded engine
 *
 * Each side has a process of its own; they take turns, a round that does not count, then several, of which the median counts.
 * Every side's payload is the same JSON; every handler does nothing. Memory only.
 *
 *   npm run bench -- workers [--runs 5] [--scale 1]
 *
 * Bars: consuming on the same Redis at least 5 times BullMQ's rate and half of the raw loop's, embedded 25 times BullMQ's; p99 from
 * add to handler at 1,000 a second no more than twice the raw loop's.
 *
 * Does not show: a network, handlers that take time (there all are alike), several worker processes.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { startRedis } from '@millrace/testing'
import { median } from './peer.ts'
import { type Task, WorkersSide } from './workers-side.ts'

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '5' }, scale: { type: 'string', default: '1' } },
})
const runs = Number(values.runs)
const scale = Number(values.scale)

type SideName = 'bullmq' | 'raw' | 'millrace' | 'embedded'

const sideNames: readonly SideName[] = ['bullmq', 'raw', 'millrace', 'embedded']
const titles: Readonly<Record<SideName, string>> = {
  bullmq: 'BullMQ',
  raw: 'raw loop',
  millrace: 'millrace on Redis',
  embedded: 'millrace embedded',
}
/** BullMQ is given a tenth of the messages: it would take minutes otherwise. */
const shares: Readonly<Record<SideName, number>> = { bullmq: 0.1, raw: 1, millrace: 1, embedded: 2 }

interface Row {
  readonly name: string
  readonly task: Task
}

const rows: readonly Row[] = [
  { name: 'produce', task: { task: 'produce', times: 100_000 } },
  ...[1, 16, 100].map((concurrency) => ({
    name: `consume, concurrency ${concurrency}`,
    task: { task: 'consume' as const, times: 100_000, concurrency },
  })),
  { name: 'add to handler', task: { task: 'latency', times: 5000, perSecond: 1000 } },
]

type Medians = Readonly<Record<SideName, number>>

async function measure(
  { task }: Row,
  sides: Readonly<Record<SideName, WorkersSide>>,
): Promise<{ rates: Medians; p99Ms: Medians }> {
  const rates: Record<SideName, number[]> = { bullmq: [], raw: [], millrace: [], embedded: [] }
  const p99Ms: Record<SideName, number[]> = { bullmq: [], raw: [], millrace: [], embedded: [] }
  for (let round = -1; round < runs; round++) {
    for (const name of sideNames) {
      const share = task.task === 'latency' ? 1 : shares[name]
      const times = Math.max(100, Math.round(task.times * scale * share))
      const { ns, latenciesMs } = await sides[name].run({ ...task, times })
      if (round < 0) continue
      rates[name].push(times / (ns / 1e9))
      p99Ms[name].push(percentile(latenciesMs, 0.99))
    }
  }
  const medians = (of: Record<SideName, number[]>): Medians =>
    Object.fromEntries(sideNames.map((name) => [name, median(of[name])])) as unknown as Medians
  return { rates: medians(rates), p99Ms: medians(p99Ms) }
}

function percentile(sample: readonly number[], part: number): number {
  const sorted = sample.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

let missed = 0

function bar(name: string, ratio: number, isMet: boolean): void {
  if (!isMet) missed++
  console.log(`    ${name.padEnd(46)}${ratio.toFixed(2).padStart(9)}${isMet ? '' : '   MISSED'}`)
}

function reportRates(row: Row, rates: Medians): void {
  console.log(`\n${row.name}, a second`)
  for (const name of sideNames)
    console.log(`  ${titles[name].padEnd(48)}${Math.round(rates[name]).toLocaleString('en').padStart(12)}`)
  if (row.task.task !== 'consume') return
  const { bullmq, raw, millrace, embedded } = rates
  bar('on Redis / BullMQ (at least 5)', millrace / bullmq, millrace / bullmq >= 5)
  bar('on Redis / raw loop (at least 0.5)', millrace / raw, millrace / raw >= 0.5)
  bar('embedded / BullMQ (at least 25)', embedded / bullmq, embedded / bullmq >= 25)
}

function reportLatency(row: Row, p99Ms: Medians): void {
  console.log(`\n${row.name} at 1,000 a second, p99 in milliseconds`)
  for (const name of sideNames) console.log(`  ${titles[name].padEnd(48)}${p99Ms[name].toFixed(2).padStart(12)}`)
  bar('on Redis / raw loop (at most 2)', p99Ms.millrace / p99Ms.raw, p99Ms.millrace <= 2 * p99Ms.raw)
}

const redis = await startRedis()
console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]!.model.trim()}, ${process.platform}`)
console.log(`redis-server 7.0.15, memory only; median of ${runs} interleaved runs, scale ${scale}`)
const sides = {
  bullmq: await WorkersSide.start('workers-bullmq', [redis.url]),
  raw: await WorkersSide.start('workers-raw', [redis.url]),
  millrace: await WorkersSide.start('workers-millrace', [redis.url]),
  embedded: await WorkersSide.start('workers-millrace', []),
}
for (const row of rows) {
  const { rates, p99Ms } = await measure(row, sides)
  if (row.task.task === 'latency') reportLatency(row, p99Ms)
  else reportRates(row, rates)
}
for (const side of Object.values(sides)) await side.stop()
await redis.stop()
if (missed > 0) console.log(`\n${missed} bars are missed`)
process.exitCode = missed > 0 ? 1 : 0
