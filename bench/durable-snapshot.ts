/**
 * Who waits how long while a snapshot of a gigabyte is written: a part of durable.ts.
 *
 *   16 streams of 1 KiB values, 100,000 pending ──► BGSAVE ──────────────────────────► done
 *                                                   PING 1,000 times a second, an open loop
 *                                                   XADD   500 times a second: what is written changes meanwhile
 */
import { BenchDirectory, DurablePeer, type Delay, type PeerName } from './durable-peer.ts'
import { OpenLoop } from './open-loop.ts'
import { encode, median, RawClient } from './peer.ts'

export interface SnapshotSettings {
  readonly runs: number
  readonly scale: number
  readonly parent: string | undefined
}

interface Result {
  readonly seconds: number
  /** Of ours. */
  readonly delay: Delay | undefined
  readonly pingMs: { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number }
}

const BYTES = 1e9
const VALUE_BYTES = 1024
const STREAMS = 16
const PENDING = 100_000
const PINGS_A_SECOND = 1000
const ADDS_A_SECOND = 500
const DELAY_MS_MAX = 20
const BATCH = 100

/** How many bars are missed. */
export async function snapshot({ runs, scale, parent }: SnapshotSettings): Promise<number> {
  const entries = Math.round((BYTES * scale) / VALUE_BYTES)
  console.log(`\nBGSAVE of ${entries.toLocaleString('en')} entries of ${VALUE_BYTES} bytes, median of ${runs}`)
  const results: Record<PeerName, Result[]> = { millrace: [], redis: [] }
  for (const name of ['millrace', 'redis'] as const) {
    const directory = new BenchDirectory(parent)
    const peer = await DurablePeer.start({ name, directory: directory.path, policy: 'everysec' })
    await fill(peer, entries)
    for (let run = 0; run < runs; run++) results[name].push(await save(peer))
    await peer.stop()
    directory.remove()
  }
  for (const name of ['millrace', 'redis'] as const) print(name, results[name])
  const lateMs = median(results.millrace.map(({ delay }) => delay!.p999Ms))
  const isMet = lateMs < DELAY_MS_MAX
  const longestMs = Math.max(...results.millrace.map(({ delay }) => delay!.maxMs))
  console.log(
    `  our event loop is late by ${lateMs.toFixed(1)} ms at p99.9 (bar ${DELAY_MS_MAX}${isMet ? '' : ', MISSED'}), ` +
      `at most by ${longestMs.toFixed(1)} ms`,
  )
  return isMet ? 0 : 1
}

async function fill(peer: DurablePeer, entries: number): Promise<void> {
  const client = await RawClient.open(peer.port)
  const value = 'v'.repeat(VALUE_BYTES)
  for (let i = 0; i < entries / BATCH; i++) {
    const add = encode(['XADD', `s${i % STREAMS}`, '*', 'field', value])
    await client.send(add.repeat(BATCH), BATCH * 2)
  }
  client.close()
  const perStream = String(Math.min(PENDING, entries) / STREAMS)
  for (let i = 0; i < STREAMS; i++) {
    await peer.ask('XGROUP', 'CREATE', `s${i}`, 'g', '0')
    // Its reply, which nobody needs, ends with the connection.
    await peer.ask('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', perStream, 'STREAMS', `s${i}`, '>')
  }
}

async function save(peer: DurablePeer): Promise<Result> {
  const isOurs = peer.name === 'millrace'
  if (isOurs) await peer.delay()
  const beganMs = performance.now()
  const started = await peer.ask('BGSAVE')
  if (!started.startsWith('+')) throw new Error(`${peer.name} answered ${started.trim()} to BGSAVE`)
  const times: Float64Array[] = []
  do {
    const open = async (request: readonly string[], rate: number): Promise<Float64Array> =>
      await new OpenLoop({ port: peer.port, rate, total: rate, connections: 1, request: encode(request) }).run()
    const [pings] = await Promise.all([
      open(['PING', 'x'], PINGS_A_SECOND),
      open(['XADD', 's0', '*', 'field', 'value'], ADDS_A_SECOND),
    ])
    times.push(pings)
  } while (await isSaving(peer))
  const seconds = (performance.now() - beganMs) / 1000
  const delay = isOurs ? await peer.delay() : undefined
  const sorted = times.flatMap((of) => [...of]).sort((a, b) => a - b)
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
  return { seconds, delay, pingMs: { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: sorted.at(-1)! } }
}

async function isSaving(peer: DurablePeer): Promise<boolean> {
  const text = await peer.ask('INFO', 'persistence')
  if (!text.includes('rdb_last_bgsave_status:ok')) throw new Error(`${peer.name} could not save`)
  return text.includes('rdb_bgsave_in_progress:1')
}

function print(name: PeerName, results: readonly Result[]): void {
  const of = (pick: (result: Result) => number): string => median(results.map((one) => pick(one))).toFixed(1)
  const pings = (['p50', 'p99', 'p999', 'max'] as const).map((part) => `${part} ${of(({ pingMs }) => pingMs[part])}`)
  console.log(`  ${name.padEnd(10)} done after ${of(({ seconds }) => seconds)} s; PING ${pings.join(', ')} ms`)
}
