/**
 * The parts of a payload (payload.ts) as they are read, one after the other. Total: whatever the bytes are, each part is
 * read or refused with the place where it is wrong, and nothing is allocated that the bytes left do not account for.
 *
 *   bytes   … │ from  … read … │ … to be read … │ to …
 *                              ▲
 *                             at
 */
import type { StreamId } from '../id.ts'
import type { IdList } from '../id-list.ts'
import { IdCell, toStreamId } from '../number-id.ts'
import { viewOf } from '../packed-fields.ts'
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
  PayloadError,
} from './payload.ts'

const INTEGER_MAX = Number.MAX_SAFE_INTEGER
const ID_WIDE_BYTES = 16
// Texts of the payload before are compared up to here: then the string that is there already is used again.
const TEXT_KEPT_MAX = 64
const TEXTS_KEPT_MAX = 1024
const codeAt = String.prototype.charCodeAt

export class PayloadReader {
  bytes: Uint8Array = new Uint8Array(0)
  view: DataView = viewOf(this.bytes)
  /** The place of what is read next, and the one behind the last. */
  at = 0
  end = 0
  #buffer: Buffer = Buffer.alloc(0)
  #ms = 0
  #seq = 0
  #time = 0
  readonly #texts: string[] = []
  /** How many of them are of this payload. */
  #textCount = 0
  readonly #cell = new IdCell()

  /** Begins a payload. */
  begin(bytes: Uint8Array, from: number, to: number): void {
    if (bytes !== this.bytes) {
      this.bytes = bytes
      this.view = viewOf(bytes)
      this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    }
    this.at = from
    this.end = to
    this.#ms = 0
    this.#seq = 0
    this.#time = 0
    this.#textCount = 0
    if (this.#texts.length > TEXTS_KEPT_MAX) this.#texts.length = 0
    const version = this.byte()
    if (version === PAYLOAD_VERSION) return
    const reason = version > PAYLOAD_VERSION ? 'newer' : 'malformed'
    throw new PayloadError(
      reason,
      from,
      `Expected changes of version ${PAYLOAD_VERSION}, the newest known; got ${version}`,
    )
  }

  byte(): number {
    if (this.at >= this.end) this.refuse('Expected another byte; the payload ends')
    return this.bytes[this.at++]!
  }

  integer(): number {
    const { bytes, end } = this
    let at = this.at
    let value = 0
    for (let factor = 1; at < end && factor <= INTEGER_MAX; factor *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * factor
      if (byte > 127) continue
      if (value > INTEGER_MAX) break
      this.at = at
      return value
    }
    return this.refuse('Expected an integer below 2^53')
  }

  /** How many parts follow, each of which takes so many bytes at least. */
  count(bytesMin: number): number {
    const count = this.integer()
    if (count * bytesMin > this.end - this.at) this.refuse(`${count} parts are announced, and fewer can follow`)
    return count
  }

  number(): number | undefined {
    return this.#number(0)
  }

  time(): number | undefined {
    const value = this.#number(this.#time)
    if (value !== undefined && Number.isSafeInteger(value)) this.#time = value
    return value
  }

  /** A number that is there. */
  someNumber(): number {
    return this.number() ?? this.refuse('Expected a number; got none')
  }

  someTime(): number {
    return this.time() ?? this.refuse('Expected a time; got none')
  }

  /** Leaves an ID in a cell. Hot. */
  id(into: IdCell): void {
    const head = this.byte()
    const mode = head >> ID_DISTANCE_BITS
    let distance = head & ID_DISTANCE_MORE
    if (distance === ID_DISTANCE_MORE) distance += this.integer()
    if (mode === ID_ABOVE) this.#seq += distance + 1
    else if (mode === ID_SAME_MS) this.#seq = distance
    else if (mode === ID_LATER || mode === ID_EARLIER) {
      this.#ms += mode === ID_LATER ? distance + 1 : -1 - distance
      this.#seq = this.integer()
    } else {
      this.#wideId(mode, into)
      return
    }
    if (this.#ms < 0 || this.#ms > INTEGER_MAX || this.#seq > INTEGER_MAX) this.refuse('Expected an ID below 2^53')
    into.setPlain(this.#ms, this.#seq)
  }

  streamId(): StreamId {
    this.id(this.#cell)
    return toStreamId(this.#cell)
  }

  ids(into: IdList): void {
    const count = this.count(1)
    const cell = this.#cell
    for (let i = 0; i < count; i++) {
      this.id(cell)
      into.add(cell)
    }
  }

  streamIds(): StreamId[] {
    const ids: StreamId[] = []
    const count = this.count(1)
    for (let i = 0; i < count; i++) ids.push(this.streamId())
    return ids
  }

  /** A text that may come again. */
  text(): string {
    const number = this.integer()
    if (number > this.#textCount) this.refuse(`Expected the number of a text; got ${number} of ${this.#textCount}`)
    if (number > 0) return this.#texts[number - 1]!
    const text = this.once(this.#texts[this.#textCount])
    this.#texts[this.#textCount++] = text
    return text
  }

  /** A text that won't; `likely` is one that it may be equal to. */
  once(likely?: string): string {
    const head = this.integer()
    const isWide = head % 2 === 1
    const length = Math.floor(head / 2)
    const start = this.skip(isWide ? length * 2 : length)
    if (isWide) return this.#buffer.toString('utf16le', start, this.at)
    if (likely !== undefined && likely.length === length && length <= TEXT_KEPT_MAX) {
      let same = 0
      while (same < length && codeAt.call(likely, same) === this.bytes[start + same]) same++
      if (same === length) return likely
    }
    return this.#buffer.toString('latin1', start, this.at)
  }

  /** Goes over so many bytes, which are there; returns where they begin. */
  skip(length: number): number {
    const start = this.at
    if (length > this.end - start) this.refuse(`Expected ${length} bytes; the payload has ${this.end - start} more`)
    this.at = start + length
    return start
  }

  refuse(message: string): never {
    throw new PayloadError('malformed', this.at, message)
  }

  #number(base: number): number | undefined {
    const head = this.integer()
    if (head === NUMBER_UNDEFINED) return undefined
    if (head === NUMBER_FLOAT) return this.view.getFloat64(this.skip(8), true)
    const doubled = head - NUMBER_DISTANCE
    return base + (doubled % 2 === 0 ? doubled / 2 : -(doubled + 1) / 2)
  }

  #wideId(mode: number, into: IdCell): void {
    if (mode !== ID_WIDE) this.refuse('Expected one of the five forms of an ID')
    const start = this.skip(ID_WIDE_BYTES)
    into.setId({ ms: this.view.getBigUint64(start, true), seq: this.view.getBigUint64(start + 8, true) })
  }
}
