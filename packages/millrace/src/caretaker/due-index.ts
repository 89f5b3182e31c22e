/**
 * The entries that are due first, in memory: a binary heap by due time, of at most so many.
 *
 *          1:05        the root is due first; a parent is never due after its children
 *        /      \
 *     1:20      1:07   a heap that is full keeps the earlier ones: whatever was left out is due at `cutMs` or later, and is
 *     /  \             found by reading the stream again when the time comes
 *   2:00 1:30
 */
import type { EntryId } from '../backend.ts'

export interface Due {
  readonly id: EntryId
  /** Milliseconds since 1970, by the backend's clock. */
  readonly dueMs: number
}

export class DueIndex {
  readonly #max: number
  #heap: Due[] = []
  #cutMs = Infinity

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#heap.length
  }

  /** Nothing that is due before this was left out. */
  get cutMs(): number {
    return this.#cutMs
  }

  get first(): Due | undefined {
    return this.#heap[0]
  }

  add(due: Due): void {
    if (due.dueMs >= this.#cutMs) return
    this.#heap.push(due)
    this.#rise(this.#heap.length - 1)
    if (this.#heap.length > this.#max) this.#halve()
  }

  /** Takes the first one out. */
  take(): Due | undefined {
    const [first] = this.#heap
    const last = this.#heap.pop()
    if (first === undefined || last === undefined) return undefined
    if (this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink()
    }
    return first
  }

  clear(): void {
    this.#heap = []
    this.#cutMs = Infinity
  }

  /** The later half goes: rarely, and then for a while nothing has to. */
  #halve(): void {
    const sorted = this.#heap.toSorted((a, b) => a.dueMs - b.dueMs)
    // A sorted list is a heap. All that are due at the same moment as the first one left out go with it.
    const cutMs = sorted[Math.floor(this.#max / 2)]!.dueMs
    const kept = sorted.filter(({ dueMs }) => dueMs < cutMs)
    // More entries of one moment than fit: those of that moment stay, however many there are beyond half.
    this.#heap = kept.length > 0 ? kept : sorted.slice(0, this.#max)
    this.#cutMs = kept.length > 0 ? cutMs : cutMs + 1
  }

  #rise(from: number): void {
    const heap = this.#heap
    const due = heap[from]!
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (heap[parent]!.dueMs <= due.dueMs) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = due
  }

  #sink(): void {
    const heap = this.#heap
    const due = heap[0]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.dueMs < heap[child]!.dueMs) child++
      if (heap[child]!.dueMs >= due.dueMs) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = due
  }
}
