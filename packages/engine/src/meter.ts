/**
 * Counts bytes where they are allocated, so that the memory of a stream, and of all of them, is one field to read.
 *
 *   segment, node table, pending block ──add──► stream's meter ──add──► database's meter
 */

export class Meter {
  #bytes = 0
  readonly #parent: Meter | undefined

  constructor(parent?: Meter) {
    this.#parent = parent
  }

  get bytes(): number {
    return this.#bytes
  }

  /** Adds an allocation, or takes one away when negative. */
  add(bytes: number): void {
    this.#bytes += bytes
    this.#parent?.add(bytes)
  }
}
