/**
 * Bytes to replies, RESP2 and RESP3: what a client does. Knows no socket; takes chunks cut anywhere.
 *
 *   feed(chunk) ──► next() true: `frame()` are its bytes, `value()` what they mean ──► next() … ──► false: more is needed
 *
 *   bytes    │ done │ frame │ frame in the making │ not looked at │ free │
 *                   ▲ #from ▲ #to                 ▲ #at           ▲ #end
 *
 *   left     how many values each open aggregate still lacks; *3 with a %2 within, whose first key came: [ 3, 3 ]
 *            An attribute (`|`) is one more: its keys and values, and then the value that it tells of.
 *
 * Finding the end of a frame makes no values, goes on where it stopped and never reserves what a length declares: linear in
 * the bytes however they are cut. Streamed strings and aggregates (`$?`, `*?`), which Redis never sends, are refused.
 */
import { replyLimits, type ReplyLimits } from './limits.ts'
import { ProtocolError } from './protocol-error.ts'
import { decodeReply, type ReplyValue } from './reply-value.ts'

const CR = 13
const LF = 10
const OWN_BYTES_MIN = 16_384
/** Values are decoded by recursion, so that depth is bounded whatever the options say. */
const DEPTH_MAX = 32
const DIGITS_MAX = 15

export class ReplyReader {
  readonly #limits: ReplyLimits
  #bytes: Buffer = Buffer.alloc(0)
  #isOwn = false
  #from = 0
  #to = 0
  #at = 0
  #end = 0
  /** No end of the line that is being read lies before this; 0: not known. */
  #seen = 0
  /** Where the bulk string being read ends, its CR LF included; -1: none is being read. */
  #bulkEnd = -1
  readonly #left: number[] = []

  constructor(limits: Partial<ReplyLimits> = {}) {
    this.#limits = { ...replyLimits, ...limits }
    if (this.#limits.depthMax > DEPTH_MAX) throw new RangeError(`depthMax is ${DEPTH_MAX} at most`)
  }

  /** Bytes that wait for the rest of their frame. */
  get waitingBytes(): number {
    return this.#end - this.#to
  }

  /** Takes the next bytes, which are read in place until they are parsed. Frames given so far are no longer valid. */
  feed(chunk: Buffer): void {
    if (this.#to === this.#end) {
      this.#bytes = chunk
      this.#isOwn = false
      this.#from = 0
      this.#to = 0
      this.#at = 0
      this.#end = chunk.length
      this.#seen = 0
      return
    }
    this.#makeRoom(chunk.length)
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** Whether there is one more whole frame. Throws `ProtocolError` when what comes cannot be one. */
  next(): boolean {
    for (;;) {
      const step = this.#bulkEnd >= 0 ? this.#skipBulk() : this.#line()
      if (step === 'more') return false
      if (step === 'opened' || !this.#closeValue()) continue
      this.#from = this.#to
      this.#to = this.#at
      return true
    }
  }

  /** The bytes of the frame that `next` has found; a view, valid until the next `feed`. */
  frame(): Buffer {
    return this.#bytes.subarray(this.#from, this.#to)
  }

  /** The frame as a value; its bulk strings are views, valid until the next `feed`. */
  value(): ReplyValue {
    return decodeReply(this.frame())
  }

  /** One line: a value by itself, or the head of a bulk string or of an aggregate. */
  #line(): Step {
    const end = this.#lineEnd()
    if (end < 0) return 'more'
    const type = this.#bytes[this.#at]!
    const start = this.#at + 1
    this.#at = end + 2
    switch (type) {
      case 0x2b: // +
      case 0x2d: // -
        return 'value'
      case 0x24: // $
      case 0x21: // !
      case 0x3d: // =
        return this.#openBulk(type, start, end)
      case 0x2a: // *
      case 0x7e: // ~
      case 0x3e: // >
        return this.#open(this.#count(type, start, end))
      case 0x25: // %
        return this.#open(this.#count(type, start, end) * 2)
      case 0x7c: // |
        return this.#open(this.#count(type, start, end) * 2 + 1)
      default:
        checkScalar(type, this.#bytes.toString('latin1', start, end))
        return 'value'
    }
  }

  #openBulk(type: number, start: number, end: number): Step {
    const length = decimal(this.#bytes, start, end)
    if (length === -1 && type === 0x24) return 'value'
    const isShort = type === 0x3d && length < 4
    if (Number.isNaN(length) || length < 0 || isShort || length > this.#limits.bulkBytesMax) {
      throw new ProtocolError('invalid bulk length in a reply')
    }
    this.#bulkEnd = this.#at + length + 2
    this.#checkSize(this.#bulkEnd)
    return 'opened'
  }

  /** How many elements an aggregate has; 0 for RESP2's null array. */
  #count(type: number, start: number, end: number): number {
    const count = decimal(this.#bytes, start, end)
    if (count === -1 && type === 0x2a) return 0
    if (Number.isNaN(count) || count < 0 || count > this.#limits.elementsMax) {
      throw new ProtocolError('invalid length of an aggregate in a reply')
    }
    return count
  }

  #open(values: number): Step {
    if (values === 0) return 'value'
    if (this.#left.length >= this.#limits.depthMax) throw new ProtocolError('a reply is nested too deeply')
    this.#left.push(values)
    return 'opened'
  }

  #skipBulk(): Step {
    if (this.#bulkEnd > this.#end) return 'more'
    const end = this.#bulkEnd
    if (this.#bytes[end - 2] !== CR || this.#bytes[end - 1] !== LF) {
      throw new ProtocolError('expected CRLF after a bulk string in a reply')
    }
    this.#at = end
    this.#bulkEnd = -1
    return 'value'
  }

  /** A value has ended, and perhaps aggregates with it: whether the whole frame has. */
  #closeValue(): boolean {
    const left = this.#left
    while (left.length > 0) {
      const rest = left.at(-1)! - 1
      if (rest > 0) {
        left[left.length - 1] = rest
        this.#checkSize(this.#at)
        return false
      }
      left.pop()
    }
    return true
  }

  #lineEnd(): number {
    const end = this.#at === this.#end ? -1 : this.#bytes.indexOf(CR, Math.max(this.#at, this.#seen))
    if (end >= 0 && end + 1 < this.#end) {
      if (this.#bytes[end + 1] !== LF) throw new ProtocolError('expected LF after CR in a reply')
      this.#seen = 0
      return end
    }
    if (this.#end - this.#at > this.#limits.lineBytesMax) throw new ProtocolError('too long a line in a reply')
    // The last byte may be the CR whose LF is still to come.
    this.#seen = Math.max(this.#end - 1, 0)
    return -1
  }

  #checkSize(end: number): void {
    if (end - this.#to > this.#limits.replyBytesMax) throw new ProtocolError('too large a reply')
  }

  /** Makes the bytes ours, with what is waiting at their front, and with room for so many more. */
  #makeRoom(more: number): void {
    const done = this.#to
    const waiting = this.#end - done
    if (this.#isOwn && this.#end + more <= this.#bytes.length) return
    const isRoomy = this.#isOwn && waiting + more <= this.#bytes.length && done > waiting
    const target = isRoomy ? this.#bytes : Buffer.allocUnsafe(Math.max(OWN_BYTES_MIN, waiting + more, waiting * 2))
    this.#bytes.copy(target, 0, done, this.#end)
    this.#bytes = target
    this.#isOwn = true
    this.#at -= done
    this.#seen = Math.max(this.#seen - done, 0)
    if (this.#bulkEnd >= 0) this.#bulkEnd -= done
    this.#from = 0
    this.#to = 0
    this.#end = waiting
  }
}

type Step = 'more' | 'opened' | 'value'

/** A signed decimal; NaN for anything else. */
function decimal(bytes: Buffer, from: number, to: number): number {
  const isNegative = bytes[from] === 0x2d
  const start = isNegative ? from + 1 : from
  if (to === start || to - start > DIGITS_MAX) return Number.NaN
  let value = 0
  for (let at = start; at < to; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return isNegative ? -value : value
}

/** Throws when the text of a one-line value is not one of its type. */
function checkScalar(type: number, text: string): void {
  if (isScalar(String.fromCharCode(type), text)) return
  throw new ProtocolError(`not a reply: ${JSON.stringify(String.fromCharCode(type) + text.slice(0, 40))}`)
}

function isScalar(type: string, text: string): boolean {
  switch (type) {
    case ':':
      return /^[+-]?\d{1,20}$/.test(text)
    case '(':
      return /^[+-]?\d+$/.test(text)
    case ',':
      return /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf|-?nan)$/i.test(text)
    case '#':
      return text === 't' || text === 'f'
    case '_':
      return text === ''
    default:
      return false
  }
}
