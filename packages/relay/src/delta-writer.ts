/**
 * Joins a model's small chunks, so that a token costs no round trip of its own.
 *
 *   push 'A' ─► append 'A'           the first at once
 *   push ' con' ┐
 *   push 'sumer'┴─ lingerMs ─► append ' consumer'
 *   finish ─► append the rest
 *
 * One append at a time; what arrives meanwhile waits in one text. When that holds more than WAITING_CHARS_MAX,
 * push() resolves only after an append: a model is not read faster than its log is written.
 * A surrogate pair is never split over two entries, and a lone surrogate becomes U+FFFD, so that the text is the
 * same in UTF-16 and in UTF-8.
 */
import { performance } from 'node:perf_hooks'

const WAITING_CHARS_MAX = 65_536
/** Keeps an entry small enough for one frame of every wire. */
const ENTRY_CHARS_MAX = 8192

export class DeltaWriter {
  readonly #append: (text: string) => Promise<void>
  readonly #lingerMs: number
  readonly #onFailure: (error: unknown) => void
  #waiting = ''
  #draining: Promise<void> | undefined
  #finishing = false
  #failure: { readonly error: unknown } | undefined
  #lastAppendMs = -Infinity
  #hurry: (() => void) | undefined

  /** `onFailure` is called once, when an append fails; after that push() and finish() reject with its error. */
  constructor(append: (text: string) => Promise<void>, lingerMs: number, onFailure: (error: unknown) => void) {
    this.#append = append
    this.#lingerMs = lingerMs
    this.#onFailure = onFailure
  }

  async push(text: string): Promise<void> {
    this.#throwIfFailed()
    this.#waiting += text
    // Half a pair alone is nothing to append yet.
    if (this.#peek() !== '') this.#draining ??= this.#drain()
    if (this.#waiting.length >= ENTRY_CHARS_MAX) this.#hurry?.()
    while (this.#waiting.length > WAITING_CHARS_MAX && this.#draining !== undefined) {
      await this.#draining
    }
    this.#throwIfFailed()
  }

  /** Drops what waits; resolves when no append is under way any more. */
  async drop(): Promise<void> {
    this.#waiting = ''
    this.#hurry?.()
    await this.#draining
  }

  /** Resolves when everything is in the log. */
  async finish(): Promise<void> {
    this.#finishing = true
    this.#hurry?.()
    await this.#draining
    this.#throwIfFailed()
    if (this.#waiting !== '') await (this.#draining = this.#drain())
    this.#throwIfFailed()
  }

  /** Only with something to append. Never rejects: a failure is kept for the next push() or finish(). */
  async #drain(): Promise<void> {
    try {
      for (let text = this.#peek(); text !== ''; text = this.#peek()) {
        await this.#linger()
        text = this.#peek()
        if (text === '') return // Dropped during the wait.
        this.#waiting = this.#waiting.slice(text.length)
        this.#lastAppendMs = performance.now()
        await this.#append(wellFormed(text))
      }
    } catch (error) {
      this.#failure = { error }
      this.#onFailure(error)
    } finally {
      this.#draining = undefined
    }
  }

  /** The next entry's text: a high surrogate at the end waits for its other half, unless nothing more comes. */
  #peek(): string {
    const text = this.#waiting.slice(0, ENTRY_CHARS_MAX)
    if (!endsInHighSurrogate(text)) return text
    return this.#finishing && text.length === this.#waiting.length ? text : text.slice(0, -1)
  }

  #linger(): Promise<void> | undefined {
    const waitMs = this.#lastAppendMs + this.#lingerMs - performance.now()
    if (waitMs <= 0 || this.#finishing || this.#waiting.length >= ENTRY_CHARS_MAX) return undefined
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#hurry?.(), waitMs)
      this.#hurry = () => {
        clearTimeout(timer)
        this.#hurry = undefined
        resolve()
      }
    })
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

function endsInHighSurrogate(text: string): boolean {
  const code = text.charCodeAt(text.length - 1)
  return code >= 0xd800 && code <= 0xdbff
}

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\uFFFD')
}
