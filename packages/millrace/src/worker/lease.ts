/**
 * What a worker holds of its group, and until when.
 *
 *   held ──handler done──► settling ──acknowledged──► released
 *    │ └──handler failed──► copied elsewhere and acknowledged in one step ──► released
 *    └─ another owner, or no renewal for leaseMs ─────► lost: the handler's signal aborts, its result is dropped
 *
 * A lease is renewed before its entry is run, while it runs and until it is acknowledged. Its time is counted from
 * before the request that renewed it was sent, so this side never believes in a lease that others see as over.
 */
import type { DeliveredEntry, EntryId } from '../backend.ts'
import { StreamError } from '../errors.ts'
import { siblingKey } from '../sibling-key.ts'
import type { Line } from './line.ts'

/** A handler's second argument. Its properties are made when they are first read: do not spread it. */
export interface HandlerContext {
  /** The message's ID: of a retry, that of the entry that was first added. */
  readonly id: EntryId
  /** Aborted when the lease is lost or the worker stops waiting: the result will be dropped. */
  readonly signal: AbortSignal
  /** Which attempt this is, from 1; deliveries to workers that died count. */
  readonly attempt: number
  readonly lease: HandlerLease
}

/** The hold on an entry. */
export interface HandlerLease {
  readonly stream: string
  readonly group: string
  readonly consumer: string
  /** The ID of what is held; of a retry, the copy's. */
  readonly copyId: EntryId
  /** Milliseconds until others may take it, if it were not renewed; 0: it is over. It is renewed each third of `leaseMs`. */
  expiresInMs(): number
  /**
   * A number that grows with each call on this stream, given only to who owns the entry now. Send it to a resource that
   * refuses smaller ones: a worker that was held up cannot overwrite its successor's work. `LEASE_LOST` when another owns it.
   */
  fence(): Promise<number>
}

export class Lease implements HandlerContext {
  readonly line: Line
  /** Where it stands in its line's stream. */
  readonly copyId: EntryId
  readonly fields: DeliveredEntry['fields']
  id: EntryId
  /** Of this copy, this time included. */
  deliveries: number
  attemptsBefore = 0
  /** By the clock's monotonicMs(). */
  expiresAtMs: number
  /** Not ours any more: drop the result. */
  isLost = false
  /** Its acknowledgement is on the way; that one's answer tells whether it was still ours. */
  isSettling = false
  /** A step that ends it is on its way; that one's answer tells whether it was still ours, not a renewal that comes after it. */
  isConcluding = false
  /** Deleted from the stream, or its group was: nobody else has it, and there is nothing to acknowledge any more. */
  isGone = false
  /** Left over by another worker, and this worker's delivery of it is not counted yet (order/lanes.ts). */
  isUncounted = false
  /** Who had it before this worker took it over. */
  lastConsumer: string | undefined = undefined
  /** Called when it is released or lost. */
  onEnd: (() => void) | undefined = undefined
  /** Its place among those that are held. */
  place = -1
  #controller: AbortController | undefined = undefined
  #endReason: Error | undefined = undefined
  #handle: HandlerLease | undefined = undefined

  constructor(line: Line, entry: DeliveredEntry, deliveries: number, expiresAtMs: number) {
    this.line = line
    this.copyId = entry.id
    this.id = entry.id
    this.fields = entry.fields
    this.deliveries = deliveries
    this.expiresAtMs = expiresAtMs
  }

  get attempt(): number {
    return this.attemptsBefore + this.deliveries
  }

  /** Made when it is asked for: one for each entry would take longer than everything else. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#endReason !== undefined && !this.#controller.signal.aborted) this.#controller.abort(this.#endReason)
    return this.#controller.signal
  }

  get lease(): HandlerLease {
    this.#handle ??= this.#makeHandle()
    return this.#handle
  }

  /** Aborts the handler. */
  abort(reason: Error): void {
    this.#endReason ??= reason
    this.#controller?.abort(this.#endReason)
  }

  #makeHandle(): HandlerLease {
    const { stream, group, consumer, clock } = this.line
    return {
      stream,
      group,
      consumer,
      copyId: this.copyId,
      expiresInMs: () => (this.isLost ? 0 : Math.max(0, this.expiresAtMs - clock.monotonicMs())),
      fence: async () => await this.#fence(),
    }
  }

  async #fence(): Promise<number> {
    const { backend, stream, home, group, consumer, leases } = this.line
    const what = `The lease of ${this.copyId} of '${stream}' was lost: another consumer owns it now`
    if (this.isLost) throw new StreamError('LEASE_LOST', what)
    const step = await backend.step({
      if: [{ kind: 'owns', stream, group, consumer, ids: [this.copyId] }],
      do: [{ kind: 'increment', key: siblingKey(home, 'fence') }],
    })
    if (step.isTaken) return Number(step.results[0])
    const error = new StreamError('LEASE_LOST', what)
    if (leases.end(this, error)) this.line.onLost(this)
    throw error
  }
}

/**
 * The leases of one line. Hot: an array with each lease's place in it, since IDs as keys of a Map would have to become flat
 * texts (80 ns each, Node 20).
 */
export class Leases {
  readonly #leaseMs: number
  readonly #held: Lease[] = []

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  get size(): number {
    return this.#held.length
  }

  /** Those held now; a copy. */
  all(): Lease[] {
    return [...this.#held]
  }

  /** Holds an entry that was delivered by a request sent at `sentAtMs`. The caller knows that it is not held. */
  take(line: Line, entry: DeliveredEntry, deliveries: number, sentAtMs: number): Lease {
    const lease = new Lease(line, entry, deliveries, sentAtMs + this.#leaseMs)
    lease.place = this.#held.length
    this.#held.push(lease)
    return lease
  }

  /** Cold. */
  heldIds(): Set<EntryId> {
    return new Set(this.#held.map((lease) => lease.copyId))
  }

  release(lease: Lease): void {
    const { place } = lease
    if (place === -1) return
    const last = this.#held.pop()!
    if (last !== lease) {
      this.#held[place] = last
      last.place = place
    }
    lease.place = -1
    lease.onEnd?.()
  }

  renew(lease: Lease, sentAtMs: number): void {
    lease.expiresAtMs = sentAtMs + this.#leaseMs
  }

  /** Gives the lease up and aborts its handler. Returns whether it was held and not about to be acknowledged. */
  lose(lease: Lease, reason: Error): boolean {
    return !lease.isSettling && !lease.isGone && this.end(lease, reason)
  }

  /** Gives up all that `lose` would. None of them runs while the others are told: each knows already that it is lost. */
  loseAll(reason: Error): void {
    const lost = this.#held.filter((lease) => !lease.isSettling && !lease.isGone)
    for (const lease of lost) lease.isLost = true
    for (const lease of lost) {
      lease.abort(reason)
      this.release(lease)
    }
  }

  /** Aborts the handler and drops its result, whoever the entry belongs to. Returns whether it was held. */
  end(lease: Lease, reason: Error): boolean {
    if (lease.place === -1) return false
    lease.isLost = true
    lease.abort(reason)
    this.release(lease)
    return true
  }
}
