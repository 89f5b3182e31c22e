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
import { Fences } from './fences.ts'
import type { StreamId } from './id.ts'
import type { IdList } from './id-list.ts'
import type { Meter } from './meter.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import { BLOCK_ROWS_MAX, PendingBlock, type PendingRow, type Removed } from './pending-block.ts'
import type { PendingRecord } from './pending-columns.ts'
import type { SegmentRun } from './segment-run.ts'

export type { PendingRow }

// A block below a quarter joins its neighbour when both together leave it half empty, so that the next few do not split it.
const LOW_ROWS = BLOCK_ROWS_MAX / 4
const JOINED_ROWS_MAX = BLOCK_ROWS_MAX / 2

export class PendingList {
  readonly #blocks: PendingBlock[] = []
  #fences = new Fences()
  /** By the owner's number: the blocks with rows of its own. A picture has none. */
  readonly #owned = new Map<number, OwnedBlocks>()
  #isPicture = false
  #size = 0
  readonly #key = new IdCell()
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
  }

  get size(): number {
    return this.#size
  }

  get first(): StreamId | undefined {
    return idOf(this.#blocks[0], () => 0)
  }

  get last(): StreamId | undefined {
    return idOf(this.#blocks.at(-1), (block) => block.size - 1)
  }

  get(id: StreamId): PendingRow | undefined {
    this.#key.setId(id)
    const block = this.#blocks[this.#fences.find(this.#key)]
    const row = block?.find(this.#key) ?? -1
    return row < 0 ? undefined : block!.rowAt(row)
  }

  /** The block that has the ID's row if it is pending. */
  blockFor(id: NumberId): PendingBlock | undefined {
    return this.#blocks[this.#fences.find(id)]
  }

  /** All blocks in order, or those in which an owner has rows; and the first of them that an ID can be in. */
  blocksFrom(id: NumberId, owner?: number): { readonly blocks: readonly PendingBlock[]; readonly first: number } {
    const { blocks, fences } =
      owner === undefined ? { blocks: this.#blocks, fences: this.#fences } : this.#blocksOf(owner)
    return { blocks, first: fences.find(id) }
  }

  has(id: NumberId): boolean {
    const block = this.#blocks[this.#fences.find(id)]
    return block !== undefined && block.find(id) >= 0
  }

  /**
   * Whether all IDs, which ascend, are pending, and for this owner where one is given. A search in the blocks for the
   * first of each block only, and from there a step for each that follows the one before. Hot.
   */
  hasAll(ids: IdList, owner?: number): boolean {
    const id = this.#key
    let block: PendingBlock | undefined
    let row = 0
    for (let i = 0; i < ids.count; i++) {
      ids.read(i, id)
      // Mostly the next ID is the next row.
      row++
      if (block === undefined || row >= block.size || block.compare(row, id) !== 0) {
        row = block?.lowerBoundFrom(id, row) ?? 0
      }
      if (block === undefined || row >= block.size) {
        block = this.#blocks[this.#fences.find(id)]
        if (block === undefined) return false
        row = block.lowerBound(id)
      }
      if (row === block.size || block.compare(row, id) !== 0) return false
      if (owner !== undefined && block.ownerAt(row) !== owner) return false
      const more = Math.max(block.matchRun(row, ids, { index: i, owner }) - 1, 0)
      row += more
      i += more
    }
    return true
  }

  /** Adds the record, or changes the one of that ID; returns the number of its former owner. */
  set(value: PendingRow): number | undefined {
    return this.setRecord(IdCell.of(value.id), value)
  }

  /** As `set`. */
  setRecord(id: NumberId, record: PendingRecord): number | undefined {
    const index = this.#fences.find(id)
    const block = this.#blocks[index]
    if (block === undefined) {
      this.#addBlock(0, PendingBlock.of(id, record, this.#meter))
      this.#size++
      return undefined
    }
    const row = block.lowerBound(id)
    if (row < block.size && block.compare(row, id) === 0) return this.#update(block, row, record)
    this.#size++
    this.#insert(index, row, { id, record })
    return undefined
  }

  /**
   * Gives the records of IDs, which may come in any order and twice, to one owner; a record that is not there is added.
   * `left` is told of each that somebody else had, `undefined`: nobody. Hot: mostly the next ID is the next row.
   */
  ownAll(
    what: { readonly ids: IdList; readonly counts: ArrayLike<number>; readonly owner: number; readonly timeMs: number },
    left: (id: NumberId, before: number | undefined) => void,
  ): void {
    const { ids, counts, owner, timeMs } = what
    const id = new IdCell()
    let block: PendingBlock | undefined
    let row = 0
    for (let i = 0; i < ids.count; i++) {
      ids.read(i, id)
      row++
      if (block === undefined || row >= block.size || block.compare(row, id) !== 0) {
        block = this.blockFor(id)
        row = block?.find(id) ?? -1
      }
      const record = { owner, timeMs, count: counts[i]! }
      // What is added may split the block.
      const isThere = row >= 0 && block !== undefined
      const before = isThere ? this.#update(block!, row, record) : this.setRecord(id, record)
      if (!isThere) block = undefined
      if (before !== owner) left(id, before)
    }
  }

  /**
   * Adds a record for each row of a run, as many as are plainly behind all others; returns how
   * many: the rest is for `setRecord`. Hot.
   */
  appendRun(run: SegmentRun, record: PendingRecord): number {
    const { ids, from, end } = run
    const id = this.#key
    ids.read(from, id)
    let block = this.#blocks.at(-1)
    if (block !== undefined && block.compare(block.size - 1, id) >= 0) return 0
    let row = from
    while (row < end) {
      if (block === undefined || block.isFull) {
        ids.read(row, id)
        // Behind a full block the next will be full as well, most likely. The first takes the run: growing to 100 rows took
        // 50 ns a row where a consumer acknowledges all before it reads on.
        const places = block === undefined ? Math.min(end - row, BLOCK_ROWS_MAX) : BLOCK_ROWS_MAX / 4
        block = PendingBlock.of(id, record, this.#meter, places)
        this.#addBlock(this.#blocks.length, block)
        row++
        this.#size++
        continue
      }
      const isOwner = block.owners.has(record.owner)
      const rows = block.appendRun(ids, row, end, record)
      if (rows === 0) break
      if (!isOwner) this.#own(record.owner, block)
      row += rows
      this.#size += rows
    }
    return row - from
  }

  /** Removes a record; returns the number of its owner, or undefined when there was none. */
  delete(id: StreamId): number | undefined {
    const key = this.#key
    key.setId(id)
    const index = this.#fences.find(key)
    const block = this.#blocks[index]
    const row = block?.find(key) ?? -1
    if (block === undefined || row < 0) return undefined
    const owner = block.ownerAt(row)
    block.remove(row)
    this.#size--
    if (!block.owners.has(owner)) this.#disown(owner, block)
    this.#tidy(index)
    return owner
  }

  /** Removes the records of IDs that ascend and are all there. Hot. */
  deleteAll(ids: IdList, removed: Removed): void {
    const id = new IdCell()
    for (let i = 0; i < ids.count;) {
      ids.read(i, id)
      const index = this.#fences.find(id)
      const block = this.#blocks[index]!
      i += block.removeAll(ids, i, (owner, rows) => {
        this.#size -= rows
        if (!block.owners.has(owner)) this.#disown(owner, block)
        removed(owner, rows)
      })
      this.#tidy(index)
    }
  }

  /** The records from an ID on, in ID order, until `visit` returns false. The list must not change meanwhile. */
  scan(from: StreamId, visit: (row: PendingRow) => boolean): void {
    this.scanRows(from, (block, row) => visit(block.rowAt(row)))
  }

  /** As `scan`, but makes no object for a record: `visit` is told the block and its row. Hot. */
  scanRows(from: StreamId, visit: (block: PendingBlock, row: number) => boolean): void {
    const blocks = this.#blocks
    const id = IdCell.of(from)
    for (let index = this.#fences.find(id); index < blocks.length; index++) {
      const block = blocks[index]!
      for (let row = block.lowerBound(id); row < block.size; row++) if (!visit(block, row)) return
    }
  }

  /** As `scan`, but only the records of one owner. */
  scanOwned(owner: number, from: StreamId, visit: (row: PendingRow) => boolean): void {
    this.scanOwnedRows(owner, from, (block, row) => visit(block.rowAt(row)))
  }

  /** As `scanRows`, but only the records of one owner. */
  scanOwnedRows(owner: number, from: StreamId, visit: (block: PendingBlock, row: number) => boolean): void {
    const { blocks, fences } = this.#blocksOf(owner)
    const id = IdCell.of(from)
    for (let index = fences.find(id); index < blocks.length; index++) {
      const block = blocks[index]!
      for (let row = block.lowerBound(id); row < block.size; row++) {
        if (block.ownerAt(row) === owner && !visit(block, row)) return
      }
    }
  }

  /** From now on shows another list as it is now, to be read, whatever becomes of that one; has no records of its own. */
  show(other: PendingList): void {
    for (const block of other.#blocks) this.#blocks.push(block.picture())
    this.#fences = other.#fences.copy()
    this.#size = other.#size
    this.#isPicture = true
  }

  /** Takes the whole list out of the memory account. */
  release(): void {
    for (const block of this.#blocks) block.release()
  }

  #blocksOf(owner: number): OwnedBlocks {
    if (!this.#isPicture) return this.#owned.get(owner) ?? NO_BLOCKS
    const blocks = this.#blocks.filter((block) => block.owners.has(owner))
    const fences = new Fences()
    for (const [index, block] of blocks.entries()) fences.insert(index, block.fence)
    return { blocks, fences }
  }

  #update(block: PendingBlock, row: number, record: PendingRecord): number {
    const before = block.ownerAt(row)
    const isNew = !block.owners.has(record.owner)
    block.update(row, record)
    if (isNew) this.#own(record.owner, block)
    if (!block.owners.has(before)) this.#disown(before, block)
    return before
  }

  #insert(index: number, row: number, value: { readonly id: NumberId; readonly record: PendingRecord }): void {
    const block = this.#blocks[index]!
    const { id, record } = value
    if (!block.isFull) {
      const isNew = !block.owners.has(record.owner)
      block.insert(row, id, record)
      if (isNew) this.#own(record.owner, block)
    } else if (index === this.#blocks.length - 1 && row === block.size) {
      this.#addBlock(index + 1, PendingBlock.of(id, record, this.#meter))
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

  /** After rows of a block were removed. */
  #tidy(index: number): void {
    const { size } = this.#blocks[index]!
    if (size === 0) this.#dropBlock(index)
    else if (size < LOW_ROWS) this.#join(index)
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
    this.#fences.remove(index + 1, 1)
    following.release()
    for (const owner of gained) this.#own(owner, block)
  }

  #addBlock(index: number, block: PendingBlock): void {
    this.#fences.insert(index, block.fence)
    if (index === this.#blocks.length) this.#blocks.push(block)
    else this.#blocks.splice(index, 0, block)
    for (const owner of block.owners.keys()) this.#own(owner, block)
  }

  #dropBlock(index: number): void {
    this.#blocks[index]!.release()
    this.#blocks.splice(index, 1)
    this.#fences.remove(index, 1)
  }

  #own(owner: number, block: PendingBlock): void {
    let owned = this.#owned.get(owner)
    if (owned === undefined) this.#owned.set(owner, (owned = { blocks: [], fences: new Fences() }))
    const { blocks, fences } = owned
    // The end is where a new block nearly always belongs.
    const isLast = blocks.length === 0 || compareNumberIds(blocks.at(-1)!.fence, block.fence) < 0
    const at = isLast
      ? blocks.length
      : fences.find(block.fence) + (compareNumberIds(blocks[0]!.fence, block.fence) < 0 ? 1 : 0)
    fences.insert(at, block.fence)
    blocks.splice(at, 0, block)
  }

  #disown(owner: number, block: PendingBlock): void {
    const owned = this.#owned.get(owner)
    assert(owned !== undefined, 'an owner has the blocks of its rows')
    const { blocks, fences } = owned
    const at = blocks[0] === block ? 0 : fences.find(block.fence)
    assert(blocks[at] === block, 'an owner has the block of its row')
    fences.remove(at, 1)
    blocks.splice(at, 1)
    if (blocks.length === 0) this.#owned.delete(owner)
  }
}

/** The blocks in which an owner has rows, in order, and their fences: a place among thousands is found in those alone. */
interface OwnedBlocks {
  readonly blocks: PendingBlock[]
  readonly fences: Fences
}

const NO_BLOCKS: OwnedBlocks = { blocks: [], fences: new Fences() }

function idOf(block: PendingBlock | undefined, row: (block: PendingBlock) => number): StreamId | undefined {
  if (block === undefined) return undefined
  const id = new IdCell()
  block.readId(row(block), id)
  return toStreamId(id)
}
