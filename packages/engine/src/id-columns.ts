/**
 * The IDs of a segment's rows, in ascending order, in two columns that are as narrow as the IDs allow.
 *
 *   narrow   ms   [0  ][0  ][1  ][5  ]     u16, above msBase;  u32 from the first on that needs it
 *            seq  [0  ][1  ][0  ][0  ]     u8, above seqBase;  u16 from the first on that needs it
 *
 *   wide     pairs  [ 1700 0 ][ 2^60 7 ]   u64 both: any ID
 *
 * The bases are those of the first ID; a base of the sequence numbers above 0 is taken only where they are above 65,535
 * anyway. Narrow columns hold plain IDs (number-id.ts), and nothing here makes a bigint for them.
 */
import type { StreamId } from './id.ts'
import { toStreamId, type IdCell, type NumberId } from './number-id.ts'

const U8_MAX = 2 ** 8 - 1
const U16_MAX = 2 ** 16 - 1
const U32_MAX = 2 ** 32 - 1
const NO_PAIRS = new BigUint64Array(0)

/** How many rows, and whose columns were as wide as these are likely to become: widening full ones costs 30 µs. */
interface Places {
  readonly rows: number
  readonly like: Pick<IdLayout, 'hasLongMs' | 'hasLongSeq'> | undefined
}

/** What is to be known of columns to have them again from their bytes. */
export interface IdLayout {
  readonly ms: number
  readonly seq: number
  readonly isWide: boolean
  readonly hasLongMs: boolean
  readonly hasLongSeq: boolean
}

export class IdColumns {
  readonly isWide: boolean
  readonly #msBase: number
  readonly #seqBase: number
  #ms: Uint16Array | Uint32Array
  #seq: Uint8Array | Uint16Array
  #pairs: BigUint64Array

  private constructor(base: { readonly ms: number; readonly seq: number }, isWide: boolean, places: Places) {
    const { rows, like } = places
    this.isWide = isWide
    this.#msBase = base.ms
    this.#seqBase = base.seq
    const narrowRows = isWide ? 0 : rows
    this.#ms = like?.hasLongMs === true ? new Uint32Array(narrowRows) : new Uint16Array(narrowRows)
    this.#seq = like?.hasLongSeq === true ? new Uint16Array(narrowRows) : new Uint8Array(narrowRows)
    this.#pairs = isWide ? new BigUint64Array(rows * 2) : NO_PAIRS
  }

  /** Empty columns, the first row of which is to be `first`. */
  static create(first: NumberId, isWide: boolean, places: Places): IdColumns {
    return new IdColumns({ ms: first.ms, seq: first.seq > U16_MAX ? first.seq : 0 }, isWide, places)
  }

  /** Columns for so many rows, whose `pieces` are to be filled with those of others of this layout. */
  static laidOut(layout: IdLayout, rows: number): IdColumns {
    return new IdColumns(layout, layout.isWide, { rows, like: layout })
  }

  /** Empty columns that take the same IDs. */
  alike(rows: number): IdColumns {
    return new IdColumns({ ms: this.#msBase, seq: this.#seqBase }, this.isWide, { rows, like: undefined })
  }

  /** The same columns, to be read: rows are only ever added behind those that are there, and wider columns are new ones. */
  picture(): IdColumns {
    const picture = this.alike(0)
    picture.#ms = this.#ms
    picture.#seq = this.#seq
    picture.#pairs = this.#pairs
    return picture
  }

  /** A row of narrow columns has needed 32 bits for its ms. */
  get hasLongMs(): boolean {
    return this.#ms instanceof Uint32Array
  }

  /** A row of narrow columns has needed 16 bits for its seq. */
  get hasLongSeq(): boolean {
    return this.#seq instanceof Uint16Array
  }

  get layout(): IdLayout {
    const { isWide, hasLongMs, hasLongSeq } = this
    return { ms: this.#msBase, seq: this.#seqBase, isWide, hasLongMs, hasLongSeq }
  }

  /** The bytes of the first so many rows where they lie. */
  pieces(rows: number): Uint8Array[] {
    if (this.isWide) return [bytesOf(this.#pairs.subarray(0, rows * 2))]
    return [bytesOf(this.#ms.subarray(0, rows)), bytesOf(this.#seq.subarray(0, rows))]
  }

  get byteLength(): number {
    return this.#ms.byteLength + this.#seq.byteLength + this.#pairs.byteLength
  }

  /** Whether an ID above the others can be a row. */
  fits(id: NumberId): boolean {
    if (this.isWide) return true
    const seq = id.seq - this.#seqBase
    return id.wide === undefined && id.ms - this.#msBase <= U32_MAX && seq >= 0 && seq <= U16_MAX
  }

  /** How many rows, from one with this ID on, the columns take as wide as they are, when the IDs follow each other. */
  runRoom(id: NumberId): number {
    const ms = id.ms - this.#msBase
    const seq = id.seq - this.#seqBase
    if (this.isWide || seq < 0 || ms > (this.hasLongMs ? U32_MAX : U16_MAX)) return 0
    return Math.max((this.hasLongSeq ? U16_MAX : U8_MAX) - seq + 1, 0)
  }

  /** The IDs of so many rows from `row` on, which have room. Hot. */
  setRun(row: number, id: NumberId, rows: number): void {
    const ms = id.ms - this.#msBase
    const seq = id.seq - this.#seqBase
    for (let i = 0; i < rows; i++) {
      this.#ms[row + i] = ms
      this.#seq[row + i] = seq + i
    }
  }

  /** The ID fits. Returns by how many bytes the columns grew because it is the first to need wider ones. */
  set(row: number, id: NumberId): number {
    if (this.isWide) {
      const exact = toStreamId(id)
      this.#pairs[row * 2] = exact.ms
      this.#pairs[row * 2 + 1] = exact.seq
      return 0
    }
    const ms = id.ms - this.#msBase
    const seq = id.seq - this.#seqBase
    const grown = (ms > U16_MAX ? this.#widenMs() : 0) + (seq > U8_MAX ? this.#widenSeq() : 0)
    this.#ms[row] = ms
    this.#seq[row] = seq
    return grown
  }

  read(row: number, into: IdCell): void {
    if (this.isWide) into.setId(this.#exact(row))
    else into.setPlain(this.#msBase + this.#ms[row]!, this.#seqBase + this.#seq[row]!)
  }

  /** Only of narrow columns. */
  msAt(row: number): number {
    return this.#msBase + this.#ms[row]!
  }

  /** Only of narrow columns. */
  seqAt(row: number): number {
    return this.#seqBase + this.#seq[row]!
  }

  /** Below 0 when the row's ID comes before the given one, above 0 when after, 0 when they are the same. */
  compare(row: number, id: NumberId): number {
    if (this.isWide) return comparePair(this.#pairs, row, toStreamId(id))
    const ms = this.#msBase + this.#ms[row]! - id.ms
    return ms === 0 ? this.#seqBase + this.#seq[row]! - id.seq : ms
  }

  /**
   * The first of `count` rows whose ID is not below the given one; `count` when all are. Hot.
   *
   * Time mostly passes evenly, so the search begins where the ID would be then, and from there takes steps of 1, 2, 4 …
   * until it has passed the ID. Of a segment that is not in the processor's cache that waits for memory 4 times, not 9.
   */
  lowerBound(id: NumberId, count: number): number {
    if (this.isWide) return this.#lowerBoundWide(toStreamId(id), count)
    const ms = id.ms - this.#msBase
    const seq = id.seq - this.#seqBase
    return count === 0 || this.#isBelow(count - 1, ms, seq) ? count : this.#search(ms, seq, count)
  }

  /** Keeps the first `kept` rows, and has room for `rows`. */
  resize(kept: number, rows: number): void {
    if (this.isWide) this.#pairs = resized(this.#pairs, new BigUint64Array(rows * 2), kept * 2)
    else {
      this.#ms = resized(
        this.#ms,
        this.#ms instanceof Uint16Array ? new Uint16Array(rows) : new Uint32Array(rows),
        kept,
      )
      this.#seq = resized(
        this.#seq,
        this.#seq instanceof Uint8Array ? new Uint8Array(rows) : new Uint16Array(rows),
        kept,
      )
    }
  }

  /** The last of the `count` rows is not below the ID. */
  #search(ms: number, seq: number, count: number): number {
    const firstMs = this.#ms[0]!
    const spanMs = this.#ms[count - 1]! - firstMs
    // An ID before the first gives a guess below 0.
    const guess = spanMs === 0 ? count >>> 1 : Math.max(Math.trunc(((ms - firstMs) / spanMs) * (count - 1)), 0)
    let low = 0
    let high = count - 1
    if (this.#isBelow(guess, ms, seq)) {
      low = guess + 1
      for (let step = 1; low + step <= high; step *= 2) {
        if (this.#isBelow(low + step - 1, ms, seq)) low += step
        else high = low + step - 1
      }
    } else {
      high = guess
      for (let step = 1; high - step >= low; step *= 2) {
        if (this.#isBelow(high - step, ms, seq)) low = high - step + 1
        else high -= step
      }
    }
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#isBelow(middle, ms, seq)) low = middle + 1
      else high = middle
    }
    return low
  }

  #isBelow(row: number, ms: number, seq: number): boolean {
    const found = this.#ms[row]!
    return found < ms || (found === ms && this.#seq[row]! < seq)
  }

  #widenMs(): number {
    if (this.#ms instanceof Uint32Array) return 0
    this.#ms = new Uint32Array(this.#ms)
    return this.#ms.length * 2
  }

  #widenSeq(): number {
    if (this.#seq instanceof Uint16Array) return 0
    this.#seq = new Uint16Array(this.#seq)
    return this.#seq.length
  }

  #exact(row: number): StreamId {
    return { ms: this.#pairs[row * 2]!, seq: this.#pairs[row * 2 + 1]! }
  }

  #lowerBoundWide(id: StreamId, count: number): number {
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (comparePair(this.#pairs, middle, id) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function comparePair(pairs: BigUint64Array, row: number, id: StreamId): number {
  const ms = pairs[row * 2]!
  if (ms !== id.ms) return ms < id.ms ? -1 : 1
  const seq = pairs[row * 2 + 1]!
  if (seq === id.seq) return 0
  return seq < id.seq ? -1 : 1
}

type Column = Uint8Array | Uint16Array | Uint32Array | BigUint64Array

/** A column's bytes where they lie. */
export function bytesOf(column: Column): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength)
}

/** The first `kept` of a column in another one. */
export function resized<T extends Column>(column: T, into: T, kept: number): T {
  into.set(column.subarray(0, kept) as never)
  return into
}
