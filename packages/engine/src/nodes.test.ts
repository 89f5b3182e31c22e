import { describe, expect, it } from 'vitest'
import { append, deleteEntries, setLastId, trim } from './append.ts'
import { Database } from './database.ts'
import { length } from './read-range.ts'
import { streamInfo } from './info.ts'

const shapes: Record<string, (i: number) => string[]> = {
  'texts of growing length': (i) => ['f', 'x'.repeat(i % 300)],
  'plain decimals, which Redis packs': (i) => [
    'f',
    String(((i * i * i * 7919) % 4294967296) - 2147483648),
    'g',
    String((i % 200) - 100),
  ],
  'decimals that are no plain ones': (i) => ['f', ['007', '-0', '+1', '9223372036854775808', ' 1'][i % 5]!],
  'two alternating sets of names': (i) => (i % 2 === 1 ? ['f', 'a'] : ['longer name', 'b', 'g', 'c']),
  'a large entry now and then': (i) => ['f', 'y'.repeat(i % 50 === 0 ? 5000 : 20)],
}

function filled(shape: string, nodeBytesMax: number): Database {
  const database = new Database({ nodeEntriesMax: 100, nodeBytesMax })
  for (let i = 0; i < 1000; i++) {
    const id = { ms: BigInt(1 + Math.floor(i / 3) * 100), seq: BigInt(i % 3) }
    append(
      database,
      { key: 's', fields: shapes[shape]!(i).map((text) => Buffer.from(text)), id: { kind: 'exact', id } },
      0,
    )
  }
  return database
}

// The same thousand entries in redis-server 7.0.15: its radix-tree-keys, and what XTRIM MAXLEN ~ 500 removes.
describe('nodes end where those of Redis end', () => {
  it.each([
    ['texts of growing length', 4096, 39, 484],
    ['texts of growing length', 500, 422, 500],
    ['texts of growing length', 0, 10, 500],
    ['plain decimals, which Redis packs', 4096, 10, 500],
    ['plain decimals, which Redis packs', 500, 37, 486],
    ['decimals that are no plain ones', 4096, 10, 500],
    ['decimals that are no plain ones', 500, 35, 488],
    ['two alternating sets of names', 500, 34, 480],
    ['a large entry now and then', 4096, 40, 500],
    ['a large entry now and then', 500, 100, 500],
  ])('with %s and %i bytes: %i nodes', (shape, nodeBytesMax, nodes, removed) => {
    const database = filled(shape, nodeBytesMax)
    expect(streamInfo(database, 's', 0).nodeCount).toBe(nodes)
    expect(trim(database, 's', { keep: { kind: 'max-len', entries: 500 }, approximate: true }, 0)).toBe(removed)
    expect(length(database, 's', 0)).toBe(1000 - removed)
  })
})

// Redis keeps the IDs of the deleted entries there, and then leaves 3-0 in the stream when it trims below 4-0.
describe('a last node whose newest entries are deleted, after the last ID went back behind them', () => {
  const database = new Database({ nodeEntriesMax: 2 })
  const id = (ms: number): { ms: bigint; seq: bigint } => ({ ms: BigInt(ms), seq: 0n })
  const add = (key: string, ms: number): unknown =>
    append(database, { key, fields: ['f', 'v'], id: { kind: 'exact', id: id(ms) } }, 0)
  /** A deletion is no longer known of once the highest deleted ID is set to a lower one. */
  const goBack = (key: string, lastMs: number): void => {
    setLastId(database, { key, lastId: id(9), entriesAdded: 2, maxDeletedId: id(1) }, 0)
    setLastId(database, { key, lastId: id(lastMs) }, 0)
  }
  const below = (ms: number) => ({ keep: { kind: 'min-id', id: id(ms) } }) as const

  it('ends before the nodes to come', () => {
    add('s', 1)
    add('s', 9)
    deleteEntries(database, 's', [id(9)], 0)
    goBack('s', 2)
    add('s', 3)
    expect(streamInfo(database, 's', 0).nodeCount).toBe(2)
    expect(trim(database, 's', below(4), 0)).toBe(2)
  })

  it('begins before the entries to come where it has none any more', () => {
    add('t', 8)
    add('t', 9)
    deleteEntries(database, 't', [id(9)], 0)
    expect(trim(database, 't', below(9), 0)).toBe(1)
    goBack('t', 2)
    database.limits = { entriesMax: 9, bytesMax: 4096 }
    add('t', 3)
    expect(streamInfo(database, 't', 0).nodeCount).toBe(1)
    expect(deleteEntries(database, 't', [id(3)], 0)).toBe(1)
  })
})
