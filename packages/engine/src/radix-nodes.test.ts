/** The figures are those of redis-server 7.0.15 with `stream-node-max-entries 1`, unless it says otherwise. */
import { expect, it } from 'vitest'
import { append, deleteEntries } from './append.ts'
import { Database } from './database.ts'
import { parseId, parseNewId } from './id.ts'
import { radixTreeNodes, streamInfo } from './info.ts'
import { IdCell } from './number-id.ts'
import { radixNodeCount } from './radix-nodes.ts'

const count = (...ids: string[]): number => radixNodeCount(ids.map((id) => IdCell.of(parseId(id))))

it('is what a radix tree has for the same keys', () => {
  expect(count()).toBe(1)
  expect(count('1-0')).toBe(2)
  expect(count('1-0', '2-0')).toBe(6)
  expect(count('1-0', '256-0')).toBe(6)
  expect(count('0-1', '0-2', '0-3')).toBe(5)
  expect(count('1-1', '1-2', '2-1', '2-256')).toBe(12)
  const far = '18446744073709551615-18446744073709551615'
  expect(count('1-1', '1-256', '65536-0', '1700000000000-0', '1700000000000-1', far)).toBe(19)
  const edges = ['4294967295-255', '4294967296-4294967296', '4294967296-9007199254740991', '9007199254740991-0']
  expect(count(...edges, '9007199254740992-7')).toBe(16)
})

it('counts the nodes of a stream, not its entries', () => {
  const database = new Database({ nodeEntriesMax: 2 })
  const fields = [Buffer.from('f'), Buffer.from('v')]
  for (let ms = 1; ms <= 6; ms++) append(database, { key: 's', fields, id: parseNewId(`${ms}-0`) }, 1)
  expect([streamInfo(database, 's', 1).nodeCount, radixTreeNodes(database, 's', 1)]).toEqual([3, 8])
  deleteEntries(database, 's', ['1-0', '3-0', '4-0'].map(parseId), 1)
  expect([streamInfo(database, 's', 1).nodeCount, radixTreeNodes(database, 's', 1)]).toEqual([2, 6])
})
