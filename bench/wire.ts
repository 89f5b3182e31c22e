/**
 * Over the wire: our server and redis-server, side by side, both in memory only, driven by the same client in turn.
 *
 *   redis-benchmark (50 connections) ──► millrace │ redis │ millrace │ redis │ …      at least 5 runs each, median
 *                                        └ not counted ┘
 *
 * The first run of a row is not counted, of neither side: what a server does in its first second or two after it has done
 * something else (compiling, taking memory) is not what it does all day.
 *
 * XACK needs other IDs in each request, and latency at a given rate an open loop, which redis-benchmark has not: for these
 * this process is the client. Ratios are ours/redis; of a rate higher is better, of a latency lower.
 *
 *   npm run bench -- wire [--runs 5] [--only xadd] [--scale 1]
 *
 * Does not show: persistence, TLS, more than one machine. Client and server share the machine's processors.
 */
import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { parseArgs, promisify } from 'node:util'
import { cpuSeconds, encode, median, type Peer, RawClient, startPeers } from './peer.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    scale: { type: 'string', default: '1' },
  },
})
const runs = Number(values.runs)
const scale = Number(values.scale)
const connections = 50

interface Sample {
  /** Requests a second, or milliseconds when the row is about latency. */
  readonly value: number
  readonly cpuPerMillion: number
}

interface Row {
  readonly name: string
  /** What the ratio is to be: at least (a rate), at most (a latency). */
  readonly bar: number
  readonly isLatency?: boolean
  /** Once per server. */
  readonly prepare?: (port: number) => Promise<void>
  readonly run: (peer: Peer) => Promise<Sample>
}

const text28 = 'abcdefghijklmnopqrstuvwxyz01'
const stream = 's'

const rows: readonly Row[] = [
  xadd('XADD, pipeline 1', { pipeline: 1, requests: 150_000, value: text28, bar: 1 }),
  xadd('XADD, pipeline 16', { pipeline: 16, requests: 1_000_000, value: text28, bar: 1.2 }),
  xadd('XADD, pipeline 100', { pipeline: 100, requests: 2_000_000, value: text28, bar: 1.5 }),
  xadd('XADD 1 KiB, pipeline 1', { pipeline: 1, requests: 150_000, value: 'v'.repeat(1024), bar: 1 }),
  xadd('XADD 1 KiB, pipeline 16', { pipeline: 16, requests: 400_000, value: 'v'.repeat(1024), bar: 1 }),
  readGroup('XREADGROUP COUNT 100', { count: 100, requests: 10_000, bar: 2 }),
  readGroup('XREADGROUP COUNT 1', { count: 1, requests: 150_000, bar: 1 }),
  acknowledge(),
  benchmark('XRANGE COUNT 100', 1, {
    prepare: async (port) => await fill(port, 10_000),
    args: ['-n', size(30_000), 'xrange', stream, '-', '+', 'count', '100'],
    requests: 30_000,
  }),
  benchmark('XREAD COUNT 100', 1, {
    prepare: async (port) => await fill(port, 10_000),
    args: ['-n', size(30_000), 'xread', 'count', '100', 'streams', stream, '0'],
    requests: 30_000,
  }),
]

function size(requests: number): string {
  return String(Math.max(1000, Math.round(requests * scale)))
}

function xadd(name: string, plan: { pipeline: number; requests: number; value: string; bar: number }): Row {
  const args = ['-P', String(plan.pipeline), '-n', size(plan.requests), 'xadd', stream, '*', 'field', plan.value]
  return benchmark(name, plan.bar, { before: flush, args, requests: plan.requests })
}

function readGroup(name: string, plan: { count: number; requests: number; bar: number }): Row {
  const entries = plan.count * plan.requests
  return benchmark(name, plan.bar, {
    prepare: async (port) => await fill(port, Math.round(entries * scale)),
    before: newGroup,
    args: [
      '-n',
      size(plan.requests),
      'xreadgroup',
      'group',
      'g',
      'c',
      'count',
      String(plan.count),
      'streams',
      stream,
      '>',
    ],
    requests: plan.requests,
  })
}

interface BenchmarkPlan {
  readonly prepare?: (port: number) => Promise<void>
  readonly before?: (port: number) => Promise<void>
  readonly args: readonly string[]
  readonly requests: number
}

/** A row that redis-benchmark measures. */
function benchmark(name: string, bar: number, plan: BenchmarkPlan): Row {
  return {
    name,
    bar,
    prepare: async (port) => {
      await flush(port)
      await plan.prepare?.(port)
    },
    run: async (peer) => {
      await plan.before?.(peer.port)
      const before = cpuSeconds(peer.pid)
      const args = ['-h', '127.0.0.1', '-p', String(peer.port), '-c', String(connections), '--csv', ...plan.args]
      const { stdout } = await promisify(execFile)('redis-benchmark', args, { maxBuffer: 1 << 26 })
      // The last line is the test's: "name","rps",…
      const rate = Number(/","([\d.]+)"/.exec(stdout.trim().split('\n').at(-1)!)?.[1])
      if (!(rate > 0)) throw new Error(`redis-benchmark told no rate:\n${stdout}`)
      const requests = Number(size(plan.requests))
      return { value: rate, cpuPerMillion: ((cpuSeconds(peer.pid) - before) / requests) * 1e6 }
    },
  }
}

/** XACK of 100 IDs: everything pending, then acknowledged over 50 connections, one request in flight on each. */
function acknowledge(): Row {
  const requests = Math.round(4000 * scale)
  return {
    name: 'XACK of 100 IDs',
    bar: 1,
    prepare: async (port) => {
      await flush(port)
      await fill(port, requests * 100)
    },
    run: async (peer) => {
      await newGroup(peer.port)
      await readAll(peer.port, requests)
      const clients = await Promise.all(
        Array.from({ length: connections }, async () => await RawClient.open(peer.port)),
      )
      const requestsLeft = Array.from({ length: requests }, (_, i) => Buffer.from(ackRequest(requests - 1 - i)))
      const before = cpuSeconds(peer.pid)
      const startMs = performance.now()
      const work = async (client: RawClient): Promise<void> => {
        for (let next = requestsLeft.pop(); next !== undefined; next = requestsLeft.pop()) await client.send(next, 1)
      }
      await Promise.all(clients.map(work))
      const seconds = (performance.now() - startMs) / 1000
      for (const client of clients) client.close()
      return { value: requests / seconds, cpuPerMillion: ((cpuSeconds(peer.pid) - before) / requests) * 1e6 }
    },
  }
}

function ackRequest(i: number): string {
  return encode(['XACK', stream, 'g', ...Array.from({ length: 100 }, (_, k) => `${firstMs + i * 100 + k}-0`)])
}

/** Where the IDs of filled streams begin; each is one millisecond after the other. */
const firstMs = 1_700_000_000_000

async function fill(port: number, entries: number): Promise<void> {
  const client = await RawClient.open(port)
  for (let from = 0; from < entries; from += 1000) {
    const to = Math.min(entries, from + 1000)
    let batch = ''
    for (let i = from; i < to; i++) batch += encode(['XADD', stream, `${firstMs + i}-0`, 'field', text28])
    await client.send(batch, (to - from) * 2)
  }
  client.close()
}

async function flush(port: number): Promise<void> {
  await once(port, ['FLUSHALL'])
}

async function newGroup(port: number): Promise<void> {
  await once(port, ['XGROUP', 'DESTROY', stream, 'g'])
  await once(port, ['XGROUP', 'CREATE', stream, 'g', '0'])
}

async function readAll(port: number, calls: number): Promise<void> {
  const client = await RawClient.open(port)
  // The array, the key's pair, its name, its entries; of an entry: two headers, its ID, four parts of its field.
  const lines = 1 + 1 + 2 + 1 + 100 * (1 + 2 + 1 + 4)
  const request = encode(['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '100', 'STREAMS', stream, '>'])
  for (let i = 0; i < calls; i++) await client.send(request, lines)
  client.close()
}

async function once(port: number, args: readonly string[]): Promise<void> {
  const client = await RawClient.open(port)
  await client.send(encode(args), 1)
  client.close()
}

/** How long single XADDs take, sent at half of redis-server's highest unpipelined rate whatever the replies do. */
function latency(rate: number): Row {
  return {
    name: `XADD p99 in ms at ${Math.round(rate)}/s`,
    bar: 2,
    isLatency: true,
    prepare: flush,
    run: async (peer) => {
      const before = cpuSeconds(peer.pid)
      const total = Math.round(rate * Math.max(1, 5 * scale))
      const times = await openLoop(peer.port, rate, total)
      times.sort()
      return {
        value: times[Math.floor(times.length * 0.99)]!,
        cpuPerMillion: ((cpuSeconds(peer.pid) - before) / total) * 1e6,
      }
    },
  }
}

async function openLoop(port: number, rate: number, total: number): Promise<Float64Array> {
  const { OpenLoop } = await import('./open-loop.ts')
  return await new OpenLoop({
    port,
    rate,
    total,
    connections,
    request: encode(['XADD', stream, '*', 'field', text28]),
  }).run()
}

async function main(): Promise<void> {
  console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${process.platform}`)
  console.log(`${connections} connections, median of ${runs} interleaved runs, scale ${scale}`)
  const peers = await startPeers()
  let missed = 0
  let unpipelined = 0
  console.log(line(['', 'millrace', 'redis', 'ratio', 'bar', 'CPU s/M ours', 'redis']))
  for (const row of [...rows, undefined]) {
    const chosen = row ?? latency(unpipelined / 2)
    if (row === undefined && unpipelined === 0) continue
    if (!chosen.name.toLowerCase().includes(values.only.toLowerCase())) continue
    const result = await measure(chosen, peers)
    if (chosen === rows[0]) unpipelined = result.redis
    if (!result.isMet) missed++
  }
  await Promise.all(peers.map(async (peer) => await peer.stop()))
  console.log(missed === 0 ? 'every bar is met' : `${missed} bars are missed`)
  process.exitCode = missed === 0 ? 0 : 1
}

async function measure(row: Row, peers: readonly [Peer, Peer]): Promise<{ isMet: boolean; redis: number }> {
  const samples: [Sample[], Sample[]] = [[], []]
  for (const peer of peers) await row.prepare?.(peer.port)
  for (let run = -1; run < runs; run++) {
    // Who begins alternates, so that neither always follows the other.
    for (const index of run % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const sample = await row.run(peers[index])
      if (run >= 0) samples[index].push(sample)
    }
  }
  const [ours, redis] = samples.map((of) => median(of.map(({ value }) => value))) as [number, number]
  const [ourCpu, redisCpu] = samples.map((of) => median(of.map(({ cpuPerMillion }) => cpuPerMillion))) as [
    number,
    number,
  ]
  const ratio = median(samples[0].map(({ value }, i) => value / samples[1][i]!.value))
  const isMet = row.isLatency === true ? ratio <= row.bar : ratio >= row.bar
  const shown = (value: number): string => (row.isLatency === true ? value.toFixed(3) : String(Math.round(value)))
  const bar = `${row.isLatency === true ? '≤' : '≥'} ${row.bar.toFixed(1)} ${isMet ? '' : 'MISSED'}`
  console.log(
    line([row.name, shown(ours), shown(redis), ratio.toFixed(2), bar, ourCpu.toFixed(2), redisCpu.toFixed(2)]),
  )
  for (const peer of peers) await flush(peer.port)
  return { isMet, redis }
}

function line(cells: readonly string[]): string {
  return cells.map((cell, i) => (i === 0 ? cell.padEnd(30) : cell.padStart(13))).join('')
}

await main()
