/**
 * The caretakers of one `Millrace`: one a stream, for as long as somebody wants it.
 *
 *   orders ──► { caretaker, users: 2 workers, kept by a handle }      users ──last one leaves, not kept──► stopped
 */
import { randomBytes } from 'node:crypto'
import type { Backend } from '../backend.ts'
import type { CareEvent } from '../care-event.ts'
import type { Clock } from '../clock.ts'
import type { Retention } from '../retention.ts'
import type { Caretakers } from '../site.ts'
import { type CareOptions, Caretaker, type CaretakerSite } from './caretaker.ts'

interface Tended {
  readonly caretaker: Caretaker
  users: number
  isKept: boolean
}

const CLOSE_MS = 1000

export class SharedCaretakers implements Caretakers {
  readonly #site: CaretakerSite
  readonly #tended = new Map<string, Tended>()
  readonly #retentions = new Map<string, Retention>()
  readonly #stopping = new Set<Promise<void>>()
  #isClosed = false

  constructor(backend: Backend, clock: Clock, care: CareOptions, tell: (event: CareEvent) => void) {
    this.#site = { backend, clock, care, tell, owner: randomBytes(12).toString('hex') }
  }

  tend(stream: string): () => void {
    const tended = this.#of(stream)
    if (tended === undefined) return () => undefined
    tended.users++
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      tended.users--
      if (tended.users > 0 || tended.isKept || this.#tended.get(stream) !== tended) return
      this.#tended.delete(stream)
      const stopped = tended.caretaker.stop().finally(() => this.#stopping.delete(stopped))
      this.#stopping.add(stopped)
    }
  }

  keep(stream: string, retention?: Retention): void {
    if (retention !== undefined) this.describe(stream, retention)
    const tended = this.#of(stream)
    if (tended !== undefined) tended.isKept = true
  }

  describe(stream: string, retention: Retention): void {
    this.#retentions.set(stream, retention)
    const tended = this.#tended.get(stream)
    if (tended !== undefined) tended.caretaker.retention = retention
  }

  isFull(stream: string): boolean {
    return this.#tended.get(stream)?.caretaker.isFull === true
  }

  /** Stops all; waits for at most a second. */
  async close(): Promise<void> {
    this.#isClosed = true
    const stopped = [...this.#tended.values()].map(async ({ caretaker }) => await caretaker.stop())
    this.#tended.clear()
    let cancel: (() => void) | undefined
    const tooLong = new Promise<void>((resolve) => (cancel = this.#site.clock.setTimer(CLOSE_MS, resolve)))
    await Promise.race([Promise.all([...stopped, ...this.#stopping]), tooLong])
    cancel?.()
  }

  #of(stream: string): Tended | undefined {
    if (this.#isClosed) return undefined
    let tended = this.#tended.get(stream)
    if (tended === undefined) {
      const caretaker = new Caretaker(this.#site, stream)
      caretaker.retention = this.#retentions.get(stream) ?? 'acked'
      tended = { caretaker, users: 0, isKept: false }
      this.#tended.set(stream, tended)
    }
    return tended
  }
}
