/**
 * A worker of a consumer group: runs a handler for each entry it is given, and acknowledges it afterwards.
 *
 *   WorkerReader ──new──┐
 *                       ├──► queue ──► handler (at most `concurrency` at once) ──► Acknowledger
 *   Sweep ──left over───┘      └──────────── Leases ◄──── Heartbeat ───────────┘
 *
 *   running ──stop()──► draining ──handlers done, or graceMs──► stopped
 *
 * Each entry is handled at least once: again when the handler threw, when its worker died, or when its lease was
 * lost. A handler that must not act twice checks `signal` and uses the entry's ID as its key.
 */

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { Acknowledger } from './acknowledger.ts'
import { BLOCK_MS_MAX, checkInteger, checkName } from '../arguments.ts'
import type { Backend, DeliveredEntry, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import type { Source } from '../group.ts'
import { Heartbeat } from './heartbeat.ts'
import { type Lease, Leases } from './lease.ts'
import { pause } from '../pause.ts'
import type { Site } from '../site.ts'
import { Sweep } from './sweep.ts'
import { WorkerReader } from './worker-reader.ts'

export interface HandlerContext {
  readonly id: EntryId
  /** Aborted when the lease is lost or the worker stops waiting: the result will be dropped. */
  readonly signal: AbortSignal
  /** How often the entry was delivered, this time included: 1 at first. */
  readonly attempt: number
}

export type Handler<T> = (
  entry: { readonly id: EntryId; readonly value: T },
  context: HandlerContext,
) => Promise<unknown> | unknown

export type WorkerEvent =
  /** With an `id` the handler threw (or the entry could not be decoded) and the entry will be retried; else a request failed. */
  | { readonly type: 'error'; readonly error: unknown; readonly id?: EntryId }
  /** The lease ended while the entry was in hand; its result is dropped. */
  | { readonly type: 'lost'; readonly id: EntryId }
  /** Entries that were trimmed or deleted before they were acknowledged. */
  | { readonly type: 'deleted'; readonly ids: readonly EntryId[] }
  /** The group did not exist, or no longer. */
  | { readonly type: 'group-created' }

export interface WorkerOptions {
  /** The consumer's name in the group; no two running workers may share one. Default: host, process and a random part. */
  readonly consumer?: string
  /** Handlers at once. Default 16. */
  readonly concurrency?: number
  /** How long an entry may go without a renewal before others take it over. Default 30,000; the same in all workers of a group. */
  readonly leaseMs?: number
  /** How often to look for what others left. Default 5,000. */
  readonly sweepMs?: number
  /** How long one read waits at the server. Default 5,000. */
  readonly blockMs?: number
  /** Where a group that does not exist begins. Default `0-0`, the beginning. */
  readonly from?: EntryId | '$'
  readonly onEvent?: (event: WorkerEvent) => void
}

export interface StopOptions {
  /** How long running handlers may go on. Default 10,000. */
  readonly graceMs?: number
}

/** Handed back with this idle time, an entry is past any lease, so that others take it at their next sweep. */
const HANDED_BACK_IDLE_MS = 24 * 60 * 60 * 1000
/** Acknowledgements that wait for an answer; more than that and no new entries are read. */
const UNSETTLED_MAX = 1024
const LAST_ACKNOWLEDGEMENTS_MS = 2000
/** With the jitter of a sweep still what a timer can count: beyond that it would fire at once. */
const WAIT_MS_MAX = 2 ** 30

export class Worker<T> {
  readonly consumer: string
  readonly #backend: Backend
  readonly #task: { readonly group: string; readonly source: Source<T>; readonly handler: Handler<T> }
  readonly #onEvent: ((event: WorkerEvent) => void) | undefined
  readonly #concurrency: number
  readonly #hasOwnName: boolean
  readonly #leases: Leases
  readonly #queue: Lease[] = []
  readonly #running = new Map<Lease, Promise<void>>()
  readonly #acknowledger: Acknowledger
  readonly #heartbeat: Heartbeat
  readonly #reader: WorkerReader
  readonly #sweep: Sweep
  /** Called when there is room again. */
  #roomMade: (() => void) | undefined
  #isDraining = false
  #stopped: Promise<void> | undefined

  /** Use `Group.worker`. Starts at once. */
  constructor(
    { backend }: Site,
    task: { readonly group: string; readonly source: Source<T>; readonly handler: Handler<T> },
    options: WorkerOptions = {},
  ) {
    const { concurrency = 16, leaseMs = 30_000, sweepMs = 5000, blockMs = 5000, from = '0-0' as EntryId } = options
    checkInteger('concurrency', concurrency, 1)
    checkInteger('leaseMs', leaseMs, 1, WAIT_MS_MAX)
    checkInteger('sweepMs', sweepMs, 1, WAIT_MS_MAX)
    checkInteger('blockMs', blockMs, 1, BLOCK_MS_MAX)
    if (options.consumer !== undefined) checkName('consumer', options.consumer)
    this.consumer = options.consumer ?? `${hostname()}-${process.pid}-${randomBytes(4).toString('hex')}`
    this.#backend = backend
    this.#task = task
    this.#onEvent = options.onEvent
    this.#concurrency = concurrency
    this.#hasOwnName = options.consumer === undefined
    this.#leases = new Leases(leaseMs)
    const onEvent = (event: WorkerEvent): void => this.#tell(event)
    const site = { backend, stream: task.source.name, group: task.group, consumer: this.consumer, onEvent, leaseMs }
    const free = (): number => this.#free()
    this.#acknowledger = new Acknowledger({ ...site, onError: (error) => onEvent({ type: 'error', error }) })
    this.#heartbeat = new Heartbeat({ ...site, leases: this.#leases })
    this.#sweep = new Sweep({ ...site, sweepMs, free, take: (entry, at) => this.#take(entry, entry.deliveries, at) })
    this.#reader = new WorkerReader({
      ...site,
      from,
      blockMs,
      free,
      untilFree: async (signal) => await this.#untilFree(signal),
      take: (entry, at) => this.#take(entry, 1, at),
    })
  }

  /**
   * Takes no more, lets running handlers finish for `graceMs`, then aborts them; hands back what is unfinished so
   * that other workers take it at once. Idempotent.
   */
  async stop(options: StopOptions = {}): Promise<void> {
    const { graceMs = 10_000 } = options
    checkInteger('graceMs', graceMs, 0, BLOCK_MS_MAX)
    this.#stopped ??= this.#stop(graceMs)
    await this.#stopped
  }

  async #stop(graceMs: number): Promise<void> {
    this.#isDraining = true
    await Promise.all([this.#reader.stop(), this.#sweep.stop()])
    const unstarted = this.#queue.splice(0)
    const handlers = Promise.all(this.#running.values())
    const over = new AbortController()
    await Promise.race([handlers, pause(graceMs, over.signal)])
    over.abort()
    const unfinished = [...unstarted, ...this.#running.keys()]
    await this.#heartbeat.stop()
    for (const lease of unfinished) this.#leases.end(lease, new Error('The worker stopped'))
    await this.#acknowledger.stop(LAST_ACKNOWLEDGEMENTS_MS)
    await this.#handBack(unfinished.map((lease) => lease.id))
  }

  async #handBack(ids: readonly EntryId[]): Promise<void> {
    const { group, source } = this.#task
    try {
      if (ids.length > 0) {
        const claim = { minIdleMs: 0, ids, ifOwner: this.consumer, justId: true, idleMs: HANDED_BACK_IDLE_MS }
        await this.#backend.claim(source.name, group, this.consumer, claim)
      }
      if (this.#hasOwnName) await this.#backend.deleteConsumer(source.name, group, this.consumer)
    } catch (error) {
      // Busy: it still owns entries, so others will find them under its name.
      if (!(error instanceof StreamError && error.code === 'CONSUMER_BUSY')) this.#tell({ type: 'error', error })
    }
  }

  #free(): number {
    if (this.#isDraining || this.#leases.size >= UNSETTLED_MAX + this.#concurrency) return 0
    return this.#concurrency - this.#running.size - this.#queue.length
  }

  async #untilFree(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        signal.removeEventListener('abort', done)
        this.#roomMade = undefined
        resolve()
      }
      this.#roomMade = done
      signal.addEventListener('abort', done, { once: true })
      if (this.#free() > 0 || signal.aborted) done()
    })
  }

  #take(entry: DeliveredEntry, attempt: number, sentAtMs: number): void {
    const lease = this.#leases.take(entry, attempt, sentAtMs)
    // Held already: the sweep met an entry of this worker's own whose renewal was late.
    if (lease === undefined) return
    this.#queue.push(lease)
    this.#startNext()
  }

  #startNext(): void {
    while (this.#running.size < this.#concurrency && this.#queue.length > 0 && !this.#isDraining) {
      const lease = this.#queue.shift()!
      if (lease.isLost) continue
      this.#running.set(lease, this.#handle(lease))
    }
  }

  async #handle(lease: Lease): Promise<void> {
    const { id, attempt, controller } = lease
    let failure: { readonly error: unknown } | undefined
    try {
      // An entry without fields was deleted: there is nothing to handle, so it is only acknowledged.
      if (lease.fields !== undefined) {
        const entry = this.#task.source.decode({ id, fields: lease.fields })
        await this.#task.handler(entry, { id, attempt, signal: controller.signal })
      }
    } catch (error) {
      failure = { error }
    }
    this.#running.delete(lease)
    this.#startNext()
    if (this.#free() > 0) this.#roomMade?.()
    if (lease.isLost) return
    if (failure !== undefined) {
      this.#leases.release(lease)
      this.#tell({ type: 'error', error: failure.error, id })
      return
    }
    lease.isSettling = true
    void this.#acknowledge(lease)
  }

  async #acknowledge(lease: Lease): Promise<void> {
    const isAcknowledged = await this.#acknowledger.acknowledge(lease.id)
    if (!isAcknowledged && !lease.isGone) this.#tell({ type: 'lost', id: lease.id })
    this.#leases.release(lease)
    if (this.#free() > 0) this.#roomMade?.()
  }

  #tell(event: WorkerEvent): void {
    // Found by the sweep: nobody else owns such an entry, so its handler may finish.
    if (event.type === 'deleted') for (const id of event.ids) this.#leases.gone(id)
    if (event.type === 'error' && event.error instanceof StreamError && event.error.code === 'CLOSED') {
      // Without its backend a worker can neither read, renew nor acknowledge. Said once, then it stops.
      if (this.#isDraining) return
      queueMicrotask(() => void this.stop({ graceMs: 0 }))
    }
    try {
      this.#onEvent?.(event)
    } catch {
      // A listener's own mistake must not stop the work; there is nobody else to tell.
    }
  }
}
