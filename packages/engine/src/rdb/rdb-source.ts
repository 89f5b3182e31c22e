/**
 * The bytes of an RDB file, read in order through a window, so that no more of the file is in memory than one of its
 * strings.
 *
 *   file     ░░░░░░░░░░░░░░░░░░│ read, not looked at │· · · · · · · · · │
 *   window                │▒▒▒▒│░░░░░░░░░░░░░░░░░░░░░│                     moves when what is asked for is not in it
 *                              ▲                     ▲                 ▲
 *                              at                    end               size of the file
 *
 * Whatever is asked for is there, or the file is refused: no length from the file leads to memory that the rest of the file
 * could not fill. All that is passed goes into the CRC-64.
 */
import type { OpenFile } from '../disk/files.ts'
import { EngineError } from '../errors.ts'
import { viewOf } from '../packed-fields.ts'
import { Crc64 } from './crc64.ts'

const WINDOW_BYTES = 1 << 18
/** A pause is due after so much work: some milliseconds. */
const WORK_MAX = 1 << 18
const SCRATCH_BYTES_MAX = 1 << 20
const NO_BYTES = new Uint8Array(0)

export class RdbSource {
  /** What errors call it. */
  readonly name: string
  /** What is being read, for errors: "key 'orders'". */
  subject = ''
  /** Work done since somebody last looked: roughly the bytes that were read and made. */
  work = 0
  /** How many bytes compressed strings may still become. */
  inflatableBytes = Infinity
  /** How many bytes there are. */
  readonly size: number
  /** The window. It is another one after each `need`. */
  bytes: Uint8Array
  /** Where in the window the next byte is. */
  at = 0
  readonly #file: OpenFile | undefined
  #view: DataView
  #end: number
  /** Where in the file the window begins. */
  #base = 0
  readonly #crc = new Crc64()
  #crcAt = 0
  #scratch = NO_BYTES

  private constructor(name: string, source: OpenFile | Uint8Array) {
    this.name = name
    if (source instanceof Uint8Array) {
      this.#file = undefined
      this.size = source.length
      this.bytes = source
      this.#end = source.length
    } else {
      this.#file = source
      this.size = source.size()
      this.bytes = NO_BYTES
      this.#end = 0
    }
    this.#view = viewOf(this.bytes)
  }

  /** `name`: what errors call it, as its path. The file stays the caller's, to be closed. */
  static ofFile(file: OpenFile, name: string): RdbSource {
    return new RdbSource(name, file)
  }

  static ofBytes(bytes: Uint8Array, name: string): RdbSource {
    return new RdbSource(name, bytes)
  }

  /** How many bytes were passed. */
  get offset(): number {
    return this.#base + this.at
  }

  /** How many bytes are left. */
  get left(): number {
    return this.size - this.offset
  }

  /** The CRC of all that was passed. */
  get crc(): Crc64 {
    this.#crc.update(this.bytes, this.#crcAt, this.at)
    this.#crcAt = this.at
    return this.#crc
  }

  /** Refuses the file: `problem` says what was expected and what came. */
  corrupt(problem: string, offset = this.offset): never {
    const where = this.subject === '' ? '' : ` (${this.subject})`
    throw new EngineError('CORRUPT', `${this.name} is damaged at byte ${offset}${where}: ${problem}`)
  }

  /** Whether enough was done for now. Whoever asks pauses. */
  isPauseDue(): boolean {
    if (this.work < WORK_MAX) return false
    this.work = 0
    return true
  }

  /** Makes sure that the next so many bytes are in the window. */
  need(count: number): void {
    if (this.at + count > this.#end) this.#fetch(count)
  }

  byte(): number {
    if (this.at === this.#end) this.#fetch(1)
    return this.bytes[this.at++]!
  }

  /** Passes so many bytes and returns a view of them, which holds until the next is read. */
  take(count: number): Uint8Array {
    this.need(count)
    this.at += count
    this.work += count
    return this.bytes.subarray(this.at - count, this.at)
  }

  /** Room for so many bytes, whose contents hold until it is asked for again. */
  scratchOf(count: number): Uint8Array {
    if (count <= this.#scratch.length) return this.#scratch
    const made = new Uint8Array(count)
    // What one large string took is not kept for small ones.
    if (count <= SCRATCH_BYTES_MAX) this.#scratch = made
    return made
  }

  u32LittleEndian(): number {
    this.need(4)
    this.at += 4
    return this.#view.getUint32(this.at - 4, true)
  }

  i32LittleEndian(): number {
    return this.u32LittleEndian() | 0
  }

  i64LittleEndian(): bigint {
    this.need(8)
    this.at += 8
    return this.#view.getBigInt64(this.at - 8, true)
  }

  u32(): number {
    this.need(4)
    this.at += 4
    return this.#view.getUint32(this.at - 4)
  }

  u64(): bigint {
    this.need(8)
    this.at += 8
    return this.#view.getBigUint64(this.at - 8)
  }

  /** Moves the window on, and makes it larger where it has to be. */
  #fetch(count: number): void {
    if (count > this.left) {
      this.corrupt(`${count} more bytes were expected, the file has ${this.left} until its end`)
    }
    this.#crc.update(this.bytes, this.#crcAt, this.at)
    const kept = this.bytes.subarray(this.at, this.#end)
    // A window for one long string is not kept for the rest.
    const places = Math.min(Math.max(count, WINDOW_BYTES), this.left)
    const window = places === this.bytes.length ? this.bytes : new Uint8Array(places)
    if (window === this.bytes) window.copyWithin(0, this.at, this.#end)
    else window.set(kept)
    this.#base += this.at
    this.at = 0
    this.#crcAt = 0
    this.bytes = window
    this.#view = viewOf(window)
    this.#end = kept.length + this.#read(window.subarray(kept.length), this.#base + kept.length)
    if (this.#end < count) this.corrupt(`the file has become shorter than its ${this.size} bytes`)
  }

  #read(into: Uint8Array, position: number): number {
    try {
      return this.#file!.read(into, position)
    } catch (error) {
      throw new EngineError('UNAVAILABLE', `${this.name} cannot be read at byte ${position}: ${String(error)}`, {
        cause: error,
      })
    }
  }
}
