/** Sources: redis.io/docs/latest/commands/xdelex, xackdel, xtrim, xadd; redis/redis #14130, #14552, #14623. */
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { append, trim, type TrimRule } from './append.ts'
import { acknowledge } from './acknowledge.ts'
import { pendingSummary } from './claim.ts'
import { Database } from './database.ts'
import { EntrySeeker } from './entry-seeker.ts'
import { createGroup } from './group-commands.ts'
import { formatId, ID_ZERO, parseId, type StreamId } from './id.ts'
import { streamInfo } from './info.ts'
import { readGroup } from './read-group.ts'
import { range } from './read-range.ts'
import { acknowledgeAndDelete, deleteEntriesEx, type ReferenceRule } from './references.ts'

let database: Database

beforeEach(() => {
  database = new Database({ nodeEntriesMax: 10 })
})

/** Entries 1-0 to n-0, and groups from the beginning. */
function stream(entries: number, ...groups: string[]): void {
  for (let i = 1; i <= entries; i++) add(`${i}-0`)
  for (const group of groups) createGroup(database, { key: 's', group }, { from: ID_ZERO, mkStream: true }, 0)
}

function add(id: string, rule?: TrimRule): void {
  const entry = {
    key: 's',
    fields: [Buffer.from('f'), Buffer.from('v')],
    id: { kind: 'exact', id: parseId(id) },
  } as const
  append(database, { ...entry, ...(rule && { trim: rule }) }, 0)
}

function deliver(group: string, count = Infinity): void {
  readGroup(database, { group, consumer: 'a', positions: [{ key: 's', from: '>' }], count }, 0)
}

const parsed = (...texts: string[]): StreamId[] => texts.map(parseId)
const left = (): string[] => range(database, { key: 's' }, 0).map(({ id }) => formatId(id))
const pending = (group: string): number => pendingSummary(database, { key: 's', group }, 0).total
const ack = (group: string, ...ids: string[]): unknown =>
  acknowledge(database, { key: 's', group }, { ids: parsed(...ids) }, 0)
const deleteEx = (references: ReferenceRule, ...ids: string[]): number[] =>
  deleteEntriesEx(database, 's', { ids: parsed(...ids), references }, 0)
const ackDelete = (references: ReferenceRule, ...ids: string[]): number[] =>
  acknowledgeAndDelete(database, { key: 's', group: 'g' }, { ids: parsed(...ids), references }, 0)

describe('deleting by reference (XDELEX)', () => {
  it('answers -1 for what is not there, each ID of a missing key included', () => {
    expect(deleteEx('keepref', '1-0', '2-0')).toEqual([-1, -1])
    stream(3)
    expect(deleteEx('keepref', '2-0', '9-0', '2-0')).toEqual([1, -1, -1])
    expect(left()).toEqual(['1-0', '3-0'])
  })

  it('keeps pending entries with KEEPREF, the default', () => {
    stream(2, 'g')
    deliver('g')
    expect(deleteEntriesEx(database, 's', { ids: parsed('1-0') }, 0)).toEqual([1])
    expect(pending('g')).toBe(2)
  })

  it('drops pending entries of every group with DELREF, those of entries that are gone too', () => {
    stream(3, 'g', 'h')
    deliver('g')
    deliver('h')
    deleteEx('keepref', '1-0')
    expect(deleteEx('delref', '1-0', '2-0', '2-0')).toEqual([-1, 1, -1])
    expect([pending('g'), pending('h')]).toEqual([1, 1])
  })

  it('keeps with ACKED what a group has pending or has not read', () => {
    stream(3, 'g', 'h')
    deliver('g')
    deliver('h', 2)
    ack('g', '1-0', '2-0', '3-0')
    ack('h', '1-0')
    expect(deleteEx('acked', '1-0', '2-0', '3-0', '2-0', '4-0')).toEqual([1, 2, 2, 2, -1])
    expect(left()).toEqual(['2-0', '3-0'])
  })

  it('takes an entry without groups for acknowledged (#14552, unlike its page)', () => {
    stream(2)
    expect(deleteEx('acked', '1-0', '2-0')).toEqual([1, 1])
  })

  it('raises the highest deleted ID as XDEL does', () => {
    stream(5)
    deleteEx('acked', '4-0', '2-0')
    expect(streamInfo(database, 's', 0).maxDeletedId).toEqual(parseId('4-0'))
  })

  it('takes a million IDs in one call', { timeout: 60_000 }, () => {
    const fields = [Buffer.from('f'), Buffer.from('v')]
    const added = Array.from({ length: 50_000 }, () => append(database, { key: 's', fields }, 1)!)
    createGroup(database, { key: 's', group: 'g' }, { from: ID_ZERO }, 0)
    deliver('g')
    const ids = Array.from({ length: 1_000_000 }, (_, i) => added[i % added.length]!)
    const half = { ids: ids.filter(({ seq }) => seq % 2n === 0n), references: 'delref' } as const
    const deleted = deleteEntriesEx(database, 's', half, 0)
    expect([deleted.length, deleted.filter((outcome) => outcome === 1).length]).toEqual([500_000, 25_000])
    const acknowledged = acknowledgeAndDelete(database, { key: 's', group: 'g' }, { ids, references: 'acked' }, 0)
    expect([acknowledged.length, acknowledged.filter((outcome) => outcome === 1).length]).toEqual([1_000_000, 25_000])
    expect([left(), pending('g')]).toEqual([[], 0])
  })
})

describe('acknowledging and deleting (XACKDEL)', () => {
  it('answers -1 without the key, without the group, and for what is not pending', () => {
    expect(ackDelete('keepref', '1-0')).toEqual([-1])
    stream(2, 'g')
    expect(ackDelete('keepref', '1-0')).toEqual([-1])
    expect(acknowledgeAndDelete(database, { key: 's', group: 'x' }, { ids: parsed('1-0') }, 0)).toEqual([-1])
    expect(left()).toEqual(['1-0', '2-0'])
  })

  it('acknowledges here and leaves it pending elsewhere with KEEPREF', () => {
    stream(2, 'g', 'h')
    deliver('g')
    deliver('h')
    expect(ackDelete('keepref', '1-0', '1-0')).toEqual([1, -1])
    expect([left(), pending('g'), pending('h')]).toEqual([['2-0'], 1, 2])
  })

  it('drops it everywhere with DELREF', () => {
    stream(2, 'g', 'h')
    deliver('g')
    deliver('h')
    expect(ackDelete('delref', '1-0')).toEqual([1])
    expect([left(), pending('g'), pending('h')]).toEqual([['2-0'], 1, 1])
  })

  it('with ACKED deletes at the last acknowledgement', () => {
    stream(2, 'g', 'h')
    deliver('g')
    expect(ackDelete('acked', '1-0')).toEqual([2])
    deliver('h')
    const atH = { key: 's', group: 'h' }
    expect(acknowledgeAndDelete(database, atH, { ids: parsed('1-0', '2-0'), references: 'acked' }, 0)).toEqual([1, 2])
    expect([left(), pending('g'), pending('h')]).toEqual([['2-0'], 1, 0])
  })

  it('answers 1 for a pending entry that was deleted before', () => {
    stream(2, 'g')
    deliver('g')
    deleteEx('keepref', '1-0')
    expect(ackDelete('acked', '1-0')).toEqual([1])
    expect(pending('g')).toBe(1)
  })
})

describe('trims that look at references', () => {
  const toLength = (entries: number, references: ReferenceRule, approximate = false): TrimRule => ({
    keep: { kind: 'max-len', entries },
    references,
    approximate,
  })

  it('drops with DELREF what was pending of the trimmed entries, and nothing else', () => {
    stream(4, 'g')
    deliver('g')
    expect(trim(database, 's', toLength(3, 'delref'), 0)).toBe(1)
    expect(pending('g')).toBe(3)
  })

  it('looks with DELREF at no pending entry that the stream lost before', () => {
    stream(50, 'g')
    deliver('g')
    trim(database, 's', toLength(2, 'keepref'), 0)
    const looks = vi.spyOn(EntrySeeker.prototype, 'seek')
    expect(trim(database, 's', toLength(1, 'delref'), 0)).toBe(1)
    expect(looks.mock.calls.length).toBe(1)
    looks.mockRestore()
    expect(pending('g')).toBe(49)
  })

  it('takes with ACKED as many acknowledged entries as are too many, wherever they are', () => {
    stream(6, 'g')
    deliver('g', 5)
    ack('g', '2-0', '3-0', '5-0')
    expect(trim(database, 's', toLength(4, 'acked'), 0)).toBe(2)
    expect(left()).toEqual(['1-0', '4-0', '5-0', '6-0'])
    expect(trim(database, 's', toLength(0, 'acked'), 0)).toBe(1)
    expect(left()).toEqual(['1-0', '4-0', '6-0'])
  })

  it('takes with ACKED and MINID only what is below', () => {
    stream(5, 'g')
    deliver('g')
    ack('g', '1-0', '3-0', '4-0', '5-0')
    const keep = { kind: 'min-id', id: parseId('4-0') } as const
    expect(trim(database, 's', { keep, references: 'acked' }, 0)).toBe(2)
    expect(left()).toEqual(['2-0', '4-0', '5-0'])
  })

  it('does not stop with ~ at a node that is still referenced (#14623)', () => {
    stream(40, 'g')
    deliver('g')
    ack('g', ...left().filter((id) => id !== '5-0'))
    expect(trim(database, 's', toLength(15, 'acked', true), 0)).toBe(19)
    expect(left().slice(0, 2)).toEqual(['5-0', '21-0'])
    expect(trim(database, 's', toLength(15, 'delref', true), 0)).toBe(1)
  })

  it('does not raise the highest deleted ID', () => {
    stream(3, 'g')
    deliver('g')
    ack('g', '1-0', '2-0', '3-0')
    trim(database, 's', toLength(1, 'acked'), 0)
    expect(streamInfo(database, 's', 0)).toMatchObject({ maxDeletedId: ID_ZERO, length: 1, firstId: parseId('3-0') })
  })

  it('trims after an append in the same way', () => {
    stream(3, 'g')
    deliver('g')
    ack('g', '2-0')
    add('4-0', toLength(1, 'acked'))
    expect(left()).toEqual(['1-0', '3-0', '4-0'])
  })
})
