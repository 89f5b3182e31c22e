/** Bytes are copied as they are, whatever number they would be. */
import { expect, it } from 'vitest'
import { copyWords } from './copy-words.ts'
import { viewOf } from './packed-fields.ts'

/** What 8 bytes of it are as a double: NaNs, quiet and signaling, of both signs, infinities, the smallest numbers. */
const patterns = [
  [1, 0, 0, 0, 0, 0, 0xf0, 0x7f],
  [1, 0, 0, 0, 0, 0, 0xf8, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
  [0, 0, 0, 0, 0, 0, 0xf0, 0xff],
  [1, 0, 0, 0, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 0, 0x80],
  [0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38],
]

it('copies every length from every place, and touches nothing beside', () => {
  const source = Uint8Array.from({ length: 80 }, (_, i) => (i * 37 + 11) & 255)
  const from = viewOf(source)
  for (let length = 0; length <= 40; length++) {
    for (let start = 0; start < 9; start++) {
      for (let into = 1; into < 10; into++) {
        const target = new Uint8Array(64).fill(0xaa)
        expect(copyWords({ from, to: viewOf(target) }, start, start + length, into)).toBe(into + length)
        const expected = new Uint8Array(64).fill(0xaa)
        expected.set(source.subarray(start, start + length), into)
        expect(Buffer.compare(target, expected)).toBe(0)
      }
    }
  }
})

it('keeps the bits of what is no number, also when the loop is compiled', () => {
  const source = Uint8Array.from(patterns.flat())
  const target = new Uint8Array(source.length)
  const views = { from: viewOf(source), to: viewOf(target) }
  for (let round = 0; round < 20_000; round++) {
    target.fill(0)
    copyWords(views, 0, source.length, 0)
    if (Buffer.compare(source, target) !== 0) expect([...target], `round ${round}`).toEqual([...source])
  }
  expect([...target]).toEqual([...source])
})
