/**
 * A reply as a value, and how a whole frame becomes one. RESP2 has the first eight kinds, RESP3 all of them.
 *
 *   *2\r\n$1\r\na\r\n:5\r\n   ──►   { kind: 'array', items: [{ kind: 'bulk', bytes: a }, { kind: 'integer', value: 5 }] }
 *
 * Bulk strings are views of the frame: whoever keeps one copies it.
 */
import { ProtocolError } from './protocol-error.ts'

export type ReplyValue =
  | { readonly kind: 'simple'; readonly text: string }
  | { readonly kind: 'error'; readonly line: string }
  | { readonly kind: 'integer'; readonly value: number | bigint }
  | { readonly kind: 'bulk'; readonly bytes: Buffer }
  /** `isArray`: RESP2's `*-1`. */
  | { readonly kind: 'null'; readonly isArray: boolean }
  | { readonly kind: 'array' | 'set' | 'push'; readonly items: readonly ReplyValue[] }
  | { readonly kind: 'map'; readonly entries: readonly (readonly [ReplyValue, ReplyValue])[] }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'double'; readonly value: number; readonly text: string }
  | { readonly kind: 'big'; readonly value: bigint }
  | { readonly kind: 'verbatim'; readonly format: string; readonly bytes: Buffer }
  /** A value with what was told about it. */
  | { readonly kind: 'attributed'; readonly attributes: ReplyValue; readonly value: ReplyValue }

/** The value of one whole frame, whose structure the reader has checked. */
export function decodeReply(frame: Buffer): ReplyValue {
  return new Decoder(frame).next()
}

const CR = 13

class Decoder {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  next(): ReplyValue {
    const type = String.fromCharCode(this.#bytes[this.#at]!)
    const line = this.#line()
    switch (type) {
      case '+':
        return { kind: 'simple', text: line }
      case '-':
        return { kind: 'error', line }
      case ':':
        return { kind: 'integer', value: integer(line) }
      case '$':
        return line === '-1' ? { kind: 'null', isArray: false } : { kind: 'bulk', bytes: this.#take(Number(line)) }
      case '*':
        return line === '-1' ? { kind: 'null', isArray: true } : { kind: 'array', items: this.#items(Number(line)) }
      default:
        return this.#resp3(type, line)
    }
  }

  #resp3(type: string, line: string): ReplyValue {
    switch (type) {
      case '_':
        return { kind: 'null', isArray: false }
      case '#':
        return { kind: 'boolean', value: line === 't' }
      case ',':
        return { kind: 'double', value: double(line), text: line }
      case '(':
        return { kind: 'big', value: BigInt(line) }
      case '!':
        return { kind: 'error', line: this.#take(Number(line)).toString('latin1') }
      case '=': {
        const bytes = this.#take(Number(line))
        return { kind: 'verbatim', format: bytes.toString('latin1', 0, 3), bytes: bytes.subarray(4) }
      }
      case '~':
        return { kind: 'set', items: this.#items(Number(line)) }
      case '>':
        return { kind: 'push', items: this.#items(Number(line)) }
      case '%':
        return this.#map(Number(line))
      case '|': {
        const attributes = this.#map(Number(line))
        return { kind: 'attributed', attributes, value: this.next() }
      }
      default:
        throw new ProtocolError(`unknown reply type '${type}'`)
    }
  }

  #items(count: number): ReplyValue[] {
    const items: ReplyValue[] = []
    for (let i = 0; i < count; i++) items.push(this.next())
    return items
  }

  #map(pairs: number): ReplyValue {
    const entries: [ReplyValue, ReplyValue][] = []
    for (let i = 0; i < pairs; i++) entries.push([this.next(), this.next()])
    return { kind: 'map', entries }
  }

  /** The rest of the line after its type. */
  #line(): string {
    const end = this.#bytes.indexOf(CR, this.#at)
    const text = this.#bytes.toString('latin1', this.#at + 1, end)
    this.#at = end + 2
    return text
  }

  #take(length: number): Buffer {
    const bytes = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length + 2
    return bytes
  }
}

function integer(text: string): number | bigint {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

function double(text: string): number {
  if (/inf/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  return Number(text)
}
