/**
 * Times at which something is due, the earliest first: a binary heap in which each item knows its place, so that a
 * changed or ended deadline is found at once and nothing is ever rebuilt.
 *
 *                  [5 a]                 items:  a → 0, b → 1, c → 2, d → 3
 *               ┌────┴────┐
 *             [9 b]     [7 c]
 *          ┌────┘
 *        [12 d]
 */

interface Due<T> {
  readonly item: T
  atMs: number
  place: number
}

export class Deadlines<T> {
  readonly #heap: Due<T>[] = []
  readonly #items = new Map<T, Due<T>>()

  get size(): number {
    return this.#heap.length
  }

  /** The earliest deadline. */
  next(): number | undefined {
    return this.#heap[0]?.atMs
  }

  get(item: T): number | undefined {
    return this.#items.get(item)?.atMs
  }

  /** Sets the item's deadline, in place of the one it had. */
  set(item: T, atMs: number): void {
    const due = this.#items.get(item)
    if (due === undefined) {
      const added = { item, atMs, place: this.#heap.length }
      this.#items.set(item, added)
      this.#heap.push(added)
      this.#rise(added)
    } else {
      due.atMs = atMs
      this.#settle(due)
    }
  }

  delete(item: T): void {
    const due = this.#items.get(item)
    if (due === undefined) return
    this.#items.delete(item)
    const last = this.#heap.pop()!
    if (last === due) return
    last.place = due.place
    this.#heap[due.place] = last
    this.#settle(last)
  }

  /** The item whose deadline is the earliest, when that is not after `nowMs`. */
  due(nowMs: number): T | undefined {
    const first = this.#heap[0]
    return first === undefined || first.atMs > nowMs ? undefined : first.item
  }

  /** Removes and returns an item whose deadline is not after `nowMs`, the earliest first. */
  take(nowMs: number): T | undefined {
    const item = this.due(nowMs)
    if (item !== undefined) this.delete(item)
    return item
  }

  /** Brings a deadline that is out of order to its place. */
  #settle(due: Due<T>): void {
    this.#rise(due)
    this.#sink(due)
  }

  #rise(due: Due<T>): void {
    const heap = this.#heap
    let place = due.place
    while (place > 0) {
      const parent = heap[(place - 1) >>> 1]!
      if (parent.atMs <= due.atMs) break
      heap[place] = parent
      const above = parent.place
      parent.place = place
      place = above
    }
    heap[place] = due
    due.place = place
  }

  #sink(due: Due<T>): void {
    const heap = this.#heap
    let place = due.place
    for (;;) {
      let below = place * 2 + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && heap[below + 1]!.atMs < heap[below]!.atMs) below++
      const child = heap[below]!
      if (child.atMs >= due.atMs) break
      heap[place] = child
      child.place = place
      place = below
    }
    heap[place] = due
    due.place = place
  }
}
