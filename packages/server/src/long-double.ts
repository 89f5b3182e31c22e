/**
 * The numbers of INCRBYFLOAT: what C calls `long double` on x86-64, with a mantissa of 64 bits. A `number` has 53, so sums
 * would differ from Redis's in their last digits.
 *
 *   value = ± mantissa * 2^exponent        2^63 <= mantissa < 2^64, or less with the lowest exponent (denormal), or 0
 *
 * Everything is exact arithmetic on integers, rounded once at the end, to the nearest and in the middle to the even one.
 */
import assert from 'node:assert'

export interface LongDouble {
  /** With its sign. */
  readonly mantissa: bigint
  readonly exponent: number
}

/** Infinity is no number, but as a text it is told from what is none: adding to it is another error. */
export type ParsedLongDouble = LongDouble | 'infinity' | undefined

const MANTISSA_BITS = 64
const EXPONENT_MIN = -16_445
const EXPONENT_MAX = 16_320
/** The longest text of a number: Redis's buffer for it. */
export const LONG_DOUBLE_BYTES_MAX = 5119
/** Beyond these no digits can bring a number back into the range; so no power that is computed is larger. */
const DECIMAL_EXPONENT_MAX = 5000
const BINARY_EXPONENT_MAX = 17_000
const FRACTION_DIGITS = 17

const decimalForm = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i
const hexForm = /^([+-]?)0x([\da-f]*)\.?([\da-f]*)(?:p([+-]?\d+))?$/i
const infinityForm = /^[+-]?inf(?:inity)?$/i

/** A number as strtold reads it; undefined when a text is none, or one out of range. */
export function parseLongDouble(text: string): ParsedLongDouble {
  if (text.length > LONG_DOUBLE_BYTES_MAX) return undefined
  if (infinityForm.test(text)) return 'infinity'
  const decimal = decimalForm.exec(text)
  if (decimal !== null) return parsed(decimal, 10)
  const hex = hexForm.exec(text)
  return hex === null ? undefined : parsed(hex, 16)
}

/** The sum, rounded; undefined when it is out of range. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  const exponent = Math.min(a.exponent, b.exponent)
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent))
  return exponent >= 0 ? rounded(sum << BigInt(exponent), 1n) : rounded(sum, 1n << BigInt(-exponent))
}

/** With at most 17 digits behind the point, and no zeros at the end. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const scaled = (mantissa < 0n ? -mantissa : mantissa) * 10n ** BigInt(FRACTION_DIGITS)
  const units = exponent >= 0 ? scaled << BigInt(exponent) : dividedToEven(scaled, 1n << BigInt(-exponent))
  const digits = units.toString().padStart(FRACTION_DIGITS + 1, '0')
  const fraction = withoutTrailingZeros(digits.slice(-FRACTION_DIGITS))
  const text = digits.slice(0, -FRACTION_DIGITS) + (fraction === '' ? '' : `.${fraction}`)
  return mantissa < 0n && text !== '0' ? `-${text}` : text
}

function parsed(match: RegExpExecArray, base: 10 | 16): LongDouble | undefined {
  const [, sign, whole = '', fraction = '', power = '0'] = match
  if (whole === '' && fraction === '') return undefined
  const digits = BigInt((base === 16 ? '0x' : '') + whole + fraction)
  if (digits === 0n) return { mantissa: 0n, exponent: 0 }
  const exponent = Number(power) - fraction.length * (base === 16 ? 4 : 1)
  const size = base === 16 ? bitLength(digits) : digits.toString().length
  if (Math.abs(size + exponent) > (base === 16 ? BINARY_EXPONENT_MAX : DECIMAL_EXPONENT_MAX)) return undefined
  const factor = BigInt(base === 16 ? 2 : 10) ** BigInt(Math.abs(exponent))
  const signed = sign === '-' ? -digits : digits
  const value = exponent >= 0 ? rounded(signed * factor, 1n) : rounded(signed, factor)
  // Too small to be told from 0: as Redis, that is no number.
  return value?.mantissa === 0n ? undefined : value
}

/** The nearest number to a fraction; undefined when it is out of range. */
function rounded(numerator: bigint, denominator: bigint): LongDouble | undefined {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 }
  const absolute = numerator < 0n ? -numerator : numerator
  let exponent = bitLength(absolute) - bitLength(denominator) - MANTISSA_BITS
  exponent = Math.max(exponent, EXPONENT_MIN)
  let mantissa = quotient(absolute, denominator, exponent)
  // The estimate may be one too low, and rounding may reach the next power of two.
  while (bitLength(mantissa) > MANTISSA_BITS) mantissa = quotient(absolute, denominator, ++exponent)
  assert(exponent === EXPONENT_MIN || bitLength(mantissa) === MANTISSA_BITS, 'a number uses its whole mantissa')
  if (exponent > EXPONENT_MAX) return undefined
  return { mantissa: numerator < 0n ? -mantissa : mantissa, exponent }
}

function quotient(numerator: bigint, denominator: bigint, exponent: number): bigint {
  return exponent >= 0
    ? dividedToEven(numerator, denominator << BigInt(exponent))
    : dividedToEven(numerator << BigInt(-exponent), denominator)
}

function dividedToEven(numerator: bigint, denominator: bigint): bigint {
  const whole = numerator / denominator
  const twice = (numerator % denominator) * 2n
  if (twice < denominator || (twice === denominator && whole % 2n === 0n)) return whole
  return whole + 1n
}

function bitLength(value: bigint): number {
  if (value === 0n) return 0
  const hex = value.toString(16)
  return (hex.length - 1) * 4 + (32 - Math.clz32(parseInt(hex[0]!, 16)))
}

function withoutTrailingZeros(digits: string): string {
  let end = digits.length
  while (end > 0 && digits[end - 1] === '0') end--
  return digits.slice(0, end)
}
