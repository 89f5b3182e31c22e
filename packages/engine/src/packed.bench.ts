/**
 * What the hot calls cost that a server makes for each request: fields as they lie in a socket's buffer, IDs in columns,
 * entries walked by a cursor. One stream, one process, no network, blocked readers watching.
 *
 *   node --expose-gc --conditions=@millrace/source --import tsx packages/engine/src/packed.bench.ts [entries]
 *
 * Does not show: decoding, encoding, a journal, a socket.
 */
import { acknowledgePacked } from './acknowledge.ts'
import { appendPacked } from './append.ts'
import { Database } from './database.ts'
import { EntryCursor } from './entry-cursor.ts'
import { createGroup } from './group-commands.ts'
import { ID_MAX, ID_ZERO } from './id.ts'
import { IdList } from './id-list.ts'
import { IdCell } from './number-id.ts'
import { viewOf, type PackedFields } from './packed-fields.ts'
import { deliverPacked } from './read-group.ts'
import { Waiters } from './waiters.ts'

const ENTRIES = Number(process.argv[2] ?? 1_000_000)
const PAGE = 100
const PARTS = 20
const shapes: Record<string, (i: number) => string[]> = {
  'one field of 28 bytes': (i) => ['field', `value-${String(i).padStart(22, '0')}`],
  'five fields of 12 bytes': (i) =>
    ['a', 'b', 'c', 'd', 'e'].flatMap((name) => [name, `v-${String(i).padStart(10, '0')}`]),
  'one field of 1 KiB': (i) => ['field', String(i).padEnd(1024, 'x')],
}

/** Requests one after the other in a buffer of 64 KiB, as a connection has them. */
function requests(shape: (i: number) => string[]): PackedFields[] {
  const bytes = Buffer.alloc(65_536)
  const view = viewOf(bytes)
  const made: PackedFields[] = []
  for (let i = 0, at = 0; ; i++) {
    const starts: number[] = []
    const ends: number[] = []
    for (const text of ['XADD', 's', '*', ...shape(i)]) {
      if (at + text.length + 20 > bytes.length) return made
      at += bytes.write(`$${text.length}\r\n`, at)
      starts.push(at)
      at += bytes.write(text, at)
      ends.push(at)
      at += bytes.write('\r\n', at)
    }
    made.push({
      bytes,
      view,
      starts: Int32Array.from(starts),
      ends: Int32Array.from(ends),
      first: 3,
      count: starts.length - 3,
    })
  }
}

/** CPU time (which other processes do not lengthen much) of this process. */
function cpuNs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** CPU nanoseconds for each in the fastest of twenty parts, and in the median one; the longest of every sixteenth call. */
function timed(total: number, run: (i: number) => void): string {
  const parts: number[] = []
  let longest = 0
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [Math.floor((total / PARTS) * part), Math.floor((total / PARTS) * (part + 1))]
    const start = cpuNs()
    for (let i = from; i < to; i++) {
      if (i % 16 !== 0) run(i)
      else {
        const before = performance.now()
        run(i)
        longest = Math.max(longest, performance.now() - before)
      }
    }
    parts.push((cpuNs() - start) / (to - from))
  }
  parts.sort((a, b) => a - b)
  return `${Math.round(parts[0]!)} (${Math.round(parts[PARTS / 2]!)}) ns, longest ${longest.toFixed(2)} ms`
}

function memoryBytes(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

for (const [name, shape] of Object.entries(shapes)) measure(name, requests(shape))

function measure(name: string, made: readonly PackedFields[]): void {
  const database = new Database()
  const waiters = new Waiters(database)
  const ref = { key: 's', group: 'g' }
  const startMs = 1_700_000_000_000
  const cursor = new EntryCursor()
  const empty = memoryBytes()
  const appends = timed(ENTRIES, (i) => {
    appendPacked(database, { key: 's', fields: made[i % made.length]! }, startMs + Math.floor(i / 1000))
  })
  const full = memoryBytes()
  createGroup(database, ref, { from: ID_ZERO }, startMs)
  const lists: IdList[] = []
  const deliveries = timed(ENTRIES / PAGE, (i) => {
    const query = { ...ref, consumer: `c${i % 4}`, count: PAGE }
    deliverPacked(database, query, startMs + 2000 + i, cursor)
    lists.push(new IdList(PAGE))
  })
  const pending = memoryBytes() - lists.length * (PAGE * 16 + 300)
  const stream = database.require('s', 0)
  const [from, last] = [IdCell.of(ID_ZERO), IdCell.of(ID_MAX)]
  for (const list of lists) {
    cursor.after(stream, from, PAGE)
    while (cursor.next()) list.add(cursor.entry.id)
    from.copy(cursor.entry.id)
  }
  const walks = timed(ENTRIES / PAGE, (i) => {
    lists[(i * 7919) % lists.length]!.read(0, from)
    cursor.forward(stream, from, last, PAGE)
    while (cursor.next());
  })
  const acknowledgements = timed(ENTRIES / PAGE, (i) => acknowledgePacked(database, ref, lists[i]!, startMs))
  console.log(`${name}, ${ENTRIES} entries`)
  console.log(`  append                     ${appends}`)
  console.log(`  deliver ${PAGE}                ${deliveries}`)
  console.log(`  walk ${PAGE} from the middle   ${walks}`)
  console.log(`  acknowledge ${PAGE}            ${acknowledgements}`)
  console.log(
    `  ${((full - empty) / ENTRIES).toFixed(1)} bytes an entry, ${((pending - full) / ENTRIES).toFixed(1)} a pending one`,
  )
  waiters.close()
}
