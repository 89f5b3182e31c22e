import { beforeEach, describe, expect, it, vi } from 'vitest'
import { append, deleteEntries } from './append.ts'
import { Database } from './database.ts'
import { EntryCursor } from './entry-cursor.ts'
import { formatId, ID_MAX, ID_ZERO, parseId } from './id.ts'
import { IdCell, toStreamId } from './number-id.ts'
import type { Stream } from './stream.ts'

let database: Database
const cursor = new EntryCursor()

beforeEach(() => {
  database = new Database()
})

function add(id: string, ...fields: string[]): void {
  append(database, { key: 's', fields, id: { kind: 'exact', id: parseId(id) } }, 0)
}

const stream = (): Stream => database.require('s', 0)
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

/** What the cursor shows of each entry, read the way an encoder does. */
function walked(): string[] {
  const seen: string[] = []
  while (cursor.next()) {
    const { id, names, arena, valueStarts, valueEnds } = cursor.entry
    const pairs = names.names.map((name, i) => `${text(name)}=${text(arena.subarray(valueStarts[i], valueEnds[i]))}`)
    seen.push([formatId(toStreamId(id)), ...pairs].join(' '))
  }
  return seen
}

function between(from: string, to: string, count = Infinity): { forward: string[]; backward: string[] } {
  const bounds = [IdCell.of(parseId(from)), IdCell.of(parseId(to))] as const
  cursor.forward(stream(), ...bounds, count)
  const forward = walked()
  cursor.backward(stream(), ...bounds, count)
  return { forward, backward: walked() }
}

describe('a cursor', () => {
  it('walks what is between two IDs, both included, from either end', () => {
    for (const id of ['1-0', '1-1', '2-0', '3-0']) add(id, 'f', id)
    expect(between('1-1', '2-0')).toEqual({ forward: ['1-1 f=1-1', '2-0 f=2-0'], backward: ['2-0 f=2-0', '1-1 f=1-1'] })
    expect(between('1-2', '1-9')).toEqual({ forward: [], backward: [] })
    expect(between('0-1', '9-0', 1)).toEqual({ forward: ['1-0 f=1-0'], backward: ['3-0 f=3-0'] })
    expect(between('2-0', '1-0')).toEqual({ forward: [], backward: [] })
    expect(between('0-1', '9-0', 0)).toEqual({ forward: [], backward: [] })
  })

  it('passes tombstones, at the edges too', () => {
    for (let i = 1; i <= 9; i++) add(`${i}-0`, 'f', 'v')
    deleteEntries(database, 's', ['1-0', '4-0', '5-0', '9-0'].map(parseId), 0)
    const ids = ['2-0', '3-0', '6-0', '7-0', '8-0'].map((id) => `${id} f=v`)
    expect(between('0-1', '99-0')).toEqual({ forward: ids, backward: ids.toReversed() })
    expect(between('4-0', '5-0')).toEqual({ forward: [], backward: [] })
  })

  it('goes on from segment to segment, narrow and wide ones', () => {
    const ids = [
      '1-0',
      '9007199254740991-9007199254740991',
      '9007199254740992-0',
      '9007199254740993-7',
      '18446744073709551615-18446744073709551615',
    ]
    for (const id of ids) add(id, 'f', id)
    const shown = ids.map((id) => `${id} f=${id}`)
    expect(between('0-0', '18446744073709551615-18446744073709551615')).toEqual({
      forward: shown,
      backward: shown.toReversed(),
    })
    expect(between('9007199254740992-0', '9007199254740992-1').forward).toEqual([shown[2]])
  })

  it('says exactly which ID is wide', () => {
    add('9007199254740993-7', 'f', 'v')
    cursor.after(stream(), IdCell.of(ID_ZERO), 1)
    cursor.next()
    expect(cursor.entry.id.wide).toEqual({ ms: 9007199254740993n, seq: 7n })
  })

  it('shows entries whose names the segment does not share', () => {
    const names = Array.from({ length: 40 }, (_, i) => `name ${i}`)
    names.forEach((name, i) => add(`${i + 1}-0`, name, 'x'.repeat(i * 10), 'same', ''))
    const shown = names.map((name, i) => `${i + 1}-0 ${name}=${'x'.repeat(i * 10)} same=`)
    expect(between('0-1', '99-0').forward).toEqual(shown)
  })

  it('has one name set for entries with the same names', () => {
    for (let i = 1; i <= 5000; i++) add(`${i}-0`, 'f', String(i))
    const sets = new Set<unknown>()
    cursor.forward(stream(), IdCell.of(ID_ZERO), IdCell.of(ID_MAX), Infinity)
    while (cursor.next()) sets.add(cursor.entry.names)
    expect(sets.size).toBe(1)
  })

  it('has room for more values than it had before', () => {
    add('1-0', ...Array.from({ length: 60 }, (_, i) => `part ${i}`))
    expect(between('1-0', '1-0').forward[0]).toContain('part 58=part 59')
  })

  it('begins after an ID, and after the last one there is nothing', () => {
    add('1-0', 'f', 'v')
    add('18446744073709551615-18446744073709551615', 'f', 'v')
    cursor.after(stream(), IdCell.of(parseId('1-0')), 5)
    expect(walked()).toEqual(['18446744073709551615-18446744073709551615 f=v'])
    cursor.after(stream(), IdCell.of(ID_MAX), 5)
    expect(walked()).toEqual([])
  })

  it('looks at no segment beyond the one in which the range ends', () => {
    for (let i = 1; i <= 60_000; i++) add(`${i}-0`, 'f', 'v')
    expect(stream().segments.length).toBeGreaterThan(10)
    const looks = vi.spyOn(stream(), 'segments', 'get')
    const { forward, backward } = between('30000-0', '30002-0')
    expect([forward.length, backward.length]).toEqual([3, 3])
    expect(looks.mock.calls.length).toBeLessThan(8)
  })

  it('lets go of the stream when it is closed', () => {
    add('1-0', 'f', 'v')
    cursor.after(stream(), IdCell.of(ID_ZERO), 5)
    cursor.close()
    expect(cursor.next()).toBe(false)
  })
})
