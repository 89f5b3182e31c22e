/**
 * What waits in a worker to be run, in which order. The default is first in, first out; an ordered stream has another one,
 * which gives out an entry only when no other of its key runs.
 *
 *   push ──► waiting ──shift──► running ──done──► away
 *                                  └──again──► runs next (a retry that waited in the worker)
 */
import type { Lease } from './lease.ts'

export interface WorkQueue {
  /** How many may run as soon as there is a place. */
  readonly size: number
  /** How many wait for another entry to end, in an ordered stream. */
  readonly blocked: number
  push(lease: Lease): void
  /** The next that may run now. */
  shift(): Lease | undefined
  /** A lease that was shifted has ended, in whatever way. Called once for each. */
  done(lease: Lease): void
  /** A lease that was shifted is to run again, before all others of its kind; it was not done. */
  again(lease: Lease): void
  /** Takes all out that wait. */
  drain(): Lease[]
}

/** A list with a head that moves: `Array.shift` moves all the others. */
export class Fifo implements WorkQueue {
  readonly blocked = 0
  #waiting: (Lease | undefined)[] = []
  #head = 0

  get size(): number {
    return this.#waiting.length - this.#head
  }

  push(lease: Lease): void {
    this.#waiting.push(lease)
  }

  shift(): Lease | undefined {
    if (this.#head === this.#waiting.length) return undefined
    const lease = this.#waiting[this.#head]
    this.#waiting[this.#head++] = undefined
    if (this.#head === this.#waiting.length || this.#head === COMPACTED_AT) {
      this.#waiting = this.#waiting.slice(this.#head)
      this.#head = 0
    }
    return lease
  }

  done(): void {
    // Nobody waits for it.
  }

  again(lease: Lease): void {
    this.#waiting.splice(this.#head, 0, lease)
  }

  drain(): Lease[] {
    const left = this.#waiting.slice(this.#head).filter((lease) => lease !== undefined)
    this.#waiting = []
    this.#head = 0
    return left
  }
}

const COMPACTED_AT = 4096
