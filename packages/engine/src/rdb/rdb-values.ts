/**
 * What RDB files are made of: lengths and strings.
 *
 *   00LLLLLL                          length below 64
 *   01LLLLLL llllllll                 below 16,384
 *   10000000 4 bytes                  32 bits, big endian
 *   10000001 8 bytes                  64 bits, big endian
 *   11000000 1 byte                   a string: the decimal of 8 bits
 *   11000001 2 bytes                                        of 16 bits, little endian
 *   11000010 4 bytes                                        of 32 bits, little endian
 *   11000011 length, length, bytes    a string: LZF, compressed and decompressed length
 *
 *   string   length, bytes; or one of the last four
 *
 * Times are 64 bits, signed, little endian; the IDs of pending entries twice 64 bits, unsigned, big endian.
 */
import type { StreamId } from '../id.ts'
import type { IdCell } from '../number-id.ts'
import { canGrow, lzfDecompress } from './lzf.ts'
import type { RdbSource } from './rdb-source.ts'

const LENGTH_32 = 0x80
const LENGTH_64 = 0x81
const ENCODED = 0xc0
const INT_8 = 0xc0
const INT_16 = 0xc1
const INT_32 = 0xc2
const LZF = 0xc3
const PLAIN_HIGH_MAX = 2 ** 21
export const U64_MAX = 2n ** 64n - 1n

/** A length, or a number that is stored as one, up to 2^53. */
export function readLength(source: RdbSource): number {
  const offset = source.offset
  const first = source.byte()
  if (first < 0x40) return first
  if (first < 0x80) return ((first & 0x3f) << 8) | source.byte()
  if (first === LENGTH_32) return source.u32()
  if (first !== LENGTH_64) return source.corrupt(`a length was expected, not the byte ${first}`, offset)
  const value = source.u64()
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value)
  return source.corrupt(`a length was expected, not ${value}`, offset)
}

/** How many of something come, each of at least so many bytes. */
export function readCount(source: RdbSource, bytesMin: number, what: string): number {
  const offset = source.offset
  const count = readLength(source)
  if (count * bytesMin <= source.left) return count
  return source.corrupt(`${count} ${what} cannot be in the ${source.left} bytes that are left`, offset)
}

/** A number of 64 bits that is stored as a length. */
export function readU64(source: RdbSource): bigint {
  source.need(1)
  if (source.bytes[source.at] !== LENGTH_64) return BigInt(readLength(source))
  source.at++
  return source.u64()
}

/** An entry's ID as two lengths. */
export function readId(source: RdbSource): StreamId {
  const ms = readU64(source)
  return { ms, seq: readU64(source) }
}

/** An entry's ID as the 16 bytes from a place on. */
export function readRawId(bytes: Uint8Array, at: number, into: IdCell): void {
  const msHigh = bigEndian(bytes, at)
  const seqHigh = bigEndian(bytes, at + 8)
  const msLow = bigEndian(bytes, at + 4)
  const seqLow = bigEndian(bytes, at + 12)
  if (msHigh < PLAIN_HIGH_MAX && seqHigh < PLAIN_HIGH_MAX) {
    into.setPlain(msHigh * 2 ** 32 + msLow, seqHigh * 2 ** 32 + seqLow)
  } else {
    into.setId({ ms: exact(msHigh, msLow), seq: exact(seqHigh, seqLow) })
  }
}

/** A moment in milliseconds; those that no clock tells are refused. */
export function readTimeMs(source: RdbSource, what: string): number {
  const offset = source.offset
  const value = source.i64LittleEndian()
  const timeMs = Number(value)
  if (Number.isSafeInteger(timeMs)) return timeMs
  return source.corrupt(`the time ${what} was expected, not ${value}`, offset)
}

/** The bytes of a string, as a view that holds until the next is read. */
export function readString(source: RdbSource): Uint8Array {
  source.need(1)
  const encoding = source.bytes[source.at]!
  if (encoding < ENCODED) return source.take(readLength(source))
  source.at++
  switch (encoding) {
    case INT_8:
      return decimal((source.byte() << 24) >> 24)
    case INT_16:
      return decimal(((source.byte() | (source.byte() << 8)) << 16) >> 16)
    case INT_32:
      return decimal(source.i32LittleEndian())
    case LZF:
      return readCompressed(source)
    default:
      return source.corrupt(`a string was expected, not the byte ${encoding}`, source.offset - 1)
  }
}

/** A string as latin1 text, a character for each byte. */
export function readName(source: RdbSource): string {
  const bytes = readString(source)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** Passes a string without looking at what is in it. */
export function skipString(source: RdbSource): void {
  source.need(1)
  if (source.bytes[source.at] !== LZF) {
    readString(source)
    return
  }
  source.at++
  const compressed = readLength(source)
  readLength(source)
  source.take(compressed)
}

function readCompressed(source: RdbSource): Uint8Array {
  const offset = source.offset - 1
  const compressed = readLength(source)
  const length = readLength(source)
  if (compressed > source.left) {
    source.corrupt(`${compressed} compressed bytes cannot be in the ${source.left} that are left`, offset)
  }
  if (!canGrow(compressed, length)) {
    source.corrupt(`${compressed} compressed bytes cannot become ${length}`, offset)
  }
  source.inflatableBytes -= length
  if (source.inflatableBytes < 0) source.corrupt('compressed strings become more than there is room for', offset)
  source.take(compressed)
  source.work += length
  const into = source.scratchOf(length)
  const place = { from: source.at - compressed, end: source.at }
  if (!lzfDecompress(source.bytes, place, into, length)) {
    source.corrupt(`${compressed} compressed bytes do not become ${length}: they are damaged`, offset)
  }
  return into.subarray(0, length)
}

function decimal(value: number): Uint8Array {
  return Buffer.from(String(value), 'latin1')
}

function bigEndian(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

function exact(high: number, low: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low)
}
