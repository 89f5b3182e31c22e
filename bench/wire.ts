/**
 * Over the wire: our server and redis-server, side by side, both in memory only, driven by the same client in turn.
 *
 *   redis-benchmark (50 connections) ──► millrace │ redis │ millrace │ redis │ …      at least 5 runs each, median
 *                                        └ not counted ┘
 *
 * The first run of a row is not counted (side-by-side.ts): what a server does in its first second or two after it has done
 * something else (compiling, taking memory) is not what it does all day.
 *
 * XACK needs other IDs in each request, and latency at a given rate an open loop, which redis-benchmark has not: for these
 * this process is the client. Ratios are ours/redis; of a rate higher is better, of a latency lower.
 *
 *   npm run bench -- wire [--runs 5] [--only xadd] [--scale 1]
 *
 * Does not show: persistence, TLS, more than one machine. Client and server share the machine's processors.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { cpuSeconds, encode, type Peer, RawClient, startPeers } from './peer.ts'
import { benchmark, compare, printHeader, type Row } from './side-by-side.ts'

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

const text28 = 'abcdefghijklmnopqrstuvwxyz01'
const stream = 's'

const rows: readonly Row<Peer>[] = [
  xadd('XADD, pipeline 1', { pipeline: 1, requests: 150_000, value: text28, bar: 1 }),
  xadd('XADD, pipeline 16', { pipeline: 16, requests: 1_000_000, value: text28, bar: 1.2 }),
  xadd('XADD, pipeline 100', { pipeline: 100, requests: 2_000_000, value: text28, bar: 1.5 }),
  xadd('XADD 1 KiB, pipeline 1', { pipeline: 1, requests: 150_000, value: 'v'.repeat(1024), bar: 1 }),
  xadd('XADD 1 KiB, pipeline 16', { pipeline: 16, requests: 400_000, value: 'v'.repeat(1024), bar: 1 }),
  readGroup('XREADGROUP COUNT 100', { count: 100, requests: 10_000, bar: 2 }),
  readGroup('XREADGROUP COUNT 1', { count: 1, requests: 150_000, bar: 1 }),
  acknowledge(),
  read('XRANGE COUNT 100', ['xrange', stream, '-', '+', 'count', '100']),
  read('XREAD COUNT 100', ['xread', 'count', '100', 'streams', stream, '0']),
]

function size(requests: number): number {
  return Math.max(1000, Math.round(requests * scale))
}

function xadd(name: string, plan: { pipeline: number; requests: number; value: string; bar: number }): Row<Peer> {
  const { pipeline, requests, value, bar } = plan
  const command = ['xadd', stream, '*', 'field', value]
  return benchmark(name, { bar, connections, pipeline, requests: size(requests), command, before: flush })
}

function readGroup(
  name: string,
  { count, requests, bar }: { count: number; requests: number; bar: number },
): Row<Peer> {
  return benchmark(name, {
    bar,
    connections,
    requests: size(requests),
    command: ['xreadgroup', 'group', 'g', 'c', 'count', String(count), 'streams', stream, '>'],
    prepare: async (peer) => await refill(peer, Math.round(count * requests * scale)),
    before: newGroup,
  })
}

function read(name: string, command: readonly string[]): Row<Peer> {
  const prepare = async (peer: Peer): Promise<void> => await refill(peer, 10_000)
  return benchmark(name, { bar: 1, connections, requests: size(30_000), command, prepare })
}

/** XACK of 100 IDs: everything pending, then acknowledged over 50 connections, one request in flight on each. */
function acknowledge(): Row<Peer> {
  const requests = Math.round(4000 * scale)
  return {
    name: 'XACK of 100 IDs',
    bar: 1,
    prepare: async (peer) => await refill(peer, requests * 100),
    run: async (peer) => {
      await newGroup(peer)
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

/** Only this many entries, in the one stream. */
async function refill(peer: Peer, entries: number): Promise<void> {
  await flush(peer)
  const client = await RawClient.open(peer.port)
  for (let from = 0; from < entries; from += 1000) {
    const to = Math.min(entries, from + 1000)
    let batch = ''
    for (let i = from; i < to; i++) batch += encode(['XADD', stream, `${firstMs + i}-0`, 'field', text28])
    await client.send(batch, (to - from) * 2)
  }
  client.close()
}

async function flush({ port }: Peer): Promise<void> {
  await once(port, ['FLUSHALL'])
}

async function newGroup({ port }: Peer): Promise<void> {
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
function latency(rate: number): Row<Peer> {
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
  printHeader()
  for (const row of [...rows, undefined]) {
    const chosen = row ?? latency(unpipelined / 2)
    if (row === undefined && unpipelined === 0) continue
    if (!chosen.name.toLowerCase().includes(values.only.toLowerCase())) continue
    const result = await compare(chosen, peers, runs)
    for (const peer of peers) await flush(peer)
    if (chosen === rows[0]) unpipelined = result.redis
    if (!result.isMet) missed++
  }
  await Promise.all(peers.map(async (peer) => await peer.stop()))
  console.log(missed === 0 ? 'every bar is met' : `${missed} bars are missed`)
  process.exitCode = missed === 0 ? 0 : 1
}

await main()
