/**
 * A block is up to 1,024 pending entries in ID order, held in columns (pending-columns.ts). It is the leaf of a pending
 * list.
 *
 *   places   0        start            end
 *            [ free  ][1-0 ][1-1 ][4-0 ][ free  ]
 *                     row 0  row 1  row 2
 *   owners   consumer 0 → 2 rows, consumer 4 → 1 row
 *
 * Rows are moved to keep them dense, the shorter side of them: acknowledging from the front moves nothing.
 *
 * A `picture` shares the columns until the block is about to change: then the block takes copies.
 */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import type { IdColumns } from './id-columns.ts'
import type { IdList } from './id-list.ts'
import { Meter } from './meter.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'
import { PendingColumns, type PendingRecord } from './pending-columns.ts'

export const BLOCK_ROWS_MAX = 1024
const ROWS_MIN = 8
// The object, its five typed arrays and the map of owners.
const OVERHEAD_BYTES = 1200
const NO_METER = new Meter()

export interface PendingRow extends PendingRecord {
  readonly id: StreamId
}

/** Is told how many rows of an owner are gone. */
export type Removed = (owner: number, rows: number) => void

export class PendingBlock {
  /** An ID that none of its rows is below, by which the blocks of a list are in order. Only that of a first block moves. */
  readonly fence: IdCell
  #columns: PendingColumns
  #start = 0
  #end = 0
  #owners = new Map<number, number>()
  /** A picture has the columns and the owners as well. */
  #isShared = false
  readonly #meter: Meter

  private constructor(first: NumberId, columns: PendingColumns, meter: Meter) {
    this.fence = IdCell.copyOf(first)
    this.#columns = columns
    this.#meter = meter
    meter.add(OVERHEAD_BYTES + this.#columns.byteLength)
  }

  /** A block with one row. */
  static of(first: NumberId, record: PendingRecord, meter: Meter, places: number = ROWS_MIN): PendingBlock {
    const block = new PendingBlock(first, new PendingColumns(first, record.timeMs, places), meter)
    block.insert(0, first, record)
    return block
  }

  /** How many rows each consumer has here, by its number. */
  get owners(): ReadonlyMap<number, number> {
    return this.#owners
  }

  get size(): number {
    return this.#end - this.#start
  }

  get isFull(): boolean {
    return this.size === BLOCK_ROWS_MAX
  }

  readId(row: number, into: IdCell): void {
    this.#columns.readId(this.#start + row, into)
  }

  ownerAt(row: number): number {
    return this.#columns.ownerAt(this.#start + row)
  }

  timeAt(row: number): number {
    return this.#columns.timeAt(this.#start + row)
  }

  countAt(row: number): number {
    return this.#columns.countAt(this.#start + row)
  }

  recordAt(row: number): PendingRecord {
    return { owner: this.ownerAt(row), timeMs: this.timeAt(row), count: this.countAt(row) }
  }

  rowAt(row: number): PendingRow {
    const id = new IdCell()
    this.readId(row, id)
    return { id: toStreamId(id), ...this.recordAt(row) }
  }

  /** Below 0 when the row's ID comes before the given one, above 0 when after, 0 when they are the same. */
  compare(row: number, id: NumberId): number {
    return this.#columns.compare(this.#start + row, id)
  }

  /** The first row whose ID is not below the given one; `size` when all are. */
  lowerBound(id: NumberId): number {
    return this.#lowerBoundIn(id, 0, this.size)
  }

  /**
   * The same, of the rows from `from` on, and near it sooner: steps of 1, 2, 4 … until the ID is passed. Acknowledged
   * IDs lie close together.
   */
  lowerBoundFrom(id: NumberId, from: number): number {
    let low = from
    const { size } = this
    for (let step = 1; low + step <= size; step *= 2) {
      if (this.compare(low + step - 1, id) >= 0) return this.#lowerBoundIn(id, low, low + step - 1)
      low += step
    }
    return this.#lowerBoundIn(id, low, size)
  }

  /** The row of an ID, else -1. */
  find(id: NumberId): number {
    const row = this.lowerBound(id)
    return row < this.size && this.compare(row, id) === 0 ? row : -1
  }

  /** How many of the IDs from `index` on are those of the rows from `row` on, and of that owner where one is given. */
  matchRun(row: number, ids: IdList, want: { readonly index: number; readonly owner: number | undefined }): number {
    return this.#columns.matchRun(this.#start + row, this.#end, ids, want)
  }

  /** Puts a row at its place. */
  insert(row: number, id: NumberId, record: PendingRecord): void {
    assert(!this.isFull, 'insert into a full block')
    if (this.#isShared) this.#unshare()
    this.#open(row)
    this.#write(row, id, record)
    if (row === 0 && compareNumberIds(id, this.fence) < 0) this.fence.copy(id)
    this.#own(record.owner, 1)
  }

  /** Appends the IDs of the rows `from` to `end - 1`, as many as fit; returns how many did. Hot. */
  appendRun(ids: IdColumns, from: number, end: number, record: PendingRecord): number {
    if (this.#isShared) this.#unshare()
    const room = BLOCK_ROWS_MAX - this.size
    const wanted = Math.min(end - from, room)
    if (this.#end + wanted > this.#columns.places) this.#makeRoom(wanted)
    const rows = this.#columns.writeRun(this.#end, { ids, from, end: from + wanted }, record)
    this.#end += rows
    if (rows > 0) this.#own(record.owner, rows)
    return rows
  }

  /** Changes everything of a row but its ID. Hot: of each entry that a claim takes. */
  update(row: number, record: PendingRecord): void {
    if (this.#isShared) this.#unshare()
    const before = this.ownerAt(row)
    if (!this.#columns.rewrite(this.#start + row, record)) {
      const id = new IdCell()
      this.readId(row, id)
      this.#write(row, id, record)
    }
    if (before === record.owner) return
    this.#own(before, -1)
    this.#own(record.owner, 1)
  }

  /** The block as it is now, to be read, whatever becomes of this one; no memory account knows it. */
  picture(): PendingBlock {
    const picture = new PendingBlock(this.fence, this.#columns, NO_METER)
    picture.#start = this.#start
    picture.#end = this.#end
    picture.#owners = this.#owners
    this.#isShared = true
    return picture
  }

  remove(row: number): void {
    if (this.#isShared) this.#unshare()
    this.#own(this.ownerAt(row), -1)
    this.#close(row, row + 1)
  }

  /**
   * Removes the rows of the IDs from `ids[index]` on, which ascend and are pending, as far as they are in this block;
   * returns how many those are. The rows between them move once, whatever the number of IDs.
   */
  removeAll(ids: IdList, index: number, removed: Removed): number {
    if (this.#isShared) this.#unshare()
    const id = new IdCell()
    const columns = this.#columns
    ids.read(index, id)
    const first = this.find(id)
    let kept = first
    let row = first
    let next = index
    let owner = this.ownerAt(first)
    let owned = 0
    // The run at the front goes at once: with the same in `hasAll` a settled entry takes 100 ns less than row by row.
    const run = this.matchRun(first, ids, { index, owner })
    if (run > 1) {
      owned = run - 1
      next += owned
      row += owned
    }
    while (row < this.size) {
      if (this.ownerAt(row) !== owner) {
        this.#disown(owner, owned, removed)
        owner = this.ownerAt(row)
        owned = 0
      }
      owned++
      next++
      row++
      if (next === ids.count) break
      ids.read(next, id)
      // Mostly the next ID is the next row.
      const found = row < this.size && this.compare(row, id) === 0 ? row : this.lowerBoundFrom(id, row)
      columns.move(this.#start + row, this.#start + found, this.#start + kept)
      kept += found - row
      row = found
    }
    this.#disown(owner, owned, removed)
    this.#close(kept, row)
    return next - index
  }

  /** Moves the upper half into a new block. */
  split(): PendingBlock {
    const half = this.size >>> 1
    const id = new IdCell()
    this.readId(half, id)
    const upper = PendingBlock.of(id, this.recordAt(half), this.#meter)
    for (let row = half + 1; row < this.size; row++) {
      this.readId(row, id)
      upper.insert(upper.size, id, this.recordAt(row))
    }
    while (this.size > half) this.remove(this.size - 1)
    return upper
  }

  /** Takes over all rows of the block that follows. */
  absorb(following: PendingBlock): void {
    const id = new IdCell()
    for (let row = 0; row < following.size; row++) {
      following.readId(row, id)
      this.insert(this.size, id, following.recordAt(row))
    }
  }

  /** Gives back places that have been free for long: called when rows were removed just now. */
  shrink(): void {
    const { places } = this.#columns
    if (places <= ROWS_MIN * 4 || this.size * 4 >= places) return
    this.#resize(Math.max(this.size * 2, ROWS_MIN))
  }

  /** Takes the block out of the memory account. */
  release(): void {
    this.#meter.add(-(OVERHEAD_BYTES + this.#columns.byteLength))
  }

  #unshare(): void {
    this.#columns = this.#columns.copy(0, this.#columns.places)
    this.#owners = new Map(this.#owners)
    this.#isShared = false
  }

  #lowerBoundIn(id: NumberId, from: number, end: number): number {
    return this.#columns.lowerBound(id, this.#start + from, this.#start + end) - this.#start
  }

  #own(owner: number, rows: number): void {
    const owned = (this.#owners.get(owner) ?? 0) + rows
    if (owned === 0) this.#owners.delete(owner)
    else this.#owners.set(owner, owned)
  }

  #disown(owner: number, rows: number, removed: Removed): void {
    this.#own(owner, -rows)
    removed(owner, rows)
  }

  #write(row: number, id: NumberId, record: PendingRecord): void {
    const grown = this.#columns.write(this.#start + row, id, record)
    if (grown > 0) this.#meter.add(grown)
  }

  /** Makes a free place at `row`. */
  #open(row: number): void {
    if (this.#end === this.#columns.places && (this.#start === 0 || row * 2 >= this.size)) this.#makeRoom(1)
    const at = this.#start + row
    if (this.#start > 0 && (row * 2 < this.size || this.#end === this.#columns.places)) {
      this.#columns.move(this.#start, at, this.#start - 1)
      this.#start--
    } else {
      this.#columns.move(at, this.#end, at + 1)
      this.#end++
    }
  }

  /** Closes the gap that the rows `from` to `end - 1` leave. */
  #close(from: number, end: number): void {
    const rows = end - from
    if (from < this.size - end) {
      this.#columns.move(this.#start, this.#start + from, this.#start + rows)
      this.#start += rows
    } else {
      this.#columns.move(this.#start + end, this.#end, this.#start + from)
      this.#end -= rows
    }
  }

  /** Makes so many free places behind the last row, of those before the first if they are enough. */
  #makeRoom(rows: number): void {
    const { places } = this.#columns
    const needed = this.size + rows
    if (needed > places || (places < BLOCK_ROWS_MAX && this.#start * 4 < places)) {
      this.#resize(Math.min(Math.max(places * 2, needed), BLOCK_ROWS_MAX))
      return
    }
    this.#columns.move(this.#start, this.#end, 0)
    this.#end -= this.#start
    this.#start = 0
  }

  #resize(places: number): void {
    const before = this.#columns.byteLength
    this.#columns.resize(places, this.#start, this.#end)
    this.#end -= this.#start
    this.#start = 0
    this.#meter.add(this.#columns.byteLength - before)
  }
}
