/** Length and SHA-256 of an answer's text, kept up as it grows, without holding the text. */
import { createHash, type Hash } from 'node:crypto'

export class TextDigest {
  #hash: Hash = createHash('sha256')
  #chars = 0

  /** In UTF-16 code units. */
  get chars(): number {
    return this.#chars
  }

  add(text: string): void {
    this.#hash.update(text, 'utf8')
    this.#chars += text.length
  }

  reset(): void {
    this.#hash = createHash('sha256')
    this.#chars = 0
  }

  hex(): string {
    return this.#hash.copy().digest('hex')
  }
}
