/**
 * Renews the leases of everything a worker holds, three times per lease, and finds out which ones are lost.
 * Their time is looked at on its own: a renewal that waits for a dead line must not keep an expired lease alive.
 *
 * XCLAIM … JUSTID to oneself resets the idle time without raising the delivery count. It is checked against the
 * owner, else a stale worker would steal its old entries back.
 */

import type { Backend } from '../backend.ts'
import { Duty } from '../duty.ts'
import type { Leases } from './lease.ts'
import type { WorkerEvent } from './worker.ts'

/** How late the end of a lease may be noticed, at most. */
const EXPIRY_MS_MAX = 1000

export interface HeartbeatSite {
  readonly backend: Backend
  readonly stream: string
  readonly group: string
  readonly consumer: string
  readonly leases: Leases
  readonly leaseMs: number
  readonly onEvent: (event: WorkerEvent) => void
}

export class Heartbeat {
  readonly #site: HeartbeatSite
  readonly #beats: Duty
  readonly #expiry: Duty
  /** When the renewal under way was sent; undefined: none is. */
  #sentAtMs: number | undefined

  constructor(site: HeartbeatSite) {
    this.#site = site
    this.#beats = new Duty(
      async () => await this.#beat(),
      () => site.leaseMs / 3,
    )
    this.#expiry = new Duty(
      async () => {
        if (this.#hasWaited()) this.#loseExpired()
      },
      () => Math.min(site.leaseMs / 10, EXPIRY_MS_MAX),
    )
  }

  async stop(): Promise<void> {
    await Promise.all([this.#beats.stop(), this.#expiry.stop()])
  }

  async #beat(): Promise<void> {
    const { backend, stream, group, consumer, leases, onEvent } = this.#site
    const ids = leases.ids()
    if (ids.length === 0) return
    const sentAtMs = performance.now()
    this.#sentAtMs = sentAtMs
    try {
      const claim = { minIdleMs: 0, ids, ifOwner: consumer, justId: true }
      const { entries, deleted } = await backend.claim(stream, group, consumer, claim)
      // A deleted entry is nobody's any more: its handler may as well finish.
      for (const id of deleted) leases.gone(id)
      const ours = new Set([...entries.map((entry) => entry.id), ...deleted])
      for (const id of ids) {
        if (ours.has(id)) leases.renew(id, sentAtMs)
        else this.#lose(id, 'another consumer owns it now')
      }
      if (deleted.length > 0) onEvent({ type: 'deleted', ids: deleted })
    } catch (error) {
      onEvent({ type: 'error', error })
    }
    this.#sentAtMs = undefined
    this.#loseExpired()
  }

  /** After this process was held up, a renewal that has only just been sent may still be in time. */
  #hasWaited(): boolean {
    return this.#sentAtMs !== undefined && performance.now() - this.#sentAtMs >= this.#site.leaseMs / 3
  }

  #loseExpired(): void {
    for (const id of this.#site.leases.expired(performance.now())) this.#lose(id, 'it could not be renewed in time')
  }

  #lose(id: Parameters<Leases['lose']>[0], why: string): void {
    if (this.#site.leases.lose(id, new Error(`The lease of ${id} was lost: ${why}`))) {
      this.#site.onEvent({ type: 'lost', id })
    }
  }
}
