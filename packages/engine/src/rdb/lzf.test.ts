/** LZF: what each kind of item means, and that nothing malformed is taken or leaves its bounds. */
import { expect, it } from 'vitest'
import { Seeded } from '../seeded.ts'
import { canGrow, lzfDecompress } from './lzf.ts'

function decompressed(compressed: readonly number[], length: number): string | false {
  const into = new Uint8Array(length + 8).fill(0x2e)
  const bytes = Uint8Array.from(compressed)
  const isWhole = lzfDecompress(bytes, { from: 0, end: bytes.length }, into, length)
  expect(Buffer.from(into.subarray(length)).toString()).toBe('........')
  return isWhole && Buffer.from(into.subarray(0, length)).toString()
}

const [a, b] = [0x61, 0x62]

it('takes bytes as they are', () => {
  expect(decompressed([1, a, b], 2)).toBe('ab')
  expect(decompressed([0, a, 0, b], 2)).toBe('ab')
})

it('repeats what was there before', () => {
  expect(decompressed([1, a, b, 0x20, 1], 5)).toBe('ababa')
  expect(decompressed([0, a, 0x40, 0], 5)).toBe('aaaaa')
  expect(decompressed([0, a, 0xe0, 3, 0], 13)).toBe('a'.repeat(13))
  expect(decompressed([0, a, 0xe0, 255, 0], 265)).toBe('a'.repeat(265))
})

it('reaches eight thousand bytes back', () => {
  const literal = [0, b, ...Array.from({ length: 31 }, () => [0xe0, 255, 0]).flat()]
  const length = 1 + 31 * 264
  expect(decompressed([...literal, 0x20 + ((8183 - 1) >> 8), (8183 - 1) & 255], length + 3)).toBe(
    'b'.repeat(length + 3),
  )
})

it('refuses what is cut, too long, too short, or reaches behind the begin', () => {
  expect(decompressed([1, a], 2)).toBe(false)
  expect(decompressed([1, a, b], 1)).toBe(false)
  expect(decompressed([1, a, b], 3)).toBe(false)
  expect(decompressed([0, a, 0x20, 1], 4)).toBe(false)
  expect(decompressed([0x20, 0], 3)).toBe(false)
  expect(decompressed([0, a, 0x20], 4)).toBe(false)
  expect(decompressed([0, a, 0xe0, 3], 13)).toBe(false)
  expect(decompressed([0, a, 0xe0], 13)).toBe(false)
  expect(decompressed([0, a, 0x40, 0], 4)).toBe(false)
})

it('stays within its bounds whatever it is given', () => {
  const random = new Seeded(7)
  for (let run = 0; run < 20_000; run++) {
    const compressed = Array.from({ length: random.below(20) }, () => random.below(random.pick([4, 64, 256])))
    decompressed(compressed, random.below(40))
  }
})

it('believes no length that the bytes cannot become', () => {
  expect(canGrow(3, 264)).toBe(true)
  expect(canGrow(3, 265)).toBe(false)
  expect(canGrow(0, 1)).toBe(false)
})
