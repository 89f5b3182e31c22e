/** Files that are filled with zeros ahead of what is written. */
import { expect, it } from 'vitest'
import { endOfUse, fillingAhead } from './fill-ahead.ts'
import { SimFs } from './testing/sim-fs.ts'

function file(fillBytes: number, fs = new SimFs()): ReturnType<typeof fillingAhead> {
  return fillingAhead(fs.open('/a', 'create'), () => fillBytes)
}

it('moves its end on when a write comes to it, and not before', () => {
  const one = file(100_000)
  one.write(new Uint8Array(100).fill(1), 0)
  expect(one.size()).toBe(100 + 16_384)
  one.write(new Uint8Array(100).fill(1), 100)
  expect(one.size()).toBe(100 + 16_384)
  expect(endOfUse(one, 0)).toBe(200)
  for (let at = 200; at < 80_000; at += 100) one.write(new Uint8Array(100).fill(1), at)
  expect(one.size()).toBeGreaterThan(80_000)
  expect(one.size()).toBeLessThanOrEqual(80_000 * 1.25)
})

it('fills no further than it may, nothing when it may not, and not behind large writes', () => {
  const little = file(700)
  little.write(new Uint8Array(100).fill(1), 0)
  expect(little.size()).toBe(800)
  const none = file(0)
  none.write(new Uint8Array(100).fill(1), 0)
  expect(none.size()).toBe(100)
  const large = file(100_000)
  large.write(new Uint8Array(9000).fill(1), 0)
  expect(large.size()).toBe(9000)
})

it('has written what it could when there is no room for zeros', () => {
  const fs = new SimFs()
  fs.quotaBytes = 512
  const one = file(1000, fs)
  expect(one.write(new Uint8Array(300).fill(1), 0)).toBe(300)
  expect(one.write(new Uint8Array(100).fill(2), 300)).toBe(100)
  expect(endOfUse(one, 0)).toBe(400)
})

it('finds where zeros begin, in files of many chunks', () => {
  const raw = new SimFs().open('/a', 'create')
  raw.write(new Uint8Array(200_000), 0)
  expect(endOfUse(raw, 10)).toBe(10)
  raw.write(Uint8Array.of(7), 65_535)
  expect(endOfUse(raw, 10)).toBe(65_536)
  raw.write(Uint8Array.of(7), 199_999)
  expect(endOfUse(raw, 10)).toBe(200_000)
})
