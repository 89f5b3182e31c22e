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

// Above it every integer takes 64 bits, however large: a number need not be exact there.
const I32_DIGITS_MAX = 10
const INTEGER_64_BYTES = 10
const I64_MAX_DIGITS = '9223372036854775807'
const I64_MIN_DIGITS = '9223372036854775808'

/** `value` need be exact only within 32 bits. */
export function listpackIntegerSize(value: number): number {
  // Hot: an entry has four integers, nearly all of them below 128.
  if (value >= 0 && value <= 127) return 2
  if (value >= -4096 && value <= 4095) return 3
  if (value >= -32_768 && value <= 32_767) return 4
  if (value >= -8_388_608 && value <= 8_388_607) return 5
  return value >= -2_147_483_648 && value <= 2_147_483_647 ? 6 : INTEGER_64_BYTES
}

/** The element for the bytes from `start` to `end`. */
export function listpackBytesSize(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  if (length > 0 && length <= 20) {
    const integer = integerSize(bytes, start, end)
    if (integer > 0) return integer
  }
  const head = length < 64 ? 1 : length < 4096 ? 2 : 5
  return head + length + backLengthSize(head + length)
}

/** What the length of an element takes behind it. */
export function backLengthSize(bytes: number): number {
  if (bytes <= 127) return 1
  if (bytes < 16_383) return 2
  if (bytes < 2_097_151) return 3
  return bytes < 268_435_455 ? 4 : 5
}

/** The size as an integer; 0 when the text is no plain decimal of 64 bits. */
function integerSize(bytes: Uint8Array, start: number, end: number): number {
  const isNegative = bytes[start] === 0x2d
  const from = isNegative ? start + 1 : start
  const digits = end - from
  if (digits === 0 || digits > I64_MAX_DIGITS.length) return 0
  if (bytes[from] === 0x30) return end - start === 1 ? 2 : 0
  let magnitude = 0
  for (let i = from; i < end; i++) {
    const digit = bytes[i]! - 0x30
    if (digit < 0 || digit > 9) return 0
    magnitude = magnitude * 10 + digit
  }
  if (digits <= I32_DIGITS_MAX) return listpackIntegerSize(isNegative ? -magnitude : magnitude)
  if (digits < I64_MAX_DIGITS.length) return INTEGER_64_BYTES
  const limit = isNegative ? I64_MIN_DIGITS : I64_MAX_DIGITS
  for (let i = 0; i < digits; i++) {
    const difference = bytes[from + i]! - limit.charCodeAt(i)
    if (difference !== 0) return difference < 0 ? INTEGER_64_BYTES : 0
  }
  return INTEGER_64_BYTES
}
