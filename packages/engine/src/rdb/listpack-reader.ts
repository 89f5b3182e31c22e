/**
 * Goes through the elements of a listpack, each checked before it is told.
 *
 *   │ bytes u32 │ elements u16 │ element │ element │ … │ ff │        65,535 elements: not counted
 *
 *   element   encoding and data                                     and behind it, how many bytes those are
 *
 *   0vvvvvvv                  integer from 0 to 127
 *   10llllll  bytes           text of up to 63 bytes
 *   110vvvvv vvvvvvvv         integer of 13 bits, signed
 *   1110llll llllllll  bytes  text of up to 4,095
 *   11110000 u32  bytes       text
 *   11110001 … 11110100       integer of 16, 24, 32, 64 bits, signed
 *
 *   how many bytes   seven bits a byte, the highest first, the top bit set on all but the first: it is read backwards
 *
 * Integers in the listpack are little endian. Hot: an entry of a stream has five elements and more.
 */

/** The header before the first element. */
export const LISTPACK_HEAD_BYTES = 6
const EMPTY_BYTES = 7
const NOT_COUNTED = 65_535
const END = 0xff
const PLAIN_HIGH = 2 ** 21

export class ListpackReader {
  bytes: Uint8Array
  /** Where the next element is. */
  at = 0
  /** Where the end byte is. */
  end = 0
  /** How many elements were told. */
  told = 0
  /** What the element is: text, from `start` up to `stop`, or an integer. */
  isText = false
  start = 0
  stop = 0
  /** Exact within 2^53. */
  integer = 0
  /** The integer where it is not. */
  wide: bigint | undefined = undefined
  readonly #refuse: (problem: string) => never
  #from = 0
  #counted = 0

  /** `refuse` throws. */
  constructor(refuse: (problem: string) => never) {
    this.bytes = new Uint8Array(0)
    this.#refuse = refuse
  }

  /** Begins with the listpack that these bytes are from `from` up to `length` bytes later; they may go on behind it. */
  begin(bytes: Uint8Array, from: number, length: number): void {
    if (length < EMPTY_BYTES) this.#refuse(`a listpack has ${EMPTY_BYTES} bytes or more, not ${length}`)
    this.bytes = bytes
    this.#from = from
    const told = this.#little(from, 4) >>> 0
    if (told !== length) this.#refuse(`a listpack of ${length} bytes tells of ${told}`)
    this.#counted = this.#little(from + 4, 2)
    this.at = from + LISTPACK_HEAD_BYTES
    this.end = from + length - 1
    this.told = 0
    if (bytes[this.end] !== END) this.#refuse(`a listpack ends with the byte ${END}, not ${bytes[this.end]}`)
  }

  get isAtEnd(): boolean {
    return this.at === this.end
  }

  /** How many bytes are left before its end. */
  get left(): number {
    return this.end - this.at
  }

  /** Refuses a listpack in which something else is left, or that has counted wrongly. */
  finish(): void {
    if (!this.isAtEnd) this.refuse('no more elements were expected')
    if (this.#counted !== NOT_COUNTED && this.#counted !== this.told) {
      this.#refuse(`a listpack of ${this.told} elements tells of ${this.#counted}`)
    }
  }

  refuse(problem: string): never {
    return this.#refuse(`${problem}, ${this.at - this.#from} bytes into the listpack`)
  }

  /** Goes to the next element. */
  next(): void {
    const { bytes, at } = this
    if (at >= this.end) this.refuse('one more element was expected')
    const first = bytes[at]!
    if (first < 0x80) {
      this.isText = false
      this.integer = first
      this.wide = undefined
      this.#pass(1)
    } else if (first < 0xc0) this.#text(at + 1, first & 0x3f)
    else if (first < 0xe0) {
      this.#room(2)
      this.#number((((first << 8) | bytes[at + 1]!) << 19) >> 19, 2)
    } else if (first < 0xf0) {
      this.#room(2)
      this.#text(at + 2, ((first & 0x0f) << 8) | bytes[at + 1]!)
    } else this.#rare(first)
  }

  /** The next element, which is an integer that a number can be, from 0 on. */
  count(what: string): number {
    this.next()
    if (this.isText || this.wide !== undefined || this.integer < 0) this.refuse(`${what} was expected`)
    return this.integer
  }

  #rare(first: number): void {
    const { bytes, at } = this
    switch (first) {
      case 0xf0:
        this.#room(5)
        this.#text(at + 5, this.#little(at + 1, 4) >>> 0)
        return
      case 0xf1:
        this.#room(3)
        this.#number((this.#little(at + 1, 2) << 16) >> 16, 3)
        return
      case 0xf2:
        this.#room(4)
        this.#number((this.#little(at + 1, 3) << 8) >> 8, 4)
        return
      case 0xf3:
        this.#room(5)
        this.#number(this.#little(at + 1, 4), 5)
        return
      case 0xf4: {
        this.#room(9)
        const low = this.#little(at + 1, 4) >>> 0
        const high = this.#little(at + 5, 4)
        this.#number(high * 2 ** 32 + low, 9)
        if (high >= PLAIN_HIGH || high < -PLAIN_HIGH) this.wide = (BigInt(high) << 32n) | BigInt(low)
        return
      }
      default:
        this.refuse(`an element was expected, not the byte ${bytes[at]}`)
    }
  }

  #number(value: number, size: number): void {
    this.isText = false
    this.integer = value
    this.wide = undefined
    this.#pass(size)
  }

  #text(start: number, length: number): void {
    this.isText = true
    this.start = start
    this.stop = start + length
    this.#pass(this.stop - this.at)
  }

  #room(size: number): void {
    if (this.at + size > this.end) this.refuse('an element goes on behind the end')
  }

  /** Passes an element of so many bytes and, behind it, their number. */
  #pass(size: number): void {
    const back = this.at + size
    if (back >= this.end) this.refuse('an element goes on behind the end')
    if (size < 128) {
      if (this.bytes[back] !== size) this.refuse(`an element of ${size} bytes does not tell so`)
      this.at = back + 1
    } else this.#passLong(size)
    this.told++
  }

  #passLong(size: number): void {
    const { bytes } = this
    // Where each number of digits begins is as Redis has it: at 2^14 - 1 it takes the third byte, not at 2^14.
    const digits = size < 16_383 ? 2 : size < 2_097_151 ? 3 : size < 268_435_455 ? 4 : 5
    let at = this.at + size
    if (at + digits > this.end) this.refuse('an element goes on behind the end')
    for (let digit = digits - 1; digit >= 0; digit--) {
      const expected = (Math.trunc(size / 2 ** (7 * digit)) & 127) | (digit === digits - 1 ? 0 : 128)
      if (bytes[at++] !== expected) this.refuse(`an element of ${size} bytes does not tell so`)
    }
    this.at = at
  }

  #little(at: number, count: number): number {
    const { bytes } = this
    let value = 0
    for (let i = count - 1; i >= 0; i--) value = (value << 8) | bytes[at + i]!
    return value
  }
}
