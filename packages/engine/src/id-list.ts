/**
 * IDs in two columns of numbers: what an acknowledgement of many is made of, without an object for each.
 *
 *   ms     [1700][1700][2^64][1701]  …  free
 *   seq    [0   ][1   ][5   ][0   ]
 *   wide   2 → { ms: 18446744073709551615n, seq: 5n }      only where a number is not exact (number-id.ts)
 *
 * A list without IDs has no columns yet: of those that a claim makes most stay empty.
 * A list is reused: `clear` keeps its columns. Whoever keeps one that a change carries copies it.
 */
import type { StreamId } from './id.ts'
import { compareNumberIds, IdCell, toStreamId, type NumberId } from './number-id.ts'

/** Arrays of up to 64 bytes lie in the heap, which takes a tenth of what the others take. */
const PLACES_MIN = 8
const NO_COLUMN = new Float64Array(0)
const NO_WIDE: ReadonlyMap<number, StreamId> = new Map()

export class IdList {
  ms: Float64Array
  seq: Float64Array
  count = 0
  #wide: Map<number, StreamId> | undefined = undefined

  constructor(places = 0) {
    this.ms = places === 0 ? NO_COLUMN : new Float64Array(places)
    this.seq = places === 0 ? NO_COLUMN : new Float64Array(places)
  }

  get wide(): ReadonlyMap<number, StreamId> {
    return this.#wide ?? NO_WIDE
  }

  static of(ids: readonly StreamId[]): IdList {
    const list = new IdList(ids.length)
    const cell = new IdCell()
    for (let i = 0; i < ids.length; i++) {
      cell.setId(ids[i]!)
      list.add(cell)
    }
    return list
  }

  add(id: NumberId): void {
    if (this.count === this.ms.length) this.#grow()
    this.ms[this.count] = id.ms
    this.seq[this.count] = id.seq
    if (id.wide !== undefined) (this.#wide ??= new Map<number, StreamId>()).set(this.count, id.wide)
    this.count++
  }

  /** Adds a plain ID and those that follow it in its millisecond, so many in all. Hot. */
  addRun(id: NumberId, count: number): void {
    while (this.count + count > this.ms.length) this.#grow()
    for (let i = 0; i < count; i++) {
      this.ms[this.count] = id.ms
      this.seq[this.count++] = id.seq + i
    }
  }

  /** Leaves the ID at an index in a cell. */
  read(index: number, into: IdCell): void {
    into.setPlain(this.ms[index]!, this.seq[index]!)
    if (this.#wide !== undefined) into.wide = this.#wide.get(index)
  }

  clear(): void {
    this.count = 0
    this.#wide = undefined
  }

  copy(): IdList {
    const copy = new IdList(this.count)
    copy.ms.set(this.ms.subarray(0, this.count))
    copy.seq.set(this.seq.subarray(0, this.count))
    copy.count = this.count
    if (this.#wide !== undefined) copy.#wide = new Map(this.#wide)
    return copy
  }

  /** Whether each ID is above the one before, so that none is there twice. */
  isAscending(): boolean {
    if (this.wide.size > 0) return this.#isAscendingWide()
    for (let i = 1; i < this.count; i++) {
      if (this.ms[i]! < this.ms[i - 1]! || (this.ms[i] === this.ms[i - 1] && this.seq[i]! <= this.seq[i - 1]!)) {
        return false
      }
    }
    return true
  }

  toIds(): StreamId[] {
    const cell = new IdCell()
    return Array.from({ length: this.count }, (_, index) => {
      this.read(index, cell)
      return toStreamId(cell)
    })
  }

  #isAscendingWide(): boolean {
    const before = new IdCell()
    const cell = new IdCell()
    for (let i = 1; i < this.count; i++) {
      this.read(i - 1, before)
      this.read(i, cell)
      if (compareNumberIds(before, cell) >= 0) return false
    }
    return true
  }

  #grow(): void {
    const { ms, seq } = this
    this.ms = new Float64Array(Math.max(ms.length * 2, PLACES_MIN))
    this.seq = new Float64Array(this.ms.length)
    this.ms.set(ms)
    this.seq.set(seq)
  }
}
