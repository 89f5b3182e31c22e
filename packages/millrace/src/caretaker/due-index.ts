/**
 * When the waiting entries of a delayed stream are due: the earliest first, at most so many.
 *
 *   heap   [ 10:00 7-0 │ 10:05 9-0 │ 10:02 8-3 │ … ]      everything that is due before the horizon
 *   horizon  11:30                                         what is due later was dropped, and is read again by then
 */
import type { EntryId } from '../backend.ts'

export interface Due {
  readonly id: EntryId
  readonly dueMs: number
}

export class DueIndex {
  readonly #max: number
  #heap: Due[] = []
  #horizonMs = Infinity

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#heap.length
  }

  /** Before this time all is known. */
  get horizonMs(): number {
    return this.#horizonMs
  }

  /** Infinity: nothing waits. */
  get earliestMs(): number {
    return Math.min(this.#heap[0]?.dueMs ?? Infinity, this.#horizonMs)
  }

  clear(): void {
    this.#heap = []
    this.#horizonMs = Infinity
  }

  add(due: Due): void {
    if (this.#heap.length >= this.#max) this.#dropLaterHalf()
    if (due.dueMs >= this.#horizonMs) return
    const heap = this.#heap
    heap.push(due)
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1
      if (heap[parent]!.dueMs <= heap[i]!.dueMs) return
      swap(heap, i, parent)
      i = parent
    }
  }

  /** Takes out the earliest, if it is due. */
  take(nowMs: number): Due | undefined {
    const heap = this.#heap
    const first = heap[0]
    if (first === undefined || first.dueMs > nowMs) return undefined
    const last = heap.pop()!
    if (heap.length === 0) return first
    heap[0] = last
    for (let i = 0; ;) {
      const [left, right] = [2 * i + 1, 2 * i + 2]
      let least = i
      if (left < heap.length && heap[left]!.dueMs < heap[least]!.dueMs) least = left
      if (right < heap.length && heap[right]!.dueMs < heap[least]!.dueMs) least = right
      if (least === i) return first
      swap(heap, i, least)
      i = least
    }
  }

  /** A sorted list is a heap. */
  #dropLaterHalf(): void {
    const sorted = this.#heap.toSorted((a, b) => a.dueMs - b.dueMs)
    const kept = Math.max(1, this.#max >> 1)
    this.#horizonMs = Math.min(this.#horizonMs, sorted[kept]?.dueMs ?? Infinity)
    this.#heap = sorted.slice(0, kept)
    // Of those that are due at the horizon itself some would be known and some not.
    const before = this.#heap.filter(({ dueMs }) => dueMs < this.#horizonMs)
    if (before.length > 0) this.#heap = before
    // More of one moment than it holds: half of them now, the others when these were moved and all is read again.
    else this.#horizonMs += 1
  }
}

function swap(heap: Due[], a: number, b: number): void {
  const kept = heap[a]!
  heap[a] = heap[b]!
  heap[b] = kept
}
