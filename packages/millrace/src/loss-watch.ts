/**
 * Finds out what a backend acknowledged and then lost: a fail-over to a replica that lagged, a restart without its files.
 *
 *   add ──ID──► ring of the last 10,000 IDs a stream ──the line returned, or IDs went back──► look each up ──missing──► data-loss
 *
 * What is older than the stream's first entry was trimmed, and what is not above its highest deleted ID may have been
 * deleted: neither counts as lost. For backends of other processes only; at most 1,000 streams, the last that were added to.
 */
import type { Backend, EntryId } from './backend.ts'
import type { CareEvent } from './care-event.ts'
import type { Clock } from './clock.ts'
import { compareIds } from './entry-id-order.ts'
import { StreamError } from './errors.ts'

const IDS_MAX = 10_000
const STREAMS_MAX = 1000
const PAGE = 1000
const TRY_MS = 500
const TRIES = 60

/** The last IDs that were added through this process, a circle: the oldest is overwritten. */
export class LastAdded {
  readonly #onBack: () => void
  #ids: EntryId[] = []
  #next = 0
  #last: EntryId | undefined

  /** `onBack`: an ID came that is below the one before. */
  constructor(onBack: () => void) {
    this.#onBack = onBack
  }

  /** Hot: once an add. */
  note(id: EntryId): void {
    const last = this.#last
    this.#last = id
    this.#ids[this.#next] = id
    this.#next = this.#next + 1 === IDS_MAX ? 0 : this.#next + 1
    // Within the same digits the order of text is the order of IDs with equal sequence lengths: enough to look closer.
    if (last !== undefined && id < last && compareIds(id, last) < 0) this.#onBack()
  }

  /** In the order of the IDs. */
  sorted(): EntryId[] {
    return this.#ids.toSorted(compareIds)
  }

  forget(ids: ReadonlySet<EntryId>): void {
    this.#ids = this.sorted().filter((id) => !ids.has(id))
    this.#next = this.#ids.length % IDS_MAX
    this.#last = this.#ids.at(-1)
  }
}

export class LossWatch {
  readonly #backend: Backend
  readonly #clock: Clock
  readonly #tell: (event: CareEvent) => void
  readonly #rings = new Map<string, LastAdded>()
  readonly #listeners = new Set<() => void>()
  readonly #checking = new Set<string>()
  #isClosed = false

  constructor(backend: Backend, clock: Clock, tell: (event: CareEvent) => void) {
    this.#backend = backend
    this.#clock = clock
    this.#tell = tell
  }

  /** Undefined for the embedded engine: it is this process. */
  ring(stream: string): LastAdded | undefined {
    if (this.#backend.kind === 'embedded') return undefined
    let ring = this.#rings.get(stream)
    if (ring === undefined) {
      ring = new LastAdded(() => void this.check(stream))
      this.#rings.set(stream, ring)
      for (const oldest of this.#rings.keys()) {
        if (this.#rings.size <= STREAMS_MAX) break
        this.#rings.delete(oldest)
      }
    }
    return ring
  }

  /** The line to the backend stands again. */
  lineReturned(): void {
    for (const listener of this.#listeners) listener()
    for (const stream of this.#rings.keys()) void this.check(stream)
  }

  /** Calls `listener` whenever the line returns; returns what ends that. */
  onReturn(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  tell(event: CareEvent): void {
    this.#tell(event)
  }

  close(): void {
    this.#isClosed = true
    for (const listener of this.#listeners) listener()
    this.#rings.clear()
  }

  /** Looks up what was added; tries again for 30 seconds. Never rejects. */
  async check(stream: string): Promise<void> {
    if (this.#checking.has(stream)) return
    this.#checking.add(stream)
    for (let tries = 0; tries < TRIES && !this.#isClosed; tries++) {
      try {
        await this.#look(stream)
        break
      } catch (error) {
        if (error instanceof StreamError && error.code === 'CLOSED') break
        await new Promise<void>((resolve) => this.#clock.setBackgroundTimer(TRY_MS, resolve))
      }
    }
    this.#checking.delete(stream)
  }

  async #look(stream: string): Promise<void> {
    const ring = this.#rings.get(stream)
    const added = ring?.sorted() ?? []
    const [first, last] = [added[0], added.at(-1)]
    if (ring === undefined || first === undefined || last === undefined) return
    const info = await this.#backend.inspect(stream)
    const present = new Set<EntryId>()
    const isThere = info !== undefined
    for (let from: string = first, isMore = isThere; isMore;) {
      const page = await this.#backend.range(stream, { from, to: last, count: PAGE })
      for (const { id } of page) present.add(id)
      const end = page.at(-1)
      isMore = end !== undefined && page.length === PAGE
      if (end !== undefined) from = `(${end.id}`
    }
    const missing = added.filter((id) => {
      if (present.has(id)) return false
      if (info === undefined || compareIds(id, info.lastId) > 0) return true
      return info.firstId !== undefined && compareIds(id, info.firstId) > 0 && compareIds(id, info.maxDeletedId) > 0
    })
    const [from, to] = [missing[0], missing.at(-1)]
    if (from === undefined || to === undefined) return
    ring.forget(new Set(missing))
    this.#tell({ type: 'data-loss', stream, ids: missing, from, to })
  }
}
