/**
 * A request: its arguments in place, in the buffer that came from the socket.
 *
 *   bytes    *3 \r\n $4 \r\n X A D D \r\n $1 \r\n s \r\n $1 \r\n * \r\n
 *                            ▲       ▲            ▲▲           ▲▲
 *   starts                 [0]                 [1]          [2]
 *   ends                            [0]          [1]          [2]
 *
 * Valid until the parser goes on: a command that keeps bytes copies them (`copy`, `text`). The three columns are also what
 * the engine takes as packed fields, so the bytes of an entry are copied once, from here to where they stay.
 */

const ROWS_MIN = 16
/** Columns of more rows are not kept for a few arguments: a million of them take 8 MiB. */
const ROWS_KEPT_MAX = 8192

export class Request {
  bytes: Buffer = Buffer.alloc(0)
  starts = new Int32Array(ROWS_MIN)
  ends = new Int32Array(ROWS_MIN)
  /** How many arguments, the command's name included. */
  count = 0

  /** A request of its own bytes, for a queue: transactions, tests. */
  static of(args: readonly (string | Uint8Array)[]): Request {
    const request = new Request()
    const parts = args.map((arg) => (typeof arg === 'string' ? Buffer.from(arg, 'latin1') : arg))
    request.bytes = Buffer.concat(parts)
    let at = 0
    for (const part of parts) {
      request.add(at, at + part.length)
      at += part.length
    }
    return request
  }

  /** Adds an argument that lies between two places of `bytes`. */
  add(start: number, end: number): void {
    if (this.count === this.starts.length) this.#resize(this.count * 2)
    this.starts[this.count] = start
    this.ends[this.count] = end
    this.count++
  }

  /** The same request with bytes of its own, which stay. */
  detached(): Request {
    const from = this.count === 0 ? 0 : this.starts[0]!
    const to = this.count === 0 ? 0 : this.ends[this.count - 1]!
    const copy = new Request()
    copy.bytes = Buffer.from(this.bytes.subarray(from, to))
    for (let i = 0; i < this.count; i++) copy.add(this.starts[i]! - from, this.ends[i]! - from)
    return copy
  }

  length(index: number): number {
    return this.ends[index]! - this.starts[index]!
  }

  /** An argument as a byte string: one character, 0 to 255, for each byte. */
  text(index: number): string {
    return this.bytes.toString('latin1', this.starts[index]!, this.ends[index]!)
  }

  /** An argument's bytes where they lie. */
  view(index: number): Buffer {
    return this.bytes.subarray(this.starts[index]!, this.ends[index]!)
  }

  copy(index: number): Buffer {
    return Buffer.from(this.view(index))
  }

  /**
   * Whether an argument is this word of A to Z, digits and dashes, given in upper case; small letters are equal.
   * As Redis, for which an option ends at a NUL: what stands behind one does not count.
   */
  is(index: number, word: string): boolean {
    const start = this.starts[index]!
    const length = this.ends[index]! - start
    if (length !== word.length && (length < word.length || this.bytes[start + word.length] !== 0)) return false
    for (let i = 0; i < word.length; i++) {
      const byte = this.bytes[start + i]!
      const upper = byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte
      if (upper !== word.charCodeAt(i)) return false
    }
    return true
  }

  /** A signed 64-bit decimal as Redis takes it (no `+`, no leading zero, no `-0`); undefined for anything else. */
  bigint(index: number): bigint | undefined {
    const small = this.integer(index)
    if (small === undefined) return undefined
    return Number.isSafeInteger(small) ? BigInt(small) : BigInt(this.text(index))
  }

  /** As `bigint`, as a number: beyond 2^53 the nearest one. */
  integer(index: number): number | undefined {
    const { bytes } = this
    let at = this.starts[index]!
    const end = this.ends[index]!
    if (end === at || end - at > 20) return undefined
    if (bytes[at] === 0x30) return end - at === 1 ? 0 : undefined
    const isNegative = bytes[at] === 0x2d
    if (isNegative) at++
    if (at === end || bytes[at] === 0x30) return undefined
    const digits = end - at
    let value = 0
    for (; at < end; at++) {
      const digit = bytes[at]! - 0x30
      if (digit < 0 || digit > 9) return undefined
      value = value * 10 + digit
    }
    if (digits >= 19 && !fitsInt64(this.text(index))) return undefined
    return isNegative ? -value : value
  }

  /** Bytes of the columns. */
  get columnBytes(): number {
    return this.starts.byteLength + this.ends.byteLength
  }

  /** Gives back the columns that a request of very many arguments has left behind. */
  shrink(): void {
    if (this.starts.length > ROWS_KEPT_MAX && this.starts.length > this.count * 4) {
      this.#resize(Math.max(ROWS_MIN, this.count))
    }
  }

  #resize(rows: number): void {
    const starts = new Int32Array(rows)
    const ends = new Int32Array(rows)
    starts.set(this.starts.subarray(0, this.count))
    ends.set(this.ends.subarray(0, this.count))
    this.starts = starts
    this.ends = ends
  }
}

function fitsInt64(text: string): boolean {
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value
}
