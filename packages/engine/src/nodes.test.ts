import { describe, expect, it } from 'vitest'
import { append, trim } from './append.ts'
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
