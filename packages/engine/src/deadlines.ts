/**
 * Times at which something is due, the earliest first: a binary heap. A changed or ended deadline is not searched for;
 * its old place is recognised as stale when it comes up, and the heap is rebuilt when most of it is stale.
 *
 *                  [5 a]                 current:  a → 5, b → 9, c → 7
 *               ┌────┴────┐
 *             [9 b]     [7 c]
 *          ┌────┘                        stale: b's former deadline
 *        [12 b]
 */

interface Due<T> {
  readonly atMs: number
  readonly item: T
}

const STALE_MIN = 64

export class Deadlines<T> {
  #heap: Due<T>[] = []
  readonly #current = new Map<T, Due<T>>()

  get size(): number {
    return this.#current.size
  }

  /** The earliest deadline. */
  next(): number | undefined {
    this.#dropStale()
    return this.#heap[0]?.atMs
  }

  get(item: T): number | undefined {
    return this.#current.get(item)?.atMs
  }

  /** Sets the item's deadline, in place of the one it had. */
  set(item: T, atMs: number): void {
    if (this.#current.get(item)?.atMs === atMs) return
    const due = { atMs, item }
    this.#current.set(item, due)
    this.#push(due)
    if (this.#heap.length > STALE_MIN && this.#heap.length > this.#current.size * 2) this.#rebuild()
  }

  delete(item: T): void {
    this.#current.delete(item)
    if (this.#current.size === 0) this.#heap = []
  }

  /** Removes and returns an item whose deadline is not after `nowMs`, the earliest first. */
  take(nowMs: number): T | undefined {
    this.#dropStale()
    const first = this.#heap[0]
    if (first === undefined || first.atMs > nowMs) return undefined
    this.#pop()
    this.#current.delete(first.item)
    return first.item
  }

  #dropStale(): void {
    while (this.#heap.length > 0 && this.#current.get(this.#heap[0]!.item) !== this.#heap[0]) this.#pop()
  }

  #rebuild(): void {
    const kept = [...this.#current.values()].sort((a, b) => a.atMs - b.atMs)
    this.#heap = kept
  }

  #push(due: Due<T>): void {
    const heap = this.#heap
    let at = heap.push(due) - 1
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (heap[parent]!.atMs <= due.atMs) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = due
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.atMs < heap[child]!.atMs) child++
      if (heap[child]!.atMs >= last.atMs) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
