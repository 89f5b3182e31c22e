/**
 * A choice of a group's pending entries, in ID order, to be told one after the other: XPENDING's range, XINFO's lists.
 *
 *   blocks    [ a a b a ][ b b ][ a b … ]       those that can have some
 *   choice    owner b, from 1-1, to 9-0, idle for 100 ms, 5 at most
 *   next()          └───► ►┘  ► ──► …           the row is in `id`, `owner`, `timeMs`, `count`
 *
 * It looks at the blocks themselves, which must not change meanwhile; `keep` gives it copies of its own for later: some 14
 * bytes a row, a million in 5 ms.
 */
import { NOBODY, type Group } from './group.ts'
import { ID_MAX, ID_ZERO, type StreamId } from './id.ts'
import { IdCell, type NumberId } from './number-id.ts'
import type { PendingBlock } from './pending-block.ts'

export interface PendingChoice {
  /** The number of a consumer. Default: all, and what is nobody's. */
  readonly owner?: number
  readonly from?: StreamId
  readonly to?: StreamId
  /** Delivered at this time or before, or nobody's. */
  readonly deliveredMsMax?: number
  /** At most so many; `Infinity` is no limit. */
  readonly countMax: number
}

export class PendingPicture {
  /** The row that `next` came to. */
  readonly id = new IdCell()
  timeMs = 0
  deliveries = 0
  /** Empty: it is nobody's. */
  consumer = ''
  /** How many rows there are. */
  readonly length: number
  #blocks: readonly PendingBlock[]
  /** The first of them that is looked at, and the one behind the last. */
  #first: number
  #end: number
  readonly #choice: PendingChoice
  readonly #from: NumberId
  readonly #to: NumberId
  #nameOf: (owner: number) => string
  #owner = NOBODY
  #index = 0
  #row = 0
  #left: number

  constructor(group: Group, choice: PendingChoice) {
    const { owner, from = ID_ZERO, to = ID_MAX, countMax } = choice
    this.#choice = choice
    this.#from = IdCell.of(from)
    this.#to = IdCell.of(to)
    const { blocks, first } = group.pending.blocksFrom(this.#from, owner)
    this.#blocks = blocks
    this.#first = first
    this.#nameOf = (number) => group.owner(number).name
    this.#left = countMax
    this.#rewind(countMax)
    this.length = this.#countRows()
    this.#end = this.#index + 1
    this.#rewind(this.length)
  }

  /** From now on it doesn't matter what becomes of the group. `pictures`: of blocks that others have kept as well. */
  keep(pictures: Map<PendingBlock, PendingBlock> = new Map()): void {
    const names = new Map<number, string>()
    this.#blocks = this.#blocks.slice(this.#first, this.#end).map((block) => {
      for (const owner of block.owners.keys()) if (owner !== NOBODY) names.set(owner, this.#nameOf(owner))
      const picture = pictures.get(block) ?? block.picture()
      pictures.set(block, picture)
      return picture
    })
    this.#first = 0
    this.#nameOf = (number) => names.get(number)!
    this.#rewind(this.length)
  }

  /** Goes to the next row; false when there is none. */
  next(): boolean {
    if (!this.#seek()) return false
    const block = this.#blocks[this.#index]!
    const row = this.#row++
    block.readId(row, this.id)
    this.timeMs = block.timeAt(row)
    this.deliveries = block.countAt(row)
    const owner = block.ownerAt(row)
    // Mostly that of the row before.
    if (owner !== this.#owner) this.consumer = owner === NOBODY ? '' : this.#nameOf(owner)
    this.#owner = owner
    return true
  }

  /** Since the row's delivery, as XPENDING tells it; -1: it is nobody's. */
  idleMs(nowMs: number): number {
    return this.#owner === NOBODY ? -1 : Math.max(nowMs - this.timeMs, 0)
  }

  /** When the row was delivered; 0: it is nobody's. */
  get deliveredAtMs(): number {
    return this.#owner === NOBODY ? 0 : this.timeMs
  }

  #rewind(rows: number): void {
    this.#left = rows
    this.#index = this.#first
    this.#row = this.#blocks[this.#first]?.lowerBound(this.#from) ?? 0
    this.#owner = NOBODY
    this.consumer = ''
  }

  /** Walks to the end. A block of which all rows, or all of the owner's, are wanted is not looked into. */
  #countRows(): number {
    let rows = 0
    for (;;) {
      const whole = this.#wholeBlock()
      if (whole !== undefined) {
        rows += whole
        this.#left -= whole
        this.#index++
      } else if (this.#seek()) {
        rows++
        this.#row++
      } else return rows
    }
  }

  #wholeBlock(): number | undefined {
    const { owner, deliveredMsMax } = this.#choice
    const block = this.#blocks[this.#index]
    if (block === undefined || this.#row > 0 || deliveredMsMax !== undefined) return undefined
    const rows = owner === undefined ? block.size : (block.owners.get(owner) ?? 0)
    return rows <= this.#left && block.compare(block.size - 1, this.#to) <= 0 ? rows : undefined
  }

  /** Leaves block and row at the next that is wanted. */
  #seek(): boolean {
    if (this.#left <= 0) return false
    for (; this.#index < this.#blocks.length; this.#index++, this.#row = 0) {
      const block = this.#blocks[this.#index]!
      for (; this.#row < block.size; this.#row++) {
        if (!this.#isWanted(block, this.#row)) continue
        if (block.compare(this.#row, this.#to) > 0) return this.#stop()
        this.#left--
        return true
      }
    }
    return this.#stop()
  }

  #stop(): boolean {
    this.#left = 0
    return false
  }

  #isWanted(block: PendingBlock, row: number): boolean {
    const { owner, deliveredMsMax } = this.#choice
    if (owner !== undefined && block.ownerAt(row) !== owner) return false
    return deliveredMsMax === undefined || block.timeAt(row) <= deliveredMsMax || block.ownerAt(row) === NOBODY
  }
}
