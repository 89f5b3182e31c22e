/**
 * CRC-64 as RDB files end with it: the polynomial of Jones (0xad93d23594c935a9), bits reflected, begun with 0, nothing
 * turned over at the end. Of the nine bytes '123456789' it is e9c6d914c4b8d9ca.
 *
 *   eight bytes   b0 b1 b2 b3 b4 b5 b6 b7          first combined with the 64 bits so far
 *   tables        7  6  5  4  3  2  1  0           each tells what its byte does to the CRC that many bytes later
 *                  └──┴──┴──┴──┴──┴──┴──┴── exclusive-or ──► the next 64 bits, as two numbers of 32
 *
 * Eight bytes a step: 0.5 GB/s (Node 20). No bigint in the loop.
 */

const TABLES = 8
const POLYNOMIAL_HIGH = 0x95ac9329
const POLYNOMIAL_LOW = 0xac4bc9b5

interface Tables {
  readonly low: Uint32Array
  readonly high: Uint32Array
}

const tables = makeTables()

export class Crc64 {
  /** The lower 32 bits. */
  low = 0
  /** The higher 32 bits. */
  high = 0

  /** Goes on with the bytes from `from` to `end - 1`. Hot. */
  update(bytes: Uint8Array, from = 0, end = bytes.length): void {
    const { low: tableLow, high: tableHigh } = tables
    let { low, high } = this
    let at = from
    for (const wholeEnd = end - 7; at < wholeEnd; at += 8) {
      const a = low ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
      const b = high ^ (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24))
      const i0 = 1792 + (a & 255)
      const i1 = 1536 + ((a >>> 8) & 255)
      const i2 = 1280 + ((a >>> 16) & 255)
      const i3 = 1024 + (a >>> 24)
      const i4 = 768 + (b & 255)
      const i5 = 512 + ((b >>> 8) & 255)
      const i6 = 256 + ((b >>> 16) & 255)
      const i7 = b >>> 24
      const lowA = tableLow[i0]! ^ tableLow[i1]! ^ tableLow[i2]! ^ tableLow[i3]!
      const highA = tableHigh[i0]! ^ tableHigh[i1]! ^ tableHigh[i2]! ^ tableHigh[i3]!
      low = lowA ^ tableLow[i4]! ^ tableLow[i5]! ^ tableLow[i6]! ^ tableLow[i7]!
      high = highA ^ tableHigh[i4]! ^ tableHigh[i5]! ^ tableHigh[i6]! ^ tableHigh[i7]!
    }
    for (; at < end; at++) {
      const index = (low ^ bytes[at]!) & 255
      low = ((low >>> 8) | (high << 24)) ^ tableLow[index]!
      high = (high >>> 8) ^ tableHigh[index]!
    }
    this.low = low >>> 0
    this.high = high >>> 0
  }

  /** Writes the eight bytes that stand behind what was checked, the lowest first. */
  write(into: Uint8Array, at: number): void {
    const view = new DataView(into.buffer, into.byteOffset, into.length)
    view.setUint32(at, this.low, true)
    view.setUint32(at + 4, this.high, true)
  }

  /** Whether these are the eight bytes that `write` writes. */
  matches(bytes: Uint8Array, at: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return view.getUint32(at, true) === this.low && view.getUint32(at + 4, true) === this.high
  }

  /** As 16 hexadecimal digits. */
  toString(): string {
    return this.high.toString(16).padStart(8, '0') + this.low.toString(16).padStart(8, '0')
  }
}

function makeTables(): Tables {
  const low = new Uint32Array(TABLES * 256)
  const high = new Uint32Array(TABLES * 256)
  for (let byte = 0; byte < 256; byte++) {
    let [l, h] = [byte, 0]
    for (let bit = 0; bit < 8; bit++) {
      const isOdd = (l & 1) === 1
      l = (l >>> 1) | (h << 31)
      h = h >>> 1
      if (isOdd) {
        l ^= POLYNOMIAL_LOW
        h ^= POLYNOMIAL_HIGH
      }
    }
    low[byte] = l
    high[byte] = h
  }
  for (let at = 256; at < low.length; at++) {
    const [l, h] = [low[at - 256]!, high[at - 256]!]
    const byte = l & 255
    low[at] = ((l >>> 8) | (h << 24)) ^ low[byte]!
    high[at] = (h >>> 8) ^ high[byte]!
  }
  return { low, high }
}
