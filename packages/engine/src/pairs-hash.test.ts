/** Source: redis.io/docs/latest/commands/xadd (IDMPAUTO: the same pairs, in any order, are the same entry). */
import { expect, it } from 'vitest'
import { hashPairs } from './pairs-hash.ts'

const hash = (...texts: string[]): string => hashPairs(texts.map((text) => Buffer.from(text)))

it('is the same for the same pairs in any order, and 16 bytes', () => {
  expect(hash('a', '1', 'b', '2', 'c', '3')).toBe(hash('c', '3', 'a', '1', 'b', '2'))
  expect(hash('a', '1').length).toBe(16)
})

it('differs when a byte moves between name and value, or between pairs', () => {
  const all = [
    hash('ab', 'c'),
    hash('a', 'bc'),
    hash('abc', ''),
    hash('', 'abc'),
    hash('a', '1', 'b', '2'),
    hash('a', '2', 'b', '1'),
    hash('a', '1'),
    hash('a', '1', 'a', '1'),
    hash('a', '1', 'a', '1', 'a', '1'),
    hash('a', '1\0'),
    hash('a', '1\0\0\0\0'),
  ]
  expect(new Set(all).size).toBe(all.length)
})

it('does not collide among 200,000 similar entries, in any half of it', () => {
  const hashes = Array.from({ length: 200_000 }, (_, i) => hash('order', `${i}`, 'amount', `${i % 7}`))
  expect(new Set(hashes).size).toBe(hashes.length)
  expect(new Set(hashes.map((text) => text.slice(0, 8))).size).toBe(hashes.length)
  expect(new Set(hashes.map((text) => text.slice(8))).size).toBe(hashes.length)
})
