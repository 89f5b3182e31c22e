/**
 * Redis's glob patterns, as KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET and ACL rules take them.
 *
 *   h?llo     one byte                  h[ae]llo   one of them             \*   the byte itself
 *   h*llo     any number of bytes       h[^e]llo   none of them            h[a-c]llo   a range, whichever end comes first
 *
 *   pattern   u s e r : * [ 0 - 9 ]
 *   steps    [u][s][e][r][:][any bytes][class 0]         classes  [ 256 bits ] …
 *
 * A pattern is read once. Matching then goes forward through the text and, where a step fails, back to one byte behind the
 * place where the last `*` began: what an earlier `*` took can never help where the last one could not. So it takes no
 * stack, and time that grows with the length of the text times that of the longest part between two `*`.
 *
 * Odd, and as Redis: a class that is not closed ends with the pattern; a `\` at the end is itself; in `[a-]` the range goes
 * from `a` to `]`; and the empty text matches the empty pattern only, so not `*`.
 */

const ANY_BYTE = 256
const ANY_BYTES = 257
const FIRST_CLASS = 258
const CLASS_WORDS = 8

const STAR = 0x2a
const QUESTION = 0x3f
const OPEN = 0x5b
const CLOSE = 0x5d
const BACKSLASH = 0x5c
const CARET = 0x5e
const DASH = 0x2d

export class Glob {
  /** A byte, ANY_BYTE, ANY_BYTES, or FIRST_CLASS and up. */
  readonly #steps: number[] = []
  readonly #classes: number[] = []
  readonly #ignoresCase: boolean

  /** A pattern of latin1 characters, one for each byte. */
  constructor(pattern: string, options: { readonly ignoresCase?: boolean } = {}) {
    this.#ignoresCase = options.ignoresCase === true
    for (let at = 0; at < pattern.length;) at = this.#step(pattern, at)
  }

  /** Whether a text, of latin1 characters, is one of those that the pattern means. */
  matches(text: string): boolean {
    const steps = this.#steps
    let step = 0
    let at = 0
    let starStep = -1
    let starAt = 0
    if (text.length === 0) return steps.length === 0
    while (at < text.length) {
      if (step < steps.length && steps[step] === ANY_BYTES) {
        step++
        if (step === steps.length) return true
        starStep = step
        starAt = at
      } else if (step < steps.length && this.#takes(steps[step]!, text.charCodeAt(at))) {
        step++
        at++
      } else if (starStep >= 0) {
        step = starStep
        at = ++starAt
      } else return false
    }
    while (step < steps.length && steps[step] === ANY_BYTES) step++
    return step === steps.length
  }

  #takes(step: number, byte: number): boolean {
    if (step < ANY_BYTE) return step === (this.#ignoresCase ? lower(byte) : byte)
    if (step === ANY_BYTE) return true
    const word = (step - FIRST_CLASS) * CLASS_WORDS + (byte >> 5)
    return ((this.#classes[word]! >>> (byte & 31)) & 1) === 1
  }

  /** Reads one step; returns where the next one begins. */
  #step(pattern: string, at: number): number {
    const byte = pattern.charCodeAt(at)
    if (byte === STAR) {
      if (this.#steps[this.#steps.length - 1] !== ANY_BYTES) this.#steps.push(ANY_BYTES)
    } else if (byte === QUESTION) this.#steps.push(ANY_BYTE)
    else if (byte === OPEN) return this.#class(pattern, at + 1)
    else if (byte === BACKSLASH && at + 1 < pattern.length) {
      this.#steps.push(this.#byte(pattern, at + 1))
      return at + 2
    } else this.#steps.push(this.#byte(pattern, at))
    return at + 1
  }

  #byte(pattern: string, at: number): number {
    const byte = pattern.charCodeAt(at)
    return this.#ignoresCase ? lower(byte) : byte
  }

  /** Reads a class whose `[` is behind us. */
  #class(pattern: string, from: number): number {
    const bits = new Uint32Array(CLASS_WORDS)
    const isNegated = pattern.charCodeAt(from) === CARET
    let at = isNegated ? from + 1 : from
    while (at < pattern.length && pattern.charCodeAt(at) !== CLOSE) {
      const left = pattern.length - at
      if (pattern.charCodeAt(at) === BACKSLASH && left >= 2) {
        include(bits, this.#byte(pattern, at + 1), this.#byte(pattern, at + 1))
        at += 2
      } else if (left >= 3 && pattern.charCodeAt(at + 1) === DASH) {
        include(bits, this.#byte(pattern, at), this.#byte(pattern, at + 2))
        at += 3
      } else {
        include(bits, this.#byte(pattern, at), this.#byte(pattern, at))
        at++
      }
    }
    this.#steps.push(FIRST_CLASS + this.#classes.length / CLASS_WORDS)
    if (this.#ignoresCase) for (let byte = 0x41; byte <= 0x5a; byte++) copyBit(bits, lower(byte), byte)
    for (const word of bits) this.#classes.push((isNegated ? ~word : word) >>> 0)
    return at + 1
  }
}

/** Whether a text is one of those that a pattern means; a pattern that is asked more than once is better kept as a `Glob`. */
export function globMatch(pattern: string, text: string, options: { readonly ignoresCase?: boolean } = {}): boolean {
  return new Glob(pattern, options).matches(text)
}

/** As Redis, where bytes from 128 on are below zero: a range from 255 to 1 has 255, 0 and 1. */
function include(bits: Uint32Array, one: number, other: number): void {
  const from = signed(one)
  const to = signed(other)
  const last = Math.max(from, to)
  for (let value = Math.min(from, to); value <= last; value++) bits[(value & 255) >> 5]! |= 1 << (value & 31)
}

function signed(byte: number): number {
  return (byte << 24) >> 24
}

/** Lets `to` be in the class exactly when `from` is. */
function copyBit(bits: Uint32Array, from: number, to: number): void {
  const isIn = (bits[from >> 5]! >>> (from & 31)) & 1
  bits[to >> 5] = isIn === 1 ? bits[to >> 5]! | (1 << (to & 31)) : bits[to >> 5]! & ~(1 << (to & 31))
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte
}
