/**
 * The entries that a group has delivered and nobody has acknowledged: one record each, found by ID from the group and
 * from the consumer that owns it.
 *
 *   group      blocks  [ 1-0 … 9-4 ][ 9-5 … 17-0 ][ 17-2 …      ]     PendingBlock: rows in ID order
 *                          ▲   ▲          ▲              ▲
 *   consumer a  blocks ────┘   │          │              │            those blocks that hold a row of its own,
 *   consumer b  blocks ────────┴──────────┴──────────────┘            also in ID order
 *
 * Finding is a binary search over the blocks, then inside one. Appending (the usual delivery) touches the last block
 * only. A full block splits in two, except at the end, where a new one begins; a block that runs empty goes, and one
 * that runs low joins a neighbour.
 */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import type { Meter } from './meter.ts'
import { BLOCK_ROWS_MAX, PendingBlock, type PendingRow } from './pending-block.ts'

export type { PendingRow }

// A block below a quarter joins its neighbour when both together leave it half empty, so that the next few do not split it.
const LOW_ROWS = BLOCK_ROWS_MAX / 4
const JOINED_ROWS_MAX = BLOCK_ROWS_MAX / 2

export class PendingList {
  readonly #blocks: PendingBlock[] = []
  /** By the owner's number: the blocks with rows of its own. */
  readonly #owned = new Map<number, PendingBlock[]>()
  #size = 0
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
  }

  get size(): number {
    return this.#size
  }

  get first(): StreamId | undefined {
    return this.#blocks[0]?.first
  }

  get last(): StreamId | undefined {
    return this.#blocks.at(-1)?.last
  }

  get(id: StreamId): PendingRow | undefined {
    const block = this.#blocks[blockFor(this.#blocks, id)]
    const row = block?.find(id) ?? -1
    return row < 0 ? undefined : block!.rowAt(row)
  }

  /** Adds the record, or changes the one of that ID; returns the number of its former owner. */
  set(value: PendingRow): number | undefined {
    const index = blockFor(this.#blocks, value.id)
    const block = this.#blocks[index]
    if (block === undefined) {
      this.#addBlock(0, PendingBlock.of(value, this.#meter))
      this.#size++
      return undefined
    }
    const row = block.lowerBound(value.id)
    if (row < block.size && isAt(block, row, value.id)) return this.#update(block, row, value)
    this.#size++
    this.#insert(index, row, value)
    return undefined
  }

  /** Removes a record; returns the number of its owner, or undefined when there was none. */
  delete(id: StreamId): number | undefined {
    const index = blockFor(this.#blocks, id)
    const block = this.#blocks[index]
    const row = block?.find(id) ?? -1
    if (block === undefined || row < 0) return undefined
    const owner = block.ownerAt(row)
    block.remove(row)
    this.#size--
    if (!block.owners.has(owner)) this.#disown(owner, block)
    if (block.size === 0) this.#dropBlock(index)
    else if (block.size < LOW_ROWS) this.#join(index)
    return owner
  }

  /** The records from an ID on, in ID order, until `visit` returns false. The list must not change meanwhile. */
  scan(from: StreamId, visit: (row: PendingRow) => boolean): void {
    const blocks = this.#blocks
    for (let index = blockFor(blocks, from); index < blocks.length; index++) {
      const block = blocks[index]!
      for (let row = block.lowerBound(from); row < block.size; row++) if (!visit(block.rowAt(row))) return
    }
  }

  /** As `scan`, but only the records of one owner. */
  scanOwned(owner: number, from: StreamId, visit: (row: PendingRow) => boolean): void {
    const blocks = this.#owned.get(owner) ?? []
    for (let index = blockFor(blocks, from); index < blocks.length; index++) {
      const block = blocks[index]!
      for (let row = block.lowerBound(from); row < block.size; row++) {
        if (block.ownerAt(row) === owner && !visit(block.rowAt(row))) return
      }
    }
  }

  /** Takes the whole list out of the memory account. */
  release(): void {
    for (const block of this.#blocks) block.release()
  }

  #update(block: PendingBlock, row: number, value: PendingRow): number {
    const before = block.ownerAt(row)
    const isNew = !block.owners.has(value.owner)
    block.update(row, value.owner, value.timeMs, value.count)
    if (isNew) this.#own(value.owner, block)
    if (!block.owners.has(before)) this.#disown(before, block)
    return before
  }

  #insert(index: number, row: number, value: PendingRow): void {
    const block = this.#blocks[index]!
    if (!block.isFull) {
      const isNew = !block.owners.has(value.owner)
      block.insert(row, value)
      if (isNew) this.#own(value.owner, block)
    } else if (index === this.#blocks.length - 1 && row === block.size) {
      this.#addBlock(index + 1, PendingBlock.of(value, this.#meter))
    } else {
      this.#split(index)
      const half = this.#blocks[index]!.size
      if (row <= half) this.#insert(index, row, value)
      else this.#insert(index + 1, row - half, value)
    }
  }

  #split(index: number): void {
    const block = this.#blocks[index]!
    const before = [...block.owners.keys()]
    const upper = block.split()
    this.#addBlock(index + 1, upper)
    for (const owner of before) if (!block.owners.has(owner)) this.#disown(owner, block)
  }

  /** A block that ran low joins the one that follows, or the one before it, where both together stay half empty. */
  #join(index: number): void {
    const block = this.#blocks[index]!
    const fits = (other: PendingBlock | undefined): boolean =>
      other !== undefined && block.size + other.size <= JOINED_ROWS_MAX
    if (fits(this.#blocks[index + 1])) this.#merge(index)
    else if (fits(this.#blocks[index - 1])) this.#merge(index - 1)
    else block.shrink()
  }

  /** Moves the rows of the following block into this one. */
  #merge(index: number): void {
    const block = this.#blocks[index]!
    const following = this.#blocks[index + 1]!
    const gained = [...following.owners.keys()].filter((owner) => !block.owners.has(owner))
    for (const owner of following.owners.keys()) this.#disown(owner, following)
    block.absorb(following)
    this.#blocks.splice(index + 1, 1)
    following.release()
    for (const owner of gained) this.#own(owner, block)
  }

  #addBlock(index: number, block: PendingBlock): void {
    this.#blocks.splice(index, 0, block)
    for (const owner of block.owners.keys()) this.#own(owner, block)
  }

  #dropBlock(index: number): void {
    this.#blocks[index]!.release()
    this.#blocks.splice(index, 1)
  }

  #own(owner: number, block: PendingBlock): void {
    const blocks = this.#owned.get(owner)
    if (blocks === undefined) {
      this.#owned.set(owner, [block])
      return
    }
    // The end is where a new block nearly always belongs.
    const at = isBelow(blocks.at(-1)!.first, block.first) ? blocks.length : placeOf(blocks, block.first)
    blocks.splice(at, 0, block)
  }

  #disown(owner: number, block: PendingBlock): void {
    const blocks = this.#owned.get(owner)
    assert(blocks !== undefined, 'an owner has the blocks of its rows')
    const at = blocks[0] === block ? 0 : blocks.indexOf(block)
    assert(at >= 0, 'an owner has the block of its row')
    blocks.splice(at, 1)
    if (blocks.length === 0) this.#owned.delete(owner)
  }
}

/** The first block whose last ID is not below the given one; else the last block (0 when there is none). */
function blockFor(blocks: readonly PendingBlock[], id: StreamId): number {
  let low = 0
  let high = blocks.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(blocks[middle]!.last, id)) low = middle + 1
    else high = middle
  }
  return Math.max(low, 0)
}

/** Where a block with this first ID belongs. */
function placeOf(blocks: readonly PendingBlock[], first: StreamId): number {
  let low = 0
  let high = blocks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBelow(blocks[middle]!.first, first)) low = middle + 1
    else high = middle
  }
  return low
}

function isBelow(a: StreamId, b: StreamId): boolean {
  return a.ms < b.ms || (a.ms === b.ms && a.seq < b.seq)
}

function isAt(block: PendingBlock, row: number, id: StreamId): boolean {
  const found = block.idAt(row)
  return found.ms === id.ms && found.seq === id.seq
}
