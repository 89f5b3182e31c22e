/**
 * A block is up to 1,024 pending entries in ID order, held in columns. It is the leaf of a pending list.
 *
 *            start            end
 *   ms       [0   ][3   ][9   ]          i32, around msBase       ┐
 *   seq      [0   ][0   ][1   ]          u16, above seqBase       │ narrow; what does not fit makes the
 *   owner    [0   ][0   ][4   ]          u16, consumer's number   │ block wide: u64, u64, u32, f64, f64
 *   time     [0   ][0   ][-20 ]          i32, around timeBase     │
 *   count    [1   ][1   ][3   ]          u16, deliveries          ┘
 *
 * Rows are moved to keep them dense, the shorter side of them: acknowledging from the front moves nothing.
 */
import assert from 'node:assert'
import type { StreamId } from './id.ts'
import type { Meter } from './meter.ts'

export const BLOCK_ROWS_MAX = 1024
const ROWS_MIN = 8
// The object, its five typed arrays and the map of owners.
const OVERHEAD_BYTES = 1200
const I32_MIN = -(2 ** 31)
const I32_MAX = 2 ** 31 - 1
const U16_MAX = 65_535
const U16_SIZE = 65_536n

export interface PendingRow {
  readonly id: StreamId
  /** The consumer's number in its group. */
  readonly owner: number
  readonly timeMs: number
  readonly count: number
}

interface Columns {
  readonly isWide: boolean
  readonly ms: Int32Array | BigUint64Array
  readonly seq: Uint16Array | BigUint64Array
  readonly owner: Uint16Array | Uint32Array
  readonly time: Int32Array | Float64Array
  readonly count: Uint16Array | Float64Array
}

export class PendingBlock {
  #columns: Columns
  #msBase: bigint
  #seqBase: bigint
  #timeBase: number
  #start = 0
  #end = 0
  /** How many rows each consumer has here, by its number. */
  readonly owners = new Map<number, number>()
  readonly #meter: Meter

  private constructor(first: PendingRow, rows: number, meter: Meter) {
    this.#msBase = first.id.ms
    this.#seqBase = first.id.seq < U16_SIZE ? 0n : first.id.seq
    this.#timeBase = first.timeMs
    this.#columns = createColumns(rows, false)
    this.#meter = meter
    meter.add(OVERHEAD_BYTES + columnsBytes(this.#columns))
  }

  /** A block with one row. */
  static of(first: PendingRow, meter: Meter): PendingBlock {
    const block = new PendingBlock(first, ROWS_MIN, meter)
    block.insert(0, first)
    return block
  }

  get size(): number {
    return this.#end - this.#start
  }

  get first(): StreamId {
    return this.idAt(0)
  }

  get last(): StreamId {
    return this.idAt(this.size - 1)
  }

  get isFull(): boolean {
    return this.size === BLOCK_ROWS_MAX
  }

  idAt(row: number): StreamId {
    return { ms: this.#msAt(this.#start + row), seq: this.#seqAt(this.#start + row) }
  }

  ownerAt(row: number): number {
    return this.#columns.owner[this.#start + row]!
  }

  timeAt(row: number): number {
    const time = this.#columns.time[this.#start + row]!
    return this.#columns.isWide ? time : this.#timeBase + time
  }

  countAt(row: number): number {
    return this.#columns.count[this.#start + row]!
  }

  rowAt(row: number): PendingRow {
    return { id: this.idAt(row), owner: this.ownerAt(row), timeMs: this.timeAt(row), count: this.countAt(row) }
  }

  /** The first row whose ID is not below the given one; `size` when all are. */
  lowerBound(id: StreamId): number {
    let low = this.#start
    let high = this.#end
    while (low < high) {
      const middle = (low + high) >>> 1
      const ms = this.#msAt(middle)
      if (ms < id.ms || (ms === id.ms && this.#seqAt(middle) < id.seq)) low = middle + 1
      else high = middle
    }
    return low - this.#start
  }

  /** The row of an ID, else -1. */
  find(id: StreamId): number {
    const row = this.lowerBound(id)
    if (row === this.size) return -1
    const at = this.#start + row
    return this.#msAt(at) === id.ms && this.#seqAt(at) === id.seq ? row : -1
  }

  /** Puts a row at its place. */
  insert(row: number, value: PendingRow): void {
    assert(!this.isFull, 'insert into a full block')
    this.#open(row)
    this.#write(this.#start + row, value)
    this.#own(value.owner, 1)
  }

  /** Changes everything of a row but its ID. */
  update(row: number, owner: number, timeMs: number, count: number): void {
    const id = this.idAt(row)
    this.#own(this.ownerAt(row), -1)
    this.#write(this.#start + row, { id, owner, timeMs, count })
    this.#own(owner, 1)
  }

  remove(row: number): void {
    this.#own(this.ownerAt(row), -1)
    const at = this.#start + row
    if (row * 2 < this.size) this.#move(this.#start, at, this.#start + 1)
    else this.#move(at + 1, this.#end, at)
    if (row * 2 < this.size) this.#start++
    else this.#end--
  }

  /** Moves the upper half into a new block. */
  split(): PendingBlock {
    const half = this.size >>> 1
    const upper = PendingBlock.of(this.rowAt(half), this.#meter)
    for (let row = half + 1; row < this.size; row++) upper.insert(upper.size, this.rowAt(row))
    while (this.size > half) this.remove(this.size - 1)
    return upper
  }

  /** Takes over all rows of the block that follows. */
  absorb(following: PendingBlock): void {
    for (let row = 0; row < following.size; row++) this.insert(this.size, following.rowAt(row))
  }

  /** Gives back places that have been free for long: called when rows were removed. */
  shrink(): void {
    const places = this.#columns.owner.length
    if (places > ROWS_MIN * 4 && this.size * 4 < places)
      this.#resize(Math.max(this.size * 2, ROWS_MIN), this.#columns.isWide)
  }

  /** Takes the block out of the memory account. */
  release(): void {
    this.#meter.add(-(OVERHEAD_BYTES + columnsBytes(this.#columns)))
  }

  #own(owner: number, rows: number): void {
    const owned = (this.owners.get(owner) ?? 0) + rows
    if (owned === 0) this.owners.delete(owner)
    else this.owners.set(owner, owned)
  }

  /** Makes a free place at `row`. */
  #open(row: number): void {
    const places = this.#columns.owner.length
    if (this.#end === places && this.#start === 0)
      this.#resize(Math.min(places * 2, BLOCK_ROWS_MAX), this.#columns.isWide)
    else if (this.#end === places && row * 2 >= this.size) this.#shiftToFront()
    const at = this.#start + row
    if (this.#start > 0 && (row * 2 < this.size || this.#end === this.#columns.owner.length)) {
      this.#move(this.#start, at, this.#start - 1)
      this.#start--
    } else {
      this.#move(at, this.#end, at + 1)
      this.#end++
    }
  }

  #shiftToFront(): void {
    this.#move(this.#start, this.#end, 0)
    this.#end -= this.#start
    this.#start = 0
  }

  #move(from: number, end: number, to: number): void {
    if (from === end || from === to) return
    this.#columns.ms.copyWithin(to, from, end)
    this.#columns.seq.copyWithin(to, from, end)
    this.#columns.owner.copyWithin(to, from, end)
    this.#columns.time.copyWithin(to, from, end)
    this.#columns.count.copyWithin(to, from, end)
  }

  #write(at: number, value: PendingRow): void {
    if (!this.#columns.isWide && !this.#fitsNarrow(value)) this.#widen(at)
    const columns = this.#columns
    columns.owner[at] = value.owner
    columns.count[at] = value.count
    columns.time[at] = columns.isWide ? value.timeMs : value.timeMs - this.#timeBase
    if (columns.ms instanceof BigUint64Array) columns.ms[at] = value.id.ms
    else columns.ms[at] = Number(value.id.ms - this.#msBase)
    if (columns.seq instanceof BigUint64Array) columns.seq[at] = value.id.seq
    else columns.seq[at] = Number(value.id.seq - this.#seqBase)
  }

  #fitsNarrow(value: PendingRow): boolean {
    const ms = Number(value.id.ms - this.#msBase)
    const time = value.timeMs - this.#timeBase
    const seq = value.id.seq - this.#seqBase
    const idFits = ms >= I32_MIN && ms <= I32_MAX && seq >= 0n && seq < U16_SIZE
    return idFits && time >= I32_MIN && time <= I32_MAX && value.owner <= U16_MAX && value.count <= U16_MAX
  }

  /** `vacant` is the place about to be written: what stands there now means nothing. */
  #widen(vacant: number): void {
    const narrow = this.#columns
    this.#columns = createColumns(narrow.owner.length, true)
    this.#meter.add(columnsBytes(this.#columns) - columnsBytes(narrow))
    for (let at = this.#start; at < this.#end; at++) {
      if (at === vacant) continue
      const id = { ms: this.#msBase + BigInt(narrow.ms[at]!), seq: this.#seqBase + BigInt(narrow.seq[at]!) }
      this.#write(at, {
        id,
        owner: narrow.owner[at]!,
        timeMs: this.#timeBase + narrow.time[at]!,
        count: narrow.count[at]!,
      })
    }
  }

  #resize(places: number, isWide: boolean): void {
    const old = this.#columns
    const columns = createColumns(places, isWide)
    copyColumn(old.ms, columns.ms, this.#start, this.#end)
    copyColumn(old.seq, columns.seq, this.#start, this.#end)
    copyColumn(old.owner, columns.owner, this.#start, this.#end)
    copyColumn(old.time, columns.time, this.#start, this.#end)
    copyColumn(old.count, columns.count, this.#start, this.#end)
    this.#columns = columns
    this.#end -= this.#start
    this.#start = 0
    this.#meter.add(columnsBytes(columns) - columnsBytes(old))
  }

  #msAt(at: number): bigint {
    const value = this.#columns.ms[at]!
    return typeof value === 'bigint' ? value : this.#msBase + BigInt(value)
  }

  #seqAt(at: number): bigint {
    const value = this.#columns.seq[at]!
    return typeof value === 'bigint' ? value : this.#seqBase + BigInt(value)
  }
}

type Column = Columns['ms'] | Columns['seq'] | Columns['owner'] | Columns['time'] | Columns['count']

function createColumns(rows: number, isWide: boolean): Columns {
  return {
    isWide,
    ms: isWide ? new BigUint64Array(rows) : new Int32Array(rows),
    seq: isWide ? new BigUint64Array(rows) : new Uint16Array(rows),
    owner: isWide ? new Uint32Array(rows) : new Uint16Array(rows),
    time: isWide ? new Float64Array(rows) : new Int32Array(rows),
    count: isWide ? new Float64Array(rows) : new Uint16Array(rows),
  }
}

function columnsBytes(columns: Columns): number {
  const { ms, seq, owner, time, count } = columns
  return ms.byteLength + seq.byteLength + owner.byteLength + time.byteLength + count.byteLength
}

/** Both columns are of one kind; copies the rows to the front. */
function copyColumn(from: Column, to: Column, start: number, end: number): void {
  if (from instanceof BigUint64Array && to instanceof BigUint64Array) to.set(from.subarray(start, end))
  else if (!(from instanceof BigUint64Array) && !(to instanceof BigUint64Array)) to.set(from.subarray(start, end))
}
