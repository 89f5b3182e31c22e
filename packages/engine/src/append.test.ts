import { describe, expect, it } from 'vitest'
import { append, trim, type TrimRule } from './append.ts'
import { Database } from './database.ts'
import { length } from './read-range.ts'

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
