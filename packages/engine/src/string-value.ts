/**
 * A string: the bytes that SET put under a key. A value is never changed, only replaced by another one, so whoever got
 * its bytes keeps them as they were.
 *
 *   short   'latin1 text'       one character for each byte: a fifth of what a small array takes
 *   long    Uint8Array
 */

const TEXT_BYTES_MAX = 1024
// The object, and the header of the text or the array and its buffer; measured with a million of each.
const SHORT_BYTES = 60
const LONG_BYTES = 240

export class StringValue {
  /** Tells it from the other values that a key can hold. */
  readonly type = 'string'
  readonly #held: string | Uint8Array

  private constructor(held: string | Uint8Array) {
    this.#held = held
  }

  /** A string with a copy of these bytes. */
  static of(bytes: Uint8Array): StringValue {
    if (bytes.length > TEXT_BYTES_MAX) return new StringValue(new Uint8Array(bytes))
    return new StringValue(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1'))
  }

  /** To be read, not written to. */
  get bytes(): Uint8Array {
    return typeof this.#held === 'string' ? Buffer.from(this.#held, 'latin1') : this.#held
  }

  get length(): number {
    return this.#held.length
  }

  get memoryBytes(): number {
    return this.#held.length + (typeof this.#held === 'string' ? SHORT_BYTES : LONG_BYTES)
  }

  /** Itself, since it never changes. */
  copy(): StringValue {
    return this
  }
}
