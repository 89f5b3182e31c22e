/**
 * How many bytes an element takes in a Redis listpack. We store nothing in listpacks, but `~` trimming goes by whole
 * Redis nodes, and where a node ends depends on these sizes.
 *
 *   element = encoding | data | back-length
 *
 *   integer  0 … 127                1 byte        text  up to 63 bytes     1 + length
 *            -4096 … 4095           2                   up to 4,095        2 + length
 *            16, 24, 32, 64 bits    3, 4, 5, 9          longer             5 + length
 *
 *   back-length: 1 byte up to 127, 2 below 16,383, 3 below 2,097,151, 4 below 268,435,455, else 5
 *
 * Text that is a plain decimal of 64 bits is stored as an integer.
 */

/** Header (length, count) and end byte of an empty listpack. */
export const LISTPACK_EMPTY_BYTES = 7

const INT64_MAX = 2n ** 63n - 1n

export function listpackIntegerSize(value: bigint): number {
  // Hot: an entry has four integers, nearly all of them below 128.
  if (value >= 0n && value <= 127n) return 2
  if (value >= -4096n && value <= 4095n) return 3
  if (fits(value, 16n)) return 4
  if (fits(value, 24n)) return 5
  return fits(value, 32n) ? 6 : 10
}

export function listpackBytesSize(bytes: Uint8Array): number {
  const integer = asInteger(bytes)
  if (integer !== undefined) return listpackIntegerSize(integer)
  const length = bytes.length
  const head = length < 64 ? 1 : length < 4096 ? 2 : 5
  return head + length + backLengthSize(head + length)
}

function fits(value: bigint, bits: bigint): boolean {
  const half = 1n << (bits - 1n)
  return value >= -half && value < half
}

function backLengthSize(bytes: number): number {
  if (bytes <= 127) return 1
  if (bytes < 16_383) return 2
  if (bytes < 2_097_151) return 3
  return bytes < 268_435_455 ? 4 : 5
}

function asInteger(bytes: Uint8Array): bigint | undefined {
  const length = bytes.length
  if (length === 0 || length > 20) return undefined
  const isNegative = bytes[0] === 0x2d
  const from = isNegative ? 1 : 0
  if (from === length) return undefined
  if (bytes[from] === 0x30) return length === 1 ? 0n : undefined
  for (let i = from; i < length; i++) if (bytes[i]! < 0x30 || bytes[i]! > 0x39) return undefined
  const magnitude = BigInt(Buffer.from(bytes.buffer, bytes.byteOffset + from, length - from).toString('latin1'))
  if (magnitude > INT64_MAX + (isNegative ? 1n : 0n)) return undefined
  return isNegative ? -magnitude : magnitude
}
