/**
 * A row of a bench that compares our server with redis-server: both sides in turn, several times, medians.
 *
 *   round      -1 (not counted)       0               1
 *   order      redis, ours       ours, redis     redis, ours      who begins alternates, so that neither always follows
 *
 * The ratio is the median of the rounds' ratios ours/redis: of a rate higher is better, of a latency lower.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { cpuSeconds, median } from './peer.ts'

export interface Sample {
  /** Requests a second, or milliseconds when the row is about latency. */
  readonly value: number
  /** Seconds of processor time that the server spent on a million requests. */
  readonly cpuPerMillion: number
}

/** `S` is what a side is, as the row needs it. */
export interface Row<S> {
  readonly name: string
  /** What the ratio is to be: at least (a rate), at most (a latency). Undefined: the row is shown for comparison. */
  readonly bar: number | undefined
  readonly isLatency?: boolean
  /** Once per side. */
  readonly prepare?: (side: S) => Promise<void>
  readonly run: (side: S) => Promise<Sample>
}

export interface Outcome {
  readonly isMet: boolean
  readonly ours: number
  readonly redis: number
}

interface Listening {
  readonly port: number
  readonly pid: number
}

export interface BenchmarkPlan<S> {
  readonly bar: number | undefined
  readonly connections: number
  readonly pipeline?: number
  readonly requests: number
  readonly command: readonly string[]
  readonly prepare?: (side: S) => Promise<void>
  /** Before each run. */
  readonly before?: (side: S) => Promise<void>
}

/** A row that redis-benchmark measures. */
export function benchmark<S extends Listening>(name: string, plan: BenchmarkPlan<S>): Row<S> {
  const { bar, connections, pipeline = 1, requests, command, prepare, before } = plan
  return {
    name,
    bar,
    ...(prepare === undefined ? {} : { prepare }),
    run: async (side) => {
      await before?.(side)
      const cpuBefore = cpuSeconds(side.pid)
      const numbers = { '-p': side.port, '-c': connections, '-P': pipeline, '-n': requests }
      const flags = Object.entries(numbers).flatMap(([flag, value]) => [flag, String(value)])
      const args = ['-h', '127.0.0.1', ...flags, '--csv', ...command]
      const { stdout } = await promisify(execFile)('redis-benchmark', args, { maxBuffer: 1 << 26 })
      // The last line is the test's: "name","rps",…
      const rate = Number(/","([\d.]+)"/.exec(stdout.trim().split('\n').at(-1)!)?.[1])
      if (!(rate > 0)) throw new Error(`redis-benchmark told no rate:\n${stdout}`)
      return { value: rate, cpuPerMillion: ((cpuSeconds(side.pid) - cpuBefore) / requests) * 1e6 }
    },
  }
}

export function printHeader(): void {
  console.log(line(['', 'millrace', 'redis', 'ratio', 'bar', 'CPU s/M ours', 'redis']))
}

/** Measures a row on both sides, ours first, and prints it. */
export async function compare<S>(row: Row<S>, sides: readonly [S, S], runs: number): Promise<Outcome> {
  const samples: [Sample[], Sample[]] = [[], []]
  for (const side of sides) await row.prepare?.(side)
  for (let run = -1; run < runs; run++) {
    for (const index of run % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const sample = await row.run(sides[index])
      if (run >= 0) samples[index].push(sample)
    }
  }
  return report(row, samples)
}

function report({ name, bar, isLatency = false }: Row<never>, samples: readonly [Sample[], Sample[]]): Outcome {
  const [ours, redis] = samples.map((of) => median(of.map(({ value }) => value))) as [number, number]
  const cpu = samples.map((of) => median(of.map(({ cpuPerMillion }) => cpuPerMillion)).toFixed(2))
  const ratio = median(samples[0].map(({ value }, i) => value / samples[1][i]!.value))
  const isMet = bar === undefined || (isLatency ? ratio <= bar : ratio >= bar)
  const shown = (value: number): string => (isLatency ? value.toFixed(3) : String(Math.round(value)))
  const wanted = bar === undefined ? '' : `${isLatency ? '≤' : '≥'} ${bar.toFixed(1)} ${isMet ? '' : 'MISSED'}`
  console.log(line([name, shown(ours), shown(redis), ratio.toFixed(2), wanted, ...cpu]))
  return { isMet, ours, redis }
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(34) : cell.padStart(13))).join('')
}
