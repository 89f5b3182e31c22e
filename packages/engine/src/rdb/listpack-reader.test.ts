/** Listpacks: every encoding, every length at which one changes, and that nothing malformed is told. */
import { expect, it } from 'vitest'
import { ListpackReader } from './listpack-reader.ts'
import { listpack } from './testing/rdb-builder.ts'

function reader(bytes: Uint8Array): ListpackReader {
  const made = new ListpackReader((problem) => {
    throw new Error(problem)
  })
  made.begin(bytes, 0, bytes.length)
  return made
}

/** A listpack of elements that are encoded already. */
function packOf(elements: readonly (readonly number[])[], count = elements.length): Uint8Array {
  const body = elements.flatMap((element) => [...element, ...backLength(element.length)])
  const bytes = new Uint8Array(7 + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, bytes.length, true)
  view.setUint16(4, count, true)
  bytes.set(body, 6)
  bytes[bytes.length - 1] = 0xff
  return bytes
}

/** As redis-server writes it, by the digits that it takes for each number of bytes. */
function backLength(size: number): number[] {
  const digits = size <= 127 ? 1 : size < 16_383 ? 2 : size < 2_097_151 ? 3 : 4
  return Array.from({ length: digits }, (_, i) => ((size >> (7 * (digits - 1 - i))) & 127) | (i === 0 ? 0 : 128))
}

function elements(bytes: Uint8Array): (string | number | bigint)[] {
  const from = reader(bytes)
  const told: (string | number | bigint)[] = []
  while (!from.isAtEnd) {
    from.next()
    const text = Buffer.from(bytes.subarray(from.start, from.stop)).toString('latin1')
    told.push(from.isText ? text : (from.wide ?? from.integer))
  }
  from.finish()
  return told
}

it('tells integers of every size', () => {
  const integers = [
    [0],
    [127],
    [0xc0 | 0x1f, 0xff],
    [0xc0 | 0x10, 0],
    [0xc0 | 0x0f, 0xff],
    [0xf1, 0, 0x80],
    [0xf1, 0xff, 0x7f],
    [0xf2, 0, 0, 0x80],
    [0xf2, 0xff, 0xff, 0x7f],
    [0xf3, 0, 0, 0, 0x80],
    [0xf3, 0xff, 0xff, 0xff, 0x7f],
    [0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0],
    [0xf4, 0, 0, 0, 0, 0, 0, 0x20, 0],
    [0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    [0xf4, 0, 0, 0, 0, 0, 0, 0, 0x80],
    [0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ]
  const told = elements(packOf(integers))
  expect(told.slice(0, 5)).toEqual([0, 127, -1, -4096, 4095])
  expect(told.slice(5, 11)).toEqual([-32_768, 32_767, -8_388_608, 8_388_607, -2_147_483_648, 2_147_483_647])
  expect(told.slice(11)).toEqual([Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), -1])
})

it('tells texts of every length at which an encoding or the length behind it changes', () => {
  for (const length of [0, 1, 63, 64, 125, 126, 127, 128, 4095, 4096, 16_377, 16_378, 16_379, 2_097_145, 2_097_146]) {
    const text = Array.from({ length }, (_, i) => 0x61 + (i % 26))
    const head =
      length < 64
        ? [0x80 | length]
        : length < 4096
          ? [0xe0 | (length >> 8), length & 255]
          : [0xf0, length & 255, (length >> 8) & 255, (length >> 16) & 255, 0]
    const one = head.concat(text)
    expect(elements(packOf([one, [5]])), `${length} bytes`).toEqual([Buffer.from(text).toString(), 5])
  }
})

it('refuses one that is cut, or ends otherwise than it says', () => {
  const whole = Uint8Array.from(listpack([1, 'two', 300]))
  for (let end = 0; end < whole.length; end++) expect(() => elements(whole.slice(0, end)), `cut at ${end}`).toThrow()
  const withoutEnd = whole.slice()
  withoutEnd[whole.length - 1] = 0
  expect(() => elements(withoutEnd)).toThrow('ends with the byte 255')
})

it('refuses a wrong number of elements, unless they were not counted', () => {
  expect(() => elements(packOf([[1], [2]], 3))).toThrow('a listpack of 2 elements tells of 3')
  expect(elements(packOf([[1], [2]], 65_535))).toEqual([1, 2])
})

it('refuses elements that go on behind the end, and bytes that begin none', () => {
  expect(() => elements(packOf([[0x83, 0x61]]))).toThrow('behind the end')
  expect(() => elements(packOf([[0xf0, 0xff, 0xff, 0xff, 0xff]]))).toThrow('behind the end')
  for (const head of [0xc0, 0xe0, 0xf1, 0xf2, 0xf3, 0xf4]) expect(() => elements(packOf([[head]]))).toThrow()
  for (const head of [0xf5, 0xfe, 0xff])
    expect(() => elements(packOf([[head, 0, 0]]))).toThrow('an element was expected')
})

it('refuses an element with another length behind it', () => {
  for (const size of [5, 127, 200, 20_000]) {
    const text = size - 5
    const bytes = packOf([[0xf0, text & 255, text >> 8, 0, 0, ...Array.from({ length: text }, () => 0x61)]])
    for (let at = 6 + size; at < bytes.length - 1; at++) {
      const changed = bytes.slice()
      changed[at]! ^= 1
      expect(() => elements(changed), `${size} bytes, at ${at}`).toThrow('does not tell so')
    }
  }
})
