/**
 * Where the parts of a long list of IDs begin, in two dense columns: which segment, or which block, an ID belongs to is
 * found in them alone.
 *
 *   parts    [ 1-0 … 9-4 ][ 9-5 … 17-0 ][ 17-2 …  ]
 *   ms         1            9             17
 *   seq        0            5             2
 *
 * A search of the parts themselves goes to memory for each one that it looks at: with ten million entries in random order
 * it took two thirds of a lookup. Here the columns of 10,000 parts stay in the processor's cache.
 *
 * A part's fence stays what it was when the part was made: nothing below it comes into the part, except into the first.
 */
import { compareNumberIds, IdCell, type NumberId } from './number-id.ts'
import type { StreamId } from './id.ts'

const PLACES_MIN = 4

export class Fences {
  #count = 0
  #ms = new Float64Array(PLACES_MIN)
  #seq = new Float64Array(PLACES_MIN)
  /** The exact IDs of those that are no plain numbers; undefined: there are none. */
  #wide: (StreamId | undefined)[] | undefined = undefined

  insert(index: number, id: NumberId): void {
    if (this.#count === this.#ms.length) this.#grow()
    this.#ms.copyWithin(index + 1, index, this.#count)
    this.#seq.copyWithin(index + 1, index, this.#count)
    this.#ms[index] = id.ms
    this.#seq[index] = id.seq
    if (id.wide !== undefined) this.#wide ??= Array.from({ length: this.#count })
    this.#wide?.splice(index, 0, id.wide)
    this.#count++
  }

  remove(index: number, count: number): void {
    this.#ms.copyWithin(index, index + count, this.#count)
    this.#seq.copyWithin(index, index + count, this.#count)
    this.#wide?.splice(index, count)
    this.#count -= count
    if (this.#count === 0) this.#wide = undefined
  }

  copy(): Fences {
    const copy = new Fences()
    copy.#count = this.#count
    copy.#ms = this.#ms.slice()
    copy.#seq = this.#seq.slice()
    copy.#wide = this.#wide?.slice()
    return copy
  }

  /** The last part whose fence is not above the ID; the first where all are. Hot. */
  find(id: NumberId): number {
    if (this.#wide !== undefined && id.wide !== undefined) return this.#findWide(id)
    const { ms, seq } = id
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = this.#ms[middle]!
      if (found < ms || (found === ms && this.#seq[middle]! <= seq)) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : low - 1
  }

  #findWide(id: NumberId): number {
    const fence = new IdCell()
    let low = 0
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      fence.setPlain(this.#ms[middle]!, this.#seq[middle]!)
      fence.wide = this.#wide![middle]
      if (compareNumberIds(fence, id) <= 0) low = middle + 1
      else high = middle
    }
    return low === 0 ? 0 : low - 1
  }

  #grow(): void {
    const { ms, seq } = { ms: this.#ms, seq: this.#seq }
    this.#ms = new Float64Array(ms.length * 2)
    this.#seq = new Float64Array(ms.length * 2)
    this.#ms.set(ms)
    this.#seq.set(seq)
  }
}
