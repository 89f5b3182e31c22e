/**
 * Writes a listpack: what Redis keeps a node's entries in.
 *
 *   │ bytes u32 │ elements u16 │ element │ element │ … │ FF │         integers little endian; 65,535 elements: or more
 *
 *   element = encoding and data │ its length, to walk backwards
 *
 *   0xxxxxxx                       0 … 127                  10LLLLLL bytes                    text up to 63
 *   110xxxxx xxxxxxxx              13 bits, signed          1110LLLL LLLLLLLL bytes           up to 4,095
 *   F1 F2 F3 F4 and 2, 3, 4, 8     16, 24, 32, 64 bits      F0 LLLLLLLL (four bytes) bytes    longer
 *
 * Text that is a plain decimal of 64 bits is written as an integer. listpack-size.ts tells the same sizes beforehand.
 */
import { backLengthSize } from '../listpack-size.ts'

const HEAD_BYTES = 6
const END = 0xff
const ELEMENTS_MAX = 65_535
const BYTES_MIN = 16_384
const BYTES_KEPT_MAX = 1 << 20
const U32 = 2 ** 32
// Digits of a number that is exact.
const PLAIN_DIGITS_MAX = 15
const I64_CHARACTERS_MAX = 20
const FILLER = 0x78

export class ListpackWriter {
  bytes = new Uint8Array(BYTES_MIN)
  used = HEAD_BYTES
  #elements = 0
  /** Where the element that is written begins. */
  #elementFrom = 0
  #view = new DataView(this.bytes.buffer)

  begin(): void {
    if (this.bytes.length > BYTES_KEPT_MAX) this.#hold(new Uint8Array(BYTES_MIN))
    this.used = HEAD_BYTES
    this.#elements = 0
  }

  /** Ends the listpack; the view holds until the next begins. */
  finish(): Uint8Array {
    this.#reserve(1)
    this.bytes[this.used++] = END
    this.#view.setUint32(0, this.used, true)
    this.#view.setUint16(4, Math.min(this.#elements, ELEMENTS_MAX), true)
    return this.bytes.subarray(0, this.used)
  }

  /** Any whole number up to 2^53. Hot. */
  integer(value: number): void {
    this.#elements++
    if (this.used + 16 > this.bytes.length) this.#reserve(16)
    const { bytes } = this
    const from = this.used
    if (value >= 0 && value <= 127) {
      bytes[from] = value
      bytes[from + 1] = 1
      this.used = from + 2
      return
    }
    if (value >= -4096 && value <= 4095) {
      bytes[from] = 0xc0 | ((value >> 8) & 0x1f)
      bytes[from + 1] = value & 255
      bytes[from + 2] = 2
      this.used = from + 3
      return
    }
    const width = widthOf(value)
    bytes[from] = width === 8 ? 0xf4 : 0xef + width
    const high = Math.floor(value / U32)
    const low = value - high * U32
    for (let i = 0; i < Math.min(width, 4); i++) bytes[from + 1 + i] = (low >>> (i * 8)) & 255
    for (let i = 4; i < width; i++) bytes[from + 1 + i] = (high >>> ((i - 4) * 8)) & 255
    bytes[from + 1 + width] = width + 1
    this.used = from + width + 2
  }

  /** Any integer of 64 bits. */
  wideInteger(value: bigint): void {
    if (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)) {
      this.integer(Number(value))
      return
    }
    this.#elements++
    this.#reserve(16)
    this.bytes[this.used] = 0xf4
    this.#view.setBigInt64(this.used + 1, value, true)
    this.bytes[this.used + 9] = 9
    this.used += 10
  }

  /** The bytes from `start` to `end`. Hot. */
  text(from: Uint8Array, start: number, end: number): void {
    const length = end - start
    const first = from[start]!
    // Most texts do not begin with a digit.
    if (length > 0 && length <= I64_CHARACTERS_MAX && first <= 0x39 && this.#decimal(from, start, end)) return
    this.#elements++
    if (this.used + length + 16 > this.bytes.length) this.#reserve(length + 16)
    const at = this.#textHead(length)
    const { bytes } = this
    if (length < 32) for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!
    else bytes.set(from.subarray(start, end), at)
    this.#backLength(at + length)
  }

  /** Two texts that nobody reads, and that take so many bytes together: four or more. */
  fillers(bytes: number): void {
    for (let length = 0; ; length++) {
      const other = textOfSize(bytes - textSize(length))
      if (other === undefined) continue
      this.filler(length)
      this.filler(other)
      return
    }
  }

  /** Text of so many bytes that nobody reads. */
  filler(length: number): void {
    this.#elements++
    this.#reserve(length + 16)
    const at = this.#textHead(length)
    this.bytes.fill(FILLER, at, at + length)
    this.#backLength(at + length)
  }

  /** Makes room for so many bytes at a place; what is written next goes there. */
  openGap(at: number, bytes: number): void {
    this.#reserve(bytes)
    this.bytes.copyWithin(at + bytes, at, this.used)
    this.used = at
  }

  /** Writes the element when the text is a plain decimal of 64 bits. */
  #decimal(from: Uint8Array, start: number, end: number): boolean {
    const isNegative = from[start] === 0x2d
    const digitsFrom = isNegative ? start + 1 : start
    const digits = end - digitsFrom
    if (digits === 0) return false
    if (from[digitsFrom] === 0x30 && (isNegative || digits > 1)) return false
    let value = 0
    for (let i = digitsFrom; i < end; i++) {
      const digit = from[i]! - 0x30
      if (digit < 0 || digit > 9) return false
      value = value * 10 + digit
    }
    if (digits <= PLAIN_DIGITS_MAX) {
      this.integer(isNegative ? -value : value)
      return true
    }
    const exact = BigInt(Buffer.from(from.buffer, from.byteOffset + start, end - start).toString('latin1'))
    if (BigInt.asIntN(64, exact) !== exact) return false
    this.wideInteger(exact)
    return true
  }

  /** Writes what comes before so many bytes; returns where they are to be. */
  #textHead(length: number): number {
    const { bytes } = this
    const from = this.used
    this.#elementFrom = from
    if (length < 64) {
      bytes[from] = 0x80 | length
      return from + 1
    }
    if (length < 4096) {
      bytes[from] = 0xe0 | (length >>> 8)
      bytes[from + 1] = length & 255
      return from + 2
    }
    bytes[from] = 0xf0
    this.#view.setUint32(from + 1, length, true)
    return from + 5
  }

  /** The element ends here: seven bits a byte, the highest first, the top bit set on all but that. */
  #backLength(end: number): void {
    const length = end - this.#elementFrom
    const size = backLengthSize(length)
    let rest = length
    for (let i = size - 1; i > 0; i--) {
      this.bytes[end + i] = (rest & 127) | 128
      rest = rest >>> 7
    }
    this.bytes[end] = rest
    this.used = end + size
  }

  #reserve(bytes: number): void {
    const needed = this.used + bytes
    if (needed <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    grown.set(this.bytes.subarray(0, this.used))
    this.#hold(grown)
  }

  #hold(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer)
  }
}

/** Bytes of an integer that needs more than 13 bits. */
function widthOf(value: number): number {
  if (value >= -32_768 && value <= 32_767) return 2
  if (value >= -8_388_608 && value <= 8_388_607) return 3
  return value >= -2_147_483_648 && value <= 2_147_483_647 ? 4 : 8
}

/** What a text of so many bytes takes. */
function textSize(length: number): number {
  const head = length < 64 ? 1 : length < 4096 ? 2 : 5
  return head + length + backLengthSize(head + length)
}

/** How long a text is that takes so many bytes; undefined: none does. */
function textOfSize(bytes: number): number | undefined {
  // A head of 5 bytes and a tail of 5 at most.
  for (let length = Math.max(bytes - 10, 0); length <= bytes - 2; length++)
    if (textSize(length) === bytes) return length
  return undefined
}
