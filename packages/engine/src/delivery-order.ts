/**
 * A group's pending entries by the time of their last delivery, the longest ago first: what XREADGROUP … CLAIM takes
 * from. Made when a group is first read that way, and told of each delivery from then on.
 *
 *                  [1700 5-0]                 a binary heap in three columns: time, ms, seq;
 *             ┌─────────┴─────────┐           equal times in the order of their IDs
 *        [1700 6-1]          [1950 2-0]
 *       ┌─────┘
 *   [1800 5-0]                                5-0 was delivered once more: one of the two is stale
 *
 * Nobody says when an entry is acknowledged or delivered anew. Its former place is recognised as stale when it comes up
 * (the pending list has another time for it, or none), and the heap is made anew when most of it must be stale.
 */
import type { StreamId } from './id.ts'
import type { Meter } from './meter.ts'
import { compareNumberIds, IdCell, type NumberId } from './number-id.ts'

const PLACES_MIN = 64
const PLACE_BYTES = 24

export class DeliveryOrder {
  #time = new Float64Array(PLACES_MIN)
  #ms = new Float64Array(PLACES_MIN)
  #seq = new Float64Array(PLACES_MIN)
  /** The exact IDs of those that are no plain numbers (number-id.ts); undefined: there are none. */
  #wide: (StreamId | undefined)[] | undefined = undefined
  #size = 0
  readonly #moved = new IdCell()
  readonly #other = new IdCell()
  readonly #meter: Meter

  constructor(meter: Meter) {
    this.#meter = meter
    meter.add(PLACES_MIN * PLACE_BYTES)
  }

  get size(): number {
    return this.#size
  }

  /** The earliest time; undefined when there is none. */
  get firstTime(): number | undefined {
    return this.#size === 0 ? undefined : this.#time[0]!
  }

  /** What has the earliest time, which there is, into a cell. */
  readFirst(into: IdCell): void {
    this.#read(0, into)
  }

  push(timeMs: number, id: NumberId): void {
    if (this.#size === this.#time.length) this.#grow()
    if (id.wide !== undefined) this.#wide ??= []
    let at = this.#size++
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if (!this.#isBefore(timeMs, id, parent)) break
      this.#move(parent, at)
      at = parent
    }
    this.#put(at, timeMs, id)
  }

  /** Removes the first. */
  pop(): void {
    const last = --this.#size
    if (last <= 0) return
    const timeMs = this.#time[last]!
    const id = this.#moved
    this.#read(last, id)
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (child >= last) break
      if (child + 1 < last && this.#isPlaceBefore(child + 1, child)) child++
      if (this.#isBefore(timeMs, id, child)) break
      this.#move(child, at)
      at = child
    }
    this.#put(at, timeMs, id)
  }

  clear(): void {
    this.#size = 0
    this.#wide = undefined
  }

  /** Takes the order out of the memory account. */
  release(): void {
    this.#meter.add(-this.#time.length * PLACE_BYTES)
  }

  #isBefore(timeMs: number, id: NumberId, place: number): boolean {
    const time = this.#time[place]!
    if (timeMs !== time) return timeMs < time
    if (this.#wide !== undefined && id.wide !== undefined) return this.#isWideBefore(id, place)
    const ms = this.#ms[place]!
    return id.ms < ms || (id.ms === ms && id.seq < this.#seq[place]!)
  }

  #isPlaceBefore(a: number, b: number): boolean {
    if (this.#time[a]! !== this.#time[b]!) return this.#time[a]! < this.#time[b]!
    if (this.#wide?.[a] !== undefined) {
      this.#read(a, this.#other)
      return this.#isBefore(this.#time[a]!, this.#other, b)
    }
    const ms = this.#ms[a]!
    return ms < this.#ms[b]! || (ms === this.#ms[b]! && this.#seq[a]! < this.#seq[b]!)
  }

  #isWideBefore(id: NumberId, place: number): boolean {
    const other = new IdCell()
    this.#read(place, other)
    return compareNumberIds(id, other) < 0
  }

  #read(place: number, into: IdCell): void {
    into.setPlain(this.#ms[place]!, this.#seq[place]!)
    if (this.#wide !== undefined) into.wide = this.#wide[place]
  }

  #move(from: number, to: number): void {
    this.#time[to] = this.#time[from]!
    this.#ms[to] = this.#ms[from]!
    this.#seq[to] = this.#seq[from]!
    if (this.#wide !== undefined) this.#wide[to] = this.#wide[from]
  }

  #put(at: number, timeMs: number, id: NumberId): void {
    this.#time[at] = timeMs
    this.#ms[at] = id.ms
    this.#seq[at] = id.seq
    if (this.#wide !== undefined) this.#wide[at] = id.wide
  }

  #grow(): void {
    const places = this.#time.length * 2
    this.#meter.add(this.#time.length * PLACE_BYTES)
    const { time, ms, seq } = { time: this.#time, ms: this.#ms, seq: this.#seq }
    this.#time = new Float64Array(places)
    this.#ms = new Float64Array(places)
    this.#seq = new Float64Array(places)
    this.#time.set(time)
    this.#ms.set(ms)
    this.#seq.set(seq)
  }
}
