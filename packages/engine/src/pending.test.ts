/** What the model's random histories reach seldom: lists of many blocks, filled against their order. */
import { expect, it } from 'vitest'
import { ID_ZERO } from './id.ts'
import { Meter } from './meter.ts'
import { PendingList } from './pending.ts'

const rows = 5000

function owned(list: PendingList, owner: number): number[] {
  const found: number[] = []
  list.scanOwned(owner, ID_ZERO, ({ id }) => found.push(Number(id.ms)) > 0)
  return found
}

function ascending(end: number, isIn: (ms: number) => boolean): number[] {
  return Array.from({ length: end }, (_, i) => i + 1).filter(isIn)
}

it('lists what an owner has in order when all came in descending order', () => {
  const list = new PendingList(new Meter())
  for (let ms = rows; ms > 0; ms--)
    list.set({ id: { ms: BigInt(ms), seq: 0n }, owner: (ms % 3) + 1, timeMs: 0, count: 1 })
  for (const owner of [1, 2, 3]) expect(owned(list, owner)).toEqual(ascending(rows, (ms) => (ms % 3) + 1 === owner))
})

it('finds the blocks of an owner after rows of many blocks went to another and were removed', () => {
  const list = new PendingList(new Meter())
  const id = (ms: number) => ({ ms: BigInt(ms), seq: 0n })
  for (let ms = rows; ms > 0; ms--) list.set({ id: id(ms), owner: 1, timeMs: 0, count: 1 })
  for (let ms = 1; ms <= rows; ms += 7) list.set({ id: id(ms), owner: 2, timeMs: 0, count: 1 })
  for (let ms = 1; ms <= rows; ms++) if (ms % 5 !== 0) list.delete(id(ms))
  const isThere = (ms: number): boolean => ms % 5 === 0
  expect(owned(list, 2)).toEqual(ascending(rows, (ms) => isThere(ms) && ms % 7 === 1))
  expect(owned(list, 1)).toEqual(ascending(rows, (ms) => isThere(ms) && ms % 7 !== 1))
})
