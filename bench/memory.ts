/**
 * What the same data weighs in our server and in redis-server: entries of three shapes, and a million pending ones.
 *
 *   fill both over the wire, equal commands ──► ours:   resident memory after garbage collection, less that before
 *                                            ──► redis: used_memory, less that before
 *
 * Ours is the whole process as the system sees it (so all that V8 and the allocator keep counts against us), or heapUsed +
 * external where that is more: then some of the data lies in memory that the process had before. Theirs is the allocator's
 * own count.
 *
 *   npm run bench -- memory [--entries 1000000] [--entries 10000000]
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { encode, type Peer, RawClient, startMillrace, startRedisPeer } from './peer.ts'

const { values } = parseArgs({ options: { entries: { type: 'string', multiple: true, default: ['1000000'] } } })

const warmRounds = 300

interface Shape {
  readonly name: string
  readonly entry: (i: number) => string[]
  /** Above this the data no longer fits a machine of a few gigabytes twice. */
  readonly entriesMax: number
}

const shapes: readonly Shape[] = [
  {
    name: 'one field of 28 bytes',
    entriesMax: Infinity,
    entry: (i) => ['field', `value-${String(i).padStart(22, '0')}`],
  },
  {
    name: 'five fields of 12 bytes',
    entriesMax: Infinity,
    entry: (i) => ['a', 'b', 'c', 'd', 'e'].flatMap((name) => [name, `${name}-${String(i).padStart(10, '0')}`]),
  },
  { name: 'one field of 1 KiB', entriesMax: 10_000_000, entry: (i) => ['field', String(i).padStart(1024, 'v')] },
]

interface Weight {
  /** What the bar is about. */
  readonly bytes: number
  /** Without what the allocator keeps. */
  readonly counted: number
}

async function weigh(peer: Peer): Promise<Weight> {
  const client = await RawClient.open(peer.port)
  const text = await client.text(encode(['INFO', 'memory']))
  client.close()
  const field = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(text)?.[1])
  return peer.name === 'redis' ? { bytes: field('used_memory'), counted: field('used_memory') } : await peer.memory!()
}

async function fill(port: number, entries: number, entry: (i: number) => string[]): Promise<void> {
  const client = await RawClient.open(port)
  const batchSize = 500
  for (let from = 0; from < entries; from += batchSize) {
    const to = Math.min(entries, from + batchSize)
    let batch = ''
    for (let i = from; i < to; i++) batch += encode(['XADD', 's', `${1_700_000_000_000 + i}-0`, ...entry(i)])
    await client.send(batch, (to - from) * 2)
  }
  client.close()
}

async function readAll(port: number, entries: number): Promise<void> {
  const client = await RawClient.open(port)
  await client.send(encode(['XGROUP', 'CREATE', 's', 'g', '0']), 1)
  const lines = 1 + 1 + 2 + 1 + 1000 * 8
  for (let i = 0; i < entries; i += 1000) {
    await client.send(
      encode(['XREADGROUP', 'GROUP', 'g', `c${(i / 1000) % 4}`, 'COUNT', '1000', 'STREAMS', 's', '>']),
      lines,
    )
  }
  client.close()
}

/**
 * Many small streams one after the other: what a process takes once and keeps, whatever it holds (V8's young generation,
 * compiled code, buffers of connections), is there before anything is weighed. No more than 1,000 entries are held and
 * let go, so that no freed memory of theirs to speak of takes in what is weighed.
 */
async function warmUp(port: number, shape: Shape): Promise<void> {
  const client = await RawClient.open(port)
  for (let round = 0; round < warmRounds; round++) {
    await fill(port, 1000, shape.entry)
    await client.send(encode(['DEL', 's']), 1)
  }
  client.close()
}

interface Grown {
  readonly entry: Weight
  readonly pending: Weight | undefined
}

async function grow(start: () => Promise<Peer>, shape: Shape, entries: number): Promise<Grown> {
  const peer = await start()
  try {
    await warmUp(peer.port, shape)
    const before = await weigh(peer)
    await fill(peer.port, entries, shape.entry)
    const after = await weigh(peer)
    const entry = per(before, after, entries)
    if (shape !== shapes[0]) return { entry, pending: undefined }
    await readAll(peer.port, entries)
    return { entry, pending: per(after, await weigh(peer), entries) }
  } finally {
    await peer.stop()
  }
}

function per(before: Weight, after: Weight, entries: number): Weight {
  return { bytes: (after.bytes - before.bytes) / entries, counted: (after.counted - before.counted) / entries }
}

console.log(`node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; bytes an entry`)
let missed = 0
for (const entries of values.entries.map(Number)) {
  for (const shape of shapes.filter(({ entriesMax }) => entries <= entriesMax)) {
    const ours = await grow(startMillrace, shape, entries)
    const theirs = await grow(startRedisPeer, shape, entries)
    const ratio = Math.max(ours.entry.bytes, ours.entry.counted) / theirs.entry.bytes
    if (ratio > 1) missed++
    console.log(
      `${entries.toLocaleString('en')} × ${shape.name}: ${ours.entry.bytes.toFixed(1)} resident ` +
        `(${ours.entry.counted.toFixed(1)} counted), redis ${theirs.entry.bytes.toFixed(1)}: ` +
        `${ratio.toFixed(2)}${ratio > 1 ? ' MISSED (bar 1.00)' : ''}`,
    )
    if (ours.pending === undefined || theirs.pending === undefined) continue
    const pendingBytes = Math.max(ours.pending.bytes, ours.pending.counted)
    if (pendingBytes > 40) missed++
    console.log(
      `${entries.toLocaleString('en')} pending: ${ours.pending.bytes.toFixed(1)} resident ` +
        `(${ours.pending.counted.toFixed(1)} counted), redis ${theirs.pending.bytes.toFixed(1)}` +
        `${pendingBytes > 40 ? ' MISSED (bar 40)' : ''}`,
    )
  }
}
process.exitCode = missed === 0 ? 0 : 1
