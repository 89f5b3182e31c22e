/**
 * Finds the records of many IDs in a pending list, one after the other, as EntrySeeker finds entries. The list must not
 * change meanwhile.
 */
import type { NumberId } from './number-id.ts'
import type { PendingList } from './pending.ts'
import type { PendingBlock } from './pending-block.ts'

export class PendingSeeker {
  readonly #list: PendingList
  #block: PendingBlock | undefined = undefined
  #row = -1

  constructor(list: PendingList) {
    this.#list = list
  }

  /** Goes to the record of an ID; false, and stays, when it is not pending. */
  seek(id: NumberId): boolean {
    const next = this.#row + 1
    if (this.#block !== undefined && next < this.#block.size && this.#block.compare(next, id) === 0) {
      this.#row = next
      return true
    }
    const block = this.#list.blockFor(id)
    const row = block?.find(id) ?? -1
    if (row < 0) return false
    this.#block = block
    this.#row = row
    return true
  }

  get owner(): number {
    return this.#block!.ownerAt(this.#row)
  }

  get timeMs(): number {
    return this.#block!.timeAt(this.#row)
  }

  get count(): number {
    return this.#block!.countAt(this.#row)
  }
}
