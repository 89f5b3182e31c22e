/**
 * The queue of an ordered stream: of each key at most one entry runs, the others of it wait in its lane.
 *
 *   push ──key free──► ready ──shift──► running ──done──► the lane's next is ready
 *      └──key busy──► its lane                └──again──► ready, first
 *
 *   left over by another worker: counted as a delivery just before it runs, so that what only waited is not counted.
 *   delivered twice or more, and still not done (a suspect): one at a time, lest it takes its neighbours along.
 *
 * Bounds: what a worker holds (worker.ts); a key that waits for its retry fills its lane until then.
 */
import { orderingKeyOf } from '../envelope.ts'
import { isBelow } from '../worker/id-order.ts'
import type { Lease } from '../worker/lease.ts'
import { Fifo, type WorkQueue } from '../worker/work-queue.ts'

const SUSPECT_DELIVERIES = 2

interface Lane {
  readonly name: string
  /** Ready or running. */
  first: Lease
  readonly waiting: Lease[]
}

export interface LanesSite {
  /** Counts a delivery of a left-over entry; false: it is not ours any more. Never rejects. */
  readonly count: (lease: Lease) => Promise<boolean>
  /** By the worker's clock. */
  readonly monotonicMs: () => number
  /** An entry of this stream turned out to be another's: so is what comes after it. All of it is to be lost, at once. */
  readonly onLost: (home: string) => void
  /** There may be something to shift again. */
  readonly onReady: () => void
}

export class Lanes implements WorkQueue {
  readonly #ready = new Fifo()
  readonly #suspects = new Fifo()
  readonly #lanes = new Map<string, Lane>()
  readonly #laneOf = new Map<Lease, Lane>()
  readonly #counting = new Set<Lease>()
  #suspect: Lease | undefined
  #blocked = 0
  #site: LanesSite | undefined

  attach(site: LanesSite): void {
    this.#site = site
  }

  get size(): number {
    return this.#ready.size + this.#counting.size
  }

  get blocked(): number {
    return this.#blocked + this.#suspects.size
  }

  push(lease: Lease): void {
    const key = orderingKeyOf(lease.fields)
    if (key === undefined) return this.#ready.push(lease)
    const name = `${lease.line.home}\0${key}`
    const lane = this.#lanes.get(name)
    if (lane === undefined) {
      const made: Lane = { name, first: lease, waiting: [] }
      this.#lanes.set(name, made)
      this.#laneOf.set(lease, made)
      return this.#ready.push(lease)
    }
    this.#laneOf.set(lease, lane)
    this.#blocked++
    // Found late, but older: before those of its stream that came after it.
    const place = lease.isUncounted ? lane.waiting.findIndex((other) => isBefore(lease, other)) : -1
    if (place === -1) lane.waiting.push(lease)
    else lane.waiting.splice(place, 0, lease)
  }

  shift(): Lease | undefined {
    for (;;) {
      const lease = this.#ready.shift()
      if (lease === undefined || lease.isLost) return lease
      if (this.#site !== undefined && lease.expiresAtMs <= this.#site.monotonicMs()) {
        // This process stood still: somebody else may be further in this lane already.
        lease.line.leases.lose(
          lease,
          new Error(`The lease of ${lease.copyId} was lost: it could not be renewed in time`),
        )
        return lease
      }
      if (!lease.isUncounted) return lease
      const isSuspect = lease.deliveries >= SUSPECT_DELIVERIES
      if (isSuspect && this.#suspect !== undefined) {
        this.#suspects.push(lease)
        continue
      }
      if (isSuspect) this.#suspect = lease
      void this.#count(lease)
    }
  }

  done(lease: Lease): void {
    if (lease === this.#suspect) {
      this.#suspect = undefined
      const next = this.#suspects.shift()
      if (next !== undefined) this.#ready.push(next)
    }
    if (lease.isLost) this.#site?.onLost(lease.line.home)
    const lane = this.#laneOf.get(lease)
    if (lane === undefined) return
    this.#laneOf.delete(lease)
    const next = lane.waiting.shift()
    if (next === undefined) {
      this.#lanes.delete(lane.name)
      return
    }
    this.#blocked--
    lane.first = next
    this.#ready.push(next)
  }

  again(lease: Lease): void {
    this.#ready.again(lease)
  }

  drain(): Lease[] {
    const taken = [...this.#ready.drain(), ...this.#suspects.drain()]
    for (const lease of taken) {
      const lane = this.#laneOf.get(lease)
      if (lane !== undefined) this.#lanes.delete(lane.name)
      this.#laneOf.delete(lease)
    }
    for (const [lease, lane] of this.#laneOf) {
      if (lane.first === lease) continue
      taken.push(lease)
      this.#laneOf.delete(lease)
    }
    for (const lane of this.#lanes.values()) lane.waiting.length = 0
    this.#blocked = 0
    return taken
  }

  async #count(lease: Lease): Promise<void> {
    this.#counting.add(lease)
    const isOurs = (await this.#site?.count(lease)) === true
    this.#counting.delete(lease)
    if (isOurs && lease.place !== -1) {
      lease.isUncounted = false
      this.#ready.again(lease)
    } else this.done(lease)
    this.#site?.onReady()
  }
}

function isBefore(lease: Lease, other: Lease): boolean {
  return other.line === lease.line && isBelow(lease.copyId, other.copyId)
}
