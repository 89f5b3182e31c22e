/**
 * Replies of one connection, written into one growing buffer. In RESP2 what RESP3 has a type for becomes what Redis makes
 * of it there: a map a flat array, a null `$-1`, a boolean 0 or 1, a double its text.
 *
 *   bytes   │ +OK\r\n │ :3\r\n │ *2\r\n$1\r\na\r\n … │            free            │
 *                                                    ▲ length
 *
 * `mark` and `rewind` take back what a command wrote before it failed.
 */

/** The first buffer of a connection: of many most only say hello. It grows with the replies; the next one begins as large as they were. */
const BYTES_MIN = 1024
const NO_BYTES = Buffer.alloc(0)
const NO_VIEW = new DataView(NO_BYTES.buffer, 0, 0)
/** A buffer that a large reply has made larger than this is given back once it is sent. */
const KEPT_BYTES_MAX = 262_144
const CR = 13
const LF = 10

export class ReplyWriter {
  bytes: Buffer = NO_BYTES
  /** The same bytes, for who writes several at once. */
  view: DataView = NO_VIEW
  /** How many bytes are written. */
  length = 0
  protocol: 2 | 3 = 2
  #nextBytes = BYTES_MIN
  /** The last view of what was written, of these bytes: replies are often as long as the one before, and making one takes 0.15 µs. */
  #written: Buffer = NO_BYTES

  ok(): void {
    this.simple('OK')
  }

  /** A line without CR and LF, of latin1 characters. */
  simple(text: string): void {
    this.#line(0x2b, text)
  }

  /**
   * An error: `ERR …`, `WRONGTYPE …`. CR and LF, which could only come from a peer's bytes, go at its end and become spaces
   * within it, as in Redis.
   */
  error(line: string): void {
    this.#line(0x2d, /[\r\n]/.test(line) ? oneLine(line) : line)
  }

  integer(value: number | bigint): void {
    this.reserve(24)
    this.bytes[this.length++] = 0x3a
    if (typeof value === 'number') this.digits(value)
    else this.#ascii(value.toString())
    this.#crlf()
  }

  bulk(value: Uint8Array): void {
    this.#header(0x24, value.length)
    this.reserve(value.length + 2)
    this.bytes.set(value, this.length)
    this.length += value.length
    this.#crlf()
  }

  /** A byte string: one latin1 character for each byte. */
  bulkText(text: string): void {
    this.#header(0x24, text.length)
    this.reserve(text.length + 2)
    this.length += this.bytes.write(text, this.length, 'latin1')
    this.#crlf()
  }

  null(): void {
    this.raw(this.protocol === 3 ? '_\r\n' : '$-1\r\n')
  }

  /** The null that stands in for an array: differs from `null` in RESP2. */
  nullArray(): void {
    this.raw(this.protocol === 3 ? '_\r\n' : '*-1\r\n')
  }

  array(length: number): void {
    this.#header(0x2a, length)
  }

  /** A map of so many pairs. */
  map(pairs: number): void {
    if (this.protocol === 3) this.#header(0x25, pairs)
    else this.#header(0x2a, pairs * 2)
  }

  set(length: number): void {
    this.#header(this.protocol === 3 ? 0x7e : 0x2a, length)
  }

  push(length: number): void {
    this.#header(this.protocol === 3 ? 0x3e : 0x2a, length)
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.raw(value ? '#t\r\n' : '#f\r\n')
    else this.integer(value ? 1 : 0)
  }

  double(text: string): void {
    if (this.protocol === 3) this.#line(0x2c, text)
    else this.bulkText(text)
  }

  /** Text with its format, `txt` or `mkd`. */
  verbatim(format: 'txt' | 'mkd', text: string): void {
    if (this.protocol === 2) return this.bulkText(text)
    this.#header(0x3d, text.length + 4)
    this.reserve(text.length + 6)
    this.length += this.bytes.write(`${format}:${text}`, this.length, 'latin1')
    this.#crlf()
  }

  /** Bytes that are RESP already, as latin1 text. */
  raw(text: string): void {
    this.reserve(text.length)
    this.length += this.bytes.write(text, this.length, 'latin1')
  }

  mark(): number {
    return this.length
  }

  rewind(mark: number): void {
    this.length = mark
  }

  /** What is written, as a view: to be sent or copied before the next write. */
  written(): Buffer {
    if (this.#written.length !== this.length) this.#written = this.bytes.subarray(0, this.length)
    return this.#written
  }

  /** After the bytes were sent; `isFree`: nobody reads them any more, else a new buffer is taken. */
  sent(isFree: boolean): void {
    if (!isFree || this.bytes.length > KEPT_BYTES_MAX) {
      this.#nextBytes = Math.min(Math.max(this.length, BYTES_MIN), KEPT_BYTES_MAX)
      this.#hold(NO_BYTES, NO_VIEW)
    }
    this.length = 0
  }

  /** Gives an empty buffer back: of many connections most are quiet most of the time. */
  release(): void {
    if (this.length > 0) return
    this.#hold(NO_BYTES, NO_VIEW)
    this.#nextBytes = BYTES_MIN
  }

  /** Room for so many more bytes. */
  reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.bytes.length * 2, this.#nextBytes))
    this.bytes.copy(grown, 0, 0, this.length)
    this.#hold(grown, new DataView(grown.buffer, grown.byteOffset, grown.length))
  }

  #hold(bytes: Buffer, view: DataView): void {
    this.bytes = bytes
    this.view = view
    this.#written = NO_BYTES
  }

  /** Hot: a whole number without a string being made; the caller has reserved 21 bytes. */
  digits(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0 || value > 999_999_999) return this.#ascii(String(value))
    let rest = value
    let size = 1
    for (let limit = 10; limit <= rest; limit *= 10) size++
    let at = this.length + size
    this.length = at
    do {
      const tenth = (rest / 10) | 0
      this.bytes[--at] = 0x30 + (rest - tenth * 10)
      rest = tenth
    } while (rest > 0)
  }

  #header(type: number, length: number): void {
    this.reserve(24)
    this.bytes[this.length++] = type
    this.digits(length)
    this.#crlf()
  }

  #line(type: number, text: string): void {
    this.reserve(text.length + 3)
    this.bytes[this.length++] = type
    this.length += this.bytes.write(text, this.length, 'latin1')
    this.#crlf()
  }

  #ascii(text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i)
  }

  #crlf(): void {
    this.bytes[this.length++] = CR
    this.bytes[this.length++] = LF
  }
}

/** By steps from the end: a pattern that is anchored there takes the square of its time for a million CR. */
function oneLine(text: string): string {
  let end = text.length
  while (end > 0 && (text[end - 1] === '\r' || text[end - 1] === '\n')) end--
  return text.slice(0, end).replace(/[\r\n]/g, ' ')
}
