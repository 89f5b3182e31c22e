/**
 * Writes what RDB files are made of (rdb-values.ts has the layouts), and gives the bytes away in chunks.
 *
 *   put, length, string … ──► │ chunk · · · · │ ──flush──► CRC-64 ──► write(chunk)
 *
 * A chunk is written over as soon as `write` returns. Whoever writes much asks `isPauseDue` between two things, and gives
 * others a turn when it is.
 */
import type { StreamId } from '../id.ts'
import { toStreamId, type NumberId } from '../number-id.ts'
import { Crc64 } from './crc64.ts'

const CHUNK_BYTES = 65_536
// Behind a full chunk: whatever is put without asking for room first.
const SPARE_BYTES = 64
// What is done between two pauses when little is written: about a millisecond.
const WORK_MAX = 20_000
const INTEGER_TEXT_MAX = 11
// No integer begins with a higher character.
const NINE = 0x39
const I64_MIN = -(2n ** 63n)
const I64_MAX = 2n ** 63n - 1n
const U32 = 2 ** 32

export class RdbOutput {
  /** Counted by who does something that writes little or nothing, in steps of about 50 ns. */
  work = 0
  readonly #write: (chunk: Uint8Array) => void
  readonly #crc = new Crc64()
  readonly #bytes = new Uint8Array(CHUNK_BYTES + SPARE_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)
  #used = 0
  #flushed = 0

  constructor(write: (chunk: Uint8Array) => void) {
    this.#write = write
  }

  /** Bytes so far. */
  get offset(): number {
    return this.#flushed + this.#used
  }

  /** The CRC-64 of all bytes that were flushed. */
  get crc(): string {
    return this.#crc.toString()
  }

  isPauseDue(): boolean {
    if (this.#used < CHUNK_BYTES / 2 && this.work < WORK_MAX) return false
    this.work = 0
    this.flush()
    return true
  }

  flush(): void {
    if (this.#used === 0) return
    this.#crc.update(this.#bytes, 0, this.#used)
    this.#write(this.#bytes.subarray(0, this.#used))
    this.#flushed += this.#used
    this.#used = 0
  }

  /** The CRC of everything before, and the end. */
  finish(): void {
    this.flush()
    this.#crc.write(this.#bytes, 0)
    this.#write(this.#bytes.subarray(0, 8))
    this.#flushed += 8
  }

  byte(value: number): void {
    if (this.#used >= CHUNK_BYTES) this.flush()
    this.#bytes[this.#used++] = value
  }

  u16LittleEndian(value: number): void {
    this.byte(value & 255)
    this.byte(value >>> 8)
  }

  /** A length, or a number that is stored as one, from 0 to 2^53. */
  length(value: number): void {
    if (value < 64) {
      this.byte(value)
      return
    }
    if (value < 16_384) {
      this.byte(0x40 | (value >>> 8))
      this.byte(value & 255)
      return
    }
    const isShort = value < U32
    this.byte(isShort ? 0x80 : 0x81)
    if (!isShort) this.#u32(Math.floor(value / U32))
    this.#u32(value % U32)
  }

  /** As `length`, of any 64 bits. */
  longLength(value: bigint): void {
    if (value < 2n ** 53n) {
      this.length(Number(value))
      return
    }
    this.byte(0x81)
    this.#view.setBigUint64(this.#used, value)
    this.#used += 8
  }

  /** A counter, which may be beyond the numbers that are exact. */
  count(value: number): void {
    if (Number.isSafeInteger(value)) this.length(value)
    else this.longLength(BigInt(value) > I64_MAX ? I64_MAX : BigInt(value))
  }

  /** An ID as two lengths. */
  id(id: StreamId): void {
    this.longLength(id.ms)
    this.longLength(id.seq)
  }

  /** An ID as 16 bytes. Hot: of each pending entry. */
  rawId(id: NumberId): void {
    if (this.#used >= CHUNK_BYTES) this.flush()
    if (id.wide === undefined) {
      this.#u32(Math.floor(id.ms / U32))
      this.#u32(id.ms % U32)
      this.#u32(Math.floor(id.seq / U32))
      this.#u32(id.seq % U32)
      return
    }
    const { ms, seq } = toStreamId(id)
    this.#view.setBigUint64(this.#used, ms)
    this.#view.setBigUint64(this.#used + 8, seq)
    this.#used += 16
  }

  /** A moment: 64 bits, little endian. What is beyond them becomes the farthest there is. */
  timeMs(timeMs: number): void {
    if (this.#used >= CHUNK_BYTES) this.flush()
    if (Number.isSafeInteger(timeMs)) {
      this.#view.setUint32(this.#used, timeMs % U32, true)
      this.#view.setInt32(this.#used + 4, Math.floor(timeMs / U32), true)
    } else {
      const exact = BigInt(Math.trunc(timeMs))
      const nearest = exact > I64_MAX ? I64_MAX : exact < I64_MIN ? I64_MIN : exact
      this.#view.setBigInt64(this.#used, nearest, true)
    }
    this.#used += 8
  }

  /** Text that has a byte for each character: names. */
  text(text: string): void {
    const { length } = text
    if (length > SPARE_BYTES || text.charCodeAt(0) <= NINE) {
      this.shortString(Buffer.from(text, 'latin1'))
      return
    }
    this.length(length)
    if (this.#used >= CHUNK_BYTES) this.flush()
    const bytes = this.#bytes
    for (let i = 0; i < length; i++) bytes[this.#used++] = text.charCodeAt(i)
  }

  /** A string: as an integer where it is the plain decimal of one of 32 bits. */
  shortString(bytes: Uint8Array): void {
    if (this.#integer(bytes)) return
    this.length(bytes.length)
    this.put(bytes)
  }

  /** As `shortString`, with pauses. */
  *string(bytes: Uint8Array): Generator<number, void> {
    if (this.#integer(bytes)) return
    this.length(bytes.length)
    yield* this.putAll(bytes)
  }

  /** Bytes as they are. */
  put(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) at += this.#putSome(bytes, at)
  }

  /** As `put`, with pauses. */
  *putAll(bytes: Uint8Array): Generator<number, void> {
    for (let at = 0; at < bytes.length;) {
      at += this.#putSome(bytes, at)
      if (at < bytes.length && this.isPauseDue()) yield this.offset
    }
  }

  #putSome(bytes: Uint8Array, at: number): number {
    if (this.#used >= CHUNK_BYTES) this.flush()
    const count = Math.min(bytes.length - at, CHUNK_BYTES - this.#used)
    // A whole one goes without a view.
    this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), this.#used)
    this.#used += count
    return count
  }

  #integer(bytes: Uint8Array): boolean {
    if (bytes.length === 0 || bytes.length > INTEGER_TEXT_MAX || bytes[0]! > NINE) return false
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
    const value = Number(text) | 0
    if (String(value) !== text) return false
    if (value >= -128 && value <= 127) {
      this.byte(0xc0)
      this.byte(value)
    } else if (value >= -32_768 && value <= 32_767) {
      this.byte(0xc1)
      this.u16LittleEndian(value & 0xffff)
    } else {
      this.byte(0xc2)
      this.u16LittleEndian(value & 0xffff)
      this.u16LittleEndian(value >>> 16)
    }
    return true
  }

  #u32(value: number): void {
    this.#view.setUint32(this.#used, value)
    this.#used += 4
  }
}
