/**
 * Runs a worker's handler on what is queued.
 *
 *   WorkQueue ──► open: envelope, codec ──► handler(entry, context) ──returns──► acknowledged, in batches
 *                   │ undecodable                     │ promise: one of `concurrency` places until it settles
 *                   ▼                                 ▼ outcome, thrown
 *                 dead letter                       Transitions
 *
 * Hot: a handler that returns without a promise costs no promise, closure, timer or AbortController. After 10 ms others get
 * their turn of the event loop.
 */
import type { Clock } from '../clock.ts'
import { openEnvelope } from '../envelope.ts'
import type { Source } from '../group.ts'
import type { EntryId } from '../backend.ts'
import type { HandlerContext, Lease } from './lease.ts'
import { type BatchResult, isOutcome, spread } from './outcome.ts'
import type { Prefetch } from './prefetch.ts'
import type { RateLimit } from './rate-limit.ts'
import type { Transitions } from './transitions.ts'
import type { WorkQueue } from './work-queue.ts'
import type { WorkerEvent } from './worker-event.ts'

/** What a handler is given. */
export interface WorkEntry<T> {
  /** The message's ID: of a retry, that of the entry that was first added. A key for effects that must not happen twice. */
  readonly id: EntryId
  readonly value: T
  readonly headers: Readonly<Record<string, string>>
  /** The message's own name, where its sender gave it one. */
  readonly key: string | undefined
  readonly orderingKey: string | undefined
}

export type Handler<T> = (entry: WorkEntry<T>, context: HandlerContext) => Promise<unknown> | unknown

/** `contexts` has a context for each entry, in their order. */
export type BatchHandler<T> = (
  entries: readonly WorkEntry<T>[],
  contexts: readonly HandlerContext[],
) => Promise<BatchResult> | BatchResult

export interface BatchOptions {
  /** At most so many entries. Default 100. */
  readonly size?: number
  /** A batch that is not full begins after so many milliseconds. Default 50. */
  readonly waitMs?: number
}

export type Task<T> =
  | { readonly kind: 'one'; readonly handler: Handler<T> }
  | { readonly kind: 'batch'; readonly handler: BatchHandler<T>; readonly batch: Required<BatchOptions> }

export interface RunnerSite<T> {
  readonly clock: Clock
  readonly source: Source<T>
  readonly task: Task<T>
  readonly concurrency: number
  readonly maxAttempts: number
  readonly queue: WorkQueue
  readonly limit: RateLimit | undefined
  readonly prefetch: Prefetch
  readonly transitions: Transitions
  readonly acknowledge: (lease: Lease) => void
  /** The queue was worked on: acknowledgements can be sent, and there may be room. */
  readonly onProgress: () => void
  readonly onEvent: (event: WorkerEvent) => void
}

const TURN_MS = 10

export class Runner<T> {
  readonly #site: RunnerSite<T>
  /** Those whose handlers have not settled. */
  readonly #running = new Set<Lease>()
  #places = 0
  #isOpen = true
  #isReserved = false
  #isDraining = false
  #turn: NodeJS.Immediate | undefined
  #batchTimer: (() => void) | undefined
  #isBatchDue = false
  #idle: (() => void) | undefined

  constructor(site: RunnerSite<T>) {
    this.#site = site
  }

  /** Entries whose handlers run. */
  get running(): number {
    return this.#running.size
  }

  get hasPlace(): boolean {
    return this.#places < this.#site.concurrency
  }

  leases(): Lease[] {
    return [...this.#running]
  }

  /** Begins no more, or again. */
  open(isOpen: boolean): void {
    this.#isOpen = isOpen
    if (isOpen) this.drain()
  }

  /** Keeps one place out of the queue's reach. */
  reserve(isReserved: boolean): void {
    this.#isReserved = isReserved
  }

  /** Resolves when no handler runs. */
  async idle(): Promise<void> {
    if (this.#places > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  stop(): void {
    this.#isOpen = false
    this.#batchTimer?.()
    if (this.#turn !== undefined) clearImmediate(this.#turn)
  }

  /** Runs what may run now. */
  drain(): void {
    if (this.#isDraining || !this.#isOpen) return
    this.#isDraining = true
    const { clock, task } = this.#site
    const places = this.#isReserved ? this.#site.concurrency - 1 : this.#site.concurrency
    const untilMs = clock.monotonicMs() + TURN_MS
    for (let begun = 1; this.#places < places && this.#isOpen; begun++) {
      const hasBegun = task.kind === 'one' ? this.#startNext(task.handler) : this.#startBatch(task)
      if (!hasBegun) break
      if ((begun & 7) === 0 && clock.monotonicMs() >= untilMs) {
        this.#turn ??= setImmediate(() => {
          this.#turn = undefined
          this.drain()
        })
        break
      }
    }
    this.#isDraining = false
    this.#site.onProgress()
  }

  /** Past the queue. */
  start(lease: Lease): void {
    const { task } = this.#site
    if (task.kind === 'one') this.#startOne(lease, task.handler)
    else this.#runBatch([lease], task.handler)
    this.#site.onProgress()
  }

  #next(): Lease | undefined {
    const { queue, limit } = this.#site
    if (limit !== undefined && (queue.size === 0 || !limit.take())) return undefined
    return queue.shift()
  }

  #startNext(handler: Handler<T>): boolean {
    const lease = this.#next()
    if (lease === undefined) return false
    this.#startOne(lease, handler)
    return true
  }

  #startOne(lease: Lease, handler: Handler<T>): void {
    const entry = this.#openEntry(lease)
    if (entry === undefined) return
    let result: unknown
    try {
      result = handler(entry, lease)
    } catch (error) {
      this.#site.prefetch.finished(1)
      this.#site.transitions.failed(lease, error)
      return
    }
    if (isThenable(result)) void this.#finishLater([lease], result)
    else this.#finish(lease, result)
  }

  /** Undefined: there is nothing to run, and what is to become of the entry is under way. */
  #openEntry(lease: Lease): WorkEntry<T> | undefined {
    const { source, transitions, maxAttempts, onEvent, queue } = this.#site
    if (lease.isLost) {
      queue.done(lease)
      return undefined
    }
    // An entry without fields was deleted: there is nothing to handle, so it is only acknowledged.
    if (lease.fields === undefined) {
      this.#finish(lease, undefined)
      return undefined
    }
    const { own, envelope } = openEnvelope(lease.fields)
    lease.attemptsBefore = envelope.attemptsBefore
    if (envelope.originalId !== undefined) lease.id = envelope.originalId
    const { id } = lease
    if (lease.attempt > maxAttempts) {
      const text = `It was delivered ${lease.attempt} times, and no worker has told what became of it`
      transitions.deadLetter(lease, 'worker-died', new Error(text))
      return undefined
    }
    try {
      const { value } = source.decode({ id, fields: own })
      return { id, value, headers: envelope.headers, key: envelope.key, orderingKey: envelope.orderingKey }
    } catch (error) {
      onEvent({ type: 'error', error, id })
      transitions.deadLetter(lease, 'undecodable', error)
      return undefined
    }
  }

  #finish(lease: Lease, result: unknown): void {
    const { queue, transitions, acknowledge, prefetch } = this.#site
    prefetch.finished(1)
    if (lease.isLost) queue.done(lease)
    else if (isOutcome(result)) transitions.conclude(lease, result)
    else {
      acknowledge(lease)
      queue.done(lease)
    }
  }

  async #finishLater(leases: readonly Lease[], result: PromiseLike<unknown>): Promise<void> {
    this.#places++
    for (const lease of leases) this.#running.add(lease)
    let outcomes: readonly unknown[] = []
    let failure: { readonly error: unknown } | undefined
    try {
      const settled = await result
      outcomes = this.#site.task.kind === 'one' ? [settled] : spread(settled, idsOf(leases))
    } catch (error) {
      failure = { error }
    }
    this.#places--
    for (const lease of leases) this.#running.delete(lease)
    this.#finishAll(leases, outcomes, failure)
    this.drain()
    if (this.#places === 0) this.#idle?.()
  }

  #finishAll(
    leases: readonly Lease[],
    outcomes: readonly unknown[],
    failure: { readonly error: unknown } | undefined,
  ): void {
    const isBatch = this.#site.task.kind === 'batch'
    for (const [i, lease] of leases.entries()) {
      const outcome = outcomes[i]
      if (failure === undefined && !(isBatch && outcome instanceof Error && !isOutcome(outcome))) {
        this.#finish(lease, outcome)
        continue
      }
      this.#site.prefetch.finished(1)
      this.#site.transitions.failed(lease, failure === undefined ? outcome : failure.error)
    }
  }

  #startBatch({ handler, batch }: Extract<Task<T>, { kind: 'batch' }>): boolean {
    const { queue, clock } = this.#site
    if (queue.size === 0) return false
    if (queue.size < batch.size && !this.#isBatchDue) {
      this.#batchTimer ??= clock.setTimer(batch.waitMs, () => {
        this.#batchTimer = undefined
        this.#isBatchDue = true
        this.drain()
      })
      return false
    }
    this.#batchTimer?.()
    this.#batchTimer = undefined
    this.#isBatchDue = false
    const leases: Lease[] = []
    for (let lease = this.#next(); lease !== undefined; lease = this.#next()) {
      leases.push(lease)
      if (leases.length === batch.size) break
    }
    if (leases.length > 0) this.#runBatch(leases, handler)
    return leases.length > 0
  }

  #runBatch(taken: readonly Lease[], handler: BatchHandler<T>): void {
    const leases: Lease[] = []
    const entries: WorkEntry<T>[] = []
    for (const lease of taken) {
      const entry = this.#openEntry(lease)
      if (entry === undefined) continue
      leases.push(lease)
      entries.push(entry)
    }
    if (leases.length === 0) return
    let outcomes: readonly unknown[] = []
    let failure: { readonly error: unknown } | undefined
    try {
      const result = handler(entries, leases)
      if (isThenable(result)) {
        void this.#finishLater(leases, result)
        return
      }
      outcomes = spread(result, idsOf(leases))
    } catch (error) {
      failure = { error }
    }
    this.#finishAll(leases, outcomes, failure)
  }
}

function idsOf(leases: readonly Lease[]): EntryId[] {
  return leases.map((lease) => lease.id)
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
