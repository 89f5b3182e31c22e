/**
 * The parts of a payload (payload.ts) as they are written, one after the other, into a buffer that grows.
 *
 *   bytes   │ version │ … written … │ · · · free · · · │
 *                                    ▲
 *                                  used
 *
 * What has a size that is known is put where there is room: a change begins with `reserve(FIXED_BYTES)`, which is more than all
 * such parts of it take together. Texts and lists make room for themselves, and for those parts once more.
 */
import assert from 'node:assert'
import { copyWords, WORDS_BYTES_MAX } from '../copy-words.ts'
import type { StreamId } from '../id.ts'
import type { IdList } from '../id-list.ts'
import { IdCell, toStreamId, type NumberId } from '../number-id.ts'
import { viewOf, type PackedFields } from '../packed-fields.ts'
import {
  ID_ABOVE,
  ID_DISTANCE_BITS,
  ID_DISTANCE_MORE,
  ID_EARLIER,
  ID_LATER,
  ID_SAME_MS,
  ID_WIDE,
  NUMBER_DISTANCE,
  NUMBER_FLOAT,
  NUMBER_UNDEFINED,
  PAYLOAD_VERSION,
} from './payload.ts'

/** Room for everything of a change but its texts, lists and bytes. */
export const FIXED_BYTES = 128

const BYTES_MIN = 4096
// What one large payload made of the buffer is not kept for small ones.
const BYTES_KEPT_MAX = 1 << 22
/** Places in a payload are 32-bit numbers where it is read. */
const BYTES_MAX = 2 ** 31 - 1
const INTEGER_BYTES_MAX = 8
const ID_BYTES_MAX = 17
const NUMBER_BYTES_MAX = 9
// Of whole numbers up to here the distance, doubled, is exact.
const DISTANCE_MAX = 2 ** 51
const I31_MAX = 2 ** 30
const WIDE_TEXT = 1
// Held here: see packed-fields.ts.
const codeAt = String.prototype.charCodeAt

export class PayloadWriter {
  bytes: Uint8Array = new Uint8Array(BYTES_MIN)
  used = 1
  #view = viewOf(this.bytes)
  /** The ID before. */
  #ms = 0
  #seq = 0
  /** The time before. */
  #time = 0
  /** The text that was put last and its number, because it mostly comes again. */
  #text: string | undefined = undefined
  #textNumber = 0
  readonly #texts = new Map<string, number>()
  readonly #cell = new IdCell()

  constructor() {
    this.bytes[0] = PAYLOAD_VERSION
  }

  /** Begins a new payload; the bytes of the one before are written over. */
  clear(): void {
    if (this.bytes.length > BYTES_KEPT_MAX) this.#hold(new Uint8Array(BYTES_MIN))
    this.bytes[0] = PAYLOAD_VERSION
    this.used = 1
    this.#ms = 0
    this.#seq = 0
    this.#time = 0
    this.#text = undefined
    if (this.#texts.size > 0) this.#texts.clear()
  }

  /** Makes room. */
  reserve(bytes: number): void {
    const needed = this.used + bytes
    if (needed > this.bytes.length) this.#grow(needed)
  }

  putByte(byte: number): void {
    this.bytes[this.used++] = byte
  }

  /** A whole number from 0 up to 2^53 - 1. */
  putInteger(value: number): void {
    const { bytes } = this
    let at = this.used
    let rest = value
    while (rest >= I31_MAX) {
      bytes[at++] = (rest % 128) | 128
      rest = Math.floor(rest / 128)
    }
    for (; rest > 127; rest >>>= 7) bytes[at++] = (rest & 127) | 128
    bytes[at++] = rest
    this.used = at
  }

  /** Any number, or none: short where it is whole and not large. */
  putNumber(value: number | undefined): void {
    this.#putNumber(value, 0)
  }

  /** As `putNumber`, and short where it is near the time before. */
  putTime(value: number | undefined): void {
    this.#putNumber(value, this.#time)
    if (value !== undefined && Number.isSafeInteger(value)) this.#time = value
  }

  putId(id: NumberId): void {
    if (id.wide !== undefined) {
      this.#putWideId(id)
      return
    }
    const { ms, seq } = id
    if (ms === this.#ms) {
      if (seq > this.#seq) this.#putIdHead(ID_ABOVE, seq - this.#seq - 1)
      else this.#putIdHead(ID_SAME_MS, seq)
    } else {
      if (ms > this.#ms) this.#putIdHead(ID_LATER, ms - this.#ms - 1)
      else this.#putIdHead(ID_EARLIER, this.#ms - ms - 1)
      this.putInteger(seq)
    }
    this.#ms = ms
    this.#seq = seq
  }

  putStreamId(id: StreamId): void {
    this.#cell.setId(id)
    this.putId(this.#cell)
  }

  putIds(ids: IdList): void {
    const { count } = ids
    this.reserve(count * ID_BYTES_MAX + INTEGER_BYTES_MAX + FIXED_BYTES)
    this.putInteger(count)
    const cell = this.#cell
    for (let i = 0; i < count; i++) {
      ids.read(i, cell)
      this.putId(cell)
    }
  }

  putStreamIds(ids: readonly StreamId[]): void {
    this.reserve(ids.length * ID_BYTES_MAX + INTEGER_BYTES_MAX + FIXED_BYTES)
    this.putInteger(ids.length)
    for (let i = 0; i < ids.length; i++) this.putStreamId(ids[i]!)
  }

  /** The first `count` of them: how many there are is known already. */
  putNumbers(numbers: ArrayLike<number>, count: number): void {
    this.reserve(count * NUMBER_BYTES_MAX + FIXED_BYTES)
    for (let i = 0; i < count; i++) this.putNumber(numbers[i])
  }

  /** A text that may come again. */
  putText(text: string): void {
    if (text === this.#text) {
      this.putInteger(this.#textNumber)
      return
    }
    const known = this.#texts.get(text)
    const number = known ?? this.#texts.size + 1
    this.#text = text
    this.#textNumber = number
    if (known !== undefined) {
      this.putInteger(known)
      return
    }
    this.#texts.set(text, number)
    this.putInteger(0)
    this.putOnce(text)
  }

  /** A text that won't. */
  putOnce(text: string): void {
    const { length } = text
    // Twice its length also where a byte a character would do: room that is not used costs nothing.
    this.reserve(length * 2 + INTEGER_BYTES_MAX + FIXED_BYTES)
    const start = this.used
    this.putInteger(length * 2)
    const { bytes } = this
    let at = this.used
    let all = 0
    for (let i = 0; i < length; i++) {
      const code = codeAt.call(text, i)
      all |= code
      bytes[at++] = code
    }
    this.used = at
    if (all <= 255) return
    this.used = start
    this.putInteger(length * 2 + WIDE_TEXT)
    for (let i = 0; i < length; i++, this.used += 2) this.#view.setUint16(this.used, codeAt.call(text, i), true)
  }

  putBytes(bytes: Uint8Array): void {
    this.reserve(bytes.length + INTEGER_BYTES_MAX + FIXED_BYTES)
    this.putInteger(bytes.length)
    this.bytes.set(bytes, this.used)
    this.used += bytes.length
  }

  /** An argument of an entry, and before it its length; there is room. Hot. */
  putField(fields: PackedFields, index: number): void {
    const start = fields.starts[index]!
    const end = fields.ends[index]!
    const length = end - start
    if (length < 128) this.bytes[this.used++] = length
    else this.putInteger(length)
    if (fields.view !== undefined && length <= WORDS_BYTES_MAX) {
      this.used = copyWords({ from: fields.view, to: this.#view }, start, end, this.used)
      return
    }
    const { bytes } = fields
    this.bytes.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, length), this.used)
    this.used += length
  }

  #putNumber(value: number | undefined, base: number): void {
    if (value === undefined) {
      this.putByte(NUMBER_UNDEFINED)
      return
    }
    const distance = value - base
    // A zero below zero is a whole number as well, and would lose its sign.
    if (Number.isSafeInteger(value) && distance > -DISTANCE_MAX && distance < DISTANCE_MAX && !Object.is(value, -0)) {
      this.putInteger((distance < 0 ? distance * -2 - 1 : distance * 2) + NUMBER_DISTANCE)
      return
    }
    this.putByte(NUMBER_FLOAT)
    this.#view.setFloat64(this.used, value, true)
    this.used += 8
  }

  #putIdHead(mode: number, distance: number): void {
    if (distance < ID_DISTANCE_MORE) {
      this.bytes[this.used++] = (mode << ID_DISTANCE_BITS) | distance
      return
    }
    this.bytes[this.used++] = (mode << ID_DISTANCE_BITS) | ID_DISTANCE_MORE
    this.putInteger(distance - ID_DISTANCE_MORE)
  }

  #putWideId(id: NumberId): void {
    const { ms, seq } = toStreamId(id)
    this.putByte(ID_WIDE << ID_DISTANCE_BITS)
    this.#view.setBigUint64(this.used, ms, true)
    this.#view.setBigUint64(this.used + 8, seq, true)
    this.used += 16
  }

  #grow(needed: number): void {
    if (needed > BYTES_MAX) assert.fail('a payload is committed before it has 2 GiB')
    const grown = new Uint8Array(Math.min(Math.max(needed, this.bytes.length * 2), BYTES_MAX))
    grown.set(this.bytes.subarray(0, this.used))
    this.#hold(grown)
  }

  #hold(bytes: Uint8Array): void {
    this.bytes = bytes
    this.#view = viewOf(bytes)
  }
}
