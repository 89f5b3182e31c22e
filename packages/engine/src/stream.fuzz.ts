/** Streams of several segments against a plain array: append, delete, cut the front, look from both ends. */
import { expect, it } from 'vitest'
import { someCold } from './disk/testing/some-cold.ts'
import { countBelow, idAtIndex } from './entry-ranks.ts'
import { compareIds, formatId, ID_MAX, ID_ZERO, nextId, type StreamId } from './id.ts'
import { Meter } from './meter.ts'
import { IdCell } from './number-id.ts'
import { FieldPacker, type PackedFields } from './packed-fields.ts'
import { Seeded } from './seeded.ts'
import type { StreamEntry } from './segment-run.ts'
import { Stream } from './stream.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const ROUNDS = 30
const COLD_RUNS = Number(process.env['MILLRACE_RUNS'] ?? 3)

const packed = (fields: readonly string[]): PackedFields =>
  new FieldPacker().pack(fields.map((text) => Buffer.from(text, 'latin1')))

interface PlainEntry {
  readonly id: StreamId
  readonly fields: readonly string[]
}

const shown = (entries: readonly StreamEntry[]): string[] =>
  entries.map(
    ({ id, fields }) => `${formatId(id)} ${fields.map((field) => Buffer.from(field).toString('latin1')).join(',')}`,
  )
const plainShown = (entries: readonly PlainEntry[]): string[] =>
  entries.map(({ id, fields }) => `${formatId(id)} ${fields.join(',')}`)

/** Mostly the next sequence number or some milliseconds later; now and then a leap that no narrow column holds. */
function laterId(random: Seeded, last: StreamId): StreamId {
  const kind = random.below(1000)
  if (kind === 0) return { ms: last.ms + 2n ** 33n, seq: 0n }
  if (kind === 1) return { ms: last.ms, seq: last.seq + 70_000n }
  if (kind < 100) return { ms: last.ms + BigInt(1 + random.below(5000)), seq: BigInt(random.below(3)) }
  return nextId(last)!
}

function someFields(random: Seeded): string[] {
  const kind = random.below(60)
  if (kind === 0) return ['big', 'x'.repeat(random.below(300_000))]
  if (kind < 4) return [`name ${random.below(40)}`, 'v', '', '']
  return kind < 30 ? ['type', 'delta', 'text', 'é'.repeat(random.below(90))] : ['n', String(random.below(1e6))]
}

function checkLooks(random: Seeded, stream: Stream, plain: readonly PlainEntry[]): void {
  expect(stream.length).toBe(plain.length)
  expect(formatId(stream.firstId)).toBe(formatId(plain[0]?.id ?? ID_ZERO))
  expect(formatId(stream.lastEntryId)).toBe(formatId(plain.at(-1)?.id ?? ID_ZERO))
  const edge = (): StreamId => (plain.length === 0 ? ID_ZERO : plain[random.below(plain.length)]!.id)
  const from = random.below(4) === 0 ? ID_ZERO : edge()
  const to = random.below(4) === 0 ? ID_MAX : nextId(edge())!
  const inside = plain.filter(({ id }) => compareIds(id, from) >= 0 && compareIds(id, to) <= 0)
  const count = 1 + random.below(300)
  expect(shown(stream.range(from, to, count))).toEqual(plainShown(inside.slice(0, count)))
  expect(shown(stream.rangeBackward(from, to, count))).toEqual(plainShown(inside.toReversed().slice(0, count)))
  expect(countBelow(stream, from)).toBe(plain.filter(({ id }) => compareIds(id, from) < 0).length)
  if (plain.length === 0) return
  const index = random.below(plain.length)
  const entry = plain[index]!
  expect(formatId(idAtIndex(stream, index))).toBe(formatId(entry.id))
  expect(stream.has(entry.id)).toBe(true)
  expect(stream.fieldsOf(entry.id)?.map((field) => Buffer.from(field).toString('latin1'))).toEqual(entry.fields)
}

it(`agrees with a plain array, seed ${SEED}`, { timeout: 60_000 }, () => {
  console.info(`stream.fuzz: MILLRACE_SEED=${SEED}`)
  const meter = new Meter()
  const stream = new Stream(meter)
  checkHistory(new Seeded(SEED), stream)
  stream.chargeTo(undefined)
  expect(meter.bytes).toBe(0)
})

it(`agrees with a plain array though nearly all of it is on disk, seed ${SEED}`, { timeout: 120_000 }, () => {
  let reads = 0
  for (let run = 0; run < COLD_RUNS; run++) {
    const random = new Seeded(SEED + run)
    const cold = someCold(random)
    const stream = new Stream(cold.meter, cold)
    const empty = stream.memoryBytes
    checkHistory(random, stream)
    reads += cold.info().reads
    expect(cold.info().recordBytes).toBeLessThanOrEqual(cold.info().fileBytes)
    checkCopy(stream)
    stream.removeThrough(stream.lastId)
    expect(stream.memoryBytes).toBe(empty)
    expect(cold.info()).toMatchObject({ segments: 0, recordBytes: 0, fileBytes: 0, files: 0, cachedBytes: 0 })
  }
  expect(reads).toBeGreaterThan(0)
})

/** A copy has the same entries, and files of its own. */
function checkCopy(stream: Stream): void {
  const copy = stream.copy()
  expect(shown(copy.range(ID_ZERO, ID_MAX, Infinity))).toEqual(shown(stream.range(ID_ZERO, ID_MAX, Infinity)))
  copy.drop()
}

function checkHistory(random: Seeded, stream: Stream): void {
  let plain: PlainEntry[] = []
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = random.below(1500); i > 0; i--) {
      const entry = { id: laterId(random, stream.lastId), fields: someFields(random) }
      stream.append(IdCell.of(entry.id), packed(entry.fields), stream.nodes.count === 0 || random.below(50) === 0)
      plain.push(entry)
    }
    checkLooks(random, stream, plain)
    const gone = new Set<string>()
    const start = random.below(plain.length + 1)
    for (const { id } of plain.slice(start, start + random.below(1200))) {
      if (random.below(5) === 0) continue
      stream.deleteAll([id])
      gone.add(formatId(id))
    }
    plain = plain.filter(({ id }) => !gone.has(formatId(id)))
    checkLooks(random, stream, plain)
    if (random.below(4) === 0 && plain.length > 0) {
      const index = random.below(plain.length)
      expect(stream.removeThrough(plain[index]!.id)).toBe(index + 1)
      plain = plain.slice(index + 1)
      checkLooks(random, stream, plain)
    }
  }
}

it('keeps what it handed out, whatever happens to the entry', () => {
  const stream = new Stream(new Meter())
  stream.append(IdCell.of({ ms: 1n, seq: 0n }), packed(['f', 'kept']), true)
  const [entry] = stream.range(ID_ZERO, ID_MAX, 1)
  for (let i = 2n; i < 20_000n; i++) stream.append(IdCell.of({ ms: i, seq: 0n }), packed(['f', 'other']), false)
  stream.removeThrough({ ms: 15_000n, seq: 0n })
  expect(Buffer.from(entry!.fields[1]!).toString()).toBe('kept')
})

it('gives the memory of deleted entries back', () => {
  const meter = new Meter()
  const stream = new Stream(meter)
  const empty = meter.bytes
  for (let i = 1n; i <= 100_000n; i++)
    stream.append(IdCell.of({ ms: i, seq: 0n }), packed(['f', 'v'.repeat(64)]), i % 50n === 1n)
  const full = meter.bytes
  stream.removeThrough({ ms: 99_990n, seq: 0n })
  expect(stream.length).toBe(10)
  // What stays is the node table and one small segment.
  expect(meter.bytes - empty).toBeLessThan(full / 20)
})

it('gives the memory of large entries back though each segment keeps one', () => {
  const meter = new Meter()
  const stream = new Stream(meter)
  const empty = meter.bytes
  const large = '\0'.repeat(20_000)
  for (let i = 1n; i <= 500n; i++) stream.append(IdCell.of({ ms: i, seq: 0n }), packed(['f', large]), true)
  for (let i = 1n; i <= 500n; i++) if (i % 50n !== 0n) stream.deleteAll([{ ms: i, seq: 0n }])
  expect(stream.length).toBe(10)
  expect(meter.bytes - empty).toBeLessThan(4 * 10 * large.length)
})

it('makes no room for another large entry behind one', () => {
  const stream = new Stream(new Meter())
  stream.append(IdCell.of({ ms: 1n, seq: 0n }), packed(['f', 'x'.repeat(20_000_000)]), true)
  const before = stream.memoryBytes
  stream.append(IdCell.of({ ms: 2n, seq: 0n }), packed(['f', 'small']), false)
  expect(stream.memoryBytes - before).toBeLessThan(1 << 20)
})

it('counts the names that its nodes hold on to', () => {
  const meter = new Meter()
  const stream = new Stream(meter)
  const empty = stream.memoryBytes
  const length = 3000
  for (let i = 1; i <= 500; i++) {
    stream.append(IdCell.of({ ms: BigInt(i), seq: 0n }), packed([String(i).padEnd(length), 'v']), true)
  }
  // Once in the segment, where it is one of too many different ones to be shared, and once for its node.
  const perEntry = (stream.memoryBytes - empty) / 500
  expect(perEntry).toBeGreaterThan(2 * length)
  expect(perEntry).toBeLessThan(2.6 * length)
  const { memoryBytes } = stream.copy()
  expect(Math.abs(memoryBytes / stream.memoryBytes - 1)).toBeLessThan(0.2)
  stream.deleteAll([{ ms: 250n, seq: 0n }])
  stream.removeThrough({ ms: 500n, seq: 0n })
  expect(stream.memoryBytes - empty).toBeLessThan(length)
})
