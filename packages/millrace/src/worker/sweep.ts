/**
 * Takes over what was delivered and then left: by a worker that died, or by a reply that was lost. Such an entry has been
 * idle for longer than its lease.
 *
 *   pending ──idle past its lease──► delivered once ──► claimed as there is room, queued
 *                                └─► more often: a suspect ──► claimed alone, when about to run; the next when it has ended
 *
 * A message that kills its worker is delivered again and again. Were it claimed in a batch, its neighbours would be counted up
 * with it; so from its second takeover on a worker has one such entry at a time.
 */
import type { EntryId, PendingEntry } from '../backend.ts'
import { Duty } from '../duty.ts'
import { StreamError } from '../errors.ts'
import type { GroupKeeper } from './group-keeper.ts'
import type { IntakeSite } from './intake.ts'
import type { Line } from './line.ts'

const PAGE = 100
/** From so many deliveries on an entry is a suspect. */
const SUSPECT_DELIVERIES = 2
const SUSPECTS_MAX = 1000

interface Suspect {
  readonly line: Line
  readonly id: EntryId
  readonly consumer: string
}

export class Sweep {
  readonly #site: IntakeSite
  readonly #groups: GroupKeeper
  readonly #duty: Duty
  readonly #stopping = new AbortController()
  #suspects: Suspect[] = []
  #isTrying = false
  #claiming: Promise<unknown> = Promise.resolve()
  #isPaused = false

  constructor(site: IntakeSite, groups: GroupKeeper) {
    this.#site = site
    this.#groups = groups
    this.#duty = new Duty(
      async (signal) => await this.#run(signal),
      // Jitter, so that the workers of a group do not all sweep at once.
      () => site.sweepMs * (0.75 + site.clock.random() / 2),
      site.clock,
    )
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#duty.stop()
    await this.#claiming
  }

  async #run(signal: AbortSignal): Promise<void> {
    if (this.#isPaused) return
    for (const line of this.#site.lines()) {
      try {
        await this.#groups.look(line)
        await this.#pass(line, signal)
        // Nobody but this group reads its retries: what is finished of them is of no more use.
        if (line.isRetry) await this.#site.backend.trim(line.stream, { acked: true })
      } catch (error) {
        // The next pass tries again; a missing group is the reader's.
        if (!(error instanceof StreamError && error.code === 'GROUP_NOT_FOUND')) {
          this.#site.onEvent({ type: 'error', error })
        }
      }
    }
    if (!this.#isTrying) void this.#trySuspects()
  }

  /** One look at the whole pending list, in pages. */
  async #pass(line: Line, signal: AbortSignal): Promise<void> {
    const { backend, group, consumer, leaseMs } = this.#site
    for (let from = '-', isMore = true; isMore && !signal.aborted;) {
      const rows = await backend.pending(line.stream, group, { minIdleMs: leaseMs, from, count: PAGE })
      if (rows.length === 0) return
      const held = line.leases.heldIds()
      // Held: the sweep met an entry of this worker's own whose renewal was late.
      const left = rows.filter(({ id, consumer: owner }) => owner !== consumer || !held.has(id))
      for (const { id, consumer: owner, deliveries } of left) {
        const isNew = !this.#suspects.some((suspect) => suspect.line === line && suspect.id === id)
        if (deliveries < SUSPECT_DELIVERIES || !isNew || this.#suspects.length >= SUSPECTS_MAX) continue
        this.#suspects.push({ line, id, consumer: owner })
      }
      const once = left.filter(({ deliveries }) => deliveries < SUSPECT_DELIVERIES)
      if (!(await this.#takeOver(line, once, signal))) return
      from = `(${rows.at(-1)!.id}`
      isMore = rows.length === PAGE
    }
  }

  /** Claims in the order of their IDs as there is room; false: it took too long, and the next pass goes on. */
  async #takeOver(line: Line, rows: readonly PendingEntry[], signal: AbortSignal): Promise<boolean> {
    const { clock, sweepMs, room, untilRoom } = this.#site
    const untilMs = clock.monotonicMs() + Math.max(sweepMs, 1000)
    for (let taken = 0; taken < rows.length;) {
      const count = room()
      if (signal.aborted || this.#isPaused || clock.monotonicMs() > untilMs) return false
      if (count <= 0) {
        const overdue = new AbortController()
        const cancel = clock.setTimer(Math.max(sweepMs, 1000), () => overdue.abort())
        await untilRoom(AbortSignal.any([signal, overdue.signal]))
        cancel()
        continue
      }
      const ids = rows.slice(taken, taken + count).map(({ id }) => id)
      taken += ids.length
      await this.#claim(line, ids)
    }
    return true
  }

  async #claim(line: Line, ids: readonly EntryId[]): Promise<void> {
    const { backend, clock, group, consumer, leaseMs, take, onEvent } = this.#site
    const sentAtMs = clock.monotonicMs()
    const found = await backend.claim(line.stream, group, consumer, { minIdleMs: leaseMs, ids })
    if (found.deleted.length > 0) onEvent({ type: 'deleted', ids: found.deleted })
    if (found.entries.length === 0) return
    onEvent({ type: 'taken-over', count: found.entries.length })
    take(line, found.entries, sentAtMs)
  }

  /** One after another, each when there is a place for it. Never rejects. */
  async #trySuspects(): Promise<void> {
    const { signal } = this.#stopping
    this.#isTrying = true
    while (this.#suspects.length > 0 && !signal.aborted) {
      if (this.#isPaused || !(await this.#site.untilPlace(signal))) break
      const ended = this.#startSuspect(this.#suspects.shift()!)
      this.#claiming = ended.then(
        () => undefined,
        () => undefined,
      )
      try {
        await (
          await ended
        )?.ended
      } catch (error) {
        this.#site.onEvent({ type: 'error', error })
      }
    }
    // What is left is found again by the next pass.
    this.#suspects = []
    this.#isTrying = false
  }

  async #startSuspect({ line, id, consumer: owner }: Suspect): Promise<{ readonly ended: Promise<void> } | undefined> {
    const { backend, clock, group, consumer, leaseMs, start, freePlace, onEvent } = this.#site
    const sentAtMs = clock.monotonicMs()
    try {
      const { entries, deleted } = await backend.claim(line.stream, group, consumer, { minIdleMs: leaseMs, ids: [id] })
      if (deleted.length > 0) onEvent({ type: 'deleted', ids: deleted })
      const [entry] = entries
      if (entry === undefined) return undefined
      onEvent({ type: 'taken-over', count: 1 })
      const lease = line.leases.take(line, entry, entry.deliveries, sentAtMs)
      lease.lastConsumer = owner
      const ended = new Promise<void>((resolve) => (lease.onEnd = resolve))
      start(lease)
      return { ended }
    } finally {
      freePlace()
    }
  }
}
