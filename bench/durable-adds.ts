/**
 * Durable adds of one process: a part of durable.ts. Each side has a process of its own and they take turns, as in embedded.ts.
 *
 *   embedded-durable.ts   connect(directory), `always`           awaited │ 1,000 in flight │ addMany
 *   embedded-ioredis.ts   ──► redis-server, `appendfsync always`      1,000 in flight │ autopipelined │ pipeline()
 */
import { startRedis } from '@millrace/testing'
import { BenchDirectory } from './durable-peer.ts'
import { PAGE, SideProcess } from './embedded-side.ts'
import { median } from './peer.ts'

export interface AddsSettings {
  readonly runs: number
  readonly scale: number
  readonly parent: string | undefined
}

interface Way {
  readonly side: 'durable' | 'ioredis'
  /** As the side calls it. */
  readonly way: string
  readonly name: string
  readonly times: number
}

const BAR = 5

const ways: readonly Way[] = [
  { side: 'durable', way: 'in flight', name: 'millrace, 1,000 in flight', times: 400_000 },
  { side: 'durable', way: 'awaited', name: 'millrace, awaited one by one', times: 4000 },
  { side: 'durable', way: 'batched', name: 'millrace, addMany of 1,000', times: 400_000 },
  { side: 'ioredis', way: 'in flight', name: 'ioredis, 1,000 in flight', times: 100_000 },
  { side: 'ioredis', way: 'autopipelined', name: 'ioredis, autopipelined', times: 100_000 },
  { side: 'ioredis', way: 'pipeline', name: 'ioredis, pipeline of 1,000', times: 100_000 },
  { side: 'ioredis', way: 'awaited', name: 'ioredis, awaited one by one', times: 4000 },
]

/** How many bars are missed: ours with 1,000 in flight against the faster of ioredis's ways to have as many. */
export async function addsInProcess({ runs, scale, parent }: AddsSettings): Promise<number> {
  const ours = new BenchDirectory(parent)
  const theirs = new BenchDirectory(parent)
  const redis = await startRedis({
    args: [
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--auto-aof-rewrite-percentage',
      '0',
      '--dir',
      theirs.path,
    ],
  })
  const sides = {
    durable: await SideProcess.start('durable', ours.path),
    ioredis: await SideProcess.start('ioredis', redis.url),
  }
  const rates = ways.map((): number[] => [])
  for (let round = -1; round < runs; round++) {
    for (const [i, { side, way, times: wanted }] of ways.entries()) {
      const times = Math.max(PAGE, Math.round((wanted * scale) / PAGE) * PAGE)
      const { ns } = await sides[side].run(way, times)
      if (round >= 0) rates[i]!.push(times / (ns / 1e9))
    }
  }
  for (const side of Object.values(sides)) await side.stop()
  await redis.stop()
  for (const directory of [ours, theirs]) directory.remove()
  return report(rates.map(median))
}

function report(rates: readonly number[]): number {
  console.log('\ndurable adds in process')
  for (const [i, { name }] of ways.entries())
    console.log(`  ${name.padEnd(32)}${Math.round(rates[i]!).toLocaleString('en').padStart(12)} a second`)
  const theirs = (way: string): number => rates[ways.findIndex((it) => it.side === 'ioredis' && it.way === way)]!
  const ratio = rates[0]! / Math.max(theirs('in flight'), theirs('autopipelined'))
  console.log(
    `  ${ratio.toFixed(1)} times ioredis, both with 1,000 in flight (bar ${BAR}${ratio >= BAR ? '' : ', MISSED'})`,
  )
  const best = Math.max(...rates.filter((_, i) => ways[i]!.side === 'ioredis'))
  console.log(`  ${(rates[0]! / best).toFixed(1)} times the best of its ways, a pipeline in one call among them`)
  console.log(`  ${(rates[2]! / theirs('pipeline')).toFixed(1)} times its pipeline of 1,000, with addMany of 1,000`)
  return ratio >= BAR ? 0 : 1
}
