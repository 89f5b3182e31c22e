/**
 * What changes cost as bytes: to write each of the hot kinds, and to load a million entries, applied. One process, no file.
 *
 *   node --conditions=@millrace/source --import tsx packages/engine/src/disk/change-writer.bench.ts [entries]
 *
 * Does not show: frames and their checksums, reading from a disk. The fastest of nine runs, and the median one.
 */
import type { Change } from '../change.ts'
import { Databases } from '../databases.ts'
import { IdList } from '../id-list.ts'
import { IdCell } from '../number-id.ts'
import { FieldPacker } from '../packed-fields.ts'
import { ChangeReader } from './change-reader.ts'
import { ChangeWriter } from './change-writer.ts'

const ENTRIES = Number(process.argv[2] ?? 1_000_000)
const RUNS = 9
const BATCH = 100
const PAYLOAD_ENTRIES = 1000
const START_MS = 1_700_000_000_000
const writer = new ChangeWriter()
const id = new IdCell()
const fields = new FieldPacker().pack(['field', 'v'.repeat(28)])

function timed(name: string, things: number, run: () => void): void {
  const runs: number[] = []
  for (let i = 0; i < RUNS; i++) {
    const start = process.hrtime.bigint()
    run()
    runs.push(Number(process.hrtime.bigint() - start) / things)
  }
  runs.sort((a, b) => a - b)
  const [fastest, median] = [runs[0]!.toFixed(1), runs[RUNS >> 1]!.toFixed(1)]
  console.log(`${name}: ${fastest} ns (${median})`)
}

/** Writes so many of a change in payloads of so many. */
function writeAll(count: number, inPayload: number, change: (i: number) => Change): number {
  let bytes = 0
  for (let i = 0; i < count; i++) {
    if (i % inPayload === 0) {
      bytes += writer.used
      writer.clear()
    }
    writer.write(0, change(i))
  }
  return bytes + writer.used
}

const added = { kind: 'entry-added' as const, key: 'orders', id, fields, startsNode: false }
const entry = (i: number): Change => {
  id.setPlain(START_MS + Math.floor(i / 50), i % 50)
  added.startsNode = i % 100 === 0
  return added
}
const keys = Array.from({ length: 500 }, (_, i) => `answer:${i}`)
const entryOfMany = (i: number): Change => {
  entry(i)
  return { kind: 'entry-added', key: keys[i % keys.length]!, id, fields, startsNode: added.startsNode }
}
const ids = new IdList()
const counts = new Float64Array(BATCH).fill(2)
for (let i = 0; i < BATCH; i++) {
  id.setPlain(START_MS + Math.floor(i / 50), i % 50)
  ids.add(id)
}
const group = { key: 'orders', group: 'workers' }
const delivery = (i: number): Change => ({
  kind: 'delivered',
  key: 'orders',
  group: 'workers',
  consumer: 'c1',
  count: BATCH,
  atMs: START_MS + i,
  pending: true,
  lastId: id,
  entriesRead: i * BATCH,
})
const acknowledged: Change = { kind: 'acknowledged', ...group, ids }
const claimed: Change = { kind: 'claimed', ...group, consumer: 'c1', ids, atMs: START_MS, counts }

timed(`an entry, ${PAYLOAD_ENTRIES} in a payload`, ENTRIES, () => void writeAll(ENTRIES, PAYLOAD_ENTRIES, entry))
timed('an entry of 500 streams in turn', ENTRIES, () => void writeAll(ENTRIES, PAYLOAD_ENTRIES, entryOfMany))
timed('an entry, alone in its payload', ENTRIES, () => void writeAll(ENTRIES, 1, entry))
timed(`a delivery of ${BATCH}`, ENTRIES / 10, () => void writeAll(ENTRIES / 10, 50, delivery))
timed(`an ID of ${BATCH} acknowledged ones`, ENTRIES, () => void writeAll(ENTRIES / BATCH, 50, () => acknowledged))
timed(`an ID of ${BATCH} claimed ones`, ENTRIES, () => void writeAll(ENTRIES / BATCH, 50, () => claimed))
console.log(`an entry takes ${(writeAll(ENTRIES, PAYLOAD_ENTRIES, entry) / ENTRIES).toFixed(1)} bytes`)

/** All entries in payloads of so many, one behind the other; where each ends. */
function payloads(inPayload: number): { readonly bytes: Uint8Array; readonly ends: readonly number[] } {
  const bytes = new Uint8Array(ENTRIES * 80 + 1000)
  const ends = [0]
  writer.clear()
  writer.write(0, { kind: 'stream-created', key: 'orders' })
  for (let i = 0; i < ENTRIES; i++) {
    writer.write(0, entry(i))
    if (i % inPayload !== inPayload - 1) continue
    bytes.set(writer.bytes.subarray(0, writer.used), ends.at(-1)!)
    ends.push(ends.at(-1)! + writer.used)
    writer.clear()
  }
  return { bytes, ends }
}

function load({ bytes, ends }: ReturnType<typeof payloads>, apply: boolean): void {
  const databases = new Databases()
  const reader = new ChangeReader(bytes, 0, ends[1])
  for (let i = 1; i < ends.length; i++) {
    reader.begin(bytes, ends[i - 1]!, ends[i]!)
    while (reader.next()) if (apply) databases.apply(reader.database, reader.change)
  }
}

for (const inPayload of [PAYLOAD_ENTRIES, 10, 1]) {
  const made = payloads(inPayload)
  timed(`reading an entry, ${inPayload} in a payload`, ENTRIES, () => load(made, false))
  timed(`loading an entry, ${inPayload} in a payload`, ENTRIES, () => load(made, true))
}
