import { beforeEach, expect, it } from 'vitest'
import { append } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { claim, pendingPicture, type PendingQuery } from './claim.ts'
import { Database } from './database.ts'
import { createGroup, deleteConsumer } from './group-commands.ts'
import { ID_ZERO, type StreamId } from './id.ts'
import { negativeAcknowledge } from './nack.ts'
import type { PendingPicture } from './pending-picture.ts'
import { deliverPacked } from './read-group.ts'
import { EntryCursor } from './entry-cursor.ts'

const ENTRIES = 5000
const ref = { key: 's', group: 'g' }
const id = (ms: number): StreamId => ({ ms: BigInt(ms), seq: 0n })
let database: Database

/** Entries 1-0 to 5000-0, delivered at 10: those that end in 0 to 4 to `a`, the others to `b`; 7-0 was given back. */
beforeEach(() => {
  database = new Database()
  for (let ms = 1; ms <= ENTRIES; ms++) append(database, { key: 's', fields: [Buffer.from('f'), Buffer.from('v')] }, ms)
  createGroup(database, ref, { from: ID_ZERO }, 10)
  deliverPacked(database, { ...ref, consumer: 'a', count: Infinity }, 10, new EntryCursor())
  const ids = numbers().filter((ms) => ms % 10 > 4)
  claim(database, { ...ref, consumer: 'b' }, { ids: ids.map(id), minIdleMs: 0, timeMs: 5, justId: true }, 10)
  negativeAcknowledge(database, ref, { mode: 'silent', ids: [id(7)] }, 10)
})

function numbers(): number[] {
  return Array.from({ length: ENTRIES }, (_, i) => i + 1)
}

function pictureOf(query: Partial<PendingQuery>): PendingPicture {
  return pendingPicture(database, ref, { count: Infinity, ...query }, 20)
}

function told(picture: PendingPicture): string[] {
  const rows: string[] = []
  while (picture.next()) rows.push(`${picture.id.ms} ${picture.consumer} ${picture.idleMs(20)} ${picture.deliveries}`)
  expect(rows.length).toBe(picture.length)
  return rows
}

function row(ms: number): string {
  if (ms === 7) return '7  -1 0'
  return ms % 10 > 4 ? `${ms} b 15 1` : `${ms} a 10 1`
}

it('tells all rows, or as many as asked for, from an ID to another', () => {
  expect(told(pictureOf({}))).toEqual(numbers().map(row))
  expect(told(pictureOf({ from: id(1500), count: 3 }))).toEqual([1500, 1501, 1502].map(row))
  expect(told(pictureOf({ from: id(4000), to: id(4002) }))).toEqual([4000, 4001, 4002].map(row))
  expect(told(pictureOf({ from: id(9000) }))).toEqual([])
  expect(told(pictureOf({ count: 0 }))).toEqual([])
})

it('tells the rows of one consumer, and of one that is missing none', () => {
  const isOfB = (ms: number): boolean => ms % 10 > 4 && ms !== 7
  expect(told(pictureOf({ consumer: 'b' }))).toEqual(numbers().filter(isOfB).map(row))
  expect(told(pictureOf({ consumer: 'b', from: id(2050), count: 2 }))).toEqual([2055, 2056].map(row))
  expect(told(pictureOf({ consumer: 'x' }))).toEqual([])
})

it('tells with a minimum of idle time what has it, and what is nobody’s', () => {
  expect(told(pictureOf({ minIdleMs: 11, count: 4 }))).toEqual([5, 6, 7, 8].map(row))
  expect(told(pictureOf({ minIdleMs: 16 }))).toEqual([row(7)])
})

it('tells what it kept, whatever becomes of the group meanwhile', () => {
  const whole = pictureOf({})
  const some = pictureOf({ consumer: 'b', from: id(2000), to: id(2999) })
  const kept = new Map()
  whole.keep(kept)
  some.keep(kept)
  expect(whole.next()).toBe(true)
  acknowledge(
    database,
    ref,
    {
      ids: numbers()
        .filter((ms) => ms % 3 === 0)
        .map(id),
    },
    20,
  )
  const rest = numbers().filter((ms) => ms % 3 !== 0)
  claim(database, { ...ref, consumer: 'c' }, { ids: rest.map(id), minIdleMs: 0 }, 20)
  deleteConsumer(database, { ...ref, consumer: 'b' }, {}, 20)
  const rows = [row(whole.id.ms)]
  while (whole.next()) rows.push(`${whole.id.ms} ${whole.consumer} ${whole.idleMs(20)} ${whole.deliveries}`)
  expect(rows).toEqual(numbers().map(row))
  const isOfB = (ms: number): boolean => ms % 10 > 4 && ms >= 2000 && ms < 3000
  expect(told(some)).toEqual(numbers().filter(isOfB).map(row))
})
