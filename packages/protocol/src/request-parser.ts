/**
 * Bytes to requests: RESP arrays of bulk strings, and inline commands. Knows no socket; takes chunks cut anywhere.
 *
 *   feed(chunk) ──► next() true: `request` is one, in place ──► next() … ──► false: more bytes are needed
 *
 *   bytes    │ done │ request in the making │ not looked at │ free │
 *                   ▲ #start                ▲ #at           ▲ #end
 *
 * A chunk that holds whole requests is parsed where it lies. Only what a chunk ends in the middle of is copied, into a
 * buffer of the parser's own, which grows with what arrives and never by what a peer declares. Parsing goes on where it
 * stopped, so the cost is linear in the bytes however they are cut.
 *
 * Rules and error texts are those of Redis 7.0 (redis.io/docs/latest/develop/reference/protocol-spec), but for two: bytes
 * other than CR LF after an argument are refused; and so is an inline request that begins with a byte no text begins with,
 * or that holds a NUL, where Redis waits for ever (its C string ends there, so that it never sees the end of the line).
 */
import { addPlainWords, splitInline } from './inline.ts'
import { requestLimits, type RequestLimits } from './limits.ts'
import { ProtocolError } from './protocol-error.ts'
import { Request } from './request.ts'

const NO_BYTES = Buffer.alloc(0)
const CR = 13
/** A megabyte has seven. */
const LONG_HEADER_DIGITS_MAX = 7
const LF = 10
const TAB = 9
const OWN_BYTES_MIN = 16_384
/** A buffer of our own that is larger than this, and mostly free, is given back: two reads of a socket. */
const OWN_BYTES_KEPT_MAX = 131_072
const DECIMAL_DIGITS_MAX = 20

export class RequestParser {
  /** The request that `next` has found; valid until the next call. */
  readonly request = new Request()
  /** False until the client has proved who it is: tighter limits hold. */
  isAuthenticated = true
  readonly #limits: RequestLimits
  /** Up to here, and below ten, a number of arguments is within every limit. */
  readonly #quickArgumentsMax: number
  /** What is being parsed. The request has the same bytes, or, of an inline request with quotes, some of its own. */
  #bytes: Buffer = Buffer.alloc(0)
  #start = 0
  #at = 0
  #end = 0
  /** The bytes are in a buffer of our own, which may be written to. */
  #isOwn = false
  /** No end of the line that is being read lies before this; 0: not known. */
  #seen = 0
  /** Arguments that the request in the making still lacks; 0: none is in the making. */
  #argumentsLeft = 0
  /** The length of the argument being read; -1: its length line is next. */
  #bulkLength = -1

  constructor(limits: Partial<RequestLimits> = {}) {
    this.#limits = { ...requestLimits, ...limits }
    const { argumentsMax, unauthenticatedArgumentsMax } = this.#limits
    this.#quickArgumentsMax = Math.min(9, argumentsMax, unauthenticatedArgumentsMax)
  }

  /** Bytes that wait for the rest of their request. */
  get waitingBytes(): number {
    return this.#end - this.#start
  }

  /** Arguments of the request in the making, those to come included; 0: none is in the making. */
  get argumentsExpected(): number {
    return this.#argumentsLeft === 0 ? 0 : this.request.count + this.#argumentsLeft
  }

  /**
   * Takes the next bytes, the first `length` of a chunk; the parser reads them in place until they are parsed. Whoever uses
   * the chunk's memory again calls `keep` before.
   */
  feed(chunk: Buffer, length = chunk.length): void {
    if (this.#start === this.#end) {
      this.#bytes = chunk
      this.request.bytes = chunk
      this.#isOwn = false
      this.#start = 0
      this.#at = 0
      this.#end = length
      this.#seen = 0
      return
    }
    this.#makeRoom(length)
    this.#bytes.set(length === chunk.length ? chunk : chunk.subarray(0, length), this.#end)
    this.#end += length
  }

  /**
   * Copies what is not parsed yet, where that lies in a chunk, or in a buffer that a large request has made much larger. The
   * last request is not valid any more.
   */
  keep(): void {
    if (this.#start === this.#end) return this.release()
    const isTooLarge = this.#bytes.length > OWN_BYTES_KEPT_MAX && this.#bytes.length > this.waitingBytes * 4
    if (!this.#isOwn || isTooLarge) this.#moveTo(Buffer.allocUnsafe(this.#roomFor(0)))
    this.request.shrink()
  }

  /** Lets go of bytes that are all parsed: a connection that is quiet keeps none. The last request is not valid any more. */
  release(): void {
    if (this.#start !== this.#end) return
    this.#bytes = NO_BYTES
    this.request.bytes = NO_BYTES
    this.request.count = 0
    this.request.shrink()
    this.#isOwn = false
    this.#start = 0
    this.#at = 0
    this.#end = 0
  }

  /** Whether there is one more whole request. Throws `ProtocolError` when what comes cannot be one. */
  next(): boolean {
    for (;;) {
      if (this.#argumentsLeft === 0) {
        this.request.count = 0
        this.request.bytes = this.#bytes
        this.#start = this.#at
        if (this.#at === this.#end) return false
        if (this.#bytes[this.#at] !== 0x2a) {
          if (!this.#inline()) return false
          if (this.request.count > 0) return true
          continue
        }
        if (!this.#multibulk()) return false
        if (this.#argumentsLeft === 0) continue
      }
      return this.#arguments()
    }
  }

  /** `*N`; false when the line is not whole. A count of 0 and less asks for nothing, and gets nothing. */
  #multibulk(): boolean {
    const bytes = this.#bytes
    const at = this.#at
    // Hot: nearly every request has less than ten arguments. Searching for the end of the line took a third of an XADD's parsing.
    if (at + 3 < this.#end && bytes[at + 2] === CR && bytes[at + 3] === LF) {
      const digit = bytes[at + 1]! - 0x30
      if (digit > 0 && digit <= this.#quickArgumentsMax) {
        this.#at = at + 4
        this.#argumentsLeft = digit
        return true
      }
    }
    return this.#slowMultibulk()
  }

  #slowMultibulk(): boolean {
    const end = this.#lineEnd('too big mbulk count string')
    if (end < 0) return false
    const count = decimal(this.#bytes, this.#at + 1, end)
    if (Number.isNaN(count) || count > this.#limits.argumentsMax) throw new ProtocolError('invalid multibulk length')
    if (!this.isAuthenticated && count > this.#limits.unauthenticatedArgumentsMax) {
      throw new ProtocolError('unauthenticated multibulk length')
    }
    this.#at = end + 2
    this.#argumentsLeft = Math.max(count, 0)
    return true
  }

  /** The arguments of a request; false when they are not all there. */
  #arguments(): boolean {
    const { request } = this
    const { bytes } = request
    while (this.#argumentsLeft > 0) {
      if (this.#bulkLength < 0 && !this.#bulkHeader()) return false
      const from = this.#at
      const to = from + this.#bulkLength
      if (to + 2 > this.#end) {
        this.#checkSize(to + 2)
        return false
      }
      if (bytes[to] !== CR || bytes[to + 1] !== LF) throw new ProtocolError('expected CRLF after an argument')
      request.add(from, to)
      this.#at = to + 2
      this.#bulkLength = -1
      this.#argumentsLeft--
    }
    this.#start = this.#at
    return true
  }

  /** `$N`; false when the line is not whole. */
  #bulkHeader(): boolean {
    const bytes = this.#bytes
    const at = this.#at
    // Hot: nearly every length has one or two digits.
    if (at + 4 < this.#end && bytes[at] === 0x24) {
      const first = bytes[at + 1]! - 0x30
      const second = bytes[at + 2]!
      if (first >= 0 && first <= 9 && second === CR && bytes[at + 3] === LF) {
        this.#bulkLength = first
        this.#at = at + 4
        return true
      }
      if (first > 0 && first <= 9 && second >= 0x30 && second <= 0x39 && bytes[at + 3] === CR && bytes[at + 4] === LF) {
        this.#bulkLength = first * 10 + second - 0x30
        this.#at = at + 5
        return true
      }
    }
    return this.#longBulkHeader(at) || this.#slowBulkHeader()
  }

  /** Three to seven digits, all there: what `indexOf` and a check of every case take 0.2 µs for. */
  #longBulkHeader(start: number): boolean {
    const bytes = this.#bytes
    const last = Math.min(this.#end - 1, start + LONG_HEADER_DIGITS_MAX + 1)
    const first = bytes[start + 1]! - 0x30
    if (start >= last || bytes[start] !== 0x24 || first < 1 || first > 9) return false
    let length = first
    let at = start + 2
    for (; at < last; at++) {
      const digit = bytes[at]! - 0x30
      if (digit < 0 || digit > 9) break
      length = length * 10 + digit
    }
    if (at >= this.#end - 1 || bytes[at] !== CR || bytes[at + 1] !== LF) return false
    if (length > this.#limits.bulkBytesMax || !this.isAuthenticated) return false
    this.#seen = 0
    this.#bulkLength = length
    this.#at = at + 2
    return true
  }

  #slowBulkHeader(): boolean {
    const bytes = this.#bytes
    const end = this.#lineEnd('too big bulk count string')
    if (end < 0) return false
    const type = bytes[this.#at]!
    if (type !== 0x24) throw new ProtocolError(`expected '$', got '${String.fromCharCode(type)}'`)
    const length = decimal(bytes, this.#at + 1, end)
    if (Number.isNaN(length) || length < 0 || length > this.#limits.bulkBytesMax) {
      throw new ProtocolError('invalid bulk length')
    }
    if (!this.isAuthenticated && length > this.#limits.unauthenticatedBulkBytesMax) {
      throw new ProtocolError('unauthenticated bulk length')
    }
    this.#bulkLength = length
    this.#at = end + 2
    return true
  }

  #inline(): boolean {
    const bytes = this.#bytes
    const first = bytes[this.#at]!
    if (first < 0x20 && first !== CR && first !== LF && first !== TAB) {
      throw new ProtocolError(`expected '*' or text, got the byte ${first}`)
    }
    // Goes on where the last chunk ended, so that a line that comes byte by byte is looked at once.
    const found = bytes.indexOf(LF, Math.max(this.#at, this.#seen))
    if (found < 0 || found >= this.#end) {
      if (this.#end - this.#at > this.#limits.lineBytesMax) throw new ProtocolError('too big inline request')
      this.#seen = this.#end
      return false
    }
    const end = found > this.#at && bytes[found - 1] === CR ? found - 1 : found
    const start = this.#at
    this.#at = found + 1
    this.#start = this.#at
    this.#seen = 0
    if (!addPlainWords(this.request, start, end)) this.#addQuotedWords(bytes.toString('latin1', start, end))
    return true
  }

  /** Words with quotes are not what lies in the chunk, so they get bytes of their own. */
  #addQuotedWords(line: string): void {
    if (line.includes('\0')) throw new ProtocolError('a NUL in an inline request')
    const words = splitInline(line)
    if (words === undefined) throw new ProtocolError('unbalanced quotes in request')
    const { request } = this
    request.bytes = Buffer.from(words.join(''), 'latin1')
    let at = 0
    for (const word of words) {
      request.add(at, at + word.length)
      at += word.length
    }
  }

  /** Where the CR of the line at `#at` is, when its LF is there as well; else -1. */
  #lineEnd(tooLong: string): number {
    const end = this.#bytes.indexOf(CR, Math.max(this.#at, this.#seen))
    if (end >= 0 && end + 1 < this.#end) {
      this.#seen = 0
      return end
    }
    if (this.#end - this.#at > this.#limits.lineBytesMax) throw new ProtocolError(tooLong)
    // The last byte may be the CR whose LF is still to come.
    this.#seen = Math.max(this.#end - 1, 0)
    return -1
  }

  #checkSize(end: number): void {
    if (end - this.#start > this.#limits.requestBytesMax) throw new ProtocolError('too big request')
  }

  /** Makes the bytes ours, with room for so many more. */
  #makeRoom(more: number): void {
    if (this.#isOwn && this.#end + more <= this.#bytes.length) return
    const isRoomy = this.#isOwn && this.waitingBytes + more <= this.#bytes.length
    this.#moveTo(isRoomy ? this.#bytes : Buffer.allocUnsafe(this.#roomFor(more)))
  }

  #roomFor(more: number): number {
    return Math.max(OWN_BYTES_MIN, this.waitingBytes + more, this.waitingBytes * 2)
  }

  /** Moves what is waiting to the front of a buffer of ours. */
  #moveTo(target: Buffer): void {
    const { request } = this
    const waiting = this.waitingBytes
    this.#bytes.copy(target, 0, this.#start, this.#end)
    for (let i = 0; i < request.count; i++) {
      request.starts[i]! -= this.#start
      request.ends[i]! -= this.#start
    }
    this.#bytes = target
    request.bytes = target
    this.#isOwn = true
    this.#at -= this.#start
    this.#seen = Math.max(this.#seen - this.#start, 0)
    this.#end = waiting
    this.#start = 0
  }
}

/** A decimal as Redis takes it in a length line; NaN for anything else. */
function decimal(bytes: Buffer, from: number, to: number): number {
  const isNegative = bytes[from] === 0x2d
  const start = isNegative ? from + 1 : from
  if (to === start || to - start > DECIMAL_DIGITS_MAX) return Number.NaN
  if (bytes[start] === 0x30) return to - start === 1 && !isNegative ? 0 : Number.NaN
  let value = 0
  for (let at = start; at < to; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  // Above, any limit refuses it; below, -2^63 is the last that Redis reads as a number.
  if (isNegative && value >= 2 ** 63 && to - start >= 19 && !isInt64(bytes, from, to)) return Number.NaN
  return isNegative ? -value : value
}

function isInt64(bytes: Buffer, from: number, to: number): boolean {
  const value = BigInt(bytes.toString('latin1', from, to))
  return BigInt.asIntN(64, value) === value
}
