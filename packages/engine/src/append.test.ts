import { describe, expect, it } from 'vitest'
import { append, deleteEntries, setLastId, trim, type TrimRule } from './append.ts'
import { Database } from './database.ts'
import { createGroup } from './group-commands.ts'
import { formatId, parseId, parseNewId } from './id.ts'
import { length, range } from './read-range.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

/** A stream 's' with so many entries, in nodes of so many. */
function filled(entries: number, nodeEntriesMax: number): Database {
  const database = new Database({ nodeEntriesMax, nodeBytesMax: 0 })
  for (let i = 0; i < entries; i++) {
    append(database, { key: 's', fields: [bytes('xitem'), bytes(String(i))] }, 1000 + i)
  }
  return database
}

function maxLen(entries: number, limit?: number): TrimRule {
  return { keep: { kind: 'max-len', entries }, approximate: true, ...(limit === undefined ? {} : { limit }) }
}

describe('trimming by whole nodes', () => {
  it('leaves what Redis leaves: 555 becomes 600', () => {
    const database = filled(1000, 100)
    expect(trim(database, 's', maxLen(555), 0)).toBe(400)
    expect(length(database, 's', 0)).toBe(600)
  })

  it('leaves what Redis leaves: 444 becomes 500, then 400 stays 400', () => {
    const database = filled(1000, 100)
    trim(database, 's', maxLen(444), 0)
    expect(length(database, 's', 0)).toBe(500)
    trim(database, 's', maxLen(400), 0)
    expect(length(database, 's', 0)).toBe(400)
  })

  it('stops at LIMIT with whole nodes: 101 entries become 71, then 62', () => {
    const database = filled(100, 10)
    const add = (): unknown =>
      append(database, { key: 's', fields: [bytes('f'), bytes('v')], trim: maxLen(55, 30) }, 5000)
    add()
    expect(length(database, 's', 0)).toBe(71)
    add()
    expect(length(database, 's', 0)).toBe(62)
  })
})

describe('IDs that no parser made', () => {
  it.each([
    ['2^64-0', { ms: 2n ** 64n, seq: 0n }],
    ['1-2^64', { ms: 1n, seq: 2n ** 64n }],
    ['5--1', { ms: 5n, seq: -1n }],
  ])('are refused before they reach a 64-bit column: %s', (_, id) => {
    const database = filled(1, 100)
    const refused = expect.objectContaining({ code: 'BAD_ID' })
    const attempts = [
      () => append(database, { key: 's', fields: [bytes('f'), bytes('v')], id: { kind: 'exact', id } }, 0),
      () => setLastId(database, { key: 's', lastId: id }, 0),
      () => createGroup(database, { key: 's', group: 'g' }, { from: id }, 0),
    ]
    for (const attempt of attempts) expect(attempt).toThrow(refused)
    expect(length(database, 's', 0)).toBe(1)
  })
})

describe('setting the last ID', () => {
  it('finds what is added below entries that were deleted before', () => {
    const database = new Database()
    const replayed = new Database()
    database.subscribe((change) => replayed.apply(change))
    const add = (id: string): unknown =>
      append(database, { key: 's', id: parseNewId(id), fields: [bytes('f'), bytes(id)] }, 0)
    for (const id of ['1-0', '2-0', '24-0', '25-0']) add(id)
    deleteEntries(database, 's', [parseId('24-0'), parseId('25-0')], 0)
    setLastId(database, { key: 's', lastId: parseId('42-0'), maxDeletedId: parseId('12-0') }, 0)
    setLastId(database, { key: 's', lastId: parseId('12-0') }, 0)
    for (const id of ['12-1', '12-2', '15-3', '30-0']) add(id)
    for (const each of [database, replayed]) {
      const found = range(each, { key: 's', from: parseId('12-2') }, 0)
      expect(found.map(({ id }) => formatId(id))).toEqual(['12-2', '15-3', '30-0'])
      expect(found.map(({ fields }) => Buffer.from(fields[1]!).toString())).toEqual(['12-2', '15-3', '30-0'])
    }
    expect(deleteEntries(database, 's', [parseId('12-1'), parseId('15-3'), parseId('24-0')], 0)).toBe(2)
    expect(length(database, 's', 0)).toBe(4)
  })
})
