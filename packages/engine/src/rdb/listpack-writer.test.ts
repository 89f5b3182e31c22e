import { expect, it } from 'vitest'
import { listpackBytesSize, listpackIntegerSize } from '../listpack-size.ts'
import { ListpackReader } from './listpack-reader.ts'
import { ListpackWriter } from './listpack-writer.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

/** The elements of a listpack, texts in quotes. */
function elementsOf(listpack: Uint8Array): string[] {
  const reader = new ListpackReader((problem) => {
    throw new Error(problem)
  })
  reader.bytes = listpack
  reader.begin(listpack, 0, listpack.length)
  const elements: string[] = []
  while (!reader.isAtEnd) {
    reader.next()
    const text = Buffer.from(listpack.subarray(reader.start, reader.stop)).toString('latin1')
    elements.push(reader.isText ? `'${text}'` : String(reader.wide ?? reader.integer))
  }
  reader.finish()
  return elements
}

const EDGES = [0, 127, 128, 4095, 4096, 32_767, 32_768, 8_388_607, 8_388_608, 2 ** 31 - 1, 2 ** 31, 2 ** 53 - 1]

it('writes integers as short as they can be', () => {
  for (const value of EDGES.flatMap((edge) => [edge, -edge, -edge - 1])) {
    const writer = new ListpackWriter()
    writer.begin()
    const before = writer.used
    writer.integer(value)
    expect(writer.used - before, `${value}`).toBe(listpackIntegerSize(value))
    expect(elementsOf(writer.finish())).toEqual([String(value === 0 ? 0 : value)])
  }
})

it('writes integers of 64 bits', () => {
  const writer = new ListpackWriter()
  writer.begin()
  const values = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -5n, 300n]
  for (const value of values) writer.wideInteger(value)
  expect(elementsOf(writer.finish())).toEqual(values.map(String))
})

it('writes plain decimals as integers, and no other text', () => {
  const integers = [
    '0',
    '7',
    '-1',
    '127',
    '-4096',
    '999999999999999',
    '1000000000000000',
    `${2n ** 63n - 1n}`,
    `-${2n ** 63n}`,
  ]
  const texts = [
    '',
    '-',
    '-0',
    '00',
    '07',
    '-07',
    '+1',
    ' 1',
    '1 ',
    '1.0',
    '1e3',
    `${2n ** 63n}`,
    `-${2n ** 63n + 1n}`,
    '1'.repeat(21),
  ]
  for (const text of [...integers, ...texts]) {
    const writer = new ListpackWriter()
    writer.begin()
    const before = writer.used
    writer.text(bytes(text), 0, text.length)
    expect(writer.used - before, text).toBe(listpackBytesSize(bytes(text), 0, text.length))
    expect(elementsOf(writer.finish())).toEqual([integers.includes(text) ? text : `'${text}'`])
  }
})

it('writes texts of any size', () => {
  for (const length of [0, 31, 32, 63, 64, 125, 126, 127, 4095, 4096, 16_377, 16_378, 70_000, 2_097_145, 2_097_146]) {
    const writer = new ListpackWriter()
    writer.begin()
    const before = writer.used
    const text = 'x'.repeat(length)
    writer.text(bytes(text), 0, length)
    expect(writer.used - before, `${length}`).toBe(listpackBytesSize(bytes(text), 0, length))
    expect(elementsOf(writer.finish())[0] === `'${text}'`, `${length}`).toBe(true)
  }
})

it('writes two texts that take any number of bytes together', () => {
  for (let size = 4; size < 9000; size++) {
    const writer = new ListpackWriter()
    writer.begin()
    const before = writer.used
    writer.fillers(size)
    expect(writer.used - before).toBe(size)
    if (size % 100 === 0) expect(elementsOf(writer.finish())).toHaveLength(2)
  }
})
