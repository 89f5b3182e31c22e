/**
 * All readers of this process, over as few blocking reads as there are slot groups: one, or eight on a Cluster.
 *
 *   follower ─┐
 *   follower ─┤ Watch 'OPENAI_STREAM:7f3a…'  at 1795…-0 ─┐
 *   producer ─┘                                           ├─ ReadLoop ─ one blocking read ─► Backend
 *   follower ── Watch 'OPENAI_STREAM:9c04…'  at 1795…-3 ─┘
 */
import type { Backend, EntryId } from 'millrace'
import { ReadLoop, type ReadLoopOptions } from './read-loop.ts'
import { closedError } from './relay-error.ts'
import type { Subscription } from './subscription.ts'

export interface Place {
  readonly stream: string
  readonly slotGroup: string
  /** The last entry that the reader has. */
  readonly position: EntryId
}

export class ReaderHub {
  readonly #backend: Backend
  readonly #options: ReadLoopOptions
  readonly #loops = new Map<string, ReadLoop>()
  #closed = false

  constructor(backend: Backend, options: ReadLoopOptions) {
    this.#backend = backend
    this.#options = options
  }

  subscribe(place: Place, signal: AbortSignal): Subscription {
    if (this.#closed) throw closedError()
    let loop = this.#loops.get(place.slotGroup)
    if (loop === undefined) {
      loop = new ReadLoop(this.#backend, this.#options)
      this.#loops.set(place.slotGroup, loop)
    }
    return loop.subscribe(place.stream, place.position, signal)
  }

  /** Ends all readers with `CLOSED`. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#loops.values()].map((loop) => loop.close()))
  }
}
