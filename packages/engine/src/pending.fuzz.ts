/** Pending lists of many blocks against a plain map: set, delete, scan whole and by owner. */
import { expect, it } from 'vitest'
import { compareIds, formatId, ID_ZERO, type StreamId } from './id.ts'
import { IdList } from './id-list.ts'
import { Meter } from './meter.ts'
import { toStreamId } from './number-id.ts'
import { PendingList, type PendingRow } from './pending.ts'
import { Seeded } from './seeded.ts'

const SEED = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const OWNERS = [0, 1, 2, 3, 70_000]

const shown = (row: PendingRow): string => `${formatId(row.id)} ${row.owner} ${row.timeMs} ${row.count}`

function collect(scan: (visit: (row: PendingRow) => boolean) => void, count: number): string[] {
  const found: string[] = []
  scan((row) => found.push(shown(row)) < count)
  return found
}

function someRow(random: Seeded, id: StreamId): PendingRow {
  const isOdd = random.below(3000) === 0
  return {
    id,
    owner: isOdd ? 70_000 : random.below(4),
    timeMs: isOdd ? 2 ** 45 : 1_700_000_000_000 + random.below(100_000),
    count: isOdd ? 2 ** 40 : 1 + random.below(9),
  }
}

function check(random: Seeded, list: PendingList, plain: ReadonlyMap<string, PendingRow>): void {
  const sorted = [...plain.values()].sort((a, b) => compareIds(a.id, b.id))
  expect(list.size).toBe(sorted.length)
  expect(list.first && formatId(list.first)).toBe(sorted[0] && formatId(sorted[0].id))
  expect(list.last && formatId(list.last)).toBe(sorted.at(-1) && formatId(sorted.at(-1)!.id))
  expect(collect((visit) => list.scan(ID_ZERO, visit), Infinity)).toEqual(sorted.map(shown))
  const from = sorted.length === 0 ? ID_ZERO : sorted[random.below(sorted.length)]!.id
  const after = sorted.filter(({ id }) => compareIds(id, from) >= 0)
  const count = 1 + random.below(50)
  expect(collect((visit) => list.scan(from, visit), count)).toEqual(after.slice(0, count).map(shown))
  for (const owner of OWNERS) {
    const owned = after.filter((row) => row.owner === owner)
    expect(collect((visit) => list.scanOwned(owner, from, visit), Infinity)).toEqual(owned.map(shown))
  }
}

/** What one acknowledgement of many IDs does: a stretch of them, all or here and there. */
function deleteMany(random: Seeded, list: PendingList, plain: Map<string, PendingRow>): void {
  const rows = [...plain.values()].sort((a, b) => compareIds(a.id, b.id))
  const start = random.below(rows.length + 1)
  const gap = random.pick([1, 1, 2, 5])
  const chosen = rows.slice(start, start + random.below(2500)).filter(() => random.below(gap) === 0)
  const ids = IdList.of(chosen.map(({ id }) => id))
  if (!list.hasAll(ids)) expect.fail('the IDs are there')
  const gone = new Map<number, number>()
  list.deleteAll(ids, (owner, count) => gone.set(owner, (gone.get(owner) ?? 0) + count))
  for (const owner of OWNERS) expect(gone.get(owner) ?? 0).toBe(chosen.filter((row) => row.owner === owner).length)
  for (const { id } of chosen) plain.delete(formatId(id))
  if (chosen.length > 0 && list.hasAll(ids)) expect.fail('the IDs are still there')
}

/** What one claim does: IDs here and there, pending or not, one of them twice, go to one owner. */
function ownMany(random: Seeded, list: PendingList, plain: Map<string, PendingRow>): void {
  const rows = [...plain.values()].sort((a, b) => compareIds(a.id, b.id))
  const start = random.below(rows.length + 1)
  const gap = random.pick([1, 1, 2, 5])
  const ids = rows
    .slice(start, start + random.below(2500))
    .filter(() => random.below(gap) === 0)
    .map(({ id }) => id)
  if (random.below(2) === 0)
    ids.push({ ms: 1_700_000_000_000n + BigInt(random.below(5000)), seq: 77n }, ...ids.slice(0, 1))
  const { owner, timeMs } = someRow(random, ID_ZERO)
  const counts = Float64Array.from(ids, () => random.below(9))
  const left: string[] = []
  list.ownAll({ ids: IdList.of(ids), counts, owner, timeMs }, (id, before) => {
    left.push(`${formatId(toStreamId(id))} ${before}`)
  })
  const expected: string[] = []
  for (const [i, id] of ids.entries()) {
    const before = plain.get(formatId(id))?.owner
    if (before !== owner) expected.push(`${formatId(id)} ${before}`)
    plain.set(formatId(id), { id, owner, timeMs, count: counts[i]! })
  }
  expect(left).toEqual(expected)
}

it(`agrees with a plain map, seed ${SEED}`, { timeout: 60_000 }, () => {
  console.info(`pending.fuzz: MILLRACE_SEED=${SEED}`)
  const random = new Seeded(SEED)
  const meter = new Meter()
  const list = new PendingList(meter)
  const plain = new Map<string, PendingRow>()
  const set = (id: StreamId): void => {
    const row = someRow(random, id)
    if (list.set(row) !== plain.get(formatId(id))?.owner) expect.fail(`the former owner of ${formatId(id)}`)
    plain.set(formatId(id), row)
  }
  let ms = 1_700_000_000_000n
  for (let round = 0; round < 25; round++) {
    // Delivery: at the end, in order.
    for (let i = random.below(1000); i > 0; i--) set({ ms: (ms += BigInt(random.below(3) + 1)), seq: 0n })
    // Claims and forced claims: anywhere.
    for (let i = random.below(700); i > 0; i--) {
      set({ ms: ms - BigInt(random.below(6000)), seq: random.below(500) === 0 ? 2n ** 60n : BigInt(random.below(2)) })
    }
    check(random, list, plain)
    // Acknowledgements: a run from the front, then here and there.
    const ids = [...plain.values()].map(({ id }) => id).sort(compareIds)
    const run = random.below(2) === 0 ? random.below(1200) : 0
    const leaves = random.pick([2, 10, 400])
    for (const [i, id] of ids.entries()) {
      if (i >= run && random.below(leaves) !== 0 && random.below(3) !== 0) continue
      if (list.delete(id) !== plain.get(formatId(id))!.owner) expect.fail(`the owner of ${formatId(id)}`)
      if (list.get(id) !== undefined || list.delete(id) !== undefined) expect.fail(`${formatId(id)} is still there`)
      plain.delete(formatId(id))
    }
    check(random, list, plain)
    deleteMany(random, list, plain)
    check(random, list, plain)
    ownMany(random, list, plain)
    check(random, list, plain)
    for (const row of [...plain.values()].slice(0, 20)) expect(shown(list.get(row.id)!)).toBe(shown(row))
  }
  list.release()
  expect(meter.bytes).toBe(0)
})

it('gives the memory of acknowledged entries back, also when few are left here and there', () => {
  const meter = new Meter()
  const list = new PendingList(meter)
  for (let i = 0; i < 200_000; i++) list.set({ id: { ms: BigInt(i), seq: 0n }, owner: 0, timeMs: 5, count: 1 })
  const full = meter.bytes
  expect(full / 200_000).toBeLessThan(21)
  for (let i = 0; i < 200_000; i++) if (i % 500 !== 0) list.delete({ ms: BigInt(i), seq: 0n })
  expect(list.size).toBe(400)
  expect(meter.bytes).toBeLessThan(full / 20)
})
