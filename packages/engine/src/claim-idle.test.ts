/** Sources: redis.io/docs/latest/commands/xreadgroup (the CLAIM option), xnack; redis/redis #14402, #14524, #14797. */
import { beforeEach, describe, expect, it } from 'vitest'
import { append, deleteEntries, setLastId, trim } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { claim, pendingEntries } from './claim.ts'
import { nextClaimableMs } from './claim-idle.ts'
import { Database } from './database.ts'
import { createGroup } from './group-commands.ts'
import { formatId, ID_ZERO, parseId, type StreamId } from './id.ts'
import { consumerInfos } from './info.ts'
import { negativeAcknowledge } from './nack.ts'
import { readGroup, type ReadGroupQuery } from './read-group.ts'

const ref = { key: 's', group: 'g' }
let database: Database

/** Entries 1-0 to 6-0; `a` got the first four, one by one, at 10, 20, 30 and 40. */
beforeEach(() => {
  database = new Database()
  for (let ms = 1; ms <= 6; ms++) append(database, { key: 's', fields: [Buffer.from('f'), Buffer.from('v')] }, ms)
  createGroup(database, ref, { from: ID_ZERO }, 0)
  for (const nowMs of [10, 20, 30, 40]) deliver('a', { count: 1 }, nowMs)
})

function deliver(consumer: string, query: Partial<ReadGroupQuery>, nowMs: number): string[] {
  const positions = [{ key: 's', from: '>' as const }]
  const found = readGroup(database, { group: 'g', consumer, positions, count: Infinity, ...query }, nowMs)
  return found.flatMap(({ entries }) =>
    entries.map(({ id, idleMs, deliveriesBefore }) => [formatId(id), idleMs, deliveriesBefore].join(' ').trim()),
  )
}

const read = (claimMinIdleMs: number, nowMs: number, more: Partial<ReadGroupQuery> = {}): string[] =>
  deliver('b', { claimMinIdleMs, ...more }, nowMs)
const parsed = (...texts: string[]): StreamId[] => texts.map(parseId)
const nack = (...ids: string[]): number => negativeAcknowledge(database, ref, { mode: 'fail', ids: parsed(...ids) }, 50)
const owners = (): unknown[] =>
  pendingEntries(database, ref, { count: 10 }, 50).map(({ id, consumer }) => `${formatId(id)} ${consumer}`.trim())

describe('reading with CLAIM', () => {
  it('takes first what has been pending longest, then what is new, and says how long and how often', () => {
    expect(read(20, 50)).toEqual(['1-0 40 1', '2-0 30 1', '3-0 20 1', '5-0 0 0', '6-0 0 0'])
    expect(owners()).toEqual(['1-0 b', '2-0 b', '3-0 b', '4-0 a', '5-0 b', '6-0 b'])
  })

  it('counts a claim as a delivery, at the time of now', () => {
    read(0, 50, { count: 1 })
    expect(read(0, 60, { count: 9 })).toEqual(['2-0 40 1', '3-0 30 1', '4-0 20 1', '1-0 10 2', '5-0 0 0', '6-0 0 0'])
  })

  it('says nothing of that without CLAIM', () => {
    expect(deliver('b', {}, 50)).toEqual(['5-0', '6-0'])
  })

  it('fills the count with claimed ones first', () => {
    expect(read(20, 50, { count: 2 })).toEqual(['1-0 40 1', '2-0 30 1'])
    expect(read(20, 50, { count: 2 })).toEqual(['3-0 20 1', '5-0 0 0'])
  })

  it('takes what was given back before all else, in the order in which it was', () => {
    nack('4-0')
    nack('2-0', '3-0')
    nack('4-0')
    expect(read(30, 1000, { count: 4 })).toEqual(['2-0 1000 1', '3-0 1000 1', '4-0 1000 1', '1-0 990 1'])
  })

  it('takes what is equally old in the order of IDs', () => {
    claim(database, { ...ref, consumer: 'a' }, { ids: parsed('3-0', '1-0', '4-0'), minIdleMs: 0 }, 50)
    expect(read(10, 60, { count: 4 })).toEqual(['2-0 40 1', '1-0 10 2', '3-0 10 2', '4-0 10 2'])
  })

  it('passes over entries that are gone, and leaves them pending', () => {
    deleteEntries(database, 's', parsed('1-0', '3-0'), 50)
    nack('3-0')
    expect(read(10, 100, { count: 3 })).toEqual(['2-0 80 1', '4-0 60 1', '5-0 0 0'])
    expect(owners()).toEqual(['1-0 a', '2-0 b', '3-0', '4-0 b', '5-0 b'])
  })

  it('claims its own entries too, and does not claim in its history', () => {
    expect(deliver('a', { claimMinIdleMs: 40, count: 1 }, 50)).toEqual(['1-0 40 1'])
    const positions = [{ key: 's', from: ID_ZERO }]
    expect(deliver('b', { claimMinIdleMs: 0, positions }, 60)).toEqual([])
  })

  it('makes claimed ones pending with NOACK too', () => {
    expect(read(30, 50, { noAck: true })).toEqual(['1-0 40 1', '2-0 30 1', '5-0 0 0', '6-0 0 0'])
    expect(owners()).toEqual(['1-0 b', '2-0 b', '3-0 a', '4-0 a'])
    expect(consumerInfos(database, ref, 60)).toMatchObject([{ name: 'a' }, { name: 'b', inactiveMs: 10 }])
  })

  it('does not take what was acknowledged, however often it was delivered', () => {
    read(0, 50, { count: 3 })
    claim(database, { ...ref, consumer: 'a' }, { ids: parsed('2-0'), minIdleMs: 0, timeMs: 20 }, 55)
    acknowledge(database, ref, { ids: parsed('1-0', '4-0') }, 60)
    expect(read(0, 70, { count: 9 })).toEqual(['2-0 50 3', '3-0 20 2', '5-0 0 0', '6-0 0 0'])
  })

  it('finds an entry again whose trimmed ID was given anew', () => {
    trim(database, 's', { keep: { kind: 'max-len', entries: 0 } }, 50)
    expect(read(0, 60)).toEqual([])
    setLastId(database, { key: 's', lastId: parseId('1-0') }, 60)
    const fields = [Buffer.from('f'), Buffer.from('v')]
    append(database, { key: 's', fields, id: { kind: 'exact', id: parseId('2-0') } }, 60)
    expect(read(0, 70)).toEqual(['2-0 50 1'])
  })

  it('stays right over many deliveries of few entries', () => {
    for (let nowMs = 100; nowMs < 2100; nowMs++) read(0, nowMs, { count: 2 })
    expect(read(0, 3000, { count: 9 })).toEqual([
      '1-0 902 1001',
      '2-0 902 1001',
      '3-0 901 1001',
      '4-0 901 1001',
      '5-0 0 0',
      '6-0 0 0',
    ])
  })
})

describe('the order of deliveries', () => {
  it('stays right and small though entries change owners all the time', () => {
    read(1e6, 50, { count: 1 })
    const bytes = database.memoryBytes
    const others = parsed('2-0', '3-0', '4-0')
    for (let nowMs = 100; nowMs < 4100; nowMs++) {
      claim(database, { ...ref, consumer: 'a' }, { ids: others, minIdleMs: 0, justId: true }, nowMs)
    }
    expect(database.memoryBytes).toBeLessThan(bytes + 100_000)
    expect(read(0, 5000, { count: 5 })).toEqual(['1-0 4990 1', '5-0 4950 1', '2-0 901 1', '3-0 901 1', '4-0 901 1'])
  })
})

describe('when something can be claimed', () => {
  const next = (minIdleMs: number): number | undefined => nextClaimableMs(database, ref, minIdleMs, 50)

  it('is when the longest pending entry is old enough', () => {
    expect(next(100)).toBe(110)
    read(0, 50, { count: 1 })
    expect(next(100)).toBe(120)
  })

  it('is now when something was given back', () => {
    nack('3-0')
    expect(next(100)).toBe(0)
  })

  it('is never without entries that are there, or without the group', () => {
    trim(database, 's', { keep: { kind: 'max-len', entries: 0 } }, 50)
    nack('3-0')
    expect(next(100)).toBeUndefined()
    expect(nextClaimableMs(database, { key: 'missing', group: 'g' }, 1, 50)).toBeUndefined()
  })
})
