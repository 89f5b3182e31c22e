/**
 * The columns of a pending block: what is known of a pending entry, each part in as few bytes as it mostly needs.
 *
 *   narrow   ms   i32, around msBase       wide   ms   u64       any row; made of a narrow block's
 *            seq  u16, above seqBase              seq  u64       columns by the first row that does
 *            owner  u16                           owner  u32     not fit those
 *            time   i32, around timeBase          time   f64
 *            count  u16                           count  f64
 *
 * Narrow columns hold plain IDs only (number-id.ts), and nothing here makes a bigint for them. A place is an index into
 * the columns; which places are rows is the block's business.
 */
import type { IdColumns } from './id-columns.ts'
import type { IdList } from './id-list.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'

const I32_MIN = -(2 ** 31)
const I32_MAX = 2 ** 31 - 1
const U16_MAX = 65_535
// Fewer rows than this are moved by a loop: `copyWithin` takes 30 ns and more for each of the five columns.
const LOOP_ROWS_MAX = 12

/** What is known of a pending entry besides its ID. */
export interface PendingRecord {
  /** The consumer's number in its group. */
  readonly owner: number
  readonly timeMs: number
  readonly count: number
}

interface Narrow {
  readonly isWide: false
  readonly ms: Int32Array
  readonly seq: Uint16Array
  readonly owner: Uint16Array
  readonly time: Int32Array
  readonly count: Uint16Array
}

interface Wide {
  readonly isWide: true
  readonly ms: BigUint64Array
  readonly seq: BigUint64Array
  readonly owner: Uint32Array
  readonly time: Float64Array
  readonly count: Float64Array
}

export class PendingColumns {
  #columns: Narrow | Wide
  readonly #msBase: number
  readonly #seqBase: number
  readonly #timeBase: number

  /** Columns whose first row is to have this ID and time. */
  constructor(first: NumberId, timeMs: number, places: number) {
    this.#msBase = first.ms
    this.#seqBase = first.seq > U16_MAX ? first.seq : 0
    this.#timeBase = timeMs
    this.#columns = narrowColumns(places)
  }

  get places(): number {
    return this.#columns.owner.length
  }

  get byteLength(): number {
    const { ms, seq, owner, time, count } = this.#columns
    return ms.byteLength + seq.byteLength + owner.byteLength + time.byteLength + count.byteLength
  }

  readId(at: number, into: IdCell): void {
    const columns = this.#columns
    if (columns.isWide) into.setId({ ms: columns.ms[at]!, seq: columns.seq[at]! })
    else into.setPlain(this.#msBase + columns.ms[at]!, this.#seqBase + columns.seq[at]!)
  }

  ownerAt(at: number): number {
    return this.#columns.owner[at]!
  }

  timeAt(at: number): number {
    return this.#columns.isWide ? this.#columns.time[at]! : this.#timeBase + this.#columns.time[at]!
  }

  countAt(at: number): number {
    return this.#columns.count[at]!
  }

  /** Below 0 when the place's ID comes before the given one, above 0 when after, 0 when they are the same. */
  compare(at: number, id: NumberId): number {
    const columns = this.#columns
    if (columns.isWide) return compareWide(columns, at, id)
    const ms = this.#msBase + columns.ms[at]! - id.ms
    return ms === 0 ? this.#seqBase + columns.seq[at]! - id.seq : ms
  }

  /**
   * The first of the places from `start` to `end - 1`, which ascend, whose ID is not below the given one; `end` when all
   * are. Begins where the ID would be if time passed evenly, as in id-columns.ts: a claim among ten million waits for memory
   * less often. Hot.
   */
  lowerBound(id: NumberId, start: number, end: number): number {
    const columns = this.#columns
    if (columns.isWide || start === end || id.wide !== undefined) return this.#search(id, start, end)
    if (this.compare(end - 1, id) < 0) return end
    const firstMs = columns.ms[start]!
    const spanMs = columns.ms[end - 1]! - firstMs
    if (spanMs === 0) return this.#search(id, start, end)
    const share = Math.max((id.ms - this.#msBase - firstMs) / spanMs, 0)
    let low = start
    let high = start + Math.trunc(share * (end - 1 - start))
    if (this.compare(high, id) < 0) {
      low = high + 1
      high = end - 1
      for (let step = 1; low + step <= high; step *= 2) {
        if (this.compare(low + step - 1, id) < 0) low += step
        else high = low + step - 1
      }
    } else {
      for (let step = 1; high - step >= low; step *= 2) {
        if (this.compare(high - step, id) < 0) low = high - step + 1
        else high -= step
      }
    }
    return this.#search(id, low, high)
  }

  /**
   * How many of the IDs from `index` on are, one after the other, those of the places from `at` to `end - 1`, and of that
   * owner where one is given. Hot: a batch is mostly acknowledged as it was delivered.
   */
  matchRun(
    at: number,
    end: number,
    ids: IdList,
    want: { readonly index: number; readonly owner: number | undefined },
  ): number {
    const columns = this.#columns
    if (columns.isWide || ids.wide.size > 0) return 0
    const { ms, seq, owner } = columns
    const { index } = want
    const count = Math.min(end - at, ids.count - index)
    for (let i = 0; i < count; i++) {
      const isSame =
        ids.ms[index + i] === this.#msBase + ms[at + i]! && ids.seq[index + i] === this.#seqBase + seq[at + i]!
      if (!isSame || (want.owner !== undefined && owner[at + i] !== want.owner)) return i
    }
    return count
  }

  /** Returns by how many bytes the columns grew because this is the first row to need wide ones. */
  write(at: number, id: NumberId, record: PendingRecord): number {
    const grown = !this.#columns.isWide && !this.#fitsNarrow(id, record) ? this.#widen() : 0
    this.#write(at, id, record)
    return grown
  }

  /** Changes everything of a place but its ID; false, and nothing is done, when that doesn't fit narrow columns. Hot. */
  rewrite(at: number, record: PendingRecord): boolean {
    const columns = this.#columns
    const { owner, timeMs, count } = record
    const time = columns.isWide ? timeMs : timeMs - this.#timeBase
    if (!columns.isWide && !(owner <= U16_MAX && count <= U16_MAX && isI32(time))) return false
    columns.owner[at] = owner
    columns.time[at] = time
    columns.count[at] = count
    return true
  }

  /** Writes the IDs of rows `from` to `end - 1` with one record, as many as fit narrow columns; returns how many. Hot. */
  writeRun(at: number, run: { readonly ids: IdColumns; from: number; end: number }, record: PendingRecord): number {
    const columns = this.#columns
    const { ids, from, end } = run
    const { owner, count } = record
    const time = record.timeMs - this.#timeBase
    if (columns.isWide || ids.isWide || owner > U16_MAX || count > U16_MAX || !isI32(time)) return 0
    const ms = columns.ms
    const seq = columns.seq
    for (let row = from; row < end; row++) {
      const msDistance = ids.msAt(row) - this.#msBase
      const seqDistance = ids.seqAt(row) - this.#seqBase
      if (!isI32(msDistance) || seqDistance < 0 || seqDistance > U16_MAX) return row - from
      const place = at + row - from
      ms[place] = msDistance
      seq[place] = seqDistance
      columns.owner[place] = owner
      columns.time[place] = time
      columns.count[place] = count
    }
    return end - from
  }

  /** Moves the rows from `from` to `end - 1` so that they begin at `to`. */
  move(from: number, end: number, to: number): void {
    if (from === end || from === to) return
    const { ms, seq, owner, time, count } = this.#columns
    if (end - from < LOOP_ROWS_MAX) {
      if (to < from) for (let at = from; at < end; at++) this.#copyRow(at, at - from + to)
      else for (let at = end - 1; at >= from; at--) this.#copyRow(at, at - from + to)
      return
    }
    ms.copyWithin(to, from, end)
    seq.copyWithin(to, from, end)
    owner.copyWithin(to, from, end)
    time.copyWithin(to, from, end)
    count.copyWithin(to, from, end)
  }

  /** The rows from `start` to `end - 1` at the front of so many places. */
  resize(places: number, start: number, end: number): void {
    const old = this.#columns
    if (old.isWide) this.#columns = copied(old, wideColumns(places), start, end)
    else this.#columns = copied(old, narrowColumns(places), start, end)
  }

  /** The places from `start` to `end - 1`, and no others, in columns of their own. */
  copy(start: number, end: number): PendingColumns {
    const copy = new PendingColumns({ ms: this.#msBase, seq: this.#seqBase, wide: undefined }, this.#timeBase, 0)
    copy.#columns = this.#columns
    copy.resize(end - start, start, end)
    return copy
  }

  #search(id: NumberId, start: number, end: number): number {
    let low = start
    let high = end
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.compare(middle, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }

  #fitsNarrow(id: NumberId, record: PendingRecord): boolean {
    const seq = id.seq - this.#seqBase
    return (
      id.wide === undefined &&
      isI32(id.ms - this.#msBase) &&
      seq >= 0 &&
      seq <= U16_MAX &&
      isI32(record.timeMs - this.#timeBase) &&
      record.owner <= U16_MAX &&
      record.count <= U16_MAX
    )
  }

  #write(at: number, id: NumberId, record: PendingRecord): void {
    const columns = this.#columns
    columns.owner[at] = record.owner
    columns.count[at] = record.count
    columns.time[at] = columns.isWide ? record.timeMs : record.timeMs - this.#timeBase
    if (columns.isWide) {
      const exact = toStreamId(id)
      columns.ms[at] = exact.ms
      columns.seq[at] = exact.seq
    } else {
      columns.ms[at] = id.ms - this.#msBase
      columns.seq[at] = id.seq - this.#seqBase
    }
  }

  #copyRow(from: number, to: number): void {
    const columns = this.#columns
    if (columns.isWide) {
      columns.ms[to] = columns.ms[from]!
      columns.seq[to] = columns.seq[from]!
    } else {
      columns.ms[to] = columns.ms[from]!
      columns.seq[to] = columns.seq[from]!
    }
    columns.owner[to] = columns.owner[from]!
    columns.time[to] = columns.time[from]!
    columns.count[to] = columns.count[from]!
  }

  /** Places that are no rows are converted as well; they mean nothing before and after. */
  #widen(): number {
    const before = this.byteLength
    const id = new IdCell()
    const narrow = this.#columns
    const wide = wideColumns(this.places)
    for (let at = 0; at < this.places; at++) {
      this.readId(at, id)
      const exact = toStreamId(id)
      wide.ms[at] = exact.ms
      wide.seq[at] = exact.seq
      wide.owner[at] = narrow.owner[at]!
      wide.time[at] = this.#timeBase + (narrow.time[at] as number)
      wide.count[at] = narrow.count[at]!
    }
    this.#columns = wide
    return this.byteLength - before
  }
}

function isI32(value: number): boolean {
  return value >= I32_MIN && value <= I32_MAX
}

function compareWide(columns: Wide, at: number, id: NumberId): number {
  const row = IdCell.of({ ms: columns.ms[at]!, seq: columns.seq[at]! })
  return compareNumberIds(row, id)
}

function narrowColumns(places: number): Narrow {
  return {
    isWide: false,
    ms: new Int32Array(places),
    seq: new Uint16Array(places),
    owner: new Uint16Array(places),
    time: new Int32Array(places),
    count: new Uint16Array(places),
  }
}

function wideColumns(places: number): Wide {
  return {
    isWide: true,
    ms: new BigUint64Array(places),
    seq: new BigUint64Array(places),
    owner: new Uint32Array(places),
    time: new Float64Array(places),
    count: new Float64Array(places),
  }
}

// Both are of one kind.
function copied<T extends Narrow | Wide>(from: T, to: T, start: number, end: number): T {
  if (from.isWide && to.isWide) {
    to.ms.set(from.ms.subarray(start, end))
    to.seq.set(from.seq.subarray(start, end))
  } else if (!from.isWide && !to.isWide) {
    to.ms.set(from.ms.subarray(start, end))
    to.seq.set(from.seq.subarray(start, end))
  }
  to.owner.set(from.owner.subarray(start, end))
  to.time.set(from.time.subarray(start, end))
  to.count.set(from.count.subarray(start, end))
  return to
}
