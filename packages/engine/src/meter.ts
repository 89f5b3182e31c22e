/**
 * Counts bytes where they are allocated, so that the memory of a stream, and of all of them, is one field to read.
 *
 *   segment, node table, pending block ──add──► stream's meter ──add──► database's meter
 *                                                      └── chargeTo: a stream that moves takes its bytes along
 */

export class Meter {
  #bytes = 0
  #parent: Meter | undefined

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

  /** From now on another meter includes these bytes, and no longer the one that did; undefined: none. */
  chargeTo(parent: Meter | undefined): void {
    this.#parent?.add(-this.#bytes)
    this.#parent = parent
    parent?.add(this.#bytes)
  }
}
