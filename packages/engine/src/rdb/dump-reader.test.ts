/** What DUMP gives: a value in one piece, refused unless all of it is right. */
import { expect, it } from 'vitest'
import { EngineError } from '../errors.ts'
import { dumpVersion, readDump } from './dump-reader.ts'
import { byteOf, entry, length, stream, text, withChecksum, type Part } from './testing/rdb-builder.ts'

function payload(type: number, value: Part, version = 10): Uint8Array {
  return withChecksum(Uint8Array.from([type, ...value, ...byteOf(version), 0, ...Array.from({ length: 8 }, () => 0)]))
}

function codeOf(bytes: Uint8Array): string {
  try {
    return readDump(bytes).type
  } catch (error) {
    if (error instanceof EngineError) return error.code
    throw error
  }
}

const node = { first: [1, 0] as const, elements: [1, 0, 1, 'f', 0, ...entry(2, [0, 0], ['v'])] }
const oneEntry = stream({ nodes: [node], length: 1, last: [1, 0] })

it('reads a string', () => {
  const bytes = payload(0, text('hello'))
  const value = readDump(bytes)
  expect(value.type === 'string' && Buffer.from(value.bytes).toString()).toBe('hello')
  expect(dumpVersion(bytes)).toBe(10)
})

it('reads a stream', () => {
  const value = readDump(payload(15, oneEntry))
  expect(value.type === 'stream' && [value.length, value.entriesAdded]).toEqual([1, 1])
})

it('refuses every flipped bit and every cut', () => {
  const bytes = payload(15, oneEntry)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    expect(codeOf(flipped), `bit ${bit}`).toBe('CORRUPT')
  }
  for (let end = 0; end < bytes.length; end++) expect(codeOf(bytes.subarray(0, end)), `cut at ${end}`).toBe('CORRUPT')
})

it('refuses other types, newer ones, newer versions, and what comes behind the value', () => {
  expect(codeOf(payload(1, [...length(1), ...text('a')]))).toBe('WRONG_TYPE')
  expect(codeOf(payload(27, text('a')))).toBe('NEWER_FORMAT')
  expect(codeOf(payload(0, text('a'), 13))).toBe('NEWER_FORMAT')
  expect(codeOf(payload(0, [...text('a'), 0]))).toBe('CORRUPT')
  expect(dumpVersion(new Uint8Array(10))).toBeUndefined()
})

it('refuses a compressed string that says it becomes more than the longest there is, and makes no room for it', () => {
  const compressed = 2 ** 29 / 88 + 1000
  const bytes = Buffer.alloc(1 + 1 + 5 + 5 + Math.ceil(compressed) + 10)
  bytes.set([0, 0xc3, ...length(Math.ceil(compressed)), ...length(2 ** 29 + 1)])
  bytes[bytes.length - 10] = 10
  const before = process.memoryUsage().arrayBuffers
  expect(() => readDump(withChecksum(bytes))).toThrow('become more than there is room for')
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 28)
})
