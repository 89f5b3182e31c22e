/**
 * What a worker holds of its group, and until when.
 *
 *   held ──handler done──► settling ──acknowledged──► released
 *    │ └──handler failed──────────────────────────────► released (stays pending: the sweep retries it)
 *    └─ another owner, or no renewal for leaseMs ─────► lost: the handler's signal aborts, its result is dropped
 *
 * A lease is renewed before its entry is run, while it runs and until it is acknowledged. Its time is counted from
 * before the request that renewed it was sent, so this side never believes in a lease that others see as over.
 */

import type { DeliveredEntry, EntryId } from '../backend.ts'

export interface Lease {
  readonly id: EntryId
  readonly fields: DeliveredEntry['fields']
  /** How often the entry was delivered, this time included. */
  readonly attempt: number
  readonly controller: AbortController
  /** By performance.now(). */
  expiresAtMs: number
  /** Not ours any more: drop the result. */
  isLost: boolean
  /** Its acknowledgement is on the way; that one's answer tells whether it was still ours. */
  isSettling: boolean
  /** Deleted from the stream: there is nothing to acknowledge any more. */
  isGone: boolean
}

export class Leases {
  readonly #leaseMs: number
  readonly #held = new Map<EntryId, Lease>()

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  get size(): number {
    return this.#held.size
  }

  /** Takes an entry that was delivered by a request sent at `sentAtMs`; undefined when it is held already. */
  take(entry: DeliveredEntry, attempt: number, sentAtMs: number): Lease | undefined {
    const held = this.#held.get(entry.id)
    if (held !== undefined) {
      held.expiresAtMs = sentAtMs + this.#leaseMs
      return undefined
    }
    const expiresAtMs = sentAtMs + this.#leaseMs
    const states = { isLost: false, isSettling: false, isGone: false }
    const lease: Lease = {
      id: entry.id,
      fields: entry.fields,
      attempt,
      controller: new AbortController(),
      expiresAtMs,
      ...states,
    }
    this.#held.set(entry.id, lease)
    return lease
  }

  ids(): EntryId[] {
    return [...this.#held.keys()]
  }

  release(lease: Lease): void {
    if (this.#held.get(lease.id) === lease) this.#held.delete(lease.id)
  }

  /** The entry was deleted from the stream, so nobody else will be given it. */
  gone(id: EntryId): void {
    const lease = this.#held.get(id)
    if (lease !== undefined) lease.isGone = true
  }

  renew(id: EntryId, sentAtMs: number): void {
    const lease = this.#held.get(id)
    if (lease !== undefined) lease.expiresAtMs = sentAtMs + this.#leaseMs
  }

  /** Gives the lease up and aborts its handler. Returns whether it was held. */
  lose(id: EntryId, reason: Error): boolean {
    const lease = this.#held.get(id)
    if (lease === undefined || lease.isSettling || lease.isGone) return false
    this.end(lease, reason)
    return true
  }

  /** Aborts the handler and drops its result, whoever the entry belongs to. */
  end(lease: Lease, reason: Error): void {
    this.release(lease)
    lease.isLost = true
    lease.controller.abort(reason)
  }

  /** Those whose time is over. */
  expired(nowMs: number): EntryId[] {
    return [...this.#held.values()].filter((lease) => lease.expiresAtMs <= nowMs).map((lease) => lease.id)
  }
}
